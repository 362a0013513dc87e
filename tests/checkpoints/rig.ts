// Jobs that move between agents that are real processes: what the tests of this folder and bench/move have in common.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Attempt, JobSpecInput } from '@lumaris/protocol'
import { testImages } from '../../apps/agent/src/images/test-images.ts'
import { processes } from '../split/processes.ts'
import type { Processes } from '../split/processes.ts'

/** A secret that is only in its memory, and a counter; says both, and what time it is. */
const SECRET = `import os, time
secret, n = os.urandom(16).hex(), 0
while n < int(os.environ['COUNT_TO']):
    print(n, secret, time.time(), flush=True); n += 1; time.sleep(0.05)
open('last', 'w').write(f'{n} {secret}')
`
export const STEP_MS = 50
export const secretJob = (driver: 'gvisor' | 'qemu', countTo: number): JobSpecInput => ({
  runtime: 'native', command: ['/usr/bin/python3', '-c', SECRET], env: { COUNT_TO: String(countTo) }, limits: { runMs: 600_000, processes: 16 },
  resources: { cpuMillis: 1000, memoryBytes: (driver === 'qemu' ? 256 : 192) * 2 ** 20, diskBytes: 4 * 2 ** 20 }, placement: { drivers: [driver] },
})

/** Why jobs of this driver cannot be moved here; null when they can. */
export async function missingFor(driver: 'gvisor' | 'qemu'): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'it needs root'
  if (driver === 'gvisor') return spawnSync('runsc', ['--version']).status !== 0 ? 'runsc is not installed' : !existsSync('/usr/bin/python3') ? 'python3 is not installed' : null
  const images = await testImages()
  return 'reason' in images ? images.reason : null
}

/** A server, and two agents that have this driver and no other. */
export async function twoNodes(driver: string): Promise<Processes> {
  const all = await processes({ drivers: [driver], patient: true })
  try {
    await all.startServer()
    await Promise.all(['a', 'b'].map(async (name) => {
      if (driver === 'qemu') { const found = await testImages(); if ('reason' in found) throw new Error(found.reason); mkdirSync(join(all.dir, name), { recursive: true, mode: 0o700 }); symlinkSync(found.images, join(all.dir, name, 'images')) }
      await all.startAgent(name, 1000)
    }))
    return all
  } catch (error) { await all.stop(); throw error }
}

export async function attemptsOf(all: Processes, job: string): Promise<Attempt[]> { const found: Attempt[] = []; for await (const attempt of all.client().attempts(job)) found.push(attempt); return found }
export const otherNode = (all: Processes, node: string | undefined): string => [...all.agents.values()].find(({ nodeId }) => nodeId !== node)?.nodeId ?? ''
/** What each attempt said, in their order: number, secret, time. */
export async function linesOf(all: Processes, attempts: readonly Attempt[]): Promise<{ n: number; secret: string; at: number; attempt: number }[]> {
  const said: { n: number; secret: string; at: number; attempt: number }[] = []
  for (const [attempt, { id }] of attempts.entries()) {
    let text = ''
    for await (const { stream, bytes } of all.client().logs(id)) if (stream === 'stdout') text += Buffer.from(bytes).toString()
    for (const line of text.split('\n').filter(Boolean)) { const [n = '', secret = '', at = ''] = line.split(' '); said.push({ n: Number(n), secret, at: Number(at) * 1000, attempt }) }
  }
  return said
}
