// What waits, for how long and why, in figures for operators. Read from memory between two turns and kept for a moment. A look at all of a large market would hold up its one
// writer, so each part has a bound, and the answer says where it was reached.
import { busyReason, isHeld, neighbours, obstacles, queuedSince, requirementOf, waitsForParents, waitsForSale } from '@lumaris/domain'
import type { LiveJob, NodeRow } from '@lumaris/domain'
import { QUEUE_AGES_MS, QUEUE_CLASSES_MAX, QUEUE_REASONED_MAX } from '@lumaris/protocol'
import type { MarketQueue, NoReason } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { countDead } from '../store/read-dead.ts'
import { SAYS } from './explain.ts'
import { needText } from './need-text.ts'

const KEPT_MS = 2_000
/** Slots that are looked at for ages: some ten milliseconds. And questions to nodes for the reasons: as long. */
const SLOTS_MAX = 200_000, QUESTIONS_MAX = 20_000
const REASONS_SHOWN = 5
const kept = new WeakMap<App, MarketQueue>()

export async function marketQueue(app: App): Promise<MarketQueue> {
  const before = kept.get(app), at = app.now()
  if (before && at >= before.at && at - before.at < KEPT_MS) return before
  const dead = await countDead(app.db)
  const fresh = { ...summed(app, app.now()), dead }
  kept.set(app, fresh)
  return fresh
}

function summed(app: App, at: number): Omit<MarketQueue, 'dead'> {
  const { state } = app.engine
  const waiting = { inLine: 0, forSale: 0, afterFailure: 0, held: 0, afterOthers: 0 }, ages = [...QUEUE_AGES_MS, null].map((upToMs) => ({ upToMs, waiting: 0 }))
  let slots = 0, jobs = 0
  for (const live of state.jobs.values()) {
    if (slots >= SLOTS_MAX) break
    jobs++
    slots += count(live, at, waiting, ages)
  }
  const nodes = [...state.nodes.values()].filter(({ will }) => will !== 'retired' && will !== 'banned')
  // Who stands in line and was paused or cancelled there is counted until its turn comes: the queue itself finds it out then.
  const table = state.queue.table().flatMap((line) => { const live = state.jobs.get(line.head.job); return live && (line.waiting > 1 || !(isHeld(live.row) || live.row.cancelling)) ? [{ ...line, live }] : [] }).toSorted((a, b) => b.waiting - a.waiting || a.since - b.since)
  const every = Math.max(1, Math.ceil((nodes.length * Math.min(table.length, QUEUE_REASONED_MAX)) / QUESTIONS_MAX)), asked = nodes.filter((_node, i) => i % every === 0)
  const reasons = new Map<MarketQueue['reasons'][number]['reason'], number>()
  const classes = table.slice(0, QUEUE_CLASSES_MAX).map(({ live, head, waiting: many, buyers, asleep, since }, i) => {
    const told = { need: needText(live.row.spec), job: head.job, waiting: many, buyers, oldestAt: since, asleep }
    if (i >= QUEUE_REASONED_MAX) return told
    const against = reasonsOf(app, live, asked, at), first = nodes.length === 0 ? 'no_node' : against.isNext ? 'next' : against.counts[0]?.reason ?? 'no_node'
    reasons.set(first, (reasons.get(first) ?? 0) + many)
    return { ...told, reasons: against.isNext ? [] : against.counts.slice(0, REASONS_SHOWN) }
  })
  return {
    at, waiting, ages, ...(jobs < state.jobs.size ? { looked: { slots, jobs, ofJobs: state.jobs.size } } : {}), classes, left: Math.max(0, table.length - QUEUE_CLASSES_MAX), asked: { nodes: asked.length, of: nodes.length },
    reasons: [...reasons].map(([reason, many]) => ({ reason, says: reason === 'no_node' ? 'no node has joined this market' : reason === 'next' ? 'it is next in line: a node can take it' : `the node ${SAYS[reason]}`, waiting: many })).toSorted((a, b) => b.waiting - a.waiting),
  }
}

/** Adds what waits of one job; says how many of its slots were looked at. */
function count({ row, tasks }: LiveJob, at: number, waiting: MarketQueue['waiting'], ages: MarketQueue['ages']): number {
  const since = queuedSince(row), age = ages.find(({ upToMs }) => upToMs === null || at - since <= upToMs)
  let looked = 0
  for (const task of tasks) for (const slot of task.slots) {
    looked++
    if (slot.state !== 'pending' || row.cancelling) continue
    const what = waitsForParents(row) ? 'afterOthers' : row.paused ? 'held' : slot.notBefore > at ? 'afterFailure' : waitsForSale(row.spec, slot) ? 'forSale' : 'inLine'
    waiting[what]++
    if (age && (what === 'inLine' || what === 'forSale')) age.waiting++
  }
  return looked
}

/** Room in use and silence pass by themselves, and are told before what no node has. */
const passes = (reason: NoReason): number => (reason.endsWith('_busy') || reason.startsWith('kept_for') ? 2 : reason === 'not_online' ? 1 : 0)
function reasonsOf(app: App, live: LiveJob, nodes: readonly NodeRow[], at: number): { isNext: boolean; counts: { reason: NoReason; says: string; nodes: number }[] } {
  const { state } = app.engine, task = live.tasks.find((one) => one.slots.some((slot) => slot.state === 'pending'))
  const need = requirementOf(live.row, live.row.spec.plan ? task?.slots[0] : undefined, [], task ? neighbours(state, live.row, task) : [])
  const counts = new Map<NoReason, number>()
  let isNext = false
  for (const node of nodes) {
    const reason = obstacles(node, need)[0] ?? busyReason(state, node, need, at)
    if (reason === null) isNext = true
    else counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  return { isNext, counts: [...counts].map(([reason, many]) => ({ reason, says: SAYS[reason], nodes: many })).toSorted((a, b) => passes(b.reason) - passes(a.reason) || b.nodes - a.nodes) }
}
