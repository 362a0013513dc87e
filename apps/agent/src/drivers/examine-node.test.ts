import { expect, onTestFinished, test, vi } from 'vitest'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineSockets } from './container-engine.ts'
import { cardFindings, egressFinding, examineNode, scratchFinding } from './examine-node.ts'
import { inPath } from './stage.ts'

const isRoot = process.platform === 'linux' && process.getuid?.() === 0
/** A PATH with nothing in it but these programs of the machine. */
async function withOnly<T>(programs: readonly string[], act: () => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-path-')), before = process.env['PATH']
  for (const program of programs) { const file = inPath(program); if (file) symlinkSync(file, join(dir, program)) }
  process.env['PATH'] = dir
  try { return await act() } finally { process.env['PATH'] = before; rmSync(dir, { recursive: true }) }
}

test.skipIf(!isRoot || !inPath('podman') || !inPath('runc'))('a machine with podman is told what containers can do there, and nothing is left of the look (podman is not installed, or this is not root)', { timeout: 300_000 }, async () => {
  // A place of its own: other tests look at machines at the same time.
  const home = mkdtempSync('/tmp/') // short, because of sockets
  chmodSync(home, 0o711) // the user of a job goes through it
  vi.stubEnv('TMPDIR', home)
  onTestFinished(() => { vi.unstubAllEnvs(); rmSync(home, { recursive: true, force: true }) })
  const [finding, ...more] = await examineNode({ only: ['container'], containers: { socket: null } })
  expect(more).toEqual([])
  expect(finding).toMatchObject({ driver: 'container', state: 'works' })
  expect(finding?.says).toMatch(/^level namespace, runs container \(podman .*, the agent’s own, (runc|crun)\); held by the kernel: .*memory/)
  expect(readdirSync(home).filter((name) => name.startsWith('lumaris-'))).toEqual([])
})
test.skipIf(!isRoot || engineSockets().length > 0)('a socket where nobody answers is named, with the command that would help (only as root)', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-nobody-'))
  mkdirSync(dir, { recursive: true })
  const [finding] = await examineNode({ only: ['container'], containers: { socket: join(dir, 'docker.sock') } })
  expect(finding).toMatchObject({ driver: 'container', state: 'absent', hint: 'systemctl start docker' })
  expect(finding?.says).toContain('does not answer')
  rmSync(dir, { recursive: true })
})
test.skipIf(!isRoot)('a runtime that is not there is named, with the command that brings it (only as root)', async () => {
  const { openEngine } = await import('./container-engine.ts')
  // inPath looks into the usual places too; so the question is asked for a runtime that cannot be there.
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-engine-'))
  const answer = await withOnly(['podman'], () => openEngine({ dataDir: join(dir, 'data'), runDir: join(dir, 'run'), owner: 'x', socket: null, runtime: 'no-such' as 'runc', insecure: [] }))
  expect(answer).toMatchObject(inPath('podman') ? { reason: 'podman is installed, but no-such is not', hint: 'apt-get install -y no-such' } : { reason: 'neither Docker nor Podman is installed', hint: expect.stringContaining('podman runc') })
  rmSync(dir, { recursive: true })
})

test('outgoing connections are told in one line: who can, who cannot and why, and that nobody does so unasked', () => {
  const found = (id: 'bwrap' | 'container', egress: boolean, says: string) => ({ driver: { id } as never, report: { usable: true, egress, evidence: { egress: says } } as never })
  expect(egressFinding([found('bwrap', true, 'it did'), found('container', false, 'Docker')])).toEqual({ check: 'outgoing connections', state: 'works', says: 'bwrap can let jobs out to the hosts that they name, and nowhere else; offered only by lumaris agent join --egress (not by container: Docker)' })
  expect(egressFinding([found('container', false, 'Docker')])).toMatchObject({ state: 'absent', hint: expect.stringMatching(/./) })
  expect(egressFinding([])).toMatchObject({ state: 'absent' })
})
test('encrypted scratch and cards are told in a line each, with what stands in their way', () => {
  expect(scratchFinding({ by: 'dm-crypt', open: () => Promise.reject(new Error('not asked for')) })).toMatchObject({ check: 'encrypted scratch', state: 'works', says: expect.stringContaining('dm-crypt') })
  expect(scratchFinding({ reason: 'swap', hint: 'swapoff -a' })).toEqual({ check: 'encrypted scratch', state: 'absent', says: 'swap', hint: 'swapoff -a' })
  const card = { vendor: 'nvidia' as const, pci: '1', model: 'nvidia-h200', memoryBytes: 141 * 2 ** 30, node: '/dev/nvidia0', cdi: { name: 'nvidia.com/gpu=0', own: [], shared: [], mounts: [] } }
  expect(cardFindings({ gpus: [card], problems: [] }, true)).toEqual([{ check: 'graphics cards', state: 'works', says: '1 × nvidia-h200 of 141 GiB, seen inside a container (nvidia.com/gpu=0)' }])
  expect(cardFindings({ gpus: [card], problems: [] }, false)).toMatchObject([{ state: 'absent', hint: expect.stringContaining('podman runc') }])
  expect(cardFindings({ gpus: [], problems: [] }, false)).toEqual([{ check: 'graphics cards', state: 'absent', says: 'there are none' }])
  expect(cardFindings({ gpus: [], problems: [{ says: 'a card, but no driver', hint: 'a driver' }] }, false)).toEqual([{ check: 'graphics cards', state: 'absent', says: 'a card, but no driver', hint: 'a driver' }])
})
