// An input split over four agents with real sandboxes, while an agent, the server and the buyer's own command line are killed: the merged result is byte for
// byte that of one process, and nothing is paid twice.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { Attempt } from '@lumaris/protocol'
import { PART, SUM, processes } from './processes.ts'

const python = spawnSync('python3', ['--version']).status === 0
const MIB = 1024 * 1024, PARTS = 16

test.skipIf(!python)(`4 MiB over four agents; an agent, the server and the client are killed -9 in the middle${python ? '' : ' (there is no python3)'}`, { timeout: 300_000 }, async () => {
  const all = await processes()
  try {
    await all.startServer()
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => all.startAgent(name, 1000)))
    const input = all.writeInput('big.csv', 4 * MIB), expected = all.alone(input)
    const files = ['--file', `${PART}=part.py`, '--file', `${SUM}=sum.py`]
    const begun = all.cli(['map', '--input', 'big.csv', '--by', 'records', '--chunks', String(PARTS), '--retries', '20', '--runtime', all.runtime, '--cpus', '0.5', ...files, '--reduce', 'python3 sum.py', '--fan-in', '5', '--output', 'sums.csv', '--', 'python3', 'part.py'])
    await expect.poll(() => /--resume (job_\w+)/.exec(begun.text())?.[1], { timeout: 60_000, interval: 10, message: begun.text() }).toBeDefined()
    const [, id = ''] = /--resume (job_\w+)/.exec(begun.text()) ?? []

    // The buyer's own program first; then the agent of whatever runs just now, and the server.
    let lost = ''
    const seen = new Set<string>()
    for await (const event of all.client().watch(id)) {
      if (event.type === 'task' && event.state === 'done') seen.add(String(event.task))
      if (seen.size < 2 || event.type !== 'attempt' || event.state !== 'running') continue
      const [name, agent] = [...all.agents].find(([, one]) => one.nodeId === event.node) ?? []
      if (!name || !agent) continue
      await all.kill(agent.child)
      await all.kill(begun.child)
      lost = event.node ?? ''
      break
    }
    await all.kill(all.server)
    await all.startServer()
    expect(lost).not.toBe('')

    const resumed = all.cli(['map', '--resume', id, '--output', 'sums.csv'])
    expect(await resumed.exit, resumed.text()).toBe(0)
    expect(readFileSync(join(all.dir, 'sums.csv'), 'utf8')).toBe(expected)

    const client = all.client(), run = await client.openMap(id), attempts: Attempt[] = []
    for await (const attempt of client.attempts(id)) attempts.push(attempt)
    expect(attempts.filter((attempt) => attempt.node === lost && attempt.cause === 'seller_offline').length).toBeGreaterThan(0)
    expect(new Set(attempts.filter((attempt) => attempt.state === 'valid').map((attempt) => attempt.nodeName)).size).toBeGreaterThan(1)
    // Every part counts once and is paid once, whatever was tried.
    expect(attempts.filter((attempt) => attempt.state === 'valid').map((attempt) => attempt.task).toSorted()).toEqual(Array.from({ length: PARTS }, (_one, i) => `${id}.${i}`).toSorted())
    expect(attempts.filter((attempt) => attempt.state !== 'valid' && BigInt(attempt.billed ?? '0') > 0n)).toEqual([])
    expect(attempts.reduce((sum, attempt) => sum + BigInt(attempt.billed ?? '0'), 0n).toString()).toBe((await client.job(id)).cost)
    expect(await run.missing()).toEqual([])
    expect((await client.job(id)).merged).toMatchObject({ size: expected.length })
    const admin = await fetch(`${all.url}/v1/admin/ledger`, { headers: { authorization: `Bearer ${all.keys.admin}` } })
    expect(await admin.json()).toMatchObject({ balanced: true, sum: '0', problems: [] })
  } finally { await all.stop() }
})
