// A job with a secret that is only in its memory, and a counter, moved between two real agents: by gVisor, by QEMU while it runs, and by QEMU through the market's
// store. MOVES=10 asks for more rounds of gVisor; `npm run bench:move` does ten of each and says how long they take.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Attempt } from '@lumaris/protocol'
import { createClient, verifyReceipt } from '@lumaris/sdk'
import { attemptsOf, linesOf, missingFor, otherNode, secretJob, twoNodes } from './rig.ts'

const ROUNDS = Number(process.env['MOVES'] ?? 2)
const CASES = [
  { name: 'gvisor: ', driver: 'gvisor', moves: Array.from({ length: ROUNDS }, () => 'memory') },
  { name: 'qemu: while it runs, then through the store; ', driver: 'qemu', moves: ['live', 'memory'] },
] as const
for (const { name, driver, moves } of CASES) {
  const missing = await missingFor(driver)
  if (missing) { test.skip(`moving a program with its memory by ${driver}: ${missing}`, () => undefined); continue }
  test(`${name}a secret in memory and a counter go from node to node; nothing is said twice or left out, and each node is paid for its own time`, { timeout: 300_000 + moves.length * 60_000 }, async () => {
    const all = await twoNodes(driver)
    try {
      // No checkpoint is named: what it has done is in its memory alone.
      const client = all.client(), countTo = 150 + moves.length * 60, { id: job } = await client.submit(secretJob(driver, countTo))
      for (const [round, kind] of moves.entries()) {
        await expect.poll(async () => { const at = (await attemptsOf(all, job)).at(round); return at?.state === 'running' && at.usage.runMs > 500 }, { timeout: 120_000, interval: 50 }).toBe(true)
        const at = (await attemptsOf(all, job)).at(-1), to = otherNode(all, at?.node)
        // A machine goes while it runs, to the node of the market's choice; from a node that is emptied a small one goes through the store.
        if (driver === 'qemu' && kind === 'memory') await createClient({ url: all.url, token: all.keys.seller }).api.drainNode({ params: { node: at?.node as Attempt['node'] }, body: {} })
        else { const moved = all.cli(['move', job, ...(driver === 'qemu' ? [] : ['--to', to])]); expect(await moved.exit, moved.text()).toBe(0) }
        await expect.poll(async () => (await attemptsOf(all, job)).at(round + 1)?.node, { timeout: 120_000, interval: 50 }).toBe(to)
      }
      expect(await client.wait(job)).toMatchObject({ job: { state: 'completed' } })
      const ended = await attemptsOf(all, job), said = await linesOf(all, ended)
      expect(ended.map(({ cause }) => cause)).toEqual([...moves.map(() => 'moved'), 'succeeded'])
      expect(ended.slice(0, -1).map(({ saved }) => saved?.kind)).toEqual([...moves])
      expect(said.map(({ n }) => n)).toEqual(Array.from({ length: countTo }, (_one, i) => i))
      expect(new Set(said.map(({ secret }) => secret)).size).toBe(1)
      // Each is paid, in the order in which somebody went on from it, and can be checked.
      for (const { id, billed } of ended) {
        expect(BigInt(billed ?? 0)).toBeGreaterThan(0n)
        await expect.poll(async () => (await verifyReceipt(await client.receipt(id))).checks.filter(({ ok }) => !ok)).toEqual([])
      }
      expect(ended.reduce((sum, { billed }) => sum + BigInt(billed ?? '0'), 0n).toString()).toBe((await client.job(job)).cost)
      const ledger = await fetch(`${all.url}/v1/admin/ledger`, { headers: { authorization: `Bearer ${all.keys.admin}` } })
      expect(await ledger.json()).toMatchObject({ balanced: true, sum: '0', problems: [] })
      // What lies with the market says nothing: neither the secret nor the program's own words.
      const secret = said[0]?.secret ?? '', blobs = join(all.dir, 'server')
      const stored = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && /^[0-9a-f]{64}$/.test(file.name)).map((file) => readFileSync(join(file.parentPath, file.name)))
      expect(stored.length).toBeGreaterThan(moves.filter((kind) => kind === 'memory').length)
      const telling = stored.filter((bytes) => bytes.includes(secret) || bytes.includes(Buffer.from(secret, 'hex')) || bytes.includes('os.urandom'))
      expect(telling.map((bytes) => bytes.toString())).toEqual([`${countTo} ${secret}`]) // the result, which is the buyer's own
      // The market hands the key on, and shows it to nobody.
      expect(JSON.stringify([await client.job(job), ended])).not.toMatch(/"key"|"memory":\{/)
    } finally { await all.stop() }
  })
}
