// The buyer's own command as referee, on a whole market: who is asked, what its word is worth, who pays, and that nobody is blamed for a command that is of no use.
import { expect, test } from 'vitest'
import { REFEREE_NO, isRefusal } from '@lumaris/protocol'
import type { JobDispatch, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { Submitted } from '../job/submit.ts'
import { apply } from '../state.ts'
import { recordOf } from './records.ts'

const buyer = aUser('buyer'), NAMES = Array.from({ length: 16 }, (_, i) => `n${String(i).padStart(2, '0')}`)
type Run = { readonly name: string; readonly order: JobDispatch }
type End = { exitCode?: number; cause?: 'buyer_limit' | 'input_unavailable' | 'seller_offline' }
type Command = Extract<JobSpecInput['compare'], { kind: 'command' }>
const SAME: Command = { kind: 'command', command: ['same', '--loosely'] }, RIGHT: Command = { kind: 'command', command: ['verify'], says: 'right' }

/** `says`: what each node's run of the program writes; `referees`: how a run of the command ends, by what it sees. */
function marketOf(spec: Partial<JobSpecInput>, says: (name: string, nth: number) => string, referees: (files: string[], name: string, nth: number) => End, more: { valid?: number; count?: number; keyed?: (text: string) => string } = {}) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 }, ...(more.keyed ? { keyed: more.keyed } : {}) }), names = NAMES.slice(0, more.count ?? NAMES.length), texts = new Map<string, string>()
  market.fund(buyer, credits(1000))
  const nodes = names.map((name, i) => market.join(name, { cpuHour: 1 + i / 100 }))
  for (const node of nodes) node.connect()
  const owner = (name: string) => nodes[names.indexOf(name)]!.row().owner
  for (const name of names) if (more.valid !== undefined) apply(market.state, { kind: 'lesson', row: { what: 'owner', key: owner(name), valid: more.valid, wrong: 0 } })
  const answer = market.submit(buyer, aSpec({ inputs: [{ path: 'data/in', blob: sha256('data'), size: 4 }], ...spec }), { cap: credits(100) })
  if (isRefusal(answer)) throw new Error(JSON.stringify(answer))
  const { job } = answer as Submitted, copies: Run[] = [], asked: Run[] = []
  const orders = (): JobDispatch[] => nodes.flatMap((node) => market.dispatched(node.id))
  const step = (order: JobDispatch): void => {
    const name = names[nodes.findIndex((node) => node.id === order.terms.node)] as string
    market.now += 1000
    if (order.env['LUMARIS_REFEREE'] === undefined) {
      copies.push({ name, order })
      const text = says(name, copies.length), file = { path: 'out', blob: sha256(text), size: text.length }
      texts.set(file.blob, text)
      market.report(order, { runMs: 1000, digest: sha256(`printed ${text}`), files: text === '' ? [] : [file] })
    } else {
      asked.push({ name, order })
      market.report(order, { runMs: 500, ...referees(order.inputs.filter(({ path }) => /^(one|other|result)\//.test(path)).map(({ blob }) => texts.get(blob) ?? ''), name, asked.length) })
    }
  }
  for (let sent = orders(); sent.length > 0; sent = orders()) for (const order of sent) step(order)
  const live = market.state.jobs.get(job.id)!
  return { market, live, copies, asked, row: market.job(job.id)!, owner, record: (name: string) => { const { valid, wrong } = recordOf(market.state, owner(name)); return { valid, wrong } }, of: (name: string) => live.attempts.find(({ seller }) => seller === owner(name))! }
}
/** Letters in any case are the same; a file named so is right. */
const loosely = ([one = '', other = '']: string[]): End => ({ exitCode: one.toLowerCase() === other.toLowerCase() ? 0 : REFEREE_NO })
const isRight = ([result = '']: string[]): End => ({ exitCode: result.toLowerCase() === 'right' ? 0 : REFEREE_NO })
const paid = ({ live }: ReturnType<typeof marketOf>): boolean[] => live.attempts.map(({ billed }) => (billed ?? 0n) > 0n)

test('results that differ in their bytes are shown to the command, on a node of an owner with no other part in the task; it is paid, and none of it is a result of the job', () => {
  const one = marketOf({ copies: 2, compare: SAME }, (_name, nth) => (nth === 1 ? 'Right' : 'RIGHT'), loosely)
  expect([one.row.state, one.copies.length, one.asked.length]).toEqual(['completed', 2, 1])
  const [{ order }] = one.asked as [Run]
  expect(order).toMatchObject({ payload: { command: 'same', args: ['--loosely'] }, outputs: [], limits: { runMs: 60_000 }, env: { LUMARIS_REFEREE: 'same' } })
  expect(order.inputs.map(({ path }) => path).toSorted()).toEqual(['one/out', 'other/out'])
  expect(new Set(one.live.attempts.map(({ seller }) => seller)).size).toBe(3)
  expect(paid(one)).toEqual([true, true, true])
  expect(one.live.attempts.reduce((sum, { billed }) => sum + (billed ?? 0n), 0n)).toBe(one.row.cost)
  expect(one.row.cost + one.row.refunded).toBe(one.row.cap)
  const result = one.live.attempts.find(({ id }) => id === one.live.tasks[0]?.result)
  expect([result?.referee, result?.files.length]).toEqual([undefined, 1])
})

test('equal bytes need no command, and neither does a program that failed', () => {
  expect(marketOf({ copies: 3, compare: SAME }, () => 'right', loosely).asked).toEqual([])
  const none = marketOf({ copies: 2, compare: SAME }, () => '', loosely)
  expect([none.asked.length, none.row.state]).toEqual([0, 'completed'])
})

test('a no is asked twice, of two owners; then more copies decide, and who was outvoted is unpaid and owes', () => {
  const one = marketOf({ assurance: '1e-2', compare: SAME }, (name) => (name === 'n00' ? 'a lie' : name), ([a = '', b = '']) => ({ exitCode: (a === 'a lie') === (b === 'a lie') ? 0 : REFEREE_NO }), { valid: 5 })
  expect(one.row.state).toBe('completed')
  const lie = one.of('n00')
  expect([lie.state, lie.cause, lie.billed]).toEqual(['invalid', 'wrong_result', null])
  expect(one.record('n00')).toEqual({ valid: 0, wrong: 1 })
  expect([...one.market.state.forfeits.keys()]).toEqual([lie.id])
  const noes = one.asked.filter(({ order }) => one.market.attempt(order.attempt_id)?.exitCode === REFEREE_NO)
  expect(noes.length % 2).toBe(0)
  expect(one.asked.some(({ name }) => one.copies.some((copy) => copy.name === name))).toBe(false)
  for (const all of Map.groupBy(one.live.attempts.filter(({ referee }) => referee), ({ referee }) => `${referee?.of} ${referee?.with}`).values()) expect(new Set(all.map(({ seller }) => seller)).size).toBe(all.length)
  // Who compared has confirmed nothing, and made no name.
  for (const { name } of one.asked) expect(one.record(name)).toEqual({ valid: 5, wrong: 0 })
})

test('one who lies as referee changes nothing but the price: the second no does not come, and a third decides', () => {
  const one = marketOf({ copies: 2, compare: SAME }, (name) => name, (_files, _name, nth) => ({ exitCode: nth === 1 ? REFEREE_NO : 0 }))
  expect([one.row.state, one.copies.length, one.asked.length]).toEqual(['completed', 2, 3])
  expect(one.live.attempts.filter(({ state }) => state === 'invalid')).toEqual([])
  expect([...one.market.state.owners.values()].some(({ wrong }) => wrong > 0)).toBe(false)
})

for (const [what, end] of Object.entries({ 'breaks': { exitCode: 1 }, 'hangs': { exitCode: 1, cause: 'buyer_limit' }, 'ends with a code that says nothing': { exitCode: 7 }, 'cannot have its inputs': { exitCode: 1, cause: 'input_unavailable' } } as const)) {
  test(`a command that ${what} is tried on a second node; then the job fails by that cause, everybody is paid, nobody is blamed, and the cap holds`, () => {
    for (const spec of [{ copies: 3, compare: SAME }, { assurance: '1e-2', compare: SAME }, { assurance: '1e-2', compare: RIGHT }] as const) {
      const one = marketOf(spec, (name) => name, () => end)
      expect([one.row.state, one.row.cause, one.asked.length]).toEqual(['failed', 'referee_failed', 2])
      expect(new Set(one.asked.map(({ name }) => name)).size).toBe(2)
      for (const { name } of one.copies) { expect(one.of(name).cause).toBe('succeeded'); expect(one.of(name).billed).toBeGreaterThan(0n); expect(one.record(name)).toEqual({ valid: 0, wrong: 0 }) }
      expect([...one.market.state.profiles.values()].every(({ reputation }) => reputation.tallies.correctness.ill === 0)).toBe(true)
      expect(one.market.state.forfeits.size).toBe(0)
      expect([one.row.cost <= one.row.cap, one.row.cost + one.row.refunded]).toEqual([true, one.row.cap])
    }
  })
}
test('a command that breaks once is believed the second time', () => {
  const one = marketOf({ copies: 2, compare: SAME }, (name) => name, (_files, _name, nth) => ({ exitCode: nth === 1 ? 1 : 0 }))
  expect([one.row.state, one.asked.length]).toEqual(['completed', 2])
})
test('a node that is lost while it compares is no word of the command: it is asked again elsewhere', () => {
  const one = marketOf({ copies: 2, compare: SAME, limits: { retries: 3 } }, (name) => name, (_files, _name, nth) => (nth === 1 ? { cause: 'seller_offline', exitCode: 1 } : { exitCode: 0 }))
  one.market.pass(5000)
  const again = one.live.tasks[0]!.slots[2]!
  expect([again.state, again.fence, again.referee?.of]).toEqual(['assigned', 2, one.live.attempts[1]!.id])
})

test('results that all differ end undecided when the runs are used up: nobody is paid for them, nobody blamed, and the command has its pay', () => {
  const one = marketOf({ copies: 3, compare: SAME }, (name) => name, () => ({ exitCode: REFEREE_NO }))
  expect([one.row.state, one.row.cause, one.asked.length]).toEqual(['failed', 'wrong_result', 7])
  for (const { name } of one.copies) expect([one.of(name).billed, one.record(name)]).toEqual([null, { valid: 0, wrong: 0 }])
  for (const { name } of one.asked) expect(one.of(name).billed).toBeGreaterThan(0n)
  expect(one.row.cost).toBeLessThanOrEqual(one.row.cap)
})

test('right: one result and two words of the command are enough where three copies were needed; with the input beside it', () => {
  const one = marketOf({ assurance: '1e-2', compare: RIGHT }, () => 'right', isRight)
  expect([one.row.state, one.copies.length, one.asked.length]).toEqual(['completed', 1, 2])
  expect(one.asked[0]!.order.inputs.map(({ path }) => path).toSorted()).toEqual(['input/data/in', 'result/out'])
  expect(one.asked[0]!.order.env['LUMARIS_REFEREE']).toBe('right')
  expect(one.record(one.copies[0]!.name)).toEqual({ valid: 0, wrong: 0 }) // a buyer who sells could make a name for itself by a command that nods
})
test('right: of proven owners one word is enough, and the draw may ask for none; a tight bound asks for two', () => {
  const drawn = (digit: string) => (text: string): string => (text.startsWith('check ') ? digit.repeat(64) : sha256(text))
  expect(marketOf({ assurance: '1e-2', compare: RIGHT }, () => 'right', isRight, { valid: 50, keyed: drawn('0') }).asked).toHaveLength(1)
  const tight = marketOf({ assurance: '1e-4', compare: RIGHT }, () => 'right', isRight, { valid: 50, keyed: drawn('f') })
  expect([tight.row.state, tight.copies.length, tight.asked.length]).toEqual(['completed', 1, 2])
})
test('right: a no is a doubt: three others decide, and a command that says no to all of them is outvoted', () => {
  const lie = marketOf({ assurance: '1e-2', compare: RIGHT }, (name) => (name === 'n00' ? 'a lie' : 'right'), isRight, { valid: 50, keyed: (text) => (text.startsWith('check ') ? '0'.repeat(64) : sha256(text)) })
  expect([lie.row.state, lie.copies.length, lie.asked.length, lie.of('n00').cause]).toEqual(['completed', 4, 1, 'wrong_result'])
  expect(lie.market.state.forfeits.size).toBe(1)
  const nonsense = marketOf({ assurance: '1e-2', compare: RIGHT }, () => 'right', () => ({ exitCode: REFEREE_NO }))
  expect([nonsense.row.state, nonsense.copies.length, nonsense.live.attempts.some(({ state }) => state === 'invalid')]).toEqual(['completed', 3, false])
})

test('names of files that were chosen to break the command do not: such a result is compared by its bytes', () => {
  const one = marketOf({ copies: 2, compare: SAME }, () => 'right', loosely)
  expect(one.row.state).toBe('completed')
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } }), nodes = NAMES.slice(0, 6).map((name) => market.join(name))
  market.fund(buyer, credits(10))
  for (const node of nodes) node.connect()
  const { job } = market.submit(buyer, aSpec({ copies: 2, compare: SAME }), { cap: credits(5) }) as Submitted
  let first = true
  for (let sent = nodes.flatMap((node) => market.dispatched(node.id)); sent.length > 0; sent = nodes.flatMap((node) => market.dispatched(node.id))) for (const order of sent) {
    expect(order.env['LUMARIS_REFEREE']).toBe(undefined)
    market.now += 1000
    market.report(order, { files: first ? [{ path: 'out', blob: sha256('x'), size: 1 }, { path: 'out/in', blob: sha256('y'), size: 1 }] : [{ path: 'out', blob: sha256('x'), size: 1 }] })
    first = false
  }
  expect(market.job(job.id)?.state).toBe('completed')
  expect(market.state.jobs.get(job.id)!.attempts.map(({ state }) => state)).toEqual(['invalid', 'valid', 'valid'])
})

