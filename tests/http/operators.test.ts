// Payouts, reversals by two admins, suspensions and roles, incidents and the log of admin actions: over the interface that everybody uses.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REFUSALS } from '@lumaris/protocol'
import type { JobId, RefusalCode, Role, UserId } from '@lumaris/protocol'
import { releaseOnce } from '@lumaris/server'
import { QUICK, startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

let market: TestMarket, ann: string, bob: string, seller: string, earner: UserId
const people: Record<string, { id: UserId; key: string }> = {}
async function someone(name: string, roles: Role[]): Promise<{ id: UserId; key: string }> {
  const user = await market.app.identity.register({ email: `${name}@test`, password: `a long password of ${name}`, name, roles })
  if ('refusal' in user) throw new Error(user.refusal)
  const key = await market.app.identity.createKey({ kind: 'user', userId: user.id, roles, scopes: 'all' }, { label: 'test', scopes: ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write', ...(roles.includes('admin') ? (['admin'] as const) : [])] })
  if ('refusal' in key) throw new Error(key.refusal)
  return (people[name] = { id: user.id, key: key.secret })
}
beforeAll(async () => {
  // Micro-credits are enough here: what a test earns in a second is little.
  market = await startMarket({ server: { settings: { ...QUICK, payoutMinMicros: 10n } } })
  ann = (await someone('ann', ['admin'])).key
  bob = (await someone('bob', ['admin'])).key
  await market.join('north', { seller: 0, cpuHour: 36 })
  seller = market.demo.sellers[0]?.key ?? ''
  earner = market.demo.sellers[0]?.id as UserId
})
afterAll(async () => {
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, problems: [] })
  await market.stop()
})
function refused(answer: Answer, code: RefusalCode, detail: object = {}): void {
  expect(answer.body).toMatchObject({ code, status: REFUSALS[code].status, ...(Object.keys(detail).length > 0 ? { detail } : {}) })
}
const wallet = async (key: string) => (await market.call(key, 'GET', '/v1/wallet')).body as Record<'available' | 'held' | 'pending' | 'earned', string>
const earnings = async () => (await market.call(seller, 'GET', '/v1/earnings')).body
/** A job that costs something; its first settlement. */
async function earn(): Promise<{ job: JobId; entry: string; amount: bigint }> {
  const { body } = await market.submit({ command: ['fake:sleep', '60'] }, { cap: '10000000' })
  const job = await market.ended(body.id as JobId)
  expect(job.state).toBe('completed')
  return { job: job.id, entry: `settle:${job.id}.0.0`, amount: BigInt(job.cost) }
}
/** Sealed and past its dispute window: as the loop of the server does it, without the waiting. */
const clear = async (): Promise<void> => { await expect.poll(async () => { await releaseOnce(market.app, -1); return (await wallet(seller)).pending }, { timeout: 60_000 }).toBe('0') }
const payOut = (amount: string, more: { destination?: string; key?: string } = {}) => market.call(seller, 'POST', '/v1/payouts', { amount, destination: more.destination ?? 'my account' }, more.key ? { 'idempotency-key': more.key } : {})
const payouts = async (): Promise<{ id: string; state: string }[]> => (await market.call(seller, 'GET', '/v1/payouts')).body.data
const ended = (id: string) => expect.poll(async () => (await payouts()).find((one) => one.id === id)?.state, { timeout: 60_000 })

test('a payment from outside is booked once, for one user, and is in the log; two admins can reverse it', async () => {
  const cat = await someone('cat', ['buyer']), at = `/v1/admin/users/${cat.id}/deposits`, body = { amount: '5000000', reference: 'RF18-5390', reason: 'bank statement of 20 November' }
  const before = await market.call(ann, 'POST', at, body)
  expect([before.status, before.body.wallet.available]).toEqual([200, '5000000'])
  expect((await Promise.all(Array.from({ length: 20 }, () => market.call(bob, 'POST', at, body)))).map(({ status }) => status)).toEqual(Array<number>(20).fill(200))
  expect((await wallet(cat.key)).available).toBe('5000000')
  refused(await market.call(ann, 'POST', at, { ...body, amount: '6000000' }), 'deposit_booked', { entry: 'deposit:RF18-5390' })
  refused(await market.call(ann, 'POST', `/v1/admin/users/${people['ann']?.id}/deposits`, body), 'deposit_booked')
  refused(await market.call(ann, 'POST', at, { ...body, reference: 'RF19', amount: '1000000001' }), 'amount_not_allowed', { min: '1', max: '1000000000' })
  refused(await market.call(ann, 'POST', '/v1/admin/users/usr_00000000000000000000000000/deposits', { ...body, reference: 'RF19' }), 'not_found')
  for (const reference of ['', ' ', 'a b', 'RF18;x', 'x'.repeat(101)]) refused(await market.call(ann, 'POST', at, { ...body, reference }), 'invalid_request')
  refused(await market.call(cat.key, 'POST', at, { ...body, reference: 'mine' }), 'forbidden')
  expect((await market.call(ann, 'GET', `/v1/admin/actions?subject=${cat.id}`)).body.data).toMatchObject([{ action: 'user.deposit', reason: body.reason, after: { entry: 'deposit:RF18-5390', amount: '5000000' } }])
  expect((await market.call(ann, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, classes: expect.arrayContaining([expect.objectContaining({ class: 'external:bank', balance: '-5000000' })]) })
  const { body: proposed } = await market.call(ann, 'POST', '/v1/admin/reversals', { entry: 'deposit:RF18-5390', reason: 'it was for Dan' })
  await market.call(bob, 'POST', `/v1/admin/reversals/${proposed.id}/approve`, { reason: 'so it was' })
  expect((await wallet(cat.key)).available).toBe('0')
})

test('what only prints is sealed too: a seal never overtakes the end that it is of, or it would never be paid out', async () => {
  const jobs = await Promise.all(Array.from({ length: 6 }, (_one, i) => market.submit({ command: ['fake:print', `${i}`] }, { cap: '10000000' })))
  for (const { body } of jobs) {
    await market.ended(body.id as JobId)
    const { data } = (await market.call(market.demo.buyer.key, 'GET', `/v1/jobs/${body.id}/attempts`)).body as { data: { id: string; state: string }[] }
    const counts = data.find(({ state }) => state === 'valid')
    await expect.poll(async () => (await market.call(market.demo.buyer.key, 'GET', `/v1/attempts/${counts?.id}/receipt`)).body.ticks.at(-1).seal, { message: body.id, timeout: 60_000 }).toBeDefined()
  }
})

test('what is earned is pending, clears, is asked for once, and arrives; what does not arrive comes back', async () => {
  await earn()
  const pending = await earnings()
  expect(pending).toMatchObject({ available: '0', paid: '0', providers: ['demo'] })
  // What the test before has earned, if that was more than nothing, clears at another moment.
  expect(BigInt(pending.nextClearing.amount)).toBeGreaterThan(0n)
  expect(BigInt(pending.nextClearing.amount)).toBeLessThanOrEqual(BigInt(pending.pending))
  expect(pending.nextClearing.at - pending.disputeMs).toBeLessThanOrEqual(Date.now())
  refused(await payOut('100'), 'insufficient_earnings', { available: '0' })
  await clear()
  const { available } = await earnings()
  expect(BigInt(available)).toBe(BigInt(pending.pending))
  refused(await payOut('5'), 'amount_not_allowed', { min: '10' })
  refused(await payOut((BigInt(available) + 1n).toString()), 'insufficient_earnings')
  // Fifty retries of one request at once: one payout.
  const answers = await Promise.all(Array.from({ length: 50 }, () => payOut('20', { key: 'once' })))
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1)
  expect((await payOut('20', { key: 'once' })).headers.get('idempotency-replayed')).toBe('true')
  refused(await payOut('21', { key: 'once' }), 'idempotency_conflict')
  await ended(answers[0]?.body.id).toBe('paid')
  const back = await payOut('30', { destination: 'closed' })
  await ended(back.body.id).toBe('failed')
  expect((await payouts())[0]).toMatchObject({ id: back.body.id, reason: 'the account is closed' })
  expect(await earnings()).toMatchObject({ available: (BigInt(available) - 20n).toString(), paid: '20', onTheWay: '0' })
  const [kept] = await market.app.db.query<{ count: number }>('SELECT COUNT(*) AS count FROM demo_payouts')
  expect(Number(kept?.count)).toBe(2)
})
test.each(['', ' x', 'x ', 'a\nb', 'ü', 'x'.repeat(81)])('a destination that is none: %j', async (destination) => refused(await payOut('20', { destination }), 'invalid_request'))

test('a reversal takes two admins, moves the money back once, and is told in the log', async () => {
  const { entry, amount } = await earn(), before = await wallet(market.buyer)
  expect((await market.call(ann, 'GET', `/v1/admin/entries?job=${entry.slice(7, 37)}`)).body.data.map((one: { id: string }) => one.id)).toContain(entry)
  const proposed = await market.call(ann, 'POST', '/v1/admin/reversals', { entry, reason: 'billed for our own fault' })
  expect(proposed.body).toMatchObject({ state: 'proposed', kind: 'settle', proposedBy: people['ann']?.id })
  refused(await market.call(bob, 'POST', '/v1/admin/reversals', { entry, reason: 'again' }), 'already_reversed')
  const approve = (key: string) => market.call(key, 'POST', `/v1/admin/reversals/${proposed.body.id}/approve`, { reason: 'I looked at it' })
  refused(await approve(ann), 'same_person')
  expect((await wallet(market.buyer)).available).toBe(before.available)
  // The other one presses ten times at once.
  const answers = await Promise.all(Array.from({ length: 10 }, () => approve(bob)))
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  for (const answer of answers.filter(({ status }) => status !== 200)) expect(['not_in_this_state', 'not_found']).toContain(answer.body.code)
  expect(BigInt((await wallet(market.buyer)).available) - BigInt(before.available)).toBe(amount)
  refused(await approve(bob), 'not_in_this_state', { state: 'done' })
  const log = (await market.call(bob, 'GET', `/v1/admin/actions?subject=${proposed.body.id}`)).body.data
  expect(log.map((one: { action: string; byName: string; reason: string }) => [one.action, one.byName, one.reason])).toEqual([['reversal.approve', 'bob', 'I looked at it'], ['reversal.propose', 'ann', 'billed for our own fault']])
  // It never clears.
  await expect.poll(async () => { await releaseOnce(market.app, -1); return (await wallet(seller)).pending }).toBe('0')
  expect((await market.call(seller, 'GET', '/v1/entries?limit=5')).body.data.some((one: { id: string }) => one.id === `release:${entry}`)).toBe(false)
})

test('what has cleared and left cannot be taken back, and the refusal says what is missing', async () => {
  const { entry } = await earn()
  await clear()
  const { available } = await earnings()
  await ended((await payOut(available)).body.id).toBe('paid')
  const proposed = await market.call(ann, 'POST', '/v1/admin/reversals', { entry, reason: 'too late' })
  refused(proposed, 'would_go_below_zero', { account: `seller:${earner}:available`, balance: '0' })
  refused(await market.call(ann, 'POST', '/v1/admin/reversals', { entry: `hold:${entry.slice(7, 37)}`, reason: 'no use' }), 'not_reversible')
  refused(await market.call(ann, 'POST', '/v1/admin/reversals', { entry: 'settle:nothing', reason: 'no such' }), 'not_found')
  refused(await market.call(ann, 'POST', '/v1/admin/reversals', { entry, reason: '' }), 'invalid_request')
  refused(await market.call(ann, 'POST', '/v1/admin/reversals', { entry: "settle:' OR 1=1", reason: 'a trick' }), 'invalid_request')
})

test('somebody who is suspended is out at once: password, session and key; and in again afterwards', async () => {
  const { id, key } = await someone('dan', ['buyer'])
  const session = (await market.call(null, 'POST', '/v1/sessions', { email: 'dan@test', password: 'a long password of dan' })).body
  const suspend = (by: string, user: string) => market.call(by, 'POST', `/v1/admin/users/${user}/suspend`, { reason: 'a stolen card' })
  expect((await market.call(key, 'GET', '/v1/wallet')).status).toBe(200)
  expect((await suspend(ann, id)).body).toMatchObject({ suspended: { by: people['ann']?.id, reason: 'a stolen card' }, sessions: 1, keys: 1, jobs: { live: 0, all: 0 } })
  refused(await market.call(key, 'GET', '/v1/wallet'), 'account_suspended')
  refused(await market.call(session.accessToken, 'POST', '/v1/jobs', { spec: { command: ['x'] } }), 'account_suspended')
  refused(await market.call(null, 'POST', '/v1/sessions', { email: 'dan@test', password: 'a long password of dan' }), 'account_suspended')
  refused(await market.call(null, 'POST', '/v1/sessions', { email: 'dan@test', password: 'not the password' }), 'invalid_credentials') // a stranger learns nothing
  refused(await suspend(ann, id), 'not_in_this_state')
  refused(await suspend(ann, people['ann']?.id ?? ''), 'own_account')
  refused(await suspend(ann, `usr_${'0'.repeat(26)}`), 'not_found')
  expect((await market.call(bob, 'GET', '/v1/admin/users?suspended=yes')).body.data.map((one: { name: string }) => one.name)).toEqual(['dan'])
  expect((await market.call(bob, 'POST', `/v1/admin/users/${id}/unsuspend`, { reason: 'it was his own' })).body.suspended).toBeUndefined()
  expect((await market.call(key, 'GET', '/v1/wallet')).status).toBe(200)
  expect((await market.call(session.accessToken, 'GET', '/v1/wallet')).status).toBe(200)
})

test('the nodes of a suspended seller get no new work; what runs ends and is paid', async () => {
  const running = await market.submit({ command: ['fake:sleep', '1500'] }, { cap: '10000000' })
  await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${running.body.id}`)).body.state).toBe('running')
  await market.call(ann, 'POST', `/v1/admin/users/${earner}/suspend`, { reason: 'to be looked at' })
  expect((await market.call(null, 'GET', '/v1/market')).body.nodes.online).toBe(0)
  const waits = await market.submit({ command: ['fake:exit', '0'] }, { cap: '10000000' })
  expect((await market.ended(running.body.id as JobId)).state).toBe('completed')
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${waits.body.id}`)).body.state).toBe('queued')
  await market.call(bob, 'POST', `/v1/admin/users/${earner}/unsuspend`, { reason: 'all is well' })
  expect((await market.ended(waits.body.id as JobId)).state).toBe('completed')
})

