import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { JobSpec } from '@lumaris/protocol'
import type { AttemptId, AvailabilityUpdate, JobId, NodeId } from '@lumaris/protocol'
import { createLog } from '../log.ts'
import { createKeptMemory } from './kept-memory.ts'
import { createHistory } from './overview.ts'
import { READINGS_KEPT_MS, createReadings } from './readings.ts'
import { createRecentWaits } from './recent-waits.ts'

const node = (n: number): NodeId => `nod_${String(n).padStart(26, '0')}` as NodeId
const said = (cpu: number): AvailabilityUpdate => ({ type: 'availability_update', node_id: node(1), cpu_available: 1, mem_available: 1, status: 'ready', heartbeat: 1, attempts: [], machine: { cores: 4, memory_bytes: 8e9, cpu_percent: cpu, jobs_cpu_percent: 5, memory_percent: 50 } })
/** A market's memory in a folder; `again` is the same after a restart. */
function setup() {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-memory-')), time = { now: Date.now() }, now = (): number => time.now
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const again = () => {
    const memory = createKeptMemory({ dir, now, log: createLog('silent', 'server') }), all = { readings: createReadings(now, 10_000, undefined, memory.node), waits: createRecentWaits(now), history: createHistory(now) }
    memory.recall(all)
    return { ...all, keep: (whole?: boolean) => memory.keep(all, whole), beat: (n: number, cpu: number) => { all.readings.heard(node(n), said(cpu)); time.now += 10_000 } }
  }
  return { dir, time, again }
}

test('what was seen of a node is there after a restart, and goes on as if there had been none', async () => {
  const { again } = setup(), before = again(), whole = again()
  const events = [{ at: 5, what: 'started' as const }]
  for (const one of [before, whole]) { one.readings.noted(node(1), events[0] as never); one.readings.faulted(node(1), { at: 7, attempt: 'att_1' as AttemptId, cause: 'driver_failed' }) }
  for (let i = 0; i < 500; i++) { before.readings.heard(node(1), said(i % 90)); whole.beat(1, i % 90) }
  await before.keep(true)
  const after = again()
  for (const span of ['hour', 'day', 'week'] as const) expect(after.readings.of(node(1), span), span).toEqual(before.readings.of(node(1), span))
  expect(after.readings.faults(node(1))).toEqual(before.readings.faults(node(1)))
  expect(after.readings.events(node(1)).map(({ what }) => what)).toEqual(['fault', 'started'])
  for (let i = 0; i < 50; i++) for (const one of [before, after]) one.beat(1, 33)
  const { cpu } = after.readings.of(node(1), 'hour')
  expect([cpu.length, cpu.slice(-50)]).toEqual([360, Array<number>(50).fill(33)])
})
test('how long jobs waited, and a day of the market, too', async () => {
  const { again } = setup(), before = again(), spec = JobSpec.parse({ command: ['x'] })
  for (let i = 0; i < 8; i++) before.waits.note(`job_${i}` as JobId, spec, i * 100)
  before.history.look({ online: 3, running: 2 })
  await before.keep()
  const after = again()
  expect(after.waits.of(spec)).toEqual(before.waits.of(spec))
  expect(after.history.until({ online: 1, running: 0 }, 9).online).toEqual([3, 1])
})
test('what happened is written at once, loads when they are five minutes old, and what has not changed not again', async () => {
  const { again, time, dir } = setup(), market = again(), names = (): string[] => readdirSync(dir).filter((name) => name.startsWith('nod_')).toSorted()
  market.beat(1, 10)
  market.readings.noted(node(2), { at: time.now, what: 'connected' })
  await market.keep()
  expect(names()).toEqual([`${node(2)}.v8`])
  time.now += READINGS_KEPT_MS
  await market.keep()
  expect(names()).toEqual([`${node(1)}.v8`, `${node(2)}.v8`])
  expect([...market.readings.toKeep(true)]).toEqual([])
})
test('a damaged file, one of another form and none at all begin anew; what nobody has heard for long is taken away', async () => {
  const { again, dir, time } = setup(), market = again()
  for (const n of [1, 2, 3]) market.beat(n, 10)
  await market.keep(true)
  writeFileSync(join(dir, `${node(1)}.v8`), 'what is this')
  writeFileSync(join(dir, 'market.v8'), '')
  const old = new Date(time.now - 9 * 86_400_000)
  utimesSync(join(dir, `${node(3)}.v8`), old, old)
  const after = again()
  expect([1, 2, 3, 4].map((n) => after.readings.of(node(n), 'hour').cpu)).toEqual([[], [10], [10], []])
  time.now += 3_600_000
  await after.keep()
  expect(readdirSync(dir).toSorted()).toEqual(['market.v8', `${node(1)}.v8`, `${node(2)}.v8`])
})
