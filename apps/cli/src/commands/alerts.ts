import type { Command } from 'commander'
import { Argument, InvalidArgumentError, Option } from 'commander'
import { ALERT_WORDS, MAIL_CODE_VALID_MS, MailedKind, formatDuration } from '@lumaris/protocol'
import type { AlertMail, AlertSettings } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, collect, parseAmount, parseCount, parseDuration } from '../parse.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

type MailOptions = { code?: string; kind?: string[] }
type SetOptions = { budget?: bigint | 'none'; offline?: number | 'none'; completion?: number | 'none' }
export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris alerts\n  lumaris alerts read\n  lumaris alerts set --budget 50\n  lumaris alerts set --offline 30m --completion 90\n  lumaris alerts set --budget none\n  lumaris alerts mail on\n  lumaris alerts mail on --code 12345678 --kind node_offline --kind payout_failed\n')
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  const orNone = <T>(parse: (text: string) => T) => (text: string): T | 'none' => (text === 'none' ? 'none' : parse(text)) // commander takes a null for no value
  sub('list', 'my alerts, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(list))
  sub('read', 'mark all of them as read').action(withContext(read))
  sub('set', 'when alerts are raised for me; what is not named stays')
    .option('--budget <credits>', 'of a calendar month: told at 50, 80 and 100 %; or none', orNone(parseAmount))
    .option('--offline <duration>', 'a node of mine not heard of for so long; or none', orNone(parseDuration))
    .option('--completion <percent>', 'a node of mine believed to end less of its work than this; or none', orNone(parsePercent)).action(withContext(set))
  sub('mail', 'alerts by mail: whether, where to and which; on, off, or a mail to try it')
    .addArgument(new Argument('[what]', 'without it: how it stands').choices(['on', 'off', 'test', 'code']))
    .option('--code <code>', 'of the mail that proves the address', asIs)
    .addOption(new Option('--kind <kind>', 'only this kind (repeatable); all: every kind again').choices(['all', ...MailedKind.options]).argParser(collect(asIs)))
    .action(withContext(mail))
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

async function mail(context: Context, what: 'on' | 'off' | 'test' | 'code' | undefined, { code, kind }: MailOptions): Promise<void> {
  const { api } = await context.client(), wanted = kind === undefined ? {} : { kinds: kind.includes('all') ? null : kind.map((one) => checkKind(one)) }
  if (what === 'test') {
    await api.testAlertMail()
    return context.note('A mail is on its way.')
  }
  if (what === 'off') return showMail(context, await api.setAlertMail({ body: { on: false, ...wanted } }))
  if (what === undefined && code === undefined && kind === undefined) return showMail(context, await api.getAlertMail())
  if (code !== undefined) {
    const proved = await api.proveAlertMail({ body: { code } })
    return showMail(context, kind === undefined ? proved : await api.setAlertMail({ body: { on: true, ...wanted } }))
  }
  const before = await api.getAlertMail()
  // An address that nobody has proved needs a code first.
  if (what === 'code' || (what === 'on' && before.here && !before.proved)) {
    const { address } = await api.sendAlertMailCode()
    return context.note(`A code is on its way to ${address}. Within ${formatDuration(MAIL_CODE_VALID_MS)}: lumaris alerts mail on --code CODE`)
  }
  return showMail(context, await api.setAlertMail({ body: { on: what === 'on' || before.on, ...wanted } }))
}
function checkKind(text: string): MailedKind {
  const read = MailedKind.safeParse(text)
  if (!read.success) throw new CliError(`"${text}" is no kind of alert that is mailed`, `Use ${MailedKind.options.join(', ')}, or all.`, EXIT.usage)
  return read.data
}
const showMail = (context: Context, now: AlertMail): Promise<void> => context.showThing(now, [
  ['by mail', !now.here ? 'this market sends no mail' : now.on ? 'on' : now.proved ? 'off' : 'off, the address is not proved'], ['because', now.offBecause], ['address', now.address], ['which', now.kinds === null ? 'all kinds' : now.kinds.map((kind) => ALERT_WORDS[kind]).join(', ')],
  ['wait to be sent', now.waiting === 0 ? undefined : now.waiting], ['the last try', now.problem], ['last sent', now.lastSentAt === undefined ? undefined : agoText(now.lastSentAt, context.io.now())],
])