test('there is always an admin: those who rob one another of the role at once leave one behind', async () => {
  const roles = (by: string, user: UserId, given: Role[]) => market.call(by, 'PUT', `/v1/admin/users/${user}/roles`, { roles: given, reason: 'a quarrel' })
  const all = [people['ann'], people['bob'], market.demo.admin] as { id: UserId; key: string }[]
  const answers = await Promise.all(all.flatMap((one, i) => { const other = all[(i + 1) % all.length] as { id: UserId }; return [roles(one.key, other.id, ['buyer'])] }))
  expect(answers.filter(({ body }) => body.code === 'last_admin')).toHaveLength(1)
  const left = (await market.app.db.query<{ id: UserId }>(`SELECT id FROM users WHERE roles LIKE '%"admin"%'`)).map(({ id }) => id)
  expect(left).toHaveLength(1)
  const last = all.find(({ id }) => id === left[0]) as { id: UserId; key: string }
  refused(await roles(last.key, last.id, ['buyer']), 'last_admin')
  for (const { id } of all) expect((await roles(last.key, id, ['admin'])).body.roles).toEqual(['admin'])
  expect((await market.call(ann, 'GET', '/v1/admin/actions?action=user.roles')).body.data).toHaveLength(5)
  refused(await roles(ann, people['dan']?.id as UserId, []), 'invalid_request')
  refused(await roles(ann, people['dan']?.id as UserId, ['buyer', 'buyer']), 'invalid_request')
})

