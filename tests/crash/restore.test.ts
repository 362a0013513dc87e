// The drill that an operator should have done before he needs it: a market goes on from a copy of its folder that is older than what happened since.
// Agents and buyers remember more than it does.
import { cpSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient, isLumarisError, verifyReceipt } from '@lumaris/sdk'
import { harness } from './harness.ts'

test('a market goes on from an older copy: what was before is whole, what came after is unknown, and the same agents work on', { timeout: 300_000 }, async () => {
  const market = await harness(), server = join(market.dir, 'server'), copy = join(market.dir, 'copy')
  const buyer = () => createClient({ url: market.url, token: market.keys.buyer })
  const submit = async (...command: string[]) => (await buyer().api.submitJob({ body: { cap: '100000', spec: { command, limits: { runMs: 60_000, retries: 5 } } } })).id
  const ended = (id: Awaited<ReturnType<typeof submit>>) => expect.poll(async () => (await buyer().api.getJob({ params: { job: id } })).state, { timeout: 60_000, message: id })
  /** What does not hold of the receipt of the attempt that counts. */
  const unproven = async (id: Awaited<ReturnType<typeof submit>>): Promise<string[]> => {
    const counts = (await buyer().api.listAttempts({ params: { job: id }, query: {} })).data.find(({ state }) => state === 'valid')
    return (await verifyReceipt(await buyer().receipt(counts?.id ?? ''))).checks.flatMap((one) => (one.ok ? [] : [one.says]))
  }
  try {
    await market.startServer()
    for (const name of ['a', 'b']) await market.startAgent(name)
    const before = await Promise.all(Array.from({ length: 8 }, (_one, i) => submit('fake:print', `${i}`)))
    for (const id of before) await ended(id).toBe('completed')
    // A seal comes a moment after the end. Agents do not say it again: what is without one in the copy stays without.
    for (const id of before) await expect.poll(() => unproven(id), { timeout: 60_000 }).toEqual([])
    // One runs in the copy, too: the agents have long ended it when the market asks again.
    const running = await submit('fake:sleep', '300')
    await ended(running).toBe('running')
    await market.killServer()
    cpSync(server, copy, { recursive: true, preserveTimestamps: true })

    await market.startServer()
    await ended(running).toBe('completed')
    const after = await Promise.all(Array.from({ length: 8 }, (_one, i) => submit('fake:print', `${i}`)))
    for (const id of after.slice(0, 6)) await ended(id).toBe('completed')
    const late = await submit('fake:sleep', '60000') // runs while the market forgets it
    await ended(late).toBe('running')
    await market.killServer()
    renameSync(server, join(market.dir, 'lost'))
    renameSync(copy, server)

    await market.startServer()
    for (const id of [...after, late]) await expect(buyer().api.getJob({ params: { job: id } })).rejects.toSatisfy((error) => isLumarisError(error, 'not_found'))
    for (const id of before) {
      await expect.poll(() => unproven(id), { timeout: 1_000 }).toEqual([])
    }
    await ended(running).toMatch(/completed|failed/)
    // Room for what comes: the work that nobody knows any more has left its node.
    const next = await Promise.all(Array.from({ length: 8 }, (_one, i) => submit('fake:print', `again ${i}`)))
    for (const id of next) await ended(id).toBe('completed')
    const admin = createClient({ url: market.url, token: market.keys.admin })
    await expect.poll(async () => (await admin.api.listNodes({ query: {} })).data.map(({ reserved }) => reserved.cpuMillis), { timeout: 60_000 }).toEqual([0, 0])
    expect(await admin.api.checkLedger()).toMatchObject({ balanced: true, problems: [] })
    process.stdout.write(`restored: the job that ran in the copy ended as ${(await buyer().api.getJob({ params: { job: running } })).state}\n`)
  } finally { await market.stop() }
})
