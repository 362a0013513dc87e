// Results compared in real sandboxes: a picture whose files differ and whose pixels do not, and a product of matrices that Freivalds' check confirms for a fraction of its work. Agents of four owners, the machine's
// own Python behind bubblewrap, the command line.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAgent } from '@lumaris/agent'
import { GIB, isRefusal } from '@lumaris/protocol'
import type { Attempt, Job } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples/matrix'), PYTHON = '/usr/bin/python3'
const missing = [PYTHON, '/usr/bin/bwrap'].find((path) => !existsSync(path))
const python = (code: string): string => { const { stdout, stderr, status } = spawnSync(PYTHON, ['-c', code], { cwd: EXAMPLES, encoding: 'utf8', env: { PYTHONDONTWRITEBYTECODE: '1' } }); if (status !== 0) throw new Error(stderr); return stdout }

test.skipIf(!existsSync(PYTHON))('Freivalds’ check passes every right product, and of wrong ones one in 2^k where it runs k rounds; what is no matrix is wrong, not broken', () => {
  const found = JSON.parse(python(`import json, random
from freivalds import is_product, times
draw = random.Random(5)
def matrix(n, m): return [[draw.randrange(-50, 50) for _ in range(m)] for _ in range(n)]
right, passed = 0, {1: 0, 2: 0, 4: 0, 20: 0}
for i in range(2000):
    a, b = matrix(4, 5), matrix(5, 3)
    c = [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]
    right += is_product(a, b, c)
    c[draw.randrange(4)][draw.randrange(3)] += draw.choice([-1, 1])
    for k in passed: passed[k] += is_product(a, b, c, k, draw)
print(json.dumps([right, passed, is_product([[1]], [[1]], []), is_product([[1]], [[1]], [[1, 1]])]))`)) as [number, Record<string, number>, boolean, boolean]
  expect([found[0], found[2], found[3]]).toEqual([2000, false, false])
  // One entry that is off is the worst case. The draw is seeded here: these are the same numbers each time, within three deviations of 2000 / 2^k.
  for (const [rounds, passed] of Object.entries(found[1])) { const share = 2 ** -Number(rounds), off = Math.abs(passed - 2000 * share); expect([rounds, off <= 3 * Math.sqrt(2000 * share * (1 - share)) + 1]).toEqual([rounds, true]) }
})

