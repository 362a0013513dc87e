import { expect, test } from 'vitest'
import { chance, harness } from './harness.ts'

const KILLS = 40

test(`${KILLS} times kill -9 of the server under load: no acknowledged job is lost, none is paid twice`, { timeout: 240_000 }, async () => {
  const market = await harness()
  try {
    await market.startServer()
    for (const name of ['a', 'b']) await market.startAgent(name)
    const buying = Promise.all([['fake:print', 'x'], ['fake:sleep', '5'], ['fake:sleep', '120', ';', 'fake:print', 'done']].map((command) => market.buy(command)))
    const next = chance(7)
    for (let kill = 0; kill < KILLS; kill++) {
      const before = market.acknowledged.size
      // Killed in the middle of work: some jobs have come in since the start, and then a random moment more.
      await expect.poll(() => market.acknowledged.size, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 3)
      await new Promise((resolve) => setTimeout(resolve, next() * 60))
      await market.killServer()
      await market.startServer()
    }
    market.stopSubmitting()
    await buying
    const counts = await market.everythingIsRight()
    process.stdout.write(`server killed ${KILLS} times: ${counts.jobs} jobs acknowledged, ${counts.attempts} attempts, ${market.unanswered} requests repeated\n`)
    expect(market.unanswered).toBeGreaterThan(0)
  } finally { await market.stop() }
})
