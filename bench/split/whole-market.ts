// The same worlds, and in place of a policy a whole market: the job is submitted, matched, cut, reported, copied when it is late and settled by the code of the server's
// own turns, with its own clock; only the machines are made up. Slower than a policy by two orders of magnitude, and run for every seed like the others.
import { PIECES_MAX, TASKS_MAX, isRefusal } from '@lumaris/protocol'
import type { JobDispatch, JobId, NodeId } from '@lumaris/protocol'
import { progressOf } from '../../packages/domain/src/job/progress.ts'
import { PARTS_PER_WORKER } from '../../packages/sdk/src/map/prepare.ts'
import { aMarket, aSpec, aUser, credits, sha256 } from '../../packages/testkit/src/build.ts'
import { Heap } from '../../packages/domain/src/heap.ts'
import type { Chunk, MakePolicy } from './simulate.ts'

const FOREVER = 1e12, BYTES = 2 ** 33
export type WholeMarket = {
  readonly speculate: number; readonly targetMs?: number
  /** Planned by the buyer in so many parts that are alike; `apart`: they differ in a word, so none of them can be joined with its neighbour. */
  readonly planned?: { readonly parts: number; readonly apart: boolean }
}
export const wholeMarket = ({ speculate, targetMs = 60_000, planned }: WholeMarket): MakePolicy => (world) => {
  const market = aMarket({ settings: { suspectMs: FOREVER, lostMs: FOREVER, offerMs: FOREVER, cancelMs: 100 } }), buyer = aUser(), began = market.now
  for (let times = 0; times < 2; times++) market.fund(buyer, credits(900_000))
  const nodes = Array.from({ length: world.nodes }, (_one, i) => { const node = market.join(`n${i}`, { owner: aUser(`owner ${i}`), cpuMillis: 1000 }); node.connect(); return node.id }), numberOf = new Map(nodes.map((id, i) => [id, i]))
  const hash = sha256('a piece'), at = (piece: number): number => (piece * BYTES) / PIECES_MAX, parts = planned?.parts ?? 1, each = PIECES_MAX / parts
  const tasks = Array.from({ length: parts }, (_one, i) => ({
    ...(planned?.apart ? { args: [String(i)] } : {}),
    inputs: [{ path: 'part', blob: sha256('input'), size: BYTES, from: at(i * each), to: at((i + 1) * each), pieces: Array.from({ length: each }, (_piece, j) => ({ to: at(i * each + j + 1), hash })) } as never],
  }))
  const answer = market.submit(buyer, aSpec({ tasks, divide: { most: Math.min(TASKS_MAX, (planned ? parts : 0) + PARTS_PER_WORKER * world.nodes), targetMs }, speculate, limits: { runMs: 7 * 86_400_000, retries: 20 }, resources: { diskBytes: 4 * BYTES } }))
  if (isRefusal(answer)) throw new Error(JSON.stringify(answer))
  const job: JobId = answer.job.id, chunks = new Map<string, Chunk>(), offered = new Map<number, JobDispatch>(), running = new Map<number, JobDispatch>()
  const say = ({ terms, session, attempt_id, fence }: JobDispatch, status: string, more = {}): void => { market.act({ kind: 'status', node: terms.node, session, message: { type: 'job_status', attempt_id, fence, status, ...more } as never }) }
  function hear(): void {
    const sent = market.effects
    market.effects = []
    market.log.length = 0
    for (const effect of sent) {
      if (effect.kind !== 'send') continue
      const node = numberOf.get(effect.node as NodeId) as number, { message } = effect
      if (message.type === 'job_dispatch') offered.set(node, message)
      if (message.type !== 'cancel') continue
      // The other try was first: it stops at once, and sends no last reading.
      const order = [offered.get(node), running.get(node)].find((one) => one?.attempt_id === message.attempt_id)
      if (order && offered.get(node) === order) offered.delete(node)
      if (order && running.get(node) === order) running.delete(node)
    }
  }
  /** When its inputs are there, each says so. */
  const starts = new Heap<JobDispatch>()
  function come(now: number): void {
    for (let due = starts.peekKey(); due !== undefined && due <= began + now; due = starts.peekKey()) { const order = starts.pop() as JobDispatch; market.now = Math.max(market.now, due); if ([...running.values()].includes(order)) say(order, 'running') }
    if (began + now < market.now) return
    market.now = began + Math.round(now)
    market.act({ kind: 'clock' })
    hear()
  }
  hear()
  return {
    looks: true,
    next(node, now) {
      come(now)
      const order = offered.get(node)
      if (!order || running.has(node)) return null
      offered.delete(node)
      running.set(node, order)
      const { range } = order.terms, key = `${range?.from}-${range?.to}`, again = chunks.get(key)
      const chunk = again && !again.done ? again : world.chunk((((range?.to ?? 0) - (range?.from ?? 0)) / BYTES) * world.total)
      chunks.set(key, chunk)
      say(order, 'accepted')
      starts.push(began + Math.round(now) + world.options.overheadMs, order)
      return { chunk, copy: chunk.on.size > 0 }
    },
    told({ kind, node, at: now, ranMs }) {
      const order = running.get(node)
      if (kind === 'start' || !order) return
      come(now)
      running.delete(node)
      market.now = Math.max(market.now, began + Math.round(now))
      market.report(order, kind === 'done' ? { runMs: Math.round(ranMs) } : { cause: 'driver_failed', runMs: Math.round(ranMs) })
      hear()
    },
    gone(node) {
      market.act({ kind: 'will', node: nodes[node] as NodeId, will: 'paused' })
      const order = offered.get(node) // to one that was dead already
      offered.delete(node)
      if (order) market.report(order, { cause: 'driver_failed', runMs: 0 })
      hear()
    },
    left(now) { come(now); const live = market.state.jobs.get(job); return live ? progressOf(market.state, live, market.now).etaMs ?? null : 0 },
  }
}
