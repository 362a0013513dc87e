// One ending that lowered a node's record, and its owner's word that it should not count. The ending stays as it is; an appeal that an admin accepts takes what
// it still weighs out of the belief by a new entry: exactly its weight as it has faded since, and nothing is added for it.
import { formatDuration } from '@lumaris/protocol'
import type { AttemptId, Refusal, UserId } from '@lumaris/protocol'
import type { FaultRow, NodeRow } from '../../rows.ts'
import { raise } from '../../alerts/raise.ts'
import { recordAction } from '../../operator/record-action.ts'
import { emit, refused } from '../../turn.ts'
import type { Turn } from '../../turn.ts'
import { noteDay, profileOf } from './learn.ts'
import { forgiveCohort, forgiveEnding, newCohort, weightOf } from './reputation.ts'

export type AppealCommand = { readonly kind: 'appeal'; readonly attempt: AttemptId; readonly by: UserId; readonly text: string }
export type DecideAppealCommand = { readonly kind: 'decideAppeal'; readonly attempt: AttemptId; readonly by: UserId; readonly accept: boolean; readonly reason: string }

/** Once for each ending: what was decided stays decided. */
export function appeal(turn: Turn, { attempt, by, text }: AppealCommand): FaultRow | Refusal {
  const fault = turn.state.faults.get(attempt)
  if (!fault || fault.owner !== by) return refused('not_found')
  if (fault.appeal) return refused('already_appealed', { state: fault.appeal.state, at: fault.appeal.at })
  return put(turn, { ...fault, appeal: { state: 'open', at: turn.now, text, decidedAt: null, by: null, reason: null } })
}

/** By an admin whose node it is not. Money that was forfeited, and the owner's record behind it, come back by a reversal of two admins (ledger/reversal.ts), not by this. */
export function decideAppeal(turn: Turn, { attempt, by, accept, reason }: DecideAppealCommand): FaultRow | Refusal {
  const fault = turn.state.faults.get(attempt)
  if (!fault?.appeal) return refused('not_found')
  if (fault.appeal.state !== 'open') return refused('not_in_this_state', { state: fault.appeal.state })
  if (fault.owner === by) return refused('own_account')
  const state = accept ? 'accepted' as const : 'refused' as const, node = turn.state.nodes.get(fault.node)
  recordAction(turn, { by, action: accept ? 'appeal.accept' : 'appeal.refuse', subject: attempt, reason, before: { state: 'open', cause: fault.cause, node: fault.node }, after: { state } })
  if (accept && node) forgive(turn, node, fault)
  raise(turn, { user: fault.owner, kind: 'appeal_decided', subject: fault.node, step: attempt, says: `Your appeal of ${formatDuration(Math.max(1_000, turn.now - fault.appeal.at))} ago was ${state}: ${reason}${accept ? ' What that ending weighed is taken out of the record.' : ''}` }, 0)
  return put(turn, { ...fault, appeal: { ...fault.appeal, state, decidedAt: turn.now, by, reason } })
}
function forgive(turn: Turn, node: NodeRow, fault: FaultRow): void {
  const { now } = turn, before = profileOf(turn.state, node), cohort = turn.state.cohorts.get(before.reputation.cohort)?.row ?? newCohort(before.reputation.cohort)
  const isBad = fault.aspects.some((aspect) => aspect !== 'timeliness')
  emit(turn, { kind: 'lesson', row: { ...before, failed: Math.max(0, before.failed - (isBad ? 1 : 0)), reputation: forgiveEnding(before.reputation, fault, now) } })
  emit(turn, { kind: 'lesson', row: { what: 'cohort', key: cohort.cohort, row: forgiveCohort(cohort, fault, now) } })
  noteDay(turn, node)
}
function put(turn: Turn, row: FaultRow): FaultRow { emit(turn, { kind: 'fault', row }); return row }

/** What it still weighs, of 1. */
export const faultWeight = (turn: Pick<Turn, 'state' | 'now'>, node: NodeRow, fault: FaultRow): number =>
  (fault.appeal?.state === 'accepted' ? 0 : Math.max(...fault.aspects.map((aspect) => weightOf(profileOf(turn.state, node).reputation.tallies[aspect], fault, aspect, turn.now))))
