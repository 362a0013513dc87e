// JavaScript, TypeScript and Python without anything installed: Deno from npm, which denies files, network and programs unless told otherwise;
// Python is Pyodide, CPython compiled to WebAssembly, inside of it. Where bubblewrap works too, Deno runs behind that wall as well: two walls.
//
// Python code can reach JavaScript, so Pyodide is no wall; the wall is Deno's permissions, and they are those of the whole process.
import { createRequire } from 'node:module'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxSpec } from './driver.ts'
import type { Wall } from './bwrap.ts'
import type { Cgroups } from './cgroup.ts'
import { probeWith } from './probe.ts'
import { supervise } from './supervise.ts'
import { bytesBelow } from './work-disk.ts'

const require = createRequire(import.meta.url)
const RUNNERS = fileURLToPath(new URL('./deno-jobs/', import.meta.url))
/** V8's own ceiling for JavaScript objects; the control group (or the watch) keeps the real limit, WebAssembly and buffers included. */
const heapMiB = (memoryBytes: number): number => Math.max(16, Math.floor((memoryBytes / (1024 * 1024)) * 0.8))

/** Deno's binary for this platform, from its npm package; null where there is none. */
export function findDeno(): string | null {
  const platform = { linux: 'linux', darwin: 'darwin', win32: 'win32' }[process.platform as string]
  const names = [`@deno/${platform}-${process.arch}-glibc`, `@deno/${platform}-${process.arch}`]
  for (const name of names) {
    try { const file = join(dirname(require.resolve(`${name}/package.json`)), process.platform === 'win32' ? 'deno.exe' : 'deno'); if (existsSync(file)) return file } catch { /* this platform's package has the other name */ }
  }
  return null
}
const findPyodide = (): string | null => { try { return dirname(require.resolve('pyodide/package.json')) } catch { return null } } // not installed: then there is no Python here

export type DenoOptions = { readonly scratch: string; readonly wall: Wall | null; readonly cgroups: Cgroups | null }

