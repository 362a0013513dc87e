// How nodes' machines were, as their heartbeats told, for pages to draw. In memory, written down every few minutes (kept-memory.ts), so that a market that is started again goes on;
// it is no record, and nothing is decided by it. Bounded twice, by rings of fixed sizes and by the number of nodes.
import { CAUSES } from '@lumaris/protocol'
import type { AttemptId, AvailabilityUpdate, Cause, Hello, HoursSaid, MachineNow, NodeEvent, NodeEvidence, NodeId, NodeLoad, NodeReadings, NodeSettings, ReadingSpan, SelfTestSaid } from '@lumaris/protocol'

const CHANNELS = ['cpu', 'jobsCpu', 'memory', 'disk', 'inBytesS', 'outBytesS', 'celsius'] as const
type Channel = (typeof CHANNELS)[number]
const channelsOf = (now: MachineNow): Record<Channel, number | undefined> => ({ cpu: now.cpu_percent, jobsCpu: now.jobs_cpu_percent, memory: now.memory_percent, disk: now.disk_percent, inBytesS: now.in_bytes_s, outBytesS: now.out_bytes_s, celsius: now.celsius })
/** Means over `stepMs` (0: each heartbeat as it is), so many of them: an hour of heartbeats of ten seconds, a day, a week. */
const RINGS: Readonly<Record<ReadingSpan, { readonly stepMs: number; readonly size: number }>> = { hour: { stepMs: 0, size: 360 }, day: { stepMs: 300_000, size: 288 }, week: { stepMs: 1_800_000, size: 336 } }
/** 35 kB each when full: 70 MB. Over it, the node that was heard the longest ago is forgotten. */
export const NODES_MAX = 2_000

export interface Readings {
  heard(node: NodeId, said: AvailabilityUpdate): void
  /** How it said hello. */
  greeted(node: NodeId, hello: Hello): void
  /** The last of each, as it came. */
  shown(node: NodeId): Shown
  of(node: NodeId, span: ReadingSpan): NodeReadings
  /** The owner's settings, as the agent last said that it honours them. */
  said(node: NodeId): NodeSettings['said']
  /** Of the last hour, by minute. */
  load(node: NodeId): NodeLoad
  /** The self-test that was asked over the market, as the agent told of it last. */
  tested(node: NodeId): SelfTestSaid | null
  noted(node: NodeId, event: NodeEvent): void
  /** What happened to it, and such faults among it: the newest first. */
  events(node: NodeId): readonly NodeEvent[]
  /** An attempt ended by its fault. */
  faulted(node: NodeId, fault: Fault): void
  /** Such ends, the newest first. */
  faults(node: NodeId): readonly Fault[]
  /** What is worth to be written down now: of each node where something happened, and where `READINGS_KEPT_MS` have passed since the last time; `all`: whatever is not written yet. */
  toKeep(all: boolean): Iterable<{ readonly node: NodeId; readonly kept: KeptNode }>
  readonly nodes: number
}
/** Of one node, as it is written down and read again. */
export type KeptNode = Omit<Known, 'rings' | 'isNews' | 'isHeard' | 'keptAt'> & { readonly rings: Record<ReadingSpan, KeptRing> }
type KeptRing = { readonly stepMs: number; readonly size: number; readonly at: readonly number[]; readonly values: Record<Channel, Float32Array>; readonly next: number; readonly open: Open | null }
/** Plots of a market that was killed lack no more than this at their end. */
export const READINGS_KEPT_MS = 300_000
type Shown = Pick<NodeEvidence, 'hello' | 'heartbeat'>
export type Fault = { readonly at: number; readonly attempt: AttemptId; readonly cause: Cause }
/** Of one node: enough to see what keeps happening. */
/** Of a heartbeat: a node may list ten thousand. */
const ATTEMPTS_KEPT = 20
const FAULTS_MAX = 20, EVENTS_MAX = 100
const MINUTE_MS = 60_000, MINUTES = 60

type Known = {
  last: MachineNow | null; hours: HoursSaid | null | undefined; said: NodeSettings['said']; tested: SelfTestSaid | null; faults: readonly Fault[]; events: readonly NodeEvent[]; readonly rings: Record<ReadingSpan, Ring>
  /** Since it was last written down: something happened; its heartbeats were heard. */
  isNews: boolean; isHeard: boolean; keptAt: number
}
const SPANS = Object.keys(RINGS) as ReadingSpan[]

