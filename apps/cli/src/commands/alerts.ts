import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { formatDuration } from '@lumaris/protocol'
import type { AlertSettings } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { parseAmount, parseCount, parseDuration } from '../parse.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

type SetOptions = { budget?: bigint | 'none'; offline?: number | 'none'; completion?: number | 'none' }
export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris alerts\n  lumaris alerts read\n  lumaris alerts set --budget 50\n  lumaris alerts set --offline 30m --completion 90\n  lumaris alerts set --budget none\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  const orNone = <T>(parse: (text: string) => T) => (text: string): T | 'none' => (text === 'none' ? 'none' : parse(text)) // commander takes a null for no value
  sub('list', 'my alerts, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(list))
  sub('read', 'mark all of them as read').action(withContext(read))
  sub('set', 'when alerts are raised for me; what is not named stays')
    .option('--budget <credits>', 'of a calendar month: told at 50, 80 and 100 %; or none', orNone(parseAmount))
    .option('--offline <duration>', 'a node of mine not heard of for so long; or none', orNone(parseDuration))
    .option('--completion <percent>', 'a node of mine believed to end less of its work than this; or none', orNone(parsePercent)).action(withContext(set))
  command.option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(list))
}
function parsePercent(text: string): number {
  if (!/^[1-9]\d?\s?%?$/.test(text.trim())) throw new InvalidArgumentError(`"${text}" is not a percentage from 1 to 99.`)
  return Number.parseInt(text, 10) / 100
}

async function list(context: Context, { limit }: { limit: number }): Promise<void> {
  const { data } = await (await context.client()).api.listAlerts({ query: { limit: Math.max(1, Math.min(200, limit)) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'read', value: (one) => (one.readAt === undefined ? 'new' : 'read') }, { title: 'about', value: (one) => one.kind.replaceAll('_', ' ') }, { title: 'what', value: (one) => one.says, shrinks: true },
  ], (one) => one.id, 'No alerts.')
}
async function read(context: Context): Promise<void> {
  const { api } = await context.client(), { data: [newest], unread } = await api.listAlerts({ query: { limit: 1 } })
  if (newest) await api.readAlerts({ body: { upTo: newest.id } })
  context.note(unread === 0 ? 'Nothing was new.' : `${unread} marked as read.`)
}
async function set(context: Context, { budget, offline, completion }: SetOptions): Promise<void> {
  const { api } = await context.client(), before = await api.getAlertSettings()
  const given = <T>(value: T | 'none' | undefined, old: T | null): T | null => (value === undefined ? old : value === 'none' ? null : value)
  const asked: AlertSettings = { monthlyBudget: given(budget?.toString(), before.monthlyBudget), offlineMs: given(offline, before.offlineMs), completionBelow: given(completion, before.completionBelow) }
  const now = await api.setAlertSettings({ body: asked })
  await context.showThing(now, [['budget of a month', now.monthlyBudget === null ? 'none' : creditsOf(now.monthlyBudget)], ['a node not heard of for', now.offlineMs === null ? 'never told' : formatDuration(now.offlineMs)], ['a node that ends less than', now.completionBelow === null ? 'never told' : `${Math.round(now.completionBelow * 100)} %`]])
}
