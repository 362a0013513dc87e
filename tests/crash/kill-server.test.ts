import { expect, test } from 'vitest'
import { chance, harness } from './harness.ts'

const KILLS = 40

test(`${KILLS} times kill -9 of the server under load: no acknowledged job is lost, none is paid twice`, { timeout: 300_000 }, async () => {
  const market = await harness()
  try {
    await market.startServer()
    for (const name of ['a', 'b']) await market.startAgent(name)
    const buying = Promise.all([['fake:print', 'x'], ['fake:sleep', '5'], ['fake:sleep', '120', ';', 'fake:print', 'done']].map((command) => market.buy(command)))
    await market.killOften(KILLS, chance(7), async () => { await market.killServer(); await market.startServer() })
    market.stopSubmitting()
    await buying
    const counts = await market.everythingIsRight()
    process.stdout.write(`server killed ${KILLS} times: ${counts.jobs} jobs acknowledged, ${counts.attempts} attempts, ${market.unanswered} requests repeated\n`)
    expect(market.unanswered).toBeGreaterThan(0)
  } finally { await market.stop() }
})
