// Will this node still be there? A pool of nodes of one kind is watched, and learned from online:
//
//   saw(node, up)      from every heartbeat and every silence → its history moves on
//                      → while it is up, a question per horizon is asked now and then ("will it still be up in 4 h?") and kept with what is known now
//   the horizon passes → the question is answered by what happened, and only then taught; early departures wait for their horizon too, because
//                      answers that come early are all of one kind
//   outlook(node)      → the chance of staying at each horizon, from the same two models
//
// Nothing here knows schedules: a declared maintenance window overrides the outlook where jobs are placed.
import type { DurationMs, Instant, NodeId } from '@lumaris/protocol'
import { WINDOW_MS, changed, newUptime, sightOf } from './uptime.ts'
import type { Sight, UptimeRow } from './uptime.ts'
import { Stays, cellsOf } from './stays.ts'
import type { Asked, CellRow, LineRow } from './stays.ts'
import type { Outlook } from './survival.ts'

const MINUTE_MS = 60_000
/** Between two of them a constant rate is assumed; without those of 2 h and 8 h jobs of 4 h lost 3 % more (B5). */
export const HORIZONS_MS: readonly DurationMs[] = [15, 60, 120, 240, 480, 720, 1_440].map((minutes) => minutes * MINUTE_MS)
/** Questions open per node and horizon: more would overlap and say the same. */
const QUESTIONS = 4

export type QuestionRow = Asked & { readonly horizon: number; readonly node: NodeId; readonly at: Instant }
/** Everything a pool knows, as rows. */
export type AvailabilityRows = { readonly nodes: readonly UptimeRow[]; readonly cells: readonly CellRow[]; readonly lines: readonly LineRow[]; readonly questions: readonly QuestionRow[] }

export class Availability {
  readonly #nodes = new Map<NodeId, UptimeRow>()
  readonly #models: Stays[] = HORIZONS_MS.map((horizonMs) => new Stays(horizonMs / QUESTIONS))
  /** Per horizon in the order of asking, which is the order of coming due. */
  readonly #open: { list: QuestionRow[]; head: number }[] = HORIZONS_MS.map(() => ({ list: [], head: 0 }))
  #up = 0

  /** Says whether a node is up. To be called at every change, and at heartbeats; times must not run backwards. */
  saw(node: NodeId, site: string, up: boolean, now: Instant): void {
    this.learn(now) // questions that are due are answered by the state before this change
    const old = this.#nodes.get(node) ?? newUptime(node, site, now)
    const row = changed(old.site === site ? old : { ...old, site }, up, now)
    if (row.up !== old.up) this.#up += row.up ? 1 : -1
    this.#nodes.set(node, row)
    if (row.up) this.#ask(row, now)
  }

  /** A node that is gone for good takes its questions along, unanswered: retiring is no failure. */
  forget(node: NodeId): void {
    if (this.#nodes.get(node)?.up) this.#up--
    this.#nodes.delete(node)
  }

  /** Share of the last day, or since it was first seen, in which it was there; null: nobody has seen it. */
  upLately(node: NodeId, now: Instant): number | null {
    const row = this.#nodes.get(node)
    if (!row) return null
    const from = Math.max(now - WINDOW_MS, row.firstSeen), known = now - from
    if (known <= 0) return null
    const upMs = row.spells.reduce((sum, [start, end]) => sum + Math.max(0, end - Math.max(start, from)), row.up ? now - Math.max(row.since, from) : 0)
    return Math.min(1, upMs / known)
  }

  /** Answers what is due. Called by `saw`; a pool that is silent altogether has nothing to learn. */
  learn(now: Instant): void {
    this.#open.forEach((open, i) => {
      const horizonMs = HORIZONS_MS[i] as DurationMs
      for (let question = open.list[open.head]; question && question.at + horizonMs <= now; question = open.list[++open.head]) {
        const node = this.#nodes.get(question.node)
        if (node && node.firstSeen <= question.at) this.#models[i]?.learn(question, node.up && node.since <= question.at)
      }
      if (open.head > 1_000 && open.head * 2 > open.list.length) { open.list = open.list.slice(open.head); open.head = 0 }
    })
  }

  /** Null for a node that is not up, or not known. */
  outlook(node: NodeId, now: Instant): Outlook | null {
    const row = this.#nodes.get(node)
    if (!row?.up) return null
    const sight = sightOf(row, this.#neighbours(), now), cells = cellsOf(row.node, row.site, sight)
    let least = 1 // a longer stay is never likelier than a shorter one, whatever two models say
    return HORIZONS_MS.map((afterMs, i) => {
      const model = this.#models[i] as Stays
      least = Math.min(least, model.answer(model.ask(cells, sight)))
      return { afterMs, stays: least }
    })
  }

  #neighbours(): number | null {
    return this.#nodes.size > 1 ? (this.#up - 1) / (this.#nodes.size - 1) : null // asked for nodes that are up
  }

  #ask(row: UptimeRow, now: Instant): void {
    let seen: { sight: Sight; cells: string[] } | null = null
    const askAt = HORIZONS_MS.map((horizonMs, i) => {
      const everyMs = horizonMs / QUESTIONS, due = row.askAt[i]
      if (due !== undefined && now < due) return due
      // The hour strikes alike for all nodes, whenever they came. Asking at once on coming up asked too often about what had just begun: −0.01 in skill at 1 h.
      if (due !== undefined) {
        if (!seen) { const sight = sightOf(row, this.#neighbours(), now); seen = { sight, cells: cellsOf(row.node, row.site, sight) } }
        this.#open[i]?.list.push({ horizon: i, node: row.node, at: now, ...(this.#models[i] as Stays).ask(seen.cells, seen.sight) })
      }
      return (Math.floor(now / everyMs) + 1) * everyMs
    })
    if (askAt.some((at, i) => at !== row.askAt[i])) this.#nodes.set(row.node, { ...row, askAt })
  }

  rows(): AvailabilityRows {
    const models = this.#models.map((model, i) => model.rows(i))
    return { nodes: [...this.#nodes.values()], cells: models.flatMap((model) => model.cells), lines: models.map((model) => model.line), questions: this.#open.flatMap(({ list, head }) => list.slice(head)) }
  }
  static load(rows: AvailabilityRows): Availability {
    const pool = new Availability()
    for (const row of rows.nodes) { pool.#nodes.set(row.node, row); if (row.up) pool.#up++ }
    for (const question of rows.questions) pool.#open[question.horizon]?.list.push(question)
    HORIZONS_MS.forEach((horizonMs, i) => { pool.#models[i] = Stays.load(horizonMs / QUESTIONS, rows.cells.filter(({ horizon }) => horizon === i), rows.lines.find(({ horizon }) => horizon === i)) })
    return pool
  }
}
