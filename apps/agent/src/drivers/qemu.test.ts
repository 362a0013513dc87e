import { afterAll, describe, expect, test } from 'vitest'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testImages } from '../images/test-images.ts'
import { driverContract, namesIn, runIn, systemPython } from './driver.contract.ts'
import type { Guest, IsolationDriver, ProbeReport } from './driver.ts'
import { MACHINE_LIMITS as LIMITS, machineContract, machineHands } from './machine.contract.ts'
import { createQemuDriver } from './qemu.ts'
import { createStages } from './stage.ts'
import { createVaults, findInFile } from './vault.ts'
import { vaultBytes } from './work-disk.ts'

const kept = await testImages()
const images = 'reason' in kept ? '' : kept.images
const scratch = join(tmpdir(), `lumaris-test-qemu-${process.pid}`)
const owner = `testq${process.pid}`
const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
const found = 'reason' in kept ? { ...kept, hint: 'apt-get install -y qemu-system-x86' } : await createQemuDriver({ scratch: join(scratch, 'qemu'), stages, images, accelerators: ['kvm', 'tcg'] })
const clear = async (): Promise<void> => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) }
afterAll(clear)
if ('reason' in found) await clear() // where every test is skipped, nothing is called afterwards

if ('reason' in found) test.skip(`qemu: ${found.reason} (${found.hint})`, () => undefined)
else describe('qemu', async () => {
  const driver: IsolationDriver = found
  let report: Promise<ProbeReport> | null = null
  const probed = (): Promise<ProbeReport> => (report ??= driver.probe())
  // One start of a machine for all of them; the first to need it would else pay for it with its own time.
  test('a machine starts, and its memory is kept as a template', { timeout: 300_000 }, async () => {
    expect(await driver.prepare?.({ attemptId: 'att_first', runtime: 'native', command: ['x'], env: {}, workDir: scratch, limits: LIMITS }, new AbortController().signal)).toBe(null)
    expect(namesIn(join(scratch, 'qemu', 'templates'))).toEqual(['tcg-512'])
  })
  driverContract('qemu', () => driver, systemPython)
  const hands = machineHands({ driver, stages, owner })
  const { inFlight, pidsIn, ofPid, group, follow } = hands

  test('KVM is tried first here, whatever the processor shows, and believed only when a machine has started with it in time', { timeout: 300_000 }, async () => {
    const { evidence } = await probed()
    expect(evidence['qemu']).toMatch(/^\d+\.\d+\.\d+, (kvm|tcg)$/)
    if (evidence['qemu']?.endsWith('tcg')) expect(evidence['kvm']).toMatch(/^no machine could be (started|woken) with kvm/)
  })
  machineContract(hands, { probed, templates: join(scratch, 'qemu', 'templates'), files: ['disk', 'memory'] })
  test('QEMU sees its own files, the image and one directory; it is nobody, has no network, and is filtered', async () => {
    process.env['LUMARIS_SECRET_OF_THE_AGENT'] = 'hidden'
    const { job, sandbox, line } = await inFlight(['/bin/sh', '-c', 'echo up; exec sleep 60 # a-word-of-the-buyer'], { env: { TOKEN: 'a-secret-of-the-buyer' } })
    await line(1)
    delete process.env['LUMARIS_SECRET_OF_THE_AGENT']
    const qemu = pidsIn().find((pid) => ofPid(pid, 'cmdline').startsWith('/usr/bin/qemu')) as string
    expect(ofPid(qemu, 'status')).toMatch(/^Uid:\s+610\d\d\s/m)
    for (const words of ['CapEff:\t0000000000000000', 'CapBnd:\t0000000000000000', 'NoNewPrivs:\t1', 'Seccomp:\t2']) expect(ofPid(qemu, 'status')).toContain(words)
    expect(ofPid(qemu, 'net/dev').trim().split('\n').slice(2).map((one) => one.trim().split(':')[0])).toEqual(['lo'])
    const root = `/proc/${qemu}/root`
    expect(namesIn(root).filter((name) => !['usr', 'lib', 'lib64'].includes(name))).toEqual(['dev', 'image', 'run'])
    expect(namesIn(`${root}/run`)).toEqual(['disk'])
    expect(statSync(`${root}/run`)).toMatchObject({ uid: 0, mode: 0o40711 })
    expect(ofPid(qemu, 'limits')).toMatch(new RegExp(`^Max file size\\s+${statSync(`${root}/run/disk`).size} `, 'm'))
    expect(namesIn(`${root}/usr/bin`)).toEqual(['qemu-system-x86_64'])
    const mounts = ofPid(qemu, 'mounts').split('\n').filter((one) => / rw[, ]/.test(one)).map((one) => one.split(' ')[1])
    expect(mounts.filter((path) => path !== '/run' && !path?.startsWith('/dev'))).toEqual([])
    const everything = namesIn('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => ofPid(pid, 'cmdline')).join('\n')
    expect(everything).not.toMatch(/a-secret-of-the-buyer|a-word-of-the-buyer/)
    expect(pidsIn().map((pid) => ofPid(pid, 'environ')).join('\n')).not.toMatch(/LUMARIS|HOME=\/root/)
    await sandbox.kill('seen')
    expect(pidsIn()).toEqual([])
    rmSync(job.workDir, { recursive: true, force: true })
  })
  test('a running machine goes into another while its program counts and writes, and into a third; what was in memory and on its disk is there', { timeout: 300_000 }, async () => {
    // Whether the file is still what was written is asked of the disk: what the kernel kept of it is dropped first.
    const source = `
import os, time
secret, n = os.urandom(16).hex(), 0
log = open('log.txt', 'a+')
blob = bytearray(os.urandom(8 << 20))
while True:
    log.write(f'{n}\\n'); log.flush(); os.fsync(log.fileno()); os.posix_fadvise(log.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    log.seek(0)
    print(n, secret, log.read() == ''.join(f'{i}\\n' for i in range(n + 1)), flush=True)
    blob[n % 2048 * 4096] ^= 255
    n += 1; time.sleep(0.02)`
    const { memory: maker = '', live } = await probed()
    expect(live).toBe(true)
    const first = await inFlight(['/usr/bin/python3', '-c', source], { limits: { ...LIMITS, outputBytes: 2 ** 20, wallMs: 300_000 } })
    const all = [first]
    for (let round = 0; round < 2; round++) {
      const here = all.at(-1) as typeof first
      await here.line(5)
      const job = { ...hands.jobOf(first.job.command), limits: first.job.limits }
      let guest: Guest | undefined, bytes = 0, sentBefore = 0
      await here.sandbox.leave?.({
        until: new AbortController().signal, stood() { sentBefore = bytes },
        async begin(diskBytes) { guest = await driver.receive?.(job, { maker, diskBytes }) },
        memory: (piece) => { bytes += piece.length; return (guest as Guest).memory(piece) }, write: (at, data) => (guest as Guest).write(at, data), zero: (at, length) => (guest as Guest).zero(at, length),
      })
      await guest?.complete()
      const sandbox = await (guest as Guest).take(job)
      // It stood still for the last part of the way only.
      expect(sentBefore / bytes).toBeGreaterThan(0.3)
      await here.sandbox.kill('it is elsewhere')
      all.push({ job, ...follow(sandbox) })
    }
    const last = all.at(-1) as typeof first
    await last.line(30)
    await last.sandbox.kill('seen')
    const said = all.flatMap(({ lines }) => lines).map((one) => one.split(' '))
    expect(said.map(([n]) => Number(n))).toEqual(said.map((_one, i) => i))
    expect(new Set(said.map(([, secret]) => secret)).size).toBe(1)
    expect(said.every(([, , same]) => same === 'True')).toBe(true)
    expect(pidsIn()).toEqual([])
  })
  /** In QEMU's place a program that wakes as QEMU does, and then says something else on the line. */
  const fake = async (says: string, act: (driver: IsolationDriver) => Promise<void>): Promise<void> => {
    const dir = mkdtempSync(join(tmpdir(), 'lumaris-fake-')), qemu = join(dir, 'qemu')
    chmodSync(dir, 0o755)
    writeFileSync(qemu, `#!/usr/bin/python3 -S
import json, os, socket, struct, sys
if '--version' in sys.argv: print('QEMU emulator version 9.9.9'); sys.exit()
monitor, line = socket.socket(fileno=7), socket.socket(fileno=6)
def tell(**said): monitor.sendall(json.dumps(said).encode() + b'\\n')
def frame(letter, body=b''): line.sendall(letter + struct.pack('<I', len(body)) + body)
def said():
${says.split('\n').map((one) => `    ${one}`).join('\n')}
if '-incoming' not in sys.argv: frame(b'R')
tell(QMP={})
for text in monitor.makefile():
    asked = json.loads(text)
    tell(**{'return': {}})
    if asked['execute'] == 'migrate':
        take = socket.socket(socket.AF_UNIX); take.connect(asked['arguments']['uri'][5:]); take.sendall(b'memory'); take.close()
    if asked['execute'] in ('migrate', 'migrate-incoming'): tell(event='MIGRATION', data={'status': 'completed'})
    if asked['execute'] == 'quit': sys.exit()
    if asked['execute'] == 'cont':
        line.recv(1)
        said()
`)
    chmodSync(qemu, 0o755)
    const made = await createQemuDriver({ scratch: join(scratch, 'fake'), stages, images, qemu, sees: ['/usr', '/lib', '/lib64', '/bin', dir], accelerators: ['tcg'] })
    if ('reason' in made) throw new Error(made.reason)
    try { await act(made) } finally { rmSync(dir, { recursive: true }); rmSync(join(scratch, 'fake'), { recursive: true, force: true }) }
  }
  test('a machine that speaks garbage, or without end, is ended for a reason that has a name, and it is not the driver\'s fault', async () => {
    const run = async (says: string, limits = {}) => { let ran: Awaited<ReturnType<typeof runIn>> | undefined; await fake(says, async (one) => { ran = await runIn(one, { runtime: 'native', command: ['/bin/true'], limits }) }); return ran as NonNullable<typeof ran> }
    expect((await run("frame(b'O', b'hello'); frame(b'X', b'{\"code\": 3, \"starved\": false}'); frame(b'F', struct.pack('<Q', 2) + b'out'); frame(b'D', b'ok'); frame(b'Z')"))).toMatchObject({ end: { cause: 'exit', code: 3 }, out: 'hello', files: { out: 'ok' } })
    expect((await run("line.sendall(b'garbage' * 1000); import time; time.sleep(60)")).end).toMatchObject({ cause: 'exit', code: 134, detail: expect.stringContaining('broke its rules') })
    expect((await run("while True: frame(b'O', b'x' * 60000)")).end).toMatchObject({ cause: 'output' })
    expect((await run("frame(b'X', b'{\"code\": 0, \"starved\": false}'); frame(b'F', struct.pack('<Q', 1) + b'../escaped'); import time; time.sleep(60)"))).toMatchObject({ end: { cause: 'exit', code: 134, detail: expect.stringContaining('outside of its directory') }, files: {} })
    expect((await run("frame(b'X', b'{\"code\": 0, \"starved\": false}'); frame(b'F', struct.pack('<Q', 1 << 60) + b'big'); import time; time.sleep(60)")).end).toMatchObject({ cause: 'disk' })
    expect((await run('sys.exit()')).end).toMatchObject({ cause: 'exit', code: 134, detail: expect.stringContaining('ended before its program') })
    expect((await run('import time; time.sleep(60)', { wallMs: 1_500 })).end).toMatchObject({ cause: 'wall' })
    expect(pidsIn()).toEqual([])
  })
  test('every machine is sent chance of its own and the time, before its order', async () => {
    const told = async (): Promise<Buffer> => { let out = ''; await fake("head = line.recv(81, socket.MSG_WAITALL)\nframe(b'O', head.hex().encode()); frame(b'X', b'{\"code\": 0, \"starved\": false}'); frame(b'Z')", async (one) => { out = (await runIn(one, { runtime: 'native', command: ['/bin/true'] })).out }); return Buffer.from(out, 'hex') }
    // The end of an input that is empty, whose letter the fake takes off; then W, its length, 64 bytes of chance, seconds.
    const chance = [await told(), await told()].map((said) => {
      expect(said.subarray(0, 9).toString('latin1')).toBe('\0\0\0\0W\u0048\0\0\0')
      expect(Math.abs(said.readDoubleLE(73) - Date.now() / 1000)).toBeLessThan(60)
      return said.toString('hex', 9, 73)
    })
    expect(new Set([...chance, '00'.repeat(64)]).size).toBe(3)
  })
  // Beside what is looked through at the end: their guard lives as long as this process.
  const beside = mkdtempSync(join(tmpdir(), 'lumaris-test-vaults-'))
  chmodSync(beside, 0o711)
  afterAll(() => { rmSync(beside, { recursive: true, force: true }) })
  const vaults = await createVaults({ dir: beside })
  const noVaults = 'reason' in vaults ? ` (${vaults.reason})` : ''
  test.skipIf(noVaults)(`the disk of an encrypted job lies in its vault and nowhere else, and no checkpoint leaves it; a plain job's lies in clear${noVaults}`, async () => {
    if ('reason' in vaults) return
    const hidden = 'a-word-in-a-hidden-input', open = 'a-word-in-an-open-input', made = 'made-in-halves'
    const words = async (): Promise<string[]> => {
      for (const dir of [scratch, beside]) spawnSync('sync', ['-f', dir])
      const found = new Set<string>()
      for (const entry of [scratch, beside].flatMap((dir) => readdirSync(dir, { recursive: true, withFileTypes: true }))) if (entry.isFile() && !entry.parentPath.includes('/v/')) for (const one of await findInFile(join(entry.parentPath, entry.name), [hidden, open, made])) found.add(one)
      return [...found].sort()
    }
    const vault = await vaults.open('att_hidden', vaultBytes(LIMITS.diskBytes, 0)), workDir = join(vault.dir, 'files'), plain = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    mkdirSync(workDir)
    for (const [dir, word] of [[workDir, hidden], [plain, open]] as const) writeFileSync(join(dir, 'in'), `${word}\n`.repeat(3000))
    const script = ['/bin/sh', '-c', 'head -n 1 in; a=made-in; yes "$a-halves" | head -n 3000 > out; sync; echo up; exec sleep 60']
    const one = await inFlight(script, { workDir, vault: vault.dir })
    await one.line(2)
    expect(one.lines).toEqual([hidden, 'up'])
    expect('checkpoint' in one.sandbox).toBe(false)
    expect(namesIn(join(scratch, 'qemu', 'run'))).toEqual([])
    expect(await words()).toEqual([])
    await one.sandbox.kill('seen')
    expect(await words()).toEqual([])
    await vault.close()
    const two = await inFlight(script, { workDir: plain })
    await two.line(2)
    expect(await words()).toEqual([open, made].sort()) // or the search would find nothing anywhere
    await two.sandbox.kill('seen')
    for (const dir of [plain, one.job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
  test('what an agent that was killed had running ends with it, and the next one clears away what is left', { timeout: 300_000 }, async () => {
    const place = join(tmpdir(), `lumaris-test-qemu-crash-${process.pid}`), its = `${owner}x`
    mkdirSync(place)
    const source = `
import { createQemuDriver } from ${JSON.stringify(join(import.meta.dirname, 'qemu.ts'))}
import { createStages } from ${JSON.stringify(join(import.meta.dirname, 'stage.ts'))}
const stages = await createStages({ scratch: ${JSON.stringify(join(place, 'stages'))}, owner: '${its}' })
const driver = await createQemuDriver({ scratch: ${JSON.stringify(join(place, 'qemu'))}, stages, images: ${JSON.stringify(images)}, accelerators: ['tcg'] })
const sandbox = await driver.start({ attemptId: 'att_left', runtime: 'native', command: ['/bin/sh', '-c', 'echo up; exec sleep 600'], env: {}, workDir: ${JSON.stringify(mkdtempSync(join(place, 'work-')))}, limits: ${JSON.stringify(LIMITS)} })
sandbox.stdout.on('data', (chunk) => process.stdout.write(chunk))`
    const agent = spawn(process.execPath, ['--input-type=module-typescript', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise<void>((resolve, reject) => { agent.stdout.once('data', () => resolve()); agent.once('exit', () => reject(new Error('it ended without a word'))) })
    const running = (): number => Number(spawnSync('pgrep', ['-fc', `${place}`], { encoding: 'utf8' }).stdout)
    agent.kill('SIGKILL')
    await expect.poll(running).toBe(0)
    const next = await createStages({ scratch: join(place, 'stages'), owner: its })
    const after = await createQemuDriver({ scratch: join(place, 'qemu'), stages: next, images, accelerators: ['tcg'] })
    if ('reason' in after) throw new Error(after.reason)
    expect(await after.reap()).toBe(1)
    expect(await after.reap()).toBe(0)
    expect(namesIn(join(place, 'qemu', 'run'))).toEqual([])
    expect(namesIn(join(place, 'qemu', 'templates'))).toEqual([])
    rmSync(place, { recursive: true, force: true })
  })
  test('nothing of all that is left: no directory, no control group, no mount, no process', async () => {
    await driver.close?.()
    expect(namesIn(join(scratch, 'qemu', 'run'))).toEqual([])
    expect(namesIn(join(scratch, 'qemu', 'templates'))).toEqual([])
    expect(namesIn(group).filter((name) => name.startsWith('att') || name.startsWith('probe') || name.startsWith('template'))).toEqual([])
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(scratch)
    expect(spawnSync('pgrep', ['-f', scratch], { encoding: 'utf8' }).stdout).toBe('')
  })
})
