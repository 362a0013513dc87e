// What the plots of a machine show, from the columns that the market gives: which lines, what they say, and how a value is written.
import type { Capacity, NodeReadings } from '@lumaris/protocol'
import { size } from '../ui/format.ts'

export const SPANS = { minutes: { name: '5 min', ms: 300_000, ask: 'hour' }, hour: { name: '1 h', ms: 3_600_000, ask: 'hour' }, day: { name: '24 h', ms: 86_400_000, ask: 'day' }, week: { name: '7 d', ms: 604_800_000, ask: 'week' } } as const
export type Span = keyof typeof SPANS

type Values = readonly (number | null)[]
export type Drawn = { readonly title: string; readonly says: string; readonly most?: number; readonly least?: number; readonly write: (value: number) => string; readonly lines: readonly { label: string; colour: string; values: Values; area?: boolean; bound?: boolean }[] }
const whole = (value: number): string => `${Math.round(value)} %`
const perSecond = (value: number): string => `${size(Math.round(value))}/s`
const degrees = (value: number): string => `${Math.round(value)} °C`
const lastOf = (values: Values): number | null => values.findLast((value) => value !== null) ?? null
const mostOf = (values: Values): number | null => values.reduce<number | null>((most, value) => (value === null || (most !== null && most >= value) ? most : value), null)
/** "34 % now, 71 % at most". */
const says = (values: Values, write: (value: number) => string): string => { const last = lastOf(values), most = mostOf(values); return last === null || most === null ? 'not known' : `${write(last)} at last, ${write(most)} at most` }

/** A plot for each thing that is known of the machine; what is not known is left out. */
export function plotsOf(readings: NodeReadings, offered: Capacity): Drawn[] {
  const { machine, at } = readings
  if (!machine || at.length === 0) return []
  const isKnown = (values: Values): boolean => values.some((value) => value !== null)
  const bound = (share: number): Values => at.map(() => Math.min(100, share * 100))
  return [
    { title: 'Processor', most: 100, write: whole, says: `The whole machine: ${says(readings.cpu, whole)}. Work of this market: ${says(readings.jobsCpu, whole)}. Offered: ${whole(Math.min(100, (offered.cpuMillis / 1000 / machine.cores) * 100))} of ${machine.cores} cores.`,
      lines: [{ label: 'whole machine', colour: '--plot-one', values: readings.cpu, area: true }, { label: 'this market’s work', colour: '--plot-two', values: readings.jobsCpu, area: true }, { label: 'offered', colour: '--mantine-color-dimmed', values: bound(offered.cpuMillis / 1000 / machine.cores), bound: true }] },
    { title: 'Memory', most: 100, write: whole, says: `In use: ${says(readings.memory, whole)}, of ${size(machine.memoryBytes)}. Offered: ${size(offered.memoryBytes)}.`,
      lines: [{ label: 'in use', colour: '--plot-one', values: readings.memory, area: true }, { label: 'offered', colour: '--mantine-color-dimmed', values: bound(machine.memoryBytes > 0 ? offered.memoryBytes / machine.memoryBytes : 0), bound: true }] },
    ...(isKnown(readings.disk) ? [{ title: 'Disk', most: 100, write: whole, says: `In use: ${says(readings.disk, whole)}${machine.diskBytes === null ? '' : `, of ${size(machine.diskBytes)}`}.`, lines: [{ label: 'in use', colour: '--plot-one', values: readings.disk, area: true }] }] : []),
    ...(isKnown(readings.inBytesS) || isKnown(readings.outBytesS) ? [{ title: 'Network', least: 1024, write: perSecond, says: `In: ${says(readings.inBytesS, perSecond)}. Out: ${says(readings.outBytesS, perSecond)}.`, lines: [{ label: 'in', colour: '--plot-one', values: readings.inBytesS }, { label: 'out', colour: '--plot-two', values: readings.outBytesS }] }] : []),
    ...(isKnown(readings.celsius) ? [{ title: 'Temperature', least: 60, write: degrees, says: `The hottest part: ${says(readings.celsius, degrees)}.`, lines: [{ label: 'hottest part', colour: '--plot-one', values: readings.celsius }] }] : []),
  ]
}
/** What is drawn of the columns: the last so many ms. */
export function since(readings: NodeReadings, from: number): NodeReadings {
  const first = readings.at.findIndex((one) => one >= from)
  if (first <= 0) return first === 0 ? readings : { ...readings, at: [], cpu: [], jobsCpu: [], memory: [], disk: [], inBytesS: [], outBytesS: [], celsius: [] }
  const cut = (values: Values): (number | null)[] => values.slice(first)
  return { ...readings, at: readings.at.slice(first), cpu: cut(readings.cpu), jobsCpu: cut(readings.jobsCpu), memory: cut(readings.memory), disk: cut(readings.disk), inBytesS: cut(readings.inBytesS), outBytesS: cut(readings.outBytesS), celsius: cut(readings.celsius) }
}
