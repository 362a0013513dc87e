// Alerts: what somebody wants to be told without asking. Each is raised once for what it is about: of one outage, of one month's step of a budget. What was
// raised is remembered by its key, so a new writer does not say it again.
import { COMPLETION_DEFAULT, BUDGET_STEPS, OFFLINE_DEFAULT_MS, formatCredits, formatDuration } from '@lumaris/protocol'
import type { AlertId, AlertKind, AlertSettings, Instant, Micros, UserId } from '@lumaris/protocol'
import type { AlertRow, AlertSettingsRow, NodeRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import { effect, emit } from '../turn.ts'
import type { Turn } from '../turn.ts'
import type { Belief } from '../fleet/profile/reputation.ts'

/** Nodes are looked through so often. */
const LOOK_MS = 10_000
/** A node that stays unreliable is told of again after this. */
const AGAIN_MS = 7 * 86_400_000
/** Endings before anything is said of how well a node ends its work: newcomers have shown nothing yet. */
const ENDINGS_LEAST = 5 - 0.5 // they fade a little with each newer one

export type SetAlertsCommand = { readonly kind: 'setAlerts'; readonly user: UserId; readonly settings: AlertSettings }
/** What somebody's jobs have come to in a month, as the tables have it. */
export type SpentCommand = { readonly kind: 'spent'; readonly user: UserId; readonly month: string; readonly spent: Micros }

export const alertSettingsOf = (state: MarketState, user: UserId): AlertSettings => state.alertSettings.get(user)?.settings ?? { monthlyBudget: null, offlineMs: OFFLINE_DEFAULT_MS, completionBelow: COMPLETION_DEFAULT }

export function setAlerts(turn: Turn, { user, settings }: SetAlertsCommand): AlertSettingsRow {
  const row: AlertSettingsRow = { user, settings, at: turn.now }
  emit(turn, { kind: 'alertSettings', row })
  return row
}

export type Raised = { readonly user: UserId; readonly kind: AlertKind; readonly subject: string; readonly says: string; /** Of several of one kind about one subject. */ readonly step?: string }
/** Unless it was raised since. */
export function raise(turn: Turn, { user, kind, subject, says, step }: Raised, since: Instant): void {
  const key = `${kind}:${user}:${subject}${step === undefined ? '' : `:${step}`}`
  if ((turn.state.alerted.get(key) ?? -Infinity) >= since) return
  const row: AlertRow = { id: turn.id('alr') as AlertId, user, key, kind, at: turn.now, subject, says }
  emit(turn, { kind: 'alert', row })
  effect(turn, { kind: 'alert', row })
}

/** An address takes no mail: told once for each time that mail was turned on. */
export type MailRefusedCommand = { readonly kind: 'mailRefused'; readonly user: UserId; readonly address: string; readonly because: string; /** When mail was turned on. */ readonly since: Instant }
export function mailRefused(turn: Turn, { user, address, because, since }: MailRefusedCommand): null {
  raise(turn, { user, kind: 'mail_off', subject: address, says: `Alerts are not mailed to ${address} any more: ${because}. Prove the address again to turn it on.` }, since)
  return null
}

/** The highest step that was reached and not told of yet: whoever jumps over one is told once. Raising the budget begins anew. */
export function lookAtSpent(turn: Turn, { user, month, spent }: SpentCommand): null {
  const kept = turn.state.alertSettings.get(user), budget = BigInt(kept?.settings.monthlyBudget ?? 0)
  if (!kept || budget === 0n) return null
  const step = BUDGET_STEPS.findLast((percent) => spent * 100n >= budget * BigInt(percent))
  if (step === undefined) return null
  const told = BUDGET_STEPS.some((percent) => percent >= step && turn.state.alerted.has(`budget:${user}:${month}:${percent} of ${budget}`))
  if (!told) raise(turn, { user, kind: 'budget', subject: month, step: `${step} of ${budget}`, says: step === 100 ? `The budget of ${month} is used up: ${formatCredits(spent)} of ${formatCredits(budget)} credits. Nothing is stopped by it.` : `${step} % of the budget of ${month} are used: ${formatCredits(spent)} of ${formatCredits(budget)} credits.` }, 0)
  return null
}

/** Called with the clock. */
export function lookAtNodes(turn: Turn): void {
  const { state, now } = turn
  if (now - state.alertsLookedAt < LOOK_MS && now >= state.alertsLookedAt) return
  state.alertsLookedAt = now
  for (const node of state.nodes.values()) if (node.will === 'open' || node.will === 'paused' || node.will === 'draining') lookAtNode(turn, node)
}
function lookAtNode(turn: Turn, node: NodeRow): void {
  const { offlineMs } = alertSettingsOf(turn.state, node.owner), seen = node.lastSeenAt ?? turn.now, silentMs = turn.now - seen
  if (node.presence === 'lost' && offlineMs !== null && silentMs >= offlineMs) raise(turn, { user: node.owner, kind: 'node_offline', subject: node.id, says: `${node.name} has not been heard of for ${formatDuration(silentMs)}. Is the machine on, its agent running, and its network up? lumaris doctor looks there.` }, seen)
}
/** Called when an attempt has ended badly by the node's fault. */
export function lookAtCompletion(turn: Turn, node: NodeRow, { mean, evidence }: Belief): void {
  const { completionBelow } = alertSettingsOf(turn.state, node.owner)
  if (completionBelow === null || evidence < ENDINGS_LEAST || mean >= completionBelow) return
  raise(turn, { user: node.owner, kind: 'node_unreliable', subject: node.id, says: `${node.name} is believed to end ${Math.floor(mean * 100)} % of its work, less than ${Math.round(completionBelow * 100)} %. It gets less work until it has shown better: its page says what ended badly.` }, turn.now - AGAIN_MS)
}

/** Of all nodes whose agent has become too old, or of one that was refused at the door: once for each time that the bound was changed. */
export function tellTooOld(turn: Turn, node: NodeRow, version: string): void {
  const { operating } = turn.state
  raise(turn, { user: node.owner, kind: 'agent_too_old', subject: node.id, says: `The agent of ${node.name} is version ${version}; this market asks for ${operating?.values.agentVersionMin ?? ''} at least. Update it on that machine and start it again: its node, key and work are kept.` }, operating?.at ?? 0)
}
