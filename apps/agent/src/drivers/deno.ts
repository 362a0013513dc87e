// JavaScript, TypeScript and Python without anything installed: Deno from npm, which denies files, network and programs unless told otherwise;
// Python is Pyodide, CPython compiled to WebAssembly, inside of it. Where bubblewrap works too, Deno runs behind that wall as well: two walls.
//
// Python code can reach JavaScript, so Pyodide is no wall; the wall is Deno's permissions, and they are those of the whole process. Two ways around them
// are closed here, each with a test: a program's import statements (see deno-jobs/javascript.mjs), and variables that the dynamic loader or Deno
// itself would obey before the first permission is asked (LD_PRELOAD, DENO_AUDIT_PERMISSIONS, …). So the process gets none of the job's variables:
// they travel in one of ours, and the runner sets them when it is too late to do harm.
import { createRequire } from 'node:module'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { EGRESS_PORT } from '@lumaris/protocol'
import { NO_EGRESS, NO_NETWORK } from './driver.ts'
import type { IsolationDriver, ProbeReport, Sandbox, SandboxLimits, SandboxSpec } from './driver.ts'
import { READY_WORD } from './bwrap.ts'
import type { Wall } from './bwrap.ts'
import { probeWith, runToEnd } from './probe.ts'
import { USUAL } from './ready-stages.ts'
import type { Kind } from './ready-stages.ts'
import { SAFE_PATH, reachable, saying } from './stage.ts'
import type { Stages } from './stage.ts'
import { endedSandbox, spawnLauncher, supervise, unspeakable } from './supervise.ts'
import type { End, Verdict } from './supervise.ts'
import { DiskTooSmall } from './work-disk.ts'

const require = createRequire(import.meta.url)
const RUNNERS = fileURLToPath(new URL('./deno-jobs/', import.meta.url))
const MIB = 1024 * 1024
/** V8's own ceiling for JavaScript objects; the control group (or the watch) keeps the real limit, WebAssembly and buffers included. */
const heapMiB = (memoryBytes: number): number => Math.max(16, Math.floor((memoryBytes / MIB) * 0.8))
/** Threads of V8 and Deno itself; a control group counts them as processes, and a job here cannot start any. */
const OWN_THREADS = 64
/** Deno reads these late, too: they would let a job steer the process. */
const STEERING = /^(DENO_|OTEL_|LUMARIS_ENV$)/
/** What every job has (dispatch.ts of the domain). */
const OURS = new Set(['LUMARIS_JOB', 'LUMARIS_ATTEMPT', 'LUMARIS_TASK', 'LUMARIS_TASKS', 'LUMARIS_FENCE', 'LUMARIS_CHECKPOINT'])
/** Of a job that says nothing of itself: what it asks for then (job-spec.ts of the protocol), and the variables that it has. */
const USUAL_JOB: Pick<SandboxSpec, 'runtime' | 'env' | 'egress'> & { readonly limits: Kind['limits'] & Pick<SandboxLimits, 'memoryBytes'> } = { runtime: 'javascript', env: Object.fromEntries([...OURS].filter((name) => name !== 'LUMARIS_CHECKPOINT').map((name) => [name, ''])), limits: { ...USUAL, memoryBytes: 512 * MIB } }
/** Said to a runner in place of a program: its order comes on standard input. */
const WAIT = '--wait'
const ORDER_DIGITS = 10, NOTHING = Buffer.alloc(0)
/** At most, while it waits: Deno takes 17 MiB then, with Python in it 130 to 190. */
const WAITING_BYTES = 96 * MIB, PYTHON_WAITING_BYTES = 320 * MIB
/** What is settled before a job is known, or the same for many. */
type Needs = { readonly python: boolean; readonly memoryBytes: number; /** Of variables. */ readonly names: readonly string[]; readonly egress: SandboxSpec['egress'] }
const OWN_ENV = { DENO_NO_UPDATE_CHECK: '1', DENO_NO_PACKAGE_JSON: '1', NO_COLOR: '1' }

/** Deno's binary for this platform, from its npm package; null where there is none. */
export function findDeno(): string | null {
  for (const name of [`@deno/${process.platform}-${process.arch}-glibc`, `@deno/${process.platform}-${process.arch}`]) {
    try { const file = join(dirname(require.resolve(`${name}/package.json`)), process.platform === 'win32' ? 'deno.exe' : 'deno'); if (existsSync(file)) return file } catch { /* this platform's package has the other name */ }
  }
  return null
}
const findPyodide = (): string | null => { try { return dirname(require.resolve('pyodide/package.json')) } catch { return null } } // not installed: then there is no Python here

