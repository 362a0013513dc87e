// What an agent does with a machine that it is told to send elsewhere while it runs.
import { expect, test } from 'vitest'
import type { JobDispatch, LivePeer, Saved, ToAgent } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import { createAgentState } from './state.ts'
import type { AgentInput } from './state.ts'
import { stepAgent } from './step.ts'

const buyer = aUser('buyer'), peer = { public_key: `${'k'.repeat(43)}=`, addresses: [], signature: 's'.repeat(86), node: `nod_${'0'.repeat(26)}`, nodeKey: 'key' } as unknown as LivePeer
function running() {
  const market = aMarket({})
  market.fund(buyer, credits(100))
  const node = market.join('n', { owner: aUser('ann') })
  node.connect()
  market.submit(buyer, aSpec({}))
  const order = market.dispatched(node.id)[0] as JobDispatch, id = order.attempt_id
  const agent = createAgentState(node.id, { cpuMillis: 1e6, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, gpus: 0 })
  Object.assign(agent, { session: order.session, leaseFrom: market.now, leaseGen: order.lease_gen })
  const step = (input: AgentInput) => stepAgent(agent, input, { now: market.now, wall: market.now, hash: sha256 }).filter(({ kind }) => kind !== 'seal' && kind !== 'journal')
  const told = (message: ToAgent) => step({ kind: 'message', message })
  told(order)
  step({ kind: 'started', attempt: id })
  const leave = (more: object = {}) => told({ type: 'checkpoint', attempt_id: id, fence: 1, kind: 'live', ...more })
  const left = (number: number) => step({ kind: 'saved', attempt: id, leaves: true, saved: { number, kind: 'live', runMs: 0, manifest: sha256(`${number}`) as Saved['manifest'], manifestSize: 0, size: 1 }, memory: { driver: 'fake', maker: 'm', key: 'k'.repeat(43) } })
  const stay = (number: number) => told({ type: 'stay', attempt_id: id, fence: 1, number })
  return { id, agent, step, told, leave, left, stay }
}

test('it says how it is reached as often as it is asked, sends it once, and does not end it before the market has decided', () => {
  const { id, leave, left, told } = running()
  for (const _again of [1, 2]) expect(leave()).toEqual([{ kind: 'readyToLeave', attempt: id }])
  expect(leave({ peer })).toEqual([{ kind: 'leave', attempt: id, what: 'live', peer }])
  expect(leave({ peer })).toEqual([])
  expect(left(1).map(({ kind }) => kind)).toEqual(['send'])
  expect(told({ type: 'cancel', attempt_id: id, reason: 'moved' })).toEqual([{ kind: 'kill', attempt: id, cause: 'moved' }])
})

test('an answer to an earlier try does not make it run while it is sent again', () => {
  const { id, leave, left, stay } = running()
  expect(stay(1)).toEqual([])
  leave({ peer })
  expect(stay(1)).toEqual([])
  left(1)
  expect(stay(1)).toEqual([{ kind: 'stay', attempt: id }])
  expect(stay(1)).toEqual([])
  expect(leave({ peer })).toHaveLength(1)
  expect(stay(1)).toEqual([])
  left(2)
  expect(stay(1)).toEqual([])
  expect(stay(2)).toEqual([{ kind: 'stay', attempt: id }])
})

test('what could not be sent is told to the market with its kind; and nothing is received by a node that takes no work', () => {
  const { id, agent, leave, step, told } = running()
  leave({ peer })
  expect(step({ kind: 'stays', attempt: id, says: 'no way' })).toMatchObject([{ kind: 'send', message: { type: 'checkpoint_failed', kind: 'live', detail: 'no way' } }])
  const receive = { type: 'receive', attempt_id: id, fence: 1, driver: 'qemu', maker: 'm' } as ToAgent
  expect(told(receive)).toMatchObject([{ kind: 'receive' }])
  agent.paused = true
  expect(told(receive)).toMatchObject([{ kind: 'send', message: { type: 'receive_failed' } }])
})
