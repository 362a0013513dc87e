// The outbox and the sums of what was spent ask their tables in SQL of their own: the same on a real PostgreSQL.
import { postgresMissing, startHookReceiver, startPostgres } from '@lumaris/testkit'
import { expect, test } from 'vitest'
import { startMarket } from '../start-market.ts'

const missing = postgresMissing()
test.skipIf(Boolean(missing))(missing || 'on PostgreSQL events are told in their order, standing requests once, and what was spent is what the jobs cost', async () => {
  const postgres = await startPostgres(), there = await startHookReceiver()
  const market = await startMarket({ agents: 1, server: { databaseUrl: await postgres.createDatabase(), webhooks: { loopback: true } } })
  try {
    const hook = await market.call(market.buyer, 'POST', '/v1/webhooks', { url: there.url, events: ['job.submitted', 'job.ended', 'standing.met'] })
    expect(hook.status).toBe(201)
    const jobs: string[] = []
    for (const name of ['nightly', undefined]) { const { body: job } = await market.submit({ ...(name ? { name } : {}), command: ['fake:sleep', '150'] }); jobs.push(job.id); await market.ended(job.id) }
    await market.call(market.buyer, 'POST', '/v1/standing-requests', { spec: { command: ['x'] } })
    // Each subject has its order; of two subjects either may come first.
    const told = () => there.told.map((one) => JSON.parse(one.body) as { type: string; data: { job?: string } })
    await expect.poll(() => told().length).toBe(5)
    for (const job of jobs) expect(told().filter(({ data }) => data.job === job).map(({ type }) => type)).toEqual(['job.submitted', 'job.ended'])
    expect(told().filter(({ data }) => data.job === undefined).map(({ type }) => type)).toEqual(['standing.met'])
    there.answerWith(500)
    const { body: ping } = await market.call(market.buyer, 'POST', `/v1/webhooks/${hook.body.id}/test`)
    const newest = async () => (await market.call(market.buyer, 'GET', `/v1/webhooks/${hook.body.id}/deliveries`)).body.data[0]
    await expect.poll(newest).toMatchObject({ id: ping.id, state: 'waiting', tries: 1, status: 500 })
    there.answerWith(204)
    expect((await market.call(market.buyer, 'POST', `/v1/webhooks/${hook.body.id}/deliveries/${ping.id}/resend`)).status).toBe(200)
    await expect.poll(newest).toMatchObject({ state: 'delivered' })
    const { body: spend } = await market.call(market.buyer, 'GET', '/v1/spend'), { spent } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
    expect(spend).toMatchObject({ total: spent, names: expect.arrayContaining([{ name: 'nightly', cost: expect.any(String), jobs: 1, days: [expect.anything()] }, { name: null, cost: expect.any(String), jobs: 1, days: [expect.anything()] }]), templates: [{ template: null, cost: spent, jobs: 2, days: [expect.anything()] }] })
    expect((await market.call(market.buyer, 'DELETE', `/v1/webhooks/${hook.body.id}`)).status).toBe(204)
  } finally { await market.stop(); await there.stop(); await postgres.stop() }
})
