import { z } from 'zod'

// Every expected "no", once: its HTTP status, whether the same request may succeed later, and what to change. A code never changes its
// meaning; a new meaning is a new code.
type Kind = { status: number; retry: boolean; title: string; hint: string }
const no = (status: number, title: string, hint: string, retry = false): Kind => ({ status, retry, title, hint })

export const REFUSALS = {
  // the request itself
  malformed_json: no(400, 'The body is not valid JSON', 'Send one JSON object with Content-Type: application/json.'),
  invalid_request: no(400, 'The request does not fit its schema', 'See errors: each names the field and what it must be.'),
  body_too_large: no(413, 'The body is too large', 'Upload files as blobs and name them by their SHA-256 in the job.'),
  unsupported_media_type: no(415, 'The content type is not supported', 'Use application/json, or application/octet-stream for blobs.'),
  not_found: no(404, 'No such thing, or it is not yours', 'Check the id, and that you are signed in as its owner.'),
  route_not_found: no(404, 'No such address', 'See /openapi.json for the addresses of this API.'),
  method_not_allowed: no(405, 'This address does not take that method', 'See /openapi.json.'),
  idempotency_conflict: no(422, 'This key or id was used before with another body', 'Send a new Idempotency-Key (or job id) for a new request.'),
  rate_limited: no(429, 'Too many requests', 'Wait as long as Retry-After says.', true),
  overloaded: no(503, 'The market is at its limit', 'Wait as long as Retry-After says, then send the same request again: it is safe.', true),
  unavailable: no(503, 'The market cannot answer just now', 'Send the same request again: with the same key it happens at most once.', true),
  internal: no(500, 'Something broke on our side', 'Tell the operator the request id.', true),
  // who is asking
  unauthenticated: no(401, 'You are not signed in', 'Send Authorization: Bearer with an API key or an access token (lumaris login).'),
  invalid_credentials: no(401, 'E-mail or password is wrong', 'Check both; after several tries you must wait.'),
  foreign_origin: no(403, 'The request comes from another site', 'Open the market under its own address and sign in there.'),
  token_expired: no(401, 'The access token has expired', 'Refresh it, or sign in again.'),
  token_revoked: no(401, 'The session or key was revoked', 'Sign in again, or make a new key.'),
  forbidden: no(403, 'You may not do this', 'Your role or the scopes of your key do not allow it.'),
  scope_missing: no(403, 'The key lacks the scope for this', 'Make a key with the scope named in detail.'),
  too_many_attempts: no(429, 'Too many sign-in attempts', 'Wait as long as Retry-After says.', true),
  second_factor_needed: no(401, 'A code is needed too', 'Send it as code: the six digits of your authenticator app, or one of your recovery codes.'),
  second_factor_wrong: no(401, 'The code is not right', 'Take the one that the app shows now. A code works once: after one was used, wait for the next.'),
  second_factor_on: no(409, 'A second factor is on already', 'Turn it off first, to set up another one.'),
  second_factor_off: no(409, 'There is no second factor to do this with', 'Set one up first.'),
  fresh_sign_in_needed: no(403, 'It is long since you signed in', 'Give your password again (POST /v1/sessions/prove), then send the same request. The page asks for it by itself.'),
  reason_needed: no(422, 'It is somebody else’s: say why', 'Send reason in the body. It stands in the log of admin actions for ever, and its owner sees it.'),
  read_only: no(403, 'You only look at what somebody else sees', 'Nothing can be changed with this token. End it, and do it as yourself.'),
  session_needed: no(403, 'An API key cannot do this', 'Sign in with e-mail and password, and do it there.'),
  authorization_pending: no(400, 'Nobody has approved this yet', 'Wait as long as Retry-After says, then ask again.', true),
  slow_down: no(400, 'Asked too soon', 'Wait as long as Retry-After says between two questions.', true),
  access_denied: no(403, 'The sign-in was refused', 'Whoever looked at it said no. Start anew if that was a mistake.'),
  device_code_expired: no(410, 'The code has expired, or was used', 'Start anew: lumaris login --device.'),
  email_taken: no(409, 'This e-mail has an account', 'Sign in instead.'),
  weak_password: no(422, 'The password is too weak', 'Use at least 10 characters that are not a common password.'),
  reset_invalid: no(410, 'The link is wrong, used or over', 'Ask for another one where you sign in, and open the newest mail within half an hour.'),
  reset_by_operator: no(409, 'This market sends no mail', 'Write to its operator, who can set your password anew (lumaris serve --new-password).'),
  account_suspended: no(401, 'This account is suspended', 'Write to the operator of this market.'),
  invitation_invalid: no(410, 'The invitation is wrong, used, taken back or over', 'Ask whoever invited you for a new one.'),
  invitation_for_another: no(403, 'The invitation is for somebody else', 'Sign in, or sign up, with the e-mail address that was invited.'),
  already_member: no(409, 'They work for this account already', 'Change their role instead.'),
  members_full: no(409, 'The account has as many members or open invitations as there may be', 'Remove one that is not needed any more. See most in detail.'),
  not_a_member: no(401, 'You do not work for this account any more', 'Go on as yourself, or ask its owner.'),
  owner_only: no(403, 'Only the owner of the account may do this', 'Ask the owner; or go back to your own account and do it there.'),
  not_below_you: no(403, 'They are not below you', 'A manager invites, changes and removes viewers and submitters. Ask the owner.'),
  member_limit: no(402, 'The job is more than is left of your monthly limit', 'Lower the cap, or ask for a higher limit. See left in detail.'),
  sign_ups_paused: no(403, 'No new accounts just now', 'See says in detail: what the operator of this market tells. Accounts that exist are not concerned.'),
  settings_changed: no(409, 'Somebody else has changed the settings meanwhile', 'Nothing was changed. Look at them again: version in detail is the present one.'),
  nothing_to_change: no(409, 'These are the values already', 'Nothing was changed.'),
  last_admin: no(409, 'This is the last admin', 'Make somebody else an admin first: a market without one can be run by nobody.'),
  own_account: no(409, 'Not on your own account', 'Ask another admin.'),
  key_revoked: no(401, 'The API key was revoked', 'Make a new key.'),
  key_expired: no(401, 'The API key has expired', 'Make a new key.'),
  scope_not_allowed: no(422, 'This scope cannot be given', 'Ask only for scopes that your own roles have.'),
  // money
  insufficient_funds: no(402, 'Not enough credits', 'Top up by the difference between needed and available, or lower the cap.'),
  cap_too_low: no(422, 'The cap does not cover the job', 'Raise the cap, shorten the time limit, or ask for less.'),
  budget_used_up: no(409, 'The budget does not cover another firing', 'Make a new schedule with a larger budget, or wait for its running jobs to give back what they do not use.'),
  quote_expired: no(409, 'The quote has expired', 'Ask for a new quote.'),
  quote_mismatch: no(422, 'The quote was made for another job', 'Submit exactly what was quoted, or ask again.'),
  deposit_booked: no(409, 'A payment with this reference was booked already', 'Look at the entry in detail: each payment is booked once. If it went to the wrong account, reverse it and book it under the reference with an addition.'),
  topup_not_allowed: no(403, 'This provider gives no credits here', 'Use another provider; demo credits exist on demo markets only.'),
  payout_not_allowed: no(403, 'This provider pays nothing out here', 'Use another provider; demo payouts exist on demo markets only.'),
  insufficient_earnings: no(402, 'Not so much has cleared', 'Ask for at most what is available; the rest clears after the dispute window.'),
  not_reversible: no(409, 'This entry cannot be reversed', 'See detail for the reason and for what can be done instead.'),
  already_reversed: no(409, 'This entry is reversed already, or its reversal waits for a second admin', 'See detail for the reversal.'),
  would_go_below_zero: no(409, 'The reversal would take an account below zero', 'See detail for the account and for how much it lacks; nothing was moved.'),
  same_person: no(409, 'The second admin must be another one', 'Ask another admin: nobody approves what he proposed himself.'),
  amount_not_allowed: no(422, 'The amount is out of bounds', 'See detail for the bounds.'),
  statement_not_read: no(422, 'The statement cannot be read as it is', 'See problems in detail: each names a line and what to change. Nothing of it was kept.'),
  // work
  no_node_fits: no(422, 'No node can ever run this as it is', 'See reasons; or submit without no_wait to queue until one joins.'),
  impossible_request: no(422, 'The request contradicts itself', 'See detail.'),
  secrets_missing: no(422, 'A secret of the job has no value', 'Send the values of those named in detail beside the job, in secrets: nothing is kept of an earlier job’s.'),
  parent_not_found: no(422, 'A job that this one comes after does not exist, or is not yours', 'Submit the parents first: see job in detail.'),
  parent_failed: no(409, 'A job that this one comes after has ended and did not complete', 'Run it again under another id, and name that one in after.'),
  parent_cycle: no(422, 'A job cannot come after itself', 'Take its own id out of after.'),
  parent_files: no(422, 'The files of a parent cannot be taken as asked', 'See reason in detail, and the files by lumaris results.'),
  new_jobs_paused: no(503, 'No new jobs are taken just now', 'See says in detail: what the operator of this market tells. What was submitted goes on.'),
  queue_full: no(429, 'Too many of your jobs are waiting', 'Wait for some to finish.', true),
  job_ended: no(409, 'The job has already ended', 'Nothing is left to change.'),
  not_in_this_state: no(409, 'Not possible in this state', 'See detail for the state and what is possible in it.'),
  cannot_move: no(409, 'It cannot be moved as it is', 'See detail: what to add to the job, or which node will do.'),
  cannot_retry: no(409, 'This job cannot be tried again by an admin', 'See reason in detail.'),
  merged_otherwise: no(409, 'Another merged result was recorded for this map', 'The one in detail stays. The same parts merged in the same way give the same bytes: was it merged by another version?'),
  results_not_ready: no(409, 'There are no results yet', 'Wait until the job has completed.'),
  // blobs
  blob_not_found: no(404, 'No such blob', 'Upload it first, then name it by its SHA-256.'),
  blob_missing: no(422, 'An input of the job is not uploaded', 'Upload the blobs named in detail, then submit again.'),
  blob_hash_mismatch: no(422, 'The bytes do not have the promised SHA-256', 'Nothing was stored; hash the file again and upload it from the start.'),
  blob_offset_mismatch: no(409, 'The upload goes on at another offset', 'Continue at the offset in detail.'),
  blob_size_mismatch: no(422, 'The upload has another size than announced', 'Announce the true size.'),
  blob_too_large: no(413, 'The blob is too large', 'See detail for the bound.'),
  url_not_allowed: no(422, 'The market may not fetch from there', 'Give an http or https address on the public internet, without a user name in it, or upload the file. See detail.'),
  url_not_fetched: no(422, 'The file could not be fetched', 'See detail for why; or fetch it yourself and upload it.'),
  bad_range: no(416, 'The range lies outside of the blob', 'See detail for its size.'),
  storage_full: no(507, 'The market has no room for this now', 'Nothing was lost; try again later.', true),
  already_appealed: no(409, 'This ending was appealed against before', 'One appeal is looked at for each: see state in detail, and the node’s reputation for what was said.'),
  // webhooks
  webhook_url_not_allowed: no(422, 'The market may not send there', 'Give an https address on the public internet, without a user name in it. See detail.'),
  webhook_limit: no(409, 'You have as many webhooks as there may be', 'Remove one that is not used any more.'),
  webhook_disabled: no(409, 'The webhook is off', 'Enable it first.'),
  // mail
  no_mail_here: no(409, 'This market sends no mail', 'Look into the inbox, or let a webhook be told (alert.raised). Its operator can give it a mail server.'),
  mail_not_proved: no(409, 'Nobody has proved yet that this address is read', 'Ask for a code (POST /v1/alerts/mail/code, lumaris alerts mail code), then give it.'),
  mail_code_wrong: no(422, 'The code is wrong, used or over', 'Take it from the newest mail, within half an hour. After five wrong ones, ask for another.'),
  mail_too_soon: no(429, 'Asked too soon', 'See againInMs in detail. Look into the folder for spam meanwhile.', true),
  mail_address_unfit: no(422, 'Mail cannot be sent to this address', 'The account signs in with something that no mail server takes. Let a webhook be told instead.'),
  mail_unwanted: no(409, 'Who reads this address has asked for no mail of this market', 'See until in detail: then a code can be sent there again.'),
  mail_link_invalid: no(410, 'The link is not whole, or not of this market', 'Open it again from the mail; or sign in, and turn mail off under Alerts.'),
  // nodes and agents
  enrolment_invalid: no(401, 'The join token is wrong, used or expired', 'Make a new one: lumaris agent token. It works once, for 15 minutes.'),
  node_key_taken: no(409, 'A node with this key is already enrolled', 'Each agent makes its own key; delete the copied one and join again.'),
  node_in_use: no(409, 'Another agent is connected with this key', 'Stop the other agent. A copied key must never run twice.', true),
  stale_session: no(409, 'A newer start of this agent has taken over', 'Stop this process.'),
  protocol_version: no(426, 'The agent speaks another protocol version', 'Update the agent to a version named in detail.'),
  agent_too_old: no(426, 'This market asks for a newer agent', 'Update it on that machine (npm install -g lumaris, or pull the newest version) and start it again: its node, key and work are kept.'),
  bad_signature: no(401, 'The signature does not belong to this node', 'The key file may be damaged; join again.'),
  stale_fence: no(409, 'This attempt was given to another node', 'Drop it; a late result is kept as evidence and not paid.'),
  node_has_work: no(409, 'Work runs on this node', 'Drain it first: what can be moved goes elsewhere, the rest runs to its end. Remove it when nothing runs there.', true),
  self_test_too_soon: no(429, 'A self-test was asked of this node a moment ago', 'See againInMs in detail; what the last one found stands on the node’s page.', true),
  node_retired: no(409, 'The node is retired or banned', 'Join as a new node.'),
} as const satisfies Record<string, Kind>

export type RefusalCode = keyof typeof REFUSALS
export const REFUSAL_CODES = Object.keys(REFUSALS) as [RefusalCode, ...RefusalCode[]]

/** An expected no, as a value: decisions return it, `http/` turns it into a reply, once. */
export type Refusal = { refusal: RefusalCode; detail?: Record<string, unknown> }
export const refuse = (code: RefusalCode, detail?: Record<string, unknown>): Refusal => (detail ? { refusal: code, detail } : { refusal: code })
export const isRefusal = (value: unknown): value is Refusal => typeof value === 'object' && value !== null && 'refusal' in value

/** RFC 9457 problem+json: the body of every reply that is not a success. */
export const Problem = z.object({
  type: z.string(), title: z.string(), status: z.number().int(), code: z.enum(REFUSAL_CODES), hint: z.string(), retry: z.boolean(),
  requestId: z.string(), detail: z.record(z.string(), z.unknown()).optional(),
  errors: z.array(z.object({ pointer: z.string(), message: z.string() })).optional(),
}).meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>
