import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { writeProfile } from '../profile.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('[account]', 'e-mail, name or id of an account you work for; self: your own again')
    .addHelpText('before', 'Examples:\n  lumaris use                       for whom I may act\n  lumaris use labs@example.org      from now on, for them\n  lumaris use self                  for myself again\n  lumaris --account labs@example.org jobs\n')
    .action(withContext(use))
}

async function use(context: Context, said: string | undefined): Promise<void> {
  const { settings } = context, { profile, file, name } = settings
  const client = await context.self()
  if (said === undefined) {
    const { data } = await client.api.listAccounts()
    return context.showList(data, [
      { title: 'account', value: (one) => one.account }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'e-mail', value: (one) => one.email, shrinks: true }, { title: 'role', value: (one) => one.role },
      { title: 'in use', value: (one) => (settings.for === one.account ? 'yes' : '') },
    ], (one) => one.account, 'You work for no account but your own.')
  }
  const identity = profile?.identities[name]
  if (!profile || !identity) throw new CliError('Nobody is signed in here to remember it for', 'Sign in first: lumaris login. Or name the account each time: --account.', EXIT.usage)
  const account = said === 'self' ? null : await context.accountBy(client, said)
  const { for: _, ...rest } = identity
  writeProfile(file, { ...profile, identities: { ...profile.identities, [name]: { ...rest, ...(account ? { for: account.account } : {}) } } })
  context.note(account ? `From now on you act for ${account.name}, as ${account.role}. Back to yourself: lumaris use self.` : 'You act for yourself again.')
}
