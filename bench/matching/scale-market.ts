// A synthetic market for B8: node shapes in the proportions of openb (GPU nodes) beside ordinary machines without GPUs, eight regions, prices over a range of
// two to one, filled to about two thirds. Then the steady state: something ends, and a waiting job is placed. Runs in a process of its own, so that its
// memory is its own: node bench/matching/scale-market.ts '{"nodes":10000,...}' writes one line of JSON.
import { createPlacement } from '../../packages/domain/src/market/placement/placement.ts'
import type { Placement } from '../../packages/domain/src/market/placement/placement.ts'
import type { Grant, Need, Typical } from '../../packages/domain/src/market/placement/view.ts'
import { seeded } from './packing-load.ts'

export type ScaleRun = { readonly nodes: number; readonly queued: number; readonly decisions: number; readonly scans: number; readonly exact: number; readonly seed: number }
export type ScaleResult = {
  readonly pools: number; readonly classes: number; readonly buildSeconds: number
  readonly perSecond: number; /** By the processor time this process used, all its threads: what a busy machine does not take away. */ readonly perCpuSecond: number; readonly p50Us: number; readonly p99Us: number; readonly maxUs: number
  readonly candidates: number; readonly placedShare: number; readonly scanPerSecond: number; readonly meanRegret: number; readonly worstRegret: number; readonly hash: string; /** While it runs, at its highest, and before there was a market. */ readonly rssMb: number; readonly peakMb: number; readonly emptyMb: number
}

/** Cores, GiB, GPUs, hardware, how many in 1000. Shapes with GPUs are those of openb by their number there; those without are ordinary sizes. */
const SHAPES = [
  [96, 384, 8, 0, 180], [104, 512, 2, 1, 128], [16, 120, 2, 2, 35], [128, 768, 8, 3, 13], [32, 128, 4, 4, 9], [64, 256, 2, 2, 7], [96, 768, 8, 5, 7], [8, 32, 1, 4, 6], [96, 512, 4, 1, 6], [48, 368, 4, 5, 9],
  [8, 16, 0, 7, 180], [16, 64, 0, 7, 160], [32, 128, 0, 7, 100], [64, 256, 0, 8, 80], [96, 384, 0, 8, 50], [4, 8, 0, 8, 30],
] as const
const REGIONS = 8

const TYPICAL: readonly Typical[] = [
  [4, 0, 0, 12], [8, 0, 0, 6], [16, 0, 0, 2], [4, 1, 250, 8], [6, 1, 500, 10], [3, 1, 100, 5], [8, 1, 750, 4], [4, 1, 1000, 8], [8, 1, 1000, 16], [12, 1, 1000, 9], [16, 2, 1000, 5], [32, 4, 1000, 2], [64, 8, 1000, 3], [96, 8, 1000, 2],
].map(([cores = 0, gpus = 0, gpuMillis = 0, share = 0]) => ({ cpuMillis: cores * 1000, gpus, gpuMillis, hardware: 0, share }))

function needs(random: () => number): Need[] {
  const pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)] as One
  return Array.from({ length: 256 }, () => {
    const base = pick([...TYPICAL, ...TYPICAL.slice(0, 3), ...TYPICAL.slice(3, 6)])
    return {
      cpuMillis: base.cpuMillis, memoryMib: (base.cpuMillis / 1000) * pick([1024, 2048, 3072]), diskMib: 1024, gpus: base.gpus, gpuMillis: base.gpuMillis,
      regions: random() < 0.5 ? 0 : 1 << Math.floor(random() * REGIONS), hardware: base.gpus > 0 && random() < 0.4 ? pick([1, 2, 3, 9, 34]) : 0, traits: 0,
      expectedMs: pick([600_000, 3_600_000, 14_400_000]), limitMs: 28_800_000, outMib: 0, maxCost: Infinity,
    }
  })
}

