// Copies of one task never go to nodes that may be one person's: one owner, one block of addresses, one batch of enrolment.
import { expect, test } from 'vitest'
import type { JobDispatch } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'

const buyer = aUser('buyer')
type Joined = Parameters<ReturnType<typeof aMarket>['join']>[1]
function setup(joined: readonly (Joined & { wait?: number })[]) {
  const market = aMarket({ settings: { suspectMs: 1e12, lostMs: 1e12, offerMs: 1e12 } })
  market.fund(buyer, credits(1000))
  const nodes = joined.map(({ wait = 0, ...more }, i) => { market.now += wait; return market.join(`n${i}`, { cpuHour: 1 + i / 10, ...more }) })
  for (const node of nodes) node.connect()
  const orders = (): { node: number; order: JobDispatch }[] => nodes.flatMap((node, i) => market.dispatched(node.id).map((order) => ({ node: i, order })))
  /** Who is asked for one task with a bound, in turn, until nobody is asked any more. */
  const asked = (): number[] => {
    market.submit(buyer, aSpec({ assurance: '1e-2' }))
    const all: number[] = []
    for (let sent = orders(); sent.length > 0; sent = orders()) for (const { node, order } of sent) { all.push(node); market.now += 1000; market.report(order, { digest: sha256('right') }) }
    return all
  }
  return { market, nodes, orders, asked }
}

test('not in one block of addresses', () => {
  const { asked, market } = setup([{ block: '203.0.113.0/24' }, { block: '203.0.113.0/24' }, { block: '198.51.100.0/24' }])
  expect(asked()).toEqual([0, 2])
  expect([...market.state.jobs.values()][0]?.row.state).toBe('running') // it waits for somebody else
})

test('not of one batch of enrolment, also when they are connected from elsewhere by now; a day later, or from another block, they are strangers', () => {
  const home = { enrolledFrom: '203.0.113.0/24' }, hour = 3_600_000
  expect(setup([{ ...home, block: 'a' }, { ...home, block: 'b', wait: 23 * hour }, { ...home, block: 'c', wait: 2 * hour }]).asked()).toEqual([0, 2])
  expect(setup([{ ...home }, { enrolledFrom: '198.51.100.0/24' }, { ...home, wait: 25 * hour }]).asked().toSorted((a, b) => a - b)).toEqual([0, 1, 2])
})

test('an address that says nothing keeps nobody apart', () => { expect(setup([{}, {}, {}]).asked().toSorted((a, b) => a - b)).toEqual([0, 1, 2]) })

test('copies that are asked for all at once are kept apart too, and interruptible ones; tasks of a job without copies are not', () => {
  const block = { block: '203.0.113.0/24' }, sizes = { cpuMillis: 1000, spotPercent: 50 }
  for (const more of [{}, { interruptible: {} }]) {
    const { market, orders } = setup([{ ...block, ...sizes }, { ...block, ...sizes }, { block: '198.51.100.0/24', ...sizes }])
    market.submit(buyer, aSpec({ copies: 3, ...more }), { cap: credits(10) })
    market.pass(60_000)
    market.pass(60_000)
    const places = orders().map(({ node }) => node)
    expect(places).toHaveLength(2)
    expect(places).toContain(2)
  }
  const { market, orders } = setup([{ ...block, ...sizes }, { ...block, ...sizes }])
  market.submit(buyer, aSpec({ tasks: [{ args: ['1'] }, { args: ['2'] }] }))
  expect(orders()).toHaveLength(2)
})

test('a node that moves to another network is where it is now, and keeps its batch', () => {
  const { market, nodes } = setup([{ block: '203.0.113.0/24', enrolledFrom: '203.0.113.0/24' }])
  expect(nodes[0]!.row()).toMatchObject({ block: '203.0.113.0/24', enrolledFrom: '203.0.113.0/24' })
  market.act({ kind: 'disconnected', node: nodes[0]!.id, session: 1 })
  market.act({ kind: 'hello', hello: { type: 'hello', protocol: 1, node_id: nodes[0]!.id, boot_id: 'another', agent_version: '1', nonce: 'n', signature: 'x'.repeat(86), capacity: nodes[0]!.row().capacity, drivers: [], attempts: [] } as never })
  expect(nodes[0]!.row().block).toBeUndefined()
  expect(nodes[0]!.row().enrolledFrom).toBe('203.0.113.0/24')
})
