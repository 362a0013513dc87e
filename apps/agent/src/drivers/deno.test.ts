import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWall } from './bwrap.ts'
import { createDenoDriver } from './deno.ts'
import { MIB, PYTHON_READS, alwaysReady, driverContract, runIn, startVictim } from './driver.contract.ts'
import type { Language } from './driver.contract.ts'
import type { ProbeReport } from './driver.ts'
import { createStages } from './stage.ts'

const scratch = join(tmpdir(), `lumaris-test-deno-${process.pid}`)
const stages = await createStages({ scratch: join(scratch, 'stages'), owner: `testd${process.pid}` })
const softStages = await createStages({ scratch: join(scratch, 'soft'), owner: `testds${process.pid}`, kernelLimits: false })
const wall = createWall({ scratch: join(scratch, 'wall'), stages })
afterAll(async () => { await stages.reap(); rmSync(scratch, { recursive: true, force: true }) })

const javascript: Language = {
  runtime: 'javascript',
  program: (what) => ({ command: ['main.ts'], files: { 'main.ts': [
    ...(what.args ? ['console.log(JSON.stringify(Deno.args))'] : []), ...(what.print ? [`console.log(${JSON.stringify(what.print)})`] : []), ...(what.warn ? [`console.error(${JSON.stringify(what.warn)})`] : []),
    ...(what.env ? [`console.log(Deno.env.get(${JSON.stringify(what.env)}) ?? '')`] : []), ...(what.echoStdin ? ['console.log(await new Response(Deno.stdin.readable).text())'] : []), ...(what.read ? [`console.log(Deno.readTextFileSync(${JSON.stringify(what.read)}))`] : []), ...(what.reads ? [`for (const path of ${JSON.stringify(what.reads)}) try { console.log(Deno.readTextFileSync(path)) } catch { console.log('refused') }`] : []),
    ...(what.write ? [`Deno.mkdirSync(${JSON.stringify(what.write[0].split('/').slice(0, -1).join('/') || '.')}, { recursive: true }); Deno.writeTextFileSync(${JSON.stringify(what.write[0])}, ${JSON.stringify(what.write[1])})`] : []),
    ...(what.hold ? [`const all: Uint8Array[] = []; for (let i = 0; i < ${what.hold}; i++) all.push(new Uint8Array(${MIB}).fill(1)); console.log(all.length)`] : []),
    ...(what.fill ? [`let n = 0; try { const f = Deno.openSync('fill', { write: true, create: true }); for (; n < ${what.fill}; n++) f.writeSync(new Uint8Array(${MIB})) } catch { /* full */ } await new Promise((r) => setTimeout(r, 500)); console.log(n)`] : []),
    ...(what.flood ? ["const x = new TextEncoder().encode('x'.repeat(65536)); for (;;) Deno.stdout.writeSync(x)"] : []), ...(what.connect ? [`for (const open of [() => Deno.connect({ hostname: '127.0.0.1', port: ${what.connect.tcp} }), () => Deno.connect({ hostname: '::1', port: ${what.connect.tcp6} }), () => fetch('http://127.0.0.1:${what.connect.udp}')]) try { await open(); console.log('reached') } catch { console.log('no') }`] : []),
    ...(what.hole ? [`Deno.openSync('hole', { write: true, create: true }).truncateSync(${what.hole})`] : []),
    ...(what.sleep ? [`await new Promise((r) => setTimeout(r, ${what.sleep * 1000}))`] : []), ...(what.spin ? ['for (;;) { /* spins */ }'] : []), ...(what.exit !== undefined ? [`Deno.exit(${what.exit})`] : []),
  ].join('\n') } }),
}
const python: Language = {
  runtime: 'python',
  program: (what) => ({ command: ['python3', 'main.py'], files: { 'main.py': [
    'import sys, os, json, time',
    ...(what.args ? ['print(json.dumps(sys.argv[1:]))'] : []), ...(what.print ? [`print(${JSON.stringify(what.print)}, flush=True)`] : []), ...(what.warn ? [`print(${JSON.stringify(what.warn)}, file=sys.stderr)`] : []),
    ...(what.env ? [`print(os.environ.get(${JSON.stringify(what.env)}, ''))`] : []), ...(what.echoStdin ? ['print(sys.stdin.read())'] : []), ...(what.read ? [`print(open(${JSON.stringify(what.read)}).read())`] : []), ...(what.reads ? [PYTHON_READS(what.reads)] : []),
    ...(what.write ? [`os.makedirs(os.path.dirname(${JSON.stringify(what.write[0])}) or '.', exist_ok=True)`, `open(${JSON.stringify(what.write[0])}, 'w').write(${JSON.stringify(what.write[1])})`] : []),
    ...(what.hold ? [`b = [bytearray(b'x' * ${MIB}) for _ in range(${what.hold})]`] : []), ...(what.fill ? [`n = 0\ntry:\n  f = open('fill', 'wb')\n  while n < ${what.fill}:\n    f.write(b'x' * ${MIB}); f.flush(); n += 1\nexcept OSError: pass\ntime.sleep(0.5)\nprint(n)`] : []),
    ...(what.flood ? ["while True: sys.stdout.write('x' * 65536)"] : []), ...(what.connect ? [`import js\nfrom pyodide.code import run_js\nfor code in ("Deno.connect({ hostname: '127.0.0.1', port: ${what.connect.tcp} })", "Deno.connect({ hostname: '::1', port: ${what.connect.tcp6} })", "fetch('http://127.0.0.1:${what.connect.udp}')"):\n  try:\n    from pyodide.ffi import run_sync\n    run_sync(run_js(code)); print('reached')\n  except BaseException: print('no')`] : []),
    ...(what.hole ? [`open('hole', 'wb').truncate(${what.hole})`] : []),
    ...(what.sleep ? [`time.sleep(${what.sleep})`] : []), ...(what.spin ? ['while True: pass'] : []), ...(what.exit !== undefined ? [`sys.exit(${what.exit})`] : []),
  ].join('\n') } }),
}

