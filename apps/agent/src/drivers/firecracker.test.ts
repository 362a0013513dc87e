// The driver against a stand-in for Firecracker and its jailer, which takes the same command line and the same requests, and runs the machine in QEMU: see
// firecracker-stand-in.ts for what that shows and what it does not.
import { afterAll, describe, expect, test } from 'vitest'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testImages } from '../images/test-images.ts'
import { driverContract, namesIn, systemPython } from './driver.contract.ts'
import type { IsolationDriver, ProbeReport } from './driver.ts'
import { createFirecrackerDriver } from './firecracker.ts'
import type { FirecrackerOptions } from './firecracker.ts'
import { MACHINE_LIMITS as LIMITS, machineContract, machineHands } from './machine.contract.ts'
import { createStages } from './stage.ts'

const kept = await testImages()
const images = 'reason' in kept ? '' : kept.images
const scratch = join(tmpdir(), `lumaris-test-firecracker-${process.pid}`), bin = join(scratch, 'bin')
const owner = `testf${process.pid}`
const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
/** Both programs are the stand-in, which costs the job's control group what a small Node costs. */
const program = (folder: string, name: 'firecracker' | 'jailer', release = '1.17.0', before = ''): string => {
  const path = join(folder, name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  writeFileSync(path, `#!/bin/sh\n[ "$1" = --version ] && { echo "${name === 'jailer' ? 'Jailer' : 'Firecracker'} v${release}"; exit; }\n${before}\nexec '${process.execPath}' --disable-warning=ExperimentalWarning --max-old-space-size=32 --max-semi-space-size=1 '${join(import.meta.dirname, 'firecracker-stand-in.ts')}' '${folder}' "$@"\n`)
  chmodSync(path, 0o755)
  return path
}
const make = (more: Partial<FirecrackerOptions> = {}) => createFirecrackerDriver({ scratch: join(scratch, 'firecracker'), stages, images, firecracker: program(bin, 'firecracker'), jailer: program(bin, 'jailer'), kvm: () => null, bootMs: 90_000, ...more })
const found = 'reason' in kept ? { ...kept, hint: 'apt-get install -y qemu-system-x86' } : await make()
const clear = async (): Promise<void> => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) }
afterAll(clear)
if ('reason' in found) await clear() // where every test is skipped, nothing is called afterwards

