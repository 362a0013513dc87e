import { expect, test } from 'vitest'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { joinGang, leaveGang, needs, startDriver, startRank, startRelay } from './rig.ts'

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../examples/gang/dask_sum.py'), 'utf8')
const missing = needs ?? (!existsSync('/usr/lib/python3/dist-packages/distributed') ? 'python3-distributed is not installed' : null)
if (missing) test.skip(`Dask over a gang: ${missing}`, () => undefined)
else test('a real Dask cluster: its scheduler on rank 0, workers on the others, and a sum that both of them worked on', { timeout: 180_000 }, async () => {
  const driver = await startDriver('dask'), rig = await startRelay()
  const ranks = await joinGang(rig, driver.scratch)
  try {
    const all = await Promise.all(ranks.map((rank) => startRank(driver, rank, ['/usr/bin/python3', 'dask_sum.py'], { files: { 'dask_sum.py': EXAMPLE }, limits: { wallMs: 150_000 } })))
    const ended = await Promise.all(all.map((one) => one.done))
    for (const { end, err } of ended) expect(end, err).toMatchObject({ cause: 'exit', code: 0 })
    // Squares of 0 to 999.
    expect(ended[0]?.out).toContain("332833500 by ['rank-1', 'rank-2']")
    expect(ranks[1]?.mesh.stats().peers.find((peer) => peer.rank === 0)?.bytesIn).toBeGreaterThan(1000)
  } finally { await leaveGang(ranks); await rig.close(); await driver.close() }
})
