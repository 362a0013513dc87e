import { expect, test } from 'vitest'
import type { NodeId } from '@lumaris/protocol'
import { aMarket } from '@lumaris/testkit'

function setup() {
  const market = aMarket(), node = market.join('north')
  let beats = 0
  const beat = (settings_number?: number) => market.act({
      kind: 'heartbeat',
      node: node.id,
      session: node.row().session,
      message: {
        type: 'availability_update',
        node_id: node.id,
        cpu_available: 4000,
        mem_available: 1,
        status: 'ready',
        heartbeat: ++beats,
        attempts: [],
        ...(settings_number === undefined ? {} : { settings_number }),
      },
    })
  const ask = (cpuPercent: number) => market.act({ kind: 'askSettings', node: node.id, settings: { share: { cpuPercent } } })
  const told = () => market.sentTo(node.id).flatMap((message) => (message.type === 'owner_settings' ? [[message.number, message.settings]] : []))
  return { market, node, beat, ask, told }
}
test('an agent that is there is told at once, and again with each heartbeat until one has the number', () => {
  const { node, beat, ask, told } = setup()
  node.connect()
  beat(0)
  expect(ask(50)).toMatchObject({ asked: { number: 1, settings: { share: { cpuPercent: 50 } } } })
  expect(told()).toEqual([[1, { share: { cpuPercent: 50 } }]])
  beat(0)
  expect(told()).toEqual([[1, { share: { cpuPercent: 50 } }]])
  beat(1)
  expect(told()).toEqual([])
  ask(60)
  expect(told()).toEqual([[2, { share: { cpuPercent: 60 } }]])
})
test('an agent that is not there hears the last word with its first heartbeat', () => {
  const { node, beat, ask, told } = setup()
  ask(50)
  ask(60)
  expect(told()).toEqual([])
  node.connect()
  beat(0)
  expect(told()).toEqual([[2, { share: { cpuPercent: 60 } }]])
})
test('an agent from before there were settings is not asked with every heartbeat; a node that is not there is refused', () => {
  const { market, node, beat, ask, told } = setup()
  ask(50)
  node.connect()
  beat()
  expect(told()).toEqual([])
  expect(market.act({ kind: 'askSettings', node: `nod_${'0'.repeat(26)}` as NodeId, settings: {} })).toMatchObject({ refusal: 'not_found' })
})
