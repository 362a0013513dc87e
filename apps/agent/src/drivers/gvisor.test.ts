import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MIB, alwaysReady, driverContract, namesIn, runIn, shareNothing, startVictim, systemPython } from './driver.contract.ts'
import type { Checkpoint, IsolationDriver, Sandbox, SandboxSpec } from './driver.ts'
import { createGvisorDriver } from './gvisor.ts'
import { createStages } from './stage.ts'

// A place that the job's own user id can walk to.
const scratch = join(tmpdir(), `lumaris-test-gvisor-${process.pid}`)
const owner = `testg${process.pid}`
const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
const found = await createGvisorDriver({ scratch: join(scratch, 'gvisor'), stages })
afterAll(async () => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) })

const LIMITS = { cpuMillis: 1000, memoryBytes: 192 * MIB, pids: 16, diskBytes: MIB, outputBytes: 100_000, wallMs: 30_000, openFiles: 64 }
const missing = !found ? 'runsc is not installed' : process.getuid?.() !== 0 || !stages.cgroups || !stages.limitsDisk ? 'it needs root, control groups and disks of their own' : !existsSync('/usr/bin/python3') ? 'python3 is not installed' : null
if (missing || !found) test.skip(`gvisor: ${missing}`, () => undefined)
else describe('gvisor', () => {
  const driver: IsolationDriver = found
  driverContract('gvisor', () => driver, systemPython)
  const sh = (script: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', script], limits })
  const py = (source: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', source], limits })
  const inFlight = async (command: readonly string[], env: Record<string, string> = {}): Promise<{ job: SandboxSpec; sandbox: Sandbox; lines: string[]; line: (count: number) => Promise<void> }> => {
    const job: SandboxSpec = { attemptId: 'att_flight', runtime: 'native', command, env, workDir: mkdtempSync(join(tmpdir(), 'lumaris-job-')), limits: LIMITS }
    return { job, ...(await follow(await driver.start(job))) }
  }
  const follow = async (sandbox: Sandbox): Promise<{ sandbox: Sandbox; lines: string[]; line: (count: number) => Promise<void> }> => {
    const lines: string[] = []
    let rest = ''
    sandbox.stderr.resume()
    sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { const all = (rest + text).split('\n'); rest = all.pop() ?? ''; lines.push(...all) })
    return { sandbox, lines, line: (count) => expect.poll(() => lines.length).toBeGreaterThanOrEqual(count) }
  }
  const able = <T>(value: T | undefined): T => { if (value === undefined) throw new Error('this driver takes no checkpoints here'); return value }
  const take = async (sandbox: Sandbox, into: string): Promise<Checkpoint> => able(await sandbox.checkpoint?.(into))
  const goOn = async (job: SandboxSpec, from: string, checkpoint: Checkpoint): Promise<Sandbox> => able(await driver.restore?.(job, from, checkpoint))
  const group = `/sys/fs/cgroup/${stages.cgroups?.version === 1 ? 'pids/' : ''}lumaris-${owner}`
  const pidsIn = (): string[] => namesIn(group).filter((name) => name.startsWith('att')).flatMap((name) => readFileSync(join(group, name, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
  const uidsIn = (): number[] => pidsIn().flatMap((pid) => { try { return [Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])] } catch { return [] /* gone */ } })

  test('the probe shows every limit held on this machine', async () => {
    const report = await driver.probe()
    expect(report, JSON.stringify(report)).toMatchObject({ usable: true, level: 'kernel', runtimes: ['native', 'python'], limits: { cpu: 'hard', memory: 'hard', pids: 'hard', disk: 'hard', net: 'hard', wall: 'hard', output: 'hard' } })
    expect(report.evidence['runsc']).toMatch(/^\d{8}, platform (systrap|ptrace)$/)
  })
  test('another kernel answers the job, and the machine\'s knows nothing of its calls', async () => {
    const { out } = await py(`
import os, ctypes
print(os.uname().release)
libc = ctypes.CDLL(None, use_errno=True)
for name, args in {'bpf': (321, 0, 0, 0), 'userfaultfd': (323, 0), 'perf': (298, 0, 0, 0, 0, 0), 'keyctl': (250, 0, 0, 0), 'open_by_handle': (304, 0, 0, 0), 'mount': (165, 0, 0, 0, 0, 0), 'init_module': (175, 0, 0, 0), 'reboot': (169, 0xfee1dead, 0x28121969, 0x01234567, 0)}.items() if os.uname().machine == 'x86_64' else []:
    print(name, 'done' if libc.syscall(*[ctypes.c_long(a) for a in args]) >= 0 else 'refused')
for path in ('/proc/kcore', '/proc/kmsg', '/proc/sys/kernel/core_pattern', '/dev/kvm', '/dev/mem', '/dev/loop-control'): print(path, os.path.exists(path) and os.access(path, os.W_OK))
`)
    expect(out.split('\n')[0]).not.toBe(spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout.trim())
    expect(out).not.toMatch(/done|True/)
  })
  test('a job cannot pass its own failure off as the sandbox\'s: words on stderr prove nothing', async () => {
    for (const words of ['creating container: cannot create sandbox', '{"msg":"running container: starting container: x"}', 'setpriv: x', 'panic: x', 'sh: 1: cannot create']) expect((await sh(`echo '${words}' >&2; exit 1`)).end).toMatchObject({ cause: 'exit', code: 1 })
    expect((await sh('for fd in /proc/self/fd/*; do echo ${fd##*/}; done; for fd in 3 4 5 6 7 8 9; do eval "echo forged >&$fd"; done')).end).toMatchObject({ cause: 'exit' })
    expect((await py('import os\nprint(sorted(int(n) for n in os.listdir("/proc/self/fd")))')).out.trim()).toBe('[0, 1, 2, 3]') // 3 is the directory that is looked at
  })
  test('a program that is not there is the order\'s fault', async () => {
    expect((await runIn(driver, { runtime: 'native', command: ['/no/such/program'] })).end).toMatchObject({ cause: 'exit', code: 127, detail: expect.stringContaining('could not be started') })
    expect((await runIn(driver, { runtime: 'native', command: ['/etc/passwd'] })).end).toMatchObject({ cause: 'exit', code: 126 })
  })
  test('too little memory for a kernel of its own is refused with what to change', async () => {
    expect((await sh('echo ran', { memoryBytes: 16 * MIB })).end).toMatchObject({ cause: 'memory', detail: expect.stringMatching(/needs \d+ bytes of memory at least/) })
  })
  test('an input that became a directory, and a directory that became a file, come back as they are', async () => {
    const { end, files } = await runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', 'rm a; mkdir a; echo in > a/b; rm -r d; echo now > d'], files: { a: 'file', 'd/x': 'x', left: 'as it was' } })
    expect(end).toMatchObject({ cause: 'exit', code: 0 })
    expect(files).toEqual({ 'a/b': 'in\n', d: 'now\n', left: 'as it was' })
  })
  test('the words and variables of a job are not in the list of processes, nor in a file that others can read; the agent\'s are not with the sentry', async () => {
    process.env['LUMARIS_SECRET_OF_THE_AGENT'] = 'hidden'
    const { job, sandbox, line } = await inFlight(['/bin/sh', '-c', 'echo up; exec sleep 30 # a-word-of-the-buyer'], { TOKEN: 'a-secret-of-the-buyer' })
    await line(1)
    const shown = namesIn('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8') } catch { return '' /* gone */ } }).join('\n')
    expect(shown).toContain('runsc-sandbox')
    expect(shown).not.toMatch(/a-secret-of-the-buyer|a-word-of-the-buyer/)
    delete process.env['LUMARIS_SECRET_OF_THE_AGENT']
    const around = pidsIn().map((pid) => { try { return readFileSync(`/proc/${pid}/environ`, 'utf8') } catch { return '' /* gone */ } }).join('\n')
    expect(around).toContain('PATH=')
    expect(around).not.toMatch(/LUMARIS|HOME=\/root/)
    const bundle = join(scratch, 'gvisor', 'run', namesIn(join(scratch, 'gvisor', 'run'))[0] as string)
    expect(spawnSync('setpriv', ['--reuid=60999', '--regid=60999', '--clear-groups', 'cat', join(bundle, 'config.json')], { encoding: 'utf8' })).toMatchObject({ stdout: '', status: 1 })
    await sandbox.kill('done')
    rmSync(job.workDir, { recursive: true, force: true })
  })
  test('outside it is two user ids that are nobody: the gofer\'s, and the sentry\'s own', async () => {
    const { job, sandbox, line } = await inFlight(['/bin/sh', '-c', 'id -u; grep -i ^cap /proc/self/status; exec sleep 30'])
    await line(1)
    const uids = new Set(uidsIn())
    const gofer = [...uids].find((uid) => uid >= 61_000) as number
    expect(uids).toEqual(new Set([gofer - 200, gofer]))
    await sandbox.kill('seen')
    rmSync(job.workDir, { recursive: true, force: true })
    const { out } = await sh('id -u; grep -i ^cap /proc/self/status; cat /etc/shadow; (echo x > /etc/new) && echo written; (echo x > /usr/new) && echo written; (echo x > /new) && echo written')
    expect(out).toMatch(/CapEff:\s0000000000000000/)
    expect(out).toMatch(/CapBnd:\s0000000000000000/)
    expect(out).not.toMatch(/root:|written/)
  })
  test('/dev and /dev/shm are small and closed', async () => {
    const { out } = await sh('head -c 40000000 /dev/zero > /dev/shm/fill; wc -c < /dev/shm/fill; head -c 90000000 /dev/zero > /tmp/fill; wc -c < /tmp/fill; echo /dev/*')
    const [shm = '', tmp = '', dev = ''] = out.split('\n')
    expect(Number(shm)).toBeLessThanOrEqual(16 * MIB)
    expect(Number(tmp)).toBeLessThanOrEqual(64 * MIB)
    expect(dev).not.toMatch(/sda|vda|loop|mem\b|kvm|nvidia/)
  })
  test('no family of sockets leads out, AF_VSOCK neither', async () => {
    const { out } = await py('import socket\nfor f in (16, 17, 38, 40, 44):\n  try:\n    socket.socket(f, socket.SOCK_STREAM if f == 40 else socket.SOCK_RAW); print("open", f)\n  except OSError as e: print("no", f)\ntry: socket.socket(2, socket.SOCK_RAW, 1); print("open raw")\nexcept OSError: print("no raw")')
    expect(out).not.toMatch(/open (17|38|40|44|raw)/)
  })
  test('the control socket of runsc can be reached by nobody else on the machine', async () => {
    const { job, sandbox, line } = await inFlight(['/bin/sh', '-c', 'echo up; exec sleep 30'])
    await line(1)
    expect(readFileSync('/proc/net/unix', 'utf8')).not.toContain('runsc')
    await sandbox.kill('done')
    rmSync(job.workDir, { recursive: true, force: true })
  })
  test('sandboxes beside each other share no files, no memory, no sockets and no processes', async () => {
    await shareNothing(driver, 1)
  })
  test('its processes are counted, and one too many is refused inside', async () => {
    const { out } = await py('import os, time\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: time.sleep(3); os._exit(0)\n    n += 1\nexcept OSError as e: print(n, e.errno)', { pids: 40 })
    expect(Number(out.split(' ')[0])).toBeLessThan(40)
    expect(out.trim()).toMatch(/ 11$/)
  })
  test('open files are limited', async () => {
    const { out } = await py('import os\nn = 0\ntry:\n  while n < 300: os.open("/dev/null", 0); n += 1\nexcept OSError as e: print(n, e.errno)', { openFiles: 64 })
    expect(Number(out.split(' ')[0])).toBeLessThan(64)
    expect(out.trim()).toMatch(/ 24$/)
  })
  test('a fork bomb stays in its sandbox, and nothing of it is left', { timeout: 300_000 }, async () => {
    const { end } = await sh('f() { f | f & }; f; sleep 1; f; sleep 5', { pids: 48, wallMs: 3_000 })
    expect(['wall', 'exit', 'pids']).toContain(end.cause)
    expect(namesIn(group).filter((name) => name.startsWith('att'))).toEqual([])
  })
  test('memory that runs out ends the job as that, and not at the end of its time', async () => {
    const { end } = await py("import os\nif os.fork() == 0:\n  b = [bytearray(b'x' * 1048576) for _ in range(600)]\nelse:\n  os.wait()\nimport time; time.sleep(15)", { memoryBytes: 160 * MIB })
    expect(end).toMatchObject({ cause: 'memory' })
  })
  test('a daemon that detaches itself ends with the job', async () => {
    const { end } = await sh('setsid sleep 600 >/dev/null 2>&1 & sleep 0.1; exit 0')
    expect(end).toMatchObject({ cause: 'exit', code: 0 })
    expect(uidsIn()).toEqual([])
  })
  test('processes of the machine cannot be seen or signalled', async () => {
    const victim = startVictim()
    const { out } = await sh(`kill -9 ${victim.pid} && echo killed; for p in /proc/[0-9]*; do echo $p; done | wc -l`)
    expect(victim.alive()).toBe(true)
    expect(out).not.toContain('killed')
    expect(Number(out.trim())).toBeLessThan(10)
    victim.stop()
  })
  test('links out of the work directory lead nowhere, inside and when outputs are collected', async () => {
    const { out, files } = await sh('ln -s /etc/shadow link; ln -s / slash; ln -s /proc/1/root up; cat link up/etc/shadow slash/root/.bashrc; echo mine > mine; ln mine twice; mkfifo pipe; mkdir d; ln -s .. d/up')
    expect(out).toBe('')
    expect(files).toEqual({})
  })

  // A secret drawn in memory and a counter: neither is in any file, so whoever says them again has that memory.
  const COUNTER = ['/usr/bin/python3', '-c', `
import os, time
secret, n = os.urandom(16).hex(), 0
log, kept = open('log.txt', 'a'), open('/tmp/kept', 'w+')
kept.write(secret); kept.flush()
while True:
    kept.seek(0)
    print(n, secret, kept.read() == secret, flush=True); log.write(f'{n}\\n'); log.flush()
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
      expect(uidsIn()).toEqual([])
      const second = await follow(await goOn(first.job, into, checkpoint))
      await second.line(5)
      // And on from there: what was restored is taken like anything else.
      const again = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
      const third = await follow(await goOn(first.job, again, await take(second.sandbox, again)))
      await third.line(5)
      await third.sandbox.kill('seen')
      const all = [...first.lines, ...second.lines, ...third.lines].map((one) => one.split(' '))
      expect(all.map(([n]) => Number(n))).toEqual(all.map((_one, i) => i)) // none lost, none twice
      expect(new Set(all.map(([, secret]) => secret)).size).toBe(1)
      expect(all.every(([, , same]) => same === 'True')).toBe(true)
      const log = readFileSync(join(first.job.workDir, 'log.txt'), 'utf8').trim().split('\n').map(Number)
      expect(log.slice(0, all.length)).toEqual(log.slice(0, all.length).map((_one, i) => i))
      expect(log.length).toBeGreaterThanOrEqual(first.lines.length + 4)
      for (const dir of [into, again, first.job.workDir]) rmSync(dir, { recursive: true, force: true })
    }
  })
  test('a checkpoint that was changed, is not whole, or comes from another kernel is not restored', async () => {
    const into = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
    const { job, sandbox, line } = await inFlight(COUNTER)
    await line(1)
    const checkpoint = await take(sandbox, into)
    await expect(goOn(job, into, { ...checkpoint, maker: 'runsc 1 kvm' })).rejects.toThrow('can be restored only by that')
    const { path } = checkpoint.files[0] as { path: string }
    appendFileSync(join(into, path), 'x')
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    rmSync(join(into, path))
    await expect(goOn(job, into, checkpoint)).rejects.toThrow('differs or is missing')
    expect(namesIn(group).filter((name) => name.startsWith('att'))).toEqual([])
    for (const dir of [into, job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
  test('what cannot be taken, or cannot go on, says why, and is never taken for a job that ended well', async () => {
    const into = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
    const counting = (before: string): string[] => ['/usr/bin/python3', '-c', `import os, time\n${before}\nn = 0\nwhile True: print(n, flush=True); n += 1; time.sleep(0.05)`]
    const held = await inFlight(counting("f = open('gone', 'w'); os.remove('gone')"))
    await held.line(2)
    await expect(take(held.sandbox, into)).rejects.toThrow(/^its memory could not be taken: .{1,300}deleted.{1,200}$/)
    expect(await held.sandbox.exit).toMatchObject({ cause: 'driver', code: null, detail: expect.stringContaining('deleted') })
    const nowhere = await inFlight(counting("os.mkdir('empty'); os.chdir('empty')")) // empty directories do not come home
    await nowhere.line(2)
    const again = await goOn(nowhere.job, into, await take(nowhere.sandbox, into))
    again.stdout.resume(); again.stderr.resume()
    expect(await again.exit).toMatchObject({ cause: 'driver', detail: expect.stringContaining('no such file') })
    for (const dir of [into, held.job.workDir, nowhere.job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
  test('of a job that has ended nothing can be taken', async () => {
    const into = mkdtempSync(join(tmpdir(), 'lumaris-checkpoint-'))
    const { job, sandbox } = await inFlight(['/bin/true'])
    await sandbox.exit
    await expect(take(sandbox, into)).rejects.toThrow('it has ended')
    expect(namesIn(into)).toEqual([])
    for (const dir of [into, job.workDir]) rmSync(dir, { recursive: true, force: true })
  })
  test('nothing of all that is left: no directory, no control group, no mount, no process', () => {
    expect(namesIn(join(scratch, 'gvisor', 'run'))).toEqual([])
    expect(namesIn(join(scratch, 'gvisor', 'node'))).toEqual([])
    expect(namesIn(group).filter((name) => name.startsWith('att') || name.startsWith('probe'))).toEqual([])
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(scratch)
    expect(spawnSync('pgrep', ['-f', scratch], { encoding: 'utf8' }).stdout).toBe('')
  })
})

if (!missing) describe('gvisor, taken from what stands ready', () => {
  const ready = alwaysReady(stages)
  let driver: IsolationDriver
  beforeAll(async () => { driver = await createGvisorDriver({ scratch: join(scratch, 'gvisor-ready'), stages: ready }) as IsolationDriver; expect(await driver.probe()).toMatchObject({ usable: true, limits: { memory: 'hard', pids: 'hard', disk: 'hard', net: 'hard' } }) }, 60_000)
  driverContract('gvisor, ready', () => driver, systemPython)
  test('two at once share nothing, and each was taken from what stood ready', async () => {
    await shareNothing(driver, 1)
    expect(ready.taken()).toBeGreaterThan(25)
  })
})
