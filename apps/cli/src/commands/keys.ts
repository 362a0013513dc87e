import type { Command } from 'commander'
import { Option } from 'commander'
import { Scope } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, collect, parseDuration } from '../parse.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris keys create ci --scope jobs:read --scope jobs:write --expires 90d\n  lumaris keys list\n  lumaris keys revoke key_01jcd3k8w9e5r7t2y4u6p8a0sd\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('list', 'my keys, without their secrets').action(withContext(list))
  sub('create', 'a new key; its secret is shown once').argument('<label>', 'what it is for')
    .addOption(new Option('--scope <scope>', 'what it may do (repeatable)').choices(Scope.options).argParser(collect(asIs)).makeOptionMandatory())
    .option('--expires <duration>', 'when it ends, such as 90d (never)', parseDuration)
    .action(withContext(create))
  sub('revoke', 'end a key now').argument('<key>', 'its id').action(withContext(revoke))
}

async function list(context: Context): Promise<void> {
  const { data } = await (await context.client()).api.listKeys(), now = context.io.now()
  await context.showList(data, [
    { title: 'key', value: (key) => key.id }, { title: 'label', value: (key) => key.label, shrinks: true }, { title: 'begins', value: (key) => key.prefix },
    { title: 'scopes', value: (key) => key.scopes.join(' '), shrinks: true }, { title: 'created', value: (key) => stamp(key.createdAt), shown: (key) => agoText(key.createdAt, now) },
    { title: 'used', value: (key) => stamp(key.lastUsedAt), shown: (key) => agoText(key.lastUsedAt, now) || 'never' },
    { title: 'made by', value: (key) => key.madeBy?.name, shrinks: true },
    { title: 'state', value: (key) => (key.revokedAt !== undefined ? 'revoked' : key.expiresAt !== undefined && key.expiresAt <= now ? 'expired' : 'valid'), state: true },
  ], (key) => key.id, 'No keys.')
}

async function create(context: Context, label: string, options: { scope: string[]; expires?: number }): Promise<void> {
  const key = await (await context.client()).api.createKey({ body: { label, scopes: options.scope as Scope[], ...(options.expires === undefined ? {} : { expiresInMs: options.expires }) } })
  if (context.flags.quiet) return context.write(`${key.secret}\n`)
  await context.showThing(key, [['key', key.id], ['label', key.label], ['scopes', key.scopes.join(', ')], ['expires', stamp(key.expiresAt)], ['secret', key.secret]])
  context.note('Keep the secret now: it is not shown again.')
}

async function revoke(context: Context, id: string): Promise<void> {
  await (await context.client()).api.revokeKey({ params: { key: id } })
  context.note('Revoked.')
}