export function createDenoDriver(options: DenoOptions): IsolationDriver | null {
  const found = findDeno(), foundPyodide = findPyodide()
  if (!found) return null
  const { wall, cgroups } = options
  mkdirSync(options.scratch, { recursive: true, mode: 0o711 })
  // Behind the wall the job has a user id of its own, which may not be able to reach where npm put them.
  const deno = wall ? reachable(found, options.scratch) : found, pyodide = foundPyodide && wall ? reachable(foundPyodide, options.scratch) : foundPyodide
  const snapshot = join(options.scratch, `pyodide-${pyodide ? (JSON.parse(readFileSync(join(pyodide, 'package.json'), 'utf8')) as { version: string }).version : 'none'}.snapshot`)
  // The runner is copied to where the job's user id can read it; the project's own directory may be closed to it.
  const runner = join(options.scratch, 'python.mjs')
  copyFileSync(join(RUNNERS, 'python.mjs'), runner)
  chmodSync(runner, 0o644)
  let made = 0

  type Paths = { readonly deno: string; readonly pyodide: string; readonly runner: string; readonly snapshot: string; readonly work: string }
  const OUTSIDE = { deno, pyodide: pyodide ?? '', runner, snapshot }
  const INSIDE = { deno: '/opt/lumaris/deno', pyodide: '/opt/lumaris/pyodide', runner: '/opt/lumaris/python.mjs', snapshot: '/opt/lumaris/pyodide.snapshot', work: '/work' }

  function argv(job: SandboxSpec, at: Paths): string[] {
    const [first = '', ...rest] = job.command
    const reads = job.runtime === 'python' ? [at.work, at.pyodide, at.runner, at.snapshot] : [at.work]
    const flags = ['run', '--no-prompt', '--no-remote', '--no-npm', '--cached-only', '--no-config', '--no-lock', '--quiet', `--v8-flags=--max-old-space-size=${heapMiB(job.limits.memoryBytes)}`, '--allow-env', `--allow-read=${reads.join(',')}`, `--allow-write=${at.work}`]
    if (job.runtime === 'python') {
      const args = /^python(3(\.\d+)?)?$/.test(first) ? rest : job.command
      return [at.deno, ...flags, at.runner, at.pyodide, existsSync(snapshot) ? at.snapshot : '', at.work, ...args]
    }
    const [script = '', ...args] = /^(deno|node|bun|tsx)$/.test(first) ? (rest[0] === 'run' ? rest.slice(1) : rest) : [first, ...rest]
    return [at.deno, ...flags, script.startsWith('-') ? `./${script}` : script, ...args]
  }

  function bare(job: SandboxSpec): Sandbox {
    const cgroup = cgroups?.create(`${job.attemptId.replace(/[^a-zA-Z0-9_]/g, '')}-d${made++}`, job.limits) ?? null
    const [program = '', ...args] = argv(job, { ...OUTSIDE, work: job.workDir })
    const env = { ...environment(job), HOME: job.workDir, DENO_DIR: join(options.scratch, 'cache') } // Deno's own compile cache: the job's permissions do not reach it
    const common = { limits: job.limits, cgroup, stdin: job.stdin, cwd: job.workDir, diskUsed: () => bytesBelow(job.workDir), watchDisk: true, cleanUp: async () => undefined }
    if (!cgroup) return supervise({ ...common, program, args, env })
    return supervise({ ...common, program: '/bin/sh', args: ['-c', `${cgroup.joinFiles.map((file) => `echo $$ > '${file}'`).join(' && ')} && ulimit -c 0 && exec "$@"`, 'sh', program, ...args], env: { PATH: '/usr/bin:/bin', ...env } })
  }
  const environment = (job: SandboxSpec): Record<string, string> => ({ DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...Object.fromEntries(Object.entries(job.env).filter(([name]) => !/^(LD_|DYLD_|DENO_|NODE_)/i.test(name))) }) // these steer the loader and Deno itself, not the program

  const driver: IsolationDriver = {
    id: 'deno', level: 'language',
    async start(job) {
      if (job.runtime === 'native') throw new Error('the deno driver runs JavaScript, TypeScript and Python, not programs of the machine')
      if (!wall) return bare(job)
      const binds = { [deno]: INSIDE.deno, ...(job.runtime === 'python' ? { [pyodide as string]: INSIDE.pyodide, [runner]: INSIDE.runner, ...(existsSync(snapshot) ? { [snapshot]: INSIDE.snapshot } : {}) } : {}) }
      return wall.start(job, { argv: argv(job, INSIDE), binds, env: { ...environment(job), DENO_DIR: '/tmp/deno' } })
    },
    reap: async () => (wall ? wall.reap() : ((await cgroups?.reap()) ?? 0)),
    async probe(): Promise<ProbeReport> {
      const python = pyodide !== null && makeSnapshot(deno, pyodide, runner, snapshot)
      const hard = wall?.cgroups ?? cgroups
      const report = await probeWith(driver, {
        level: 'language', runtimes: python ? ['javascript', 'python'] : ['javascript'], language: 'javascript',
        wanted: { cpu: hard !== null, disk: wall?.limitsDisk ?? false, pids: true, memoryHard: hard !== null },
      })
      return { ...report, evidence: { ...report.evidence, walls: wall ? 'deno inside bubblewrap' : 'deno alone' } }
    },
  }
  return driver
}

/** The path itself if everybody may walk there, else a copy in the scratch directory, made once. */
function reachable(path: string, scratch: string): string {
  let open = true
  for (let at = path; at !== dirname(at); at = dirname(at)) if ((statSync(at).mode & 0o001) === 0 && at !== path) open = false
  if (open || process.getuid?.() !== 0) return path
  const copy = join(scratch, basename(path))
  if (!existsSync(copy)) { const fresh = `${copy}.${process.pid}`; cpSync(path, fresh, { recursive: true }); renameSync(fresh, copy) }
  return copy
}

/** CPython's start, once, as a picture of its memory: the next starts take a quarter of a second instead of two and a half. */
function makeSnapshot(deno: string, pyodide: string, runner: string, file: string): boolean {
  if (existsSync(file)) return true
  const fresh = `${file}.${process.pid}`
  const made = spawnSync(deno, ['run', '--no-prompt', '--no-remote', '--no-npm', '--cached-only', '--no-config', '--no-lock', '--quiet', `--allow-read=${pyodide},${runner}`, `--allow-write=${fresh}`, runner, pyodide, '--make-snapshot', fresh],
    { env: { PATH: '/usr/bin:/bin', HOME: dirname(file), DENO_DIR: join(dirname(file), 'deno'), DENO_NO_UPDATE_CHECK: '1' }, timeout: 60_000, stdio: 'ignore' })
  if (made.status !== 0) return false
  chmodSync(fresh, 0o644)
  renameSync(fresh, file)
  return true
}
