// What the owner of this machine says to the agent on it. Wishes and settings are files that the agent watches, so they can also be given while it
// does not run; what it made of them is read from the agent itself.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { OwnerSettings } from '@lumaris/protocol'
import type { Hours, OwnerStatus } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { hoursText, parseHours } from '../hours.ts'
import { openScreen } from '../open-screen.ts'
import { asIs, parseDuration, parseSize } from '../parse.ts'
import { amountOf } from '../ui/money.ts'
import { durationText, sizeText, stamp } from '../ui/time.ts'

export const joinPath = (): string => join(homedir(), '.lumaris', 'agent')
const loadAgent = () => import('@lumaris/agent')
/** The agent looks four times a second, and shows itself once. */
const HEARD_MS = 5_000, ENDED_MS = 15_000

export function defineOwner(command: Command, withContext: WithContext): void {
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`).option('--data <folder>', 'the agent’s own', asIs, joinPath())
  sub('gui', 'open the owner’s screen of the agent here').option('--no-open', 'only print where it is').action(withContext(gui))
  sub('status', 'what the agent here is doing').action(withContext(status))
  sub('pause', 'let nothing run here: jobs stand still, then are handed back').option('--for <duration>', 'such as 1h', parseDuration).option('--until <time>', 'tomorrow (08:00), or such as 2026-12-24T18:00', parseTime).action(withContext(pause))
  sub('resume', 'let work run here again').action(withContext(resume))
  sub('stop-all', 'the kill switch: hand every job back now, and take none until resume').action(withContext(stopAll))
  defineService(command, withContext)
  sub('settings', 'show or change the owner’s limits and hours').alias('limits')
    .option('--up <size>', 'what results may take of the way to the market in a second, such as 500KiB; off', orOff(parseRate)).option('--down <size>', 'and inputs; off', orOff(parseRate))
    .option('--metered <pause|run>', 'no new work while the network is metered', parseChoice)
    .addOption(new Option('--log-level <level>', 'how much the agent’s log tells, from now on; usual: as it was started').choices(['debug', 'info', 'warn', 'error', 'usual']))
    .option('--cpu <percent>', 'of the node, for rent', parsePercent).option('--memory <percent>', 'of the node, for rent', parsePercent)
    .option('--disk <percent>', 'of the node, for rent', parsePercent).option('--cores <number>', 'at most so many, such as 2.5; off', orOff(parseCores))
    .option('--from-website <yes|no>', 'whether settings of the website hold where nothing is set here', parseYes).option('--leave', 'set nothing here any more: leave it all to the website')
    .option('--hours <hours>', '"mon-fri 22:00-07:00; sat,sun all", or always', (text) => parseHours(text) ?? 'always').option('--time-zone <zone>', 'of the hours, such as Europe/Berlin', asIs)
    .option('--in-use <pause|run>', 'while somebody uses the machine', parseChoice).option('--terminals <pause|run>', 'while somebody types in a terminal', parseChoice).option('--idle <duration>', 'free again after so long without a touch', parseDuration)
    .option('--on-battery <pause|run>', 'while on battery', parseChoice).option('--battery-below <percent>', 'pause below it; off', orOff(parsePercent))
    .option('--other-load <percent>', 'pause while other programs take more; off', orOff(parsePercent)).option('--hotter-than <celsius>', 'pause while it is hotter; off', orOff(parseNumber))
    .option('--freeze <duration>', 'jobs stand still for so long, then are handed back', parseDuration)
    .action(withContext(settings))
}
/** The flags of `agent join` as the agent itself knows them stand behind `--`. */
function defineService(command: Command, withContext: WithContext): void {
  const service = command.command('service').summary('let the agent here start with the system (systemd)').description('Lets the agent here start with the system (systemd): as a unit of the user who says so, or of root.')
    .addHelpText('before', 'Examples:\n  lumaris agent service install                 as it was joined\n  lumaris agent service install -- --cpus 4 --egress\n  lumaris agent service status                  what is written, and where\n')
  const sub = (name: string, summary: string): Command => service.command(name).summary(summary).description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`).option('--data <folder>', 'the agent’s own', asIs, joinPath())
  sub('install', 'write the unit, and have it start with the system; now too, where no agent runs').argument('[flags...]', 'of the agent, after --').action(withContext((context: Context, flags: string[], options: Where) => manage(context, options, 'install', flags)))
  for (const [name, summary] of [['remove', 'start it with the system no more, and remove the unit'], ['status', 'whether it starts with the system, and what is written for it'], ['restart', 'start it again, such as after an update']] as const) sub(name, summary).action(withContext((context: Context, options: Where) => manage(context, options, name, [])))
}
async function manage(context: Context, { data }: Where, act: 'install' | 'remove' | 'status' | 'restart', flags: string[]): Promise<void> {
  const agent = await loadAgent(), enrolled = await agent.loadEnrolment(data)
  if (act === 'install') {
    mustExist(data)
    const { configOf } = await import('@lumaris/agent/main')
    // What the agent would not understand is said now, and not at the next start.
    try { configOf(['--server', enrolled?.server ?? '', ...flags], {}) } catch (error) { throw error instanceof agent.AgentStopped ? new CliError(error.message, 'See: lumaris agent join --help', EXIT.failed) : error }
  }
  const service = agent.createService({ dataDir: data, argv: agent.serviceArgv({ execArgv: ['--disable-warning=ExperimentalWarning', '--optimize-for-size'], args: flags, server: enrolled?.server ?? context.settings.url, dataDir: data }) })
  const found = await (act === 'install' ? service.install((await agent.ownerDoor(data)) === null) : service[act]()).catch((error: unknown) => { throw error instanceof agent.AgentStopped ? new CliError(error.message, 'See: lumaris agent service --help', EXIT.failed) : error })
  context.note(found.says)
  await context.showThing(found, [['starts with the system', found.state === 'none' ? 'not here' : found.state === 'enabled' ? 'yes' : 'no'], ['runs by it now', found.state === 'none' ? undefined : found.active ? 'yes' : 'no'], ['unit', found.path ?? undefined]])
  if (act === 'status' && found.text !== null && !context.flags.json && !context.flags.jsonLines) await context.write(`\n${found.text}`)
}
type Where = { readonly data: string }

