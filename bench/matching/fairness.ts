// B3, fairness: ten buyers share a pool, and one of them submits a hundred times as much. What do the others notice?
import { mean, percent } from '../figures.ts'
import type { Part, Target } from './part.ts'
import { chance } from './chance.ts'
import { byArrival, fairly, leastHeld, playPool } from './pool.ts'
import type { PoolJob, Scheduler, Started } from './pool.ts'
import { playBeside } from './pool-beside.ts'
import { quantile } from './queueing.ts'
import { DEFAULT_SETTINGS } from '../../packages/domain/src/state.ts'
import { dominantCost } from '../../packages/domain/src/market/order/fair.ts'

const HOUR_MS = 3_600_000, DAYS = 4, UNTIL = DAYS * 24 * HOUR_MS
const TOTAL = [64, 256], BUYERS = 10, FLOOD = 'flood'
/** A light buyer asks for so much of its tenth of the pool; in the overload, for more than all of it. */
const LIGHT_LOAD = 0.7, OVERLOAD = 1.5
const SHAPES = [[1, 2], [2, 4], [4, 8], [1, 12], [2, 24]] as const
const LIMITS_H = [1, 2, 4, 8]

function jobsOf(seed: number, load: number, times: number): PoolJob[] {
  const jobs: Omit<PoolJob, 'id'>[] = [], share = UNTIL / BUYERS
  for (let b = 0; b < BUYERS; b++) {
    const draw = chance(seed * 1_000 + b), buyer = b === 0 ? FLOOD : `light${b}`
    let asked = 0
    const mine: Omit<PoolJob, 'id'>[] = []
    while (asked < share * load) {
      const limitMs = (LIMITS_H[Math.floor(draw() * LIMITS_H.length)] as number) * HOUR_MS, amounts = SHAPES[Math.floor(draw() * SHAPES.length)] as readonly number[]
      const run = Math.max(60_000, Math.floor(limitMs * draw() * draw())), expectedMs = Math.ceil(limitMs / 4)
      mine.push({ buyer, submit: Math.floor(draw() * UNTIL), run, limitMs, expectedMs, amounts })
      asked += dominantCost(amounts, TOTAL, run)
    }
    for (let i = 0; i < (b === 0 ? times : 1); i++) for (const job of mine) jobs.push(i === 0 ? job : { ...job, submit: Math.floor(draw() * UNTIL) })
  }
  return jobs.sort((a, b) => a.submit - b.submit || (a.buyer < b.buyer ? -1 : 1)).map((job, id) => ({ ...job, id }))
}

/** What each was given up to the end of the flood, beside what each could claim: no more than it asked for, the rest shared by those who ask for more. */
function jain(jobs: readonly PoolJob[], started: readonly Started[]): number {
  const asked = new Map<string, number>(), given = new Map<string, number>()
  for (const job of jobs) asked.set(job.buyer, (asked.get(job.buyer) ?? 0) + dominantCost(job.amounts, TOTAL, job.run))
  for (const { job, at } of started) given.set(job.buyer, (given.get(job.buyer) ?? 0) + dominantCost(job.amounts, TOTAL, Math.max(0, Math.min(UNTIL, at + job.run) - at)))
  let left = [...given.values()].reduce((sum, one) => sum + one, 0)
  const claims = new Map<string, number>(), open = [...asked].sort((a, b) => a[1] - b[1])
  open.forEach(([buyer, most], i) => { const claim = Math.min(most, left / (open.length - i)); claims.set(buyer, claim); left -= claim })
  const ratios = [...claims].map(([buyer, claim]) => (given.get(buyer) ?? 0) / claim)
  const sum = ratios.reduce((all, one) => all + one, 0)
  return (sum * sum) / (ratios.length * ratios.reduce((all, one) => all + one * one, 0))
}

