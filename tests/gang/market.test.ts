// Gangs through the whole market, with packets: three agents with the real driver and the market's own relay; Dask and Open MPI as a buyer would run them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAgent } from '@lumaris/agent'
import { createClient } from '@lumaris/sdk'
import type { Client } from '@lumaris/sdk'
import { GIB } from '@lumaris/protocol'
import type { Attempt, JobId } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'
import { needs } from './rig.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples/gang')
const PYTHON = '/usr/lib/python3/dist-packages/'
/** Real sandboxes start, real interfaces are made: slower than the fake driver, still quicker than a market's real times. */
const TIMES = { heartbeatMs: 1_000, suspectMs: 10_000, lostMs: 20_000, offerMs: 10_000, resendMs: 1_000, cancelMs: 5_000, retryBackoffMs: 100 }

if (needs) test.skip(`gangs through the market: ${needs}`, () => undefined)
else describe('gangs through the market', () => {
  let market: TestMarket, client: Client
  beforeAll(async () => {
    market = await startMarket({ server: { settings: TIMES } })
    client = createClient({ url: market.url, token: market.buyer })
    for (const i of [0, 1, 2]) {
      const { body } = await market.call(market.demo.sellers[i]?.key ?? '', 'POST', '/v1/enrolments', { name: `rank-host-${i}` })
      const agent = await startAgent({
        server: market.url, dataDir: join(market.dir, `agent-${i}`), token: body.token, name: `rank-host-${i}`, prices: { cpuHour: '1000000' }, driverIds: ['bwrap'], stopMs: 3_000,
        settings: { heartbeatMs: 1_000, tickMs: 1_000, sealMs: 100 }, capacity: { cpuMillis: 1000, memoryBytes: 2 * GIB, diskBytes: 10 * GIB, gpus: 0 },
      })
      await agent.ready
      market.agents.push(agent)
    }
  }, 300_000)
  afterAll(() => market?.stop(), 60_000)

  /** As `lumaris run --gang 3 -f … -- …` does it. */
  async function run(command: string[], files: readonly string[]): Promise<{ id: JobId; outputs: string[]; attempts: Attempt[] }> {
    const inputs = await Promise.all(files.map(async (path) => { const { blob, size } = await client.upload(readFileSync(join(EXAMPLES, path))); return { path, blob, size } }))
    const { body } = await market.submit({ gang: true, command, inputs, tasks: [{}, {}, {}], outputs: [], limits: { runMs: 120_000, retries: 1 }, resources: { memoryBytes: GIB, diskBytes: GIB / 4 } })
    const job = await market.ended(body.id)
    const attempts = (await market.call(market.buyer, 'GET', `/v1/jobs/${body.id}/attempts`)).body.data as Attempt[]
    const outputs: string[] = []
    for (const attempt of attempts) {
      const { data } = (await market.call(market.buyer, 'GET', `/v1/attempts/${attempt.id}/logs`)).body as { data: { data: string }[] }
      outputs[Number(attempt.task.split('.').at(-1))] = data.map((piece) => Buffer.from(piece.data, 'base64').toString()).join('')
    }
    expect(job, outputs.join('\n')).toMatchObject({ state: 'completed' })
    return { id: body.id, outputs, attempts }
  }

  test('three agents offer to join gangs, and a program finds the others by name', { timeout: 300_000 }, async () => {
    const nodes = (await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/nodes')).body.data
    expect(nodes[0].drivers).toEqual([expect.objectContaining({ id: 'bwrap', gang: true })])
    const { outputs, attempts } = await run(['/usr/bin/python3', '-c', `
import os, socket
rank, size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
me = socket.socket(); me.bind((os.environ['LUMARIS_ADDRESS'], 7000)); me.listen()
for other in range(size):
  if other != rank:
    for _ in range(600):
      try: socket.create_connection((f'rank-{other}', 7000), 1).sendall(f'{rank} to {other}'.encode()); break
      except OSError: pass
heard = []
for _ in range(size - 1):
  one, _ = me.accept(); heard.append(one.recv(100).decode())
print(sorted(heard))
`], [])
    expect(outputs).toEqual(["['1 to 0', '2 to 0']\n", "['0 to 1', '2 to 1']\n", "['0 to 2', '1 to 2']\n"])
    expect(new Set(attempts.map((attempt) => attempt.node)).size).toBe(3)
    for (const attempt of attempts) expect(BigInt(attempt.billed ?? 0)).toBeGreaterThan(0n)
  })

  test.skipIf(!existsSync('/usr/bin/mpirun') || !existsSync(`${PYTHON}mpi4py`) || !existsSync(`${PYTHON}numpy`))('Open MPI: an allreduce over three agents (openmpi-bin, python3-mpi4py and python3-numpy)', { timeout: 300_000 }, async () => {
    const { outputs } = await run(['/usr/bin/python3', 'mpi.py', '/usr/bin/python3', 'allreduce.py'], ['mpi.py', 'allreduce.py'])
    // 999 999 times 1 + 2 + 3
    expect(outputs[0]).toContain("allreduce over 3 ranks on ['rank-0', 'rank-1', 'rank-2']: right, last element 5999994")
  })

  test.skipIf(!existsSync(`${PYTHON}distributed`))('Dask: a cluster over three agents (python3-distributed)', { timeout: 300_000 }, async () => {
    const { outputs } = await run(['/usr/bin/python3', 'dask_sum.py'], ['dask_sum.py'])
    // Squares of 0 to 999.
    expect(outputs[0]).toContain("332833500 by ['rank-1', 'rank-2']")
  })
})
