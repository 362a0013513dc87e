import { z } from 'zod'
import { AttemptId, Instant, JobId, NodeId } from './ids.ts'
import { Amount } from './money.ts'
import { DriverOffer } from './node.ts'

// What the owner of a machine wants of its agent, and what the agent shows of itself on that machine. The first is a file that owners may edit; the
// second goes to the owner's screen (lumaris agent gui, lumaris top) and not to the market, which hears no more than machine.ts says.

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof DAYS)[number]
/** `22:00-24:00`; a range over midnight is two, one on each day. */
const Range = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'hours are written such as 22:00-24:00; a night is two ranges, one on each day')
  .refine((text) => text.slice(0, 5) < text.slice(6), 'a range ends after it begins; a night is two ranges, one on each day')
const isZone = (name: string): boolean => { try { new Intl.DateTimeFormat('en', { timeZone: name }); return true } catch { return false /* no such zone */ } }
export const Hours = z.strictObject({
  timeZone: z.string().max(64).refine(isZone, 'a time zone is written such as Europe/Berlin'),
  /** When work may run; a day that is left out is closed. */
  week: z.strictObject(Object.fromEntries(DAYS.map((day) => [day, z.array(Range).max(12).default([])])) as Record<Day, z.ZodDefault<z.ZodArray<typeof Range>>>),
}).meta({ id: 'OwnerHours' })
export type Hours = z.infer<typeof Hours>

const Percent = z.number().int().min(1).max(100)
// Each value once, without what is usual: the file of the machine has all of them, what is asked over the market any of them.
const SHARES = {
  cpuPercent: Percent, memoryPercent: Percent, diskPercent: Percent,
  /** At most so many cores, whatever the percent come to; null: no other limit. */
  cores: z.number().min(0.1).max(4096).nullable(),
  /** What inputs and results may take of the way to the market, all jobs together; null: all there is. */
  upKiBs: z.number().int().min(8).max(100_000_000).nullable(), downKiBs: z.number().int().min(8).max(100_000_000).nullable(),
}
const PAUSES = {
  /** Somebody uses keyboard, mouse or gamepad. */
  inUse: z.boolean(),
  /** Somebody types in a terminal too, also from afar. Off: whoever looks after a server by ssh would stop it. */
  terminals: z.boolean(),
  /** After so long without a touch the machine counts as free again. */
  idleMs: z.number().int().min(10_000).max(4 * 3_600_000),
  /** Programs that are not the market's take more of all cores than this; `nice` ones do not count. */
  otherCpuPercent: Percent.nullable(),
  onBattery: z.boolean(), batteryBelowPercent: Percent.nullable(), hotterThanCelsius: z.number().int().min(30).max(120).nullable(),
  /** No new work while the system says that the network is paid by what goes over it; what runs goes on. */
  metered: z.boolean(),
}
const FreezeMs = z.number().int().min(0).max(600_000)
export const OwnerSettings = z.strictObject({
  /** Of what the node offers. Work that runs already keeps what it was promised. */
  share: z.strictObject({ cpuPercent: SHARES.cpuPercent.default(100), memoryPercent: SHARES.memoryPercent.default(100), diskPercent: SHARES.diskPercent.default(100), cores: SHARES.cores.default(null), upKiBs: SHARES.upKiBs.default(null), downKiBs: SHARES.downKiBs.default(null) }).prefault({}),
  /** Null: at all hours. */
  hours: Hours.nullable().default(null),
  pauseWhen: z.strictObject({
    inUse: PAUSES.inUse.default(true), terminals: PAUSES.terminals.default(false), idleMs: PAUSES.idleMs.default(180_000), otherCpuPercent: PAUSES.otherCpuPercent.default(null),
    onBattery: PAUSES.onBattery.default(true), batteryBelowPercent: PAUSES.batteryBelowPercent.default(null), hotterThanCelsius: PAUSES.hotterThanCelsius.default(90), metered: PAUSES.metered.default(true),
  }).prefault({}),
  /** Jobs stand still for so long, then they are handed back. 0: at once. */
  freezeMs: FreezeMs.default(300_000),
  /** What its seller asks over the market holds where nothing is set here. False: it does not, and no settings come from elsewhere. */
  fromMarket: z.boolean().default(true),
  /** How much its log tells, at once; null: as it was started. */
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).nullable().default(null),
}).meta({ id: 'OwnerSettings' })
export type OwnerSettings = z.infer<typeof OwnerSettings>
export type OwnerSettingsInput = z.input<typeof OwnerSettings>

/** What a seller asks of the machine over the market: any of the settings. What stands in the machine's own file wins, field by field. */
export const OwnerAsked = z.strictObject({ share: z.strictObject(SHARES).partial().optional(), hours: Hours.nullable().optional(), pauseWhen: z.strictObject(PAUSES).partial().optional(), freezeMs: FreezeMs.optional() }).meta({ id: 'OwnerAsked' })
export type OwnerAsked = z.infer<typeof OwnerAsked>

/** The market takes an attempt whose meter stands still for lost after this; the agent hands it back well before. */
export const FROZEN_MAX_MS = 900_000

