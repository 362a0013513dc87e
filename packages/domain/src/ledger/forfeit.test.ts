// What a seller loses for a result that others have shown to be wrong, and what it does not.
import { expect, test } from 'vitest'
import type { AttemptId, JobDispatch, JobId } from '@lumaris/protocol'
import { account } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { EntryRow, ForfeitRow, ReversalRow } from '../rows.ts'
import type { Submitted } from '../job/submit.ts'
import { apply } from '../state.ts'
import { checkShare } from '../assurance/enough.ts'
import { recordOf } from '../assurance/records.ts'

const buyer = aUser('buyer'), RIGHT = sha256('right'), WRONG = sha256('wrong'), names = ['a', 'b', 'c', 'd', 'e'] as const
type Name = (typeof names)[number]
/** Five proven sellers; `a` is the cheapest, so it is asked first, and every result is checked. */
function setup(more: { valid?: number; drawn?: string } = {}) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 }, keyed: (text) => (text.startsWith('check ') ? (more.drawn ?? '0').repeat(64) : sha256(text)) })
  market.state.accounts.set(account.insurance, 0n)
  market.fund(buyer, credits(1000))
  const nodes = names.map((name, i) => market.join(name, { cpuHour: 1 + i / 10 }))
  for (const node of nodes) { node.connect(); apply(market.state, { kind: 'lesson', row: { what: 'owner', key: node.row().owner, valid: more.valid ?? 60, wrong: 0 } }) }
  const owner = (name: Name) => nodes[names.indexOf(name)]!.row().owner
  const nameOf = (order: JobDispatch): Name => names[nodes.findIndex(({ id }) => id === order.terms.node)]!
  const orders = (): JobDispatch[] => nodes.flatMap((node) => market.dispatched(node.id))
  const answer = (digest: (name: Name) => string, runMs = 1000): void => { for (let sent = orders(); sent.length > 0; sent = orders()) for (const order of sent) { market.now += runMs; market.report(order, { digest: digest(nameOf(order)), runMs }) } }
  const work = (digest: (name: Name) => string, runMs = 1000): JobId => { const { job } = market.submit(buyer, aSpec({ assurance: '1e-2' })) as Submitted; answer(digest, runMs); return job.id }
  const entries = (): EntryRow[] => market.log.flatMap((change) => (change.kind === 'entry' ? [change.row] : []))
  /** What the store would find: what was settled for this seller and has not gone, newest first. */
  const pendingOf = (name: Name): { attempt: AttemptId; amount: bigint }[] => {
    const gone = new Set([...entries().flatMap(({ kind, attempt }) => (kind === 'release' && attempt ? [attempt] : [])), ...market.state.takenBack])
    return entries().flatMap(({ kind, attempt, postings }) => (kind === 'settle' && attempt && !gone.has(attempt) ? postings.filter(({ to }) => to === account.pending(owner(name))).map(({ amount }) => ({ attempt, amount })) : [])).reverse()
  }
  const owed = (): ForfeitRow[] => [...market.state.forfeits.values()]
  const pay = (row: ForfeitRow, earnings = pendingOf(names.find((name) => owner(name) === row.owner)!)) => market.act({ kind: 'forfeit', attempt: row.attempt, earnings })
  const balance = (name: string): bigint => market.state.accounts.get(name) ?? 0n
  return { market, owner, work, orders, answer, entries, pendingOf, owed, pay, balance }
}
const lies = (name: Name): string => (name === 'a' ? WRONG : RIGHT)
const honest = (): string => RIGHT

test('a lie that three have outvoted costs, beside its pay, two prices for each time it could have hoped not to be checked', () => {
  const { work, owed, pay, balance, owner, pendingOf, entries, market } = setup({ valid: 60 })
  for (let i = 0; i < 40; i++) work(honest)
  const before = balance(account.pending(owner('a'))), record = recordOf(market.state, owner('a'))
  work(lies)
  const [row] = owed() as [ForfeitRow]
  expect(row).toMatchObject({ owner: owner('a'), state: 'due', record: { valid: 100, wrong: 0 }, taken: 0n })
  expect(record.valid).toBe(100)
  expect(Number(row.most) / Number(row.price)).toBeCloseTo(2 / checkShare(record), 2) // twenty
  expect(balance(account.pending(owner('a')))).toBe(before) // nothing has moved yet
  const each = pendingOf('a')[0]!.amount
  pay(row)
  const taken = before - balance(account.pending(owner('a')))
  expect(taken).toBeGreaterThanOrEqual(row.most)
  expect(taken).toBeLessThan(row.most + each)
  expect(balance(account.insurance)).toBe(taken)
  expect(entries().filter(({ kind }) => kind === 'forfeit')).toMatchObject([{ id: `forfeit:${row.attempt}`, attempt: row.attempt, job: row.job, postings: [{ from: account.pending(owner('a')), to: account.insurance, amount: taken }] }])
})

