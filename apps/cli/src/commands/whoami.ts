import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris whoami\n').action(withContext(whoami))
}

async function whoami(context: Context): Promise<void> {
  const me = await (await context.client()).api.me()
  const { url, from } = context.settings
  await context.showThing({ ...me, url }, [['user', me.id], ['name', me.name], ['e-mail', me.email], ['roles', me.roles.join(', ')], ['acts for', me.actingFor && `${me.actingFor.name} (${me.actingFor.email}), as ${me.actingFor.role}`], ['market', url], ['address from', from.url], ['key from', from.token]])
}
