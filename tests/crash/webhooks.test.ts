import { expect, test } from 'vitest'
import { startHookReceiver } from '@lumaris/testkit'
import { chance, harness } from './harness.ts'

const KILLS = 10

test(`${KILLS} times kill -9 of the server between commit and delivery: every job's end is told, and what is told of one job is in its order`, { timeout: 300_000 }, async () => {
  const market = await harness(), there = await startHookReceiver()
  try {
    await market.startServer()
    await market.startAgent('a')
    const next = chance(11)
    // Answers late and now and then not at all, so that a kill falls between what was committed and what was told.
    there.answerWith((response) => { if (next() < 0.1) response.destroy(); else setTimeout(() => response.writeHead(204).end(), next() * 30) })
    const made = await fetch(`${market.url}/v1/webhooks`, { method: 'POST', headers: { authorization: `Bearer ${market.keys.buyer}`, 'content-type': 'application/json' }, body: JSON.stringify({ url: there.url, events: ['job.submitted', 'job.ended'] }) })
    expect(made.status).toBe(201)
    const buying = market.buy(['fake:print', 'x'])
    await market.killOften(KILLS, next, async () => { await market.killServer(); await market.startServer() })
    market.stopSubmitting()
    await buying
    await market.everythingIsRight()
    const told = (): { job: string; type: string; version: number }[] => there.told.map((one) => (JSON.parse(one.body) as { data: { job: string; type: string; version: number } }).data)
    const missing = (): string[] => { const ended = new Set(told().filter((one) => one.type === 'ended').map((one) => one.job)); return [...market.acknowledged].filter((job) => !ended.has(job)) }
    await expect.poll(missing, { timeout: 60_000 }).toEqual([])
    // A job's messages come in order: nothing new of it is seen before everything older of it was.
    const newest = new Map<string, number>()
    for (const { job, type, version } of told()) {
      if (type === 'ended') expect(newest.get(job), `${job} was submitted before it ended`).toBeDefined()
      expect(version, job).toBeGreaterThanOrEqual(newest.get(job) ?? 0)
      newest.set(job, version)
    }
    const ids = there.told.map((one) => one.headers['webhook-id'])
    process.stdout.write(`server killed ${KILLS} times: ${market.acknowledged.size} jobs, ${new Set(ids).size} messages told ${ids.length} times\n`)
  } finally { await market.stop(); await there.stop() }
})
