// Jobs that count, on agents and a server that are real processes and are killed: what was counted is not counted again, and each second that was kept is
// paid once. What each program knows of its past stands in the files that it names as its checkpoint.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Attempt, JobSpecInput } from '@lumaris/protocol'
import { verifyReceipt } from '@lumaris/sdk'
import { processes } from '../split/processes.ts'
import type { Processes } from '../split/processes.ts'
import { attemptsOf, otherNode } from './rig.ts'

/** Says from where it starts, and counts on: `n` is replaced as a whole, `starts` grows. */
const PYTHON = `import os, sys, time
n = int(open('n').read()) if os.path.exists('n') else 0
open('starts', 'a').write(f"{n} {os.environ['LUMARIS_CHECKPOINT']}\\n")
while n < int(sys.argv[1]):
    n += 1
    open('n.new', 'w').write(str(n)); os.rename('n.new', 'n')
    print(n, flush=True); time.sleep(0.02)
`
const JAVASCRIPT = `import { existsSync, readFileSync, writeFileSync, renameSync, appendFileSync } from 'node:fs'
let n = existsSync('n') ? Number(readFileSync('n', 'utf8')) : 0
appendFileSync('starts', n + ' ' + Deno.env.get('LUMARIS_CHECKPOINT') + '\\n')
while (n < Number(Deno.args[0])) {
  writeFileSync('n.new', String(++n)); renameSync('n.new', 'n')
  console.log(n); await new Promise((resolve) => setTimeout(resolve, 20))
}
`
const CHECKPOINT = { paths: ['n', 'starts'], everyMs: 1000 }