export type DenoOptions = { readonly scratch: string; readonly stages: Stages; /** Null: deno alone. */ readonly wall: Wall | null }

export function createDenoDriver(options: DenoOptions): IsolationDriver | null {
  const found = findDeno(), foundPyodide = findPyodide()
  if (!found) return null
  const { wall, stages, scratch } = options
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const running = join(scratch, 'running')
  mkdirSync(running, { recursive: true, mode: 0o700 })
  const deno = reachable(found, scratch, stages), pyodide = foundPyodide && reachable(foundPyodide, scratch, stages)
  const version = pyodide ? (JSON.parse(readFileSync(join(pyodide, 'package.json'), 'utf8')) as { version: string }).version : 'none'
  const snapshot = join(scratch, `pyodide-${version}.snapshot`)
  // Copied to where the job's user id can read them; the project's own directory may be closed to it.
  const runner = (name: string): string => join(scratch, name)
  for (const name of ['javascript.mjs', 'python.mjs']) { copyFileSync(join(RUNNERS, name), `${runner(name)}.${process.pid}`); chmodSync(`${runner(name)}.${process.pid}`, 0o644); renameSync(`${runner(name)}.${process.pid}`, runner(name)) }

  type Paths = { readonly deno: string; readonly pyodide: string; readonly runners: string; readonly snapshot: string; readonly work: string }
  const INSIDE: Paths = { deno: '/opt/lumaris/deno', pyodide: '/opt/lumaris/pyodide', runners: '/opt/lumaris', snapshot: '/opt/lumaris/pyodide.snapshot', work: '/work' }
  const outside = (work: string): Paths => ({ deno, pyodide: pyodide ?? '', runners: scratch, snapshot, work })

  const flagsOf = ({ python, memoryBytes, names, egress }: Needs, at: Paths): string[] => [...LOCKED, `--v8-flags=--max-old-space-size=${heapMiB(memoryBytes)}`, `--allow-env=${['LUMARIS_ENV', ...names].join(',')}`, '--ignore-env',
    `--allow-read=${[at.work, ...(python ? [at.pyodide, join(at.runners, 'python.mjs'), at.snapshot] : [])].join(',')}`, `--allow-write=${at.work}`, ...netOf(egress)]
  const runnerOf = ({ python }: Needs, at: Paths): string[] => (python ? [join(at.runners, 'python.mjs'), at.pyodide, existsSync(snapshot) ? at.snapshot : '', at.work] : [join(at.runners, 'javascript.mjs')])
  const needsOf = (job: typeof USUAL_JOB): Needs => ({ python: job.runtime === 'python', memoryBytes: job.limits.memoryBytes, names: Object.keys(environmentOf(job)).toSorted(), egress: job.egress })
  /** The program and its arguments, as its runner takes them. */
  function wordsOf(job: SandboxSpec, at: Paths): string[] {
    const [first = '', ...rest] = job.command
    if (job.runtime === 'python') return /^python(3(\.\d+)?)?$/.test(first) ? rest : [...job.command]
    const [script = '', ...args] = /^(deno|node|bun|tsx)$/.test(first) ? (rest[0] === 'run' ? rest.slice(1) : rest) : [first, ...rest]
    return [pathToFileURL(join(at.work, script)).href, ...args]
  }
  const argvOf = (job: SandboxSpec, at: Paths): string[] => [at.deno, ...flagsOf(needsOf(job), at), ...runnerOf(needsOf(job), at), ...wordsOf(job, at)]
  /** Deno asks for the host that is meant, and for the proxy where a program speaks with it by itself. Names it finds out about by itself lead nowhere: there is no network but that to the proxy. */
  const netOf = (egress: SandboxSpec['egress']): string[] => (egress ? [`--allow-net=${[`127.0.0.1:${EGRESS_PORT}`, ...egress.rules.map(({ host, port }) => `${host}:${port}`)].join(',')}`] : [])
  const environmentOf = (job: Pick<SandboxSpec, 'env'>): Record<string, string> => Object.fromEntries(Object.entries(job.env).filter(([name]) => !STEERING.test(name)))
  const bindsOf = (python: boolean): Record<string, string> => {
    const script = python ? 'python.mjs' : 'javascript.mjs'
    return { [deno]: INSIDE.deno, [runner(script)]: join(INSIDE.runners, script), ...(python ? { [pyodide as string]: INSIDE.pyodide, ...(existsSync(snapshot) ? { [snapshot]: INSIDE.snapshot } : {}) } : {}) }
  }
  const ownEnv = (home: string, tmp: string): Record<string, string> => ({ ...OWN_ENV, HOME: home, DENO_DIR: tmp })
  const envOf = (job: SandboxSpec, home: string, tmp: string): Record<string, string> => ({ ...ownEnv(home, tmp), LUMARIS_ENV: JSON.stringify(environmentOf(job)) })
  const limitsOf = ({ limits }: SandboxSpec): SandboxLimits => ({ ...limits, pids: limits.pids + OWN_THREADS })

  /**
   * A process of Deno that was started before its job, with the words with which one would be started for it: so a job finds the same permissions either way.
   * What waits knows the memory and the disk of an earlier job; of variables the names only, so it is for jobs that have none but those which every job has.
   */
  function aheadOf(job: typeof USUAL_JOB): Kind | null {
    const { python, ...known } = needsOf(job), needs: Needs = { ...known, python, egress: undefined }
    if (!stages.cgroups || !stages.limitsDisk || job.egress || !known.names.every((name) => OURS.has(name))) return null
    const { memoryBytes } = job.limits, limits = stages.readyLimits(job.limits)
    const name = JSON.stringify([scratch, wall !== null, flagsOf(needs, INSIDE), runnerOf(needs, INSIDE), limits]), waitingBytes = Math.min(memoryBytes, python ? PYTHON_WAITING_BYTES : WAITING_BYTES)
    const argv = (at: Paths): string[] => [at.deno, ...flagsOf(needs, at), ...runnerOf(needs, at), WAIT]
    if (wall) return wall.ahead({ name, limits, memoryBytes: waitingBytes, argv: argv(INSIDE), env: ownEnv('/work', '/tmp/deno'), binds: bindsOf(python) })
    return {
      name, limits, memoryBytes: waitingBytes, knows: true,
      begin(place) {
        const at = outside(place.disk.place)
        const child = spawnLauncher({ ...stages.begin(place, limits, argv(at), 3, false), cwd: at.work, env: { PATH: SAFE_PATH, ...ownEnv(at.work, join(at.runners, 'no-cache')) } }, 1)
        return { child, ready: saying(child, 1, READY_WORD).then(() => '') }
      },
    }
  }
  /** Before the job's own input: how long it is, and what is to be run. */
  function orderOf(job: SandboxSpec, at: Paths): Buffer {
    const order = Buffer.from(JSON.stringify({ words: wordsOf(job, at), env: environmentOf(job) }))
    return Buffer.concat([Buffer.from(String(order.length).padStart(ORDER_DIGITS, '0')), order])
  }

  async function alone(job: SandboxSpec): Promise<Sandbox> {
    const opened = await stages.open(job, limitsOf(job), undefined, aheadOf(job)).catch((error: Error) => error)
    if (opened instanceof DiskTooSmall) return endedSandbox({ cause: 'disk', detail: opened.message })
    if (opened instanceof Error) throw opened
    const at = outside(opened.disk.dir)
    // Deno's own cache (without one it starts 150 ms later) must not be among the results, nor be shared by jobs.
    const cache = mkdtempSync(join(scratch, 'cache-'))
    if (opened.uid !== null) chownSync(cache, opened.uid, opened.uid)
    const launcher = opened.wrap(argvOf(job, at), 3, false), stdin = launcher.ahead ? Buffer.concat([orderOf(job, at), job.stdin ?? NOTHING]) : job.stdin
    return supervise({
      ...launcher, env: { PATH: SAFE_PATH, ...envOf(job, at.work, cache) }, cwd: at.work, limits: limitsOf(job), cgroup: opened.cgroup, feeds: [], stdin, disk: opened.disk,
      explain: (end) => (process.platform !== 'win32' && !end.status.includes('up') ? { cause: 'driver', detail: end.stderrHead.split('\n')[0] || 'the sandbox could not be set up' } : heapFull(end, job)),
      cleanUp: async () => { rmSync(cache, { recursive: true, force: true }); return opened.cleanUp() },
      started: (pid) => remember(running, pid),
    })
  }

  const driver: IsolationDriver = {
    id: 'deno', level: 'language',
    async start(job) {
      if (job.runtime === 'native') throw new Error('the deno driver runs JavaScript, TypeScript and Python, not programs of the machine')
      if (job.network) return endedSandbox({ cause: 'driver', detail: NO_NETWORK })
      // Alone, Deno would connect by itself to whatever a listed name resolves to.
      if (job.egress && !wall) return endedSandbox({ cause: 'driver', detail: NO_EGRESS })
      if (job.runtime === 'python' && !pyodide) throw new Error('Pyodide is not installed')
      const unsaid = unspeakable(job)
      if (unsaid) return endedSandbox(unsaid)
      if (!wall) return alone(job)
      const kind = aheadOf(job)
      return wall.start(job, { argv: argvOf(job, INSIDE), binds: bindsOf(job.runtime === 'python'), env: envOf(job, '/work', '/tmp/deno'), limits: limitsOf(job), explain: (end) => heapFull(end, job), ...(kind ? { ahead: { kind, order: orderOf(job, INSIDE) } } : {}) })
    },
    keepReady(bytes) { const kept = stages.ready.keep(bytes); stages.ready.prime(aheadOf(USUAL_JOB)); return kept },
    async reap() {
      const count = forget(running) + (await stages.reap())
      for (const name of readdirSync(scratch).filter((one) => /^(cache|hello)-/.test(one))) rmSync(join(scratch, name), { recursive: true, force: true })
      return count
    },
    async probe(wanted): Promise<ProbeReport> {
      const kept = stages.cgroups !== null
      const report = await probeWith({ driver, level: 'language', runtimes: ['javascript'], kept: { cpu: kept, memory: kept, disk: stages.limitsDisk }, manyProcesses: false, egress: wanted?.egress && (wall !== null || 'Deno without bubblewrap around it would connect by itself'), run: (job) => runToEnd(driver, job) })
      const python = report.usable && pyodide !== null && makeSnapshot(deno, pyodide, runner('python.mjs'), snapshot) ? await helloPython() : 'not here'
      return { ...report, runtimes: python === null ? ['javascript', 'python'] : report.runtimes, evidence: { ...report.evidence, walls: wall ? 'deno inside bubblewrap' : 'deno alone', python: python ?? `Pyodide ${version}` } }
    },
  }
  /** Null when Python runs; else what is wrong with it. */
  async function helloPython(): Promise<string | null> {
    const workDir = mkdtempSync(join(scratch, 'hello-'))
    try {
      writeFileSync(join(workDir, 'main.py'), 'print("hello")\n')
      const { out, end, err } = await runToEnd(driver, { attemptId: 'probe_python', runtime: 'python', command: ['main.py'], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: 768 * MIB, pids: 64, diskBytes: MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 } })
      return out.trim() === 'hello' ? null : (end.detail ?? err.split('\n')[0] ?? 'it did not run')
    } finally { rmSync(workDir, { recursive: true, force: true }) }
  }
  return driver
}

