// Nodes in virtual time that work off one job under a policy: dispatches cost time, runs vary, nodes die or attempts fail. The same seed is the same world for
// every policy.
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { Heap } from '../../packages/domain/src/heap.ts'

export type Failures = 'none' | 'nodes' | 'attempts' | 'slow'
export type WorldOptions = {
  readonly seed: number; readonly nodes: number; readonly spread: number; readonly idealMs: number; readonly overheadMs: number
  /** `nodes`: this share of them dies for good, without a word, within the ideal time. `attempts`: this share of attempts ends somewhere on its way. `slow`: this share of nodes works on at a twentieth of its speed. */
  readonly failures: Failures; readonly share: number
  /** A silent node is given up after this. */
  readonly lostMs: number
  /** Runs of one node vary by so much. */
  readonly noise: number
}
export type Chunk = { readonly id: number; readonly work: number; done: boolean; /** Nodes that run it now. */ readonly on: Set<number> }
export type Told = { readonly kind: 'start' | 'done' | 'lost'; readonly chunk: Chunk; readonly node: number; readonly at: number; readonly ranMs: number }
export type World = { readonly nodes: number; readonly total: number; readonly options: WorldOptions; chunk(work: number): Chunk; readonly random: () => number }
export type Policy = {
  /** What an idle node does next; null when there is nothing for it now. */
  next(node: number, now: number): { readonly chunk: Chunk; readonly copy: boolean } | null
  told?(what: Told): void
  /** What is late becomes visible by waiting: idle nodes ask again now and then. */
  readonly looks?: boolean
  /** How long it still takes, as this way of sharing out would say. */
  left?(now: number): number | null
  /** A node has been given up, whether it ran something or not. */
  gone?(node: number): void
}
export type MakePolicy = (world: World) => Policy
export type Outcome = { readonly makespan: number; /** Share of all seconds that went into runs that did not count. */ readonly wasted: number; readonly overhead: number; readonly chunks: number; readonly copies: number; readonly lost: number; readonly told: readonly Told[]; /** What was said of the time left, as it went. */ readonly said: readonly { readonly at: number; readonly leftMs: number | null }[] }

type Run = { readonly chunk: Chunk; readonly node: number; readonly from: number; endsAt: number; over: boolean }
type Event = { readonly kind: 'end' | 'fails' | 'noticed'; readonly run: Run } | { readonly kind: 'dies' | 'gone' | 'slows'; readonly node: number } | { readonly kind: 'look' }
const ofRun = (event: Event): event is Extract<Event, { run: Run }> => 'run' in event
export const LOOK_MS = 5_000
const SLOWER = 20