type Row = { readonly jain: number; readonly lightP99: number; readonly lightMean: number; readonly floodMean: number; /** Of the processors, until the flood ends. */ readonly used: number; readonly overdue: number; readonly late: number }
const runOf = (jobs: readonly PoolJob[], total: readonly number[], scheduler: Scheduler): Row => rowOf(jobs, playPool(jobs, total, scheduler), scheduler.overdue(), scheduler.late())
/** The flood's work is interruptible: the market's own part of the pool is kept free, and its own notice is given. */
function besideOf(jobs: readonly PoolJob[], most: number): Row & { readonly evictions: number; readonly lost: number } {
  const { started, overdue, late, evictions, lost } = playBeside(jobs, TOTAL, Math.max(...LIMITS_H) * HOUR_MS, { graceMs: DEFAULT_SETTINGS.cancelMs, most, isSpot: ({ buyer }) => buyer === FLOOD })
  return { ...rowOf(jobs, started, overdue, late), evictions, lost }
}
function rowOf(jobs: readonly PoolJob[], started: readonly Started[], overdue: number, late: number): Row {
  const waits = (flood: boolean) => started.filter(({ job }) => (job.buyer === FLOOD) === flood).map(({ job, at }) => at - job.submit)
  return { jain: jain(jobs, started), lightP99: quantile(waits(false), 0.99), lightMean: mean(waits(false)), floodMean: mean(waits(true)), used: started.reduce((sum, { job, at }) => sum + (job.amounts[0] as number) * Math.max(0, Math.min(UNTIL, at + job.run) - Math.min(UNTIL, at)), 0) / ((TOTAL[0] as number) * UNTIL), overdue, late }
}

const POLICIES: readonly { readonly name: string; readonly make: () => Scheduler }[] = [
  { name: 'FIFO', make: () => byArrival(false) }, { name: 'EASY', make: () => byArrival(true) }, { name: 'DRF of the moment', make: () => leastHeld(TOTAL) },
  { name: 'Lumaris', make: () => fairly(TOTAL, Math.max(...LIMITS_H) * HOUR_MS) },
]
const hours = (ms: number): string => (ms / HOUR_MS).toFixed(2)
const averaged = (rows: readonly Row[]): Row => ({
  jain: mean(rows.map((row) => row.jain)), lightP99: mean(rows.map((row) => row.lightP99)), lightMean: mean(rows.map((row) => row.lightMean)), floodMean: mean(rows.map((row) => row.floodMean)), used: mean(rows.map((row) => row.used)),
  overdue: rows.reduce((sum, row) => sum + row.overdue, 0), late: rows.reduce((sum, row) => sum + row.late, 0),
})

export const fairness: Part = {
  id: 'B3', title: 'Fairness under a flood', needs: [],
  // Nothing in it waits, but parts may.
  // oxlint-disable-next-line require-await
  async run({ quick, progress }) {
    const seeds = quick ? [42] : [42, 43, 44, 45, 46], times = quick ? 20 : 100
    const rows: (string | number)[][] = [], evicted: string[] = [], found = new Map<string, Row>()
    for (const [scene, load, flood] of [['light buyers, no flood', LIGHT_LOAD, 0], ['light buyers and a flood', LIGHT_LOAD, times], ['everybody asks for more than there is', OVERLOAD, times]] as const) {
      for (const { name, make } of POLICIES) {
        progress(`B3 ${scene}: ${name}`)
        const row = averaged(seeds.map((seed) => runOf(jobsOf(seed, load, flood), TOTAL, make())))
        found.set(`${scene}|${name}`, row)
        rows.push([scene, name, row.jain.toFixed(4), hours(row.lightP99), hours(row.lightMean), flood > 0 ? hours(row.floodMean) : '', percent(row.used), row.overdue, row.late])
      }
    }
    for (const [name, most] of [['displacing', 0], ['displacing, headroom', DEFAULT_SETTINGS.headroomMost]] as const) {
      progress(`B3 an interruptible flood: ${name}`)
      const each = seeds.map((seed) => besideOf(jobsOf(seed, LIGHT_LOAD, times), most)), row = averaged(each)
      found.set(`an interruptible flood|${name}`, row)
      evicted.push(`${name}: ${Math.round(mean(each.map(({ evictions }) => evictions)))} evictions in the mean, ${percent(mean(each.map(({ lost }) => lost)))} of what the flood was given was lost by them`)
      rows.push(['light buyers and an interruptible flood', `Lumaris, ${name}`, row.jain.toFixed(4), hours(row.lightP99), hours(row.lightMean), hours(row.floodMean), percent(row.used), row.overdue, row.late])
    }
    progress('B3 alone on a share')
    const alone = averaged(seeds.flatMap((seed) => {
      const jobs = jobsOf(seed, LIGHT_LOAD, 0)
      return Array.from({ length: BUYERS - 1 }, (_, i) => runOf(jobs.filter(({ buyer }) => buyer === `light${i + 1}`), SHARE, fairly(SHARE, Math.max(...LIMITS_H) * HOUR_MS)))
    }))
    rows.push(['each light buyer alone on its tenth', 'Lumaris', '', hours(alone.lightP99), hours(alone.lightMean), '', '', alone.overdue, alone.late])
    return {
      id: 'B3', title: fairness.title, inputs: [], targets: targetsOf(found, alone), notes: [...NOTES, `An interruptible flood, ${evicted.join('; ')}.`],
      tables: [{ title: 'Ten buyers, one of them a flood', columns: ['scene', 'policy', 'Jain', 'light p99 wait h', 'light mean wait h', 'flood mean wait h', 'processors in use', 'overdue', 'after bound'], rows }],
    }
  },
}

