// Headroom in the market's own path (B10): a small market is played by its own decisions, firm work coming and going beside interruptible work that never ends.
// Some of the firm work pays to take places, the rest waits. What does room that is kept free spare it, and what does it cost?
import { Heap } from '../../packages/domain/src/heap.ts'
import { DEFAULT_SETTINGS, forgetJob } from '../../packages/domain/src/state.ts'
import { aMarket, aSpec, aUser, credits } from '../../packages/testkit/src/build.ts'
import type { AttemptId, JobDispatch } from '@lumaris/protocol'
import { mean } from '../figures.ts'
import { seeded } from './packing-load.ts'

const MINUTE = 60_000, HOUR = 60 * MINUTE, CORES = 4
export type HeadroomRun = { readonly nodes: number; readonly hours: number; readonly most: number; readonly seed: number; /** Mean share of the cores that firm work asks for. */ readonly load: number }
export type HeadroomResult = { readonly firmMeanS: number; readonly firmP99S: number; readonly evictions: number; readonly spotHours: number }

export function playMarket({ nodes: count, hours, most, seed, load }: HeadroomRun): HeadroomResult {
  const random = seeded(seed), exponential = (meanOf: number): number => Math.max(1_000, Math.round(-meanOf * Math.log(1 - random())))
  const market = aMarket({ settings: { ...DEFAULT_SETTINGS, suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12, headroomMost: most } })
  const firm = aUser('firm'), spot = aUser('spot'), began = market.now, until = began + hours * HOUR, warm = began + 6 * HOUR
  for (const user of [firm, spot]) market.fund(user, credits(1_000_000))
  const nodes = Array.from({ length: count }, (_, i) => { const node = market.join(`n${i}`, { cpuMillis: CORES * 1000, spotPercent: 50 }); node.connect(); return node })
  type Event = { readonly kind: 'firm' } | { readonly kind: 'spot'; readonly runMs: number } | { readonly kind: 'sale' } | { readonly kind: 'ends'; readonly order: JobDispatch; readonly runMs: number; readonly spot: boolean }
  const events = new Heap<Event>(), submitted = new Map<string, { readonly at: number; readonly runMs: number; readonly spot: boolean }>(), open = new Map<AttemptId, { readonly spot: boolean }>()
  const waits: number[] = []
  let evictions = 0, spotMs = 0
  const meanMs = 40 * MINUTE, gapMs = meanMs / (load * count * CORES)
  const submit = (isSpot: boolean, runMs: number): void => {
    const more = isSpot ? { interruptible: {} } : random() < 0.5 ? { displace: String(credits(1)) } : {}
    const done = market.submit(isSpot ? spot : firm, aSpec({ limits: { runMs: 12 * HOUR, retries: 20 }, resources: { cpuMillis: 1000, memoryBytes: 64 * 2 ** 20, diskBytes: 2 ** 20 }, ...more }), { cap: credits(100) }) as { job: { id: string } }
    submitted.set(done.job.id, { at: market.now, runMs, spot: isSpot })
  }
  const settle = (): void => {
    for (const node of nodes) for (const message of market.sentTo(node.id)) {
      if (message.type === 'job_dispatch') {
        const job = submitted.get(message.job_id)
        if (!job) continue
        if (!job.spot && market.now >= warm) waits.push(market.now - job.at)
        market.act({ kind: 'status', node: node.id, session: message.session, message: { type: 'job_status', job_id: message.job_id, attempt_id: message.attempt_id, fence: message.fence, status: 'running' } })
        open.set(message.attempt_id, { spot: job.spot })
        events.push(market.now + job.runMs, { kind: 'ends', order: message, runMs: job.runMs, spot: job.spot })
      }
    }
    // Gone before its end: its place was taken, and what it had done is lost.
    for (const [id, { spot: isSpot }] of open) {
      const row = market.attempt(id)
      if (row && (row.state === 'offered' || row.state === 'accepted' || row.state === 'running')) continue
      open.delete(id)
      if (isSpot && row?.cause === 'preempted' && market.now >= warm) evictions++
    }
  }
  events.push(began, { kind: 'firm' })
  for (let i = 0; i < count * CORES; i++) events.push(began + i * 1_000, { kind: 'spot', runMs: exponential(30 * MINUTE) })
  for (let at = began; at < until; at += 30_000) events.push(at, { kind: 'sale' })
  while ((events.peekKey() ?? Infinity) < until) {
    market.now = events.peekKey() as number
    const event = events.pop() as Event
    if (event.kind === 'firm') {
      submit(false, exponential(meanMs))
      // Twice as much by day as by night.
      const day = 1 + 0.6 * Math.sin((2 * Math.PI * (market.now - began)) / (24 * HOUR))
      events.push(market.now + exponential(gapMs / day), { kind: 'firm' })
    } else if (event.kind === 'spot') submit(true, event.runMs)
    else if (event.kind === 'ends') {
      if (market.attempt(event.order.attempt_id)?.state === 'running') {
        if (event.spot) { if (market.now >= warm) spotMs += event.runMs; events.push(market.now + 1_000, { kind: 'spot', runMs: exponential(30 * MINUTE) }) }
        market.report(event.order, { runMs: event.runMs })
      }
    } else market.act({ kind: 'clock' })
    settle()
    // What was decided is in the state; its story is not needed.
    market.log.length = 0
    market.effects = []
    for (const id of market.state.ended) { forgetJob(market.state, id); submitted.delete(id) }
  }
  waits.sort((a, b) => a - b)
  const at = (share: number): number => (waits[Math.floor(share * waits.length)] ?? 0) / 1000
  return { firmMeanS: mean(waits) / 1000, firmP99S: at(0.99), evictions, spotHours: spotMs / HOUR }
}
