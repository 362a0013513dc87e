// The market's own path from a need to a node (market/match.ts: `choose`, over kept answers), and the placement engine beside it, on the same nodes and needs in
// one process. Runs in a process of its own, so that its memory is its own: node bench/matching/path-market.ts '{"nodes":1000,...}' writes a line of JSON.
import { PriceSheet } from '@lumaris/protocol'
import type { NodeId } from '@lumaris/protocol'
import { choose } from '../../packages/domain/src/market/match.ts'
import { textOf } from '../../packages/domain/src/market/requirement.ts'
import type { Requirement } from '../../packages/domain/src/market/requirement.ts'
import { createPlacement } from '../../packages/domain/src/market/placement/placement.ts'
import type { Grant, Need } from '../../packages/domain/src/market/placement/view.ts'
import type { NodeRow } from '../../packages/domain/src/rows.ts'
import { apply, reserve, setLink } from '../../packages/domain/src/state.ts'
import { aMarket, aSpec } from '../../packages/testkit/src/build.ts'
import { seeded } from './packing-load.ts'

export type PathRun = { readonly nodes: number; readonly classes: number; readonly decisions: number; /** Of processor time, for each of the two: who is slow makes fewer. */ readonly seconds: number; readonly seed: number }
type Side = { readonly perCpuSecond: number; readonly p50Us: number; readonly p99Us: number; readonly heapMb: number }
export type PathResult = { readonly market: Side; readonly placement: Side; readonly hash: string }

const GIB = 2 ** 30
/** Cores, GiB, GPUs, model, how many in a hundred. */
const SHAPES = [[96, 384, 8, 'nvidia-a', 18], [104, 512, 2, 'nvidia-b', 13], [32, 128, 4, 'nvidia-c', 9], [8, 16, 0, '', 18], [16, 64, 0, '', 16], [32, 128, 0, '', 13], [64, 256, 0, '', 13]] as const
const MODELS = ['', 'nvidia-a', 'nvidia-b', 'nvidia-c'], REGIONS = 8
const ASKS = [[1, 0], [2, 0], [4, 0], [8, 0], [16, 0], [4, 1], [8, 1], [12, 2], [32, 4], [64, 8]] as const

