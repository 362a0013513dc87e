// A machine that goes from agent to agent while it runs, and real kills on the way: of the server, of the agent that it goes to, of the agent that it leaves, each at a
// moment that is drawn. What was said must fit together as the documents say: it stays, or goes on there, or was lost and begins again; it ends once and is paid once.
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { verifyReceipt } from '@lumaris/sdk'
import type { Processes } from '../split/processes.ts'
import { attemptsOf, linesOf, missingFor, otherNode, secretJob, twoNodes } from './rig.ts'

/** From the word to move until it runs there takes about this long on two quiet cores; so any part of it may be hit. */
const MOVE_MS = 4_000
const COUNT_TO = 300
/** More of them by hand: KILLS=10. */
const ROUNDS = Number(process.env['KILLS'] ?? 1)
const CAUSES = ['succeeded', 'moved', 'seller_offline', 'seller_reclaimed', 'driver_failed', 'platform_fault']

const missing = await missingFor('qemu')
test.skipIf(missing !== null)(`killed -9 while it moves, each of three: its memory is kept or it begins again, it ends once, and is paid once${missing ? ` (${missing})` : ''}`, { timeout: 300_000 + ROUNDS * 600_000 }, async () => {
  const all = await twoNodes('qemu')
  try { for (let round = 0; round < ROUNDS; round++) for (const victim of ['server', 'target', 'source'] as const) await killed(all, victim, randomInt(MOVE_MS)) } finally { await all.stop() }
})

async function killed(all: Processes, victim: 'server' | 'target' | 'source', afterMs: number): Promise<void> {
  const { id: job } = await all.client().submit({ ...secretJob('qemu', COUNT_TO), limits: { runMs: 600_000, processes: 16, retries: 20 } })
  await expect.poll(async () => { const at = (await attemptsOf(all, job)).at(-1); return at?.state === 'running' && at.usage.runMs > 500 }, { timeout: 120_000, interval: 50 }).toBe(true)
  const source = (await attemptsOf(all, job)).at(-1)?.node, target = otherNode(all, source)
  await all.client().move(job)
  await delay(afterMs) // the drawn moment
  if (victim === 'server') { await all.kill(all.server); await all.startServer() }
  else for (const [name, { child, nodeId, cpuMillis }] of all.agents) if (nodeId === (victim === 'source' ? source : target)) { await all.kill(child); await all.startAgent(name, cpuMillis) }
  const client = all.client()
  await expect.poll(async () => (await client.job(job)).state, { timeout: 240_000, interval: 100 }).toBe('completed')

  const attempts = await attemptsOf(all, job), said = await linesOf(all, attempts), told = `${victim} after ${afterMs} ms: ${attempts.map(({ node, cause, detail, saved, billed }) => `${node === source ? 'source' : 'target'} ${cause} ${saved?.kind ?? ''} ${billed} ${detail ?? ''}`).join('; ')}`
  if (process.env['KILLS']) process.stdout.write(`${told}\n`)
  expect(attempts.map(({ cause }) => cause).filter((cause) => cause === 'succeeded'), told).toHaveLength(1)
  expect(attempts.filter(({ cause }) => !CAUSES.includes(cause ?? '')), told).toEqual([])
  // Line after line it is the next number with the same secret, or the first one with another.
  for (const [i, { n, secret }] of said.entries()) { const before = said[i - 1]; expect(n === 0 ? secret !== before?.secret : n === (before?.n ?? -2) + 1 && secret === before?.secret, `${told}: ${n} after ${before?.n}`).toBe(true) }
  expect(said.at(-1)?.n, told).toBe(COUNT_TO - 1)
  // Those who had a part in what ended are paid, and nobody who lost it: so what has begun again was paid to nobody before.
  const begun = said.findLast(({ n }) => n === 0)?.attempt ?? 0
  expect(attempts.map(({ billed }) => BigInt(billed ?? 0) > 0n), told).toEqual(attempts.map((_one, i) => i >= begun))
  for (const { id } of attempts.slice(begun)) await expect.poll(async () => (await verifyReceipt(await client.receipt(id))).checks.filter(({ ok }) => !ok)).toEqual([])
  const { cost, cap } = await client.job(job)
  expect(attempts.reduce((sum, { billed }) => sum + BigInt(billed ?? '0'), 0n).toString(), told).toBe(cost)
  expect(BigInt(cost)).toBeLessThanOrEqual(BigInt(cap))
  const ledger = await fetch(`${all.url}/v1/admin/ledger`, { headers: { authorization: `Bearer ${all.keys.admin}` } })
  expect(await ledger.json()).toMatchObject({ balanced: true, sum: '0', problems: [] })
}
