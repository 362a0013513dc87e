// A job with a secret that is only in its memory, and a counter, moved between two real agents by gVisor. MOVES=10 asks for more rounds.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Attempt } from '@lumaris/protocol'
import { verifyReceipt } from '@lumaris/sdk'
import { processes } from '../split/processes.ts'

const SECRET = `import os, time
secret, n = os.urandom(16).hex(), 0
while n < int(os.environ['COUNT_TO']):
    print(n, secret, flush=True); n += 1; time.sleep(0.05)
open('last', 'w').write(f'{n} {secret}')
`
const ROUNDS = Number(process.env['MOVES'] ?? 3)
const missing = spawnSync('runsc', ['--version']).status !== 0 ? 'runsc is not installed' : process.getuid?.() !== 0 ? 'it needs root' : !existsSync('/usr/bin/python3') ? 'python3 is not installed' : null
if (missing) test.skip(`moving a program with its memory: ${missing}`, () => undefined)
else test('a secret in memory and a counter go from node to node; nothing is said twice or left out, and each node is paid for its own time', { timeout: 60_000 + ROUNDS * 30_000 }, async () => {
  const all = await processes({ drivers: ['gvisor'] })
  try {
    await all.startServer()
    for (const name of ['a', 'b']) await all.startAgent(name, 1000)
    const client = all.client()
    const attempts = async (): Promise<Attempt[]> => { const found: Attempt[] = []; for await (const attempt of client.attempts(job)) found.push(attempt); return found }
    // No checkpoint is named: what it has done is in its memory alone.
    const { id: job } = await client.submit({
      runtime: 'native', command: ['/usr/bin/python3', '-c', SECRET], env: { COUNT_TO: String(150 + ROUNDS * 40) }, limits: { runMs: 300_000, processes: 16 }, resources: { cpuMillis: 1000, memoryBytes: 192 * 2 ** 20, diskBytes: 4 * 2 ** 20 }, placement: { minLevel: 'kernel' },
    })
    for (let round = 0; round < ROUNDS; round++) {
      await expect.poll(async () => { const at = (await attempts()).at(round); return at?.state === 'running' && at.usage.runMs > 500 }, { timeout: 60_000, interval: 50 }).toBe(true)
      const at = (await attempts()).at(-1), to = [...all.agents.values()].find(({ nodeId }) => nodeId !== at?.node)?.nodeId ?? ''
      const moved = all.cli(['move', job, '--to', to])
      expect(await moved.exit, moved.text()).toBe(0)
      await expect.poll(async () => (await attempts()).at(round + 1)?.node, { timeout: 60_000, interval: 50 }).toBe(to)
    }
    expect(await client.wait(job)).toMatchObject({ job: { state: 'completed' } })
    const ended = await attempts()
    expect(ended.map(({ cause }) => cause)).toEqual([...Array.from({ length: ROUNDS }, () => 'moved'), 'succeeded'])
    const said: string[][] = []
    for (const { id } of ended) for await (const { stream, bytes } of client.logs(id)) if (stream === 'stdout') said.push(...Buffer.from(bytes).toString().split('\n').filter(Boolean).map((line) => line.split(' ')))
    expect(said.map(([n]) => Number(n))).toEqual(said.map((_one, i) => i))
    expect(new Set(said.map(([, secret]) => secret)).size).toBe(1)
    expect(said).toHaveLength(150 + ROUNDS * 40)
    // Each is paid, in the order in which somebody went on from it, and can be checked.
    for (const { id, billed } of ended) {
      expect(BigInt(billed ?? 0)).toBeGreaterThan(0n)
      await expect.poll(async () => (await verifyReceipt(await client.receipt(id))).checks.filter(({ ok }) => !ok), { timeout: 10_000 }).toEqual([])
    }
    expect(ended.reduce((sum, { billed }) => sum + BigInt(billed ?? '0'), 0n).toString()).toBe((await client.job(job)).cost)
    const ledger = await fetch(`${all.url}/v1/admin/ledger`, { headers: { authorization: `Bearer ${all.keys.admin}` } })
    expect(await ledger.json()).toMatchObject({ balanced: true, sum: '0', problems: [] })
    // What lies with the market says nothing: neither the secret nor the program's own words.
    const secret = said[0]?.[1] ?? '', blobs = join(all.dir, 'server')
    const stored = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && /^[0-9a-f]{64}$/.test(file.name)).map((file) => readFileSync(join(file.parentPath, file.name)))
    expect(stored.length).toBeGreaterThan(ROUNDS)
    const telling = stored.filter((bytes) => bytes.includes(secret) || bytes.includes(Buffer.from(secret, 'hex')) || bytes.includes('os.urandom'))
    expect(telling.map((bytes) => bytes.toString())).toEqual([`${150 + ROUNDS * 40} ${secret}`]) // the result, which is the buyer's own
    // The market hands the key on, and shows it to nobody.
    expect(JSON.stringify([await client.job(job), ended])).not.toMatch(/"key"|"memory":\{/)
  } finally { await all.stop() }
})