function build(engine: Placement, count: number, random: () => number): void {
  const cumulative: number[] = []
  let sum = 0
  for (const shape of SHAPES) cumulative.push((sum += shape[4]))
  for (let id = 0; id < count; id++) {
    const at = random() * sum, shape = SHAPES[cumulative.findIndex((one) => at < one)] ?? SHAPES[0]
    const [cores, gib, gpus, hardware] = shape, dear = 2 ** (random() - 0.5)
    engine.putNode({
      id, region: Math.floor(random() * REGIONS), hardware, traits: 0, owner: id, cpuMillis: cores * 1000, memoryMib: gib * 1024, diskMib: 1_000_000, gpus,
      prices: { start: 0, cpuHour: Math.round(20_000 * dear), memoryGibHour: Math.round(2_500 * dear), diskGibHour: 0, gpuHour: gpus > 0 ? Math.round(dear * (400_000 + 300_000 * hardware)) : 0, outGib: 0 },
      riskPpm: Math.floor(random() * 30_000), open: true,
    })
    // What runs there already: of each node a share between a third and all, never to be released.
    const share = Math.min(1, 0.33 + 0.67 * random()), devices = Math.floor(share * gpus + random())
    if (devices > 0) engine.reserve(id, { cpuMillis: Math.floor(share * cores) * 500, memoryMib: 0, diskMib: 0, gpus: Math.min(gpus, devices), gpuMillis: 1000 })
    if (gpus > 0 && devices < gpus && random() < 0.5) engine.reserve(id, { cpuMillis: 1000, memoryMib: 1024, diskMib: 0, gpus: 1, gpuMillis: 250 * (1 + Math.floor(random() * 3)) })
    if (gpus === 0) engine.reserve(id, { cpuMillis: Math.floor(share * cores * 2) * 500, memoryMib: Math.floor(share * random() * gib) * 1024, diskMib: 0, gpus: 0, gpuMillis: 0 })
  }
}

/** A million waiting jobs as a queue must hold them: class, since when, for whom, how long; the line of a class is a list through `next`. */
class Lines {
  readonly next: Int32Array
  readonly since: Float64Array
  readonly owner: Int32Array
  readonly runSeconds: Int32Array
  readonly head: Int32Array
  readonly tail: Int32Array
  constructor(jobs: number, classes: number, random: () => number) {
    this.next = new Int32Array(jobs).fill(-1)
    this.since = new Float64Array(jobs)
    this.owner = new Int32Array(jobs)
    this.runSeconds = new Int32Array(jobs)
    this.head = new Int32Array(classes).fill(-1)
    this.tail = new Int32Array(classes).fill(-1)
    for (let job = 0; job < jobs; job++) {
      this.since[job] = job
      this.owner[job] = Math.floor(random() * 2000)
      this.runSeconds[job] = 60 + Math.floor(random() * 36_000)
      this.add(job, Math.floor(random() * classes))
    }
  }
  add(job: number, of: number): void {
    const tail = this.tail[of] as number
    if (tail < 0) this.head[of] = job
    else this.next[tail] = job
    this.tail[of] = job
    this.next[job] = -1
  }
  take(of: number): number {
    const job = this.head[of] as number
    if (job < 0) return -1
    this.head[of] = this.next[job] as number
    if ((this.head[of] as number) < 0) this.tail[of] = -1
    return job
  }
}

