// A server that was replaced as the writer goes on serving pages: what operators set at the other one holds here too.
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import { expect, test } from 'vitest'
import { startMarket } from '../start-market.ts'

const missing = postgresMissing()
test.skipIf(Boolean(missing))(missing || 'a replica that is not the writer any more refuses sign-ups and counts requests as the new writer’s operators have set it', { timeout: 300_000 }, async () => {
  const postgres = await startPostgres()
  const market = await startMarket({ server: { databaseUrl: await postgres.createDatabase(), rates: { signUp: { max: 1_000, perMs: 60_000 } } } }), { db } = market.app
  let beats: NodeJS.Timeout | undefined
  try {
    const join = async (name: string) => market.call(null, 'POST', '/v1/users', { email: `${name}@test`, password: 'seven green bottles', name })
    expect((await join('first')).status).toBe(201)
    // Another takes over, and goes on being there.
    await db.transact([{ sql: "UPDATE writer SET epoch = epoch + 1, holder = 'another'", params: [] }])
    beats = setInterval(() => void db.transact([{ sql: "UPDATE writer SET beat = beat + 1 WHERE holder = 'another'", params: [] }]).catch(() => undefined /* the test is over */), 500)
    await expect.poll(() => market.app.engine.ready, { timeout: 60_000 }).toBe(false)
    expect((await join('second')).status).toBe(201) // pages are served on
    const set = (version: number, values: object) => db.transact([{ sql: 'INSERT INTO settings_versions (version, by_user, doc) VALUES ($1, $2, $3)', params: [version, market.demo.admin.id, JSON.stringify({ version, at: 1, by: market.demo.admin.id, reason: 'there', values, changed: {} })] }])
    await set(1, { signUpsPaused: 'We are full.', addressRate: 31 })
    expect((await join('third')).body).toMatchObject({ code: 'sign_ups_paused', detail: { says: 'We are full.' } }) // at once
    await expect.poll(async () => (await market.call(null, 'GET', '/v1/market')).headers.get('ratelimit-limit')).toBe('31')
    await set(2, {})
    expect((await join('third')).status).toBe(201)
  } finally { clearInterval(beats); await market.stop(); await postgres.stop() }
})
