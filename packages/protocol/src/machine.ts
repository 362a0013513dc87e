import { z } from 'zod'
import { Instant } from './ids.ts'
import { DAYS, OwnerAsked } from './owner.ts'
import type { Day } from './owner.ts'

// How a machine is as a whole, as its agent reads it: said with each heartbeat, shown to its seller and to admins, decided by nobody. Who uses the
// machine and why it pauses is not in it: that is for the owner's own screen (owner.ts).

const Share = z.number().min(0).max(100)
/** What could not be read is left out: a container has no thermometer. */
export const MachineNow = z.object({
  cores: z.number().int().min(1).max(65_536), memory_bytes: z.number().min(0), disk_bytes: z.number().min(0).optional(),
  cpu_percent: Share, /** Of it, the market's work. */ jobs_cpu_percent: Share, memory_percent: Share, /** Of the disk that holds the agent's data. */ disk_percent: Share.optional(),
  in_bytes_s: z.number().min(0).optional(), out_bytes_s: z.number().min(0).optional(), celsius: z.number().min(-100).max(300).optional(),
  /** How fast one core is: bytes a second of SHA-256, measured once at the start of the agent. */
  hash_bytes_s: z.number().min(0).optional(),
})
export type MachineNow = z.infer<typeof MachineNow>
/** The owner's hours as they are told: looser than the file they stand in, because agents and markets are of different ages. */
export const HoursSaid = z.object({ timeZone: z.string().max(64), week: z.object(Object.fromEntries(DAYS.map((day) => [day, z.array(z.string().max(16)).max(24).default([])])) as Record<Day, z.ZodDefault<z.ZodArray<z.ZodString>>>) }).meta({ id: 'HoursSaid' })
export type HoursSaid = z.infer<typeof HoursSaid>

/** The owner's settings as its agent honours them; looser than the file, for the same reason. */
export const OwnerSaid = z.object({
  /** Of what was asked over the market, the number that was last taken or refused; 0: none yet. */
  number: z.number().int().min(0),
  /** Why that was not taken; what held before holds on. */
  refused: z.string().max(300).optional(),
  /** False: the machine takes no settings from elsewhere. */
  from_market: z.boolean(),
  /** Set on the machine itself, where they win: `share.cpuPercent`. */
  local: z.array(z.string().max(40)).max(40),
  /** All that could be rented out, were nothing limited. */
  full: z.object({ cpuMillis: z.number().min(0), memoryBytes: z.number().min(0), diskBytes: z.number().min(0) }),
  settings: z.object({
    share: z.object({ cpuPercent: z.number(), memoryPercent: z.number(), diskPercent: z.number(), cores: z.number().nullable(), upKiBs: z.number().nullable().optional(), downKiBs: z.number().nullable().optional() }),
    hours: HoursSaid.nullable(),
    pauseWhen: z.object({ inUse: z.boolean(), terminals: z.boolean(), idleMs: z.number(), otherCpuPercent: z.number().nullable(), onBattery: z.boolean(), batteryBelowPercent: z.number().nullable(), hotterThanCelsius: z.number().nullable(), metered: z.boolean().optional() }),
    freezeMs: z.number(),
  }),
}).meta({ id: 'OwnerSaid' })
export type OwnerSaid = z.infer<typeof OwnerSaid>
/** Settings of a node: what its seller asked over the market, and what its agent says that it honours. */
export const NodeSettings = z.object({
  asked: z.object({ number: z.number().int(), at: Instant, settings: OwnerAsked }).nullable(),
  /** Null: its agent has never said, or it is long ago. */
  said: OwnerSaid.extend({ at: Instant }).nullable(),
}).meta({ id: 'NodeSettings' })
export type NodeSettings = z.infer<typeof NodeSettings>

export const ReadingSpan = z.enum(['hour', 'day', 'week'])
export type ReadingSpan = z.infer<typeof ReadingSpan>
const Column = z.array(z.number().nullable())
/** In columns, oldest first, each as long as `at`: as a plot wants them. */
export const NodeReadings = z.object({
  /** How far apart they are: a heartbeat, or the time over which they are means. Null: there are none. */
  everyMs: z.number().nullable(),
  /** What is offered of the whole machine, at most. */
  machine: z.object({ cores: z.number(), memoryBytes: z.number(), diskBytes: z.number().nullable(), /** Of one core, as measured at the start of its agent: SHA-256. Absent: an older agent. */ hashBytesS: z.number().optional() }).nullable(),
  /** When the owner lets work run; null: at all hours. Absent: the agent has not said. They are set on the machine itself. */
  hours: HoursSaid.nullable().optional(),
  at: z.array(Instant), cpu: Column, jobsCpu: Column, memory: Column, disk: Column, inBytesS: Column, outBytesS: Column, celsius: Column,
}).meta({ id: 'NodeReadings' })
export type NodeReadings = z.infer<typeof NodeReadings>
