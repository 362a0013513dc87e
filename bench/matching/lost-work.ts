// B5: how much work is lost by choosing where to run? At every step of the last 40 % of the spot zones a job without checkpoints starts on one of the places that
// are up; what it did is lost if the place goes before the job ends. Between choosing blindly and knowing the future lies the gap that a forecast can close.
import { Availability } from '../../packages/domain/src/fleet/profile/availability.ts'
import { checkpointEveryMs, expectedLostMs, staysFor } from '../../packages/domain/src/fleet/profile/survival.ts'
import type { Outlook } from '../../packages/domain/src/fleet/profile/survival.ts'
import { percent } from '../figures.ts'
import type { Part, PartResult, Table } from './part.ts'
import { MAIN, nodeOf } from './availability.ts'
import { readSpot, upUntil } from './spot-zones.ts'
import type { SpotSet } from './spot-zones.ts'

const HOUR_MS = 3_600_000
const JOB_HOURS = [1, 2, 4, 8] as const
const TRAIN = 0.6, CLOSED_MIN = 0.75, CHECKPOINT_MS = 60_000
// Two oracles: one takes the place that stays longest, one the place that loses least, which is the one that goes first when none stays to the end. The first is what
// a market would do that knows the future, and the one whose gap the target is about; the second is the bound nobody can beat.
const POLICIES = ['random', 'zone mean', 'longest up', 'ours', 'ours, per job ended', 'oracle', 'least loss'] as const
type Policy = (typeof POLICIES)[number]
const SAVING = ['never', 'every hour', 'Daly, by our outlook'] as const
type Tally = { starts: number; lost: Record<Policy, number>; ended: Record<Policy, number>; saving: Record<(typeof SAVING)[number], number> }

/** Work lost, in hours, when a place that stays for `stayMs` gets a job of `jobMs`. */
const lostHours = (stayMs: number, jobMs: number): number => (stayMs >= jobMs ? 0 : stayMs / HOUR_MS)
/** Hours lost or spent on checkpoints of a minute each, taken every `everyMs` of work. Work since the last whole interval is lost. */
function wasteHours(stayMs: number, jobMs: number, everyMs: number): number {
  const round = everyMs + CHECKPOINT_MS, needed = Math.max(0, Math.ceil(jobMs / everyMs) - 1)
  if (stayMs >= jobMs + needed * CHECKPOINT_MS) return (needed * CHECKPOINT_MS) / HOUR_MS
  const done = Math.min(needed, Math.floor(stayMs / round))
  return (stayMs - done * everyMs) / HOUR_MS
}

function replay(set: SpotSet): Tally[] {
  const { gapMs, places } = set, pool = new Availability()
  const until = places.map(({ up }) => upUntil(up)), length = Math.min(...places.map(({ up }) => up.length)), train = Math.floor(TRAIN * length)
  const zero = <Key extends string>(keys: readonly Key[]) => Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>
  const tallies = JOB_HOURS.map((): Tally => ({ starts: 0, lost: zero(POLICIES), ended: zero(POLICIES), saving: zero(SAVING) }))
  const stayMs = (i: number, t: number): number => ((until[i]?.[t] as number) - t) * gapMs
  // The loss of a zone while it was trained, per job length: what a market knows that only remembers.
  const mean = JOB_HOURS.map((hours) => places.map(({ up }, i) => {
    let sum = 0, n = 0
    for (let t = 0; t + (hours * HOUR_MS) / gapMs < train; t++) if (up[t] === 1) { sum += lostHours(stayMs(i, t), hours * HOUR_MS); n++ }
    return n === 0 ? Infinity : sum / n
  }))
  const born = places.map(() => 0)
  for (let t = 0; t < length; t++) {
    places.forEach(({ up, name, site }, i) => {
      if (up[t] === 1 && (t === 0 || up[t - 1] === 0)) born[i] = t
      pool.saw(nodeOf(name), site, up[t] === 1, t * gapMs)
    })
    if (t < train) continue
    const open = places.flatMap(({ up }, i) => (up[t] === 1 ? [i] : []))
    if (open.length === 0) continue
    const outlooks = new Map(open.map((i): [number, Outlook] => [i, pool.outlook(nodeOf(places[i]?.name as string), t * gapMs) ?? []]))
    JOB_HOURS.forEach((hours, k) => {
      const jobMs = hours * HOUR_MS, tally = tallies[k] as Tally
      if (t + jobMs / gapMs >= length) return
      const least = (of: (i: number) => number): number => open.reduce((best, i) => (of(i) < of(best) ? i : best))
      const chosen: Record<Exclude<Policy, 'random'>, number> = {
        'zone mean': least((i) => mean[k]?.[i] as number), 'longest up': least((i) => born[i] as number),
        ours: least((i) => expectedLostMs(outlooks.get(i) as Outlook, jobMs)), oracle: least((i) => -stayMs(i, t)), 'least loss': least((i) => lostHours(stayMs(i, t), jobMs)),
        'ours, per job ended': least((i) => expectedLostMs(outlooks.get(i) as Outlook, jobMs) / staysFor(outlooks.get(i) as Outlook, jobMs)),
      }
      tally.starts++
      for (const i of open) { tally.lost.random += lostHours(stayMs(i, t), jobMs) / open.length; if (stayMs(i, t) >= jobMs) tally.ended.random += 1 / open.length }
      for (const [policy, i] of Object.entries(chosen) as [Exclude<Policy, 'random'>, number][]) {
        tally.lost[policy] += lostHours(stayMs(i, t), jobMs)
        if (stayMs(i, t) >= jobMs) tally.ended[policy]++
      }
      const outlook = outlooks.get(chosen.ours) as Outlook, stay = stayMs(chosen.ours, t)
      tally.saving.never += lostHours(stay, jobMs)
      tally.saving['every hour'] += wasteHours(stay, jobMs, HOUR_MS)
      tally.saving['Daly, by our outlook'] += wasteHours(stay, jobMs, Math.min(jobMs, checkpointEveryMs(outlook, jobMs, CHECKPOINT_MS)))
    })
  }
  return tallies
}

