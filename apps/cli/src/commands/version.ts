import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import { VERSION } from '../cli.ts'
import type { Context } from '../context.ts'

export function define(command: Command, withContext: WithContext): void {
  command.option('--server', 'ask the market too').addHelpText('before', 'Examples:\n  lumaris version --server\n').action(withContext(version))
}

async function version(context: Context, options: { server?: boolean }): Promise<void> {
  const server = options.server ? (await (await context.client()).api.healthz()).version : undefined
  await context.showThing({ lumaris: VERSION, node: process.versions.node, ...(server === undefined ? {} : { server }) }, [['lumaris', VERSION], ['node', process.versions.node], ['server', server]])
}
