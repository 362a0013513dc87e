// What is wrong with the market, told to everybody by its operators: opened, told more about, resolved. What was said stays said.
import type { Incident, IncidentId, NodeId, Refusal, Severity, UserId } from '@lumaris/protocol'
import type { IncidentRow } from '../rows.ts'
import { emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { recordAction } from './record-action.ts'

/** More than this at a time tells nobody anything. */
const OPEN_MAX = 50, UPDATES_MAX = 200

export type OpenIncidentCommand = { readonly kind: 'openIncident'; readonly by: UserId; readonly title: string; readonly severity: Severity; readonly text: string; readonly regions: readonly string[]; readonly nodes: readonly NodeId[] }
export type UpdateIncidentCommand = { readonly kind: 'updateIncident'; readonly by: UserId; readonly id: IncidentId; readonly text: string; readonly severity: Severity | null }
export type ResolveIncidentCommand = { readonly kind: 'resolveIncident'; readonly by: UserId; readonly id: IncidentId; readonly text: string }

export function openIncident(turn: Turn, { by, title, severity, text, regions, nodes }: OpenIncidentCommand): IncidentRow | Refusal {
  if (turn.state.incidents.size >= OPEN_MAX) return refused('queue_full', { max: OPEN_MAX })
  const row: IncidentRow = { id: turn.id('inc') as IncidentId, title, severity, state: 'open', regions: [...regions], nodes: [...nodes], openedAt: turn.now, updates: [{ at: turn.now, text, severity }] }
  return put(turn, row, { by, action: 'incident.open', reason: text, before: null })
}

export function updateIncident(turn: Turn, { by, id, text, severity }: UpdateIncidentCommand): IncidentRow | Refusal {
  const before = turn.state.incidents.get(id)
  if (!before) return refused('not_found')
  if (before.updates.length >= UPDATES_MAX) return refused('queue_full', { max: UPDATES_MAX })
  const now = severity ?? before.severity
  return put(turn, { ...before, severity: now, updates: [...before.updates, { at: turn.now, text, severity: now }] }, { by, action: 'incident.update', reason: text, before })
}

export function resolveIncident(turn: Turn, { by, id, text }: ResolveIncidentCommand): IncidentRow | Refusal {
  const before = turn.state.incidents.get(id)
  if (!before) return refused('not_found')
  return put(turn, { ...before, state: 'resolved', resolvedAt: turn.now, updates: [...before.updates, { at: turn.now, text, severity: before.severity }] }, { by, action: 'incident.resolve', reason: text, before })
}

const outline = (row: Incident): Record<string, unknown> => ({ title: row.title, state: row.state, severity: row.severity, updates: row.updates.length })
function put(turn: Turn, row: IncidentRow, { before, ...told }: { by: UserId; action: 'incident.open' | 'incident.update' | 'incident.resolve'; reason: string; before: IncidentRow | null }): IncidentRow {
  emit(turn, { kind: 'incident', row })
  recordAction(turn, { ...told, subject: row.id, before: before && outline(before), after: outline(row) })
  return row
}