const closed = ({ lost }: Tally, policy: Policy, best: Policy = 'oracle'): number => (lost.random - lost[policy]) / (lost.random - lost[best])

function tablesOf(tallies: readonly Tally[], name: string): Table[] {
  return [
    {
      title: `Hours lost per job without checkpoints, on ${name}`, columns: ['job', 'starts', ...POLICIES, 'gap closed by zone mean', 'by longest up', 'by ours', 'by ours, to the least loss'],
      rows: tallies.map((tally, k) => [`${JOB_HOURS[k]} h`, tally.starts, ...POLICIES.map((policy) => (tally.lost[policy] / tally.starts).toFixed(3)), percent(closed(tally, 'zone mean')), percent(closed(tally, 'longest up')), percent(closed(tally, 'ours')), percent(closed(tally, 'ours', 'least loss'))]),
    },
    { title: `Jobs that ended where they began, on ${name}`, columns: ['job', ...POLICIES], rows: tallies.map((tally, k) => [`${JOB_HOURS[k]} h`, ...POLICIES.map((policy) => percent(tally.ended[policy] / tally.starts))]) },
    { title: `Hours lost per hour of work that ended, on ${name}`, columns: ['job', ...POLICIES], rows: tallies.map((tally, k) => [`${JOB_HOURS[k]} h`, ...POLICIES.map((policy) => (tally.lost[policy] / (tally.ended[policy] * (JOB_HOURS[k] as number))).toFixed(4))]) },
    { title: `Hours lost or spent on checkpoints of a minute, per job placed by ours, on ${name}`, columns: ['job', ...SAVING], rows: tallies.map((tally, k) => [`${JOB_HOURS[k]} h`, ...SAVING.map((how) => (tally.saving[how] / tally.starts).toFixed(3))]) },
  ]
}

const NOTES: readonly string[] = [
  'Every step of the last 40 % with a place up is a start; random is the mean over the places that are up, without drawing. The pool learns on as the series goes.',
  'The gap is the one to the place that stays longest. Measured to the least possible loss, which is reached by jumping on the place that goes first, less is closed: last column.',
  'Choosing by lost work alone ends fewer 8 h jobs than the mean of the zones does, because it too prefers to fail early; lost work per job ended (expectedLostMs ÷ staysFor) is what placement should use.',
  'Deadlines and cost against Uniform Progress are not measured here.',
]

export const lostWork: Part = {
  id: 'B5', title: 'Lost work', needs: [MAIN],
  run({ traces, quick, progress }): Promise<PartResult> {
    if (traces === null) return Promise.reject(new Error('B5 needs the spot traces: give their folder with --traces'))
    progress(`B5: ${MAIN}`)
    const set = readSpot(traces, MAIN), tallies = replay(set), tables = tablesOf(tallies, MAIN.split('/').at(-1) as string)
    if (!quick) {
      progress(`B5: ${MAIN} (read the other way round)`)
      tables.push(...tablesOf(replay(readSpot(traces, MAIN, true)), `${MAIN.split('/').at(-1)}, read as 0 = up`).slice(0, 1))
    }
    return Promise.resolve({
      id: 'B5', title: 'Lost work', tables, inputs: set.inputs.map(({ file, sha256 }) => ({ file, sha256 })), notes: NOTES,
      targets: tallies.flatMap((tally, k) => (JOB_HOURS[k] === 4 ? [{ what: 'gap from random to oracle closed, 4 h jobs', must: `≥ ${percent(CLOSED_MIN)}`, measured: percent(closed(tally, 'ours')), met: closed(tally, 'ours') >= CLOSED_MIN }] : [])),
    })
  },
}