const LOCKED = ['run', '--no-prompt', '--no-remote', '--no-npm', '--cached-only', '--no-config', '--no-lock', '--quiet']

/** V8 ends itself at its own ceiling, before the limit it stands for: in JavaScript's heap, or (one time in seven) while its collector asks for room to work in. */
const heapFull = ({ code, signal, stderrTail }: End, job: SandboxSpec): Verdict | null =>
  ((signal !== null || (code ?? 0) > 128) && /(JavaScript|JavaScript heap|Fatal process) out of memory|OOM: /.test(stderrTail) ? { cause: 'memory', detail: `its JavaScript objects took more than a limit of ${job.limits.memoryBytes} bytes allows` } : null)

/** CPython's start, once, as a picture of its memory: the next starts take a quarter of a second instead of two and a half. */
function makeSnapshot(deno: string, pyodide: string, runner: string, file: string): boolean {
  if (existsSync(file)) return true
  const fresh = `${file}.${process.pid}`
  const made = spawnSync(deno, [...LOCKED, `--allow-read=${pyodide},${runner}`, `--allow-write=${fresh}`, runner, pyodide, '--make-snapshot', fresh],
    { env: { ...OWN_ENV, PATH: SAFE_PATH, HOME: dirname(file), DENO_DIR: join(runner, 'no-cache') }, timeout: 60_000, stdio: 'ignore' })
  if (made.status !== 0) { rmSync(fresh, { force: true }); return false }
  chmodSync(fresh, 0o644)
  renameSync(fresh, file)
  return true
}

// Without a control group a crashed agent's Deno would run on, and nothing would know it. So each is written down, with what tells it from a later
// process of the same number.
const markOf = (pid: number): string | null => {
  try { const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null } catch { /* not Linux, or gone */ }
  if (process.platform === 'win32' || process.platform === 'linux') return null
  const said = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim()
  return said === '' ? null : said
}
function remember(dir: string, pid: number): () => void {
  const file = join(dir, String(pid)), mark = markOf(pid)
  if (mark !== null) writeFileSync(file, mark)
  return () => rmSync(file, { force: true })
}
function forget(dir: string): number {
  let count = 0
  for (const name of readdirSync(dir).filter((one) => /^\d+$/.test(one))) {
    const pid = Number(name)
    if (markOf(pid) === readFileSync(join(dir, name), 'utf8')) { try { process.kill(-pid, 'SIGKILL'); count++ } catch { /* it ended just now */ } }
    rmSync(join(dir, name), { force: true })
  }
  return count
}