test('an incident is for everybody to see, without who wrote it', async () => {
  const opened = await market.call(ann, 'POST', '/v1/admin/incidents', { title: 'Jobs wait', severity: 'major', text: 'A switch is broken.', regions: ['local'] })
  expect(opened.status).toBe(201)
  expect((await market.call(null, 'GET', '/v1/incidents?state=open')).body.data).toEqual([opened.body])
  expect(JSON.stringify(opened.body)).not.toContain('usr_')
  await market.call(bob, 'POST', `/v1/admin/incidents/${opened.body.id}/updates`, { text: 'We have another one.', severity: 'minor' })
  await market.call(bob, 'POST', `/v1/admin/incidents/${opened.body.id}/resolve`, { text: 'It is in place.' })
  expect((await market.call(null, 'GET', '/v1/incidents?state=open')).body.data).toEqual([])
  expect((await market.call(null, 'GET', '/v1/incidents')).body.data[0]).toMatchObject({ state: 'resolved', severity: 'minor', updates: [{}, {}, { text: 'It is in place.' }] })
  refused(await market.call(bob, 'POST', `/v1/admin/incidents/${opened.body.id}/updates`, { text: 'more' }), 'not_in_this_state')
  refused(await market.call(ann, 'POST', '/v1/admin/incidents', { title: 'turn\u202earound', severity: 'major', text: 'x' }), 'invalid_request')
  refused(await market.call(ann, 'POST', '/v1/admin/incidents', { title: 'x', severity: 'huge', text: '' }), 'invalid_request')
})

