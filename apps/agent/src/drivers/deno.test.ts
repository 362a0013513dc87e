import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWall } from './bwrap.ts'
import { createCgroups } from './cgroup.ts'
import { createDenoDriver } from './deno.ts'
import { MIB, driverContract, runIn, startVictim } from './driver.contract.ts'
import type { Language } from './driver.contract.ts'
import type { ProbeReport } from './driver.ts'

const scratch = join(tmpdir(), `lumaris-test-deno-${process.pid}`)
const wall = createWall({ scratch: join(scratch, 'wall'), owner: `testd${process.pid}` })
const cgroups = createCgroups(`testb${process.pid}`)
afterAll(async () => { await wall?.reap(); await cgroups?.reap(); rmSync(scratch, { recursive: true, force: true }) })

const javascript: Language = {
  runtime: 'javascript',
  program: (what) => ({ command: ['main.ts'], files: { 'main.ts': [
    ...(what.args ? ['console.log(JSON.stringify(Deno.args))'] : []), ...(what.print ? [`console.log(${JSON.stringify(what.print)})`] : []), ...(what.warn ? [`console.error(${JSON.stringify(what.warn)})`] : []),
    ...(what.env ? [`console.log(Deno.env.get(${JSON.stringify(what.env)}) ?? '')`] : []), ...(what.echoStdin ? ['console.log(await new Response(Deno.stdin.readable).text())'] : []), ...(what.read ? [`console.log(Deno.readTextFileSync(${JSON.stringify(what.read)}))`] : []),
    ...(what.write ? [`Deno.mkdirSync(${JSON.stringify(what.write[0].split('/').slice(0, -1).join('/') || '.')}, { recursive: true }); Deno.writeTextFileSync(${JSON.stringify(what.write[0])}, ${JSON.stringify(what.write[1])})`] : []),
    ...(what.hold ? [`const all: Uint8Array[] = []; for (let i = 0; i < ${what.hold}; i++) all.push(new Uint8Array(${MIB}).fill(1)); console.log(all.length)`] : []),
    ...(what.fill ? [`let n = 0; try { const f = Deno.openSync('fill', { write: true, create: true }); for (; n < ${what.fill}; n++) f.writeSync(new Uint8Array(${MIB})) } catch { /* full */ } await new Promise((r) => setTimeout(r, 500)); console.log(n)`] : []),
    ...(what.flood ? ["const x = new TextEncoder().encode('x'.repeat(65536)); for (;;) Deno.stdout.writeSync(x)"] : []), ...(what.connect ? [`try { await Deno.connect({ hostname: '127.0.0.1', port: ${what.connect} }); console.log('connected') } catch { console.log('no') }`] : []),
    ...(what.sleep ? [`await new Promise((r) => setTimeout(r, ${what.sleep * 1000}))`] : []), ...(what.spin ? ['for (;;) { /* spins */ }'] : []), ...(what.exit !== undefined ? [`Deno.exit(${what.exit})`] : []),
  ].join('\n') } }),
}
const python: Language = {
  runtime: 'python',
  program: (what) => ({ command: ['python3', 'main.py'], files: { 'main.py': [
    'import sys, os, json, time',
    ...(what.args ? ['print(json.dumps(sys.argv[1:]))'] : []), ...(what.print ? [`print(${JSON.stringify(what.print)}, flush=True)`] : []), ...(what.warn ? [`print(${JSON.stringify(what.warn)}, file=sys.stderr)`] : []),
    ...(what.env ? [`print(os.environ.get(${JSON.stringify(what.env)}, ''))`] : []), ...(what.echoStdin ? ['print(sys.stdin.read())'] : []), ...(what.read ? [`print(open(${JSON.stringify(what.read)}).read())`] : []),
    ...(what.write ? [`os.makedirs(os.path.dirname(${JSON.stringify(what.write[0])}) or '.', exist_ok=True)`, `open(${JSON.stringify(what.write[0])}, 'w').write(${JSON.stringify(what.write[1])})`] : []),
    ...(what.hold ? [`b = [bytearray(b'x' * ${MIB}) for _ in range(${what.hold})]`] : []), ...(what.fill ? [`n = 0\ntry:\n  f = open('fill', 'wb')\n  while n < ${what.fill}:\n    f.write(b'x' * ${MIB}); f.flush(); n += 1\nexcept OSError: pass\ntime.sleep(0.5)\nprint(n)`] : []),
    ...(what.flood ? ["while True: sys.stdout.write('x' * 65536)"] : []), ...(what.connect ? [`import socket\ntry:\n  socket.create_connection(('127.0.0.1', ${what.connect}), 2).sendall(b'x'); print('connected?')\nexcept OSError: print('no')`] : []),
    ...(what.sleep ? [`time.sleep(${what.sleep})`] : []), ...(what.spin ? ['while True: pass'] : []), ...(what.exit !== undefined ? [`sys.exit(${what.exit})`] : []),
  ].join('\n') } }),
}

