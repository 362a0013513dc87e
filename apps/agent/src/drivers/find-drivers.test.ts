import { expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { findDeno } from './deno.ts'
import { findDrivers } from './find-drivers.ts'
import { inPath } from './stage.ts'

async function find(more: Partial<Parameters<typeof findDrivers>[0]> = {}): Promise<string[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-find-'))
  try {
    const found = await findDrivers({ dataDir, ...more })
    for (const { driver } of found) expect(await driver.reap()).toBe(0)
    return found.map(({ driver, report }) => `${driver.id} ${report.usable} ${report.evidence['walls'] ?? ''}`.trim())
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
    rmSync(join(tmpdir(), `lumaris-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`), { recursive: true, force: true })
  }
}
const missing = findDeno() ? '' : ' (deno is not installed for this platform)'
test.skipIf(missing)(`bubblewrap that is installed and does not work leaves deno alone${missing}`, { timeout: 300_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-broken-'))
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'bwrap'), '#!/bin/sh\necho "bwrap: setting up uid map: Permission denied" >&2\nexit 1\n')
  chmodSync(join(dir, 'bwrap'), 0o755)
  const before = process.env['PATH']
  process.env['PATH'] = `${dir}${delimiter}${before}`
  try {
    const found = await find({ only: ['bwrap', 'deno'] })
    expect(found.at(-1)).toBe('deno true deno alone')
    if (found.length > 1) expect(found[0]).toBe('bwrap false')
  } finally { process.env['PATH'] = before; rmSync(dir, { recursive: true }) }
})
test.skipIf(missing)(`only the drivers that were asked for are tried${missing}`, { timeout: 300_000 }, async () => {
  expect(await find({ only: ['firecracker'] })).toEqual([])
  expect(await find({ only: ['deno'], denoInsideBwrap: false })).toEqual(['deno true deno alone'])
})

const runsc = inPath('runsc')
const noSentry = runsc === null || process.getuid?.() !== 0 ? ' (runsc is not installed, or this is not root)' : ''
test.skipIf(noSentry)(`gVisor is believed only what its canaries showed${noSentry}`, { timeout: 300_000 }, async () => {
  expect(await find({ only: ['gvisor'] })).toEqual(['gvisor true'])
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-broken-'))
  // It says of itself all that the real one does, and then no sandbox stands.
  writeFileSync(join(dir, 'runsc'), `#!/bin/sh\ncase "$1" in --version|flags) exec '${runsc}' "$@";; esac\necho 'cannot create sandbox' >&2\nexit 128\n`)
  chmodSync(join(dir, 'runsc'), 0o755)
  chmodSync(dir, 0o755)
  const before = process.env['PATH']
  process.env['PATH'] = `${dir}${delimiter}${before}`
  try { expect(await find({ only: ['gvisor'] })).toEqual(['gvisor false']) } finally { process.env['PATH'] = before; rmSync(dir, { recursive: true }) }
})

test('without an image of a machine nothing is started for qemu, and the one command that is missing is named', async () => {
  const said: string[] = []
  expect(await find({ only: ['qemu'], absent: (id, { reason, hint }) => said.push(`${id}: ${reason}: ${hint}`) })).toEqual([])
  expect(said.length).toBe(1)
  expect(said[0]).toMatch(/^qemu: (QEMU is not installed: apt-get install -y qemu-system-x86 bubblewrap|bubblewrap is not installed: .*|a machine needs .*: run the agent as root|machines are for Linux .*|no image of a machine is there yet: lumaris images build --into \S+\/images)$/)
})
test('without Firecracker, its jailer or a KVM that works nothing is started for it either', async () => {
  const said: string[] = []
  expect(await find({ only: ['firecracker'], absent: (id, { reason, hint }) => said.push(`${id}: ${reason}: ${hint}`) })).toEqual([])
  expect(said.length).toBe(1)
  expect(said[0]).toMatch(/^firecracker: (Firecracker|its jailer|util-linux|machines are for Linux|there is no \/dev\/kvm|the processor does not show|a machine needs|no image of a machine).*: \S+/)
})
