import { expect, test } from 'vitest'
import type { AvailabilityUpdate, MachineNow, NodeId } from '@lumaris/protocol'
import { createReadings } from './readings.ts'

const node = (n: number): NodeId => `nod_${String(n).padStart(26, '0')}` as NodeId
const said = (machine: Partial<MachineNow> | null, more: Partial<AvailabilityUpdate> = {}): AvailabilityUpdate => ({ type: 'availability_update', node_id: node(1), cpu_available: 1, mem_available: 1, status: 'ready', heartbeat: 1, attempts: [], ...(machine ? { machine: { cores: 4, memory_bytes: 8e9, cpu_percent: 10, jobs_cpu_percent: 5, memory_percent: 50, ...machine } } : {}), ...more })
function setup(nodesMax?: number) {
  let now = 1_000_000_800_000
  const readings = createReadings(() => now, 10_000, nodesMax)
  const beat = (cpu: number, more: Partial<MachineNow> = {}, id = node(1)): void => { readings.heard(id, said({ cpu_percent: cpu, ...more })); now += 10_000 }
  return { readings, beat }
}

test('an hour of heartbeats as they were, and no more than an hour', () => {
  const { readings, beat } = setup()
  for (let i = 0; i < 400; i++) beat(i % 100)
  const { at, cpu, celsius, everyMs, machine } = readings.of(node(1), 'hour')
  expect([at.length, cpu.length, celsius.length]).toEqual([360, 360, 360])
  expect(cpu.slice(-3)).toEqual([97, 98, 99])
  expect(at.every((one, i) => i === 0 || one - (at[i - 1] as number) === 10_000)).toBe(true)
  expect([everyMs, machine]).toEqual([10_000, { cores: 4, memoryBytes: 8e9, diskBytes: null }])
})
test('a load by minute: means, null where nothing was heard, and no more than an hour', () => {
  const { readings, beat } = setup()
  expect(readings.load(node(1))).toEqual({ node: node(1), everyMs: 60_000, from: null, cpu: [], memory: [] })
  // 1_000_000_800 s is on a minute.
  for (let i = 0; i < 12; i++) beat(i < 6 ? 20 : 40, { memory_percent: 30 })
  beat(90)
  expect(readings.load(node(1))).toMatchObject({ from: 1_000_000_800_000, cpu: [20, 40, 90], memory: [30, 30, 50] })
  for (let i = 0; i < 400; i++) beat(10)
  expect([readings.load(node(1)).cpu.length, new Set(readings.load(node(1)).cpu)]).toEqual([60, new Set([10])])
})
test('what happened to a node is kept, faults among it, the newest first and not without end', () => {
  const { readings } = setup()
  readings.noted(node(3), { at: 1, what: 'started' })
  for (let i = 0; i < 2; i++) readings.faulted(node(3), { at: 2, attempt: 'att_1' as never, cause: 'driver_failed' })
  expect(readings.events(node(3)).map(({ at, what }) => [at, what])).toEqual([[2, 'fault'], [1, 'started']])
  for (let i = 0; i < 300; i++) readings.noted(node(3), { at: i, what: 'connected' })
  expect(readings.events(node(3)).length).toBe(100)
})
test('a day of means over five minutes, with what is not whole yet; what nobody knows is null, and not nought', () => {
  const { readings, beat } = setup()
  for (let i = 0; i < 30; i++) beat(i < 15 ? 20 : 40, i < 15 ? {} : { celsius: 60 })
  for (let i = 0; i < 5; i++) beat(100)
  const { cpu, celsius, at, everyMs } = readings.of(node(1), 'day')
  expect([cpu, celsius, everyMs]).toEqual([[30, 100], [60, null], 300_000])
  expect((at[1] as number) - (at[0] as number)).toBe(300_000)
})
test('hours stay until others are told; a node that says nothing takes no room', () => {
  const { readings, beat } = setup(), week = { mon: ['08:00-18:00'], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] }
  readings.heard(node(2), said(null))
  expect([readings.nodes, readings.of(node(2), 'hour')]).toMatchObject([0, { everyMs: null, machine: null, at: [] }])
  readings.heard(node(1), said(null, { hours: { timeZone: 'UTC', week } }))
  beat(1)
  expect(readings.of(node(1), 'hour').hours?.week.mon).toEqual(['08:00-18:00'])
  readings.heard(node(1), said(null, { hours: null }))
  expect(readings.of(node(1), 'hour').hours).toBeNull()
  expect('hours' in readings.of(node(2), 'hour')).toBe(false)
})
test('over so many nodes the one heard the longest ago is forgotten', () => {
  const { readings, beat } = setup(3)
  for (const one of [1, 2, 3, 1, 4]) beat(one, {}, node(one))
  expect([1, 2, 3, 4].map((one) => readings.of(node(one), 'hour').cpu)).toEqual([[1, 1], [], [3], [4]])
})
test('where more are heard than there is room for, no heartbeat reads what was kept; whoever asks still finds it', () => {
  const asked: NodeId[] = [], readings = createReadings(() => 1, 10_000, 2, (id) => { asked.push(id); return null })
  for (let round = 0; round < 3; round++) for (const n of [1, 2, 3]) readings.heard(node(n), said({}))
  expect(asked).toEqual([node(1), node(2)])
  readings.of(node(1), 'hour')
  expect(asked).toEqual([node(1), node(2), node(1)])
})
