// Jobs with assurance on a whole market: who is asked, who is paid, what is remembered.
import { expect, test } from 'vitest'
import type { Assurance, JobDispatch, JobId } from '@lumaris/protocol'
import { account, isRefusal } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, prices, sha256 } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import { apply } from '../state.ts'
import { recordOf } from './records.ts'

const buyer = aUser('buyer'), RIGHT = 'a'.repeat(64), WRONG = 'b'.repeat(64)
function marketOf(names: readonly string[], more: { keyed?: (text: string) => string; /** Of what two agree on, whether it is given to a third. */ again?: string; owners?: Record<string, string> } = {}) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 }, keyed: (text) => (text.startsWith('again ') ? (more.again ?? 'f').repeat(64) : (more.keyed ?? ((other) => sha256(`a key for tests ${other}`)))(text)) })
  market.fund(buyer, credits(1000))
  // Each a little dearer than the one before: without a draw, the first of them is always chosen.
  const nodes = names.map((name, i) => market.join(name, { cpuHour: 1 + i / 10, ...(more.owners?.[name] ? { owner: aUser(more.owners[name]) } : {}) }))
  for (const node of nodes) node.connect()
  const nameOf = (order: JobDispatch): string => names[nodes.findIndex((node) => node.id === order.terms.node)] as string
  const orders = (): JobDispatch[] => nodes.flatMap((node) => market.dispatched(node.id))
  const owner = (name: string) => nodes[names.indexOf(name)]!.row().owner
  return {
    market, nodes, nameOf, owner, record: (name: string) => { const { valid, wrong } = recordOf(market.state, owner(name)); return { valid, wrong } },
    /** What answers for its results: with nothing pending whoever is asked first is always checked. */
    bond: (name: string, amount: bigint) => market.state.accounts.set(account.pending(owner(name)), amount),
    give: (name: string, valid: number, wrong = 0) => apply(market.state, { kind: 'lesson', row: { what: 'owner', key: owner(name), valid, wrong } }),
    submit: (assurance: Assurance): JobId => (market.submit(buyer, aSpec({ assurance })) as Submitted).job.id,
    orders,
    /** Everybody who is asked answers; gives back who was, in turn. */
    answer: (what: (name: string) => string): string[] => {
      const asked: string[] = []
      for (let sent = orders(); sent.length > 0; sent = orders()) for (const order of sent) {
        asked.push(nameOf(order))
        market.now += 1000
        market.report(order, { digest: what(nameOf(order)) })
      }
      return asked
    },
  }
}
const honest = () => RIGHT

test('the first result of a newcomer is not enough: two more owners are asked, one after the other, and all three are paid', () => {
  const { market, submit, orders, nameOf, record } = marketOf(['a', 'b', 'c', 'd'])
  const job = submit('1e-2'), asked: string[] = []
  for (let turn = 1; turn <= 3; turn++) {
    const [order, another] = orders()
    expect(another).toBeUndefined()
    asked.push(nameOf(order!))
    market.now += 1000
    market.report(order!, { digest: RIGHT })
    expect(market.job(job)?.state).toBe(turn < 3 ? 'running' : 'completed')
  }
  expect(new Set(asked).size).toBe(3)
  const { attempts, row } = market.state.jobs.get(job)!
  expect(attempts.map(({ state }) => state)).toEqual(['valid', 'valid', 'valid'])
  expect(attempts.reduce((sum, { billed }) => sum + billed!, 0n)).toBe(row.cost)
  expect(attempts.every(({ billed }) => billed! > 0n)).toBe(true)
  for (const name of asked) expect(record(name)).toEqual({ valid: 1, wrong: 0 })
  for (const { node } of attempts) expect(market.state.profiles.get(node)?.reputation.tallies.correctness).toMatchObject({ well: 1, ill: 0 })
})

test('who has shown enough is accepted on trust, which confirms nothing; the draw asks for a check, which does', () => {
  for (const [drawn, copies] of [['f', 1], ['0', 2]] as const) {
    const { market, submit, answer, give, bond, record } = marketOf(['a', 'b', 'c'], { keyed: (text) => (text.startsWith('check ') ? drawn : '0').repeat(64) })
    for (const name of ['a', 'b', 'c']) { give(name, 50); bond(name, credits(1)) }
    const job = submit('1e-2')
    expect(answer(honest)).toHaveLength(copies)
    expect(market.job(job)?.state).toBe('completed')
    expect(record('a')).toEqual({ valid: copies === 1 ? 50 : 51, wrong: 0 })
    const [first] = market.state.jobs.get(job)!.attempts
    expect(market.state.profiles.get(first!.node)?.reputation.tallies.correctness.well).toBe(copies === 1 ? 0 : 1)
  }
})