/** What the owner said last; survives a restart. `until` null: until it is taken back. */
export const OwnerWish = z.strictObject({ pause: z.strictObject({ until: Instant.nullable() }).nullable().default(null) })
export type OwnerWish = z.infer<typeof OwnerWish>

/** Strongest first: the first one that holds is the one people are told. */
export const PAUSE_REASONS = {
  stopped: 'You stopped everything',
  paused: 'You paused it',
  in_use: 'Somebody is using this computer',
  on_battery: 'The computer runs on battery',
  battery_low: 'The battery is low',
  too_hot: 'The computer is too hot',
  other_load: 'Other programs need the processor',
  outside_hours: 'It is outside the hours you set',
  metered: 'The network is metered: no new work',
} as const
export const PauseReason = z.enum(Object.keys(PAUSE_REASONS) as [keyof typeof PAUSE_REASONS, ...(keyof typeof PAUSE_REASONS)[]])
export type PauseReason = z.infer<typeof PauseReason>

export const Earnings = z.object({
  node: NodeId, /** After the fee, of everything that was settled. */ total: Amount, /** Of that, still in the dispute window. */ pending: Amount,
  /** Of that, settled since the asked time. */ recent: Amount, at: Instant,
}).meta({ id: 'Earnings' })
export type Earnings = z.infer<typeof Earnings>

export const OwnerProblem = z.object({ code: z.string(), says: z.string(), fix: z.string(), /** What a button can do about it. */ action: z.enum(['reconnect', 'self_test', 'resume', 'mend']).optional(), /** What to type in a terminal, where no button can. */ command: z.string().optional() })
export type OwnerProblem = z.infer<typeof OwnerProblem>
export const OwnerJob = z.object({
  attempt: AttemptId, job: JobId, program: z.string(), driver: z.string(), state: z.enum(['starting', 'running', 'frozen', 'ending']),
  runMs: z.number(), frozenMs: z.number(), cpuPercent: z.number(), memoryBytes: z.number(), cpuMillis: z.number(), /** So far, before the fee. */ earning: Amount,
})
export type OwnerJob = z.infer<typeof OwnerJob>
/** One second: [time, CPU of the whole machine %, CPU of jobs %, memory used %, hottest °C or null]. */
export const Sample = z.tuple([Instant, z.number(), z.number(), z.number(), z.number().nullable()])
export type Sample = z.infer<typeof Sample>

export const OwnerService = z.object({
  /** `none`: this system has no systemd, and `says` what to do. */
  state: z.enum(['none', 'absent', 'enabled', 'disabled']), says: z.string(), /** Of the unit. */ path: z.string().nullable(), /** What is written there, to the byte. */ text: z.string().nullable(), active: z.boolean(),
})
export type OwnerService = z.infer<typeof OwnerService>
export const OwnerStatus = z.object({
  at: Instant, pid: z.number().int(), version: z.string(), node: NodeId, name: z.string(), market: z.string(), connected: z.boolean(), /** When a word of the market was last heard. */ heardAt: Instant.nullable(),
  word: z.enum(['earning', 'idle', 'paused', 'problem']), says: z.string(), reasons: z.array(PauseReason), /** Null: nobody knows. */ nextAt: Instant.nullable(), /** When jobs that stand still are handed back. */ handBackAt: Instant.nullable(),
  wish: OwnerWish, stopped: z.boolean(), settings: OwnerSettings, /** Which of them stand in the machine's own file: `share.cpuPercent`. */ local: z.array(z.string()).default([]), /** What was asked over the market, and why it was not taken if it was not. */ asked: z.object({ number: z.number().int(), settings: OwnerAsked, refused: z.string().optional() }).nullable().default(null),
  offered: z.object({ cpuMillis: z.number(), memoryBytes: z.number() }), full: z.object({ cpuMillis: z.number(), memoryBytes: z.number(), diskBytes: z.number().default(0) }), /** Of all cores of the machine. */ cpuLimitPercent: z.number(),
  cpuPercent: z.number(), jobsCpuPercent: z.number(), memoryUsedBytes: z.number(), memoryBytes: z.number(), celsius: z.number().nullable(), batteryPercent: z.number().nullable(), onBattery: z.boolean().nullable(), idleMs: z.number().nullable(),
  earnings: Earnings.nullable(), /** Versions of agents: the market's own, and the oldest that it lets in. Null: it has not said. */ agents: z.object({ version: z.string(), oldest: z.string(), /** This agent is older than the market. */ older: z.boolean() }).nullable().default(null), /** Whether it starts with the system. */ service: OwnerService.nullable().default(null), jobs: z.array(OwnerJob), problems: z.array(OwnerProblem), drivers: z.array(DriverOffer), timeZone: z.string(), gui: z.string().nullable(),
})
export type OwnerStatus = z.infer<typeof OwnerStatus>

/** What the screen may ask. */
export const PauseRequest = z.union([z.strictObject({ forMs: z.number().int().min(1000).max(30 * 86_400_000) }), z.strictObject({ until: z.union([Instant, z.literal('tomorrow')]) }), z.strictObject({})])
export type PauseRequest = z.infer<typeof PauseRequest>
export const SelfTestLine = z.object({ check: z.string(), ok: z.boolean(), says: z.string() })
export type SelfTestLine = z.infer<typeof SelfTestLine>