async function door(data: string): Promise<NonNullable<Awaited<ReturnType<Awaited<ReturnType<typeof loadAgent>>['ownerDoor']>>>> {
  const found = await (await loadAgent()).ownerDoor(data)
  if (!found) throw new CliError(`No agent runs in ${data}, or it runs without a screen`, 'Start one: lumaris agent join. One that runs elsewhere is named by --data.', EXIT.notFound)
  return found
}
function mustExist(data: string): void { if (!existsSync(join(data, 'node.json'))) throw new CliError(`No agent has joined a market from ${data}`, 'Name its folder by --data, or join first: lumaris agent join.', EXIT.notFound) }

async function gui(context: Context, options: Where & { open: boolean }): Promise<void> {
  const found = await door(options.data)
  const url = await found.ticket()
  const opened = options.open ? await openScreen(url, context.io.env) : null
  await context.showThing({ url, opened }, [['screen', url]])
  context.note(opened ? `Opened with ${opened}.` : 'Open it in a browser on this machine, within a minute; it opens once.')
}

/** Facts for people; the whole for programs. */
export const factsOf = (now: OwnerStatus): (readonly [string, string | number | undefined])[] => [
  ['state', now.stopped ? 'stopped' : now.word], ['says', now.says], ['again', now.word === 'paused' && now.nextAt !== null ? stamp(now.nextAt) : undefined], ['node', now.node], ['name', now.name], ['market', `${now.market}${now.connected ? '' : ' (not connected)'}`],
  ['processor', `${now.cpuPercent} %, jobs ${now.jobsCpuPercent} %, limit ${now.cpuLimitPercent} %`], ['memory', `${sizeText(now.memoryUsedBytes)} of ${sizeText(now.memoryBytes)}`], ['temperature', now.celsius === null ? undefined : `${now.celsius} °C`], ['battery', now.batteryPercent === null ? undefined : `${now.batteryPercent} %`],
  ['earned today', now.earnings ? `${amountOf(now.earnings.recent)} credits` : undefined], ['earned in all', now.earnings ? `${amountOf(now.earnings.total)} credits` : undefined], ['pending', now.earnings ? `${amountOf(now.earnings.pending)} credits` : undefined],
  ...now.jobs.map((job): readonly [string, string] => ['job', `${job.program} ${job.state} ${durationText(job.runMs)} ${job.job}`]), ...now.problems.map((one): readonly [string, string] => ['problem', `${one.says} ${one.fix}${one.command === undefined ? '' : ` ${one.command}`}`]),
]
async function status(context: Context, options: Where): Promise<void> {
  const now = await (await door(options.data)).status()
  await context.showThing(now, factsOf(now))
}

