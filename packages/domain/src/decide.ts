// The command table: everything that can change the market, and what it answers. `runTurn` is the whole of a turn: the commands in their
// order, then one round of matching. Same state, commands, clock, ids and hash → same changes: that is what a replay relies on.
import { isRefusal } from '@lumaris/protocol'
import { beginTurn, emit } from './turn.ts'
import type { Asked, Turn, TurnPorts } from './turn.ts'
import type { MarketState } from './state.ts'
import { submit } from './job/submit.ts'
import type { SubmitCommand } from './job/submit.ts'
import { cancel } from './job/cancel.ts'
import type { CancelCommand } from './job/cancel.ts'
import { pause } from './job/pause.ts'
import type { PauseCommand } from './job/pause.ts'
import { recordMerged } from './job/record-merged.ts'
import type { RecordMergedCommand } from './job/record-merged.ts'
import { checkpoint } from './job/checkpoint.ts'
import type { CheckpointCommand } from './job/checkpoint.ts'
import { live } from './job/move-live.ts'
import type { LiveCommand } from './job/move-live.ts'
import { move, moveFailed } from './job/move-job.ts'
import type { MoveCommand, MoveFailedCommand } from './job/move-job.ts'
import { quote } from './market/quote.ts'
import type { QuoteCommand } from './market/quote.ts'
import { dropStanding, makeStanding } from './market/standing.ts'
import type { DropStandingCommand, StandingCommand } from './market/standing.ts'
import { deposit } from './ledger/deposit.ts'
import type { DepositCommand } from './ledger/deposit.ts'
import { topup } from './ledger/topup.ts'
import type { TopupCommand } from './ledger/topup.ts'
import { setAutoTopup, topUpBelow } from './ledger/auto-topup.ts'
import type { SetAutoTopupCommand } from './ledger/auto-topup.ts'
import { release } from './ledger/release.ts'
import type { ReleaseCommand } from './ledger/release.ts'
import { forfeit } from './ledger/forfeit.ts'
import type { ForfeitCommand } from './ledger/forfeit.ts'
import { requestPayout, stepPayout } from './ledger/payout.ts'
import type { PayoutCommand, PayoutStepCommand } from './ledger/payout.ts'
import { appeal, decideAppeal } from './fleet/profile/appeal.ts'
import type { AppealCommand, DecideAppealCommand } from './fleet/profile/appeal.ts'
import { dropPayoutRule, setPayoutRule } from './ledger/payout-rule.ts'
import type { DropPayoutRuleCommand, SetPayoutRuleCommand } from './ledger/payout-rule.ts'
import { approveReversal, proposeReversal, rejectReversal } from './ledger/reversal.ts'
import type { ApproveReversalCommand, ProposeReversalCommand, RejectReversalCommand } from './ledger/reversal.ts'
import { openIncident, resolveIncident, updateIncident } from './operator/incident.ts'
import type { OpenIncidentCommand, ResolveIncidentCommand, UpdateIncidentCommand } from './operator/incident.ts'
import { lookAtSpent, mailRefused, setAlerts } from './alerts/raise.ts'
import type { MailRefusedCommand, SetAlertsCommand, SpentCommand } from './alerts/raise.ts'
import { impersonate } from './operator/impersonate.ts'
import type { ImpersonateCommand } from './operator/impersonate.ts'
import { acceptInvitation, changeMember, invite, mayStillAct, removeMember, revokeInvitation } from './members/members.ts'
import type { AcceptInvitationCommand, ChangeMemberCommand, InviteCommand, RemoveMemberCommand, RevokeInvitationCommand } from './members/members.ts'
import { changeSettings } from './operator/settings.ts'
import type { ChangeSettingsCommand } from './operator/settings.ts'
import { pauseMatching, resumeMatching } from './operator/pause-matching.ts'
import type { PauseMatchingCommand, ResumeMatchingCommand } from './operator/pause-matching.ts'
import { setRoles, suspend, unsuspend } from './operator/people.ts'
import type { RolesCommand, SuspendCommand, UnsuspendCommand } from './operator/people.ts'
import { ban, cordon, unban, uncordon } from './operator/hold-node.ts'
import type { BanCommand, CordonCommand, UnbanCommand, UncordonCommand } from './operator/hold-node.ts'
import { enrol, makeEnrolment } from './fleet/enrol.ts'
import type { EnrolCommand, EnrolmentCommand } from './fleet/enrol.ts'
import { hello } from './fleet/hello.ts'
import type { HelloCommand } from './fleet/hello.ts'
import { disconnected, heartbeat } from './fleet/heartbeat.ts'
import type { DisconnectedCommand, HeartbeatCommand } from './fleet/heartbeat.ts'
import { status, tick } from './fleet/report.ts'
import type { StatusCommand, TickCommand } from './fleet/report.ts'
import { seal } from './fleet/seal.ts'
import type { SealCommand } from './fleet/seal.ts'
import { retire, setPolicy, setPrices, setWill } from './fleet/will.ts'
import type { PolicyCommand, PriceCommand, RetireCommand, WillCommand } from './fleet/will.ts'
import { askSettings } from './fleet/ask-settings.ts'
import type { AskSettingsCommand } from './fleet/ask-settings.ts'
import { askTest } from './fleet/ask-test.ts'
import type { AskTestCommand } from './fleet/ask-test.ts'
import { clock } from './clock.ts'
import type { ClockCommand } from './clock.ts'
import { changeSchedule, createSchedule } from './schedule/schedule.ts'
import type { ChangeScheduleCommand, CreateScheduleCommand } from './schedule/schedule.ts'
import { followUp } from './job/follow-up.ts'
import { match } from './market/match.ts'

