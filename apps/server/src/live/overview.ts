// The market at one look, and what the server does by itself: from memory what is of now, from the tables what is to be counted.
import { BACKLOG_COUNTED_MAX, OVERVIEW_MS } from '@lumaris/protocol'
import type { BackgroundWork, MarketOverview, NodeState } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { countBacklogs, countEnded } from '../store/read-overview.ts'
import { sumRevenue } from '../store/read-revenue.ts'
import { shownState } from './fleet.ts'

type Now = { readonly online: number; readonly running: number }
type Counts = Partial<Record<NodeState, number>>
function nodesByState(app: App): Counts {
  const counts: Counts = {}
  for (const row of app.engine.state.nodes.values()) { const shown = shownState(app, row); counts[shown] = (counts[shown] ?? 0) + 1 }
  return counts
}
export function marketNow(app: App, { online = 0 }: Counts = nodesByState(app)): Now {
  let running = 0
  for (const attempts of app.engine.state.attemptsByNode.values()) running += attempts.size
  return { online, running }
}

/** A day of looks, five minutes apart: in memory, and written down now and then (kept-memory.ts). */
export const HISTORY_EVERY_MS = 300_000
const LOOKS_MAX = OVERVIEW_MS / HISTORY_EVERY_MS
export type History = { look(now: Now): void; /** With how it is now. */ until(now: Now, at: number): MarketOverview['history']; kept(): KeptHistory; recall(kept: KeptHistory): void }
export type KeptHistory = readonly (Now & { readonly at: number })[]
export function createHistory(now: () => number): History {
  const looks: (Now & { at: number })[] = []
  return {
    kept: () => looks,
    recall(kept) { looks.push(...kept.filter(({ at }) => at >= now() - OVERVIEW_MS)) },
    look(one) { looks.push({ at: now(), ...one }); if (looks.length > LOOKS_MAX) looks.shift() },
    until(one, at) {
      const all = [...looks, { at, ...one }]
      return { everyMs: HISTORY_EVERY_MS, at: all.map((look) => look.at), online: all.map(({ online }) => online), running: all.map(({ running }) => running) }
    },
  }
}

const NEWEST = 5
export async function marketOverview(app: App): Promise<MarketOverview> {
  const { engine: { state }, db } = app, at = app.now(), from = at - OVERVIEW_MS, nodes = nodesByState(app), now = marketNow(app, nodes)
  let queued = 0, running = 0
  for (const { row } of state.jobs.values()) if (row.state === 'running') running++; else if (row.state === 'queued') queued++
  const { settled, volume, fees } = await sumRevenue(db, from, at + 1), waits = app.waits.all()
  return {
    at, from, startedAt: app.background.startedAt, nodes, jobs: { queued, running, ended: await countEnded(db, from) }, running: now.running, ...(waits ? { waits } : {}), money: { settled, volume, fees },
    incidents: state.incidents.size, mismatches: await app.reconciler.openCount(), history: app.history.until(now, at),
    // Ids are in the order of joining.
    newest: [...state.nodes.values()].filter(({ will }) => will !== 'retired').toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, NEWEST).map((row) => ({ node: row.id, name: row.name, state: shownState(app, row), owner: row.owner, enrolledAt: row.enrolledAt })),
  }
}

export async function backgroundWork(app: App): Promise<BackgroundWork> {
  const { engine, background } = app, { commits, commands, commitMs, largestBatch, reloads } = engine.stats, { payouts, forfeits } = engine.state
  const oldest = (list: Iterable<number>): { oldestAt?: number } => { let first = Infinity; for (const one of list) first = Math.min(first, one); return first === Infinity ? {} : { oldestAt: first } }
  const stored = await countBacklogs(app.db, app.now() - app.disputeMs, BACKLOG_COUNTED_MAX)
  return {
    at: app.now(), startedAt: background.startedAt, loops: background.loops(),
    backlogs: [
      { what: 'commands', waiting: engine.waiting }, { what: 'events', ...stored.events }, { what: 'messages', ...stored.messages }, { what: 'mails', ...stored.mails }, { what: 'clearing', ...stored.clearing },
      { what: 'payouts', waiting: payouts.size, ...oldest([...payouts.values()].map(({ requestedAt }) => requestedAt)) }, { what: 'debts', waiting: forfeits.size, ...oldest([...forfeits.values()].map(({ at }) => at)) },
    ],
    commits: { epoch: engine.epoch, commits, commands, ...(commits === 0 ? {} : { meanMs: Math.round((commitMs / commits) * 100) / 100 }), largestBatch, reloads },
  }
}