if (missing) test.skip(`comparing in real sandboxes: there is no ${missing}`, () => undefined)
else describe('in real sandboxes', () => {
  let market: TestMarket
  beforeAll(async () => {
    market = await startMarket({ server: { settings: { heartbeatMs: 1_000, suspectMs: 60_000, lostMs: 120_000, offerMs: 60_000, resendMs: 1_000, cancelMs: 5_000, retryBackoffMs: 100 } } })
    // Four owners: two results, and a command that is asked twice.
    const made = await market.app.identity.register({ email: 'dee@example.org', name: 'dee', password: 'a long password for a test', roles: ['seller'] })
    if (isRefusal(made)) throw new Error(made.refusal)
    const fourth = await market.app.identity.createKey({ kind: 'user', userId: made.id, roles: ['seller'], scopes: 'all' }, { label: 'test', scopes: ['nodes:read', 'nodes:write'] })
    if (isRefusal(fourth)) throw new Error(fourth.refusal)
    for (const [i, key] of [...market.demo.sellers.slice(0, 3).map((seller) => seller.key), fourth.secret].entries()) {
      const { body } = await market.call(key, 'POST', '/v1/enrolments', { name: `node-${i}` })
      const agent = await startAgent({ server: market.url, dataDir: join(market.dir, `node-${i}`), token: body.token, name: `node-${i}`, prices: { cpuHour: '1000000', start: '10' }, driverIds: ['bwrap'], stopMs: 3_000, settings: { heartbeatMs: 1_000, tickMs: 500, sealMs: 100 }, capacity: { cpuMillis: 4000, memoryBytes: 4 * GIB, diskBytes: 10 * GIB, gpus: 0 } })
      await agent.ready
      market.agents.push(agent)
    }
  }, 300_000)
  afterAll(() => market?.stop(), 60_000)
  const shell = () => aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  async function lastJob(): Promise<{ job: Job; tries: Attempt[] }> {
    const [job] = (await market.call(market.buyer, 'GET', '/v1/jobs?limit=1')).body.data as [Job]
    return { job, tries: (await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data }
  }

  test('a picture that is packed anew each time is compared by its pixels; by its bytes no two would agree', { timeout: 300_000 }, async () => {
    const draw = `import os, struct, zlib
raw = b''.join(b'\\0' + bytes(v for x in range(64) for v in (x * 4, y * 4, 128)) for y in range(64))
def chunk(name, body): return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
note = chunk(b'tEXt', b'made by\\0' + os.urandom(8).hex().encode())
open('out.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 64, 64, 8, 2, 0, 0, 0)) + note + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))`
    const same = shell()
    writeFileSync(join(same.cwd, 'draw.py'), draw)
    const ran = await same.cli(['run', '-q', '--copies', '2', '--compare', 'image', '--', PYTHON, 'draw.py'])
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const { tries } = await lastJob()
    expect(tries.map(({ state }) => state)).toEqual(['valid', 'valid'])
    expect(new Set(tries.map(({ files }) => files[0]?.blob)).size).toBe(2)
    expect(readFileSync(join(same.cwd, 'out.png')).subarray(1, 4).toString()).toBe('PNG')
    expect((await same.cli(['job', tries[0]!.job])).stdout).toContain('off by 0.5 of 255 in the mean and 8 at most')
  })

  test('a product of matrices is accepted from one owner on the word of two others, who checked it', { timeout: 300_000 }, async () => {
    const one = shell(), matrix = (from: number) => Array.from({ length: 30 }, (_, y) => Array.from({ length: 30 }, (_value, x) => (from + 7 * x + 13 * y) % 101 - 50).join(' ')).join('\n')
    for (const file of ['multiply.py', 'freivalds.py']) copyFileSync(join(EXAMPLES, file), join(one.cwd, file))
    writeFileSync(join(one.cwd, 'a.txt'), matrix(1))
    writeFileSync(join(one.cwd, 'b.txt'), matrix(5))
    const ran = await one.cli(['run', '-q', '--assurance', '1e-2', '--verify', `${PYTHON} freivalds.py`, '--file', 'a.txt', '--file', 'b.txt', '--out', 'c.txt', '--', PYTHON, 'multiply.py'])
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const { job, tries } = await lastJob()
    expect([job.state, tries.filter(({ referee }) => !referee).length, tries.filter(({ referee }) => referee).map(({ exitCode, state }) => [exitCode, state])]).toEqual(['completed', 1, [[0, 'valid'], [0, 'valid']]])
    expect(new Set(tries.map(({ node }) => node)).size).toBe(3)
    expect(tries.reduce((sum, { billed }) => sum + BigInt(billed ?? '0'), 0n).toString()).toBe(job.cost)
    expect(readFileSync(join(one.cwd, 'c.txt'), 'utf8').trim().split('\n')).toHaveLength(30)
  })

  test('a command that compares and cannot be read ends the job by its own cause, and the command line says which', { timeout: 300_000 }, async () => {
    const one = shell()
    writeFileSync(join(one.cwd, 'say.py'), 'import os; open("out", "w").write(os.urandom(4).hex())')
    writeFileSync(join(one.cwd, 'same.py'), 'import nothing_that_there_is')
    const ran = await one.cli(['run', '--copies', '2', '--referee', `${PYTHON} same.py`, '--referee-time', '10s', '--', PYTHON, 'say.py'])
    expect(ran.code).not.toBe(0)
    expect(ran.stderr).toContain('The job failed: referee failed')
    const { job } = await lastJob()
    expect((await one.cli(['job', job.id])).stdout).toContain('the buyer’s command that compares results broke')
    expect(job).toMatchObject({ state: 'failed', cause: 'referee_failed', spec: { compare: { runMs: 10_000, inputs: [{ path: 'same.py' }] } } })
  })
})