test('what two agree on is now and then given to a third before it counts: a pair whose lie nobody else would have seen is outvoted', () => {
  for (const [again, asked] of [['f', 2], ['0', 5]] as const) {
    const { market, nodes, submit, answer, give, bond, record } = marketOf(['liar', 'twin', 'b', 'c', 'd'], { again, keyed: (text) => (text.startsWith('check ') ? '0'.repeat(64) : sha256(text)) })
    for (const name of ['liar', 'twin', 'b', 'c', 'd']) { give(name, 100); bond(name, credits(1)) }
    for (const node of nodes.slice(2)) market.act({ kind: 'will', node: node.id, will: 'paused' })
    const job = submit('1e-2')
    expect(answer((name) => (name === 'liar' || name === 'twin' ? WRONG : RIGHT))).toHaveLength(2)
    for (const node of market.state.nodes.keys()) market.act({ kind: 'will', node, will: 'open' })
    const copies = 2 + answer((name) => (name === 'liar' || name === 'twin' ? WRONG : RIGHT)).length
    expect([market.job(job)?.state, market.attempt(market.state.jobs.get(job)!.tasks[0]!.result!)?.digest]).toEqual(['completed', again === 'f' ? WRONG : RIGHT])
    expect(copies).toBe(asked)
    expect(record('twin')).toEqual(again === 'f' ? { valid: 101, wrong: 0 } : { valid: 0, wrong: 1 })
    expect(market.state.forfeits.size).toBe(again === 'f' ? 0 : 2)
  }
})

test('who has nothing to lose is checked, however good its record: the draw asks for as much as the bond lacks', () => {
  // The draw is one half. The result is worth p: with p/2 pending it is checked in any case, with 4 p in three of ten cases.
  for (const [pending, copies] of [[0, 2], [0.5, 2], [4, 1]] as const) {
    const { market, submit, answer, give, bond } = marketOf(['a', 'b', 'c'], { keyed: (text) => (text.startsWith('check ') ? '8' : '0').padEnd(64, '0') })
    for (const name of ['a', 'b', 'c']) give(name, 500)
    const price = 278n // one processor for a second at one credit an hour
    bond('a', BigInt(Math.round(pending * Number(price))))
    submit('1e-2')
    expect(answer(honest)).toHaveLength(copies)
    expect(market.state.accounts.get(account.pending(market.state.nodes.values().next().value!.owner))).toBeGreaterThan(0n)
  }
})

test('the draw is made from the committed digest under the secret key, and from nothing else', () => {
  const texts: string[] = []
  const { market, submit, orders, give } = marketOf(['a', 'b'], { keyed: (text) => { texts.push(text); return 'f'.repeat(64) } })
  give('a', 50)
  submit('1e-2')
  const [order] = orders()
  expect(texts).toEqual([]) // nothing is drawn while it runs
  market.report(order!, { digest: RIGHT })
  expect(texts).toEqual([`check ${order!.attempt_id} ${RIGHT}`])
})

