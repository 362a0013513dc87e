// `lumaris schedule` against a real market whose clock a test can put on.
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobId, Schedule } from '@lumaris/protocol'
import { createLog, startServer } from '@lumaris/server'
import { QUICK, startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'

let market: TestMarket, ahead = 0
const now = (): number => Date.now() + ahead
beforeAll(async () => { market = await startMarket({ agents: 1, server: { now } }) })
afterAll(() => market.stop())
const shell = () => aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
const read = async (id: string): Promise<Schedule> => (await market.call(market.buyer, 'GET', `/v1/schedules/${id}`)).body
/** The market's clock goes to the schedule's next moment. */
async function untilFired(id: string): Promise<Schedule> {
  const { nextAt = 0, firings } = await read(id)
  ahead += Math.max(0, nextAt - now())
  await expect.poll(async () => (await read(id)).firings[0]?.due, { timeout: 60_000, interval: 20 }).toBe(nextAt)
  expect((await read(id)).firings).toHaveLength(Math.min(20, firings.length + 1))
  return read(id)
}

test('add, fire, list, show, pause, resume, remove', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'data.txt'), 'from here')
  const added = await cli(['schedule', 'add', '--cron', '* * * * *', '--time-zone', 'Europe/Berlin', '--budget', '5', '--name', 'every minute', '--file', 'data.txt', '--json', '--', 'fake:cat', 'data.txt'])
  expect(added.code, added.stderr).toBe(0)
  const { id, cap } = JSON.parse(added.stdout) as Schedule
  const fired = await untilFired(id)
  expect(fired).toMatchObject({ name: 'every minute', timeZone: 'Europe/Berlin', overlap: 'skip', firings: [{ outcome: 'submitted' }] })
  const job = fired.firings[0]?.job as JobId
  expect(await market.ended(job)).toMatchObject({ state: 'completed', cap })
  expect((await cli(['logs', job])).stdout).toBe('from here')
  await expect.poll(async () => (await read(id)).firings[0]?.state).toBe('completed')
  const { committed } = await read(id)
  expect(committed).toBe((await market.ended(job)).cost)
  const listed = await cli(['schedule', 'list'], { tty: true, columns: 200 })
  expect(listed.stdout).toMatch(new RegExp(`^${id} +active +\\* \\* \\* \\* \\* +\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d Europe/Berlin +every minute +completed`, 'm'))
  expect((await cli(['schedule', 'show', id])).stdout).toMatch(new RegExp(`completed\\t${job}`))
  expect((await cli(['schedule', 'pause', id])).stdout).toContain('state\tpaused')
  expect((await read(id)).nextAt).toBeUndefined()
  expect((await cli(['schedule', 'resume', id])).stdout).toContain('state\tactive')
  await untilFired(id)
  expect((await cli(['schedule', 'remove', id])).code).toBe(0)
  expect(await cli(['schedule', 'show', id])).toMatchObject({ code: 3 })
  expect((await cli(['schedule', 'list'])).stdout).toBe('')
})
test('without the money a firing is refused, and it is shown why', async () => {
  const { cli } = shell()
  const { id } = JSON.parse((await cli(['schedule', 'add', '--cron', '* * * * *', '--time-zone', 'UTC', '--cap', '99000000', '--json', '--', 'fake:print', 'x'])).stdout) as Schedule
  expect((await untilFired(id)).firings[0]).toMatchObject({ outcome: 'refused', refused: 'insufficient_funds' })
  expect((await cli(['schedule', 'list'])).stdout).toContain('refused: insufficient funds')
  await cli(['schedule', 'remove', id])
})
test.each([[['--cron', '0 0 31 2 *'], 'never comes'], [['--cron', '* * *'], 'has 3 fields'], [['--cron', '@daily', '--time-zone', 'Mars/Olympus'], 'no time zone Mars/Olympus'], [['--cron', '@daily', '--cap', '2', '--budget', '1'], 'does not cover one firing'], [['--cron', '@daily', '--cpus', '900'], 'Name the most one firing may cost']])('%j is refused, with what to do', async (args, says) => {
  const ran = await shell().cli(['schedule', 'add', ...args, '--', 'fake:print', 'x'])
  expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(says)])
  expect(ran.stderr).toContain('hint:')
})
test('a request that is repeated makes one schedule', async () => {
  const body = { cron: '0 0 1 1 *', cap: '1000', spec: { command: ['x'] } }, key = { 'idempotency-key': 'once' }
  const ids = await Promise.all([1, 2, 3].map(async () => (await market.call(market.buyer, 'POST', '/v1/schedules', body, key)).body.id))
  expect(new Set(ids).size).toBe(1)
  expect((await market.call(market.buyer, 'POST', '/v1/schedules', { ...body, cap: '2000' }, key)).body).toMatchObject({ code: 'idempotency_conflict' })
})
test('the market stands still for hours: the newest moment fires when it is back, once', async () => {
  const { id } = JSON.parse((await shell().cli(['schedule', 'add', '--cron', '*/10 * * * *', '--time-zone', 'UTC', '--cap', '0.01', '--json', '--', 'fake:print', 'x'])).stdout) as Schedule
  const first = (await read(id)).nextAt ?? 0, other = join(market.dir, 'server')
  for (const agent of market.agents.splice(0)) await agent.stop()
  await market.server.stop()
  ahead += 5 * 3_600_000
  const again = await startServer({ dataDir: other, host: '127.0.0.1', port: 0, log: createLog('silent', 'test'), settings: QUICK, now })
  try {
    const rows = () => again.app.db.query<{ doc: string }>('SELECT doc FROM schedules WHERE id = $1', [id]).then(([row]) => JSON.parse(row?.doc ?? '{}') as { nextAt: number; firings: { due: number; job: string }[] })
    await expect.poll(async () => (await rows()).firings.length, { timeout: 60_000, interval: 20 }).toBe(1)
    const { firings: [firing], nextAt } = await rows()
    expect(firing?.due).toBeGreaterThan(first + 4 * 3_600_000)
    expect(nextAt).toBe((firing?.due ?? 0) + 600_000)
    const [count] = await again.app.db.query<{ n: number }>("SELECT COUNT(*) AS n FROM jobs WHERE doc LIKE $1", [`%"schedule":"${id}"%`])
    expect(Number(count?.n)).toBe(1)
  } finally { await again.stop() }
})