/** Waits until the agent has taken it up; says so when none runs. */
async function taken(context: Context, data: string, isSo: (now: OwnerStatus) => boolean, says: string, withinMs: number): Promise<OwnerStatus | null> {
  const found = await (await loadAgent()).ownerDoor(data)
  if (!found) { context.note(`${says} No agent runs in ${data} now; it holds from its next start.`); return null }
  for (const until = performance.now() + withinMs; ;) {
    const now = await found.status()
    if (isSo(now)) { context.note(says); return now }
    if (performance.now() > until) throw new CliError('The agent has not taken it up in time', `Its last state: ${now.word}. To end it by force: kill ${now.pid}.`, EXIT.timeout)
    await delay(100)
  }
}
async function shown(context: Context, data: string, now: OwnerStatus | null): Promise<void> {
  const { wish, stopped } = (await loadAgent()).readOwnerFiles(data)
  await context.showThing({ running: now !== null, stopped, wish, jobs: now?.jobs ?? [] }, [['state', now ? (now.stopped ? 'stopped' : now.word) : undefined], ['until', wish.pause?.until ? stamp(wish.pause.until) : undefined]])
}

async function pause(context: Context, options: Where & { for?: number; until?: number }): Promise<void> {
  mustExist(options.data)
  if (options.for !== undefined && options.until !== undefined) throw new CliError('Give --for or --until, not both', 'Such as: lumaris agent pause --for 1h', EXIT.usage)
  const until = options.until ?? (options.for === undefined ? null : context.io.now() + options.for)
  await (await loadAgent()).writeWish(options.data, { pause: { until } })
  await shown(context, options.data, await taken(context, options.data, (now) => now.reasons.includes('paused') && now.wish.pause?.until === until, 'Nothing of the market runs here now.', HEARD_MS))
}
async function resume(context: Context, options: Where): Promise<void> {
  mustExist(options.data)
  const agent = await loadAgent()
  agent.setStopped(options.data, false)
  await agent.writeWish(options.data, { pause: null })
  const now = await taken(context, options.data, (one) => !one.stopped && !one.reasons.includes('paused'), 'Work may run here again.', HEARD_MS)
  if (now && now.reasons.length > 0) context.note(`Not yet: ${now.says}`)
  await shown(context, options.data, now)
}
async function stopAll(context: Context, options: Where): Promise<void> {
  mustExist(options.data);
  (await loadAgent()).setStopped(options.data, true)
  await shown(context, options.data, await taken(context, options.data, (now) => now.stopped && now.jobs.length === 0, 'Stopped: every job was handed back. Work runs here again after: lumaris agent resume.', ENDED_MS))
}

