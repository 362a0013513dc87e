import { z } from 'zod'
import { AttemptId, ImpersonationId, IncidentId, InvitationId, DeliveryId, Instant, JobId, KeyId, MatchingPauseId, NodeId, QuoteId, ScheduleId, ReversalId, SessionId, Sha256, StandingId, UserId, WebhookId } from './ids.ts'
import { Amount } from './money.ts'
import { Attempt, Explanation, Job, JobEvent, JobState, MarketSummary, MarketTable, MergedResult, NodeExplanation, Results, Task } from './job.ts'
import { JobSpec, SecretValues, TemplateName } from './job-spec.ts'
import { NodePolicy } from './node-policy.ts'
import { AppealCase, AppealState, NodeFault, NodeReputation, OpenAppeal } from './reputation.ts'
import { EnrolNode, Enrolment, Node, NodeName, PriceSheet } from './node.ts'
import { AccountClass, AutoTopup, AutoTopupRule, BookDeposit, Entry, LedgerCheck, Spend, SpendBy, Topup, Wallet } from './ledger.ts'
import { EarningsForecast, NodesEarnings, Payout, PayoutRule, RequestPayout, SellerEarnings, StandingPayout, YearStatement } from './payout.ts'
import { PutTaxDetails, TaxDetails } from './tax-details.ts'
import { ActionName, AdminAction, GiveReason, Impersonation, MayGiveReason, NewImpersonation, Person, PersonDetail, ProposeReversal, Reversal, ReversalState, SetRoles } from './operator.ts'
import { CordonNode, Fleet, NodeFilter } from './fleet.ts'
import { AdminMatchingPause, PauseMatching } from './matching-pauses.ts'
import { Hold } from './ledger-export.ts'
import { DeadDelivery, DeadJob, MarketQueue } from './queue.ts'
import { BackgroundWork, LedgerAccount, MarketOverview, NodeEvidence } from './overview.ts'
import { Revenue, RevenueQuery, Span } from './revenue.ts'
import { Incident, OpenIncident, Reason, ResolveIncident, UpdateIncident } from './incident.ts'
import { Alert, AlertSettings, ReadAlerts } from './alerts.ts'
import { ChangeSettings, Settings, SettingsVersion } from './settings.ts'
import { Quote, QuoteAround } from './quote.ts'
import { Receipt } from './receipt.ts'
import { CreateSchedule, Schedule } from './schedule.ts'
import { PutTemplate, Template, TemplateFigures } from './template.ts'
import { FilterName, PutFilter, SavedFilter } from './saved-filter.ts'
import { CreateStanding, Standing } from './standing.ts'
import { BrowserTokens, ConfirmSecondFactor, CreateKey, DecideDevice, DeviceLogin, DeviceToken, Key, Login, LookAtDevice, NewKey, NewSecondFactor, ProveBoth, ProveSession, Proved, RecoveryCodes, Refresh, Register, SecondFactor, Session, StartDeviceLogin, StartSecondFactor, Tokens, User, WaitingDevice } from './identity.ts'
import { CreateWebhook, Delivery, NewWebhook, Webhook } from './webhook.ts'
import type { Scope } from './identity.ts'
import { Account, ActingToken, ChangeMember, Invitation, InvitationCode, InviteMember, Me, Member, MemberAct, NewInvitation, SeenInvitation } from './members.ts'
import { NodeReadings, NodeSettings, ReadingSpan } from './machine.ts'
import { NodeActivity, NodeLoad, NodeTest } from './node-activity.ts'
import { Earnings, OwnerAsked } from './owner.ts'
import type { RefusalCode } from './refusals.ts'

// The HTTP interface, route by route. From these objects come: validation on the server, the methods of the SDK, openapi.json, the help of
// the command line, and the table of who may call what (a test calls every route as every kind of caller, for every owner).

/** Who may call: nobody in particular, any signed-in user, a role, or an agent with its session token. `owner` says whose object it must be. */
export type Who = 'anyone' | 'user' | 'buyer' | 'seller' | 'admin' | 'agent' | 'user-or-agent'
export type Route = {
  id: string; method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'; path: string; summary: string
  who: Who; scope?: Scope; owner?: 'job' | 'node' | 'attempt' | 'quote' | 'key' | 'standing' | 'schedule' | 'session' | 'webhook' | 'template' | 'filter'
  params?: z.ZodObject; query?: z.ZodObject; body?: z.ZodType; reply?: z.ZodType; status?: number
  /** Asks for a sign-in that is not long ago (`fresh_sign_in_needed`); API keys are not asked: ADR 24. */
  fresh?: true | /** Asked of an admin who does it to somebody else's, who must say why, too (`reason_needed`). */ 'for-others'
  /** `bytes` and `events` replies are streamed; `raw` bodies are streamed in. */
  sends?: 'json' | 'bytes' | 'events' | 'text'; takes?: 'json' | 'raw'
  /** Takes an Idempotency-Key: the same key and body get the first answer again. */
  idempotent?: boolean
  /** Of who works for somebody else's account: never, or also without a scope. Without this the scopes of their role decide, and what has no scope is not theirs. */
  members?: boolean
  refuses: readonly RefusalCode[]
}
const route = <const R extends Route>(r: R): R => r

const Page = z.object({ limit: z.coerce.number().int().min(1).max(200).default(50), cursor: z.string().max(200).optional() })
const list = <Item extends z.ZodType>(item: Item) => z.object({ data: z.array(item), nextCursor: z.string().nullable() })
const jobParams = z.object({ job: JobId })
const nodeParams = z.object({ node: NodeId })
const scheduleParams = z.object({ schedule: ScheduleId })
const lastDays = z.object({ days: z.coerce.number().int().min(1).max(366).default(30) })
const templateParams = z.object({ template: TemplateName })
const attemptParams = z.object({ attempt: AttemptId })
const userParams = z.object({ user: UserId })
const accountParams = z.object({ account: UserId })
const incidentParams = z.object({ incident: IncidentId })
const reversalParams = z.object({ reversal: ReversalId })
const deliveryParams = z.object({ delivery: DeliveryId })
const blobParams = z.object({ sha256: Sha256 })

export const SubmitJob = z.strictObject({
  /** Made by the caller, so that a retry is the same job. */
  id: JobId.optional(), spec: JobSpec, quote: QuoteId.optional(),
  /** The most the job may cost. Without it and without a quote, the server quotes and takes that cap. */
  cap: Amount.optional(),
  /** The values of the job's `secrets`, all of them: kept sealed, given to its attempts as variables, and never told again. */
  secrets: SecretValues.optional(),
  /** Refuse instead of queueing when no node could ever run it. */
  noWait: z.boolean().default(false),
}).meta({ id: 'SubmitJob' })

export const FetchBlob = z.strictObject({ url: z.string().min(1).max(4000), /** What it must turn out to be. */ sha256: Sha256.optional() }).meta({ id: 'FetchBlob' })
export const StoredBlob = z.object({ blob: Sha256, size: z.number().int().min(0) }).meta({ id: 'StoredBlob' })

export const CreateQuote = z.strictObject({
  spec: JobSpec,
  /** The most it may cost, where there is a budget: that is the quote's cap then, and only nodes that it pays for are counted. */
  cap: Amount.optional(),
}).meta({ id: 'CreateQuote' })

export const MoveJob = MayGiveReason.extend({
  /** Where to; else wherever the market finds room, but not where it is. */
  to: NodeId.optional(),
  /** One of its tasks; else all that run. */
  task: z.number().int().min(0).optional(),
}).meta({ id: 'MoveJob' })

const StatementQuery = z.object({ /** Absent: this one. */ year: z.coerce.number().int().min(2020).max(2200).optional() })

/** All that is named must hold. Whose: of others there are none to see but for admins. */
const JobFilter = z.object({
  state: JobState.optional(), /** Its id, or how it begins. */ id: z.string().regex(/^job_[0-9a-z]{0,26}$/).optional(), buyer: UserId.optional(), /** With an attempt there. */ node: NodeId.optional(),
  /** The digest of the image whose programs it runs. */ image: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'the digest of an image: sha256:…').optional(),
})
export type JobFilter = z.infer<typeof JobFilter>

/** A price sheet; and why, from an admin who sets it for somebody else. */
export const PriceNode = PriceSheet.extend({ reason: Reason.optional() }).meta({ id: 'PriceNode' })

