// Ways to share out one job. All may use that a node asked, and what was told of it; none sees its speed.
import type { NodeId } from '@lumaris/protocol'
import { forecastOf, seenRun } from '../../packages/domain/src/split/forecast.ts'
import type { JobPace } from '../../packages/domain/src/split/forecast.ts'
import { timeLeft } from '../../packages/domain/src/split/time-left.ts'
import { DIVISOR, TAIL, factoring } from '../../packages/sdk/src/split/sizes.ts'
import { UNSEEN_PACE, nextChunk, paceOf, seenPace } from '../../packages/domain/src/split/chunk.ts'
import type { Pace } from '../../packages/domain/src/split/chunk.ts'
import { isWorth, pickStraggler } from '../../packages/domain/src/split/speculate.ts'
import { LOOK_MS } from './simulate.ts'
import type { Chunk, MakePolicy, World } from './simulate.ts'

/** Chunks of these sizes, in this order, to whoever asks; what was lost comes first. */
const queue = (sizes: (world: World) => number[]): MakePolicy => (world) => {
  const waiting = sizes(world).map((work) => world.chunk(work))
  return {
    next: () => { const chunk = waiting.shift(); return chunk ? { chunk, copy: false } : null },
    told({ kind, chunk }) { if (kind === 'lost' && chunk.on.size === 0) waiting.unshift(chunk) },
  }
}
const equal = (total: number, count: number): number[] => Array.from({ length: count }, () => total / count)

/** One chunk for each node. */
export const equalSplit = queue(({ total, nodes }) => equal(total, nodes))
/** So many equal chunks for each node, in one queue. */
export const selfScheduling = (perNode: number): MakePolicy => queue(({ total, nodes }) => equal(total, nodes * perNode))
/** Sizes planned before anything runs, by factoring, and the market's queue hands them out in order: `lumaris map --speculate 0`. */
export const planned = (divisor: number, least: number): MakePolicy => queue(({ total, nodes }) => { const grains = 10_000_000; return factoring(grains, { workers: nodes, divisor, least: Math.ceil(grains / (least * nodes)) }).map((size) => (size / grains) * total) })

/** Partitions with a fixed number, each bound to a node when the job begins; one that was lost is bound to another node. */
export const staticPartitions = (perNode: number): MakePolicy => (world) => {
  const own: Chunk[][] = Array.from({ length: world.nodes }, () => Array.from({ length: perNode }, () => world.chunk(world.total / (world.nodes * perNode)))), gone = new Set<number>()
  const elsewhere = (): Chunk[] => { const open = own.map((_list, node) => node).filter((node) => !gone.has(node)); return own[open[Math.floor(world.random() * open.length)] as number] as Chunk[] }
  return {
    next(node) { const chunk = own[node]?.shift(); return chunk ? { chunk, copy: false } : null },
    told({ kind, chunk }) { if (kind === 'lost') elsewhere().push(chunk) },
    gone(node) { gone.add(node); for (const left of (own[node] as Chunk[]).splice(0)) elsewhere().push(left) },
  }
}

/** Chunks cut as nodes ask, by what each has shown; at the tail copies of what is late. */
export const measured = (options: { readonly copies: boolean }): MakePolicy => (world) => {
  const { overheadMs, idealMs, share, failures } = world.options
  const settings = { overheadMs, hazardPerMs: failures === 'nodes' ? share / idealMs : 0 }
  const paces: Pace[] = Array.from({ length: world.nodes }, () => UNSEEN_PACE)
  const running = new Map<number, { chunk: number; work: number; startedAt: number; expectedMs: number; copies: number; it: Chunk }>()
  let all = UNSEEN_PACE, left = world.total, extra = 0
  const fleet = (): number | null => (all.chunks === 0 ? null : paces.reduce((sum, pace) => sum + (paceOf(pace, all) as number), 0))
  return {
    looks: options.copies,
    next(node, now) {
      const pace = paceOf(paces[node] as Pace, all)
      if (left > world.total * 1e-12) {
        const work = nextChunk({ left, node: paces[node] as Pace, all, nodes: world.nodes, fleet: fleet(), settings, grain: world.total / 1e6 })
        left -= work
        return { chunk: world.chunk(work), copy: false }
      }
      if (!options.copies || pace === null || (paces[node] as Pace).chunks === 0) return null
      const late = pickStraggler(running.values(), { now, pace, total: world.total, extra, settings: { overheadMs, extraMax: 0.05 } })
      if (!late) return null
      extra += late.work
      const one = running.get(late.chunk) as { copies: number; it: Chunk }
      one.copies++
      return { chunk: one.it, copy: true }
    },
    told({ kind, chunk, node, at, ranMs }) {
      if (kind === 'start' && !running.has(chunk.id)) {
        const pace = paceOf(paces[node] as Pace, all)
        running.set(chunk.id, { chunk: chunk.id, work: chunk.work, startedAt: at, expectedMs: pace === null ? Number.POSITIVE_INFINITY : overheadMs + chunk.work / pace, copies: 0, it: chunk })
      }
      if (kind === 'done') {
        running.delete(chunk.id)
        const ms = Math.max(1, ranMs - overheadMs)
        paces[node] = seenPace(paces[node] as Pace, chunk.work, ms)
        all = seenPace(all, chunk.work, ms)
      }
      // A chunk is a range: what was cut for a quick node is cut anew for whoever asks next.
      if (kind === 'lost' && chunk.on.size === 0) { running.delete(chunk.id); left += chunk.work }
    },
  }
}

