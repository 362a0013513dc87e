// What every driver of level `vm` promises besides driver.contract.ts, whichever program runs the machine.
import { afterAll, expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MIB, namesIn, runIn, startVictim } from './driver.contract.ts'
import type { Checkpoint, IsolationDriver, ProbeReport, Sandbox, SandboxSpec } from './driver.ts'
import type { Stages } from './stage.ts'

export const MACHINE_LIMITS = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 16, diskBytes: 2 * MIB, outputBytes: 100_000, wallMs: 60_000, openFiles: 64 }

export type Hands = ReturnType<typeof machineHands>
export function machineHands({ driver, stages, owner }: { driver: IsolationDriver; stages: Stages; owner: string }) {
  const sh = (script: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', script], limits })
  const py = (source: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', source], limits })
  const follow = (sandbox: Sandbox): { sandbox: Sandbox; lines: string[]; line: (count: number) => Promise<void> } => {
    const lines: string[] = []
    let rest = ''
    sandbox.stderr.resume()
    sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { const all = (rest + text).split('\n'); rest = all.pop() ?? ''; lines.push(...all) })
    return { sandbox, lines, line: (count) => expect.poll(() => lines.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count) }
  }
  const workDirs: string[] = []
  const aWorkDir = (): string => { const dir = mkdtempSync(join(tmpdir(), 'lumaris-job-')); workDirs.push(dir); return dir }
  afterAll(() => { for (const dir of workDirs) rmSync(dir, { recursive: true, force: true }) })
  const jobOf = (command: readonly string[], more: Partial<SandboxSpec> = {}): SandboxSpec => ({ attemptId: 'att_flight', runtime: 'native', command, env: {}, workDir: aWorkDir(), limits: MACHINE_LIMITS, ...more })
  const inFlight = async (command: readonly string[], more: Partial<SandboxSpec> = {}) => { const job = jobOf(command, more); return { job, ...follow(await driver.start(job)) } }
  const able = <T>(value: T | undefined): T => { if (value === undefined) throw new Error('this driver takes no checkpoints here'); return value }
  const take = async (sandbox: Sandbox, into: string): Promise<Checkpoint> => able(await sandbox.checkpoint?.(into))
  const goOn = async (job: SandboxSpec, from: string, checkpoint: Checkpoint): Promise<Sandbox> => able(await driver.restore?.(job, from, checkpoint))
  const group = `/sys/fs/cgroup/${stages.cgroups?.version === 1 ? 'pids/' : ''}lumaris-${owner}`
  const pidsIn = (): string[] => namesIn(group).filter((name) => name.startsWith('att')).flatMap((name) => readFileSync(join(group, name, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
  const ofPid = (pid: string, name: string): string => { try { return readFileSync(`/proc/${pid}/${name}`, 'utf8') } catch { return '' /* gone */ } }
  return { driver, sh, py, follow, jobOf, inFlight, take, goOn, group, pidsIn, ofPid }
}

/** `files`: what a checkpoint consists of. */
export function machineContract({ driver, sh, py, follow, inFlight, take, goOn, group, pidsIn }: Hands, { probed, templates, files }: { probed: () => Promise<ProbeReport>; templates: string; files: readonly string[] }): void {
  test('the probe shows every limit held on this machine', { timeout: 300_000 }, async () => {
    const report = await probed()
    expect(report, JSON.stringify(report)).toMatchObject({ usable: true, level: 'vm', runtimes: ['native', 'python'], limits: { cpu: 'hard', memory: 'hard', pids: 'hard', disk: 'hard', net: 'hard', wall: 'hard', output: 'hard' } })
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
  test('its files are nowhere outside while it runs: the machine’s own must not be taken for them, nor must there seem to be none', async () => {
    const { job, sandbox } = await inFlight(['/bin/sleep', '60'])
    expect(sandbox.dir).toBeNull()
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
  test('a job that needs more gets a larger machine, and may use what it was promised', { timeout: 300_000 }, async () => {
    const { end, out } = await py("b = [bytearray(b'x' * 1048576) for _ in range(780)]\nprint(len(b))", { memoryBytes: 1024 * MIB, wallMs: 120_000 })
    expect({ out, end }).toMatchObject({ out: '780\n', end: { cause: 'exit', code: 0 } })
    expect(namesIn(templates).filter((name) => name.endsWith('-1024')).length).toBe(1)
  })
  test('memory that runs out ends the job as that, and not at the end of its time', async () => {
    expect((await py("b = []\nwhile True: b.append(bytearray(b'x' * 1048576))", { wallMs: 50_000 })).end).toMatchObject({ cause: 'memory' })
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
  test('a job whose memory was taken in one sandbox goes on in another, with its secret and where it had counted to', { timeout: 900_000 }, async () => {
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
    expect(checkpoint.files.map((one) => one.path)).toEqual(files)
    await expect(goOn(job, into, { ...checkpoint, maker: 'another 1 kvm' })).rejects.toThrow('can be restored only by that')
    appendFileSync(join(into, 'memory'), 'x')
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    rmSync(join(into, 'memory'))
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    await expect(sandbox.checkpoint?.(into)).rejects.toThrow('it has ended')
    expect(namesIn(group).filter((name) => name.startsWith('att'))).toEqual([])
    for (const dir of [into, job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
}