for (const [name, behind] of [['deno behind bubblewrap', wall], ['deno alone', null]] as const) {
  const driver = name === 'deno alone' || behind ? createDenoDriver({ scratch: join(scratch, behind ? 'two' : 'one'), wall: behind, cgroups: behind ? null : cgroups }) : null
  if (!driver) { test.skip(`${name}: deno or bubblewrap is not installed`, () => undefined); continue }
  describe(name, () => {
    // The memory picture of Python is made by the first probe; without it every Python test would wait for a cold start.
    let report: ProbeReport
    beforeAll(async () => { report = await driver.probe() })
    driverContract(`${name}, TypeScript`, () => driver, javascript)
    driverContract(`${name}, Python`, () => driver, python)

    test(`${name}: the probe shows its limits, and that Python runs`, () => {
      expect(report).toMatchObject({ usable: true, level: 'language', runtimes: ['javascript', 'python'], limits: { net: 'hard', wall: 'hard', output: 'hard', pids: 'hard' } })
    })
    test(`${name}: Python that reaches for JavaScript finds only what the process may do`, async () => {
      const { out, files } = await runIn(driver, { runtime: 'python', command: ['main.py'], files: { 'main.py': `
import js
def attempt(name, code):
    try:
        js.eval(code)
        print('did', name)
    except BaseException as error:
        print('no', name)
attempt('read', "Deno.readTextFileSync('/etc/passwd')")
attempt('run', "new Deno.Command('/bin/sh').outputSync()")
attempt('write', "Deno.writeTextFileSync('/tmp/../etc/x', 'x')")
attempt('net', "Deno.listen({ port: 0 })")
attempt('ffi', "Deno.dlopen('/lib/x86_64-linux-gnu/libc.so.6', {})")
attempt('kill', "Deno.kill(1)")
attempt('sys', "Deno.hostname()")
` } })
      expect(out).not.toMatch(/^did/m)
      expect(out.match(/^no/gm)).toHaveLength(7)
      expect(Object.keys(files)).toEqual(['main.py'])
    })
    test(`${name}: a job's environment does not steer the loader or Deno itself`, async () => {
      const env = { LD_PRELOAD: './x.so', DENO_AUDIT_PERMISSIONS: '/tmp/audit', NODE_OPTIONS: '--inspect', WANTED: 'seen' }
      const { out } = await runIn(driver, { runtime: 'javascript', command: ['main.ts'], env, files: { 'x.so': 'no library', 'main.ts': `console.log(JSON.stringify(['LD_PRELOAD', 'DENO_AUDIT_PERMISSIONS', 'NODE_OPTIONS', 'WANTED'].map((key) => Deno.env.get(key) ?? null)))` } })
      expect(JSON.parse(out)).toEqual([null, null, null, 'seen'])
    })
    test(`${name}: an uncaught exception is a traceback on stderr and exit code 1`, async () => {
      const { end, err } = await runIn(driver, { runtime: 'python', command: ['main.py'], files: { 'main.py': 'def f():\n    raise ValueError("wrong")\nf()\n' } })
      expect(end).toMatchObject({ cause: 'exit', code: 1 })
      expect(err).toMatch(/File "main\.py", line 2, in f[\s\S]*ValueError: wrong/)
    })
    test(`${name}: two starts from one memory picture do not share their randomness`, async () => {
      const run = () => runIn(driver, { runtime: 'python', command: ['main.py'], files: { 'main.py': 'import random, os, uuid\nprint(random.random(), os.urandom(8).hex(), uuid.uuid4())\n' } })
      const [one, two] = await Promise.all([run(), run()])
      for (const [a, b] of one.out.trim().split(' ').map((word, i) => [word, two.out.trim().split(' ')[i]])) expect(a).not.toBe(b)
    })
    test(`${name}: processes of the machine cannot be signalled`, async () => {
      const victim = startVictim()
      const { out } = await runIn(driver, { runtime: 'javascript', command: ['main.ts'], files: { 'main.ts': `try { Deno.kill(${victim.pid}, 'SIGKILL'); console.log('killed') } catch { console.log('no') }` } })
      expect(out.trim()).toBe('no')
      expect(victim.alive()).toBe(true)
      victim.stop()
    })
  })
}