export const routes = {
  // who
  register: route({ id: 'register', method: 'POST', path: '/v1/users', summary: 'Make an account', who: 'anyone', body: Register, reply: User, status: 201, refuses: ['email_taken', 'weak_password', 'sign_ups_paused'] }),
  login: route({ id: 'login', method: 'POST', path: '/v1/sessions', summary: 'Sign in', who: 'anyone', body: Login, reply: Tokens, status: 201, refuses: ['invalid_credentials', 'second_factor_needed', 'second_factor_wrong', 'too_many_attempts'] }),
  refresh: route({ id: 'refresh', method: 'POST', path: '/v1/sessions/refresh', summary: 'Exchange a refresh token for new tokens', who: 'anyone', body: Refresh, reply: Tokens, refuses: ['token_revoked', 'token_expired', 'invalid_credentials'] }),
  logout: route({ id: 'logout', method: 'DELETE', path: '/v1/sessions', summary: 'End this session', who: 'user', status: 204, refuses: [] }),
  openBrowserSession: route({ id: 'openBrowserSession', method: 'POST', path: '/v1/browser-sessions', summary: 'Sign in from a page: the refresh token stays in a cookie that no script can read', who: 'anyone', body: Login, reply: BrowserTokens, status: 201, refuses: ['foreign_origin', 'invalid_credentials', 'second_factor_needed', 'second_factor_wrong', 'too_many_attempts'] }),
  renewBrowserSession: route({ id: 'renewBrowserSession', method: 'POST', path: '/v1/browser-sessions/renew', summary: 'A new access token for the cookie of this browser', who: 'anyone', reply: BrowserTokens, refuses: ['foreign_origin', 'unauthenticated', 'token_revoked', 'token_expired', 'invalid_credentials'] }),
  endBrowserSession: route({ id: 'endBrowserSession', method: 'DELETE', path: '/v1/browser-sessions', summary: 'Forget the cookie and end its session', who: 'anyone', status: 204, refuses: ['foreign_origin'] }),
  me: route({ id: 'me', method: 'GET', path: '/v1/users/me', summary: 'Who am I; and for whom I act', who: 'user', members: true, reply: Me, refuses: [] }),
  listSessions: route({ id: 'listSessions', method: 'GET', path: '/v1/sessions', summary: 'Where I am signed in', who: 'user', reply: list(Session), refuses: ['session_needed'] }),
  endSession: route({ id: 'endSession', method: 'DELETE', path: '/v1/sessions/:session', summary: 'End one of my sessions', who: 'user', owner: 'session', params: z.object({ session: SessionId }), status: 204, refuses: ['session_needed', 'not_found'] }),
  proveSession: route({ id: 'proveSession', method: 'POST', path: '/v1/sessions/prove', summary: 'Show again that it is you, for what asks for a fresh sign-in', who: 'user', body: ProveSession, reply: Proved, refuses: ['session_needed', 'invalid_credentials', 'too_many_attempts', 'second_factor_needed', 'second_factor_wrong'] }),
  endOtherSessions: route({ id: 'endOtherSessions', method: 'POST', path: '/v1/sessions/end-others', summary: 'End all my sessions but this one', who: 'user', reply: z.object({ ended: z.number().int() }), refuses: ['session_needed'] }),
  getSecondFactor: route({ id: 'getSecondFactor', method: 'GET', path: '/v1/users/me/second-factor', summary: 'Is a second factor on', who: 'user', reply: SecondFactor, refuses: ['session_needed'] }),
  startSecondFactor: route({ id: 'startSecondFactor', method: 'POST', path: '/v1/users/me/second-factor', summary: 'Begin to set up a second factor (TOTP, RFC 6238); it is on after the first right code', who: 'user', body: StartSecondFactor, reply: NewSecondFactor, status: 201, refuses: ['session_needed', 'second_factor_on', 'invalid_credentials', 'too_many_attempts'] }),
  confirmSecondFactor: route({ id: 'confirmSecondFactor', method: 'POST', path: '/v1/users/me/second-factor/confirm', summary: 'Turn the second factor on with its first code; the recovery codes are shown once', who: 'user', body: ConfirmSecondFactor, reply: RecoveryCodes, refuses: ['session_needed', 'second_factor_on', 'second_factor_off', 'second_factor_wrong', 'too_many_attempts'] }),
  renewRecoveryCodes: route({ id: 'renewRecoveryCodes', method: 'POST', path: '/v1/users/me/second-factor/recovery-codes', summary: 'New recovery codes; the old ones work no more', who: 'user', body: ProveBoth, reply: RecoveryCodes, refuses: ['session_needed', 'second_factor_off', 'invalid_credentials', 'second_factor_wrong', 'too_many_attempts'] }),
  stopSecondFactor: route({ id: 'stopSecondFactor', method: 'POST', path: '/v1/users/me/second-factor/stop', summary: 'Turn the second factor off', who: 'user', body: ProveBoth, status: 204, refuses: ['session_needed', 'second_factor_off', 'invalid_credentials', 'second_factor_wrong', 'too_many_attempts'] }),
  startDeviceLogin: route({ id: 'startDeviceLogin', method: 'POST', path: '/v1/device-logins', summary: 'Sign in a program that asks for no password (as RFC 8628): it shows the user code', who: 'anyone', body: StartDeviceLogin, reply: DeviceLogin, status: 201, refuses: ['overloaded'] }),
  deviceToken: route({ id: 'deviceToken', method: 'POST', path: '/v1/device-logins/token', summary: 'The tokens, once somebody has approved; works once', who: 'anyone', body: DeviceToken, reply: Tokens, status: 201, refuses: ['authorization_pending', 'slow_down', 'access_denied', 'device_code_expired', 'account_suspended'] }),
  lookAtDevice: route({ id: 'lookAtDevice', method: 'POST', path: '/v1/device-logins/look', summary: 'Who asks to be signed in as me with this user code', who: 'user', body: LookAtDevice, reply: WaitingDevice, refuses: ['session_needed', 'device_code_expired', 'too_many_attempts'] }),
  decideDevice: route({ id: 'decideDevice', method: 'POST', path: '/v1/device-logins/decide', summary: 'Approve or refuse it', who: 'user', body: DecideDevice, status: 204, refuses: ['session_needed', 'device_code_expired', 'too_many_attempts', 'fresh_sign_in_needed'] }),
  createKey: route({ id: 'createKey', method: 'POST', path: '/v1/keys', summary: 'Make an API key; its secret is shown once', who: 'user', scope: 'keys:write', body: CreateKey, reply: NewKey, status: 201, refuses: ['scope_not_allowed', 'fresh_sign_in_needed'] }),
  listKeys: route({ id: 'listKeys', method: 'GET', path: '/v1/keys', summary: 'My API keys', who: 'user', scope: 'keys:write', reply: list(Key), refuses: [] }),
  revokeKey: route({ id: 'revokeKey', method: 'DELETE', path: '/v1/keys/:key', summary: 'Revoke an API key', who: 'user', scope: 'keys:write', owner: 'key', params: z.object({ key: KeyId }), status: 204, refuses: ['not_found'] }),
  // webhooks
  createWebhook: route({ id: 'createWebhook', method: 'POST', path: '/v1/webhooks', summary: 'Tell an https address of mine what happens; its secret is shown once', who: 'user', scope: 'keys:write', body: CreateWebhook, reply: NewWebhook, status: 201, refuses: ['webhook_url_not_allowed', 'webhook_limit'] }),
  listWebhooks: route({ id: 'listWebhooks', method: 'GET', path: '/v1/webhooks', summary: 'My webhooks', who: 'user', scope: 'keys:write', reply: list(Webhook), refuses: [] }),
  removeWebhook: route({ id: 'removeWebhook', method: 'DELETE', path: '/v1/webhooks/:webhook', summary: 'Remove a webhook, and what still waits for it', who: 'user', scope: 'keys:write', owner: 'webhook', params: z.object({ webhook: WebhookId }), status: 204, refuses: ['not_found'] }),
  enableWebhook: route({ id: 'enableWebhook', method: 'POST', path: '/v1/webhooks/:webhook/enable', summary: 'Turn a webhook on again; it is told what happens from then on', who: 'user', scope: 'keys:write', owner: 'webhook', params: z.object({ webhook: WebhookId }), reply: Webhook, refuses: ['not_found', 'webhook_url_not_allowed'] }),
  testWebhook: route({ id: 'testWebhook', method: 'POST', path: '/v1/webhooks/:webhook/test', summary: 'Send a ping', who: 'user', scope: 'keys:write', owner: 'webhook', params: z.object({ webhook: WebhookId }), reply: Delivery, status: 201, refuses: ['not_found', 'webhook_disabled'] }),
  listDeliveries: route({ id: 'listDeliveries', method: 'GET', path: '/v1/webhooks/:webhook/deliveries', summary: 'What was sent, newest first, and what became of it', who: 'user', scope: 'keys:write', owner: 'webhook', params: z.object({ webhook: WebhookId }), query: Page, reply: list(Delivery), refuses: ['not_found'] }),
  resendDelivery: route({ id: 'resendDelivery', method: 'POST', path: '/v1/webhooks/:webhook/deliveries/:delivery/resend', summary: 'Send it again, under the same id', who: 'user', scope: 'keys:write', owner: 'webhook', params: z.object({ webhook: WebhookId, delivery: DeliveryId }), reply: Delivery, refuses: ['not_found', 'webhook_disabled'] }),
  // people who work for one account
  listAccounts: route({ id: 'listAccounts', method: 'GET', path: '/v1/accounts', summary: 'Accounts of others that I work for', who: 'user', reply: list(Account), refuses: [] }),
  actForAccount: route({ id: 'actForAccount', method: 'POST', path: '/v1/accounts/:account/act', summary: 'A token that acts for an account I work for, within my role; what it does stands there under my name', who: 'user', params: accountParams, reply: ActingToken, status: 201, refuses: ['not_found', 'account_suspended'] }),
  leaveAccount: route({ id: 'leaveAccount', method: 'DELETE', path: '/v1/accounts/:account', summary: 'Work for this account no more; keys that I made for it are revoked', who: 'user', params: accountParams, status: 204, refuses: ['not_found'] }),
  lookAtInvitation: route({ id: 'lookAtInvitation', method: 'POST', path: '/v1/invitations/look', summary: 'Who invites whom to what, for whoever has the code', who: 'anyone', body: InvitationCode, reply: SeenInvitation, refuses: ['invitation_invalid'] }),
  acceptInvitation: route({ id: 'acceptInvitation', method: 'POST', path: '/v1/invitations/accept', summary: 'Work for the account that invites me; a code works once, for the address that was invited', who: 'user', body: InvitationCode, reply: Account, status: 201, refuses: ['invitation_invalid', 'invitation_for_another', 'own_account', 'members_full', 'account_suspended'] }),
  listMembers: route({ id: 'listMembers', method: 'GET', path: '/v1/members', summary: 'Who works for this account', who: 'user', scope: 'keys:write', reply: list(Member), refuses: [] }),
  changeMember: route({ id: 'changeMember', method: 'PUT', path: '/v1/members/:user', summary: 'Change a member’s role or limit; it holds for the next request', who: 'user', scope: 'keys:write', params: userParams, body: ChangeMember, reply: Member, refuses: ['not_found', 'not_below_you', 'scope_not_allowed'] }),
  removeMember: route({ id: 'removeMember', method: 'DELETE', path: '/v1/members/:user', summary: 'They act for this account no more; keys, webhooks and invitations that they made for it end with it', who: 'user', scope: 'keys:write', params: userParams, status: 204, refuses: ['not_found', 'not_below_you'] }),
  inviteMember: route({ id: 'inviteMember', method: 'POST', path: '/v1/members/invitations', summary: 'Invite somebody to work for this account; the code is shown once', who: 'user', scope: 'keys:write', body: InviteMember, reply: NewInvitation, status: 201, refuses: ['own_account', 'already_member', 'members_full', 'not_below_you', 'scope_not_allowed', 'account_suspended'] }),
  listInvitations: route({ id: 'listInvitations', method: 'GET', path: '/v1/members/invitations', summary: 'Invitations that are open, newest first', who: 'user', scope: 'keys:write', reply: list(Invitation), refuses: [] }),
  revokeInvitation: route({ id: 'revokeInvitation', method: 'DELETE', path: '/v1/members/invitations/:invitation', summary: 'Take an invitation back', who: 'user', scope: 'keys:write', params: z.object({ invitation: InvitationId }), status: 204, refuses: ['not_found', 'not_below_you'] }),
  listMemberActs: route({ id: 'listMemberActs', method: 'GET', path: '/v1/members/acts', summary: 'What members did for this account, newest first', who: 'user', scope: 'keys:write', query: Page.extend({ by: UserId.optional() }), reply: list(MemberAct), refuses: [] }),
  // what one is told without asking
  listAlerts: route({ id: 'listAlerts', method: 'GET', path: '/v1/alerts', summary: 'My alerts, newest first, and how many I have not read', who: 'user', scope: 'wallet:read', query: Page, reply: list(Alert).extend({ unread: z.number().int() }), refuses: [] }),
  readAlerts: route({ id: 'readAlerts', method: 'POST', path: '/v1/alerts/read', summary: 'I have read these', who: 'user', scope: 'wallet:write', body: ReadAlerts, status: 204, refuses: [] }),
  getAlertSettings: route({ id: 'getAlertSettings', method: 'GET', path: '/v1/alerts/settings', summary: 'When alerts are raised for me', who: 'user', scope: 'wallet:read', reply: AlertSettings, refuses: [] }),
  setAlertSettings: route({ id: 'setAlertSettings', method: 'PUT', path: '/v1/alerts/settings', summary: 'Set when alerts are raised for me', who: 'user', scope: 'wallet:write', body: AlertSettings, reply: AlertSettings, refuses: ['overloaded'] }),
  exportActions: route({ id: 'exportActions', method: 'GET', path: '/v1/exports/actions', summary: 'What admins did as CSV, or as JSON lines; newest first', who: 'admin', scope: 'admin', query: z.object({ format: z.enum(['csv', 'jsonl']).default('csv'), action: ActionName.optional(), by: UserId.optional(), subject: z.string().min(1).max(300).optional() }), sends: 'bytes', refuses: [] }),
  // work
  createQuote: route({ id: 'createQuote', method: 'POST', path: '/v1/quotes', summary: 'What would this cost, and when could it start', who: 'buyer', scope: 'jobs:write', body: CreateQuote, reply: Quote, status: 201, refuses: ['impossible_request', 'no_node_fits', 'cap_too_low', 'overloaded'] }),
  quoteAround: route({ id: 'quoteAround', method: 'POST', path: '/v1/quotes/around', summary: 'What the same job would cost with one thing asked for differently, and how long jobs like it have waited', who: 'buyer', scope: 'jobs:write', body: CreateQuote, reply: QuoteAround, refuses: ['impossible_request', 'cap_too_low'] }),
  getQuote: route({ id: 'getQuote', method: 'GET', path: '/v1/quotes/:quote', summary: 'A quote', who: 'buyer', scope: 'jobs:read', owner: 'quote', params: z.object({ quote: QuoteId }), reply: Quote, refuses: ['not_found'] }),
  submitJob: route({ id: 'submitJob', method: 'POST', path: '/v1/jobs', summary: 'Submit a job and hold its cap', who: 'buyer', scope: 'jobs:write', body: SubmitJob, reply: Job, status: 201, idempotent: true, refuses: ['insufficient_funds', 'cap_too_low', 'quote_expired', 'quote_mismatch', 'blob_missing', 'no_node_fits', 'impossible_request', 'secrets_missing', 'parent_not_found', 'parent_failed', 'parent_cycle', 'parent_files', 'queue_full', 'new_jobs_paused', 'idempotency_conflict', 'overloaded'] }),
  listJobs: route({ id: 'listJobs', method: 'GET', path: '/v1/jobs', summary: 'My jobs (all of them for an admin), newest first', who: 'user', scope: 'jobs:read', query: Page.extend(JobFilter.shape), reply: list(Job), refuses: [] }),
  getJob: route({ id: 'getJob', method: 'GET', path: '/v1/jobs/:job', summary: 'A job', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Job, refuses: ['not_found'] }),
  pauseJob: route({ id: 'pauseJob', method: 'POST', path: '/v1/jobs/:job/pause', summary: 'Hold a job back: nothing more of it starts, what runs may finish', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'job', params: jobParams, body: MayGiveReason, reply: Job, refuses: ['not_found', 'job_ended', 'fresh_sign_in_needed', 'reason_needed'] }),
  resumeJob: route({ id: 'resumeJob', method: 'POST', path: '/v1/jobs/:job/resume', summary: 'Let a job go on that was held back', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'job', params: jobParams, body: MayGiveReason, reply: Job, refuses: ['not_found', 'job_ended', 'fresh_sign_in_needed', 'reason_needed'] }),
  recordMerged: route({ id: 'recordMerged', method: 'PUT', path: '/v1/jobs/:job/merged', summary: 'Record the hash of a map’s merged result; the first one stays', who: 'buyer', scope: 'jobs:write', owner: 'job', params: jobParams, body: MergedResult, reply: Job, refuses: ['not_found', 'not_in_this_state', 'merged_otherwise'] }),
  cancelJob: route({ id: 'cancelJob', method: 'POST', path: '/v1/jobs/:job/cancel', summary: 'Cancel a job; what ran is billed, the rest refunded', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'job', params: jobParams, body: MayGiveReason, reply: Job, refuses: ['not_found', 'job_ended', 'fresh_sign_in_needed', 'reason_needed'] }),
  moveJob: route({ id: 'moveJob', method: 'POST', path: '/v1/jobs/:job/move', summary: 'Move what runs of a job to another node, with what it has done', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'job', params: jobParams, body: MoveJob, reply: Job, status: 202, refuses: ['not_found', 'job_ended', 'not_in_this_state', 'cannot_move', 'fresh_sign_in_needed', 'reason_needed'] }),
  listTasks: route({ id: 'listTasks', method: 'GET', path: '/v1/jobs/:job/tasks', summary: 'The tasks of a job', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: Page, reply: list(Task), refuses: ['not_found'] }),
  listAttempts: route({ id: 'listAttempts', method: 'GET', path: '/v1/jobs/:job/attempts', summary: 'Every attempt of a job, in order', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: Page, reply: list(Attempt), refuses: ['not_found'] }),
  jobEvents: route({ id: 'jobEvents', method: 'GET', path: '/v1/jobs/:job/events', summary: 'History of a job; as an event stream it goes on live, from Last-Event-ID', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, query: z.object({ after: z.coerce.number().int().min(0).default(0) }), reply: JobEvent, sends: 'events', refuses: ['not_found'] }),
  myEvents: route({ id: 'myEvents', method: 'GET', path: '/v1/events', summary: 'What happens to all my jobs from now on, as an event stream; after a gap, read the jobs again', who: 'user', scope: 'jobs:read', query: z.object({ type: JobEvent.shape.type.optional() }), reply: JobEvent, sends: 'events', refuses: [] }),
  getAttempt: route({ id: 'getAttempt', method: 'GET', path: '/v1/attempts/:attempt', summary: 'An attempt', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, reply: Attempt, refuses: ['not_found'] }),
  attemptLogs: route({ id: 'attemptLogs', method: 'GET', path: '/v1/attempts/:attempt/logs', summary: 'Output of an attempt; as an event stream it goes on live, from Last-Event-ID', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, query: z.object({ cursor: z.string().max(40).optional() }), reply: z.object({ stream: z.enum(['stdout', 'stderr']), offset: z.number().int(), data: z.string(), at: Instant }), sends: 'events', refuses: ['not_found'] }),
  getReceipt: route({ id: 'getReceipt', method: 'GET', path: '/v1/attempts/:attempt/receipt', summary: 'The receipt of an attempt: terms, sealed ticks, bill', who: 'user', scope: 'jobs:read', owner: 'attempt', params: attemptParams, reply: Receipt, refuses: ['not_found'] }),
  getResults: route({ id: 'getResults', method: 'GET', path: '/v1/jobs/:job/results', summary: 'Files of a job, task by task; fetch each as a blob', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Results, refuses: ['not_found'] }),
  getResultsZip: route({ id: 'getResultsZip', method: 'GET', path: '/v1/jobs/:job/results.zip', summary: 'The files of a job that it asked for as one zip, under names that are safe to unpack', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, sends: 'bytes', refuses: ['not_found', 'results_not_ready', 'blob_not_found'] }),
  explainJob: route({ id: 'explainJob', method: 'GET', path: '/v1/jobs/:job/explain', summary: 'Why here, why this price, why waiting', who: 'user', scope: 'jobs:read', owner: 'job', params: jobParams, reply: Explanation, refuses: ['not_found'] }),
  createStanding: route({ id: 'createStanding', method: 'POST', path: '/v1/standing-requests', summary: 'Tell me when nodes with room for such a job appear', who: 'buyer', scope: 'jobs:write', body: CreateStanding, reply: Standing, status: 201, refuses: ['impossible_request', 'queue_full', 'overloaded'] }),
  listStanding: route({ id: 'listStanding', method: 'GET', path: '/v1/standing-requests', summary: 'My standing requests (all of them for an admin), newest first', who: 'user', scope: 'jobs:read', query: Page, reply: list(Standing), refuses: [] }),
  getStanding: route({ id: 'getStanding', method: 'GET', path: '/v1/standing-requests/:standing', summary: 'A standing request', who: 'user', scope: 'jobs:read', owner: 'standing', params: z.object({ standing: StandingId }), reply: Standing, refuses: ['not_found'] }),
  standingEvents: route({ id: 'standingEvents', method: 'GET', path: '/v1/standing-requests/:standing/events', summary: 'A standing request; as an event stream it answers once, when the request is met or over', who: 'user', scope: 'jobs:read', owner: 'standing', params: z.object({ standing: StandingId }), reply: Standing, sends: 'events', refuses: ['not_found'] }),
  dropStanding: route({ id: 'dropStanding', method: 'DELETE', path: '/v1/standing-requests/:standing', summary: 'Take a standing request back', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'standing', params: z.object({ standing: StandingId }), body: MayGiveReason, status: 204, refuses: ['not_found', 'fresh_sign_in_needed', 'reason_needed'] }),
  createSchedule: route({ id: 'createSchedule', method: 'POST', path: '/v1/schedules', summary: 'Make a job again and again, at the times of a cron', who: 'buyer', scope: 'jobs:write', body: CreateSchedule, reply: Schedule, status: 201, idempotent: true, refuses: ['impossible_request', 'cap_too_low', 'blob_missing', 'queue_full', 'idempotency_conflict', 'overloaded'] }),
  listSchedules: route({ id: 'listSchedules', method: 'GET', path: '/v1/schedules', summary: 'My schedules (all of them for an admin) with their last firings, newest first', who: 'user', scope: 'jobs:read', query: Page, reply: list(Schedule), refuses: [] }),
  getSchedule: route({ id: 'getSchedule', method: 'GET', path: '/v1/schedules/:schedule', summary: 'A schedule and its last firings', who: 'user', scope: 'jobs:read', owner: 'schedule', params: scheduleParams, reply: Schedule, refuses: ['not_found'] }),
  pauseSchedule: route({ id: 'pauseSchedule', method: 'POST', path: '/v1/schedules/:schedule/pause', summary: 'No more firings until it is resumed', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'schedule', params: scheduleParams, body: MayGiveReason, reply: Schedule, refuses: ['not_found', 'fresh_sign_in_needed', 'reason_needed'] }),
  resumeSchedule: route({ id: 'resumeSchedule', method: 'POST', path: '/v1/schedules/:schedule/resume', summary: 'Fire again, from the next moment on', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'schedule', params: scheduleParams, body: MayGiveReason, reply: Schedule, refuses: ['not_found', 'fresh_sign_in_needed', 'reason_needed'] }),
  removeSchedule: route({ id: 'removeSchedule', method: 'DELETE', path: '/v1/schedules/:schedule', summary: 'End a schedule; jobs that it made go on', who: 'user', scope: 'jobs:write', fresh: 'for-others', owner: 'schedule', params: scheduleParams, body: MayGiveReason, status: 204, refuses: ['not_found', 'fresh_sign_in_needed', 'reason_needed'] }),
  putTemplate: route({ id: 'putTemplate', method: 'PUT', path: '/v1/templates/:template', summary: 'Keep a job with parameters under a name', who: 'buyer', scope: 'jobs:write', params: templateParams, body: PutTemplate, reply: Template, refuses: ['impossible_request', 'blob_missing', 'queue_full'] }),
  listTemplates: route({ id: 'listTemplates', method: 'GET', path: '/v1/templates', summary: 'My templates, by name', who: 'buyer', scope: 'jobs:read', query: Page, reply: list(Template), refuses: [] }),
  templateFigures: route({ id: 'templateFigures', method: 'GET', path: '/v1/template-figures', summary: 'What jobs made from my templates, and from the market’s, took and cost: where at least five completed', who: 'buyer', scope: 'jobs:read', reply: z.object({ data: z.array(TemplateFigures) }), refuses: [] }),
  getTemplate: route({ id: 'getTemplate', method: 'GET', path: '/v1/templates/:template', summary: 'A template', who: 'buyer', scope: 'jobs:read', owner: 'template', params: templateParams, reply: Template, refuses: ['not_found'] }),
  removeTemplate: route({ id: 'removeTemplate', method: 'DELETE', path: '/v1/templates/:template', summary: 'Forget a template', who: 'buyer', scope: 'jobs:write', owner: 'template', params: templateParams, status: 204, refuses: ['not_found'] }),
  putFilter: route({ id: 'putFilter', method: 'PUT', path: '/v1/filters/:filter', summary: 'Keep a filter of the list of jobs under a name; one that is there is replaced', who: 'user', scope: 'jobs:write', params: z.object({ filter: FilterName }), body: PutFilter, reply: SavedFilter, refuses: ['queue_full'] }),
  listFilters: route({ id: 'listFilters', method: 'GET', path: '/v1/filters', summary: 'My saved filters, by name', who: 'user', scope: 'jobs:read', reply: list(SavedFilter), refuses: [] }),
  removeFilter: route({ id: 'removeFilter', method: 'DELETE', path: '/v1/filters/:filter', summary: 'Forget a filter', who: 'user', scope: 'jobs:write', owner: 'filter', params: z.object({ filter: FilterName }), status: 204, refuses: ['not_found'] }),
  // bytes
  statBlob: route({ id: 'statBlob', method: 'HEAD', path: '/v1/blobs/:sha256', summary: 'Is it there, and how much of an upload has arrived (Upload-Offset)', who: 'user-or-agent', params: blobParams, refuses: ['blob_not_found'] }),
  putBlob: route({ id: 'putBlob', method: 'PUT', path: '/v1/blobs/:sha256', summary: 'Upload a blob, or go on with an upload from Upload-Offset; Upload-Length is its whole size', who: 'user-or-agent', scope: 'jobs:write', params: blobParams, takes: 'raw', status: 201, refuses: ['blob_hash_mismatch', 'blob_offset_mismatch', 'blob_size_mismatch', 'blob_too_large', 'storage_full'] }),
  fetchBlob: route({ id: 'fetchBlob', method: 'POST', path: '/v1/blobs/fetch', summary: 'The market fetches a file from an http or https address on the public internet: a GiB at most, within 100 seconds', who: 'buyer', scope: 'jobs:write', body: FetchBlob, reply: StoredBlob, status: 201, refuses: ['url_not_allowed', 'url_not_fetched', 'blob_hash_mismatch', 'blob_too_large', 'storage_full', 'overloaded'] }),
  getBlob: route({ id: 'getBlob', method: 'GET', path: '/v1/blobs/:sha256', summary: 'Download a blob; Range works', who: 'user-or-agent', scope: 'jobs:read', params: blobParams, sends: 'bytes', refuses: ['blob_not_found', 'bad_range'] }),
  // nodes
  createEnrolment: route({ id: 'createEnrolment', method: 'POST', path: '/v1/enrolments', summary: 'Make a join token for one node; works once, for 15 minutes', who: 'seller', scope: 'nodes:write', body: z.strictObject({ name: NodeName.optional() }), reply: Enrolment, status: 201, refuses: [] }),
  enrolNode: route({ id: 'enrolNode', method: 'POST', path: '/v1/nodes', summary: 'An agent enrols with its join token and its own new key', who: 'anyone', body: EnrolNode, reply: Node, status: 201, refuses: ['enrolment_invalid', 'node_key_taken', 'bad_signature', 'agent_too_old'] }),
  listNodes: route({ id: 'listNodes', method: 'GET', path: '/v1/nodes', summary: 'My nodes (all of them for an admin)', who: 'user', scope: 'nodes:read', query: Page, reply: list(Node), refuses: [] }),
  getNode: route({ id: 'getNode', method: 'GET', path: '/v1/nodes/:node', summary: 'A node', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: Node, refuses: ['not_found'] }),
  nodeReadings: route({ id: 'nodeReadings', method: 'GET', path: '/v1/nodes/:node/readings', summary: 'How its machine was, as its heartbeats told since this market was started; and the hours its owner has set', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, query: z.object({ span: ReadingSpan.default('hour') }), reply: NodeReadings, refuses: ['not_found'] }),
  explainNode: route({ id: 'explainNode', method: 'GET', path: '/v1/nodes/:node/explain', summary: 'Why this node was not chosen in the last 100 placements', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: NodeExplanation, refuses: ['not_found'] }),
  pauseNode: route({ id: 'pauseNode', method: 'POST', path: '/v1/nodes/:node/pause', summary: 'No new work; what runs goes on', who: 'user', scope: 'nodes:write', fresh: 'for-others', owner: 'node', params: nodeParams, body: MayGiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed', 'reason_needed'] }),
  drainNode: route({ id: 'drainNode', method: 'POST', path: '/v1/nodes/:node/drain', summary: 'No new work; what can be moved goes to other nodes, the rest runs to its end', who: 'user', scope: 'nodes:write', fresh: 'for-others', owner: 'node', params: nodeParams, body: MayGiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed', 'reason_needed'] }),
  resumeNode: route({ id: 'resumeNode', method: 'POST', path: '/v1/nodes/:node/resume', summary: 'Take work again', who: 'user', scope: 'nodes:write', fresh: 'for-others', owner: 'node', params: nodeParams, body: MayGiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed', 'reason_needed'] }),
  priceNode: route({ id: 'priceNode', method: 'PUT', path: '/v1/nodes/:node/prices', summary: 'Set the price sheet; running attempts keep theirs', who: 'user', scope: 'nodes:write', fresh: 'for-others', owner: 'node', params: nodeParams, body: PriceNode, reply: Node, refuses: ['not_found', 'fresh_sign_in_needed', 'reason_needed'] }),
  getNodeSettings: route({ id: 'getNodeSettings', method: 'GET', path: '/v1/nodes/:node/settings', summary: 'Hours and limits of its machine: what was asked here, and what its agent honours', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: NodeSettings, refuses: ['not_found'] }),
  askNodeSettings: route({ id: 'askNodeSettings', method: 'PUT', path: '/v1/nodes/:node/settings', summary: 'Ask its machine for hours and limits, in place of what was asked before; what is set on the machine wins. Its seller alone: no admin may', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, body: OwnerAsked, reply: NodeSettings, refuses: ['not_found', 'forbidden'] }),
  setNodePolicy: route({ id: 'setNodePolicy', method: 'PUT', path: '/v1/nodes/:node/policy', summary: 'What this node takes of what it could run, in place of what was said before. Its seller alone: no admin may', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, body: NodePolicy, reply: Node, refuses: ['not_found', 'forbidden'] }),
  listNodeLoads: route({ id: 'listNodeLoads', method: 'GET', path: '/v1/node-loads', summary: 'Processor and memory of my nodes in the last hour, by minute, as their heartbeats told (of all nodes for an admin)', who: 'user', scope: 'nodes:read', query: Page, reply: list(NodeLoad), refuses: [] }),
  nodeActivity: route({ id: 'nodeActivity', method: 'GET', path: '/v1/nodes/:node/activity', summary: 'What runs on a node and what it earns, what happened to it, and its last self-test', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: NodeActivity, refuses: ['not_found'] }),
  testNode: route({ id: 'testNode', method: 'POST', path: '/v1/nodes/:node/self-test', summary: 'Ask its agent to test the machine again as soon as nothing runs there; at most once a minute. Its seller alone: no admin may', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, reply: NodeTest, status: 202, refuses: ['not_found', 'forbidden', 'not_in_this_state', 'self_test_too_soon'] }),
  removeNode: route({ id: 'removeNode', method: 'DELETE', path: '/v1/nodes/:node', summary: 'Out of the market for good, when nothing runs there: its agent is sent away, its earnings and history stay. Its seller alone: no admin may', who: 'user', scope: 'nodes:write', owner: 'node', params: nodeParams, reply: Node, refuses: ['not_found', 'forbidden', 'not_in_this_state', 'node_has_work'] }),
  getNodeReputation: route({ id: 'getNodeReputation', method: 'GET', path: '/v1/nodes/:node/reputation', summary: 'What is believed of this node, how that went, what lowered it and how it recovers', who: 'user', scope: 'nodes:read', owner: 'node', params: nodeParams, reply: NodeReputation, refuses: ['not_found'] }),
  appealFault: route({ id: 'appealFault', method: 'POST', path: '/v1/attempts/:attempt/appeal', summary: 'Say why an ending on my node should not count against it; once', who: 'seller', scope: 'nodes:write', params: attemptParams, body: OpenAppeal, reply: NodeFault, status: 201, refuses: ['not_found', 'already_appealed'] }),
  nodeEarnings: route({ id: 'nodeEarnings', method: 'GET', path: '/v1/agent/earnings', summary: 'What this node has earned: for the screen of its owner, asked by its agent', who: 'agent', query: z.object({ since: z.coerce.number().int().min(0).default(0) }), reply: Earnings, refuses: [] }),
  // money
  getWallet: route({ id: 'getWallet', method: 'GET', path: '/v1/wallet', summary: 'My balances', who: 'user', scope: 'wallet:read', reply: Wallet, refuses: [] }),
  listEntries: route({ id: 'listEntries', method: 'GET', path: '/v1/entries', summary: 'Every movement of my money, newest first', who: 'user', scope: 'wallet:read', query: Page, reply: list(Entry), refuses: [] }),
  getSpend: route({ id: 'getSpend', method: 'GET', path: '/v1/spend', summary: 'What my jobs cost, by day, by name and by template', who: 'user', scope: 'wallet:read', query: lastDays, reply: Spend, refuses: [] }),
  exportSpend: route({ id: 'exportSpend', method: 'GET', path: '/v1/exports/spend', summary: 'The same as CSV, one of the three', who: 'user', scope: 'wallet:read', query: lastDays.extend({ by: SpendBy.default('day') }), sends: 'bytes', refuses: [] }),
  exportJobs: route({ id: 'exportJobs', method: 'GET', path: '/v1/exports/jobs', summary: 'My jobs as CSV, newest first', who: 'user', scope: 'jobs:read', query: JobFilter, sends: 'bytes', refuses: [] }),
  exportEntries: route({ id: 'exportEntries', method: 'GET', path: '/v1/exports/entries', summary: 'Every movement of my money as CSV, newest first: a line for each posting', who: 'user', scope: 'wallet:read', sends: 'bytes', refuses: [] }),
  createTopup: route({ id: 'createTopup', method: 'POST', path: '/v1/topups', summary: 'Add credits', who: 'buyer', scope: 'wallet:write', members: false, body: Topup, reply: Wallet, status: 201, idempotent: true, refuses: ['topup_not_allowed', 'amount_not_allowed', 'idempotency_conflict', 'overloaded'] }),
  getAutoTopup: route({ id: 'getAutoTopup', method: 'GET', path: '/v1/topups/auto', summary: 'When my wallet is topped up by itself, and what came of it lately', who: 'buyer', scope: 'wallet:read', reply: AutoTopup, refuses: [] }),
  setAutoTopup: route({ id: 'setAutoTopup', method: 'PUT', path: '/v1/topups/auto', summary: 'Top my wallet up by itself when less than so much is available, up to so much a month', who: 'buyer', scope: 'wallet:write', members: false, body: AutoTopupRule, reply: AutoTopup, refuses: ['topup_not_allowed', 'amount_not_allowed', 'account_suspended', 'overloaded'] }),
  stopAutoTopup: route({ id: 'stopAutoTopup', method: 'DELETE', path: '/v1/topups/auto', summary: 'Top it up by itself no more', who: 'buyer', scope: 'wallet:write', members: false, status: 204, refuses: ['overloaded'] }),
  getEarnings: route({ id: 'getEarnings', method: 'GET', path: '/v1/earnings', summary: 'What my nodes earned: pending, cleared, on its way, paid', who: 'seller', scope: 'wallet:read', reply: SellerEarnings, refuses: [] }),
  getNodesEarnings: route({ id: 'getNodesEarnings', method: 'GET', path: '/v1/earnings/nodes', summary: 'What each of my nodes earned, by day (UTC)', who: 'seller', scope: 'wallet:read', query: lastDays, reply: NodesEarnings, refuses: [] }),
  getEarningsForecast: route({ id: 'getEarningsForecast', method: 'GET', path: '/v1/earnings/forecast', summary: 'What my nodes may earn in the next 24 hours, from what they earned lately; nothing where there is no base', who: 'seller', scope: 'wallet:read', reply: EarningsForecast, refuses: [] }),
  listPayouts: route({ id: 'listPayouts', method: 'GET', path: '/v1/payouts', summary: 'My payouts, newest first', who: 'seller', scope: 'wallet:read', query: Page, reply: list(Payout), refuses: [] }),
  requestPayout: route({ id: 'requestPayout', method: 'POST', path: '/v1/payouts', summary: 'Pay out earnings that have cleared', who: 'seller', scope: 'wallet:write', members: false, body: RequestPayout, reply: Payout, status: 201, idempotent: true, refuses: ['payout_not_allowed', 'amount_not_allowed', 'insufficient_earnings', 'idempotency_conflict', 'queue_full', 'overloaded'] }),
  getPayoutRule: route({ id: 'getPayoutRule', method: 'GET', path: '/v1/payout-rule', summary: 'What is paid out without my asking each time', who: 'seller', scope: 'wallet:read', reply: z.object({ rule: StandingPayout.nullable() }), refuses: [] }),
  setPayoutRule: route({ id: 'setPayoutRule', method: 'PUT', path: '/v1/payout-rule', summary: 'Pay out all that has cleared, each week or as soon as it comes to so much; in place of what was said before', who: 'seller', scope: 'wallet:write', members: false, body: PayoutRule, reply: StandingPayout, refuses: ['payout_not_allowed', 'amount_not_allowed', 'account_suspended'] }),
  dropPayoutRule: route({ id: 'dropPayoutRule', method: 'DELETE', path: '/v1/payout-rule', summary: 'Pay out only what I ask for', who: 'seller', scope: 'wallet:write', members: false, status: 204, refuses: [] }),
  getStatement: route({ id: 'getStatement', method: 'GET', path: '/v1/earnings/statement', summary: 'Earnings, fees and payouts of a calendar year (UTC), from the ledger: a statement, no tax form', who: 'seller', scope: 'wallet:read', query: StatementQuery, reply: YearStatement, refuses: [] }),
  getTaxDetails: route({ id: 'getTaxDetails', method: 'GET', path: '/v1/tax-details', summary: 'Who I am to a tax office, as it stands on my statements', who: 'seller', scope: 'wallet:read', members: false, reply: z.object({ details: TaxDetails.nullable() }), refuses: [] }),
  setTaxDetails: route({ id: 'setTaxDetails', method: 'PUT', path: '/v1/tax-details', summary: 'Say it, in place of what was said before: kept sealed, and shown to nobody else', who: 'seller', scope: 'wallet:write', members: false, body: PutTaxDetails, reply: TaxDetails, refuses: [] }),
  dropTaxDetails: route({ id: 'dropTaxDetails', method: 'DELETE', path: '/v1/tax-details', summary: 'Forget it', who: 'seller', scope: 'wallet:write', members: false, status: 204, refuses: [] }),
  exportStatement: route({ id: 'exportStatement', method: 'GET', path: '/v1/exports/statement', summary: 'The same as CSV', who: 'seller', scope: 'wallet:read', query: StatementQuery, sends: 'bytes', refuses: [] }),
  // what operators do
  findEntries: route({ id: 'findEntries', method: 'GET', path: '/v1/admin/entries', summary: 'Entries of the ledger, of an account or of a job', who: 'admin', scope: 'admin', query: Page.extend({ account: z.string().min(1).max(100).optional(), job: JobId.optional() }), reply: list(Entry), refuses: [] }),
  listReversals: route({ id: 'listReversals', method: 'GET', path: '/v1/admin/reversals', summary: 'Reversals, newest first', who: 'admin', scope: 'admin', query: Page.extend({ state: ReversalState.optional() }), reply: list(Reversal), refuses: [] }),
  proposeReversal: route({ id: 'proposeReversal', method: 'POST', path: '/v1/admin/reversals', summary: 'Propose to reverse an entry; nothing moves until another admin approves', who: 'admin', scope: 'admin', fresh: true, body: ProposeReversal, reply: Reversal, status: 201, refuses: ['not_found', 'not_reversible', 'already_reversed', 'would_go_below_zero', 'queue_full', 'fresh_sign_in_needed'] }),
  approveReversal: route({ id: 'approveReversal', method: 'POST', path: '/v1/admin/reversals/:reversal/approve', summary: 'Approve what another admin proposed: the reversing entry is made', who: 'admin', scope: 'admin', fresh: true, params: reversalParams, body: GiveReason, reply: Reversal, refuses: ['not_found', 'same_person', 'not_in_this_state', 'would_go_below_zero', 'fresh_sign_in_needed'] }),
  rejectReversal: route({ id: 'rejectReversal', method: 'POST', path: '/v1/admin/reversals/:reversal/reject', summary: 'Reject a proposal, or take back one’s own', who: 'admin', scope: 'admin', fresh: true, params: reversalParams, body: GiveReason, reply: Reversal, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  listActions: route({ id: 'listActions', method: 'GET', path: '/v1/admin/actions', summary: 'What admins did: append-only, newest first', who: 'admin', scope: 'admin', query: Page.extend({ action: ActionName.optional(), by: UserId.optional(), subject: z.string().min(1).max(300).optional() }), reply: list(AdminAction), refuses: [] }),
  listPeople: route({ id: 'listPeople', method: 'GET', path: '/v1/admin/users', summary: 'Users, newest first, by a part of name or e-mail', who: 'admin', scope: 'admin', query: Page.extend({ q: z.string().max(100).optional(), suspended: z.enum(['yes', 'no']).optional() }), reply: list(Person), refuses: [] }),
  getPerson: route({ id: 'getPerson', method: 'GET', path: '/v1/admin/users/:user', summary: 'A user: roles, balances, jobs, nodes, sessions', who: 'admin', scope: 'admin', params: userParams, reply: PersonDetail, refuses: ['not_found'] }),
  suspendUser: route({ id: 'suspendUser', method: 'POST', path: '/v1/admin/users/:user/suspend', summary: 'No sign-in, no new jobs, no new work for their nodes; what runs may end', who: 'admin', scope: 'admin', fresh: true, params: userParams, body: GiveReason, reply: PersonDetail, refuses: ['not_found', 'not_in_this_state', 'own_account', 'last_admin', 'fresh_sign_in_needed'] }),
  unsuspendUser: route({ id: 'unsuspendUser', method: 'POST', path: '/v1/admin/users/:user/unsuspend', summary: 'End a suspension', who: 'admin', scope: 'admin', fresh: true, params: userParams, body: GiveReason, reply: PersonDetail, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  setUserRoles: route({ id: 'setUserRoles', method: 'PUT', path: '/v1/admin/users/:user/roles', summary: 'Grant and revoke roles', who: 'admin', scope: 'admin', fresh: true, params: userParams, body: SetRoles, reply: PersonDetail, refuses: ['not_found', 'last_admin', 'fresh_sign_in_needed'] }),
  bookDeposit: route({ id: 'bookDeposit', method: 'POST', path: '/v1/admin/users/:user/deposits', summary: 'Book money that came in outside of the market, by a bank transfer say; the same payment again is booked once', who: 'admin', scope: 'admin', fresh: true, params: userParams, body: BookDeposit, reply: PersonDetail, refuses: ['not_found', 'amount_not_allowed', 'deposit_booked', 'fresh_sign_in_needed'] }),
  impersonateUser: route({ id: 'impersonateUser', method: 'POST', path: '/v1/admin/users/:user/impersonate', summary: 'A token that sees what this user sees for 15 minutes, and changes nothing; the user is shown that it was made, and what was read', who: 'admin', scope: 'admin', fresh: true, params: userParams, body: GiveReason, reply: NewImpersonation, status: 201, refuses: ['not_found', 'own_account', 'fresh_sign_in_needed'] }),
  endImpersonation: route({ id: 'endImpersonation', method: 'DELETE', path: '/v1/admin/impersonations/:impersonation', summary: 'End one of my own before its time; an old sign-in may, too', who: 'user', params: z.object({ impersonation: ImpersonationId }), status: 204, refuses: ['not_found'] }),
  listImpersonations: route({ id: 'listImpersonations', method: 'GET', path: '/v1/users/me/impersonations', summary: 'When admins saw what I see: who, why, and what they read; newest first', who: 'user', reply: list(Impersonation), refuses: [] }),
  getSettings: route({ id: 'getSettings', method: 'GET', path: '/v1/admin/settings', summary: 'What operators may change while the market runs', who: 'admin', scope: 'admin', reply: Settings, refuses: [] }),
  listSettingsVersions: route({ id: 'listSettingsVersions', method: 'GET', path: '/v1/admin/settings/versions', summary: 'Every change of the settings, newest first', who: 'admin', scope: 'admin', query: Page, reply: list(SettingsVersion), refuses: [] }),
  changeSettings: route({ id: 'changeSettings', method: 'PATCH', path: '/v1/admin/settings', summary: 'Change settings; only those that are named', who: 'admin', scope: 'admin', fresh: true, body: ChangeSettings, reply: Settings, refuses: ['settings_changed', 'nothing_to_change', 'fresh_sign_in_needed'] }),
  listIncidents: route({ id: 'listIncidents', method: 'GET', path: '/v1/incidents', summary: 'What is or was wrong with the market, newest first', who: 'anyone', query: Page.extend({ state: z.enum(['open', 'resolved']).optional() }), reply: list(Incident), refuses: [] }),
  openIncident: route({ id: 'openIncident', method: 'POST', path: '/v1/admin/incidents', summary: 'Tell everybody that something is wrong', who: 'admin', scope: 'admin', fresh: true, body: OpenIncident, reply: Incident, status: 201, refuses: ['queue_full', 'fresh_sign_in_needed'] }),
  updateIncident: route({ id: 'updateIncident', method: 'POST', path: '/v1/admin/incidents/:incident/updates', summary: 'Tell more about an open incident', who: 'admin', scope: 'admin', fresh: true, params: incidentParams, body: UpdateIncident, reply: Incident, refuses: ['not_found', 'not_in_this_state', 'queue_full', 'fresh_sign_in_needed'] }),
  resolveIncident: route({ id: 'resolveIncident', method: 'POST', path: '/v1/admin/incidents/:incident/resolve', summary: 'It is over', who: 'admin', scope: 'admin', fresh: true, params: incidentParams, body: ResolveIncident, reply: Incident, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  listAppeals: route({ id: 'listAppeals', method: 'GET', path: '/v1/admin/appeals', summary: 'What sellers say should not count against their nodes, oldest first', who: 'admin', scope: 'admin', query: Page.extend({ state: AppealState.default('open') }), reply: list(AppealCase), refuses: [] }),
  acceptAppeal: route({ id: 'acceptAppeal', method: 'POST', path: '/v1/admin/appeals/:attempt/accept', summary: 'It does not count: what it weighs is taken out of the record by a new entry', who: 'admin', scope: 'admin', fresh: true, params: attemptParams, body: GiveReason, reply: NodeFault, refuses: ['not_found', 'not_in_this_state', 'own_account', 'fresh_sign_in_needed'] }),
  refuseAppeal: route({ id: 'refuseAppeal', method: 'POST', path: '/v1/admin/appeals/:attempt/refuse', summary: 'It counts; its seller reads why', who: 'admin', scope: 'admin', fresh: true, params: attemptParams, body: GiveReason, reply: NodeFault, refuses: ['not_found', 'not_in_this_state', 'own_account', 'fresh_sign_in_needed'] }),
  findNodes: route({ id: 'findNodes', method: 'GET', path: '/v1/admin/nodes', summary: 'Nodes of the whole market, by region, version, state, record and room', who: 'admin', scope: 'admin', query: Page.extend(NodeFilter.shape), reply: list(Node), refuses: [] }),
  getFleet: route({ id: 'getFleet', method: 'GET', path: '/v1/admin/fleet', summary: 'The same nodes, counted by region and by version', who: 'admin', scope: 'admin', query: NodeFilter, reply: Fleet, refuses: [] }),
  cordonNode: route({ id: 'cordonNode', method: 'POST', path: '/v1/admin/nodes/:node/cordon', summary: 'No new work for it, whatever its owner says; or empty it, by a deadline if need be', who: 'admin', scope: 'admin', fresh: true, params: nodeParams, body: CordonNode, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  uncordonNode: route({ id: 'uncordonNode', method: 'POST', path: '/v1/admin/nodes/:node/uncordon', summary: 'It may take work again, when its owner lets it', who: 'admin', scope: 'admin', fresh: true, params: nodeParams, body: GiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  banNode: route({ id: 'banNode', method: 'POST', path: '/v1/admin/nodes/:node/ban', summary: 'Out of the market now: what runs there ends and goes elsewhere, and its agent is refused', who: 'admin', scope: 'admin', fresh: true, params: nodeParams, body: GiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  unbanNode: route({ id: 'unbanNode', method: 'POST', path: '/v1/admin/nodes/:node/unban', summary: 'End a ban: its agent may connect again', who: 'admin', scope: 'admin', fresh: true, params: nodeParams, body: GiveReason, reply: Node, refuses: ['not_found', 'not_in_this_state', 'fresh_sign_in_needed'] }),
  getRevenue: route({ id: 'getRevenue', method: 'GET', path: '/v1/admin/revenue', summary: 'Volume, fees, reversals and what came back, by day, region or template: from the entries of the ledger', who: 'admin', scope: 'admin', query: RevenueQuery, reply: Revenue, refuses: [] }),
  exportRevenue: route({ id: 'exportRevenue', method: 'GET', path: '/v1/exports/revenue', summary: 'The same as CSV', who: 'admin', scope: 'admin', query: RevenueQuery, sends: 'bytes', refuses: [] }),
  exportLedger: route({ id: 'exportLedger', method: 'GET', path: '/v1/exports/ledger', summary: 'The entries of a span as JSON lines, chained by hashes and signed by the market', who: 'admin', scope: 'admin', query: Span, sends: 'bytes', refuses: [] }),
  listHolds: route({ id: 'listHolds', method: 'GET', path: '/v1/admin/holds', summary: 'What is held for jobs that have not ended, oldest first', who: 'admin', scope: 'admin', query: Page.extend({ olderThanMs: z.coerce.number().int().min(0).default(86_400_000) }), reply: list(Hold), refuses: [] }),
  getQueue: route({ id: 'getQueue', method: 'GET', path: '/v1/admin/queue', summary: 'What waits: how much, how long, and why', who: 'admin', scope: 'admin', reply: MarketQueue, refuses: [] }),
  getOverview: route({ id: 'getOverview', method: 'GET', path: '/v1/admin/overview', summary: 'The market at one look: nodes and jobs by state, waits, volume, and how it went in the last day', who: 'admin', scope: 'admin', reply: MarketOverview, refuses: [] }),
  getBackground: route({ id: 'getBackground', method: 'GET', path: '/v1/admin/background', summary: 'What the server does without being asked: did it run lately, and what waits for it', who: 'admin', scope: 'admin', reply: BackgroundWork, refuses: [] }),
  getNodeEvidence: route({ id: 'getNodeEvidence', method: 'GET', path: '/v1/admin/nodes/:node/evidence', summary: 'What a node has shown: its key, how it said hello, its last heartbeat word for word, and its last attempts', who: 'admin', scope: 'admin', params: nodeParams, reply: NodeEvidence, refuses: ['not_found'] }),
  listLedgerAccounts: route({ id: 'listLedgerAccounts', method: 'GET', path: '/v1/admin/accounts', summary: 'Accounts of a class that hold something', who: 'admin', scope: 'admin', query: Page.extend({ class: AccountClass }), reply: list(LedgerAccount), refuses: [] }),
  listUserSessions: route({ id: 'listUserSessions', method: 'GET', path: '/v1/admin/users/:user/sessions', summary: 'Where a user is signed in, newest first', who: 'admin', scope: 'admin', params: userParams, reply: list(Session), refuses: ['not_found'] }),
  endUserSession: route({ id: 'endUserSession', method: 'POST', path: '/v1/admin/users/:user/sessions/:session/end', summary: 'End a session of a user: whoever uses it must sign in again', who: 'admin', scope: 'admin', fresh: true, params: userParams.extend({ session: SessionId }), body: GiveReason, status: 204, refuses: ['not_found', 'fresh_sign_in_needed'] }),
  listMatchingPauses: route({ id: 'listMatchingPauses', method: 'GET', path: '/v1/admin/matching-pauses', summary: 'What operators let nothing new start of, oldest first', who: 'admin', scope: 'admin', reply: list(AdminMatchingPause), refuses: [] }),
  pauseMatching: route({ id: 'pauseMatching', method: 'POST', path: '/v1/admin/matching-pauses', summary: 'Let nothing new start, in the whole market or a class of it; what runs goes on, what waits keeps its place and its hold', who: 'admin', scope: 'admin', fresh: true, body: PauseMatching, reply: AdminMatchingPause, status: 201, refuses: ['queue_full', 'overloaded', 'fresh_sign_in_needed'] }),
  resumeMatching: route({ id: 'resumeMatching', method: 'POST', path: '/v1/admin/matching-pauses/:pause/end', summary: 'Let work start again', who: 'admin', scope: 'admin', fresh: true, params: z.object({ pause: MatchingPauseId }), body: GiveReason, reply: AdminMatchingPause, refuses: ['not_found', 'overloaded', 'fresh_sign_in_needed'] }),
  listDeadDeliveries: route({ id: 'listDeadDeliveries', method: 'GET', path: '/v1/admin/dead-deliveries', summary: 'Messages to webhooks that were given up, newest first', who: 'admin', scope: 'admin', query: Page, reply: list(DeadDelivery), refuses: [] }),
  retryDelivery: route({ id: 'retryDelivery', method: 'POST', path: '/v1/admin/dead-deliveries/:delivery/retry', summary: 'Send it again, under the same id', who: 'admin', scope: 'admin', fresh: true, params: deliveryParams, body: GiveReason, reply: Delivery, refuses: ['not_found', 'not_in_this_state', 'webhook_disabled', 'fresh_sign_in_needed'] }),
  listDeadJobs: route({ id: 'listDeadJobs', method: 'GET', path: '/v1/admin/dead-jobs', summary: 'Jobs that failed for good through no fault of their buyers, newest first', who: 'admin', scope: 'admin', query: Page, reply: list(DeadJob), refuses: [] }),
  retryJob: route({ id: 'retryJob', method: 'POST', path: '/v1/admin/dead-jobs/:job/retry', summary: 'Try a job again that failed through no fault of its buyer: a new job of the same buyer, with the same cap, held anew; once', who: 'admin', scope: 'admin', fresh: true, params: jobParams, body: GiveReason, reply: Job, status: 201, refuses: ['not_found', 'not_in_this_state', 'cannot_retry', 'insufficient_funds', 'cap_too_low', 'blob_missing', 'impossible_request', 'parent_not_found', 'parent_failed', 'parent_files', 'queue_full', 'new_jobs_paused', 'overloaded', 'fresh_sign_in_needed'] }),
  // the market itself
  marketSummary: route({ id: 'marketSummary', method: 'GET', path: '/v1/market', summary: 'The market in figures: what is on offer, at which prices, and how busy it is', who: 'anyone', reply: MarketSummary, refuses: [] }),
  checkLedger: route({ id: 'checkLedger', method: 'GET', path: '/v1/admin/ledger', summary: 'Does everything sum to zero', who: 'admin', scope: 'admin', reply: LedgerCheck, refuses: [] }),
  marketTable: route({ id: 'marketTable', method: 'GET', path: '/v1/admin/market', summary: 'The matchmaking table: nodes, waiting work, last decisions', who: 'admin', scope: 'admin', reply: MarketTable, refuses: [] }),
  healthz: route({ id: 'healthz', method: 'GET', path: '/healthz', summary: 'Is the process alive', who: 'anyone', reply: z.object({ status: z.literal('ok'), version: z.string() }), refuses: [] }),
  readyz: route({ id: 'readyz', method: 'GET', path: '/readyz', summary: 'Can it serve: database, writer', who: 'anyone', reply: z.object({ status: z.enum(['ready', 'not_ready']), reason: z.string().optional() }), refuses: ['unavailable'] }),
  metrics: route({ id: 'metrics', method: 'GET', path: '/metrics', summary: 'Prometheus metrics', who: 'anyone', sends: 'text', refuses: [] }),
  openapi: route({ id: 'openapi', method: 'GET', path: '/openapi.json', summary: 'This interface as OpenAPI 3.1', who: 'anyone', reply: z.unknown(), refuses: [] }),
} as const
export type Routes = typeof routes
export type RouteName = keyof Routes

export type Query<R> = R extends { query: infer Q extends z.ZodType } ? z.infer<Q> : undefined
export type Params<R> = R extends { params: infer P extends z.ZodType } ? z.infer<P> : undefined
export type Body<R> = R extends { body: infer B extends z.ZodType } ? z.infer<B> : undefined
export type BodyInput<R> = R extends { body: infer B extends z.ZodType } ? z.input<B> : undefined
export type Reply<R> = R extends { reply: infer S extends z.ZodType } ? z.infer<S> : undefined