test('the cap has a seat for each run of the command; what cannot be is refused with what to change', () => {
  const market = aMarket()
  market.fund(buyer, credits(1000))
  market.join('a').connect()
  const capOf = (more: Partial<JobSpecInput>): bigint => { const spec = aSpec(more); return BigInt((market.act({ kind: 'quote', buyer, spec, specHash: 'x' }) as { cap: string }).cap) }
  expect([capOf({ copies: 3, compare: SAME }), capOf({ assurance: '1e-2', compare: SAME })]).toEqual([12n * capOf({}), 14n * capOf({})])
  const no = (more: Partial<JobSpecInput>, reason: string): void => expect(market.submit(buyer, aSpec(more))).toMatchObject({ refusal: 'impossible_request', detail: { reason: expect.stringContaining(reason) } })
  const file = (path: string) => ({ path, blob: sha256(path), size: 1 })
  no({ copies: 2, compare: RIGHT }, 'name an assurance instead of copies')
  no({ compare: SAME }, 'nothing to compare with one copy')
  no({ copies: 2, compare: { ...SAME, inputs: [file('one/x')] } }, 'give its input one/x another name')
  no({ copies: 2, compare: { ...SAME, inputs: [file('x'), file('x')] } }, 'two inputs of the command')
  no({ copies: 2, compare: { ...SAME, inputs: [{ ...file('x'), size: 2 ** 40 }] } }, 'larger than the disk')
  no({ assurance: '1e-2', compare: SAME, tasks: [{ known: [{ path: 'out', blob: sha256('x') }] }] }, 'known results')
})