type Asked = { readonly method?: string; readonly path?: string; readonly body?: string | null; readonly status?: number; readonly fault_message?: string; readonly said?: string; readonly jailer?: string }
const asked = (): Asked[] => readFileSync(join(bin, 'requests'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Asked)
if ('reason' in found) test.skip(`firecracker: ${found.reason} (${found.hint})`, () => undefined)
else describe('firecracker', () => {
  const driver: IsolationDriver = found
  let report: Promise<ProbeReport> | null = null
  const probed = (): Promise<ProbeReport> => (report ??= driver.probe())
  const templates = join(scratch, 'firecracker', 'templates')
  test('a machine is described, started, and its memory kept as a template that none of its copies can write', { timeout: 300_000 }, async () => {
    expect(await driver.prepare?.({ attemptId: 'att_first', runtime: 'native', command: ['x'], env: {}, workDir: scratch, limits: LIMITS }, new AbortController().signal)).toBe(null)
    expect(namesIn(templates)).toEqual(['firecracker-512'])
    for (const file of ['memory', 'state']) expect(statSync(join(templates, 'firecracker-512', file))).toMatchObject({ uid: 0, mode: 0o100444 })
    expect(asked().filter((one) => one.method && one.method !== 'GET').map((one) => `${one.method} ${one.path} ${one.status}`)).toEqual([
      'PUT /machine-config 204', 'PUT /boot-source 204', 'PUT /drives/root 204', 'PUT /drives/work 204', 'PUT /vsock 204', 'PUT /actions 204', 'PATCH /vm 204', 'PUT /snapshot/create 204',
    ])
  })
  driverContract('firecracker', () => driver, systemPython)
  const hands = machineHands({ driver, stages, owner })
  machineContract(hands, { probed, templates, files: ['disk', 'memory', 'state'] })

  test('the machine has the image and its disk, below one directory; the image and the template belong to root', async () => {
    const { job, sandbox, line } = await hands.inFlight(['/bin/sh', '-c', 'echo up; exec sleep 60'], { env: { TOKEN: 'a-secret-of-the-buyer' } })
    await line(1)
    const runs = join(scratch, 'firecracker', 'run'), root = join(runs, namesIn(runs).at(-1) as string, 'firecracker', 'machine', 'root')
    expect(namesIn(root).sort()).toEqual(['api', 'disk', 'firecracker', 'initrd', 'line', 'memory', 'root.ext4', 'state', 'vmlinux'])
    for (const file of ['initrd', 'memory', 'root.ext4', 'state', 'vmlinux']) { const { uid, mode } = lstatSync(join(root, file)); expect({ file, uid, writable: mode & 0o022 }).toEqual({ file, uid: 0, writable: 0 }) }
    expect(lstatSync(join(root, 'disk')).mode & 0o777).toBe(0o600)
    const everything = namesIn('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => hands.ofPid(pid, 'cmdline')).join('\n')
    expect(everything).not.toContain('a-secret-of-the-buyer')
    await sandbox.kill('seen')
    expect(hands.pidsIn()).toEqual([])
    rmSync(job.workDir, { recursive: true, force: true })
  })
  test('a socket that was exchanged is not spoken to', { timeout: 300_000 }, async () => {
    // A service of the machine that answers whoever connects, where Firecracker's socket should be.
    const place = mkdtempSync(join(tmpdir(), 'lumaris-service-')), path = join(place, 'socket')
    let reached = 0
    const service: Server = createServer((socket) => { reached++; socket.destroy() })
    await new Promise<void>((resolve) => service.listen(path, () => resolve()))
    try {
      for (const [name, exchange] of Object.entries({ link: `ln -s '${path}' "$root/api"`, 'second-name': `ln '${path}' "$root/api"` })) {
        const folder = join(scratch, name)
        // What a Firecracker that was broken out of could do in its own directory.
        const jailer = program(folder, 'jailer', '1.17.0', `while [ $# -gt 0 ]; do [ "$1" = --chroot-base-dir ] && root="$2/firecracker/machine/root"; shift; done; ${exchange}; exec sleep 60`)
        const broken = await make({ scratch: join(scratch, `${name}-driver`), jailer, bootMs: 10_000 })
        if ('reason' in broken) throw new Error(broken.reason)
        expect(await broken.prepare?.({ attemptId: 'att_x', runtime: 'native', command: ['x'], env: {}, workDir: scratch, limits: LIMITS }, new AbortController().signal)).toMatchObject({ cause: 'driver', detail: expect.stringContaining('a socket of the machine was exchanged') })
      }
      expect(reached).toBe(0)
    } finally { service.close(); rmSync(place, { recursive: true, force: true }) }
  })
  test('without the programs, of two releases, of an old one, or without KVM there is no driver, and what is missing is named', async () => {
    const why = async (more: Partial<FirecrackerOptions>): Promise<string> => { const one = await make(more); return 'reason' in one ? one.reason : 'none' }
    expect(await why({ kvm: () => 'there is no /dev/kvm' })).toBe('there is no /dev/kvm')
    expect(await why({ jailer: program(join(scratch, 'other'), 'jailer', '1.16.0') })).toContain('different releases')
    const old = join(scratch, 'old')
    expect(await why({ firecracker: program(old, 'firecracker', '1.7.0'), jailer: program(old, 'jailer', '1.7.0') })).toContain('older than 1.8')
    expect(await why({ images: scratch })).toBe('no image of a machine is there yet')
  })
  test('what cannot be laid out is the driver’s fault, and nothing of it is left', async () => {
    const place = join(scratch, 'torn'), torn = await make({ scratch: place })
    if ('reason' in torn) throw new Error(torn.reason)
    rmSync(join(place, 'image', 'vmlinux'))
    expect(await torn.prepare?.({ attemptId: 'att_x', runtime: 'native', command: ['x'], env: {}, workDir: scratch, limits: LIMITS }, new AbortController().signal)).toMatchObject({ cause: 'driver', detail: expect.stringContaining('ENOENT') })
    expect(namesIn(join(place, 'run'))).toEqual([])
    expect(namesIn(hands.group).filter((name) => name.startsWith('template'))).toEqual([])
  })
  test('a machine that does not come up in its time is no driver', { timeout: 300_000 }, async () => {
    const silent = await make({ scratch: join(scratch, 'silent'), jailer: program(join(scratch, 'silent-bin'), 'jailer', '1.17.0', 'exec sleep 60'), bootMs: 1_000 })
    if ('reason' in silent) throw new Error(silent.reason)
    expect(await silent.probe()).toMatchObject({ usable: false, reason: expect.stringContaining('it was not up within 1000 ms') })
  })
  test('all that was asked was in the contract, and nothing of it refused', () => {
    expect(asked().filter((one) => one.jailer !== undefined || one.fault_message !== undefined || (one.status !== undefined && one.status >= 300))).toEqual([])
    expect(new Set(asked().flatMap((one) => (one.said === undefined ? [] : [one.said])))).toEqual(new Set(['CONNECT 1024\n']))
    expect(new Set(asked().flatMap((one) => (one.method ? [`${one.method} ${one.path}`] : []))).size).toBe(10)
  })
  test('nothing of all that is left: no directory, no control group', async () => {
    await driver.close?.()
    expect(namesIn(join(scratch, 'firecracker', 'run'))).toEqual([])
    expect(namesIn(templates)).toEqual([])
    expect(namesIn(hands.group).filter((name) => /^(att|probe|template)/.test(name))).toEqual([])
  })
})