/** `recall` reads what was written down of a node; null: nothing. Asked once for a node that is not in memory. */
export function createReadings(now: () => number, heartbeatMs: number, nodesMax = NODES_MAX, recall: (node: NodeId) => KeptNode | null = () => null): Readings {
  const nodes = new Map<NodeId, Known>()
  const fresh = (kept: KeptNode | null): Known => ({
    last: kept?.last ?? null, hours: kept?.hours, said: kept?.said ?? null, tested: kept?.tested ?? null, faults: kept?.faults ?? [], events: kept?.events ?? [], isNews: false, isHeard: false, keptAt: now(),
    rings: Object.fromEntries(SPANS.map((span) => [span, new Ring(RINGS[span], kept?.rings[span])])) as Record<ReadingSpan, Ring>,
  })
  /** Of one that was never heard there is nothing, and asking makes nothing. */
  function look(node: NodeId): Known | undefined {
    const kept = nodes.has(node) ? null : recall(node)
    return kept ? put(node, fresh(kept)) : nodes.get(node)
  }
  /** Where more nodes are heard than there is room for, each heartbeat would read a file: there the ones that were let go begin anew. */
  const know = (node: NodeId): Known => put(node, nodes.get(node) ?? fresh(nodes.size < nodesMax ? recall(node) : null))
  function put(node: NodeId, known: Known): Known {
    nodes.delete(node) // to the end: the first one is the one heard the longest ago
    nodes.set(node, known)
    for (const oldest of nodes.keys()) { if (nodes.size <= nodesMax) break; nodes.delete(oldest) }
    return known
  }
  /** Apart from the rings: of a node that tells nothing of its machine there are none. */
  const words = new Map<NodeId, Shown>()
  function show(node: NodeId, more: Partial<Shown>): void {
    const known = { hello: null, heartbeat: null, ...words.get(node), ...more }
    words.delete(node)
    words.set(node, known)
    for (const oldest of words.keys()) { if (words.size <= nodesMax) break; words.delete(oldest) }
  }
  return {
    get nodes() { return nodes.size },
    greeted: (node, { protocol, agent_version: agentVersion, boot_id: boot }) => show(node, { hello: { at: now(), protocol, agentVersion, boot } }),
    shown: (node) => words.get(node) ?? { hello: null, heartbeat: null },
    heard(node, said) {
      const { machine, hours, owner, self_test: test, attempts } = said
      show(node, { heartbeat: { at: now(), attempts: attempts.length, message: { ...said, attempts: attempts.slice(0, ATTEMPTS_KEPT) } } })
      if (machine === undefined && hours === undefined && owner === undefined && test === undefined) return
      const known = know(node)
      if (test) { known.tested = test; known.isNews = true }
      if (hours !== undefined) known.hours = hours
      if (owner) known.said = { ...owner, at: now() }
      if (!machine) return
      known.last = machine
      known.isHeard = true
      const at = now(), values = channelsOf(machine)
      for (const ring of Object.values(known.rings)) ring.add(at, values)
    },
    said: (node) => look(node)?.said ?? null,
    tested: (node) => look(node)?.tested ?? null,
    noted(node, event) { const known = know(node); known.events = [event, ...known.events].slice(0, EVENTS_MAX); known.isNews = true },
    events: (node) => look(node)?.events ?? [],
    load: (node) => ({ node, everyMs: MINUTE_MS, ...(look(node)?.rings.hour ?? EMPTY).minutes(now()) }),
    faults: (node) => look(node)?.faults ?? [],
    faulted(node, fault) {
      const known = nodes.get(node)
      if (!known || known.faults.some((one) => one.attempt === fault.attempt)) return
      known.isNews = true
      known.faults = [fault, ...known.faults].slice(0, FAULTS_MAX)
      known.events = [{ at: fault.at, what: 'fault' as const, detail: CAUSES[fault.cause].says, attempt: fault.attempt }, ...known.events].slice(0, EVENTS_MAX)
    },
    *toKeep(all) {
      for (const [node, known] of nodes) {
        if (!known.isNews && !(known.isHeard && (all || now() - known.keptAt >= READINGS_KEPT_MS))) continue
        const { isNews: _news, isHeard: _heard, keptAt: _at, rings, ...rest } = known
        Object.assign(known, { isNews: false, isHeard: false, keptAt: now() })
        yield { node, kept: { ...rest, rings: Object.fromEntries(SPANS.map((span) => [span, rings[span].kept()])) as KeptNode['rings'] } }
      }
    },
    of(node, span) {
      const known = look(node), last = known?.last ?? null
      return {
        everyMs: last && (RINGS[span].stepMs || heartbeatMs), machine: last && { cores: last.cores, memoryBytes: last.memory_bytes, diskBytes: last.disk_bytes ?? null, ...(last.hash_bytes_s === undefined ? {} : { hashBytesS: last.hash_bytes_s }) },
        ...(known?.hours === undefined ? {} : { hours: known.hours }), ...(known?.rings[span] ?? EMPTY).columns(),
      }
    },
  }
}