test('it never takes more than there is, and takes it once, however often it is asked', () => {
  const { work, owed, pay, balance, owner, pendingOf, entries } = setup({ valid: 5000 })
  work(honest)
  work(lies)
  const [row] = owed() as [ForfeitRow], earnings = pendingOf('a'), had = balance(account.pending(owner('a')))
  expect(row.most).toBe((row.price * 2000n) / 20n)
  expect(row.most).toBeGreaterThan(had)
  for (let i = 0; i < 3; i++) pay(row, earnings)
  expect(balance(account.pending(owner('a')))).toBe(0n)
  expect(balance(account.insurance)).toBe(had)
  expect(entries().filter(({ kind }) => kind === 'forfeit')).toHaveLength(1)
  expect(owed()).toEqual([])
})

test('while a debt is open nothing of that seller clears, and what was taken never does; others clear as ever', () => {
  const { market, work, owed, pay, balance, owner, pendingOf } = setup()
  for (let i = 0; i < 40; i++) work(honest)
  const of = (name: Name) => pendingOf(name).map((one) => ({ ...one, seller: owner(name) })), [first, ...rest] = of('a')
  const other = names.find((name) => name !== 'a' && of(name).length > 0)!
  work(lies)
  expect(market.act({ kind: 'release', due: [first!, of(other)[0]!] })).toEqual({ ok: true, released: 1 })
  pay(owed()[0]!)
  expect(market.act({ kind: 'release', due: [first!, ...rest] })).toMatchObject({ ok: true })
  expect(balance(account.pending(owner('a')))).toBe(0n)
  expect(balance(account.insurance)).toBeGreaterThan(0n)
})

test('two lies found at once take from the same earnings only once', () => {
  const { market, answer, work, owed, pay, balance, owner, pendingOf } = setup({ valid: 200 })
  for (let i = 0; i < 30; i++) work(honest)
  for (let i = 0; i < 2; i++) market.submit(buyer, aSpec({ assurance: '1e-2' }))
  answer(lies)
  const both = owed(), earnings = pendingOf('a'), had = balance(account.pending(owner('a')))
  expect(both).toHaveLength(2)
  for (const row of both) pay(row, earnings) // both passes saw the same list
  expect(balance(account.pending(owner('a'))) + balance(account.insurance)).toBe(had)
  expect(balance(account.pending(owner('a')))).toBeGreaterThanOrEqual(0n)
})

test('nobody owes where nothing was decided, or where fewer than three outvoted it', () => {
  const undecided = setup()
  undecided.work((name) => sha256(name))
  expect(undecided.owed()).toEqual([])
  const { market, answer, owed } = setup()
  market.submit(buyer, aSpec({ copies: 2 }))
  answer((name) => (name === 'a' ? WRONG : RIGHT))
  expect([...market.state.owners.values()].some(({ wrong }) => wrong === 1)).toBe(true)
  expect(owed()).toEqual([]) // a pair against one: its record is gone, its money is not
})

test('a lie that claims little costs little: the price is what it would have been paid', () => {
  const { work, owed } = setup()
  work(lies, 1000)
  const [slow] = owed() as [ForfeitRow], quick = setup()
  quick.work(lies, 10)
  expect(quick.owed()[0]!.price).toBeLessThan(slow.price / 50n)
})

test('two admins give it back, free to be paid out, with the record; and what was forfeited is not reversed a second way', () => {
  const { market, work, owed, pay, balance, owner, entries } = setup()
  market.state.accounts.set(account.earned(owner('a')), 0n)
  for (let i = 0; i < 40; i++) work(honest)
  work(lies)
  const [row] = owed() as [ForfeitRow]
  pay(row)
  const taken = balance(account.insurance), name = `forfeit:${row.attempt}`, forfeited = [...market.state.takenBack][0]
  const settle = entries().find(({ kind, attempt }) => kind === 'settle' && attempt === forfeited)!
  market.state.entries.set(settle.id, settle)
  market.state.entries.set(name, entries().find(({ id }) => id === name)!)
  expect(market.act({ kind: 'proposeReversal', by: aUser('ann'), entry: settle.id, reason: 'x' })).toMatchObject({ refusal: 'already_reversed', detail: { forfeited } })
  const debt = market.log.flatMap((change) => (change.kind === 'forfeit' && change.row.state === 'done' ? [change.row] : []))[0]!, recordNow = () => { const { valid, wrong } = market.state.owners.get(owner('a'))!; return { valid, wrong } }
  expect(recordNow()).toEqual({ valid: 0, wrong: 1 })
  market.state.forfeited.set(row.attempt, debt)
  const proposal = market.act({ kind: 'proposeReversal', by: aUser('ann'), entry: name, reason: 'the program reads the clock' }) as ReversalRow
  market.act({ kind: 'approveReversal', by: aUser('bob'), id: proposal.id, reason: 'so it does' })
  expect([balance(account.insurance), balance(account.earned(owner('a')))]).toEqual([0n, taken])
  // And its record, as it stood before.
  expect(debt.record.valid).toBeGreaterThan(0)
  expect(recordNow()).toEqual({ valid: debt.record.valid, wrong: 0 })
  market.state.entries.set(`reversal:${name}`, entries().find(({ id }) => id === `reversal:${name}`)!)
  expect(market.act({ kind: 'proposeReversal', by: aUser('ann'), entry: name, reason: 'again' })).toMatchObject({ refusal: 'already_reversed' })
})