const COMMANDS = {
  submit, cancel, pause, recordMerged, quote, createSchedule, changeSchedule, standing: makeStanding, dropStanding, topup, deposit, release, forfeit, enrolment: makeEnrolment, enrol, hello, heartbeat, disconnected, status, tick, checkpoint, move, moveFailed, live, seal, will: setWill, price: setPrices, askSettings, askTest, retire, clock,
  policy: setPolicy, setPayoutRule, dropPayoutRule, appeal, decideAppeal,
  payout: requestPayout, payoutStep: stepPayout, proposeReversal, approveReversal, rejectReversal, openIncident, updateIncident, resolveIncident, suspend, unsuspend, roles: setRoles, changeSettings, pauseMatching, resumeMatching, impersonate, invite, revokeInvitation, acceptInvitation, changeMember, removeMember, setAutoTopup, setAlerts, spent: lookAtSpent, mailRefused, cordon, uncordon, ban, unban,
} as const

export type Command =
  | SubmitCommand | CancelCommand | PauseCommand | RecordMergedCommand | QuoteCommand | CreateScheduleCommand | ChangeScheduleCommand | StandingCommand | DropStandingCommand | TopupCommand | DepositCommand | ReleaseCommand | ForfeitCommand | EnrolmentCommand | EnrolCommand | HelloCommand | HeartbeatCommand | DisconnectedCommand
  | StatusCommand | TickCommand | CheckpointCommand | MoveCommand | MoveFailedCommand | LiveCommand | SealCommand | WillCommand | PriceCommand | AskSettingsCommand | AskTestCommand | RetireCommand | ClockCommand
  | PolicyCommand | SetPayoutRuleCommand | DropPayoutRuleCommand | AppealCommand | DecideAppealCommand
  | PayoutCommand | PayoutStepCommand | ProposeReversalCommand | ApproveReversalCommand | RejectReversalCommand | OpenIncidentCommand | UpdateIncidentCommand | ResolveIncidentCommand | SuspendCommand | UnsuspendCommand | RolesCommand | ChangeSettingsCommand | PauseMatchingCommand | ResumeMatchingCommand | ImpersonateCommand | InviteCommand | RevokeInvitationCommand | AcceptInvitationCommand | ChangeMemberCommand | RemoveMemberCommand | SetAutoTopupCommand | SetAlertsCommand | SpentCommand | MailRefusedCommand | CordonCommand | UncordonCommand | BanCommand | UnbanCommand
/** What a command answers: its own result, or a refusal. */
export type Answer<Kind extends Command['kind']> = ReturnType<(typeof COMMANDS)[Kind]>

export function decide<C extends Command>(turn: Turn, command: C): Answer<C['kind']> {
  // The table is keyed by the command's kind, which TypeScript cannot follow through a generic index.
  return (COMMANDS[command.kind] as unknown as (turn: Turn, command: C) => Answer<C['kind']>)(turn, command)
}

export type TurnResult = { readonly turn: Turn; readonly answers: readonly unknown[] }
export function runTurn(state: MarketState, commands: readonly (Command & { readonly asked?: Asked })[], ports: TurnPorts): TurnResult {
  const turn = beginTurn(state, ports)
  const answers = commands.map((command) => { turn.asked = command.asked ?? null; return (turn.asked?.member && mayStillAct(turn, turn.asked.member)) ?? noted(turn, decide(turn, command)) })
  turn.asked = null
  followUp(turn)
  match(turn)
  // Matching ends jobs too, now and then; what comes after those is placed in the next turn.
  followUp(turn)
  topUpBelow(turn)
  return { turn, answers }
}

/** What a member did leaves its line in the commit of the act, as what admins do: there is no way to do the one without the other. */
function noted<A>(turn: Turn, answer: A): A {
  const { member, request = '', from = '' } = turn.asked ?? {}
  if (!member?.act || isRefusal(answer)) return answer
  const { id, job } = (answer ?? {}) as { id?: unknown; job?: { id?: unknown } }, made = id ?? job?.id
  emit(turn, { kind: 'memberAct', row: { id: turn.id('mac'), account: member.account, by: member.user, at: turn.now, route: member.act.route, subject: member.act.subject ?? (typeof made === 'string' ? made : null), request, from } })
  return answer
}