test('what an admin does to a stranger’s node stands in the log; what its owner does, does not', async () => {
  const node = (await market.call(seller, 'GET', '/v1/nodes')).body.data[0].id
  await market.call(seller, 'POST', `/v1/nodes/${node}/pause`)
  await market.call(seller, 'POST', `/v1/nodes/${node}/resume`)
  await market.call(bob, 'POST', `/v1/nodes/${node}/pause`, { reason: 'a test of ours' })
  await market.call(bob, 'POST', `/v1/nodes/${node}/resume`, { reason: 'it is over' })
  expect((await market.call(ann, 'GET', `/v1/admin/actions?subject=${node}`)).body.data).toMatchObject([{ action: 'node.resume', byName: 'bob' }, { action: 'node.pause', before: { will: 'open' }, after: { will: 'paused' } }])
})

test('an admin who is no buyer sees everybody’s schedules and standing requests, and stops them with a reason that their owner reads', async () => {
  const admin = market.demo.admin.key, get = async (path: string, key: string | null = admin) => (await market.call(key, 'GET', path)).body
  expect((await get('/v1/users/me')).roles).toEqual(['admin'])
  const schedule = (await market.call(market.buyer, 'POST', '/v1/schedules', { cron: '0 0 29 2 *', timeZone: 'UTC', cap: '1000', spec: { command: ['x'] } })).body.id
  const standing = (await market.call(market.buyer, 'POST', '/v1/standing-requests', { spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })).body.id
  const mine = async (path: string, key: string | null): Promise<string[]> => (await get(path, key)).data.map((one: { id: string }) => one.id)
  expect([await mine('/v1/schedules', admin), await mine('/v1/standing-requests', admin)]).toEqual([expect.arrayContaining([schedule]), expect.arrayContaining([standing])])
  expect([await mine('/v1/schedules', seller), await mine('/v1/standing-requests', seller)]).toEqual([[], []])
  const pause = (body: object) => market.call(admin, 'POST', `/v1/schedules/${schedule}/pause`, body)
  refused(await pause({}), 'reason_needed')
  expect((await get(`/v1/schedules/${schedule}`)).state).toBe('active')
  expect((await pause({ reason: 'it fires into a full queue' })).body).toMatchObject({ state: 'paused' })
  expect(await get(`/v1/schedules/${schedule}`, market.buyer)).toMatchObject({ state: 'paused', admin: { action: 'schedule.pause', reason: 'it fires into a full queue' } })
  refused(await market.call(admin, 'DELETE', `/v1/standing-requests/${standing}`, {}), 'reason_needed')
  expect((await market.call(admin, 'DELETE', `/v1/standing-requests/${standing}`, { reason: 'it asks for what is not' })).status).toBe(204)
  expect((await get(`/v1/standing-requests/${standing}`, market.buyer)).state).toBe('dropped')
  refused(await market.call(seller, 'GET', `/v1/schedules/${schedule}`), 'not_found')
  expect((await get(`/v1/admin/actions?subject=${standing}`)).data).toMatchObject([{ action: 'standing.drop', reason: 'it asks for what is not' }])
})
