// The owner first, on a real agent with a market: what runs stands still, is not billed for it, and is given back in time.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB, OwnerSettings } from '@lumaris/protocol'
import type { OwnerSaid, OwnerSettingsInput } from '@lumaris/protocol'
import { billOf } from '@lumaris/domain'
import { expect, onTestFinished, test } from 'vitest'
import { startAgent } from '../agent.ts'
import type { AgentConfig, RunningAgent } from '../agent.ts'
import { createClock } from '../clock.ts'
import { findDrivers } from '../drivers/find-drivers.ts'
import { startTinyMarket } from '../tiny-market.ts'
import { SETTINGS_FILE, STOP_FILE, WISH_FILE, readOwnerFiles, setStopped, writeSettings, writeWish } from './files.ts'

const CAPACITY = { cpuMillis: 8_000, memoryBytes: 8 * GIB, diskBytes: 100 * GIB, gpus: 0 }
const QUICK = { heartbeatMs: 200, tickMs: 50, sealMs: 20 }

async function setup(settings: OwnerSettingsInput = {}) {
  const market = await startTinyMarket()
  const dir = await mkdtemp(join(tmpdir(), 'lumaris-owner-'))
  const dataDir = join(dir, 'data'), sys = join(dir, 'sys')
  const driver = createFakeDriver()
  const agents: RunningAgent[] = []
  await writeSettings(dataDir, OwnerSettings.parse({ freezeMs: 600_000, ...settings }))
  const start = async (more: Partial<AgentConfig> = {}): Promise<RunningAgent> => {
    const agent = await startAgent({ server: market.url, dataDir, token: market.token('north'), name: 'north', prices: { cpuHour: '360000000' }, capacity: CAPACITY, drivers: [driver], settings: QUICK, owner: { roots: { sys, proc: join(dir, 'proc'), dev: join(dir, 'dev'), loginctl: join(dir, 'none') }, timeZone: 'UTC' }, ...more })
    agents.push(agent)
    await agent.ready
    return agent
  }
  /** `1` at the wall, `0` on battery. */
  const plug = (online: '0' | '1'): void => {
    for (const [path, text] of [['AC/type', 'Mains'], ['AC/online', online], ['BAT0/type', 'Battery'], ['BAT0/capacity', '80'], ['BAT0/status', online === '1' ? 'Charging' : 'Discharging']] as const) { mkdirSync(join(sys, 'class/power_supply', path, '..'), { recursive: true }); writeFileSync(join(sys, 'class/power_supply', path), `${text}\n`) }
  }
  onTestFinished(async () => {
    for (const agent of agents) await agent.stop()
    await market.close()
    expect(driver.live).toBe(0)
    await rm(dir, { recursive: true })
    // Where sandboxes are set up lies beside the data directory for root, in the common temporary directory; what stood ready there went with the agent.
    rmSync(join(tmpdir(), `lumaris-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`), { recursive: true, force: true })
  })
  const stateOf = (job: string): string | undefined => agents.at(-1)?.owner()?.jobs.find((one) => one.job === job)?.state
  return { market, dataDir, driver, start, plug, stateOf }
}
const spec = { command: ['fake:print', 'up', ';', 'fake:hang'], outputs: [], limits: { runMs: 600_000 } }

test('a laptop is unplugged: what runs stands still before the market hears of it, no work comes, and plugged in again it goes on', async () => {
  const { market, start, plug, stateOf, driver } = await setup()
  plug('1')
  await start()
  const job = market.submit(spec)
  await market.until(() => market.attemptOf(job)?.state === 'running')
  plug('0')
  await expect.poll(() => stateOf(job)).toBe('frozen')
  await market.until(() => market.received.some((message) => message.type === 'availability_update' && message.status === 'paused'))
  const other = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  const beats = () => market.received.filter((message) => message.type === 'availability_update').length
  const before = beats()
  await market.until(() => beats() > before + 2)
  expect(driver.starts).toBe(1)
  plug('1')
  await market.until(() => market.market.job(other)?.state === 'completed')
  await expect.poll(() => stateOf(job)).toBe('running')
  expect(market.attemptOf(job)?.state).toBe('running')
})