/** Sums and counts since `from`. */
type Open = { readonly from: number; readonly sums: Record<Channel, { sum: number; count: number }> }
class Ring {
  readonly #stepMs: number
  readonly #size: number
  readonly #at: number[] = []
  readonly #values: Record<Channel, Float32Array>
  #next = 0
  /** What is not yet a mean. */
  #open: Open | null = null
  /** What a market of other spans has kept does not fit, and is let go. */
  constructor({ stepMs, size }: { stepMs: number; size: number }, kept?: KeptRing) {
    const fits = kept?.stepMs === stepMs && kept.size === size
    this.#stepMs = stepMs
    this.#size = size
    this.#values = Object.fromEntries(CHANNELS.map((name) => { const values = new Float32Array(size); if (fits) values.set(kept.values[name]); return [name, values] })) as Record<Channel, Float32Array>
    if (fits) { this.#at.push(...kept.at); this.#next = kept.next; this.#open = kept.open }
  }
  kept(): KeptRing { return { stepMs: this.#stepMs, size: this.#size, at: this.#at, values: this.#values, next: this.#next, open: this.#open } }
  add(at: number, values: Record<Channel, number | undefined>): void {
    if (this.#stepMs === 0) return this.#push(at, values)
    const from = Math.floor(at / this.#stepMs) * this.#stepMs
    if (this.#open && this.#open.from !== from) { this.#push(this.#open.from + this.#stepMs / 2, meansOf(this.#open.sums)); this.#open = null }
    this.#open ??= { from, sums: Object.fromEntries(CHANNELS.map((name) => [name, { sum: 0, count: 0 }])) as Record<Channel, { sum: number; count: number }> }
    for (const name of CHANNELS) { const value = values[name]; if (value !== undefined) { this.#open.sums[name].sum += value; this.#open.sums[name].count++ } }
  }
  #push(at: number, values: Record<Channel, number | undefined>): void {
    this.#at[this.#next] = at
    for (const name of CHANNELS) this.#values[name][this.#next] = values[name] ?? Number.NaN
    this.#next = (this.#next + 1) % this.#size
  }
  /** Processor and memory by minute; a minute without a heartbeat is null. */
  minutes(now: number): Pick<NodeLoad, 'from' | 'cpu' | 'memory'> {
    const until = Math.floor(now / MINUTE_MS), first = until - MINUTES + 1
    const sums = Array.from({ length: MINUTES }, () => ({ cpu: 0, memory: 0, count: 0 }))
    let earliest = Infinity
    this.#at.forEach((at, i) => {
      const minute = Math.floor(at / MINUTE_MS), sum = sums[minute - first]
      if (!sum) return
      earliest = Math.min(earliest, minute)
      sum.cpu += this.#values.cpu[i] ?? 0
      sum.memory += this.#values.memory[i] ?? 0
      sum.count++
    })
    if (earliest === Infinity) return { from: null, cpu: [], memory: [] }
    const shown = sums.slice(earliest - first), mean = (what: 'cpu' | 'memory'): (number | null)[] => shown.map((sum) => (sum.count === 0 ? null : tidy(sum[what] / sum.count)))
    return { from: earliest * MINUTE_MS, cpu: mean('cpu'), memory: mean('memory') }
  }
  /** Also what is not a whole step yet: who looks now wants to see now. */
  columns(): Pick<NodeReadings, 'at' | Channel> {
    const order = [...this.#at.keys()].map((_, i) => (this.#at.length < this.#size ? i : (this.#next + i) % this.#size)), open = this.#open
    const means = open && meansOf(open.sums)
    const column = (name: Channel): (number | null)[] => [...order.map((i) => tidy(this.#values[name][i])), ...(means ? [tidy(means[name])] : [])]
    return { at: [...order.map((i) => this.#at[i] as number), ...(open ? [open.from + this.#stepMs / 2] : [])], ...(Object.fromEntries(CHANNELS.map((name) => [name, column(name)])) as Record<Channel, (number | null)[]>) }
  }
}
const EMPTY = new Ring({ stepMs: 0, size: 0 })
const meansOf = (sums: Record<Channel, { sum: number; count: number }>): Record<Channel, number | undefined> => Object.fromEntries(CHANNELS.map((name) => [name, sums[name].count === 0 ? undefined : sums[name].sum / sums[name].count])) as Record<Channel, number | undefined>
const tidy = (value: number | undefined): number | null => (value === undefined || Number.isNaN(value) ? null : Math.round(value * 10) / 10)