/** What `lumaris map --no-divide` and the market do: sizes planned by eighths; and when nothing waits, copies of what is late, at most so much of the work, by the very functions of the market's clock. */
export const plannedMap = (speculate: number): MakePolicy => (world) => {
  const grains = 10_000_000, { total, nodes } = world
  const waiting = factoring(grains, { workers: nodes, divisor: DIVISOR, least: Math.ceil(grains / (TAIL * nodes)) }).map((size) => world.chunk((size / grains) * total))
  const most = Math.ceil(speculate * waiting.length), running = new Map<number, { chunk: Chunk; tries: Map<number, number>; twice: boolean }>(), started = new Map<number, number>()
  let pace: JobPace | undefined, extra = 0, copies = 0
  const id = (node: number) => `nod_${node}` as NodeId, forecast = () => forecastOf(pace, null, () => 1)
  return {
    looks: true,
    next(node, now) {
      const chunk = waiting.shift()
      if (chunk) return { chunk, copy: false }
      const { overheadMs, mean, paceOn } = forecast()
      if (mean === null || copies >= most) return null
      const late = [...running.values()].flatMap(({ chunk: one, tries, twice }) => {
        const [first] = tries
        if (twice || !first || now - first[1] < LOOK_MS) return []
        return [{ chunk: one.id, work: one.work, startedAt: first[1], expectedMs: overheadMs + one.work / (paceOn(id(first[0])) as number), copies: 0 }]
      })
      const settings = { overheadMs, extraMax: speculate }
      const found = pickStraggler(late, { now, pace: mean, total, extra, settings })
      if (!found || !isWorth(found, { now, pace: paceOn(id(node)) as number, mean, overheadMs })) return null
      const one = running.get(found.chunk) as { chunk: Chunk; twice: boolean }
      one.twice = true
      extra += found.work
      copies++
      return { chunk: one.chunk, copy: true }
    },
    told({ kind, chunk, node, at }) {
      const one = running.get(chunk.id) ?? { chunk, tries: new Map<number, number>(), twice: false }
      if (kind === 'start') { one.tries.set(node, at); running.set(chunk.id, one); started.set(node, at) }
      if (kind === 'done') {
        const offeredAt = started.get(node) as number
        running.delete(chunk.id)
        pace = seenRun(pace, { node: id(node), offeredAt, startedAt: Math.min(at, offeredAt + world.options.overheadMs), endedAt: at }, chunk.work)
      }
      if (kind === 'lost') { one.tries.delete(node); if (chunk.on.size === 0) waiting.unshift(chunk) }
    },
    left: (now) => {
      const { overheadMs, mean, paceOn } = forecast()
      if (mean === null) return null
      return timeLeft({ now, overheadMs, copies: copies < most, waiting: { work: waiting.reduce((sum, { work }) => sum + work, 0), tasks: waiting.length }, running: [...running.values()].flatMap(({ chunk, tries }) => (tries.size === 0 ? [] : [[...tries].map(([node, offeredAt]) => ({ work: chunk.work, pace: paceOn(id(node)) as number, offeredAt }))])) })
    },
  }
}
