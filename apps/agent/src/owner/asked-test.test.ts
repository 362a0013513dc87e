import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB, SELF_TEST_VALID_MS } from '@lumaris/protocol'
import type { SelfTestSaid } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { startAgent } from '../agent.ts'
import { silent } from '../log.ts'
import { startTinyMarket } from '../tiny-market.ts'
import { TEST_FILE, createAskedTest } from './asked-test.ts'

function setup() {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-asked-'))
  const world = { quiet: true, now: 0, held: [] as boolean[], told: 0, tests: 0, gate: Promise.resolve() }
  const start = () => createAskedTest({ dataDir, now: () => world.now, wall: () => 5_000 + world.now, log: silent, quiet: () => world.quiet, hold: (held) => world.held.push(held), tell: () => { world.told++ }, test: async () => { world.tests++; await world.gate; return [{ check: 'Disk', ok: true, says: 'x'.repeat(9_000) }] } })
  const made = [start()]
  onTestFinished(async () => { for (const one of made) await one.close(); rmSync(dataDir, { recursive: true }) })
  return { world, dataDir, first: made[0]!, again: () => { const one = start(); made.push(one); return one } }
}
const state = (one: { said: SelfTestSaid }) => expect.poll(() => one.said.state)

test('it waits until nothing runs, takes no work while it tests, and keeps what it found', async () => {
  const { world, dataDir, first, again } = setup()
  world.quiet = false
  first.ask(1)
  await expect.poll(() => readFileSync(join(dataDir, TEST_FILE), 'utf8')).toContain('waiting')
  expect([world.tests, world.held]).toEqual([0, []])
  const gate = Promise.withResolvers<void>()
  world.gate = gate.promise
  world.quiet = true
  await state(first).toBe('running')
  expect(world.held).toEqual([true])
  first.ask(2) // asked while it runs: the same test answers it
  first.ask(1) // said again, as by a market that has not heard
  gate.resolve()
  await state(first).toBe('done')
  await expect.poll(() => world.held).toEqual([true, false])
  expect([first.said.number, world.tests, first.said.lines[0]?.says.length, first.said.at]).toEqual([2, 1, 500, 5_000])
  first.ask(2)
  expect(again().said).toEqual(first.said)
  expect(world.tests).toBe(1)
})
test('an agent that was ended while it waited goes on with it; when work never ends, it gives up and says so', async () => {
  const { world, first, again } = setup()
  world.quiet = false
  first.ask(3)
  await state(first).toBe('waiting')
  await first.close()
  expect(first.said).toMatchObject({ number: 3, state: 'waiting' })
  const second = again()
  expect(second.said).toMatchObject({ number: 3, state: 'waiting' })
  world.now += SELF_TEST_VALID_MS
  await state(second).toBe('given_up')
  expect([world.tests, world.held]).toEqual([0, []])
  world.quiet = true
  second.ask(4)
  await state(second).toBe('done')
})

test('asked over the market: it waits for the job that runs, tests for real, and is told again after each connection and each start', { timeout: 300_000 }, async () => {
  const market = await startTinyMarket(), dir = await mkdtemp(join(tmpdir(), 'lumaris-asked-'))
  const start = () => startAgent({ server: market.url, dataDir: join(dir, 'data'), token: market.token('north'), name: 'north', prices: { cpuHour: '1000' }, capacity: { cpuMillis: 4_000, memoryBytes: GIB, diskBytes: 10 * GIB, gpus: 0 }, drivers: [createFakeDriver()], settings: { heartbeatMs: 200, tickMs: 50, sealMs: 20 }, owner: { roots: { sys: dir, proc: '/proc', dev: dir, loginctl: join(dir, 'none') }, timeZone: 'UTC' } })
  const agent = await start()
  onTestFinished(async () => { await agent.stop(); await market.close(); await rm(dir, { recursive: true }) })
  await agent.ready
  const said = () => market.received.flatMap((message) => (message.type === 'availability_update' && message.self_test ? [message.self_test] : []))
  const job = market.submit({ command: ['fake:hang'], outputs: [] })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  market.act({ kind: 'askTest', node: agent.nodeId })
  await market.until(() => said().at(-1)?.state === 'waiting')
  expect(market.attemptOf(job)?.state).toBe('running')
  market.act({ kind: 'cancel', job })
  await market.until(() => said().at(-1)?.state === 'done')
  // This market has no healthz; the disk and the driver are tried for real.
  expect(said().at(-1)?.lines.map(({ check, ok }) => [check, ok])).toEqual([['Market', false], ['Disk', true], ['Isolation by fake', true]])
  const before = said().length
  market.cut()
  await market.until(() => said().length > before)
  expect(said().at(-1)).toMatchObject({ number: 1, state: 'done' })
  await agent.stop()
  const next = await start(), seen = said().length
  onTestFinished(() => next.stop())
  await market.until(() => said().length > seen)
  expect(said().at(-1)).toMatchObject({ number: 1, state: 'done' })
  // It takes work again.
  const more = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await market.until(() => market.market.job(more)?.state === 'completed')
})