test('a cheat who is checked is outvoted by three, unpaid, and always checked from then on', () => {
  const { market, submit, answer, give, record, nodes } = marketOf(['a', 'b', 'c', 'd'], { keyed: (text) => (text.startsWith('check ') ? '0'.repeat(64) : sha256(text)) })
  for (const name of ['a', 'b', 'c', 'd']) give(name, 60)
  const job = submit('1e-2')
  expect(answer((name) => (name === 'a' ? WRONG : RIGHT)).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  expect(market.job(job)?.state).toBe('completed')
  const lie = market.state.jobs.get(job)!.attempts.find(({ node }) => node === nodes[0]!.id)
  expect(lie).toMatchObject({ state: 'invalid', cause: 'wrong_result', billed: null })
  expect(record('a')).toEqual({ valid: 0, wrong: 1 })
  for (const name of ['b', 'c', 'd']) expect(record(name)).toEqual({ valid: 61, wrong: 0 })
  market.act({ kind: 'price', node: nodes[0]!.id, prices: prices(0.1) }) // or it would not be asked first, with so little to show
  submit('1e-2')
  const [first, ...checks] = answer(honest)
  expect([first, checks.length]).toEqual(['a', 1])
  expect(record('a')).toEqual({ valid: 1, wrong: 1 })
})

test('what checks will cost counts in the choice: a proven seller is asked first although a newcomer is cheaper, but not for work without assurance', () => {
  const { market, submit, orders, give, nameOf } = marketOf(['newcomer', 'proven'])
  give('proven', 100)
  submit('1e-2')
  expect(orders().map(nameOf)).toEqual(['proven'])
  market.submit(buyer, aSpec())
  expect(orders().map(nameOf)).toEqual(['newcomer'])
})

test('a pair that gives the same wrong answer does not win against one who disagrees', () => {
  const { market, submit, answer, give, record } = marketOf(['liar', 'twin', 'b', 'c', 'd'], { keyed: (text) => (text.startsWith('check ') ? '0'.repeat(64) : sha256(text)) })
  for (const name of ['liar', 'b', 'c', 'd']) give(name, 60)
  give('twin', 3) // not proven: the liar's word and the twin's still leave the liar's own risk
  give('liar', 5)
  const job = submit('1e-2')
  answer((name) => (name === 'liar' || name === 'twin' ? WRONG : RIGHT))
  expect(market.job(job)?.state).toBe('completed')
  expect(market.attempt(market.state.jobs.get(job)!.tasks[0]!.result!)?.digest).toBe(RIGHT)
  expect(record('liar')).toEqual({ valid: 0, wrong: 1 })
})

test('two nodes of one owner never check one another', () => {
  const { market, submit, orders, nameOf } = marketOf(['a', 'b', 'c'], { owners: { a: 'one person', b: 'one person' } })
  submit('1e-2')
  const asked: string[] = []
  for (let [order] = orders(); order; [order] = orders()) { asked.push(nameOf(order)); market.report(order, { digest: RIGHT }) }
  expect(asked).toHaveLength(2)
  expect(asked).toContain('c')
})

test('who checks is drawn: not always the cheapest, and still somebody when none of the drawn has room', () => {
  const names = Array.from({ length: 24 }, (_, i) => `n${i}`), checkers = new Set<string>()
  const { submit, answer, give, market, nodes } = marketOf(names)
  for (let i = 0; i < 30; i++) {
    for (const name of names) give(name, 10) // always checked
    submit('1e-2')
    const [first, check, more] = answer(honest)
    expect(first).toBe('n0')
    expect(more).toBeUndefined()
    checkers.add(check!)
  }
  expect(checkers.size).toBeGreaterThan(5)
  for (const node of nodes.slice(2)) market.act({ kind: 'will', node: node.id, will: 'paused' })
  for (const name of names) give(name, 10)
  submit('1e-2')
  expect(answer(honest)).toEqual(['n0', 'n1'])
})

test('a program that never answers the same ends undecided: nobody is paid, and nobody is blamed', () => {
  const { market, submit, answer, record } = marketOf(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  const job = submit('1e-2')
  expect(answer((name) => sha256(name))).toHaveLength(5)
  expect(market.job(job)).toMatchObject({ state: 'failed', cause: 'wrong_result', cost: 0n })
  for (const name of ['a', 'b', 'c', 'd', 'e']) expect(record(name)).toEqual({ valid: 0, wrong: 0 })
  expect([...market.state.profiles.values()].every(({ reputation }) => reputation.tallies.correctness.ill === 0)).toBe(true)
})

test('a tight bound asks only owners who have shown something, and waits for them', () => {
  const { market, submit, answer, give } = marketOf(['a', 'b', 'c', 'd'])
  const job = submit('1e-4')
  expect(answer(honest)).toEqual([])
  expect(market.job(job)?.state).toBe('queued')
  for (const name of ['b', 'c', 'd']) give(name, 10)
  market.pass(61_000)
  expect(answer(honest).toSorted()).toEqual(['b', 'c', 'd'])
  expect(market.job(job)?.state).toBe('completed')
})

test('the cap covers the most that the bound may take, the quote what it will probably be', () => {
  const { market, give } = marketOf(['a', 'b', 'c'])
  const quoteOf = (more: Parameters<typeof aSpec>[0]) => { const spec = aSpec(more); return market.act({ kind: 'quote', buyer, spec, specHash: 'x' }) as { p50: string; p90: string; cap: string; attemptCap: string } }
  const plain = quoteOf({}), fresh = quoteOf({ assurance: '1e-2' })
  expect(BigInt(fresh.cap)).toBe(6n * BigInt(plain.cap))
  expect(BigInt(fresh.p50)).toBe(3n * BigInt(plain.p50))
  for (const name of ['a', 'b', 'c']) give(name, 100)
  expect(BigInt(quoteOf({ assurance: '1e-2' }).p50)).toBe((1100n * BigInt(plain.p50)) / 1000n)
  expect(BigInt(quoteOf({ assurance: '1e-6' }).p90)).toBe(3n * BigInt(plain.p90))
  expect(BigInt(quoteOf({ assurance: '1e-6' }).cap)).toBe(8n * BigInt(plain.cap))
})

const RESULT = [{ path: 'out', blob: sha256('right'), size: 5 }], LIE = [{ path: 'out', blob: sha256('lie'), size: 3 }]
function known(names: readonly string[], files: (name: string) => typeof RESULT, more: { valid?: number } = {}) {
  const { market, orders, nameOf, record, give, bond } = marketOf(names, { keyed: (text) => (text.startsWith('check ') ? 'f'.repeat(64) : sha256(text)) })
  for (const name of names) { if (more.valid !== undefined) give(name, more.valid); bond(name, credits(1)) }
  const { job } = market.submit(buyer, aSpec({ assurance: '1e-2', tasks: [{ known: [{ path: 'out', blob: RESULT[0]!.blob }] }] })) as Submitted, asked: string[] = []
  for (let sent = orders(); sent.length > 0; sent = orders()) for (const order of sent) { expect(JSON.stringify(order)).not.toContain(RESULT[0]!.blob); asked.push(nameOf(order)); market.now += 1000; market.report(order, { digest: sha256(files(nameOf(order))[0]!.path), files: files(nameOf(order)) }) }
  return { market, asked, record, job: market.job(job.id) }
}

test('a result that the buyer knows needs no check, also of a newcomer, and makes nobody a name; the seller is not told', () => {
  const { asked, job, record } = known(['a', 'b', 'c', 'd'], () => RESULT)
  expect([asked.length, job?.state]).toEqual([1, 'completed'])
  expect(record(asked[0]!)).toEqual({ valid: 0, wrong: 0 })
})
test('a lie about a known result is always found, however good the record, and is paid for with the bond', () => {
  const { asked, job, record, market } = known(['a', 'b', 'c', 'd'], (name) => (name === 'a' ? LIE : RESULT), { valid: 5000 })
  expect([asked.length, job?.state]).toEqual([4, 'completed'])
  expect(record('a')).toEqual({ valid: 0, wrong: 1 })
  expect([...market.state.forfeits.values()]).toMatchObject([{ state: 'due', record: { valid: 5000, wrong: 0 } }])
})
test('a buyer who is wrong, or lies, blames nobody: three who agree are believed, and paid', () => {
  const { asked, job, record, market } = known(['a', 'b', 'c', 'd'], () => LIE, { valid: 5000 })
  expect([asked.length, job?.state]).toEqual([3, 'completed'])
  for (const name of asked) expect(record(name)).toEqual({ valid: 5001, wrong: 0 })
  expect(market.state.forfeits.size).toBe(0)
})
test('known results without assurance, or with another way to compare, are refused', () => {
  const { market } = marketOf(['a']), tasks = [{ known: [{ path: 'out', blob: RESULT[0]!.blob }] }]
  for (const more of [{ tasks }, { tasks, copies: 2 }, { tasks, assurance: '1e-2', compare: { kind: 'json' } }] as const) expect(market.submit(buyer, aSpec(more as never))).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining('known results') } })
})

test('copies and assurance together are refused, with what to leave out', () => {
  const { market } = marketOf(['a'])
  const answer = market.submit(buyer, aSpec({ assurance: '1e-2', copies: 2 }))
  expect(isRefusal(answer) && answer).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining('leave out copies, or assurance') } })
})
