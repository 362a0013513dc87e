// Every route, called by every kind of caller, for an object of their own, of somebody else, and of nobody. The expectations stand here in words of
// their own; a route that is added without one fails the test.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '@lumaris/protocol'
import type { JobId, Route, RouteName } from '@lumaris/protocol'
import { PATIENT, startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

type Caller = 'anyone' | 'buyerA' | 'buyerB' | 'sellerA' | 'sellerB' | 'admin' | 'agent' | 'readOnlyKey' | 'revokedKey' | 'garbage'
  // For buyerA's account: by role; who was removed, with a token of before, and with a key that he had made for it.
  | 'viewer' | 'submitter' | 'manager' | 'removed' | 'removedKey'
const CALLERS: Caller[] = ['anyone', 'buyerA', 'buyerB', 'sellerA', 'sellerB', 'admin', 'agent', 'readOnlyKey', 'revokedKey', 'garbage', 'viewer', 'submitter', 'manager', 'removed', 'removedKey']
// buyerA owns the job, its attempt, the quote and the key; sellerA the node. `readOnlyKey` is buyerA with only jobs:read.
const PEOPLE: Caller[] = ['buyerA', 'buyerB', 'sellerA', 'sellerB', 'admin']
const MAY: Record<RouteName, Caller[] | 'all'> = {
  register: 'all', login: 'all', refresh: 'all', enrolNode: 'all', openBrowserSession: 'all', renewBrowserSession: 'all', endBrowserSession: 'all', marketSummary: 'all', healthz: 'all', readyz: 'all', metrics: 'all', openapi: 'all',
  startDeviceLogin: 'all', deviceToken: 'all', askPasswordReset: 'all', usePasswordReset: 'all', lookAtMailLink: 'all', stopMail: 'all', // whoever has the link
  // Keys may not, however much they may do: these are for a session of a person (tests/http/second-factor.test.ts).
  listSessions: [], proveSession: [], endSession: [], endOtherSessions: [], getSecondFactor: [], startSecondFactor: [], confirmSecondFactor: [], renewRecoveryCodes: [], stopSecondFactor: [], changePassword: [], lookAtDevice: [], decideDevice: [],
  listAccounts: [...PEOPLE, 'readOnlyKey'], actForAccount: [], leaveAccount: [], lookAtInvitation: 'all', acceptInvitation: [...PEOPLE, 'readOnlyKey'], listMembers: PEOPLE, changeMember: ['buyerA'], removeMember: ['buyerA'], inviteMember: PEOPLE, listInvitations: PEOPLE, revokeInvitation: ['buyerA'], listMemberActs: PEOPLE,
  createWebhook: PEOPLE, listWebhooks: PEOPLE, listAlerts: PEOPLE, readAlerts: PEOPLE, getAlertSettings: PEOPLE, setAlertSettings: PEOPLE, getAlertMail: PEOPLE, setAlertMail: PEOPLE, sendAlertMailCode: PEOPLE, proveAlertMail: PEOPLE, testAlertMail: PEOPLE, exportActions: ['admin'], removeWebhook: ['buyerA'], enableWebhook: ['buyerA'], testWebhook: ['buyerA'], listDeliveries: ['buyerA'], resendDelivery: ['buyerA'],
  logout: [...PEOPLE, 'readOnlyKey'], me: [...PEOPLE, 'readOnlyKey'], createKey: PEOPLE, listKeys: PEOPLE, revokeKey: ['buyerA'],
  createQuote: ['buyerA', 'buyerB'], quoteAround: ['buyerA', 'buyerB'], getQuote: ['buyerA', 'readOnlyKey'], submitJob: ['buyerA', 'buyerB'], listJobs: [...PEOPLE, 'readOnlyKey'],
  getJob: ['buyerA', 'admin', 'readOnlyKey'], cancelJob: ['buyerA', 'admin'], pauseJob: ['buyerA', 'admin'], resumeJob: ['buyerA', 'admin'], moveJob: ['buyerA', 'admin'], recordMerged: ['buyerA'], listTasks: ['buyerA', 'admin', 'readOnlyKey'], listAttempts: ['buyerA', 'admin', 'readOnlyKey'],
  jobEvents: ['buyerA', 'admin', 'readOnlyKey'], myEvents: [...PEOPLE, 'readOnlyKey'], getAttempt: ['buyerA', 'admin', 'readOnlyKey'], attemptLogs: ['buyerA', 'admin', 'readOnlyKey'],
  getReceipt: ['buyerA', 'sellerA', 'admin', 'readOnlyKey'], getResults: ['buyerA', 'admin', 'readOnlyKey'], getResultsZip: ['buyerA', 'admin', 'readOnlyKey'], explainJob: ['buyerA', 'admin', 'readOnlyKey'],
  createStanding: ['buyerA', 'buyerB'], listStanding: [...PEOPLE, 'readOnlyKey'], getStanding: ['buyerA', 'admin', 'readOnlyKey'], standingEvents: ['buyerA', 'admin', 'readOnlyKey'], dropStanding: ['buyerA', 'admin'],
  createSchedule: ['buyerA', 'buyerB'], listSchedules: [...PEOPLE, 'readOnlyKey'], getSchedule: ['buyerA', 'admin', 'readOnlyKey'], pauseSchedule: ['buyerA', 'admin'], resumeSchedule: ['buyerA', 'admin'], removeSchedule: ['buyerA', 'admin'],
  putFilter: [...PEOPLE], listFilters: [...PEOPLE, 'readOnlyKey'], removeFilter: ['buyerA'],
  templateFigures: ['buyerA', 'buyerB', 'readOnlyKey'], putTemplate: ['buyerA', 'buyerB'], listTemplates: ['buyerA', 'buyerB', 'readOnlyKey'], getTemplate: ['buyerA', 'readOnlyKey'], removeTemplate: ['buyerA'],
  fetchBlob: ['buyerA', 'buyerB'], statBlob: [...PEOPLE, 'agent', 'readOnlyKey'], putBlob: [...PEOPLE, 'agent'], getBlob: [...PEOPLE, 'agent', 'readOnlyKey'],
  createEnrolment: ['sellerA', 'sellerB'], listNodes: PEOPLE, getNode: ['sellerA', 'admin'], explainNode: ['sellerA', 'admin'], nodeReadings: ['sellerA', 'admin'], pauseNode: ['sellerA', 'admin'], drainNode: ['sellerA', 'admin'], resumeNode: ['sellerA', 'admin'], priceNode: ['sellerA', 'admin'], getNodeSettings: ['sellerA', 'admin'], askNodeSettings: ['sellerA'], setNodePolicy: ['sellerA'],
  listNodeLoads: PEOPLE, nodeActivity: ['sellerA', 'admin'], testNode: ['sellerA'], removeNode: ['sellerA'],
  getSpend: PEOPLE, exportJobs: [...PEOPLE, 'readOnlyKey'], exportEntries: PEOPLE, exportSpend: PEOPLE,
  getWallet: PEOPLE, listEntries: PEOPLE, createTopup: ['buyerA', 'buyerB'], getAutoTopup: ['buyerA', 'buyerB'], setAutoTopup: ['buyerA', 'buyerB'], stopAutoTopup: ['buyerA', 'buyerB'], getEarnings: ['sellerA', 'sellerB'], getNodesEarnings: ['sellerA', 'sellerB'], getEarningsForecast: ['sellerA', 'sellerB'], listPayouts: ['sellerA', 'sellerB'], requestPayout: ['sellerA', 'sellerB'],
  findEntries: ['admin'], listReversals: ['admin'], proposeReversal: ['admin'], approveReversal: ['admin'], rejectReversal: ['admin'], listActions: ['admin'], listPeople: ['admin'], getPerson: ['admin'], suspendUser: ['admin'], unsuspendUser: ['admin'], setUserRoles: ['admin'], bookDeposit: ['admin'], impersonateUser: ['admin'], endImpersonation: ['admin'], listImpersonations: [...PEOPLE, 'readOnlyKey'], getSettings: ['admin'], listSettingsVersions: ['admin'], changeSettings: ['admin'],
  getNodeReputation: ['sellerA', 'admin'], appealFault: ['sellerA'], listAppeals: ['admin'], acceptAppeal: ['admin'], refuseAppeal: ['admin'],
  getPayoutRule: ['sellerA', 'sellerB'], setPayoutRule: ['sellerA', 'sellerB'], dropPayoutRule: ['sellerA', 'sellerB'], getStatement: ['sellerA', 'sellerB'], exportStatement: ['sellerA', 'sellerB'], getTaxDetails: ['sellerA', 'sellerB'], setTaxDetails: ['sellerA', 'sellerB'], dropTaxDetails: ['sellerA', 'sellerB'],
  getReconciliation: ['admin'], listMismatches: ['admin'], exportMismatches: ['admin'], previewStatement: ['admin'], handInStatement: ['admin'], listStatements: ['admin'], withdrawStatement: ['admin'], linkLine: ['admin'], setMismatchAside: ['admin'], reopenMismatch: ['admin'],
  findNodes: ['admin'], getFleet: ['admin'], cordonNode: ['admin'], uncordonNode: ['admin'], banNode: ['admin'], unbanNode: ['admin'], getRevenue: ['admin'], exportRevenue: ['admin'], exportLedger: ['admin'], listHolds: ['admin'], getQueue: ['admin'], getOverview: ['admin'], getBackground: ['admin'], getNodeEvidence: ['admin'], listLedgerAccounts: ['admin'], listUserSessions: ['admin'], endUserSession: ['admin'], listDeadDeliveries: ['admin'], retryDelivery: ['admin'], listDeadJobs: ['admin'], retryJob: ['admin'], listMatchingPauses: ['admin'], pauseMatching: ['admin'], resumeMatching: ['admin'],
  listIncidents: 'all', openIncident: ['admin'], updateIncident: ['admin'], resolveIncident: ['admin'], nodeEarnings: ['agent'], checkLedger: ['admin'], marketTable: ['admin'],
}
// What those who work for an account may, each also what stands before; all else is the owner's alone.
const VIEWER: RouteName[] = ['me', 'listJobs', 'getJob', 'listTasks', 'listAttempts', 'jobEvents', 'myEvents', 'getAttempt', 'attemptLogs', 'getReceipt', 'getResults', 'explainJob', 'getQuote', 'listStanding', 'getStanding', 'standingEvents', 'listSchedules', 'getSchedule', 'listTemplates', 'getTemplate', 'statBlob', 'getBlob', 'exportJobs', 'getSpend', 'exportEntries', 'exportSpend', 'getWallet', 'listEntries', 'listAlerts', 'getAlertSettings', 'getResultsZip', 'listFilters', 'templateFigures', 'getAutoTopup']
const SUBMITTER: RouteName[] = [...VIEWER, 'createQuote', 'submitJob', 'cancelJob', 'pauseJob', 'resumeJob', 'moveJob', 'recordMerged', 'createStanding', 'dropStanding', 'createSchedule', 'pauseSchedule', 'resumeSchedule', 'removeSchedule', 'putTemplate', 'removeTemplate', 'putBlob', 'quoteAround', 'fetchBlob', 'putFilter', 'removeFilter']
const MANAGER: RouteName[] = [...SUBMITTER, 'createKey', 'listKeys', 'revokeKey', 'createWebhook', 'listWebhooks', 'removeWebhook', 'enableWebhook', 'testWebhook', 'listDeliveries', 'resendDelivery', 'readAlerts', 'setAlertSettings', 'listMembers', 'changeMember', 'removeMember', 'inviteMember', 'listInvitations', 'revokeInvitation', 'listMemberActs']
const MEMBERS: Partial<Record<Caller, readonly RouteName[]>> = { viewer: VIEWER, submitter: SUBMITTER, manager: MANAGER }
const BODIES: Partial<Record<RouteName, unknown>> = {
  createKey: { label: 'x', scopes: ['jobs:read'] }, createQuote: { spec: { command: ['fake:exit', '0'] } }, quoteAround: { spec: { command: ['fake:exit', '0'] } }, submitJob: { cap: '1000', spec: { command: ['fake:exit', '0'] } }, createStanding: { spec: { command: ['fake:exit', '0'], resources: { cpuMillis: 900_000 } } }, createEnrolment: {}, recordMerged: { sha256: '0'.repeat(64), size: 1 }, priceNode: { cpuHour: '5', reason: 'a test' },
  ...Object.fromEntries((['pauseSchedule', 'resumeSchedule', 'removeSchedule', 'dropStanding', 'pauseJob', 'resumeJob', 'cancelJob', 'moveJob', 'pauseNode', 'drainNode', 'resumeNode'] as const).map((name) => [name, { reason: 'a test' }])), askNodeSettings: { share: { cpuPercent: 50 } }, setNodePolicy: {},
  putFilter: { state: 'failed' },
  putTemplate: { spec: { command: ['x', '{{a}}'] }, parameters: { a: {} } },
  createSchedule: { cron: '0 0 29 2 *', cap: '1000', spec: { command: ['fake:exit', '0'] } },
  lookAtInvitation: { code: 'x'.repeat(43) }, acceptInvitation: { code: 'x'.repeat(43) }, changeMember: { role: 'viewer' }, inviteMember: { email: 'somebody@test', role: 'viewer' },
  proveSession: { password: 'x' }, startSecondFactor: { password: 'x' }, confirmSecondFactor: { code: '123456' }, renewRecoveryCodes: { password: 'x', code: '123456' }, stopSecondFactor: { password: 'x', code: '123456' }, changePassword: { password: 'x', next: 'a long new password' }, askPasswordReset: { email: 'nobody@test' }, usePasswordReset: { code: 'x'.repeat(43), password: 'a long new password' }, startDeviceLogin: { client: 'test' }, deviceToken: { deviceCode: 'x'.repeat(43) }, lookAtDevice: { userCode: 'BCDFGHJK' }, decideDevice: { userCode: 'BCDFGHJK', approve: true }, createWebhook: { url: 'https://hooks.example/in' },
  readAlerts: { upTo: `alr_${'0'.repeat(26)}` }, setAlertSettings: {}, setAlertMail: { on: false }, proveAlertMail: { code: '12345678' }, impersonateUser: { reason: 'a test' }, bookDeposit: { amount: '5', reference: 'RF18', reason: 'a test' }, changeSettings: { version: 0, set: { fee: 400 }, reason: 'a test' }, createTopup: { amount: '5' }, setAutoTopup: { below: '1', add: '5', monthlyMost: '5' }, requestPayout: { amount: '5', destination: 'x' }, approveReversal: { reason: 'a test' }, rejectReversal: { reason: 'a test' }, suspendUser: { reason: 'a test' }, unsuspendUser: { reason: 'a test' }, setUserRoles: { roles: ['buyer'], reason: 'a test' },
  appealFault: { text: 'a test' }, acceptAppeal: { reason: 'a test' }, refuseAppeal: { reason: 'a test' }, fetchBlob: { url: 'ftp://x.example/' },
  setPayoutRule: { when: { kind: 'weekly', day: 'mon' }, destination: 'x' }, setTaxDetails: { name: 'A test', address: 'a street', country: 'DE', taxNumber: null },
  cordonNode: { reason: 'a test' }, uncordonNode: { reason: 'a test' }, banNode: { reason: 'a test' }, unbanNode: { reason: 'a test' }, retryDelivery: { reason: 'a test' }, retryJob: { reason: 'a test' }, pauseMatching: { says: 'a test', reason: 'a test', scope: { regions: ['nowhere'] } }, resumeMatching: { reason: 'a test' },
  endUserSession: { reason: 'a test' },
  previewStatement: { text: 'date,reference,amount\n2026-01-02,none,5\n' }, handInStatement: { text: 'date,reference,amount\n2026-01-02,none,5\n', reason: 'a test' }, withdrawStatement: { reason: 'a test' }, reopenMismatch: { reason: 'a test' },
  openIncident: { title: 'A test', severity: 'minor', text: 'a test' }, updateIncident: { text: 'a test' }, resolveIncident: { text: 'a test' },
  login: { email: 'a@b', password: 'x' }, openBrowserSession: { email: 'a@b', password: 'x' }, refresh: { refreshToken: 'x'.repeat(30) }, register: { email: 'nobody', password: 'x', name: 'x' },
  enrolNode: { token: 'x'.repeat(30), publicKey: 'x'.repeat(43), proof: 'x'.repeat(86), name: 'x', capacity: { cpuMillis: 1, memoryBytes: 1, diskBytes: 1, gpus: 0 }, agentVersion: '1' },
}
const NOBODYS = '0'.repeat(26)
/** What a stranger may see: not signed in, not allowed, or not there. */
const isNo = (status: number): boolean => status === 401 || status === 403 || status === 404

let market: TestMarket, spare: string, leaving: string
const keys = {} as Record<Caller, string | null>
const objects = {} as Record<'job' | 'attempt' | 'node' | 'quote' | 'key' | 'standing' | 'schedule' | 'user' | 'incident' | 'reversal' | 'session' | 'webhook' | 'delivery' | 'template' | 'filter' | 'sha256' | 'impersonation' | 'pause' | 'account' | 'invitation' | 'member' | 'token' | 'statement' | 'settlement', string>

beforeAll(async () => {
  market = await startMarket({ server: { settings: PATIENT, webhooks: { loopback: true } } })
  const { demo, call, app } = market
  await market.join('north', { seller: 0 })
  const bob = await app.identity.register({ email: 'bob@test', password: 'a long password of bob', name: 'bob', roles: ['buyer'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  const bobsKey = await app.identity.createKey({ kind: 'user', userId: bob.id, roles: ['buyer'], scopes: 'all' }, { label: 'test', scopes: ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write'] })
  if ('refusal' in bobsKey) throw new Error(bobsKey.refusal)
  const readOnly = (await call(demo.buyer.key, 'POST', '/v1/keys', { label: 'read', scopes: ['jobs:read'] })).body
  const revoked = (await call(demo.buyer.key, 'POST', '/v1/keys', { label: 'gone', scopes: ['jobs:read', 'jobs:write', 'keys:write'] })).body
  await call(demo.buyer.key, 'DELETE', `/v1/keys/${revoked.id}`)
  Object.assign(keys, {
    anyone: null, buyerA: demo.buyer.key, buyerB: bobsKey.secret, sellerA: demo.sellers[0]?.key, sellerB: demo.sellers[1]?.key, admin: demo.admin.key, readOnlyKey: readOnly.secret, revokedKey: revoked.secret, garbage: 'lum_live_nonsense',
  })
  const bytes = new TextEncoder().encode('hello'), sha256 = createHash('sha256').update(bytes).digest('hex')
  expect((await call(demo.buyer.key, 'PUT', `/v1/blobs/${sha256}`, bytes, { 'upload-length': '5' })).status).toBe(201)
  const job = (await market.submit({ command: ['fake:print', 'hello'] })).body
  await market.ended(job.id as JobId)
  const attempt = (await call(demo.buyer.key, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data.at(-1)
  // After the job, which must have run on the first one: a busy machine had it elsewhere.
  spare = (await market.join('spare', { seller: 1, cpuHour: 3 })).nodeId // to be held back and banned
  leaving = (await market.join('gone', { seller: 0 })).nodeId // to be removed
  const carol = await app.identity.register({ email: 'carol@test', password: 'a long password of carol', name: 'carol', roles: ['buyer'] })
  if ('refusal' in carol) throw new Error(carol.refusal)
  await call(demo.buyer.key, 'POST', '/v1/topups', { amount: '5' }, { 'idempotency-key': 'wrong' })
  BODIES.proposeReversal = { entry: `topup:${demo.buyer.id}:wrong`, reason: 'a test' } // there is one, so whoever may is told that it is proposed already
  const reversal = (await call(demo.admin.key, 'POST', '/v1/admin/reversals', { entry: `topup:${demo.buyer.id}:wrong`, reason: 'a test' })).body.id
  expect(reversal).toMatch(/^rev_/)
  const webhook = (await call(demo.buyer.key, 'POST', '/v1/webhooks', { url: 'https://127.0.0.1/in' })).body, delivery = (await call(demo.buyer.key, 'POST', `/v1/webhooks/${webhook.id}/test`)).body
  const works = async (name: string, role: string): Promise<{ id: string; token: string }> => {
    const password = `a long password of ${name}`, user = await app.identity.register({ email: `${name}@test`, password, name, roles: ['buyer', 'seller'] })
    if ('refusal' in user) throw new Error(user.refusal)
    const own = (await call(null, 'POST', '/v1/sessions', { email: `${name}@test`, password })).body.accessToken
    const { code } = (await call(demo.buyer.key, 'POST', '/v1/members/invitations', { email: `${name}@test`, role })).body
    expect((await call(own, 'POST', '/v1/invitations/accept', { code })).status).toBe(201)
    return { id: user.id, token: (await call(own, 'POST', `/v1/accounts/${demo.buyer.id}/act`)).body.accessToken }
  }
  const former = await works('former', 'manager')
  const removedKey = (await call(former.token, 'POST', '/v1/keys', { label: 'stays?', scopes: ['jobs:read', 'jobs:write', 'keys:write'] })).body.secret
  expect((await call(removedKey, 'GET', '/v1/jobs')).status).toBe(200)
  await call(demo.buyer.key, 'DELETE', `/v1/members/${former.id}`)
  Object.assign(keys, { viewer: (await works('victor', 'viewer')).token, submitter: (await works('susan', 'submitter')).token, manager: (await works('mandy', 'manager')).token, removed: former.token, removedKey })
  // An ending of it that is said to have lowered its node's record: whoever may appeal is told so.
  const fault = { attempt: attempt.id, job: job.id, node: attempt.node, owner: demo.sellers[0]?.id, at: 1, cause: 'driver_failed', aspects: ['completion'], seen: {}, appeal: null }
  await app.db.transact([{ sql: 'INSERT INTO faults (id, node, at, doc) VALUES ($1, $2, 1, $3)', params: [attempt.id, attempt.node, JSON.stringify(fault)] }])
  // A statement with a line for a top-up, and one that stands alone; the first two of a pair are settled by whoever may.
  const [handed, topup] = [(await call(demo.admin.key, 'POST', '/v1/admin/statements', { account: 'demo', text: 'date,reference,amount\n2026-01-02,one,0.000005\n2026-01-02,two,5\n2026-01-02,three,5\n', reason: 'a test' })).body.id, `topup:${demo.buyer.id}:wrong`], [one, two, three] = (await call(demo.admin.key, 'GET', '/v1/admin/mismatches?account=demo&kind=not_in_books')).body.data.toSorted((a: { line: { reference: string } }, b: { line: { reference: string } }) => ['one', 'two', 'three'].indexOf(a.line.reference) - ['one', 'two', 'three'].indexOf(b.line.reference))
  BODIES.linkLine = { account: 'demo', line: one.line.id, entry: topup, reason: 'a test' }
  BODIES.setMismatchAside = { account: 'demo', kind: 'not_in_books', line: two.line.id, reason: 'a test' }
  Object.assign(objects, { statement: handed, settlement: (await call(demo.admin.key, 'POST', '/v1/admin/mismatches/aside', { account: 'demo', kind: 'not_in_books', line: three.line.id, reason: 'a test' })).body.id })
  Object.assign(objects, {
    account: demo.buyer.id, member: (await works('spare', 'viewer')).id, invitation: (await call(demo.buyer.key, 'POST', '/v1/members/invitations', { email: 'late@test', role: 'viewer' })).body.id,
    user: carol.id, reversal, incident: (await call(demo.admin.key, 'POST', '/v1/admin/incidents', { title: 'A test', severity: 'minor', text: 'a test' })).body.id,
    job: job.id, attempt: attempt.id, node: attempt.node, quote: (await call(demo.buyer.key, 'POST', '/v1/quotes', { spec: { command: ['fake:exit', '0'] } })).body.id, key: readOnly.id, sha256, session: `ses_${NOBODYS}`, webhook: webhook.id, delivery: delivery.id, standing: (await call(demo.buyer.key, 'POST', '/v1/standing-requests', { spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })).body.id,
    impersonation: (await call(demo.admin.key, 'POST', `/v1/admin/users/${carol.id}/impersonate`, { reason: 'a test' })).body.id,
    schedule: (await call(demo.buyer.key, 'POST', '/v1/schedules', BODIES.createSchedule)).body.id,
    pause: (await call(demo.admin.key, 'POST', '/v1/admin/matching-pauses', BODIES.pauseMatching)).body.id,
    template: (await call(demo.buyer.key, 'PUT', '/v1/templates/mine', BODIES.putTemplate)).body.name,
    filter: (await call(demo.buyer.key, 'PUT', '/v1/filters/mine', BODIES.putFilter)).body.name, token: `${demo.buyer.id}.x`,
  })
})
afterAll(async () => { await market?.stop() })

/** The agent's token is the agent's own business, and a new one with each session: on a busy machine its quick leases run out now and then. So the gateway is asked each time. */
async function keyOf(caller: Caller): Promise<string | null> {
  if (caller !== 'agent') return keys[caller]
  return expect.poll(() => market.app.gateway.tokensForTest()[0], { timeout: 60_000, interval: 20 }).toBeDefined().then(() => market.app.gateway.tokensForTest()[0] ?? null)
}
const fill = (path: string, with_: Record<string, string>): string => path.replace(/:([a-z0-9]+)/g, (_all, name: string) => with_[name] ?? '')

/** Somebody else's, to be ended. */
async function signedIn(user: string): Promise<string> {
  await market.call(null, 'POST', '/v1/sessions', { email: 'carol@test', password: 'a long password of carol' })
  return (await market.call(keys.admin, 'GET', `/v1/admin/users/${user}/sessions`)).body.data[0].id
}
async function status(name: RouteName, caller: Caller, mine: boolean): Promise<number> {
  const route = routes[name] as Route, key = await keyOf(caller)
  const nobodys = { statement: `stm_${NOBODYS}`, settlement: `stl_${NOBODYS}`, account: `usr_${NOBODYS}`, invitation: `inv_${NOBODYS}`, job: `job_${NOBODYS}`, attempt: `att_${NOBODYS}`, node: `nod_${NOBODYS}`, quote: `quo_${NOBODYS}`, standing: `sta_${NOBODYS}`, schedule: `sch_${NOBODYS}`, template: 'nobodys', filter: 'nobodys', key: `key_${NOBODYS}`, user: `usr_${NOBODYS}`, incident: `inc_${NOBODYS}`, reversal: `rev_${NOBODYS}`, impersonation: `imp_${NOBODYS}`, pause: `hal_${NOBODYS}`, session: `ses_${NOBODYS}`, webhook: `whk_${NOBODYS}`, delivery: `msg_${NOBODYS}`, sha256: '0'.repeat(64) }
  const body = BODIES[name] ?? (route.takes === 'raw' ? new Uint8Array() : undefined)
  // Whoever may save one saves it under a name of their own: what is another's must stay unseen below.
  const named = name === 'removeSchedule' && caller === 'admin' && mine ? { ...objects, schedule: (await market.call(market.buyer, 'POST', '/v1/schedules', BODIES.createSchedule)).body.id as string } : name === 'endUserSession' && caller === 'admin' && mine ? { ...objects, session: await signedIn(objects.user) } : name === 'putTemplate' ? { ...objects, template: 'another' } : name === 'putFilter' ? { ...objects, filter: 'another' } : /^(un)?(cordon|ban)Node$/.test(name) ? { ...objects, node: spare } : name === 'removeNode' ? { ...objects, node: leaving } : /^(change|remove)Member$/.test(name) ? { ...objects, user: objects.member } : objects
  // A stream that is allowed would never end; its first bytes tell.
  if (name === 'myEvents') {
    const give = new AbortController()
    const response = await fetch(market.url + route.path, { headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), accept: 'text/event-stream' }, signal: give.signal })
    give.abort()
    return response.status
  }
  return (await market.call(key, route.method, fill(route.path, mine ? named : nobodys), body, route.takes === 'raw' ? { 'upload-length': '5' } : {})).status
}

test('every route has an expectation, and every expectation a route', () => {
  expect(Object.keys(MAY).sort()).toEqual(Object.keys(routes).sort())
})

// What ends or changes an object comes last, so that the others still find it.
const LAST: RouteName[] = ['removeWebhook', 'dropStanding', 'removeSchedule', 'removeTemplate', 'removeNode', 'removeFilter', 'removeMember', 'revokeInvitation', 'withdrawStatement', 'cancelJob', 'logout', 'revokeKey']
const order = [...(Object.keys(MAY) as RouteName[]).filter((name) => !LAST.includes(name)), ...LAST]
for (const name of order) {
  test(`${name}: exactly ${MAY[name] === 'all' ? 'everybody' : MAY[name].join(', ') || 'nobody'} may`, async () => {
    const allowed = MAY[name]
    for (const caller of CALLERS) {
      const got = await status(name, caller, true)
      const bad = caller === 'revokedKey' || caller === 'garbage' || caller === 'removed' || caller === 'removedKey' // a key that is no good is refused everywhere, also where none is needed
      const may = !bad && (allowed === 'all' || allowed.includes(caller))
      const where = `${name} as ${caller}: ${got}`
      if (bad) expect(got, where).toBe(401)
      else if (allowed === 'all') expect([403, 404], where).not.toContain(got)
      // What somebody before has taken away is not there any more: of those who may, nobody is told that he may not.
      else if (MEMBERS[caller]) expect(MEMBERS[caller].includes(name) ? isNo(got) && !(got === 404 && LAST.includes(name)) : !isNo(got), where).toBe(false)
      else if (may) expect(isNo(got), where).toBe(false)
      else expect(isNo(got), where).toBe(true)
      expect(got, where).toBeLessThan(500)
    }
  })
}

test('what does not exist and what is not yours look the same', async () => {
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    if (!route.owner || name === 'revokeKey') continue
    const strange = await market.call(keys.buyerB, route.method, fill(route.path, objects), BODIES[name])
    const absent = await market.call(keys.buyerB, route.method, fill(route.path, { job: `job_${NOBODYS}`, attempt: `att_${NOBODYS}`, node: `nod_${NOBODYS}`, quote: `quo_${NOBODYS}`, standing: `sta_${NOBODYS}`, schedule: `sch_${NOBODYS}`, session: `ses_${NOBODYS}`, webhook: `whk_${NOBODYS}`, delivery: `msg_${NOBODYS}`, template: 'nobodys' }), BODIES[name])
    expect({ ...strange.body, requestId: '' }, name).toEqual({ ...absent.body, requestId: '' })
  }
})
