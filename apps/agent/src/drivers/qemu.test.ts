import { afterAll, describe, expect, test } from 'vitest'
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testImages } from '../images/test-images.ts'
import { MIB, driverContract, namesIn, runIn, startVictim, systemPython } from './driver.contract.ts'
import type { Checkpoint, IsolationDriver, Sandbox, SandboxSpec } from './driver.ts'
import { createQemuDriver } from './qemu.ts'
import { createStages } from './stage.ts'

const kept = await testImages()
const images = 'reason' in kept ? '' : kept.images
const scratch = join(tmpdir(), `lumaris-test-qemu-${process.pid}`)
const owner = `testq${process.pid}`
const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
const found = 'reason' in kept ? { ...kept, hint: 'apt-get install -y qemu-system-x86' } : await createQemuDriver({ scratch: join(scratch, 'qemu'), stages, images, accelerators: ['kvm', 'tcg'] })
const clear = async (): Promise<void> => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) }
afterAll(clear)
if ('reason' in found) await clear() // where every test is skipped, nothing is called afterwards

const LIMITS = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 16, diskBytes: 2 * MIB, outputBytes: 100_000, wallMs: 60_000, openFiles: 64 }
if ('reason' in found) test.skip(`qemu: ${found.reason} (${found.hint})`, () => undefined)
else describe('qemu', () => {
  const driver: IsolationDriver = found
  // One start of a machine for all of them; the first to need it would else pay for it with its own time.
  test('a machine starts, and its memory is kept as a template', { timeout: 120_000 }, async () => {
    expect(await driver.prepare?.({ attemptId: 'att_first', runtime: 'native', command: ['x'], env: {}, workDir: scratch, limits: LIMITS }, new AbortController().signal)).toBe(null)
    expect(namesIn(join(scratch, 'qemu', 'templates'))).toEqual(['tcg-512'])
  })
  driverContract('qemu', () => driver, systemPython)
  const sh = (script: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', script], limits })
  const py = (source: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', source], limits })
  const follow = (sandbox: Sandbox): { sandbox: Sandbox; lines: string[]; line: (count: number) => Promise<void> } => {
    const lines: string[] = []
    let rest = ''
    sandbox.stderr.resume()
    sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { const all = (rest + text).split('\n'); rest = all.pop() ?? ''; lines.push(...all) })
    return { sandbox, lines, line: (count) => expect.poll(() => lines.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count) }
  }
  const jobOf = (command: readonly string[], more: Partial<SandboxSpec> = {}): SandboxSpec => ({ attemptId: 'att_flight', runtime: 'native', command, env: {}, workDir: mkdtempSync(join(tmpdir(), 'lumaris-job-')), limits: LIMITS, ...more })
  const inFlight = async (command: readonly string[], more: Partial<SandboxSpec> = {}) => { const job = jobOf(command, more); return { job, ...follow(await driver.start(job)) } }
  const able = <T>(value: T | undefined): T => { if (value === undefined) throw new Error('this driver takes no checkpoints here'); return value }
  const take = async (sandbox: Sandbox, into: string): Promise<Checkpoint> => able(await sandbox.checkpoint?.(into))
  const goOn = async (job: SandboxSpec, from: string, checkpoint: Checkpoint): Promise<Sandbox> => able(await driver.restore?.(job, from, checkpoint))
  const group = `/sys/fs/cgroup/${stages.cgroups?.version === 1 ? 'pids/' : ''}lumaris-${owner}`
  const pidsIn = (): string[] => namesIn(group).filter((name) => name.startsWith('att')).flatMap((name) => readFileSync(join(group, name, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
  const ofPid = (pid: string, name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'utf8') } catch { return '' /* gone */ } }

  test('the probe shows every limit held on this machine', { timeout: 120_000 }, async () => {
    const report = await driver.probe()
    expect(report, JSON.stringify(report)).toMatchObject({ usable: true, level: 'vm', runtimes: ['native', 'python'], limits: { cpu: 'hard', memory: 'hard', pids: 'hard', disk: 'hard', net: 'hard', wall: 'hard', output: 'hard' } })
    // KVM is believed only when a machine has started with it in time: here it is tried first, whatever the processor shows.
    expect(report.evidence['qemu']).toMatch(/^\d+\.\d+\.\d+, (kvm|tcg)$/)
    if (report.evidence['qemu']?.endsWith('tcg')) expect(report.evidence['kvm']).toContain('no machine could be started with kvm')
  })
  test('another kernel answers the job: no rights, no device, no network, no way to the host', async () => {
    const { out } = await py(`
import os, ctypes, socket
print(os.uname().release)
libc = ctypes.CDLL(None, use_errno=True)
for name, args in {'bpf': (321, 0, 0, 0), 'mount': (165, 0, 0, 0, 0, 0), 'init_module': (175, 0, 0, 0), 'reboot': (169, 0xfee1dead, 0x28121969, 0x01234567, 0), 'settime': (227, 0, 0)}.items():
    print(name, 'done' if libc.syscall(*[ctypes.c_long(a) for a in args]) >= 0 else 'refused')
for path in ('/proc/kcore', '/proc/sys/kernel/core_pattern', '/dev/vda', '/dev/vdb', '/dev/vport1p1', '/dev/vport2p1', '/dev/vport3p1', '/dev/mem', '/dev/ttyS0', '/sys/fs/cgroup/job/memory.max', '/usr/lib/lumaris/agent.py', '/etc/passwd'):
    print(path, os.path.exists(path) and os.access(path, os.W_OK))
print(sorted(os.listdir('/sys/class/net')), os.getuid(), os.getgroups())
for cid in (0, 1, 2):
    try: s = socket.socket(40, socket.SOCK_STREAM); s.settimeout(1); s.connect((cid, 1)); print('vsock True')
    except OSError: pass
print([p for p in os.listdir('/proc') if p.isdigit()] == [str(os.getpid())], sorted(int(n) for n in os.listdir('/proc/self/fd')))
for line in open('/proc/self/status'):
    if line.startswith(('CapEff', 'CapPrm', 'NoNewPrivs')): print(line.split()[1])
`)
    expect(out.split('\n')[0]).not.toBe(spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout.trim())
    expect(out).not.toMatch(/done|\/\S+ True|vsock/)
    expect(out).toContain("['lo'] 65534 []\nTrue [0, 1, 2, 3]\n0000000000000000\n0000000000000000\n1")
  })
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
  test('copies of one machine draw different numbers, and know what time it is', async () => {
    const source = 'import os, time, random, uuid\nprint(os.urandom(16).hex(), random.getrandbits(64), uuid.uuid4(), time.time(), sep=chr(10))'
    const [one, two] = await Promise.all([py(source), py(source)])
    const a = one.out.trim().split('\n'), b = two.out.trim().split('\n')
    expect(a.length).toBe(4)
    for (const i of [0, 1, 2]) expect(a[i]).not.toBe(b[i])
    for (const one of [a, b]) expect(Math.abs(Date.now() / 1000 - Number(one[3]))).toBeLessThan(30)
  })
  test('the clock goes right while it runs and after it stood still', async () => {
    const { job, sandbox, lines, line } = await inFlight(['/usr/bin/python3', '-c', 'import time\nwhile True: print(time.time(), flush=True); time.sleep(0.1)'])
    const offs = (): number => Date.now() / 1000 - Number(lines.at(-1))
    await line(3)
    await sandbox.pause()
    const before = lines.length
    await new Promise((resolve) => setTimeout(resolve, 2_000)) // the thing measured is a clock that stands still for this time
    await sandbox.resume()
    await line(before + 20)
    expect(Math.abs(offs())).toBeLessThan(1.5)
    await sandbox.kill('seen')
    rmSync(job.workDir, { recursive: true, force: true })
  })
  test('a program that is not there is the order\'s fault', async () => {
    expect((await runIn(driver, { runtime: 'native', command: ['/no/such/program'] })).end).toMatchObject({ cause: 'exit', code: 127, detail: expect.stringContaining('could not be started') })
    expect((await runIn(driver, { runtime: 'native', command: ['/etc/passwd'] })).end).toMatchObject({ cause: 'exit', code: 126 })
  })
  test('too little memory for a machine is refused with what to change', async () => {
    expect((await sh('echo ran', { memoryBytes: 64 * MIB })).end).toMatchObject({ cause: 'memory', detail: expect.stringMatching(/needs \d+ bytes of memory at least/) })
  })
  test('a job that needs more gets a larger machine, and may use what it was promised', { timeout: 180_000 }, async () => {
    const { end, out } = await py("b = [bytearray(b'x' * 1048576) for _ in range(780)]\nprint(len(b))", { memoryBytes: 1024 * MIB })
    expect({ out, end }).toMatchObject({ out: '780\n', end: { cause: 'exit', code: 0 } })
    expect(namesIn(join(scratch, 'qemu', 'templates')).filter((name) => name.endsWith('-1024')).length).toBe(1)
  })
  test('memory that runs out ends the job as that, and not at the end of its time', async () => {
    expect((await py("b = []\nwhile True: b.append(bytearray(b'x' * 1048576))")).end).toMatchObject({ cause: 'memory' })
  })
  test('processes and open files are counted, and one too many is refused inside; a fork bomb stays there', async () => {
    const { out } = await py('import os, time\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: time.sleep(30); os._exit(0)\n    n += 1\nexcept OSError as e: print(n, e.errno, flush=True)\nf = 0\ntry:\n  while f < 300: os.open("/dev/null", 0); f += 1\nexcept OSError as e: print(f, e.errno, flush=True)', { pids: 40, openFiles: 64 })
    expect(out).toMatch(/^3\d 11\n[56]\d 24\n$/)
    expect(['wall', 'exit']).toContain((await sh('f() { f | f & }; f; sleep 1; f; sleep 5', { pids: 48, wallMs: 3_000 })).end.cause)
    expect(pidsIn()).toEqual([])
  })
  test('a program whose time is over still gives out what it had written', async () => {
    const { end, files } = await sh('echo half > half; exec sleep 60', { wallMs: 5_000 })
    expect(end).toMatchObject({ cause: 'wall', code: null })
    expect(files).toEqual({ half: 'half\n' })
  })
  test('a daemon that detaches itself ends with the job, and processes of the host cannot be signalled', async () => {
    const victim = startVictim()
    const { end, out } = await sh(`kill -9 ${victim.pid} && echo killed; kill -9 -1; setsid sleep 600 >/dev/null 2>&1 & sleep 0.1; exit 0`)
    expect(end).toMatchObject({ cause: 'exit' })
    expect(out).not.toContain('killed')
    expect(victim.alive()).toBe(true)
    victim.stop()
  })
  test('links, pipes, second names and holes in the work directory lead nowhere', async () => {
    const { out, files } = await sh('ln -s /etc/shadow link; ln -s / slash; cat link slash/root/.bashrc 2>/dev/null; echo mine > mine; ln mine twice; mkfifo pipe; mkdir d; ln -s .. d/up; echo x > "$(printf "new\\nline")"; echo kept > d/kept')
    expect(out).toBe('')
    expect(files).toEqual({ 'd/kept': 'kept\n' })
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
  // A secret drawn in memory and a counter: neither is in any file, so whoever says them again has that memory.
  const COUNTER = ['/usr/bin/python3', '-c', `
import os, time
secret, n = os.urandom(16).hex(), 0
log, kept = open('log.txt', 'a'), open('/tmp/kept', 'w+')
gone = open('gone', 'w+'); os.remove('gone'); gone.write(secret); gone.flush()
kept.write(secret); kept.flush()
while n < 24:
    kept.seek(0); gone.seek(0)
    print(n, secret, kept.read() == secret == gone.read(), flush=True); log.write(f'{n}\\n'); log.flush()
    n += 1; time.sleep(0.05)`]
  // CHECKPOINTS=10 asks for more rounds.
  test('a job whose memory was taken in one sandbox goes on in another, with its secret and where it had counted to', { timeout: 300_000 }, async () => {
    for (let round = 0; round < Number(process.env['CHECKPOINTS'] ?? 2); round++) {
      const into = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
      const first = await inFlight(COUNTER)
      await first.line(5)
      if (round % 2 === 1) await first.sandbox.pause() // taken all the same
      const checkpoint = await take(first.sandbox, into)
      expect(await first.sandbox.exit).toMatchObject({ cause: 'killed', code: null })
      expect(pidsIn()).toEqual([])
      const second = follow(await goOn(first.job, into, checkpoint))
      expect(await second.sandbox.exit).toMatchObject({ cause: 'exit', code: 0 })
      await second.line(1)
      const all = [...first.lines, ...second.lines].map((one) => one.split(' '))
      expect(all.map(([n]) => Number(n))).toEqual(Array.from({ length: 24 }, (_one, i) => i)) // none lost, none twice
      expect(new Set(all.map(([, secret]) => secret)).size).toBe(1)
      expect(all.every(([, , same]) => same === 'True')).toBe(true)
      expect(readFileSync(join(first.job.workDir, 'log.txt'), 'utf8').trim().split('\n').length).toBe(24)
      for (const dir of [into, first.job.workDir]) rmSync(dir, { recursive: true, force: true })
    }
  })
  test('a checkpoint that was changed, is not whole, or comes from another machine is not restored', async () => {
    const into = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
    const { job, sandbox, line } = await inFlight(COUNTER)
    await line(1)
    const checkpoint = await take(sandbox, into)
    expect(checkpoint.files.map((one) => one.path)).toEqual(['disk', 'memory'])
    await expect(goOn(job, into, { ...checkpoint, maker: 'qemu 1 kvm' })).rejects.toThrow('can be restored only by that')
    appendFileSync(join(into, 'memory'), 'x')
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    rmSync(join(into, 'memory'))
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    await expect(sandbox.checkpoint?.(into)).rejects.toThrow('it has ended')
    expect(namesIn(group).filter((name) => name.startsWith('att'))).toEqual([])
    for (const dir of [into, job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
  test('what an agent that was killed had running ends with it, and the next one clears away what is left', { timeout: 120_000 }, async () => {
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
    await expect.poll(running, { timeout: 10_000 }).toBe(0)
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
