import { expect, test } from 'vitest'
import type { ChildProcess } from 'node:child_process'
import { chance, end, harness } from './harness.ts'

const KILLS = 40

test(`${KILLS} times kill -9 of an agent under load: its attempts end as seller_offline and cost nothing, the jobs run elsewhere`, { timeout: 300_000 }, async () => {
  const market = await harness()
  try {
    await market.startServer()
    const names = ['a', 'b', 'c']
    const agents = new Map<string, ChildProcess>()
    for (const name of names) agents.set(name, await market.startAgent(name))
    const buying = Promise.all(Array.from({ length: 4 }, (_, i) => market.buy(i === 0 ? ['fake:print', 'x'] : ['fake:sleep', String(100 * i)])))
    const next = chance(11)
    await market.killOften(KILLS, next, async () => {
      const name = names[Math.floor(next() * names.length)] as string
      await end(agents.get(name) as ChildProcess)
      agents.set(name, await market.startAgent(name, true))
    })
    market.stopSubmitting()
    await buying
    const counts = await market.everythingIsRight()
    process.stdout.write(`agents killed ${KILLS} times: ${counts.jobs} jobs acknowledged, ${counts.attempts} attempts, ${counts.lost} lost with their agent\n`)
    expect(counts.lost).toBeGreaterThan(0)
  } finally { await market.stop() }
})
