import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { busyboxFiles, pythonFiles, startDockerd, startRegistry } from '@lumaris/testkit'
import type { TestDockerd, TestRegistry } from '@lumaris/testkit'
import { createContainerDriver, createContainers } from './container.ts'
import type { Engine } from './container-engine.ts'
import { createImages } from './container-images.ts'
import type { Images, PullProgress } from './container-images.ts'
import { MIB, driverContract, runIn, seesNoProcesses, systemPython } from './driver.contract.ts'
import { NO_EGRESS } from './driver.ts'
import type { IsolationDriver } from './driver.ts'
import { runToEnd } from './probe.ts'
import { createStages, inPath } from './stage.ts'
import type { Stages } from './stage.ts'

const busybox = busyboxFiles() ?? [], python = pythonFiles() ?? []
/** Podman as the agent runs it for itself, with gVisor under it, and Docker as a seller has it; each only where it is installed. */
const KINDS = { podman: ['podman', 'runc'], docker: ['dockerd'], gvisor: ['podman', 'runsc'] } as const
for (const [kind, programs] of Object.entries(KINDS) as [keyof typeof KINDS, readonly string[]][]) {
  const absent = programs.find((name) => !inPath(name))
  const missing = process.platform !== 'linux' || process.getuid?.() !== 0 ? 'containers need root on Linux' : absent ? `${absent} is not installed` : busybox.length === 0 ? 'busybox-static is not installed' : python.length === 0 ? 'python3 is not installed' : null
  if (missing) test.skip(`container with ${kind}: ${missing}`, () => undefined)
  else suite(kind)
}