const saved = (all: Processes, job: string, number = 1): Promise<unknown> => expect.poll(async () => (await attemptsOf(all, job)).at(-1)?.saved?.number ?? 0, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(number)
const agentOf = (all: Processes, node: string | undefined) => { const found = [...all.agents].find(([, one]) => one.nodeId === node); if (!found) throw new Error(`no agent is ${node}`); return { name: found[0], ...found[1] } }
async function fileOf(all: Processes, job: string, path: string): Promise<string> {
  const { tasks } = await all.client().api.getResults({ params: { job } }), file = tasks[0]?.files.find((one) => one.path === path), to = join(all.dir, `${job}-${path}`)
  if (!file) throw new Error(`${path} is not among the results`)
  await all.client().download(file.blob, to)
  return readFileSync(to, 'utf8')
}
/** All parts add up, each is recheckable, and the ledger is what it should be. */
async function moneyIsRight(all: Processes, job: string): Promise<Attempt[]> {
  const attempts = await attemptsOf(all, job), ended = await all.client().job(job)
  expect(attempts.reduce((sum, { billed }) => sum + BigInt(billed ?? '0'), 0n).toString()).toBe(ended.cost)
  expect(BigInt(ended.cost)).toBeLessThanOrEqual(BigInt(ended.cap))
  for (const { id, billed } of attempts) if (billed !== undefined && billed !== '0') await expect.poll(async () => (await verifyReceipt(await all.client().receipt(id))).checks.filter(({ ok }) => !ok)).toEqual([])
  const ledger = await fetch(`${all.url}/v1/admin/ledger`, { headers: { authorization: `Bearer ${all.keys.admin}` } })
  expect(await ledger.json()).toMatchObject({ balanced: true, sum: '0', problems: [] })
  return attempts
}
async function submit(all: Processes, spec: JobSpecInput, script?: string): Promise<string> {
  const client = all.client()
  const { blob, size } = script === undefined ? { blob: '', size: 0 } : await client.upload(Buffer.from(script))
  return (await client.submit({ limits: { runMs: 120_000, retries: 10 }, resources: { cpuMillis: 500, diskBytes: 16 * 2 ** 20, memoryBytes: 512 * 2 ** 20 }, checkpoint: CHECKPOINT, ...(script === undefined ? {} : { inputs: [{ path: 'count.mjs', blob, size }] }), ...spec })).id
}

const CASES = [
  { driver: 'bwrap', missing: ['/usr/bin/bwrap', '/usr/bin/python3'].find((path) => !existsSync(path)), spec: { runtime: 'native', command: ['/usr/bin/python3', '-c', PYTHON, '150'] } as JobSpecInput, script: undefined },
  { driver: 'deno', missing: existsSync(join(import.meta.dirname, '../../node_modules/@deno')) ? undefined : 'deno', spec: { runtime: 'javascript', command: ['count.mjs', '150'] } as JobSpecInput, script: JAVASCRIPT },
]
const lack = (missing: string | undefined): string => (missing === undefined ? '' : ` (there is no ${missing})`)
for (const { driver, missing, spec, script } of CASES) {
  test.skipIf(missing)(`${driver}: an agent that is killed -9 costs what was counted since the last checkpoint, and no more${lack(missing)}`, { timeout: 300_000 }, async () => {
    const all = await processes({ drivers: [driver] })
    try {
      await all.startServer()
      for (const name of ['a', 'b']) await all.startAgent(name, 1000)
      const job = await submit(all, spec, script)
      await saved(all, job)
      await all.kill(agentOf(all, (await attemptsOf(all, job))[0]?.node).child)
      expect(await all.client().wait(job)).toMatchObject({ job: { state: 'completed' } })
      const [first, second, ...more] = await moneyIsRight(all, job)
      expect(more).toEqual([])
      expect(first).toMatchObject({ cause: 'seller_offline', saved: { kind: 'files' } })
      expect(second).toMatchObject({ state: 'valid', resumes: { attempt: first?.id, number: first?.saved?.number } })
      expect(second?.node).not.toBe(first?.node)
      expect(BigInt(first?.billed ?? 0)).toBeGreaterThan(0n)
      const starts = (await fileOf(all, job, 'starts')).trim().split('\n')
      expect(starts).toHaveLength(2)
      expect(starts[0]).toBe('0 0')
      expect(starts[1]).toMatch(new RegExp(`^[1-9]\\d* ${first?.saved?.number}$`))
    } finally { await all.stop() }
  })
}

test.skipIf(CASES[0]?.missing)(`bwrap: a job is moved to a named node and on from there, again and again; nothing that was counted is lost or counted twice${lack(CASES[0]?.missing)}`, { timeout: 300_000 }, async () => {
  const all = await processes({ drivers: ['bwrap'] })
  try {
    await all.startServer()
    for (const name of ['a', 'b']) await all.startAgent(name, 1000)
    const job = await submit(all, { runtime: 'native', command: ['/usr/bin/python3', '-c', PYTHON, '400'], checkpoint: { ...CHECKPOINT, everyMs: 3_600_000 } })
    for (let round = 0; round < 3; round++) {
      await expect.poll(async () => { const at = (await attemptsOf(all, job)).at(round); return at?.state === 'running' && at.usage.runMs > 200 }, { timeout: 60_000, interval: 20 }).toBe(true)
      const at = (await attemptsOf(all, job)).at(-1), to = otherNode(all, at?.node)
      if (round < 2) {
        const moved = all.cli(['move', job, ...(round === 1 ? [] : ['--to', to])])
        expect(await moved.exit, moved.text()).toBe(0)
      } else {
        // Its seller empties the node.
        const drained = await fetch(`${all.url}/v1/nodes/${at?.node}/drain`, { method: 'POST', headers: { authorization: `Bearer ${all.keys.seller}` } })
        expect(await drained.json()).toMatchObject({ state: 'draining' })
      }
      await expect.poll(async () => (await attemptsOf(all, job)).at(round + 1)?.node, { timeout: 60_000, interval: 20 }).toBe(to)
    }
    expect(await all.client().wait(job)).toMatchObject({ job: { state: 'completed' } })
    const attempts = await moneyIsRight(all, job)
    expect(attempts.map(({ cause }) => cause)).toEqual(['moved', 'moved', 'moved', 'succeeded'])
    // It stood still from the copy on: so each goes on at the very number that the one before had said last.
    const said: number[] = []
    for (const { id } of attempts) for await (const { stream, bytes } of all.client().logs(id)) if (stream === 'stdout') said.push(...Buffer.from(bytes).toString().split('\n').filter(Boolean).map(Number))
    const starts = (await fileOf(all, job, 'starts')).trim().split('\n').map((line) => line.split(' '))
    expect(starts.map(([, number]) => number)).toEqual(['0', '1', '2', '3'])
    expect(said.length - 400).toBeLessThanOrEqual(3) // a number may be in the file and not yet said, or said again by who goes on
    expect(new Set(said).size).toBeGreaterThanOrEqual(397)
    const told = all.cli(['explain', job])
    expect(await told.exit).toBe(0)
    expect(told.text()).toMatch(/went on from checkpoint 3 of att_/)
    expect((await (async () => { const types: string[] = []; for await (const event of all.client().watch(job)) if (event.type === 'moved') types.push(event.state); return types })())).toEqual(['asked', 'asked', 'asked'])
  } finally { await all.stop() }
})

test.skipIf(CASES[0]?.missing)(`bwrap: server, old agent and new agent are killed in the middle of moves; the job ends, and never ran twice at once${lack(CASES[0]?.missing)}`, { timeout: 300_000 }, async () => {
  const all = await processes({ drivers: ['bwrap'] })
  try {
    await all.startServer()
    for (const name of ['a', 'b']) await all.startAgent(name, 1000)
    const job = await submit(all, { runtime: 'native', command: ['/usr/bin/python3', '-c', PYTHON, '300'] })
    const runs = async (): Promise<Attempt> => { let at: Attempt | undefined; await expect.poll(async () => (at = (await attemptsOf(all, job)).at(-1))?.state, { timeout: 60_000, interval: 20 }).toBe('running'); return at as Attempt }
    await saved(all, job)
    for (const victim of ['server', 'old', 'new'] as const) {
      const at = await runs(), old = agentOf(all, at.node), other = [...all.agents].find(([name]) => name !== old.name)
      if (!other) throw new Error('there is one agent only')
      // Where the other one is not back yet, there is nowhere to go: then this round shows only the kill.
      await all.client().move(job, { to: other[1].nodeId }).catch((error: { code?: string }) => { if (error.code !== 'cannot_move' && error.code !== 'not_in_this_state') throw error })
      if (victim === 'server') { await all.kill(all.server); await all.startServer(); continue }
      const gone = victim === 'old' ? old : { name: other[0], ...other[1] }
      await all.kill(gone.child)
      await all.startAgent(gone.name, 1000)
    }
    expect(await all.client().wait(job)).toMatchObject({ job: { state: 'completed' } })
    const attempts = await moneyIsRight(all, job)
    const starts = (await fileOf(all, job, 'starts')).trim().split('\n').map((line) => Number(line.split(' ')[0]))
    expect(starts).toEqual(starts.toSorted((a, b) => a - b))
    expect(attempts.map(({ fence }) => fence)).toEqual(attempts.map((_one, i) => i + 1))
    for (const [i, attempt] of attempts.entries()) if (i > 0) expect(attempt.offeredAt).toBeGreaterThanOrEqual(attempts[i - 1]?.endedAt ?? Infinity)
  } finally { await all.stop() }
})
