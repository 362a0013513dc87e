// What operators change while the market runs. The writer decides it like everything else, so it is the same for all that is decided after it; each change is
// a version that is kept, and whoever has looked at an older one changes nothing.
import { SETTINGS, SETTING_NAMES, compareVersions } from '@lumaris/protocol'
import type { NodeId, Refusal, SettingName, SettingValues, UserId } from '@lumaris/protocol'
import type { SettingsRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { isLive } from '../job/lifecycle.ts'
import { effect, emit, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { tellTooOld } from '../alerts/raise.ts'
import { recordAction } from './record-action.ts'

export type ChangeSettingsCommand = { readonly kind: 'changeSettings'; readonly by: UserId; readonly reason: string; readonly version: number; readonly set: { readonly [Name in SettingName]?: SettingValues[Name] | null | undefined } }

/** What holds now: what was set, else what the server was started with, else the table's. */
export function settingsNow(state: MarketState): SettingValues {
  return { ...defaultsOf(state), ...state.operating?.values }
}
export function defaultsOf({ settings }: MarketState): SettingValues {
  const table = Object.fromEntries(SETTING_NAMES.map((name) => [name, SETTINGS[name].default])) as SettingValues
  return { ...table, fee: settings.feeBasisPoints, topupMax: (settings.demoTopupMaxMicros ?? 0n).toString() }
}
export const feeNow = (state: MarketState): number => state.operating?.values.fee ?? state.settings.feeBasisPoints
/** Null: demo credits are for markets that were started with them, and no operator turns them on. */
export const topupMaxNow = ({ operating, settings }: MarketState): bigint | null => (settings.demoTopupMaxMicros === null || operating?.values.topupMax === undefined ? settings.demoTopupMaxMicros : BigInt(operating.values.topupMax))
/** In micro-credits; what one admin may book at a time. */
export const depositMaxNow = ({ operating }: MarketState): bigint => BigInt(operating?.values.depositMax ?? SETTINGS.depositMax.default)
export const isTooOld = ({ operating }: MarketState, version: string): boolean => operating?.values.agentVersionMin !== undefined && compareVersions(version, operating.values.agentVersionMin) < 0

export function changeSettings(turn: Turn, { by, reason, version, set }: ChangeSettingsCommand): SettingsRow | Refusal {
  const before = turn.state.operating
  if ((before?.version ?? 0) !== version) return refused('settings_changed', { version: before?.version ?? 0, ...(before ? { by: before.by, at: before.at } : {}) })
  const values: Record<string, string | number> = { ...before?.values }, changed: Record<string, { before: string | number | null; after: string | number | null }> = {}
  for (const name of SETTING_NAMES) {
    const after = set[name], old = values[name] ?? null
    if (after === undefined || after === old) continue
    changed[name] = { before: old, after }
    if (after === null) delete values[name]
    else values[name] = after
  }
  if (Object.keys(changed).length === 0) return refused('nothing_to_change')
  const row: SettingsRow = { version: version + 1, at: turn.now, by, reason, values, changed, ...(before?.pauses ? { pauses: before.pauses } : {}) }
  emit(turn, { kind: 'settings', row })
  const side = (which: 'before' | 'after'): Record<string, unknown> => Object.fromEntries(Object.entries(changed).map(([name, one]) => [name, one[which]]))
  recordAction(turn, { by, action: 'settings.change', subject: `settings ${row.version}`, reason, before: side('before'), after: side('after') })
  if (changed['agentVersionMin']) { for (const node of turn.state.nodes.values()) if (node.will !== 'retired' && isTooOld(turn.state, node.agentVersion)) tellTooOld(turn, node, node.agentVersion); sendAway(turn) }
  return row
}

/** Agents that have become too old and have nothing to do. What others do, they do to its end. */
function sendAway(turn: Turn): void {
  const { state } = turn
  for (const node of state.nodes.values()) {
    if (!state.links.get(node.id)?.connected || !isTooOld(state, node.agentVersion) || hasWork(state, node.id)) continue
    effect(turn, { kind: 'cut', node: node.id, session: node.session, code: 'agent_too_old' })
  }
}
export function hasWork(state: MarketState, node: NodeId): boolean {
  for (const id of state.attemptsByNode.get(node) ?? []) { const attempt = state.attempts.get(id); if (attempt && isLive(attempt.state)) return true }
  return false
}
