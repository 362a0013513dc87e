import { z } from 'zod'
import { Instant } from './ids.ts'
import { DAYS } from './owner.ts'
import type { Day } from './owner.ts'

// How a machine is as a whole, as its agent reads it: said with each heartbeat, shown to its seller and to admins, decided by nobody. Who uses the
// machine and why it pauses is not in it: that is for the owner's own screen (owner.ts).

const Share = z.number().min(0).max(100)
/** What could not be read is left out: a container has no thermometer. */
export const MachineNow = z.object({
  cores: z.number().int().min(1).max(65_536), memory_bytes: z.number().min(0), disk_bytes: z.number().min(0).optional(),
  cpu_percent: Share, /** Of it, the market's work. */ jobs_cpu_percent: Share, memory_percent: Share, /** Of the disk that holds the agent's data. */ disk_percent: Share.optional(),
  in_bytes_s: z.number().min(0).optional(), out_bytes_s: z.number().min(0).optional(), celsius: z.number().min(-100).max(300).optional(),
})
export type MachineNow = z.infer<typeof MachineNow>
/** The owner's hours as they are told: looser than the file they stand in, because agents and markets are of different ages. */
export const HoursSaid = z.object({ timeZone: z.string().max(64), week: z.object(Object.fromEntries(DAYS.map((day) => [day, z.array(z.string().max(16)).max(24).default([])])) as Record<Day, z.ZodDefault<z.ZodArray<z.ZodString>>>) }).meta({ id: 'HoursSaid' })
export type HoursSaid = z.infer<typeof HoursSaid>

export const ReadingSpan = z.enum(['hour', 'day', 'week'])
export type ReadingSpan = z.infer<typeof ReadingSpan>
const Column = z.array(z.number().nullable())
/** In columns, oldest first, each as long as `at`: as a plot wants them. */
export const NodeReadings = z.object({
  /** How far apart they are: a heartbeat, or the time over which they are means. Null: there are none. */
  everyMs: z.number().nullable(),
  /** What is offered of the whole machine, at most. */
  machine: z.object({ cores: z.number(), memoryBytes: z.number(), diskBytes: z.number().nullable() }).nullable(),
  /** When the owner lets work run; null: at all hours. Absent: the agent has not said. They are set on the machine itself. */
  hours: HoursSaid.nullable().optional(),
  at: z.array(Instant), cpu: Column, jobsCpu: Column, memory: Column, disk: Column, inBytesS: Column, outBytesS: Column, celsius: Column,
}).meta({ id: 'NodeReadings' })
export type NodeReadings = z.infer<typeof NodeReadings>
