// What a node says of its drivers, one by one: encrypted scratch and cards are a driver's, not the node's.
import { expect, test } from 'vitest'
import type { DriverOffer, JobDispatch, JobSpecInput } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { NodeRow } from '../rows.ts'
import { createAgentState, restoreAgent } from '../agent/state.ts'
import { stepAgent } from '../agent/step.ts'
import { pickDriver } from './filter.ts'
import { changesThatHelp } from './relax.ts'
import type { Requirement } from './requirement.ts'

const needOf = (more: Partial<JobSpecInput>): Requirement => ({ spec: aSpec(more), attemptCap: credits(100), job: '' as Requirement['job'], avoid: [], owners: [] })
const offer = (id: DriverOffer['id'], level: DriverOffer['level'], more: Partial<DriverOffer> = {}): DriverOffer => ({ id, level, runtimes: ['native'], limits: {}, ...more })
const picked = (drivers: DriverOffer[], more: Partial<JobSpecInput>) => { const found = pickDriver({ drivers } as unknown as NodeRow, needOf(more)); return typeof found === 'string' ? found : found.id }

test('work that asks for encrypted scratch goes to a driver that has it, also past a weaker one that has not', () => {
  const drivers = [offer('bwrap', 'namespace'), offer('gvisor', 'kernel', { encryptedScratch: true })]
  expect(picked(drivers, {})).toBe('bwrap')
  expect(picked(drivers, { placement: { encryptedScratch: true } })).toBe('gvisor')
  expect(picked(drivers, { placement: { encryptedScratch: true, drivers: ['bwrap'] } })).toBe('scratch')
  expect(picked([offer('bwrap', 'namespace', { encryptedScratch: false })], { placement: { encryptedScratch: true } })).toBe('scratch')
})
test('work that asks for cards goes to a driver that hands them out; one that does not say is believed', () => {
  expect(picked([offer('bwrap', 'namespace', { gpus: false }), offer('container', 'kernel', { gpus: true })], { resources: { gpus: 1 } })).toBe('container')
  expect(picked([offer('bwrap', 'namespace', { gpus: false })], { resources: { gpus: 1 } })).toBe('gpu')
  expect(picked([offer('bwrap', 'namespace')], { resources: { gpus: 1 } })).toBe('bwrap')
  expect(picked([offer('bwrap', 'namespace', { gpus: false })], {})).toBe('bwrap')
})
test('work that names hosts to connect to goes only where a driver lets it out, and never without', () => {
  const network = { egress: [{ host: 'data.example' }] }, drivers = [offer('bwrap', 'namespace'), offer('gvisor', 'kernel', { egress: true })]
  expect(picked(drivers, {})).toBe('bwrap')
  expect(picked(drivers, { network })).toBe('gvisor')
  expect(picked(drivers, { network, placement: { drivers: ['bwrap'] } })).toBe('egress')
  expect(picked([offer('bwrap', 'namespace', { egress: false })], { network })).toBe('egress')
  const market = aMarket()
  market.join('north').connect()
  expect(changesThatHelp(market.state, needOf({ network }), market.now)).toEqual([])
  expect(changesThatHelp(market.state, needOf({ network, placement: { minLevel: 'vm' } }), market.now)).toEqual([])
})
test('a no to work that names hosts puts other work of its kind not to sleep', () => {
  const market = aMarket(), buyer = aUser('buyer'), node = market.join('north')
  market.fund(buyer, credits(100))
  node.connect()
  const network = { egress: [{ host: 'data.example' }, { host: '*.data.example', port: 80 }] }
  market.submit(buyer, aSpec({ network }), { cap: credits(10) })
  market.submit(buyer, aSpec({}), { cap: credits(10) })
  expect(market.dispatched(node.id).map((order) => order.egress)).toEqual([undefined])
  const south = market.join('south')
  market.act({ kind: 'hello', hello: { type: 'hello', protocol: 1, node_id: south.id, boot_id: 'boot-south-1', agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity: node.row().capacity, drivers: [offer('fake', 'namespace', { egress: true })], attempts: [] } as never })
  expect(market.dispatched(south.id).map((order) => order.egress)).toEqual([[{ host: 'data.example', port: 443 }, { host: '*.data.example', port: 80 }]])
})
test('encrypted scratch is never given up for a better place', () => {
  const market = aMarket()
  market.join('north').connect()
  expect(changesThatHelp(market.state, needOf({ placement: { encryptedScratch: true } }), market.now)).toEqual([])
  expect(changesThatHelp(market.state, needOf({ placement: { encryptedScratch: true, minLevel: 'vm' } }), market.now)).toEqual([])
})
test('the order says so, and the journal of the agent keeps nothing of what is to be run; a restart still knows the result', () => {
  const market = aMarket(), buyer = aUser('buyer'), node = market.join('north')
  market.fund(buyer, credits(100))
  const hello = (more: Partial<DriverOffer>) => ({ type: 'hello' as const, protocol: 1, node_id: node.id, boot_id: 'boot-north-1', agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity: node.row().capacity, drivers: [offer('fake', 'namespace', more)], attempts: [] })
  market.act({ kind: 'hello', hello: hello({ encryptedScratch: true }) as never })
  market.submit(buyer, aSpec({ command: ['secret-word', 'secret-argument'], env: { A: 'secret-value' }, outputs: ['secret-pattern'], stdout: 'secret-name', placement: { encryptedScratch: true } }), { cap: credits(10) })
  const sent = market.effects.flatMap((effect) => (effect.kind === 'send' && effect.message.type === 'job_dispatch' ? [effect.message] : []))[0] as JobDispatch
  expect(sent).toMatchObject({ encrypted_scratch: true, payload: { command: 'secret-word' } })
  const journalOf = (order: JobDispatch) => {
    const state = createAgentState(node.id, node.row().capacity), ports = { now: market.now, wall: market.now, hash: sha256 }
    Object.assign(state, { session: order.session, leaseGen: order.lease_gen, leaseFrom: market.now, connected: true })
    const usage = { runMs: 1, cpuMs: 1, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 }
    const out = [...stepAgent(state, { kind: 'message', message: order }, ports), ...stepAgent(state, { kind: 'started', attempt: order.attempt_id }, ports), ...stepAgent(state, { kind: 'ended', attempt: order.attempt_id, end: { cause: 'succeeded', exitCode: 0, usage, files: [], resultDigest: sha256('x'), detail: null } }, ports)]
    expect(out).toContainEqual(expect.objectContaining({ kind: 'start', order })) // the hands get all of it
    return out.flatMap((one) => (one.kind === 'journal' ? [one.record] : []))
  }
  const records = journalOf(sent), { encrypted_scratch: _, ...plain } = sent
  expect(JSON.stringify(records)).not.toContain('secret-')
  expect(JSON.stringify(journalOf(plain))).toContain('secret-value')
  const again = createAgentState(node.id, node.row().capacity)
  restoreAgent(again, records)
  expect(again.attempts.get(sent.attempt_id)).toMatchObject({ state: 'reported', order: { job_id: sent.job_id, fence: sent.fence, resources: sent.resources }, result: { status: 'succeeded' } })
})