test('frozen seconds are not metered and not billed', async () => {
  const { market, start, dataDir, stateOf } = await setup()
  const agent = await start()
  const job = market.submit({ command: ['fake:print', 'up', ';', 'fake:sleep', '1500', ';', 'fake:exit', '0'], outputs: [], limits: { runMs: 600_000 } })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  await writeWish(dataDir, { pause: { until: null } })
  await expect.poll(() => stateOf(job)).toBe('frozen')
  const began = performance.now()
  const ticks = () => market.received.flatMap((message) => (message.type === 'tick' ? [message.tick.usage.runMs] : []))
  const frozenAt = agent.owner()?.jobs[0]?.runMs ?? 0
  // Ticks go on, and say the same: the market sees that the node is there and that the meter stands.
  await expect.poll(() => performance.now() - began > 2_500 && ticks().length > 20).toBe(true)
  await writeWish(dataDir, { pause: null })
  await market.until(() => market.market.job(job)?.state === 'completed')
  const attempt = market.attemptOf(job)!
  const seenMs = attempt.endedAt! - attempt.startedAt!
  expect(seenMs).toBeGreaterThan(2_500)
  expect(attempt.usage.runMs).toBeLessThan(seenMs - 2_000)
  expect(attempt.usage.runMs - frozenAt).toBeLessThan(2_000)
  const row = market.market.state.jobs.get(job)?.row ?? market.market.job(job)!
  expect(billOf(row, attempt)).toBeLessThan(billOf(row, { ...attempt, usage: { ...attempt.usage, runMs: Math.round(seenMs) } }))
})

test('standing still too long, it is handed back: not paid, no mark against the seller, and free to run elsewhere', async () => {
  const { market, start, dataDir } = await setup({ freezeMs: 600 })
  const agent = await start()
  const job = market.submit(spec)
  await market.until(() => market.attemptOf(job)?.state === 'running')
  const { id } = market.attemptOf(job)!
  await writeWish(dataDir, { pause: { until: null } })
  await market.until(() => market.market.attempt(id)?.state === 'ended')
  expect(market.market.attempt(id)).toMatchObject({ cause: 'seller_reclaimed', billed: null })
  expect(market.market.job(job)).toMatchObject({ state: 'queued', cost: 0n })
  expect(market.market.state.profiles.get(agent.nodeId)?.failed ?? 0).toBe(0)
  await writeWish(dataDir, { pause: null })
  const next = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await market.until(() => market.market.job(next)?.state === 'completed')
})

test('many short visits add up: an attempt that has stood still for ten minutes in all is better off elsewhere', async () => {
  let ahead = 0
  const real = createClock()
  const { market, start, dataDir, stateOf } = await setup()
  await start({ clock: { now: () => real.now() + ahead, wall: () => real.wall() } })
  const job = market.submit(spec)
  await market.until(() => market.attemptOf(job)?.state === 'running')
  const { id } = market.attemptOf(job)!
  for (const minutes of [6, 5]) {
    await writeWish(dataDir, { pause: { until: null } })
    await expect.poll(() => stateOf(job)).toBe('frozen')
    ahead += minutes * 60_000
    if (minutes === 5) break
    await writeWish(dataDir, { pause: null })
    await expect.poll(() => stateOf(job)).toBe('running')
  }
  await market.until(() => market.market.attempt(id)?.state === 'ended')
  expect(market.market.attempt(id)).toMatchObject({ cause: 'seller_reclaimed', billed: null })
})

