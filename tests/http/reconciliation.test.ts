// The books beside the statements of accounts outside, over the interface, on both databases: what is handed in and refused, what does not agree, what is settled, and that the ledger stays as it was.
import { expect } from 'vitest'
import type { Mismatch, Reconciliation } from '@lumaris/protocol'
import type { TestMarket } from '../start-market.ts'
import { onEachDatabase } from './each-database.ts'

const TODAY = new Date().toISOString().slice(0, 10), WHY = 'a test'
const HEAD = 'date,reference,amount\n'

async function compares(market: TestMarket): Promise<void> {
  const { demo, call } = market, admin = demo.admin.key, ann = demo.buyer.id
  const book = async (reference: string, amount: number) => { expect((await call(admin, 'POST', `/v1/admin/users/${ann}/deposits`, { amount: String(amount * 1_000_000), reference, reason: WHY })).status).toBe(200) }
  const handIn = (text: string, more: object = {}) => call(admin, 'POST', '/v1/admin/statements', { text, reason: WHY, ...more })
  const preview = (text: string, more: object = {}) => call(admin, 'POST', '/v1/admin/statements/preview', { text, ...more })
  const all = async () => (await call(admin, 'GET', '/v1/admin/reconciliation')).body as Reconciliation
  const open = async (query = '') => (await call(admin, 'GET', `/v1/admin/mismatches?${query}`)).body.data as Mismatch[]
  const short = (list: Mismatch[]) => list.map(({ kind, line, entry }) => `${kind} ${line?.reference ?? '-'} ${entry?.entry ?? '-'}`).toSorted()
  const log = async () => (await call(admin, 'GET', '/v1/admin/actions')).body.data as { action: string; reason: string; subject: string; after: Record<string, unknown> | null }[]
  const ledger = async () => (await call(admin, 'GET', '/v1/admin/ledger')).body
  expect(await all()).toEqual({ at: expect.any(Number), accounts: [], open: 0 })
  expect((await call(admin, 'GET', '/v1/admin/overview')).body.mismatches).toBe(0)

  for (const [reference, amount] of [['RF-1', 10], ['RF-2', 20], ['RF-3', 30]] as const) await book(reference, amount)
  const before = await ledger()
  const text = `Booked on;Reference;Amount;Balance\r\n${TODAY};rf-1;10.00;1\r\n${TODAY};"RF-2";19.50;1\r\n${TODAY};RF-9;=;1\r\n`
  // Nothing of a statement with a bad line is kept, and it is said which.
  const bad = await handIn(text)
  expect(bad.body).toMatchObject({ code: 'statement_not_read', status: 422, detail: { of: 1, problems: [{ line: 4, says: expect.stringContaining('"=" is no amount') }] } })
  expect((await all()).accounts).toEqual([])
  const good = text.replace(';=;', ';40.00;')
  // What was read is shown before it is kept, and how the books would stand.
  expect((await preview(good)).body).toMatchObject({ account: 'bank', format: 'csv', separator: ';', ignored: ['Balance'], from: TODAY, to: TODAY, lines: 3, known: 0, in: '69500000', out: '0', first: [{ day: TODAY, reference: 'rf-1', amount: '10000000' }, {}, {}], would: { matched: 1, open: { amount_differs: 1, not_in_books: 1, not_on_statement: 1, twice: 0 }, settled: 0, awaiting: 0 } })
  expect((await all()).accounts).toEqual([])
  const handed = await handIn(good, { name: 'november.csv' })
  expect([handed.status, handed.body]).toEqual([201, { id: expect.stringMatching(/^stm_/), account: 'bank', from: TODAY, to: TODAY, lines: 3, known: 0, in: '69500000', out: '0', name: 'november.csv', at: expect.any(Number), by: demo.admin.id, byName: expect.any(String), reason: WHY }])
  expect(await all()).toMatchObject({ open: 3, accounts: [{ account: 'bank', matched: 1, settled: 0, awaiting: 0, covered: [{ from: TODAY, to: TODAY }], lines: 3, entries: 3 }] })
  expect(short(await open())).toEqual(['amount_differs RF-2 deposit:RF-2', 'not_in_books RF-9 -', 'not_on_statement - deposit:RF-3'])
  expect(short(await open('kind=not_in_books'))).toEqual(['not_in_books RF-9 -'])
  expect(await open('account=demo')).toEqual([])
  expect((await call(admin, 'GET', '/v1/admin/overview')).body.mismatches).toBe(3)
  // A page at a time, whatever is settled meanwhile.
  const pages: Mismatch[] = []
  for (let cursor: string | null = ''; cursor !== null;) { const { body } = await call(admin, 'GET', `/v1/admin/mismatches?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`) as { body: { data: Mismatch[]; nextCursor: string | null } }; pages.push(...body.data); cursor = body.nextCursor }
  expect(pages).toEqual(await open())

  // The same lines again, from another export, with one that is new: counted once. The same payment a second time is the second of its kind.
  const again = await handIn(`ref,day,amount\nRF-1,${TODAY},10\nRF-9,${TODAY},"40.000000"\n,${TODAY},30\n`)
  expect(again.body).toMatchObject({ lines: 3, known: 2 })
  expect((await all()).accounts[0]).toMatchObject({ lines: 4, matched: 1 })
  const nameless = (await open('kind=not_in_books')).find(({ line }) => line?.reference === '')
  // It looks like the payment that nobody saw: said, and not matched.
  expect(nameless?.suggestions.map(({ entry }) => entry?.entry)).toEqual(['deposit:RF-3'])
  expect((await open('kind=not_on_statement'))[0]?.suggestions.map(({ line }) => line?.id)).toEqual([nameless?.line?.id])

  // Settled by hand: each with a reason, and a line in the log; the ledger knows nothing of it.
  const link = (line: string | undefined, entry: string, more: object = { reason: WHY }) => call(admin, 'POST', '/v1/admin/mismatches/link', { account: 'bank', line, entry, ...more })
  expect((await link(nameless?.line?.id, 'deposit:RF-3', {})).body).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/reason' }] })
  expect((await link(nameless?.line?.id, 'deposit:RF-1')).body).toMatchObject({ code: 'not_in_this_state', detail: { state: 'matched', entry: 'deposit:RF-1' } })
  expect((await link(nameless?.line?.id, 'deposit:RF-77')).body.code).toBe('not_found')
  const links = await Promise.all(Array.from({ length: 5 }, () => link(nameless?.line?.id, 'deposit:RF-3')))
  expect(links.filter(({ status }) => status === 201)).toHaveLength(1)
  expect(links.filter(({ body }) => body.code === 'not_in_this_state')).toHaveLength(4)
  const aside = (body: object) => call(admin, 'POST', '/v1/admin/mismatches/aside', { account: 'bank', reason: 'the bank kept its fee', ...body })
  const differs = (await open('kind=amount_differs'))[0]!, ofIt = { kind: 'amount_differs', line: differs.line?.id, entry: 'deposit:RF-2' }
  expect((await aside({ ...ofIt, kind: 'twice' })).body.code).toBe('not_found')
  const set = await aside(ofIt)
  expect([set.status, set.body]).toEqual([201, { id: expect.stringMatching(/^stl_/), how: 'aside', reason: 'the bank kept its fee', by: demo.admin.id, byName: expect.any(String), at: expect.any(Number) }])
  expect((await aside(ofIt)).body).toMatchObject({ code: 'not_in_this_state', detail: { state: 'settled' } })
  expect(short(await open())).toEqual(['not_in_books RF-9 -'])
  expect((await open('state=settled')).map(({ line, entry, settled }) => [settled?.how, line?.reference, entry?.entry, settled?.reason].join()).toSorted()).toEqual(['aside,RF-2,deposit:RF-2,the bank kept its fee', `linked,,deposit:RF-3,${WHY}`])
  expect((await call(admin, 'GET', '/v1/admin/overview')).body.mismatches).toBe(1)
  expect(await ledger()).toEqual(before)
  // What is missing is booked, as ever, under its reference: then it agrees.
  await book('RF-9', 40)
  expect(await all()).toMatchObject({ open: 0, accounts: [{ matched: 3, settled: 2 }] })
  expect((await log()).slice(0, 5).map(({ action }) => action)).toEqual(['user.deposit', 'mismatch.aside', 'mismatch.link', 'statement.hand-in', 'statement.hand-in'])
  expect((await log())[1]).toMatchObject({ reason: 'the bank kept its fee', after: { account: 'bank', kind: 'amount_differs', entry: 'deposit:RF-2' } })
  // Taken back, it is open again.
  const reopen = (id: string) => call(admin, 'POST', `/v1/admin/settlements/${id}/reopen`, { reason: 'it was too early' })
  expect((await reopen(set.body.id)).status).toBe(204)
  expect((await reopen(set.body.id)).body.code).toBe('not_in_this_state')
  expect(short(await open())).toEqual(['amount_differs RF-2 deposit:RF-2'])
  expect((await aside(ofIt)).status).toBe(201)

  // A line’s own id is of one line: with another amount it is refused. Until the statement that had it is withdrawn.
  const own = (amount: string, id = 'b-1') => `date,reference,amount,id\n${TODAY},RF-5,${amount},${id}\n`
  const first = await handIn(own('50.00'))
  expect(first.status).toBe(201)
  expect((await handIn(own('5.00'))).body).toMatchObject({ code: 'statement_not_read', detail: { problems: [{ line: 2, says: `the id "b-1" was handed in before, of ${TODAY}, in 50.00, with the reference "RF-5": an id is of one line` }] } })
  expect(short(await open())).toEqual(['not_in_books RF-5 -'])
  const withdraw = (id: string) => call(admin, 'POST', `/v1/admin/statements/${id}/withdraw`, { reason: 'the wrong account' })
  expect((await withdraw(first.body.id)).body).toMatchObject({ id: first.body.id, withdrawn: { by: demo.admin.id, reason: 'the wrong account' } })
  expect((await withdraw(first.body.id)).body.code).toBe('not_in_this_state')
  expect((await all()).open).toBe(0)
  // Of one whose lines stand in another too, those stay.
  expect((await withdraw(again.body.id)).status).toBe(200)
  expect((await all()).accounts[0]).toMatchObject({ lines: 3, matched: 2, open: { not_on_statement: 1 } })
  expect((await handIn(own('5.00'))).status).toBe(201)
  expect((await call(admin, 'GET', '/v1/admin/statements?limit=2')).body).toMatchObject({ data: [{ lines: 1 }, { lines: 1, withdrawn: { reason: 'the wrong account' } }], nextCursor: expect.any(String) })

  // Money that goes back: the reversal and what was booked undo each other, until the statement shows it.
  const { body: proposed } = await call(admin, 'POST', '/v1/admin/reversals', { entry: 'deposit:RF-3', reason: WHY })
  const bob = await market.app.identity.register({ email: 'bob@test', password: 'a long password of bob', name: 'bob', roles: ['admin'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  const bobs = (await call(null, 'POST', '/v1/sessions', { email: 'bob@test', password: 'a long password of bob' })).body.accessToken
  expect((await call(bobs, 'POST', `/v1/admin/reversals/${proposed.id}/approve`, { reason: WHY })).status).toBe(200)
  expect(short(await open())).toEqual(['not_in_books RF-5 -'])
  await handIn(`${HEAD}${TODAY},RF-3,30\n${TODAY},RF-3,-30\n`)
  expect((await all()).accounts[0]).toMatchObject({ matched: 4, open: { not_on_statement: 0 } })

  // As a table for spreadsheets: every line of it, and no cell is a formula.
  await handIn(`${HEAD}${TODAY},"=HYPERLINK(""http://evil.example"")",1\n${TODAY},@SUM(A1),-2\n${TODAY},+1,3\n${TODAY},-1,4\n`)
  const csv = await call(admin, 'GET', '/v1/exports/mismatches'), rows = (csv.body as string).trimEnd().split('\r\n')
  expect([csv.status, csv.headers.get('content-disposition')]).toEqual([200, 'attachment; filename="lumaris-mismatches-open.csv"'])
  expect(rows[0]).toBe('account,what,since,statement day,statement reference,"statement in, credits","statement out, credits",statement id,line,entry,booked,booked references,"booked in, credits","booked out, credits",twice beside,settled,because,by,when')
  expect(rows).toHaveLength(6)
  for (const cell of [`,"'=HYPERLINK(""http://evil.example"")",1.000000,,`, ",'@SUM(A1),,2.000000,", ",'+1,3.000000,", ",'-1,4.000000,"]) expect(csv.body).toContain(cell)
  expect(csv.body).not.toMatch(/(?:^|[,"])[=+\-@]/m)
  expect(((await call(admin, 'GET', '/v1/exports/mismatches?state=settled')).body as string).trimEnd().split('\r\n')).toHaveLength(2)

  // A payout of the demo provider, by the provider's number and by its own; a top-up by its key.
  const seller = demo.sellers[0]!
  await market.app.db.transact([{ sql: "INSERT INTO postings (entry, line, kind, at, debit, credit, amount) VALUES ('topup:by-hand:k-1', 0, 'topup', $2, 'external:demo', $1, 5000000)", params: [`seller:${seller.id}:available`, Date.now()] }])
  const paid: string[] = []
  for (const amount of ['2000000', '3000000']) { const { body } = await call(seller.key, 'POST', '/v1/payouts', { amount, destination: 'x' }); paid.push(body.id) }
  await expect.poll(async () => ((await call(seller.key, 'GET', '/v1/payouts')).body.data as { state: string }[]).every(({ state }) => state === 'paid'), { timeout: 60_000 }).toBe(true)
  const numbers = ((await call(seller.key, 'GET', '/v1/payouts')).body.data as { id: string; reference: string }[])
  await handIn(`date,reference,amount,direction\n${TODAY},${numbers.find(({ id }) => id === paid[0])?.reference},2,out\n${TODAY},${paid[1]},3,out\n${TODAY},k-1,5,in\n`, { account: 'demo' })
  expect((await all()).accounts.find(({ account }) => account === 'demo')).toMatchObject({ matched: 3, open: { not_in_books: 0, amount_differs: 0, twice: 0 } })
  const [top] = await open('account=demo&kind=not_on_statement') // the demo buyer's first credits
  expect((await call(admin, 'POST', '/v1/admin/mismatches/link', { account: 'bank', line: (await open('account=bank'))[0]?.line?.id, entry: top?.entry?.entry, reason: WHY })).body.code).toBe('not_found')
  expect(await ledger()).toMatchObject({ balanced: true })
}
onEachDatabase('statements are compared with the books, and what does not agree is settled', 120_000, compares)

async function attacked(market: TestMarket): Promise<void> {
  const { demo, call } = market, admin = demo.admin.key
  const handIn = (text: string, more: object = {}) => call(admin, 'POST', '/v1/admin/statements', { text, reason: WHY, ...more })
  const says = async (text: string, more: object = {}) => { const { status, body } = await handIn(text, more); return `${status} ${body.code} ${body.detail?.problems?.[0]?.line ?? body.errors?.[0]?.pointer ?? ''}: ${body.detail?.problems?.[0]?.says ?? ''}` }
  expect(await says('')).toMatch(/^400 invalid_request \/text/)
  expect(await says('x'.repeat(4_000_001))).toMatch(/^400 invalid_request \/text/)
  expect(await says('x'.repeat(17_000_000))).toMatch(/^413 body_too_large/)
  expect(await says('\u0000\u0001\u0002PK')).toMatch(/^422 statement_not_read 1: this is no text/)
  expect(await says('PK\u0003\u0004', { account: 'bank' })).toMatch(/^422 statement_not_read 1: a control character/)
  expect(await says(`${HEAD}${TODAY},"${'x'.repeat(3_000_000)}`)).toMatch(/2: a quote is opened here and never closed/)
  expect(await says(`${HEAD}${TODAY},${'x'.repeat(3_000_000)},5`)).toMatch(/2: its reference has 3000000 characters/)
  expect(await says(','.repeat(3_999_999))).toMatch(/^422 statement_not_read 1: .*name the columns in the first line/)
  expect(await says(`${','.repeat(3_999_000)}x`)).toMatch(/^422 statement_not_read 1: it names 3999001 columns: at most 100/)
  expect(await says('"'.repeat(3_999_999))).toMatch(/^422 statement_not_read/)
  expect(await says('{'.repeat(3_000_000))).toMatch(/1: this is no JSON/)
  expect(await says(`${HEAD}${TODAY},r,12,50`)).toMatch(/2: it has 4 cells, and the first line names 3 columns/)
  expect(await says(`${HEAD}${TODAY},r,"12,50"`)).toMatch(/2: "12,50" has a comma/)
  for (const account of ['external:bank', 'Bank', '../bank', "bank' OR 1=1", 'x'.repeat(41)]) expect((await handIn(`${HEAD}${TODAY},r,5`, { account })).body.code).toBe('invalid_request')
  for (const [from, to] of [['2027-13-01', '2027-01-01'], ['yesterday', TODAY], [TODAY, '2199-01-01']]) expect((await handIn(`${HEAD}${TODAY},r,5`, { from, to })).status, `${from} ${to}`).toBeGreaterThanOrEqual(400)
  expect((await handIn(`${HEAD}${TODAY},r,5`, { from: '2026-02-31' })).body.code).toBe('statement_not_read')
  expect((await handIn(`${HEAD}${TODAY},r,5`, { name: 'a\u202eb' })).body.code).toBe('invalid_request')
  expect((await call(admin, 'GET', '/v1/admin/statements')).body.data).toEqual([])
  // As many lines as there may be, all alike but for their numbers; quickly enough, and again at once.
  const many = `${HEAD}${Array.from({ length: 20_000 }, (_, i) => `${TODAY},R-${i % 5_000},${1 + (i % 7)}`).join('\n')}`
  expect((await handIn(many)).body).toMatchObject({ lines: 20_000, known: 0 })
  const [one, two] = await Promise.all([handIn(many), handIn(many)])
  expect([one.body.known, two.body.known]).toEqual([20_000, 20_000])
  expect((await call(admin, 'GET', '/v1/admin/reconciliation')).body).toMatchObject({ open: 20_000, accounts: [{ lines: 20_000 }] })
  expect((await call(admin, 'GET', '/v1/admin/mismatches?limit=200&cursor=nonsense')).status).toBe(200)
}
onEachDatabase('a statement that is none, is huge or means harm is refused, and nothing of it is kept', 120_000, attacked)