export function simulate(make: MakePolicy, options: WorldOptions): Outcome {
  const chance = virtualChance(options.seed, 'world'), noise = virtualChance(options.seed, 'noise'), policyChance = virtualChance(options.seed, 'policy')
  // Log-uniform: as many between 1 and 2 as between 5 and 10.
  const speeds = Array.from({ length: options.nodes }, () => options.spread ** chance.next()), total = options.idealMs * speeds.reduce((sum, speed) => sum + speed, 0)
  const troubles = speeds.map(() => ((options.failures === 'nodes' || options.failures === 'slow') && chance.happens(options.share) ? chance.next() * options.idealMs : Number.POSITIVE_INFINITY))
  const told: Told[] = [], said: { at: number; leftMs: number | null }[] = [], chunks: Chunk[] = []
  const world: World = { nodes: options.nodes, total, options, random: () => policyChance.next(), chunk(work) { const chunk = { id: chunks.length, work, done: false, on: new Set<number>() }; chunks.push(chunk); return chunk } }
  const policy = make(world)
  const events = new Heap<Event>(), running = new Map<number, Run>(), idle = new Set<number>(speeds.map((_speed, node) => node)), dead = new Set<number>()
  let now = 0, workDone = 0, busy = 0, wasted = 0, overhead = 0, copies = 0, lost = 0

  const tell = (kind: Told['kind'], run: Run): void => { const what = { kind, chunk: run.chunk, node: run.node, at: now, ranMs: now - run.from }; told.push(what); policy.told?.(what) }
  function begin(node: number): boolean {
    const given = policy.next(node, now)
    if (!given) return false
    const { chunk, copy } = given, run: Run = { chunk, node, from: now, endsAt: now, over: false }
    idle.delete(node)
    running.set(node, run)
    chunk.on.add(node)
    if (copy) copies++
    tell('start', run)
    const ms = options.overheadMs + (chunk.work / (speeds[node] as number)) * (1 + options.noise * (2 * noise.next() - 1))
    const fails = options.failures === 'attempts' && noise.happens(options.share)
    run.endsAt = now + (fails ? ms * noise.next() : ms)
    events.push(run.endsAt, { kind: fails ? 'fails' : 'end', run })
    return true
  }
  function leave(run: Run, counts: boolean): void {
    run.over = true
    run.chunk.on.delete(run.node)
    busy += now - run.from
    if (counts) overhead += Math.min(options.overheadMs, now - run.from)
    else wasted += now - run.from
    if (running.get(run.node) === run) { running.delete(run.node); if (!dead.has(run.node)) idle.add(run.node) }
  }
  const offer = (): void => { for (const node of [...idle].toSorted((a, b) => a - b)) begin(node) }
  for (const [node, at] of troubles.entries()) if (at < Number.POSITIVE_INFINITY) events.push(at, { kind: options.failures === 'slow' ? 'slows' : 'dies', node })
  offer()
  if (policy.looks) events.push(LOOK_MS, { kind: 'look' })
  while (workDone < total * (1 - 1e-9)) {
    now = events.peekKey() ?? Number.POSITIVE_INFINITY
    const event = events.pop()
    // Once for each hundredth of the ideal time.
    if (policy.left && now >= (said.at(-1)?.at ?? 0) + options.idealMs / 100 && now < Number.POSITIVE_INFINITY) said.push({ at: now, leftMs: policy.left(now) })
    if (!event || now > 1000 * options.idealMs) throw new Error('the work does not end')
    if (event.kind === 'look') { events.push(now + LOOK_MS, { kind: 'look' }); offer(); continue }
    if (event.kind === 'dies') {
      dead.add(event.node)
      idle.delete(event.node)
      const run = running.get(event.node)
      events.push(now + options.lostMs, { kind: 'gone', node: event.node })
      if (run) { events.push(now + options.lostMs, { kind: 'noticed', run }); busy += now - run.from; wasted += now - run.from }
      continue
    }
    if (event.kind === 'gone') { policy.gone?.(event.node); offer(); continue }
    if (event.kind === 'slows') {
      speeds[event.node] = (speeds[event.node] as number) / SLOWER
      const run = running.get(event.node)
      if (run) { run.endsAt = now + (run.endsAt - now) * SLOWER; events.push(run.endsAt, { kind: 'end', run }) }
      continue
    }
    if (!ofRun(event)) continue
    const { run } = event
    if (event.kind === 'end' && now < run.endsAt) continue // it has become slower since
    if (run.over || (event.kind !== 'noticed' && dead.has(run.node))) continue
    if (event.kind === 'noticed') { run.over = true; run.chunk.on.delete(run.node); running.delete(run.node) } else leave(run, event.kind === 'end')
    if (event.kind === 'end') {
      run.chunk.done = true
      workDone += run.chunk.work
      tell('done', run)
      for (const other of run.chunk.on) { const loser = running.get(other); if (loser?.chunk === run.chunk && !dead.has(other)) leave(loser, false) }
    } else if (!run.chunk.done) { lost++; tell('lost', run) }
    offer()
  }
  return { makespan: now / options.idealMs, wasted: wasted / busy, overhead: overhead / busy, chunks: chunks.length, copies, lost, told, said }
}