const warm = alwaysReady(stages), warmWall = createWall({ scratch: join(scratch, 'warmwall'), stages: warm }), warmAlone = alwaysReady(stages)
const ways = [['deno behind bubblewrap', wall, stages], ['deno alone', null, stages], ['deno alone, without control groups', null, softStages], ['deno behind bubblewrap, warm', warmWall, warm], ['deno alone, warm', null, warmAlone]] as const
for (const [name, behind, on] of ways) {
  const kept = on.cgroups !== null
  const driver = !name.startsWith('deno behind bubblewrap') || behind ? createDenoDriver({ scratch: join(scratch, name.replaceAll(/\W+/g, '-')), wall: behind, stages: on }) : null
  if (!driver) { test.skip(`${name}: deno or bubblewrap is not installed`, () => undefined); continue }
  describe(name, () => {
    // The memory picture of Python is made by the first probe; without it every Python test would wait for a cold start.
    let report: ProbeReport
    beforeAll(async () => { report = await driver.probe() })
    driverContract(`${name}, TypeScript`, () => driver, javascript, { kept })
    // What stands ready for Python is the same behind the wall and without it: once is enough.
    if (kept && on !== warmAlone) driverContract(`${name}, Python`, () => driver, python, { kept })

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
    test(`${name}: import statements read only what the job may read`, async () => {
      const dir = mkdtempSync(join(tmpdir(), 'lumaris-secret-'))
      chmodSync(dir, 0o755)
      writeFileSync(join(dir, 'secret.json'), '{"key":"of-the-seller"}', { mode: 0o644 })
      writeFileSync(join(dir, 'secret.js'), 'export default "of-the-seller"', { mode: 0o644 })
      const escaped = join(dir, 'secret.json').slice(1).replaceAll('/', '%2F')
      for (const line of [`import x from "${dir}/secret.json" with { type: "json" }`, `import x from "${dir}/secret.json" with { type: "text" }`, `import x from "${dir}/secret.js"`, `import x from "file://localhost${dir}/secret.json" with { type: "text" }`,
        `import x from "./..%2F..%2F..%2F..%2F..%2F${escaped}" with { type: "text" }`, `const { default: x } = await import("${dir}/secret.json", { with: { type: "text" } })`, `import x from "./second.ts"`, `import { createRequire } from 'node:module'; const x = createRequire(import.meta.url)('${dir}/secret.json')`]) {
        const { out, err, end } = await runIn(driver, { runtime: 'javascript', command: ['main.ts'], files: { 'main.ts': `${line}\nconsole.log(x)\n`, 'second.ts': `export { default } from "${dir}/secret.json" with { type: "text" }\n` } })
        expect(out + err, line).not.toContain('of-the-seller')
        expect(end.code, line).not.toBe(0)
      }
      rmSync(dir, { recursive: true })
    })
    test(`${name}: variables cannot steer the process before its permissions stand`, async () => {
      const mark = join(tmpdir(), `lumaris-audit-${process.pid}`)
      const { out, err } = await runIn(driver, { runtime: 'javascript', command: ['main.ts'], files: { 'main.ts': 'try { Deno.readTextFileSync("/etc/passwd") } catch { console.log("no") }\nconsole.log(Deno.env.get("LD_PRELOAD"), Object.keys(Deno.env.toObject()).sort().join())\ntry { Deno.env.set("DENO_AUDIT_PERMISSIONS", "x") } catch { /* refused */ }\nconsole.log(Deno.env.get("DENO_AUDIT_PERMISSIONS"))', 'evil.so': 'not a library' },
        env: { LD_PRELOAD: './evil.so', DENO_AUDIT_PERMISSIONS: mark, DENO_V8_FLAGS: '--help', A: '1' } })
      expect(out).toBe('no\n./evil.so A,LD_PRELOAD\nundefined\n')
      expect(err).toBe('') // the dynamic loader would complain here
      expect(existsSync(mark)).toBe(false)
    })
    test(`${name}: the program is the main module, wherever it is asked`, async () => {
      const { out, files } = await runIn(driver, { runtime: 'javascript', command: ['sub/main.ts', 'a b'], files: { 'sub/main.ts': '#!/usr/bin/env deno\nimport { y } from "./other.ts"\nconst main: boolean = import.meta.main\nconsole.log(main, y, Deno.args, Deno.cwd().endsWith("sub"))', 'sub/other.ts': 'export const y: boolean = import.meta.main' } })
      expect(out).toBe('true false [ "a b" ] false\n')
      expect(Object.keys(files)).toEqual(['sub/main.ts', 'sub/other.ts'])
    })
    test(`${name}: what fills the heap of JavaScript has run out of memory`, async () => {
      const { end } = await runIn(driver, { runtime: 'javascript', command: ['main.ts'], files: { 'main.ts': 'const all: unknown[] = []; for (;;) all.push({ a: [Math.random()] })' }, limits: { memoryBytes: 256 * MIB } })
      expect(end).toMatchObject({ cause: 'memory', code: null })
    })
    test(`${name}: Python waits for promises, and its output comes while it runs`, async () => {
      const workDir = mkdtempSync(join(tmpdir(), 'lumaris-job-'))
      writeFileSync(join(workDir, 'main.py'), 'import asyncio, sys\nasync def main():\n    sys.stdout.write("first ")\n    await asyncio.sleep(0.5)\n    print("second")\nasyncio.run(main())\n')
      const sandbox = await driver.start({ attemptId: 'att_stream', runtime: 'python', command: ['main.py'], env: {}, workDir, limits: { cpuMillis: 2000, memoryBytes: 512 * MIB, pids: 64, diskBytes: 16 * MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 } })
      const parts: string[] = []
      sandbox.stdout.setEncoding('utf8').on('data', (text: string) => parts.push(text))
      sandbox.stderr.resume()
      expect(await sandbox.exit).toMatchObject({ cause: 'exit', code: 0 })
      expect(parts[0]).toBe('first ')
      expect(parts.join('')).toBe('first second\n')
      rmSync(workDir, { recursive: true, force: true })
    })
    test(`${name}: Python takes -c and -m`, async () => {
      const run = (...command: string[]) => runIn(driver, { runtime: 'python', command: ['python3', ...command], files: { 'pack/__main__.py': 'import sys; print("module", sys.argv[1:]); sys.exit(4)' } })
      expect((await run('-c', 'import sys; print("code", sys.argv)', 'x y')).out).toBe("code ['-c', 'x y']\n")
      expect(await run('-m', 'pack', 'z')).toMatchObject({ out: "module ['z']\n", end: { code: 4 } })
      expect((await run('missing.py')).end).toMatchObject({ cause: 'exit', code: 2 })
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
    // Those with variables of their own, and those whose inputs are too large, begin as ever.
    if ('taken' in on) test(`${name}: what is seen above was seen of processes that had waited`, () => { expect(on.taken()).toBeGreaterThan(on === warmAlone ? 25 : 50) })
  })
}
