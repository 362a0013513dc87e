import { expect, test } from 'vitest'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { joinGang, leaveGang, needs, startDriver, startRank, startRelay } from './rig.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples/gang')
const missing = needs ?? (!existsSync('/usr/bin/mpirun') ? 'openmpi-bin is not installed' : !existsSync('/usr/lib/python3/dist-packages/mpi4py') ? 'python3-mpi4py is not installed' : null)
if (missing) test.skip(`MPI over a gang: ${missing}`, () => undefined)
else test('a real MPI job over three ranks, started without ssh: an allreduce with the right sum', { timeout: 120_000 }, async () => {
  const driver = await startDriver('mpi'), rig = await startRelay()
  const ranks = await joinGang(rig, driver.scratch)
  try {
    const files = Object.fromEntries(['mpi.py', 'allreduce.py'].map((name) => [name, readFileSync(join(EXAMPLES, name), 'utf8')]))
    const all = await Promise.all(ranks.map((rank) => startRank(driver, rank, ['/usr/bin/python3', 'mpi.py', '/usr/bin/python3', 'allreduce.py'], { files })))
    const [first, ...others] = await Promise.all(all.map((one) => one.done))
    expect(first?.end, `${first?.out}${first?.err}${others.map((one) => one.err).join('')}`).toMatchObject({ cause: 'exit', code: 0 })
    // 999 999 times 1 + 2 + 3
    expect(first?.out).toContain("allreduce over 3 ranks on ['rank-0', 'rank-1', 'rank-2']: right, last element 5999994")
    for (const { end, err } of others) expect(end, err).toMatchObject({ cause: 'exit', code: 0 })
  } finally { await leaveGang(ranks); await rig.close(); await driver.close() }
})