class Hash {
  #a = 0x811c9dc5
  #b = 0x9e3779b9
  readonly #bits = new DataView(new ArrayBuffer(8))
  add(value: number): void {
    this.#bits.setFloat64(0, value)
    for (const word of [this.#bits.getInt32(0), this.#bits.getInt32(4)]) {
      this.#a = Math.imul(this.#a ^ word, 0x01000193)
      this.#b = Math.imul(this.#b ^ (word >>> 16) ^ this.#a, 0x85ebca6b) + word
    }
  }
  get text(): string { return [this.#a, this.#b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('') }
}

export function measure(run: ScaleRun): ScaleResult {
  const emptyMb = process.memoryUsage().rss / 2 ** 20
  const random = seeded(run.seed)
  const from = performance.now()
  const engine = createPlacement({ typical: TYPICAL, expect: run.nodes })
  build(engine, run.nodes, random)
  const classes = needs(random), indices = classes.map((need) => engine.classOf(need))
  const lines = new Lines(run.queued, indices.length, random)
  const buildSeconds = (performance.now() - from) / 1000
  const hash = new Hash()
  const running: Grant[] = [], jobOf: number[] = []
  const awake = [...indices.keys()], isAwake = new Uint8Array(indices.length).fill(1)
  let candidates = 0, placed = 0, asked = 0

  /** One decision: the next awake class that has work; null when it found no place, and sleeps. */
  const decide = (): boolean => {
    const at = Math.floor(random() * awake.length), of = awake[at] as number
    const index = indices[of] as number, need = classes[of] as Need
    asked++
    const found = engine.best(index)
    if (!found) {
      if (engine.asleep(index)) { awake[at] = awake[awake.length - 1] as number; awake.pop(); isAwake[of] = 0 }
      return false
    }
    candidates += found.candidates
    placed++
    hash.add(found.node)
    hash.add(found.terms.total)
    running.push(engine.reserve(found.node, need, found.devices) as Grant)
    jobOf.push(lines.take(of))
    return true
  }
  /** One job ends, and joins the line again, so that the queue stays as long as it is. */
  const end = (): void => {
    const at = Math.floor(random() * running.length), grant = running[at] as Grant, job = jobOf[at] as number
    running[at] = running[running.length - 1] as Grant
    jobOf[at] = jobOf[jobOf.length - 1] as number
    running.pop()
    jobOf.pop()
    engine.release(grant)
    if (job >= 0) lines.add(job, Math.floor(random() * indices.length))
    for (const woken of engine.takeWoken()) if (isAwake[woken] === 0) { isAwake[woken] = 1; awake.push(woken) }
  }

  // Warm: the market fills a little more, every class has searched, and the steady state is one.
  for (let i = 0; i < Math.min(50_000, 2 * run.nodes) && awake.length > 0; i++) decide()
  for (let i = 0; i < 50_000; i++) { end(); if (awake.length > 0) decide() }
  candidates = placed = asked = 0
  let started = performance.now()
  const cpu = process.cpuUsage()
  for (let i = 0; i < run.decisions; i++) { end(); if (awake.length > 0) decide() }
  const perSecond = asked / ((performance.now() - started) / 1000), used = process.cpuUsage(cpu), perCpuSecond = asked / ((used.user + used.system) / 1e6), meanCandidates = candidates / Math.max(1, placed), placedShare = placed / Math.max(1, asked)

  // Latencies in a second pass: reading the clock twice for each decision would be a part of the rate.
  const times = new Float64Array(Math.min(run.decisions, 50_000))
  for (let i = 0; i < times.length; i++) {
    end()
    const before = performance.now()
    if (awake.length > 0) decide()
    times[i] = performance.now() - before
  }
  times.sort()
  const rssMb = process.memoryUsage().rss / 2 ** 20, peakMb = process.resourceUsage().maxRSS / 1024

  let regret = 0, worst = 0, compared = 0
  for (let i = 0; i < run.exact; i++) {
    // Some time passes in between: the same few places would be compared again and again.
    for (let between = 0; between < 25; between++) { end(); if (awake.length > 0) decide() }
    const of = awake[Math.floor(random() * awake.length)] as number, found = engine.best(indices[of] as number), right = engine.scan(indices[of] as number)
    if (!found || !right) continue
    const one = (found.terms.total - right.terms.total) / Math.max(1, Math.abs(right.terms.total))
    regret += one
    worst = Math.max(worst, one)
    compared++
  }
  started = performance.now()
  for (let i = 0; i < run.scans; i++) engine.scan(indices[Math.floor(random() * indices.length)] as number)
  const scanPerSecond = run.scans / ((performance.now() - started) / 1000)
  return {
    pools: engine.pools, classes: indices.length, buildSeconds, perSecond, perCpuSecond, p50Us: 1000 * (times[times.length >> 1] as number), p99Us: 1000 * (times[Math.floor(times.length * 0.99)] as number),
    maxUs: 1000 * (times[times.length - 1] as number), candidates: meanCandidates, placedShare, scanPerSecond, meanRegret: regret / Math.max(1, compared), worstRegret: worst, hash: hash.text, rssMb, peakMb, emptyMb,
  }
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${JSON.stringify(measure(JSON.parse(process.argv[2] as string) as ScaleRun))}\n`)