test('a real sandbox stands still within a second of the owner’s word, and goes on where it was', async () => {
  const { market, start, dataDir, stateOf } = await setup()
  const found = (await findDrivers({ dataDir, only: ['bwrap'] })).filter(({ report }) => report.usable).map(({ driver }) => driver)
  if (found.length === 0) { console.warn('left out: bubblewrap does not work on this machine'); return }
  await start({ drivers: found, capacity: { ...CAPACITY, cpuMillis: 2_000 } })
  const job = market.submit({ command: ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'], outputs: [], limits: { runMs: 600_000 } })
  const lines = (): number => market.logOf(market.attemptOf(job)?.id).split('\n').length - 1
  await market.until(() => lines() > 5)
  const began = performance.now()
  await writeWish(dataDir, { pause: { until: null } })
  let last = lines(), lastAt = performance.now()
  // What is measured is that nothing comes: for two seconds.
  while (performance.now() - lastAt < 2_000) { await new Promise((resolve) => setTimeout(resolve, 20)); if (lines() > last) { last = lines(); lastAt = performance.now() } }
  expect(lastAt - began).toBeLessThan(1_000)
  expect(stateOf(job)).toBe('frozen')
  await writeWish(dataDir, { pause: null })
  await market.until(() => lines() > last + 5)
  expect(market.logOf(market.attemptOf(job)?.id).split('\n').slice(0, last + 5)).toEqual(Array.from({ length: last + 5 }, (_, i) => String(i + 1)))
  market.act({ kind: 'cancel', job })
  await market.until(() => market.market.job(job)?.state === 'cancelled')
  // Billed for what it ran, cancelled by its buyer: not for the two seconds and more that it stood still.
  const { usage, startedAt, endedAt } = market.attemptOf(job)!
  expect(usage.runMs).toBeLessThan(endedAt! - startedAt! - 1_800)
})

test('the kill switch is a file: everything is handed back at once, it holds through a restart, and gone it is over', async () => {
  const { market, start, dataDir, driver } = await setup()
  const first = await start()
  const job = market.submit(spec)
  await market.until(() => market.attemptOf(job)?.state === 'running')
  const { id } = market.attemptOf(job)!
  await writeFile(join(dataDir, STOP_FILE), '')
  await market.until(() => market.market.attempt(id)?.state === 'ended')
  expect(driver.live).toBe(0)
  await first.stop()
  const starts = driver.starts
  const second = await start()
  expect(second.owner()).toMatchObject({ word: 'paused', stopped: true, reasons: ['stopped'] })
  await market.until(() => market.received.filter((message) => message.type === 'availability_update' && message.status === 'paused').length > 3)
  expect(driver.starts).toBe(starts)
  setStopped(dataDir, false)
  const next = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await market.until(() => market.market.job(next)?.state === 'completed')
})

test('paused at its start, a node is offered nothing: its hello says so', async () => {
  const { market, start, dataDir, driver } = await setup()
  await (await start()).stop()
  await writeWish(dataDir, { pause: { until: null } })
  market.received.length = 0
  const waiting = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await start()
  await market.until(() => market.received.filter((message) => message.type === 'availability_update').length > 2)
  expect(market.attemptOf(waiting)).toBe(undefined)
  expect(driver.starts).toBe(0)
  await writeWish(dataDir, { pause: null })
  await market.until(() => market.market.job(waiting)?.state === 'completed')
})

test('work that was accepted and not yet started waits while the owner has the machine', async () => {
  const { market, start, dataDir, driver, stateOf } = await setup()
  await start()
  const input = market.put('x'.repeat(10))
  const held = Promise.withResolvers<void>()
  market.faults.push({ times: 1, match: (request) => request.method === 'GET', act: (_request, reply) => void held.promise.then(() => reply.writeHead(200).end('x'.repeat(10))) })
  const job = market.submit({ command: ['fake:exit', '0'], inputs: [{ path: 'a', ...input }], outputs: [] })
  await market.until(() => market.requests.some((request) => request.startsWith('GET')))
  await writeWish(dataDir, { pause: { until: null } })
  await market.until(() => market.received.some((message) => message.type === 'availability_update' && message.status === 'paused'))
  held.resolve()
  const beats = () => market.received.filter((message) => message.type === 'availability_update').length
  const before = beats()
  await market.until(() => beats() > before + 3)
  expect([driver.starts, stateOf(job)]).toEqual([0, 'starting'])
  await writeWish(dataDir, { pause: null })
  await market.until(() => market.market.job(job)?.state === 'completed')
})

test('a smaller share is told to the market at once, and bounds what is taken', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  await writeSettings(dataDir, OwnerSettings.parse({ share: { cpuPercent: 25, memoryPercent: 50 } }))
  await market.until(() => market.market.state.nodes.get(agent.nodeId)?.capacity.cpuMillis === 2_000)
  expect(market.market.state.nodes.get(agent.nodeId)?.capacity.memoryBytes).toBe(4 * GIB)
  await expect.poll(() => agent.owner()).toMatchObject({ offered: { cpuMillis: 2_000 }, full: { cpuMillis: 8_000 } })
  const fits = market.submit({ command: ['fake:exit', '0'], outputs: [], resources: { cpuMillis: 2_000 } }), tooLarge = market.submit({ command: ['fake:exit', '0'], outputs: [], resources: { cpuMillis: 2_001 } })
  await market.until(() => market.market.job(fits)?.state === 'completed')
  expect(market.attemptOf(tooLarge)).toBe(undefined)
})

test('settings asked over the market: taken where the machine says nothing, kept through a restart, and told as they are honoured', async () => {
  const { market, start, dataDir } = await setup({ freezeMs: 0 })
  await writeSettings(dataDir, { share: { memoryPercent: 50 } })
  const agent = await start(), node = () => market.market.state.nodes.get(agent.nodeId)
  const said = () => market.received.findLast((message) => message.type === 'availability_update' && message.owner !== undefined) as { owner: OwnerSaid } | undefined
  market.act({ kind: 'askSettings', node: agent.nodeId, settings: { share: { cpuPercent: 25, memoryPercent: 100, diskPercent: 10 }, freezeMs: 60_000 } })
  await market.until(() => said()?.owner.number === 1)
  expect(said()?.owner).toMatchObject({ from_market: true, local: ['share.memoryPercent'], full: { cpuMillis: 8_000 }, settings: { share: { cpuPercent: 25, memoryPercent: 50, diskPercent: 10 }, freezeMs: 60_000 } })
  await market.until(() => node()?.capacity.cpuMillis === 2_000)
  expect(node()?.capacity).toMatchObject({ memoryBytes: 4 * GIB, diskBytes: 10 * GIB })
  await agent.stop()
  // While nobody is there: heard at the next connection, after what was kept.
  market.act({ kind: 'askSettings', node: agent.nodeId, settings: { share: { cpuPercent: 75 } } })
  expect(readOwnerFiles(dataDir).settings.share.cpuPercent).toBe(25)
  await start()
  await market.until(() => said()?.owner.number === 2 && node()?.capacity.cpuMillis === 6_000)
  expect(said()?.owner).toMatchObject({ settings: { share: { cpuPercent: 75, memoryPercent: 50, diskPercent: 100 }, freezeMs: 300_000 } })
})

test('what a market asks beyond the bounds is not taken: what held holds on, and the market is told why', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  const said = () => market.received.findLast((message) => message.type === 'availability_update' && message.owner !== undefined) as { owner: OwnerSaid } | undefined
  // A market that does not keep the bounds, or is newer: past its own check.
  for (const [settings, why] of [[{ share: { cpuPercent: 500 } }, 'share.cpuPercent'], [{ fromMarket: true }, 'fromMarket'], [{ hours: { timeZone: 'UTC', week: { mon: ['99:00-99:30'] } } }, 'hours.week.mon']] as const) {
    market.act({ kind: 'askSettings', node: agent.nodeId, settings: settings as never })
    await market.until(() => said()?.owner.refused?.includes(why) === true)
  }
  expect(agent.owner()?.settings).toEqual(OwnerSettings.parse({ freezeMs: 600_000 }))
  await writeSettings(dataDir, { fromMarket: false })
  market.act({ kind: 'askSettings', node: agent.nodeId, settings: { share: { cpuPercent: 10 } } })
  await market.until(() => said()?.owner.number === 4 && said()?.owner.from_market === false)
  expect(said()?.owner.settings.share.cpuPercent).toBe(100)
})