type SettingsOptions = Where & { up?: number | 'off'; down?: number | 'off'; metered?: boolean; logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'usual';  cpu?: number; cores?: number | 'off'; memory?: number; disk?: number; fromWebsite?: boolean; leave?: true; hours?: Hours['week'] | 'always'; timeZone?: string; inUse?: boolean; terminals?: boolean; idle?: number; onBattery?: boolean; batteryBelow?: number | 'off'; otherLoad?: number | 'off'; hotterThan?: number | 'off'; freeze?: number }
async function settings(context: Context, options: SettingsOptions): Promise<void> {
  mustExist(options.data)
  const agent = await loadAgent()
  const { settings: before } = agent.readOwnerFiles(options.data)
  const week = options.hours === undefined ? before.hours?.week : options.hours === 'always' ? undefined : options.hours
  const timeZone = options.timeZone ?? before.hours?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
  const limit = (asked: number | 'off' | undefined, old: number | null): number | null => (asked === undefined ? old : asked === 'off' ? null : asked)
  const asked = {
    share: { cpuPercent: options.cpu ?? before.share.cpuPercent, memoryPercent: options.memory ?? before.share.memoryPercent, diskPercent: options.disk ?? before.share.diskPercent, cores: limit(options.cores, before.share.cores), upKiBs: limit(options.up, before.share.upKiBs), downKiBs: limit(options.down, before.share.downKiBs) }, hours: week ? { timeZone, week } : null,
    pauseWhen: {
      inUse: options.inUse ?? before.pauseWhen.inUse, terminals: options.terminals ?? before.pauseWhen.terminals, idleMs: options.idle ?? before.pauseWhen.idleMs, onBattery: options.onBattery ?? before.pauseWhen.onBattery,
      otherCpuPercent: limit(options.otherLoad, before.pauseWhen.otherCpuPercent), batteryBelowPercent: limit(options.batteryBelow, before.pauseWhen.batteryBelowPercent), hotterThanCelsius: limit(options.hotterThan, before.pauseWhen.hotterThanCelsius), metered: options.metered ?? before.pauseWhen.metered,
    },
    freezeMs: options.freeze ?? before.freezeMs, fromMarket: options.fromWebsite ?? before.fromMarket, logLevel: options.logLevel === undefined ? before.logLevel : options.logLevel === 'usual' ? null : options.logLevel,
  }
  const parsed = OwnerSettings.safeParse(asked)
  if (!parsed.success) throw new CliError(`${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`, 'See: lumaris agent settings --help', EXIT.usage)
  if (options.leave) await agent.leaveToMarket(options.data)
  else if (Object.keys(options).length > 1) await agent.changeSettings(options.data, parsed.data)
  if (options.leave) return settings(context, { data: options.data })
  const { share, hours, pauseWhen, freezeMs, fromMarket, logLevel } = parsed.data, now = agent.readOwnerFiles(options.data).local
  const off = (value: number | null, unit: string): string => (value === null ? 'off' : `${value} ${unit}`), when = (yes: boolean): string => (yes ? 'pause' : 'run')
  await context.showThing(parsed.data, [
    ['processor', `${share.cpuPercent} %`], ['cores', share.cores === null ? 'no other limit' : `at most ${share.cores}`], ['memory', `${share.memoryPercent} %`], ['disk', `${share.diskPercent} %`], ['hours', hoursText(hours)], ['in use', `${when(pauseWhen.inUse)}, free after ${durationText(pauseWhen.idleMs)}`], ['terminals', when(pauseWhen.terminals)], ['on battery', when(pauseWhen.onBattery)],
    ['battery below', off(pauseWhen.batteryBelowPercent, '%')], ['other load', off(pauseWhen.otherCpuPercent, '%')], ['hotter than', off(pauseWhen.hotterThanCelsius, '°C')], ['handed back', freezeMs === 0 ? 'at once' : `after ${durationText(freezeMs)}`],
    ['upload', off(share.upKiBs, 'KiB/s')], ['download', off(share.downKiBs, 'KiB/s')], ['metered network', pauseWhen.metered ? 'no new work' : 'run'], ['log', logLevel ?? 'as it was started'],
    ['from the website', fromMarket ? 'where nothing is set here' : 'nothing'], ['set here', now.join(', ') || 'nothing'], ['file', join(options.data, agent.SETTINGS_FILE)],
  ])
}

function parsePercent(text: string): number {
  const value = Number(text.replace(/\s?%$/, ''))
  if (!Number.isInteger(value) || value < 1 || value > 100) throw new InvalidArgumentError(`"${text}" is not a percentage from 1 to 100.`)
  return value
}
function parseNumber(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a whole number.`)
  return Number(text)
}
/** Commander takes null for nothing given, so off is a word. */
const orOff = (parse: (text: string) => number) => (text: string): number | 'off' => (text === 'off' ? 'off' : parse(text))
/** In whole KiB a second. */
const parseRate = (text: string): number => Math.round(parseSize(text.replace(/\/s$/, '')) / 1024)
function parseCores(text: string): number {
  if (!/^\d{1,4}(\.\d)?$/.test(text) || Number(text) < 0.1) throw new InvalidArgumentError(`"${text}" is not a number of cores such as 2 or 2.5.`)
  return Number(text)
}
function parseYes(text: string): boolean {
  if (text !== 'yes' && text !== 'no') throw new InvalidArgumentError(`"${text}" is neither yes nor no.`)
  return text === 'yes'
}
function parseChoice(text: string): boolean {
  if (text !== 'pause' && text !== 'run') throw new InvalidArgumentError(`"${text}" is neither pause nor run.`)
  return text === 'pause'
}
function parseTime(text: string): number {
  if (text === 'tomorrow') { const day = new Date(); day.setDate(day.getDate() + 1); day.setHours(8, 0, 0, 0); return day.getTime() }
  const at = Date.parse(text)
  if (Number.isNaN(at) || at <= Date.now()) throw new InvalidArgumentError(`"${text}" is not a time to come. Write tomorrow, or such as 2026-12-24T18:00.`)
  return at
}