/** A tenth of the pool, rounded up to whole processors; every shape fits it. */
const SHARE = TOTAL.map((all) => Math.ceil(all / BUYERS))

function targetsOf(found: ReadonlyMap<string, Row>, alone: Row): Target[] {
  const of = (scene: string): Row => found.get(`${scene}|Lumaris`) as Row
  const calm = of('light buyers, no flood'), flood = of('light buyers and a flood'), overload = of('everybody asks for more than there is')
  const beside = found.get('an interruptible flood|displacing, headroom') as Row
  const late = calm.late + flood.late + overload.late
  return [
    { what: 'Jain of given over claimed, overload', must: 'at least 0.95', measured: overload.jain.toFixed(4), met: overload.jain >= 0.95 },
    { what: 'Jain of given over claimed, light buyers and a flood', must: 'at least 0.95', measured: flood.jain.toFixed(4), met: flood.jain >= 0.95 },
    { what: 'light buyers\' p99 wait, over that alone on their share', must: 'at most 1.2', measured: (flood.lightP99 / alone.lightP99).toFixed(3), met: flood.lightP99 <= 1.2 * alone.lightP99 },
    { what: 'light buyers\' p99 wait, over that without the flood', must: 'at most 1.2', measured: `${hours(flood.lightP99)} h over ${hours(calm.lightP99)} h`, met: flood.lightP99 <= 1.2 * calm.lightP99 },
    { what: 'light buyers\' p99 wait, an interruptible flood, over that without the flood', must: 'at most 1.2', measured: `${(beside.lightP99 / calm.lightP99).toFixed(3)} (${(beside.lightP99 / 1_000).toFixed(0)} s over ${(calm.lightP99 / 1_000).toFixed(0)} s)`, met: beside.lightP99 <= 1.2 * calm.lightP99 },
    { what: 'starts after the bound', must: '0', measured: `${late} of ${calm.overdue + flood.overdue + overload.overdue} overdue`, met: late === 0 },
  ]
}

const NOTES: readonly string[] = [
  'Synthetic: four days, a pool of 64 processors and 256 GB, five shapes, limits of 1 to 8 h, runs of a quarter of the limit in the mean; a light buyer asks for 70 % of a tenth of the pool. The flood asks for a hundred times that.',
  'Claimed is the max-min share: nobody claims more than it asks for, and what is left is divided among the others. Given is the dominant cost that ran before the flood ended.',
  'Alone is read in two ways. Alone on its share of the pool is what sharing is compared with elsewhere, and is the one that can be promised. Without the flood the pool is a third empty and nobody waits; with it the pool is full, and without taking work back nothing starts before something ends.',
  'EASY looks at the first 1,000 that wait: to the end of a queue of 30,000 it would take hours.',
]