function suite(kind: keyof typeof KINDS): void {
  describe(`container with ${kind}`, () => {
    const owner = `test${kind}${process.pid}`, scratch = join(tmpdir(), `lumaris-${owner}`)
    const progress: PullProgress[] = []
    let home: string, registry: TestRegistry, locked: TestRegistry, stages: Stages, dockerd: TestDockerd | null = null, image: string, plain: IsolationDriver, images: Images, engine: Engine, driver: IsolationDriver
    let unusable: string | null = null
    beforeAll(async () => {
      // Everything of this test's engine lies here, and is gone with it.
      home = mkdtempSync(join(tmpdir(), 'lumaris-test-container-'))
      registry = await startRegistry()
      locked = await startRegistry({ user: { name: 'seller', password: 'open:sesame' } })
      stages = await createStages({ scratch: join(scratch, 'stages'), owner })
      dockerd = kind === 'docker' ? await startDockerd() : null
      const authFile = join(home, 'auth.json')
      writeFileSync(authFile, JSON.stringify({ auths: { [locked.host]: { auth: Buffer.from('seller:open:sesame').toString('base64') } } }), { mode: 0o600 })
      const opened = kind === 'docker' && !dockerd ? { reason: 'dockerd does not start here' } : await createContainers({
        dataDir: join(home, 'data'), runDir: join(scratch, 'engine'), stages, owner, socket: dockerd?.socket ?? null, ...(kind === 'gvisor' ? { runtime: 'runsc' as const } : {}),
        registries: [registry.host, locked.host], registryAuth: authFile, imageCacheBytes: 160 * MIB, progress: (one) => progress.push(one),
      })
      if ('reason' in opened) { unusable = opened.reason; return }
      ;({ driver: plain, images, engine } = opened)
      image = registry.add('tools', { layers: [busybox, python], config: { Env: ['PATH=/usr/bin:/bin', 'OF_THE_IMAGE=yes'], Entrypoint: ['/bin/false'], User: 'root' } })
      driver = withImage(image)
    })
    beforeEach((context) => { if (unusable !== null) context.skip(unusable) })
    afterAll(async () => {
      if (unusable === null) { await plain.reap(); await plain.close?.() }
      await dockerd?.stop()
      await stages.reap()
      await registry.close(); await locked.close()
      rmSync(home, { recursive: true, force: true }); rmSync(scratch, { recursive: true, force: true })
      // Nothing of it stays on the machine.
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toMatch(new RegExp([owner, home, ...(dockerd ? [dirname(dockerd.socket)] : [])].join('|')))
      expect(readdirSync('/sys/fs/cgroup').filter((name) => existsSync(join('/sys/fs/cgroup', name, `lumaris-${owner}-containers`)))).toEqual([])
    })
    const withImage = (ref: string): IsolationDriver => ({ ...plain, start: (job) => plain.start({ image: ref, ...job }) })
    const run = (command: string[], more: Partial<Parameters<typeof runIn>[1]> = {}) => runIn(driver, { runtime: 'container', command, ...more })
    const sh = (script: string, more: Partial<Parameters<typeof runIn>[1]> = {}) => run(['/bin/sh', '-c', script], more)
    const small = (name: string, text = name) => registry.add(name, { layers: [[...busybox, { path: 'which', bytes: text }]] })

    driverContract(`container with ${kind}`, () => driver, { ...systemPython, runtime: 'container' })

    test('the probe shows every limit held on this machine', async () => {
      const report = await plain.probe()
      expect(report, JSON.stringify(report)).toMatchObject({ usable: true, level: kind === 'gvisor' ? 'kernel' : 'namespace', runtimes: ['container'], limits: { net: 'hard', wall: 'hard', output: 'hard', memory: 'hard', cpu: 'hard', pids: 'hard' } })
      if (stages.limitsDisk) expect(report.limits.disk).toBe('hard')
    })

    if (kind !== 'podman') test('without a network before the start there is no way out: it is refused, and the probe says why', async () => {
      const { end, out } = await runToEnd(driver, { attemptId: 'att_out', runtime: 'container', command: ['/bin/echo', 'ran'], env: {}, workDir: mkdtempSync(join(home, 'work-')), limits: { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 64 }, egress: { rules: [{ host: 'ok.example', port: 443 }], attach: async () => undefined } })
      expect({ end, out }).toMatchObject({ out: '', end: { cause: 'driver', detail: NO_EGRESS } })
      expect(await plain.probe({ egress: true })).toMatchObject({ usable: true, egress: false, evidence: { egress: expect.stringMatching(kind === 'docker' ? /podman makes it before/ : /the driver gvisor has/) } })
    })

    describe('the order', () => {
      test('the command takes the place of the image\'s entry point; its variables are there, and the job\'s stand over them', async () => {
        expect((await sh('echo $OF_THE_IMAGE $PATH $HOME; pwd')).out).toBe('yes /usr/bin:/bin /work\n/work\n')
        expect((await sh('echo $OF_THE_IMAGE', { env: { OF_THE_IMAGE: 'no' } })).out).toBe('no\n')
      })
      test('a command that is not in the image is the order\'s fault', async () => {
        expect((await run(['/no/such/program'])).end).toMatchObject({ cause: 'exit', code: 127, detail: 'the program /no/such/program is not in the image' })
        expect((await run(['no-such-program'])).end).toMatchObject({ cause: 'exit', code: 127 })
        expect((await run(['/etc'])).end).toMatchObject({ cause: 'exit', code: 126 })
        expect((await run(['/etc/passwd'])).end).toMatchObject({ cause: 'exit', code: 126 })
        // Words of the command do not change whose fault it is.
        for (const name of ['/container could not be started', 'e', 'exec', 'command was not found', ': permission denied', '"quoted"', '../up', '/work/exec']) expect((await run([name])).end, name).toMatchObject({ cause: 'exit', code: 127 })
      })
      test('arguments too long for this machine are the order\'s fault', async () => {
        expect((await run(['/bin/echo', 'x'.repeat(200_000)])).end).toMatchObject({ cause: 'exit', code: 126 })
      })
      test('an image that does not exist is the order\'s fault', async () => {
        const ref = `${registry.host}/nobody/made-this@sha256:${'0'.repeat(64)}`
        const { end } = await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/true'] })
        expect(end).toMatchObject({ cause: 'image', detail: expect.stringContaining('there is no image') })
        expect(await plain.prepare?.({ attemptId: 'att_p', runtime: 'container', image: ref, command: ['x'], env: {}, workDir: home, limits: { cpuMillis: 100, memoryBytes: MIB, pids: 1, diskBytes: MIB, outputBytes: 1, wallMs: 1, openFiles: 1 } }, new AbortController().signal)).toMatchObject({ cause: 'image' })
      })
      test('an image that is not what its digest says is refused: manifest and layer', async () => {
        const manifest = small('false-manifest')
        registry.corrupt(manifest.slice(manifest.indexOf('@') + 1))
        expect((await runIn(plain, { runtime: 'container', image: manifest, command: ['/bin/true'] })).end).toMatchObject({ cause: 'image', detail: expect.stringContaining('does not match its digest') })
        const layer = small('false-layer')
        registry.corrupt(registry.blobsOf(layer)[1] as string)
        expect((await runIn(plain, { runtime: 'container', image: layer, command: ['/bin/true'] })).end).toMatchObject({ cause: 'image', detail: expect.stringContaining('does not match its digest') })
      })
      test('an image whose layer the registry has lost cannot be had', async () => {
        const ref = small('torn')
        registry.lose(registry.blobsOf(ref)[1] as string)
        expect((await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/true'] })).end).toMatchObject({ cause: 'image' })
      })
      test('an image for another machine is refused before it runs', async () => {
        const ref = registry.add('foreign', { layers: [busybox], architecture: 's390x' })
        expect((await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/true'] })).end).toMatchObject({ cause: 'image', detail: expect.stringContaining('s390x') })
      })
      test('a registry that the seller did not allow is not even asked', async () => {
        const other = await startRegistry()
        const ref = other.add('tools', { layers: [busybox] })
        expect((await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/true'] })).end).toMatchObject({ cause: 'image', detail: expect.stringContaining('this node takes no images from') })
        expect(other.requests).toEqual([])
        await other.close()
      })
    })

    describe('images', () => {
      test('credentials of the seller open a registry; wrong ones, and none, are told from a missing image', async () => {
        const ref = locked.add('private', { layers: [busybox] })
        expect((await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/echo', 'in'] })).out).toBe('in\n')
        const second = locked.add('private-too', { layers: [[...busybox, { path: 'x', bytes: 'x' }]] })
        const refusedBy = async (file?: string) => createImages({ engine, indexFile: join(home, 'other.json'), registries: [locked.host], ...(file === undefined ? {} : { authFile: file }) }).hold(second).then(() => 'held', (error: Error) => `${error.name}: ${error.message}`)
        expect(await refusedBy()).toMatch(/^ImageRefused: .*wants credentials/)
        const wrong = join(home, 'wrong.json')
        writeFileSync(wrong, JSON.stringify({ auths: { [locked.host]: { username: 'seller', password: 'guess' } } }), { mode: 0o600 })
        expect(await refusedBy(wrong)).toMatch(/^ImageRefused: .*wants credentials/)
        const open = join(home, 'open.json')
        writeFileSync(open, '{}', { mode: 0o644 })
        expect(await refusedBy(open)).toMatch(/^ImageFailed: .*chmod 600/)
      })
      test('two who want the same image fetch it once, and its progress is told while it comes', async () => {
        const ref = registry.add('slow', { layers: [busybox, [{ path: 'random', bytes: randomBytes(3 * MIB) }]] })
        const layer = registry.blobsOf(ref)[2] as string
        const go = registry.hold(layer)
        progress.length = 0
        const both = [0, 1].map(() => runIn(plain, { runtime: 'container', image: ref, command: ['/bin/echo', 'came'] }))
        await expect.poll(() => progress.filter(({ image: of }) => of === ref).length, { timeout: 60_000 }).toBeGreaterThan(0)
        go()
        expect((await Promise.all(both)).map(({ out }) => out)).toEqual(['came\n', 'came\n'])
        expect(registry.requests.filter((one) => one === `GET /v2/slow/blobs/${layer}`)).toHaveLength(1)
        expect(progress.every(({ bytes, total }) => bytes <= total)).toBe(true)
      })
      test('who waits for an image may give up', async () => {
        const ref = small('never'), go = registry.hold(registry.blobsOf(ref)[1] as string)
        const stop = new AbortController()
        const waiting = images.hold(ref, stop.signal)
        stop.abort(new Error('the buyer cancelled'))
        await expect(waiting).rejects.toThrow('the buyer cancelled')
        go()
        ;(await images.hold(ref)).release()
      })
      test('the cache keeps its size: the longest unused go, what is in use stays, and the next start knows what is there', async () => {
        const [one, two, three] = ['cache-1', 'cache-2', 'cache-3'].map((name) => small(name)) as [string, string, string]
        const size = 2 * statSync('/bin/busybox').size + MIB
        const cache = createImages({ engine, indexFile: join(home, 'cache.json'), registries: [registry.host], bytesMax: size })
        const held = await cache.hold(one)
        ;(await cache.hold(two)).release()
        ;(await cache.hold(three)).release()
        // A third does not fit; the first is in use, so the second goes.
        expect(await cache.collect().then(() => cache.kept)).toEqual([one, three])
        held.release()
        ;(await cache.hold(two)).release()
        expect(cache.kept).toEqual(expect.arrayContaining([two]))
        expect(cache.kept).toHaveLength(2)
        // Another agent start reads what is there.
        expect(createImages({ engine, indexFile: join(home, 'cache.json'), registries: [registry.host], bytesMax: size }).kept).toEqual(cache.kept)
      })
      test('an image larger than the cache is refused, also one that is small until it is unpacked', async () => {
        const ref = registry.add('bomb', { layers: [busybox, [{ path: 'zeros', bytes: Buffer.alloc(64 * MIB) }]] })
        const cache = createImages({ engine, indexFile: join(home, 'bomb.json'), registries: [registry.host], bytesMax: 16 * MIB })
        await expect(cache.hold(ref)).rejects.toThrow(/takes more than the 16777216 bytes/)
        expect(cache.kept).toEqual([])
        // The engine may have had all of it when it was cut off.
        await expect.poll(async () => { await cache.collect(); return engine.docker.getImage(ref).inspect().then(() => 'there', (error: { statusCode?: number }) => error.statusCode) }, { timeout: 60_000 }).toBe(404)
      })
    })

    describe('attacks', () => {
      test('the job is nobody: a user id of its own, no capability, no new privileges, a filter', async () => {
        const { out } = await sh('id -u; cat /proc/self/status; cat /etc/shadow')
        const [uid] = out.split('\n')
        expect(Number(uid)).toBeGreaterThanOrEqual(61_000)
        for (const line of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', ...(kind === 'gvisor' ? [] : ['CapAmb'])]) expect(out).toMatch(new RegExp(`${line}:\\s0000000000000000`))
        // gVisor does not show these two; its own filter is around the sentry.
        if (kind !== 'gvisor') { expect(out).toMatch(/NoNewPrivs:\s1/); expect(out).toMatch(/Seccomp:\s2/) }
        expect(out).not.toContain('root:*')
      })
      // gVisor serves these calls itself, and the machine's kernel never sees them.
      if (kind !== 'gvisor') test('new namespaces, mounts, tracing, keys and foreign sockets are refused', async () => {
        const { out, err } = await run(['/usr/bin/python3', '-c', `
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
calls = {'unshare user': (272, 0x10000000), 'unshare mount': (272, 0x20000), 'mount': (165, 0, 0, 0, 0, 0), 'ptrace': (101, 0, 0, 0, 0), 'keyctl': (250, 0, 0, 0), 'bpf': (321, 0, 0, 0), 'io_uring': (425, 1, 0), 'userfaultfd': (323, 0), 'perf': (298, 0, 0, 0, 0, 0), 'open_by_handle': (304, 0, 0, 0), 'setns': (308, 0, 0), 'clone user': (56, 0x10000000 | 17, 0, 0, 0, 0), 'TIOCSTI': (16, 0, 0x5412, 0), 'TIOCSTI above': (16, 0, 0x100005412, 0)} if os.uname().machine == 'x86_64' else {}
for name, args in calls.items():
    ctypes.set_errno(0)
    libc.syscall(*[ctypes.c_long(a) for a in args])
    print(name, ctypes.get_errno())
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, 40):
    try: socket.socket(family, socket.SOCK_STREAM if family != 17 else socket.SOCK_RAW); print('made', family)
    except OSError as e: print('socket', family, e.errno)
print('clone3', libc.syscall(ctypes.c_long(435), 0, 0), ctypes.get_errno())
a, b = socket.socketpair(); a.send(b'x'); print('pair', b.recv(1))`])
        const lines = out.trim().split('\n')
        expect(lines.length, err).toBeGreaterThan(6)
        for (const line of lines) expect(line).toMatch(/^(socket \d+ 97|clone3 -1 38|pair b'x'|(unshare|mount|ptrace|keyctl|bpf|io_uring|userfaultfd|perf|open_by_handle|setns|clone|TIOCSTI).* 1)$/)
      })
      test('a fork bomb stops at its limit, and nothing of it stays', async () => {
        const { out, end } = await run(['/usr/bin/python3', '-c', 'import os, time\nn = 0\ntry:\n  while n < 200:\n    if os.fork() == 0: time.sleep(30); os._exit(0)\n    n += 1\nexcept OSError as e: print(n, e.errno)'], { limits: { pids: 40 } })
        expect(Number(out.split(' ')[0])).toBeLessThan(40)
        expect(out.trim()).toMatch(/ 11$/)
        expect(end).toMatchObject({ cause: 'exit', code: 0 })
        expect((await sh(':(){ :|:& }; : ; sleep 30', { limits: { pids: 40, wallMs: 2_000 } })).end.cause).toMatch(/wall|exit/)
      })
      test('memory over the limit ends it as such, also memory in files, and swap is no way out', async () => {
        expect((await run(['/usr/bin/python3', '-c', `b = [bytearray(${MIB}) for _ in range(600)]`], { limits: { memoryBytes: 64 * MIB } })).end).toMatchObject({ cause: 'memory' })
        const { end } = await sh('dd if=/dev/zero of=/dev/shm/a bs=1M count=12; exec dd if=/dev/zero of=/tmp/b bs=1M count=60', { limits: { memoryBytes: 32 * MIB } })
        expect(end).toMatchObject({ cause: 'memory' })
        expect(end.usage.memoryPeakBytes).toBeLessThanOrEqual(33 * MIB)
      })
      test('nothing but the work directory and small places in memory can be written', async () => {
        // Also where the image lets everybody write: what lies over it would be the seller's disk, without a limit.
        const ref = registry.add('open', { layers: [[...busybox, { path: 'open', directory: true, mode: 0o777 }, { path: 'home/all', directory: true, mode: 0o1777 }]] })
        const { out } = await runIn(withImage(ref), { runtime: 'container', command: ['/bin/sh', '-c', `for p in / /open /home/all /bin /etc /usr /var /root /sys /proc /sys/fs/cgroup; do (echo x > $p/probe) 2>/dev/null && echo "wrote $p"; done; (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && echo core; (echo b > /proc/sysrq-trigger) 2>/dev/null && echo sysrq
for p in /tmp /dev/shm /run /var/tmp /dev /dev/mqueue /proc/keys; do dd if=/dev/zero of=$p/fill bs=1M count=200 2>/dev/null; s=$(stat -c %s $p/fill 2>/dev/null); [ "\${s:-0}" -gt 70000000 ] && echo "filled $p $s"; done; echo done`], limits: { memoryBytes: 512 * MIB } })
        expect(out).toBe('done\n')
      })
      test('what an image declares as a volume is no way to the seller\'s disk', async () => {
        const tools = [...busybox, { path: 'data', directory: true, mode: 0o777 } as const]
        const ref = registry.add('volumes', { layers: [tools], config: { Volumes: { '/data': {}, '/work': {}, '/work/deep': {}, '/tmp': {}, '/tmp/deep': {}, '/new/place': {} } } })
        const { out, end } = await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/sh', '-c', 'for p in /data /work/deep /tmp/deep /new/place; do dd if=/dev/zero of=$p/fill bs=1M count=64 2>/dev/null; stat -c %s $p/fill; done; grep -vE " (tmpfs|proc|sysfs|cgroup|cgroup2|overlay|devpts|mqueue) " /proc/self/mounts'] })
        expect(end, JSON.stringify(end)).toMatchObject({ cause: 'exit' })
        const lines = out.trim().split('\n')
        for (const size of lines.slice(0, 4)) expect(Number(size)).toBeLessThanOrEqual(MIB)
        // Of the machine's disks there is the work directory, and what engines write for every container: three files that nobody can write.
        expect(lines.slice(4).filter((line) => !/ \/work | \/etc\/(hostname|hosts|passwd|group|resolv\.conf) .* ro,|^none \/ 9p ro,|^none \/dev\/shm 9p /.test(line))).toEqual([])
        for (const odd of ['/', '/proc/x', '/tmp/../../x', 'relative', '/a:b', '/data/']) {
          const refused = registry.add('odd-volume', { layers: [tools], config: { Volumes: { [odd]: {} } } })
          expect((await runIn(plain, { runtime: 'container', image: refused, command: ['/bin/true'] })).end, odd).toMatchObject({ cause: 'image', detail: expect.stringContaining('wants a volume at') })
        }
      })
      test('there is no network to speak of: nothing but a loopback of its own that is down or empty', async () => {
        const { out } = await sh('cat /proc/net/dev /proc/net/route /proc/net/tcp')
        expect([...out.matchAll(/^\s*(\w+):/gm)].map((match) => match[1]).filter((name) => name !== undefined && !/^\d+$/.test(name))).toEqual(['lo'])
        expect(out).not.toMatch(/0100007F/)
      })
      test('a device that an image brings along cannot be opened', async () => {
        const ref = registry.add('devices', { layers: [[...busybox, { path: 'disk', device: ['b', 254, 0] }, { path: 'memory', device: ['c', 1, 1] }, { path: 'kmsg', device: ['c', 1, 11] }, { path: 'loop', device: ['b', 7, 0] }]] })
        const { out } = await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/sh', '-c', 'for d in /disk /memory /kmsg /loop; do [ -e $d ] && (head -c 1 < $d) 2>/dev/null | wc -c; done'] })
        // gVisor does not even show them.
        expect(out.trim().split('\n').every((bytes) => bytes === '0'), out).toBe(true)
      })
      test('programs of an image with the set-user-id bit give nobody more rights', async () => {
        const ref = registry.add('setuid', { layers: [[...busybox, { path: 'sbin/id', mode: 0o4755, bytes: readFileSync('/bin/busybox') }]] })
        const { out } = await runIn(plain, { runtime: 'container', image: ref, command: ['/sbin/id', '-u'] })
        expect(Number(out)).toBeGreaterThanOrEqual(61_000)
      })
      test('links of an image to files of the machine lead into the image', async () => {
        const secret = join(home, 'secret.txt')
        writeFileSync(secret, 'of the seller', { mode: 0o644 })
        const ref = registry.add('links', { layers: [[...busybox, { path: 'out', target: `../../../../../..${secret}` }, { path: 'host', target: '/proc/1/root' }]], config: { WorkingDir: '/host' } })
        const { out } = await runIn(plain, { runtime: 'container', image: ref, command: ['/bin/sh', '-c', `cat /out /host${secret} /proc/1/root${secret}; ls /host/ | head -3; cat /proc/1/environ`] })
        expect(out).not.toContain('of the seller')
        expect(out).not.toContain('LUMARIS')
      })
      test('the engine\'s socket is not inside, nor any other', async () => {
        const { out } = await sh('find / -type s 2>/dev/null; grep -c . /proc/net/unix; cat /proc/net/unix')
        expect(out).not.toMatch(/docker|podman|engine\.sock/)
        expect(out.startsWith('1\n')).toBe(true) // the heading
      })
      test('processes of the machine cannot be seen or ended', async () => {
        await seesNoProcesses(sh)
      })
      test('a job that ignores SIGTERM, hides its children and closes its outputs ends at its time', async () => {
        const { end } = await sh(`trap '' TERM INT HUP; (trap '' TERM; sleep 300) & exec >&- 2>&-; sleep 300`, { limits: { wallMs: 1_500 } })
        expect(end).toMatchObject({ cause: 'wall', code: null })
      })
      test('ten gigabytes of output are cut, and cost this agent no memory', async () => {
        const before = process.memoryUsage().rss
        const { end, out } = await sh('head -c 10000000000 /dev/zero', { limits: { outputBytes: MIB } })
        expect(end).toMatchObject({ cause: 'output' })
        expect(out.length).toBeLessThanOrEqual(MIB)
        expect(process.memoryUsage().rss - before).toBeLessThan(256 * MIB)
      })
      test('links out of the work directory lead nowhere when outputs are collected', async () => {
        expect((await sh('ln -s /etc/passwd link; ln -s / slash; echo mine > mine; ln mine twice; mkfifo pipe; mkdir d; ln -s .. d/up')).files).toEqual({})
      })
      test('the CPU quota stands in the kernel\'s books, whatever the machine is busy with', async () => {
        const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
        const sandbox = await driver.start({ attemptId: 'att_quota', runtime: 'container', command: ['/bin/sh', '-c', 'echo up; exec sleep 60'], env: {}, workDir, limits: { cpuMillis: 300, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 30_000, openFiles: 64 } })
        sandbox.stderr.resume()
        await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
        sandbox.stdout.resume()
        const [one] = await engine.docker.listContainers({ filters: { label: ['lumaris.attempt=att_quota'] } })
        const { Pid } = (await engine.docker.getContainer(one?.Id ?? '').inspect()).State
        const groups = readFileSync(`/proc/${Pid}/cgroup`, 'utf8')
        const v1 = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1], v2 = /^0::(.*)$/m.exec(groups)?.[1] ?? ''
        expect(v1 === undefined ? readFileSync(join('/sys/fs/cgroup', v2, 'cpu.max'), 'utf8').trim() : readFileSync(join('/sys/fs/cgroup/cpu', v1, 'cpu.cfs_quota_us'), 'utf8').trim()).toMatch(/^30000( 100000)?$/)
        await sandbox.kill('done')
        rmSync(workDir, { recursive: true, force: true })
      })
      test('open files have a limit', async () => {
        const { out } = await run(['/usr/bin/python3', '-c', 'import os\nn = 0\ntry:\n  while n < 500: os.open("/dev/null", 0); n += 1\nexcept OSError as e: print(n, e.errno)'], { limits: { openFiles: 64 } })
        expect(out.trim()).toMatch(/^[56]\d 24$/)
      })
    })
    test('a container of another owner on the same engine is left alone', async () => {
      const other = createContainerDriver({ engine, images, stages, scratch: join(scratch, 'other'), owner: `${owner}x` })
      const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
      const sandbox = await plain.start({ attemptId: 'att_mine', runtime: 'container', image, command: ['/bin/sh', '-c', 'echo up; sleep 60'], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: 64 * MIB, pids: 16, diskBytes: MIB, outputBytes: 1000, wallMs: 30_000, openFiles: 64 } })
      sandbox.stderr.resume()
      await new Promise<void>((resolve) => sandbox.stdout.once('data', () => resolve()))
      sandbox.stdout.resume()
      const listed = await engine.docker.listContainers({ all: true, filters: { label: [`lumaris.owner=${owner}x`] } })
      expect(listed).toEqual([])
      expect(other).not.toBeNull()
      expect((await sandbox.stats()).memoryBytes).toBeGreaterThan(0)
      await sandbox.kill('done')
      rmSync(workDir, { recursive: true, force: true })
    })
  })
}
