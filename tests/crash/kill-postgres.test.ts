import { test } from 'vitest'
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import { chance, harness } from './harness.ts'

const KILLS = 40
const missing = postgresMissing()

if (missing) test.skip(`kill -9 of PostgreSQL: ${missing}`, () => undefined)
else test(`${KILLS} times kill -9 of PostgreSQL under load: no acknowledged job is lost, none is paid twice`, { timeout: 900_000 }, async () => {
  const postgres = await startPostgres()
  const market = await harness()
  try {
    await market.startServer(postgres.url)
    for (const name of ['a', 'b']) await market.startAgent(name)
    const buying = Promise.all([['fake:print', 'x'], ['fake:sleep', '5']].map((command) => market.buy(command)))
    await market.killOften(KILLS, chance(13), async () => { await postgres.kill9(); await postgres.start() })
    market.stopSubmitting()
    await buying
    const counts = await market.everythingIsRight()
    process.stdout.write(`PostgreSQL killed ${KILLS} times: ${counts.jobs} jobs acknowledged, ${counts.attempts} attempts, ${market.unanswered} requests repeated\n`)
  } finally { await market.stop(); await postgres.stop() }
})