export function measure(run: PathRun): PathResult {
  const random = seeded(run.seed), pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)] as One
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12 } }), { state } = market
  const first = market.join('first')
  first.connect()
  const like = first.row(), ids: NodeId[] = []
  const engine = createPlacement({ expect: run.nodes, typical: ASKS.map(([cores, gpus]) => ({ cpuMillis: cores * 1000, gpus, gpuMillis: gpus > 0 ? 1000 : 0, hardware: 0, share: 1 })) })
  for (let i = 0; i < run.nodes; i++) {
    let at = random() * 100
    const shape = SHAPES.find((one) => (at -= one[4]) < 0) ?? SHAPES[0], [cores, gib, gpus, gpuModel] = shape, dear = 2 ** (random() - 0.5), region = Math.floor(random() * REGIONS)
    const cpuHour = Math.round(20_000 * dear), memoryGibHour = Math.round(2_500 * dear), gpuHour = gpus > 0 ? Math.round(700_000 * dear) : 0
    const id = `nod_${i.toString().padStart(26, '0')}` as NodeId
    const row: NodeRow = {
      ...like, id, name: `n${i}`, owner: like.owner, region: `r${region}`, capacity: { cpuMillis: cores * 1000, memoryBytes: gib * GIB, diskBytes: 1000 * GIB, gpus, ...(gpus > 0 ? { gpuModel } : {}) },
      prices: PriceSheet.parse({ cpuHour: `${cpuHour}`, memoryGibHour: `${memoryGibHour}`, gpuHour: `${gpuHour}` }),
    }
    ids.push(id)
    apply(state, { kind: 'node', row })
    setLink(state, id, { connected: true, accepting: true, lastSeen: market.now, heartbeat: 0 })
    engine.putNode({ id: i, region, hardware: MODELS.indexOf(gpuModel), traits: 0, owner: i, cpuMillis: cores * 1000, memoryMib: gib * 1024, diskMib: 1_000_000, gpus, prices: { start: 0, cpuHour, memoryGibHour, diskGibHour: 0, gpuHour, outGib: 0 }, riskPpm: 0, open: true })
    // A part of it is taken, never to be given back.
    const part = random(), cpuMillis = Math.floor(part * cores) * 1000, devices = Math.floor(part * gpus)
    reserve(state, id, { ...aSpec().resources, cpuMillis, memoryBytes: Math.floor(part * gib) * GIB, diskBytes: 0, gpus: devices }, 1)
    engine.reserve(i, { cpuMillis, memoryMib: Math.floor(part * gib) * 1024, diskMib: 0, gpus: devices, gpuMillis: devices > 0 ? 1000 : 0 })
  }
  const asks = Array.from({ length: run.classes }, () => { const [cores, gpus] = pick(ASKS); return { cores, gpus, gib: cores * pick([1, 2, 3]), region: random() < 0.5 ? -1 : Math.floor(random() * REGIONS), hours: pick([1, 4]) } })
  const specs = asks.map(({ cores, gpus, gib, region, hours }) => aSpec({ resources: { cpuMillis: cores * 1000, memoryBytes: gib * GIB, diskBytes: GIB, gpus }, placement: region < 0 ? {} : { regions: [`r${region}`] }, limits: { runMs: hours * 3_600_000 } }))
  const needs = specs.map((spec): Requirement => ({ spec, attemptCap: 2n ** 60n, job: '' as Requirement['job'], avoid: [], owners: [] })), keys = specs.map((spec) => `${textOf(spec.resources)}|${textOf(spec.placement)}|${spec.limits.runMs}`)
  const shapes = asks.map(({ cores, gpus, gib, region, hours }): Need => ({ cpuMillis: cores * 1000, memoryMib: gib * 1024, diskMib: 1024, gpus, gpuMillis: gpus > 0 ? 1000 : 0, regions: region < 0 ? 0 : 1 << region, hardware: 0, traits: 0, expectedMs: hours * 720_000, limitMs: hours * 3_600_000, outMib: 0, maxCost: Infinity }))

  let hash = 0x811c9dc5
  const running: { readonly node: NodeId; readonly of: number }[] = []
  /** One job ends and one is placed; a second of the market has two hundred of them. */
  const marketStep = (): void => {
    if (running.length > run.nodes / 2) {
      const at = Math.floor(random() * running.length), gone = running[at] as (typeof running)[number]
      running[at] = running.at(-1) as (typeof running)[number]
      running.pop()
      reserve(state, gone.node, (specs[gone.of] as (typeof specs)[number]).resources, -1)
    }
    market.now += 5
    const of = Math.floor(random() * run.classes), choice = choose(state, needs[of] as Requirement, keys[of] as string, market.now)
    if (!choice) return
    reserve(state, choice.node.id, (specs[of] as (typeof specs)[number]).resources, 1)
    running.push({ node: choice.node.id, of })
    hash = Math.imul(hash ^ Number(choice.node.id.slice(-7)), 0x01000193) ^ choice.candidates
  }
  const indices = shapes.map((shape) => engine.classOf(shape)), held: Grant[] = []
  const engineStep = (): void => {
    if (held.length > run.nodes / 2) {
      const at = Math.floor(random() * held.length), gone = held[at] as Grant
      held[at] = held.at(-1) as Grant
      held.pop()
      engine.release(gone)
    }
    const of = Math.floor(random() * run.classes), found = engine.best(indices[of] as number)
    if (found) held.push(engine.reserve(found.node, shapes[of] as Need, found.devices) as Grant)
  }
  const heapMb = (): number => { const used = process.memoryUsage(); return (used.heapUsed + used.arrayBuffers) / 2 ** 20 }
  const side = (step: () => void): Side => {
    globalThis.gc?.()
    const before = heapMb(), spent = (from: NodeJS.CpuUsage): number => { const used = process.cpuUsage(from); return (used.user + used.system) / 1e6 }
    let from = process.cpuUsage()
    // Warm: half a market is placed, every class has looked once.
    for (let i = 0; i < run.nodes / 2 + 4 * run.classes && (i % 64 !== 0 || spent(from) < run.seconds); i++) step()
    from = process.cpuUsage()
    let decisions = 0
    while (decisions < run.decisions && (decisions % 16 !== 0 || spent(from) < run.seconds)) { step(); decisions++ }
    const perCpuSecond = decisions / spent(from), times = new Float64Array(Math.max(50, Math.min(decisions, 20_000)))
    for (let i = 0; i < times.length; i++) { const at = performance.now(); step(); times[i] = (performance.now() - at) * 1000 }
    times.sort()
    globalThis.gc?.()
    return { perCpuSecond, p50Us: times[times.length >> 1] as number, p99Us: times[Math.floor(times.length * 0.99)] as number, heapMb: heapMb() - before }
  }
  return { market: side(marketStep), placement: side(engineStep), hash: (hash >>> 0).toString(16) }
}
if (process.argv[1] === import.meta.filename) process.stdout.write(`${JSON.stringify(measure(JSON.parse(process.argv[2] as string) as PathRun))}\n`)
