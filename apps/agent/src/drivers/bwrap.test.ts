import { afterAll, describe, expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { MIB, alwaysReady, driverContract, namesIn, runIn, seesNoProcesses, shareNothing, systemPython as python } from './driver.contract.ts'
import type { IsolationDriver } from './driver.ts'
import { createStages } from './stage.ts'

// A place that the job's own user id can walk to.
const scratch = join(tmpdir(), `lumaris-test-bwrap-${process.pid}`)
const stages = await createStages({ scratch: join(scratch, 'stages'), owner: `test${process.pid}` })
const wall = createWall({ scratch: join(scratch, 'wall'), stages })
const softStages = await createStages({ scratch: join(scratch, 'soft'), owner: `tests${process.pid}`, kernelLimits: false })
const softWall = createWall({ scratch: join(scratch, 'softwall'), stages: softStages })
afterAll(async () => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) })

const missing = !wall ? 'bubblewrap is not installed, or does not work here' : !existsSync('/usr/bin/python3') ? 'python3 is not installed' : null
if (missing || !wall) test.skip(`bwrap: ${missing}`, () => undefined)
else for (const ready of [null, alwaysReady(stages)]) describe(ready ? 'bwrap, taken from what stands ready' : 'bwrap', () => {
  const driver: IsolationDriver = createBwrapDriver(ready ? createWall({ scratch: join(scratch, 'readywall'), stages: ready }) ?? wall : wall)
  driverContract(ready ? 'bwrap, ready' : 'bwrap', () => driver, python)
  const sh = (script: string, limits = {}) => runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', script], limits })

  test('the probe shows every limit held on this machine', async () => {
    const report = await driver.probe()
    expect(report).toMatchObject({ usable: true, limits: { net: 'hard', wall: 'hard', output: 'hard' } })
    if (stages.cgroups) expect(report.limits).toMatchObject({ memory: 'hard', pids: 'hard', cpu: 'hard' })
    // Root with loop devices and mke2fs has no excuse.
    if (process.getuid?.() === 0 && existsSync('/dev/loop-control') && existsSync('/usr/sbin/mke2fs')) expect(report.limits.disk).toBe('hard')
  })
  test('a job cannot pass its own failure off as the sandbox\'s: words on stderr prove nothing', async () => {
    for (const words of ['bwrap: Creating new namespace failed', 'setpriv: x', 'bwrap: execvp x', 'sh: 1: cannot create']) expect((await sh(`echo "${words}" >&2; exit 1`)).end).toMatchObject({ cause: 'exit', code: 1 })
    expect((await sh('ls /proc/self/fd; echo forged >&5; echo forged >&4; echo forged >&3')).out.trim().split('\n')).toEqual(['0', '1', '2', '3']) // 3 is ls looking at the directory
  })
  test('a program that is not there is the order\'s fault', async () => {
    expect((await runIn(driver, { runtime: 'native', command: ['/no/such/program'] })).end).toMatchObject({ cause: 'exit', code: 127, detail: expect.stringContaining('No such file') })
    expect((await runIn(driver, { runtime: 'native', command: ['/bin/echo', 'x'.repeat(200_000)] })).end).toMatchObject({ cause: 'exit', code: 126 })
  })
  test('an input that became a directory, and a directory that became a file, come back as they are', async () => {
    const { end, files } = await runIn(driver, { runtime: 'native', command: ['/bin/sh', '-c', 'rm a; mkdir a; echo in > a/b; rm -r d; echo now > d'], files: { a: 'file', 'd/x': 'x', left: 'as it was' } })
    expect(end).toMatchObject({ cause: 'exit', code: 0 })
    expect(files).toEqual({ 'a/b': 'in\n', d: 'now\n', left: 'as it was' })
  })
  test('the variables of a job are not in the list of processes', async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const sandbox = await driver.start({ attemptId: 'att_env', runtime: 'native', command: ['/bin/sh', '-c', 'echo up; exec sleep 30'], env: { TOKEN: 'a-secret-of-the-buyer' }, workDir, limits: { cpuMillis: 1000, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 30_000, openFiles: 64 } })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    const shown = namesIn('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8') } catch { return '' /* gone */ } }).join('\n')
    expect(shown).toContain('--json-status-fd')
    expect(shown).not.toContain('a-secret-of-the-buyer')
    sandbox.stdout.resume()
    await sandbox.kill('done')
    rmSync(workDir, { recursive: true, force: true })
  })
  test('kill ends every descendant, also one that detached itself', async () => {
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const marker = `4343${process.pid}`
    const sandbox = await driver.start({ attemptId: 'att_tree', runtime: 'native', command: ['/bin/sh', '-c', `setsid sh -c 'sleep ${marker} & sleep ${marker}' & sleep ${marker} & echo up; wait`], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 30_000, openFiles: 64 } })
    const alive = (): number => namesIn('/proc').filter((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`sleep\0${marker}`) } catch { return false /* gone */ } }).length
    sandbox.stdout.resume(); sandbox.stderr.resume()
    await expect.poll(alive).toBe(3)
    await sandbox.kill('the test says so')
    expect(alive()).toBe(0)
    rmSync(workDir, { recursive: true, force: true })
  })
  test('sandboxes beside each other share no files, no memory, no sockets and no processes', async () => {
    await shareNothing(driver, 2)
  })
  test('hole 1: the job is not the real root, whatever it is called inside', async () => {
    const { out } = await sh("cat /etc/shadow; (echo x > /proc/sys/kernel/core_pattern) && echo written; grep -i '^cap' /proc/self/status")
    expect(out).not.toMatch(/root:|written/)
    expect(out).toMatch(/CapEff:\s0000000000000000/)
    expect(out).toMatch(/CapBnd:\s0000000000000000/)
    // Inside it is called nobody; the kernel outside is asked who it really is.
    const seconds = `4343${process.pid}`
    const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
    const sandbox = await driver.start({ attemptId: 'att_uid', runtime: 'native', command: ['/bin/sh', '-c', `echo up; exec sleep ${seconds}`], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 20_000, openFiles: 64 } })
    sandbox.stderr.resume()
    await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
    const pid = await expect.poll(() => spawnSync('pgrep', ['-x', '-f', `sleep ${seconds}`], { encoding: 'utf8' }).stdout.trim()).toMatch(/^\d+$/).then(() => spawnSync('pgrep', ['-x', '-f', `sleep ${seconds}`], { encoding: 'utf8' }).stdout.trim())
    const uids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.slice(1).map(Number) ?? []
    expect(uids).toHaveLength(3)
    if (process.getuid?.() === 0) for (const uid of uids) expect(uid).toBeGreaterThanOrEqual(61_000)
    await sandbox.kill('seen')
    rmSync(workDir, { recursive: true, force: true })
  })
  test("hole 2: the environment of bubblewrap itself holds nothing of the agent's", async () => {
    process.env['LUMARIS_SECRET_OF_THE_AGENT'] = 'hidden'
    const { out } = await sh('for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/environ; done 2>/dev/null')
    delete process.env['LUMARIS_SECRET_OF_THE_AGENT']
    expect(out).not.toContain('hidden')
  })
  test('hole 4: /dev and /dev/shm are small and closed', async () => {
    const { out } = await sh('head -c 40000000 /dev/zero > /dev/shm/fill; wc -c < /dev/shm/fill; (echo x > /dev/new) && echo made; ls /dev')
    expect(Number(/^\d+/.exec(out)?.[0])).toBeLessThanOrEqual(16 * MIB)
    expect(out).not.toMatch(/made|sda|vda|mem\b|kvm/)
  })
  test('hole 5: sockets of every family but local ones are refused, AF_VSOCK too', async () => {
    const { out } = await runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', 'import socket\nfor f in (2, 10, 16, 17, 38, 40, 44):\n  try:\n    socket.socket(f, socket.SOCK_STREAM if f in (2, 10, 40) else socket.SOCK_RAW); print("open", f)\n  except OSError as e: print("no", f)\nsocket.socket(socket.AF_UNIX); print("unix")'] })
    expect(out).not.toContain('open')
    expect(out).toContain('unix')
  })
  test('a fork bomb stays in its group, and nothing of it is left', { timeout: 300_000 }, async () => {
    const { end } = await sh('f() { f | f & }; f; sleep 1; f; sleep 5', { pids: 48, wallMs: 3_000 })
    expect(['wall', 'exit', 'pids']).toContain(end.cause)
    expect(namesIn(`/sys/fs/cgroup/pids/lumaris-test${process.pid}`).filter((name) => name.startsWith('att'))).toEqual([])
  })
  test('a daemon that detaches itself ends with the job', async () => {
    const marker = `4242${process.pid}`
    const { end } = await sh(`setsid sleep ${marker} >/dev/null 2>&1 & sleep 0.1; exit 0`)
    expect(end).toMatchObject({ cause: 'exit', code: 0 })
    expect(spawnSync('pgrep', ['-f', `sleep ${marker}`], { encoding: 'utf8' }).stdout).toBe('')
  })
  test('processes of the machine cannot be seen or signalled', async () => {
    await seesNoProcesses(sh)
  })
  test('new namespaces, mounts, tracing and keys are refused', async () => {
    const { out } = await runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {'unshare user': (272, 0x10000000), 'unshare mount': (272, 0x20000), 'mount': (165, 0, 0, 0, 0, 0), 'ptrace': (101, 0, 0, 0, 0), 'keyctl': (250, 0, 0, 0), 'bpf': (321, 0, 0, 0), 'io_uring': (425, 1, 0), 'userfaultfd': (323, 0), 'perf': (298, 0, 0, 0, 0, 0), 'open_by_handle': (304, 0, 0, 0), 'setns': (308, 0, 0)} if os.uname().machine == 'x86_64' else {}
for name, args in calls.items():
    libc.syscall(*[ctypes.c_long(a) for a in args])
    print(name, ctypes.get_errno())
`] })
    for (const line of out.trim().split('\n').filter(Boolean)) expect(line).toMatch(/ 1$/) // EPERM
  })
  test('links out of the work directory lead nowhere when outputs are collected', async () => {
    const { files } = await sh('ln -s /etc/passwd link; ln -s / slash; echo mine > mine; ln mine twice; mkfifo pipe; mkdir d; ln -s .. d/up')
    expect(files).toEqual({})
    expect((await sh('echo mine > mine; ln -s mine link')).files).toEqual({ mine: 'mine\n' })
  })
  if (ready) test('bwrap: what is seen above was seen of sandboxes that stood ready', () => { expect(ready.taken()).toBeGreaterThan(40) })
})

// What a machine without root, or without control groups, gets: watches instead of walls for memory and disk.
if (!missing && softWall) describe('bwrap without control groups', () => {
  const driver: IsolationDriver = createBwrapDriver(softWall)
  driverContract('bwrap, soft', () => driver, python, { kept: false, reaps: false })
  test('bwrap, soft: the probe claims no more than it has', async () => {
    const report = await driver.probe()
    expect(report, JSON.stringify(report)).toMatchObject({ usable: true, limits: { memory: 'soft', disk: 'soft', cpu: 'none', pids: 'hard', net: 'hard', wall: 'hard', output: 'hard' } })
  })
  test('bwrap, soft: processes are counted by user id', async () => {
    const { out } = await runIn(driver, { runtime: 'native', command: ['/usr/bin/python3', '-c', 'import os, time\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: time.sleep(3); os._exit(0)\n    n += 1\nexcept OSError as e: print(n, e.errno)'], limits: { pids: 40 } })
    expect(Number(out.split(' ')[0])).toBeLessThan(40)
    expect(out.trim()).toMatch(/ 11$/)
  })
})
