// The owner's commands, against a real market and a real agent with its screen.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent } from '@lumaris/agent'
import type { RunningAgent } from '@lumaris/agent'
import { OwnerSettings } from '@lumaris/protocol'
import { createFakeDriver } from '@lumaris/testkit'
import { QUICK_AGENT, startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { EXIT } from './failures.ts'
import { hoursText, parseHours } from './hours.ts'
import { openScreen } from './open-screen.ts'
import { aFolder, aShell } from './test-cli.ts'

let market: TestMarket, agent: RunningAgent, data: string
const start = async (token?: string): Promise<void> => {
  agent = await startAgent({
    server: market.url, dataDir: data, ...(token === undefined ? {} : { token }), name: 'tower', prices: { cpuHour: '3600000' }, drivers: [createFakeDriver()], settings: QUICK_AGENT, capacity: { cpuMillis: 4_000, memoryBytes: 2 ** 33, diskBytes: 2 ** 36, gpus: 0 }, gui: {},
    owner: { roots: { sys: '/nowhere', dev: '/nowhere', proc: '/proc', loginctl: '/nowhere' } },
  })
}
beforeAll(async () => {
  market = await startMarket()
  const { body } = await market.call(market.demo.sellers[0]!.key, 'POST', '/v1/enrolments', { name: 'tower' })
  data = join(market.dir, 'tower')
  await start(body.token as string)
  await agent.ready
})
afterAll(async () => { await agent?.stop(); await market?.stop() })
const json = (text: string): any => JSON.parse(text) // eslint-disable-line -- a test looks into whatever came back
const job = async (): Promise<string> => (await market.submit({ command: ['fake:print', 'x', ';', 'fake:hang'], limits: { runMs: 60_000 } })).body.id as string

test('status, pause for a while, resume: at once, and the market hears of it', async () => {
  const { cli } = aShell()
  expect(json((await cli(['agent', 'status', '--data', data, '--json'])).stdout)).toMatchObject({ name: 'tower', word: 'idle', node: agent.nodeId })
  const paused = await cli(['agent', 'pause', '--for', '1h', '--data', data, '--json'])
  expect(paused).toMatchObject({ code: 0, stderr: 'Nothing of the market runs here now.\n' })
  expect(json(paused.stdout)).toMatchObject({ running: true, stopped: false, jobs: [] })
  expect(json((await cli(['agent', 'status', '--data', data, '--json'])).stdout)).toMatchObject({ word: 'paused', reasons: ['paused'], says: 'You paused it.' })
  await expect.poll(async () => market.app.engine.state.links.get(agent.nodeId)?.accepting).toBe(false)
  expect((await cli(['agent', 'resume', '--data', data])).stderr).toBe('Work may run here again.\n')
})

test('stop-all ends everything, says so, and holds until resume', async () => {
  const { cli } = aShell()
  const id = await job()
  await expect.poll(() => agent.owner()?.jobs.map((one) => one.state)).toEqual(['running'])
  const stopped = await cli(['agent', 'stop-all', '--data', data, '--json'])
  expect(stopped.code).toBe(0)
  expect(json(stopped.stdout)).toMatchObject({ running: true, stopped: true, jobs: [] })
  expect(existsSync(join(data, 'STOP'))).toBe(true)
  const attempts = (await market.call(market.buyer, 'GET', `/v1/jobs/${id}/attempts`)).body.data
  expect(attempts[0]).toMatchObject({ cause: 'seller_reclaimed' })
  expect(attempts[0].billed).toBe(undefined)
  await market.call(market.buyer, 'POST', `/v1/jobs/${id}/cancel`)
  await cli(['agent', 'resume', '--data', data])
  expect(existsSync(join(data, 'STOP'))).toBe(false)
})

test('what the node has earned comes from the market, after its fee', async () => {
  const done = (await market.submit({ command: ['fake:sleep', '1200', ';', 'fake:exit', '0'] }, {})).body.id as string
  await market.ended(done as never)
  const [attempt] = (await market.call(market.buyer, 'GET', `/v1/jobs/${done}/attempts`)).body.data
  const wallet = (await market.call(market.demo.sellers[0]!.key, 'GET', '/v1/wallet')).body
  expect(BigInt(attempt.billed)).toBeGreaterThan(0n)
  await expect.poll(() => agent.owner()?.earnings?.total).toBe(wallet.pending)
  expect(agent.owner()?.earnings).toMatchObject({ pending: wallet.pending, recent: wallet.pending, node: agent.nodeId })
  expect(BigInt(wallet.pending)).toBeLessThan(BigInt(attempt.billed))
})

test('settings are shown and changed, and a wrong one says what would be right', async () => {
  const { cli } = aShell()
  const set = await cli(['agent', 'settings', '--data', data, '--cpu', '50%', '--hours', 'mon-fri 22-7; sat,sun all', '--time-zone', 'Europe/Berlin', '--other-load', '30', '--hotter-than', 'off', '--idle', '90s', '--json'])
  expect([set.code, set.stderr]).toEqual([0, ''])
  const written = OwnerSettings.parse(JSON.parse(readFileSync(join(data, 'owner.json'), 'utf8')))
  expect(json(set.stdout)).toEqual(written)
  expect(written).toMatchObject({ share: { cpuPercent: 50, memoryPercent: 100 }, hours: { timeZone: 'Europe/Berlin', week: { mon: ['22:00-24:00'], tue: ['00:00-07:00', '22:00-24:00'], sat: ['00:00-24:00'] } }, pauseWhen: { otherCpuPercent: 30, hotterThanCelsius: null, idleMs: 90_000, inUse: true } })
  for (const [args, says] of [[['--cpu', '0'], 'is not a percentage from 1 to 100'], [['--hours', 'weekdays'], 'Write them such as'], [['--in-use', 'maybe'], 'neither pause nor run'], [['--idle', '1s'], 'pauseWhen.idleMs'], [['--hours', 'mon all', '--time-zone', 'Mars/Base'], 'a time zone is written such as']] as const) {
    const wrong = await cli(['agent', 'settings', '--data', data, ...args])
    expect([wrong.code, wrong.stderr], args.join(' ')).toEqual([EXIT.usage, expect.stringContaining(says)])
  }
  expect(OwnerSettings.parse(JSON.parse(readFileSync(join(data, 'owner.json'), 'utf8')))).toEqual(written)
  expect((await cli(['agent', 'settings', '--data', data, '--cpu', '100', '--hours', 'always', '--other-load', 'off'])).stdout).toContain('hours\talways\n')
})

test.each([
  ['always', null], ['mon 9-17', { mon: ['09:00-17:00'] }], ['fri-mon 23:30-0', { fri: ['23:30-24:00'], sat: ['23:30-24:00'], sun: ['23:30-24:00'], mon: ['23:30-24:00'] }],
  ['sun 22:00-06:30', { sun: ['22:00-24:00'], mon: ['00:00-06:30'] }], ['tue 8-12,12-18; Tuesday 20-21', { tue: ['08:00-18:00', '20:00-21:00'] }],
])('hours as typed: %s', (text, week) => { expect(parseHours(text)).toEqual(week && { mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [], ...week }) })
test.each(['', 'mon', 'mon 25-26', 'mon 9-9', 'noday 9-17', 'mon 9', 'mon-tue-wed 9-17', 'mon 9-17; ; tue'])('hours that make no sense are refused: "%s"', (text) => { expect(() => parseHours(text)).toThrow('Write them such as') })
test('hours are shown as they are', () => { expect(hoursText({ timeZone: 'UTC', week: parseHours('mon 9-17; tue all')! })).toBe('mon 09:00-17:00; tue 00:00-24:00 (UTC)') })

test('top shows the node in a terminal, pauses with p, lets go again, and leaves with q', async () => {
  const { cli } = aShell()
  let seen = ''
  const did: string[] = []
  const { code, stderr } = await cli(['top', '--data', data], { tty: true, columns: 100, onWrite(text, keys) {
    seen += text
    const next = (what: string, when: string, key: string): void => { if (!did.includes(what) && seen.includes(when)) { did.push(what); seen = ''; keys.type(key) } }
    if (did.length === 0) next('pause', ' IDLE ', 'p')
    else if (did.length === 1) next('resume', ' PAUSED ', 'p')
    else if (did.length === 2) next('leave', ' IDLE ', 'q')
  } })
  expect([code, stderr, did]).toEqual([0, '', ['pause', 'resume', 'leave']])
})
test('top is one JSON document for a program, and lines on request; without an agent it says what to do', async () => {
  const { cli } = aShell()
  expect(json((await cli(['top', '--data', data, '--json'])).stdout)).toMatchObject({ node: agent.nodeId, jobs: [] })
  expect((await cli(['top', '--data', data, '--once', '--json=lines'])).stdout.trim().split('\n').map((line) => json(line).name)).toEqual(['tower'])
  expect((await cli(['top', '--data', data, '--once'], { tty: true })).stdout).not.toContain('\u001b[?')
  for (const command of [['top'], ['agent', 'gui'], ['agent', 'status']]) expect(await cli([...command, '--data', join(data, 'no')])).toMatchObject({ code: EXIT.notFound, stderr: expect.stringContaining('lumaris agent join') })
  for (const command of ['pause', 'resume', 'stop-all', 'settings']) expect(await cli(['agent', command, '--data', join(data, 'no')])).toMatchObject({ code: EXIT.notFound, stderr: expect.stringContaining('No agent has joined') })
})

test('gui prints an address that opens once, and gives it to a browser that can show it as a window', async () => {
  const { cli } = aShell()
  const { stdout, code } = await cli(['agent', 'gui', '--no-open', '--data', data, '--json'])
  expect([code, json(stdout)]).toEqual([0, { url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#ticket=[\w-]{32}$/), opened: null }])
  const bin = aFolder(), told = join(bin, 'told')
  const program = (name: string): void => { writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $1" > ${told}.new && /bin/mv ${told}.new ${told}\n`); chmodSync(join(bin, name), 0o755) }
  const env = { PATH: bin, DISPLAY: ':0' }
  expect(await openScreen('http://x/#t', env, 'linux', 1000)).toBe(null)
  program('xdg-open')
  expect(await openScreen('http://x/#t', env, 'linux', 1000)).toBe('xdg-open')
  await expect.poll(() => existsSync(told) && readFileSync(told, 'utf8')).toBe('xdg-open http://x/#t\n')
  program('microsoft-edge')
  expect(await openScreen('http://x/#t', env, 'linux', 1000)).toBe('microsoft-edge')
  await expect.poll(() => readFileSync(told, 'utf8')).toBe('microsoft-edge --app=http://x/#t\n')
  expect(await openScreen('http://x/#t', { PATH: bin }, 'linux', 1000)).toBe(null) // no desktop
  expect(await openScreen('http://x/#t', env, 'linux', 0)).toBe(null) // root
})

test('what may go over the network, and how much the log tells, are set here; where there is no systemd, nothing pretends to start with the system', async () => {
  const { cli } = aShell()
  const set = json((await cli(['agent', 'limits', '--up', '500KiB', '--down', '2MiB/s', '--metered', 'run', '--log-level', 'debug', '--data', data, '--json'])).stdout)
  expect(set).toMatchObject({ share: { upKiBs: 500, downKiBs: 2048 }, pauseWhen: { metered: false }, logLevel: 'debug' })
  expect(await cli(['agent', 'settings', '--up', '1KiB', '--data', data])).toMatchObject({ code: EXIT.usage, stderr: expect.stringContaining('share.upKiBs') })
  expect(json((await cli(['agent', 'settings', '--up', 'off', '--down', 'off', '--metered', 'pause', '--log-level', 'usual', '--data', data, '--json'])).stdout)).toMatchObject({ share: { upKiBs: null, downKiBs: null }, pauseWhen: { metered: true }, logLevel: null })
  if (existsSync('/run/systemd/system')) return // then it is for real, and not for a test
  expect(json((await cli(['agent', 'service', 'status', '--data', data, '--json'])).stdout)).toMatchObject({ state: 'none' })
  expect(await cli(['agent', 'service', 'install', '--data', data])).toMatchObject({ code: EXIT.failed, stderr: expect.stringContaining('not run by systemd') })
  expect(await cli(['agent', 'service', 'install', '--data', data, '--', '--cpus', 'many'])).toMatchObject({ code: EXIT.failed, stderr: expect.stringContaining('--cpus must be a number') })
})
test('over the market: its machine tests itself; a node is removed by its name, for good', { timeout: 300_000 }, async () => {
  const seller = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.demo.sellers[0]!.key })
  const tested = await seller.cli(['node', 'self-test', 'tower'])
  expect([tested.code, tested.stdout]).toEqual([0, expect.stringMatching(/^PASSED {2}Market: .*\nPASSED {2}Disk: .*\nPASSED {2}Isolation by fake: /)])
  expect((await seller.cli(['node', 'activity', 'tower'])).stdout).toMatch(/A self-test was asked of it/)
  const spare = await market.join('spare', { seller: 0 })
  expect(await seller.cli(['node', 'remove', 'spare'], { stdin: 'tower\n' })).toMatchObject({ code: EXIT.usage })
  expect((await seller.cli(['node', 'remove', 'spare', '--yes'])).code).toBe(0)
  expect(await spare.ended).toContain('retired')
  expect((await seller.cli(['nodes'])).stdout).not.toContain('spare')
  expect((await seller.cli(['nodes', '--all'])).stdout).toMatch(/spare\tretired/)
})

// The last one: it takes the market away.
test('without a market the screen shows what was last known, with its time, and says what is the matter', async () => {
  const known = agent.owner()?.earnings
  expect(known?.total).toMatch(/^[1-9]/)
  await agent.stop()
  await market.server.stop()
  await start()
  // They may have been asked once more before the agent stopped: then their time is a later one.
  expect(agent.owner()).toMatchObject({ connected: false, earnings: { ...known, at: expect.any(Number) as number }, node: agent.nodeId, name: 'tower' })
  expect(agent.owner()?.earnings?.at).toBeGreaterThanOrEqual(known?.at ?? Infinity)
  await expect.poll(() => agent.owner()?.problems, { timeout: 60_000 }).toContainEqual(expect.objectContaining({ code: 'no_connection', action: 'reconnect' }))
  expect(agent.owner()).toMatchObject({ word: 'problem', says: 'The market cannot be reached.' })
  const { cli } = aShell()
  expect((await cli(['agent', 'pause', '--data', data])).code).toBe(0)
})
test('with no agent running, a word of the owner waits for its next start', async () => {
  await agent.stop()
  const { cli } = aShell()
  const { code, stderr, stdout } = await cli(['agent', 'stop-all', '--data', data, '--json'])
  expect([code, json(stdout)]).toEqual([0, { running: false, stopped: true, wish: { pause: { until: null } }, jobs: [] }])
  expect(stderr).toContain('it holds from its next start')
  await start()
  expect(agent.owner()).toMatchObject({ stopped: true, word: 'paused' })
})