test('settings that cannot be read are told: at the start nothing begins, later the last good ones hold', async () => {
  const { start, dataDir } = await setup()
  await writeFile(join(dataDir, SETTINGS_FILE), '{"share":{"cpuPercent":250}}')
  await expect(start()).rejects.toThrow(/owner\.json: share\.cpuPercent: .*Mend it, or remove it/)
  await writeSettings(dataDir, OwnerSettings.parse({ share: { cpuPercent: 50 } }))
  const agent = await start()
  await writeFile(join(dataDir, SETTINGS_FILE), '{"share":')
  await expect.poll(() => agent.owner()?.problems.map((one) => one.code)).toContain('settings')
  expect(agent.owner()).toMatchObject({ offered: { cpuMillis: 4_000 }, settings: { share: { cpuPercent: 50 } } })
})

test('what the owner wrote is in the files, and is what was meant', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-files-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true }))
  expect(readOwnerFiles(dataDir)).toMatchObject({ stopped: false, wish: { pause: null }, settings: { share: { cpuPercent: 100 }, hours: null, pauseWhen: { inUse: true, otherCpuPercent: null } } })
  await writeWish(dataDir, { pause: { until: 5 } })
  setStopped(dataDir, true)
  setStopped(dataDir, true)
  expect(readOwnerFiles(dataDir)).toMatchObject({ stopped: true, wish: { pause: { until: 5 } } })
  expect(JSON.parse(await readFile(join(dataDir, WISH_FILE), 'utf8'))).toEqual({ pause: { until: 5 } })
  for (const [bad, says] of [[{ hours: { timeZone: 'Mars/Base', week: {} } }, 'a time zone is written such as'], [{ hours: { timeZone: 'UTC', week: { mon: ['22:00-07:00'] } } }, 'a night is two ranges'], [{ hours: { timeZone: 'UTC', week: { mon: ['9-17'] } } }, 'hours are written such as'], [{ freezeMs: -1 }, 'freezeMs'], [{ colour: 'red' }, 'colour']] as const) {
    await writeFile(join(dataDir, SETTINGS_FILE), JSON.stringify(bad))
    expect(() => readOwnerFiles(dataDir), JSON.stringify(bad)).toThrow(says)
  }
})
