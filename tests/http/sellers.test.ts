// What sellers say of themselves, of their nodes' work and of their payouts: bad input named by its field, nothing done twice by a second press, and personal details seen by nobody else.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REFUSALS } from '@lumaris/protocol'
import type { JobId, NodeReputation, RefusalCode, TaxDetails, YearStatement } from '@lumaris/protocol'
import { createClient, statementDocument } from '@lumaris/sdk'
import { startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

let market: TestMarket, mine: string, other: string, node: string
const faults: string[] = []
beforeAll(async () => {
  market = await startMarket({ server: { settings: { payoutMinMicros: 1n } } })
  const { demo } = market
  mine = demo.sellers[0]?.key ?? ''
  other = demo.sellers[1]?.key ?? ''
  node = (await market.join('north', { seller: 0, cpuHour: 10 })).nodeId
  await market.ended((await market.submit({ command: ['fake:sleep', '120'] })).body.id as JobId)
  await market.ended((await market.submit({ command: ['fake:fail-driver'], limits: { retries: 1 } })).body.id as JobId)
  faults.push(...((await call(mine, 'GET', `/v1/nodes/${node}/reputation`)).body as NodeReputation).faults.map((one) => one.attempt))
  expect(faults).toHaveLength(2)
}, 300_000)
afterAll(async () => {
  expect((await call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, problems: [] })
  await market.stop()
})
const call: TestMarket['call'] = (...all) => market.call(...all)
function refused(answer: Answer, code: RefusalCode, pointer?: string): void {
  expect(answer.body).toMatchObject({ code, status: REFUSALS[code].status, hint: expect.any(String), requestId: expect.stringMatching(/^req_/) })
  if (pointer !== undefined) expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toContain(pointer)
}
const NEVER = `att_${'0'.repeat(26)}`
const SAM = { name: 'Sam Sell & Söhne', address: 'Long Street 1\n12345 Town', country: 'DE', taxNumber: 'DE 123 456 789' }

test.each([
  [{ ...SAM, name: 'S' }, '/name'], [{ ...SAM, name: 'Sam\u202eSell' }, '/name'], [{ ...SAM, name: 'Sam\nSell' }, '/name'], [{ ...SAM, name: 'x'.repeat(201) }, '/name'], [{ ...SAM, address: '  ' }, '/address'], [{ ...SAM, address: 'a\n'.repeat(9) + 'b' }, '/address'], [{ ...SAM, address: 'a\u0000bc' }, '/address'],
  [{ ...SAM, country: 'Germany' }, '/country'], [{ ...SAM, country: 'de' }, '/country'], [{ ...SAM, country: 'ZZ' }, '/country'], [{ ...SAM, taxNumber: '' }, '/taxNumber'], [{ ...SAM, taxNumber: '123' }, '/taxNumber'], [{ ...SAM, taxNumber: 'none at all' }, '/taxNumber'], [{ ...SAM, taxNumber: '=1+12345' }, '/taxNumber'], [{ ...SAM, taxNumber: 12_345 }, '/taxNumber'], [{ name: 'Sam Sell' }, '/address'],
])('details for a tax office that do not fit: %j', async (body, pointer) => refused(await call(mine, 'PUT', '/v1/tax-details', body), 'invalid_request', pointer))
test('what does not belong among them is refused, and nothing of all that was kept', async () => {
  refused(await call(mine, 'PUT', '/v1/tax-details', { ...SAM, iban: 'x' }), 'invalid_request')
  expect((await call(mine, 'GET', '/v1/tax-details')).body).toEqual({ details: null })
})
test('they stand on the statement, in both files, are changed and taken back; two presses at once leave one of them', async () => {
  const kept = async (): Promise<TaxDetails | null> => (await call(mine, 'GET', '/v1/tax-details')).body.details
  const twice = await Promise.all([SAM, SAM].map((body) => call(mine, 'PUT', '/v1/tax-details', body)))
  expect(twice.map(({ status }) => status)).toEqual([200, 200])
  expect(await kept()).toEqual({ ...SAM, setAt: expect.any(Number) })
  const statement = (await call(mine, 'GET', '/v1/earnings/statement')).body as YearStatement
  expect(statement.taxDetails).toMatchObject(SAM)
  const pieces: Uint8Array[] = []
  for await (const piece of createClient({ url: market.url, token: mine }).csv('statement')) pieces.push(piece)
  const csv = Buffer.concat(pieces).toString()
  expect(csv).toContain('name,Sam Sell & Söhne\r\naddress,"Long Street 1, 12345 Town"\r\ncountry,DE\r\ntax number,DE 123 456 789\r\n')
  const page = statementDocument({ ...statement, taxDetails: { ...SAM, address: '<img src=x>\n"Town"', setAt: 0 } }, 'market.example')
  for (const part of ['Sam Sell &#38; Söhne\n&#60;img src=x&#62;\n&#34;Town&#34;\nGermany', 'Tax number DE 123 456 789', `<td>${csv.split('\r\n').find((line) => line.startsWith(`${statement.year},`))?.split(',')[4]?.replace(/(\.\d\d)0+$|(\.\d*[1-9])0+$/, '$1$2')}</td>`]) expect(page).toContain(part)
  expect(page).not.toMatch(/<img|<script|https?:|src=(?!x&#62;)/)
  expect((await call(mine, 'PUT', '/v1/tax-details', { ...SAM, country: 'AT', taxNumber: null })).body).toMatchObject({ country: 'AT', taxNumber: null })
  expect((await call(mine, 'DELETE', '/v1/tax-details')).status).toBe(204)
  expect((await call(mine, 'DELETE', '/v1/tax-details')).status).toBe(204)
  expect([await kept(), ((await call(mine, 'GET', '/v1/earnings/statement')).body as YearStatement).taxDetails]).toEqual([null, undefined])
})
test('they lie sealed, bound to their user, and are seen by nobody else: not by another seller, not by who works for the account, not in an admin’s view of the user; an admin who looks as the user sees them, and it is written down', async () => {
  const { demo, app } = market, sam = demo.sellers[0]?.id ?? '', bo = demo.sellers[1]?.id ?? ''
  await call(mine, 'PUT', '/v1/tax-details', SAM)
  const [row] = await app.db.query<{ sealed: string }>('SELECT sealed FROM tax_details WHERE user_id = $1', [sam])
  for (const word of ['Sam', 'Long Street', '123 456']) expect(`${row?.sealed}${Buffer.from(row?.sealed ?? '', 'base64url').toString('latin1')}`).not.toContain(word)
  expect((await call(other, 'GET', '/v1/tax-details')).body).toEqual({ details: null })
  await app.db.transact([{ sql: 'INSERT INTO tax_details (user_id, sealed, set_at) VALUES ($1, $2, 1)', params: [bo, row?.sealed ?? ''] }])
  expect((await call(other, 'GET', '/v1/tax-details')).status).toBe(500) // a row copied to another user does not open
  await call(other, 'DELETE', '/v1/tax-details')
  expect(JSON.stringify((await call(demo.admin.key, 'GET', `/v1/admin/users/${sam}`)).body)).not.toContain('Long Street')
  const password = 'a long password of mel', mel = await app.identity.register({ email: 'mel@test', password, name: 'mel', roles: ['buyer'] })
  if ('refusal' in mel) throw new Error(mel.refusal)
  const own = (await call(null, 'POST', '/v1/sessions', { email: 'mel@test', password })).body.accessToken, { code } = (await call(mine, 'POST', '/v1/members/invitations', { email: 'mel@test', role: 'manager' })).body
  expect((await call(own, 'POST', '/v1/invitations/accept', { code })).status).toBe(201)
  const acting = (await call(own, 'POST', `/v1/accounts/${sam}/act`)).body.accessToken
  for (const [method, path, body] of [['GET', '/v1/tax-details'], ['PUT', '/v1/tax-details', SAM], ['DELETE', '/v1/tax-details']] as const) expect((await call(acting, method, path, body)).status, method).toBe(403)
  expect(JSON.stringify((await call(acting, 'GET', '/v1/earnings/statement')).body)).not.toContain('Long Street')
  const look = (await call(demo.admin.key, 'POST', `/v1/admin/users/${sam}/impersonate`, { reason: 'a question about a statement' })).body.token
  expect((await call(look, 'GET', '/v1/tax-details')).body.details).toMatchObject(SAM)
  refused(await call(look, 'PUT', '/v1/tax-details', SAM), 'read_only')
  await expect.poll(async () => JSON.stringify((await call(mine, 'GET', '/v1/users/me/impersonations')).body)).toContain('getTaxDetails')
})

test.each([
  [{}, '/when'], [{ when: { kind: 'daily' }, destination: 'x' }, '/when/kind'], [{ when: { kind: 'weekly', day: 'Monday' }, destination: 'x' }, '/when/day'], [{ when: { kind: 'weekly' }, destination: 'x' }, '/when/day'], [{ when: { kind: 'cleared', amount: '-1' }, destination: 'x' }, '/when/amount'], [{ when: { kind: 'cleared', amount: 5 }, destination: 'x' }, '/when/amount'], [{ when: { kind: 'cleared', amount: '1.5' }, destination: 'x' }, '/when/amount'],
  [{ when: { kind: 'weekly', day: 'mon' } }, '/destination'], [{ when: { kind: 'weekly', day: 'mon' }, destination: ' ' }, '/destination'], [{ when: { kind: 'weekly', day: 'mon' }, destination: 'a\nb' }, '/destination'], [{ when: { kind: 'weekly', day: 'mon' }, destination: 'é' }, '/destination'], [{ when: { kind: 'weekly', day: 'mon' }, destination: 'x'.repeat(81) }, '/destination'], [{ when: { kind: 'weekly', day: 'mon' }, destination: 'x', provider: 'bank' }, '/provider'], [{ when: { kind: 'weekly', day: 'mon', hour: 3 }, destination: 'x' }, '/when'],
])('a rule for payouts that does not fit: %j', async (body, pointer) => {
  refused(await call(mine, 'PUT', '/v1/payout-rule', body), 'invalid_request', pointer)
  expect((await call(mine, 'GET', '/v1/payout-rule')).body).toEqual({ rule: null })
})
test('a rule for less than the market pays out is refused; set and taken back twice at once, it is there once and gone once; no payout comes twice', async () => {
  refused(await call(mine, 'PUT', '/v1/payout-rule', { when: { kind: 'cleared', amount: '0' }, destination: 'x' }), 'amount_not_allowed')
  const rule = { when: { kind: 'cleared', amount: '1' }, destination: 'my account' }, { releaseOnce } = await import('@lumaris/server')
  expect((await Promise.all([rule, rule, rule].map((body) => call(mine, 'PUT', '/v1/payout-rule', body)))).map(({ status }) => status)).toEqual([200, 200, 200])
  expect((await call(mine, 'GET', '/v1/payout-rule')).body.rule).toMatchObject({ rule, state: 'active' })
  expect((await call(mine, 'GET', '/v1/earnings')).body.pending).not.toBe('0')
  // All that was earned clears, and the rule pays it out in one piece.
  await expect.poll(async () => { await releaseOnce(market.app, -60_000); return (await call(mine, 'GET', '/v1/earnings')).body.pending }, { timeout: 60_000 }).toBe('0')
  await expect.poll(async () => (await call(mine, 'GET', '/v1/payouts')).body.data.map(({ byRule, state }: { byRule: boolean; state: string }) => [byRule, state === 'failed']), { timeout: 60_000 }).toEqual([[true, false]])
  expect((await Promise.all([1, 2].map(() => call(mine, 'DELETE', '/v1/payout-rule')))).map(({ status }) => status)).toEqual([204, 204])
  expect((await call(mine, 'GET', '/v1/payout-rule')).body).toEqual({ rule: null })
})

test.each([
  [{ drivers: [] }, '/drivers'], [{ drivers: ['docker'] }, '/drivers/0'], [{ minLevel: 'steel' }, '/minLevel'], [{ images: ['docker.io', 'Library/Python'] }, '/images/1'], [{ images: ['library/python'] }, '/images/0'], [{ images: ['sha256:abc'] }, '/images/0'], [{ images: ['https://docker.io'] }, '/images/0'], [{ images: 'docker.io' }, '/images'], [{ images: Array.from({ length: 101 }, (_, i) => `r${i}.example`) }, '/images'],
  [{ gangs: 'no' }, '/gangs'], [{ egress: 0 }, '/egress'], [{ gpus: null }, '/gpus'], [{ refusedTags: ['Not A Tag'] }, '/refusedTags/0'], [{ refusedTags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, '/refusedTags'], [{ colour: 'red' }, ''],
])('a rule about work that does not fit: %j', async (body, pointer) => {
  refused(await call(mine, 'PUT', `/v1/nodes/${node}/policy`, body), 'invalid_request', pointer)
  expect((await call(mine, 'GET', `/v1/nodes/${node}`)).body.policy).toBe(undefined)
})
test('of a node that is none or somebody else’s no rule is set; two presses leave one rule', async () => {
  for (const id of ['x', `nod_${'0'.repeat(26)}`]) refused(await call(mine, 'PUT', `/v1/nodes/${id}/policy`, {}), 'not_found')
  refused(await call(other, 'PUT', `/v1/nodes/${node}/policy`, {}), 'not_found')
  const policy = { gangs: false, egress: true, gpus: true, refusedTags: ['mining'] }
  expect((await Promise.all([policy, policy].map((body) => call(mine, 'PUT', `/v1/nodes/${node}/policy`, body)))).map(({ body }) => body.policy)).toEqual([policy, policy])
})

test('an appeal that does not fit, and one against an ending that is none', async () => {
  for (const text of [undefined, '', ' x ', 'x'.repeat(1001), 7]) refused(await call(mine, 'POST', `/v1/attempts/${faults[0]}/appeal`, { text }), 'invalid_request', '/text')
  refused(await call(mine, 'POST', `/v1/attempts/${faults[0]}/appeal`, { text: 'The power was cut.', urgent: true }), 'invalid_request', '')
  for (const id of [NEVER, 'x', faults[0]?.toUpperCase()]) refused(await call(mine, 'POST', `/v1/attempts/${id}/appeal`, { text: 'The power was cut.' }), 'not_found')
  for (const what of ['accept', 'refuse']) {
    refused(await call(market.demo.admin.key, 'POST', `/v1/admin/appeals/${NEVER}/${what}`, { reason: 'a test' }), 'not_found')
    refused(await call(market.demo.admin.key, 'POST', `/v1/admin/appeals/${faults[0]}/${what}`, { reason: ' ' }), 'invalid_request', '/reason')
  }
  refused(await call(market.demo.admin.key, 'GET', '/v1/admin/appeals?state=lost'), 'invalid_request')
})
test('appealed five times at once it is appealed once, and accepted and refused at once one of the two is done', async () => {
  const presses = await Promise.all(Array.from({ length: 5 }, () => call(mine, 'POST', `/v1/attempts/${faults[1]}/appeal`, { text: 'The power was cut.' })))
  expect(presses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 4 }, () => REFUSALS.already_appealed.status)])
  const { data } = (await call(market.demo.admin.key, 'GET', '/v1/admin/appeals')).body
  expect(data.map((one: { fault: { attempt: string } }) => one.fault.attempt)).toEqual([faults[1]])
  const decided = await Promise.all(['accept', 'refuse', 'accept'].map((what) => call(market.demo.admin.key, 'POST', `/v1/admin/appeals/${faults[1]}/${what}`, { reason: 'a test' })))
  expect(decided.filter(({ body }) => body.code === undefined)).toHaveLength(1)
  for (const one of decided) if (one.body.code !== undefined) refused(one, 'not_in_this_state')
  expect((await call(mine, 'GET', '/v1/alerts')).body.data.filter((one: { kind: string }) => one.kind === 'appeal_decided')).toHaveLength(1)
})
