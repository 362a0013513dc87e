// An isolation driver without processes: it does what the command says, so that a test, or a benchmark of thousands of attempts a second, orders
// an outcome as a buyer could. Off unless a configuration hands it to the agent. It fits the agent's driver interface by shape.
//
//   ['fake:exit', '7']             ends with that code           ['fake:write', 'path', 'text']  writes a file into the work directory
//   ['fake:hang']                  runs until it is stopped      ['fake:cat', 'path', …]         prints files of the work directory
//   ['fake:print', 'text']         prints it                     ['fake:fail-driver']            the sandbox itself fails
//   ['fake:warn', 'text']          prints it to stderr           ['fake:fail-start']             the sandbox cannot even be started
//   ['fake:sleep', '100']          takes so many milliseconds    ['fake:over', 'memory']         goes over that limit
//   ['fake:flood', '1000000']      prints so many bytes          ['fake:env', 'NAME']            prints that variable
//   ['fake:compare', 'one', 'other', '3']   ends with that code where those files differ in more than the case of letters
//   ['fake:exit-if', 'NAME', 'value', '7']  ends with that code where that variable has that value
//
// Several commands in one, split by the argument ';': ['fake:print', 'hello', ';', 'fake:exit', '3'].
import { Readable } from 'node:stream'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

type Usage = { cpuMs: number; memoryBytes: number; memoryPeakBytes: number; diskBytes: number; outBytes: number }
type ExitCause = 'exit' | 'memory' | 'wall' | 'pids' | 'disk' | 'output' | 'killed' | 'driver'
type Exit = { cause: ExitCause; code: number | null; signal?: string; usage: Usage; detail?: string }
type Spec = {
  attemptId: string; runtime: 'native' | 'javascript' | 'python'; command: readonly string[]; env: Readonly<Record<string, string>>; workDir: string
  limits: { cpuMillis: number; memoryBytes: number; pids: number; diskBytes: number; outputBytes: number; wallMs: number; openFiles: number }; stdin?: Uint8Array; network?: { attach(pid: number): Promise<void> }
}
const LIMITS = ['memory', 'wall', 'pids', 'disk', 'output'] as const
const MEMORY = 8 * 1024 * 1024
const CHUNK = Buffer.alloc(64 * 1024, 'flood of a fake job\n')
/** A stream that has ended, shared by all who print nothing: two streams for each of thousands of starts a second would be most of the cost. */
const ENDED = Readable.from([])
ENDED.resume()
const quiet = (): Readable => new Readable({ read() { /* it is pushed when it is printed */ } })

const FILES = new Set(['fake:write', 'fake:cat', 'fake:compare'])
export type FakeDriverOptions = { readonly id?: 'fake'; readonly level?: 'language' | 'namespace' | 'kernel' | 'vm'; /** It says that it can join gangs; what it runs has no network all the same. */ readonly gang?: boolean; /** What takes time takes so many times as long: a slow machine. */ readonly slowness?: number; /** What it writes instead of what it should: another spelling, or a lie. */ readonly writes?: ((path: string, text: string) => string) | undefined }

export function createFakeDriver(options: FakeDriverOptions = {}) {
  const level = options.level ?? 'namespace'
  const live = new Set<FakeSandbox>()
  let starts = 0
  return {
    id: options.id ?? ('fake' as const), level,
    /** Sandboxes that have not ended; a test ends with none. */
    get live() { return live.size },
    get starts() { return starts },
    needsWorkDir: (job: { readonly command: readonly string[] }): boolean => job.command.some((word) => FILES.has(word)),
    probe: async () => ({
      usable: true, level, gang: options.gang ?? false, evidence: {}, runtimes: ['native' as const, 'javascript' as const, 'python' as const],
      limits: { cpu: 'hard' as const, memory: 'hard' as const, pids: 'hard' as const, disk: 'hard' as const, net: 'hard' as const, wall: 'hard' as const, output: 'hard' as const },
    }),
    async start(job: Spec): Promise<FakeSandbox> {
      if (job.command[0] === 'fake:fail-start') throw new Error('the fake driver was told not to start')
      await job.network?.attach(process.pid)
      starts++
      const sandbox = new FakeSandbox(job, () => live.delete(sandbox), options.slowness, options.writes)
      live.add(sandbox)
      sandbox.run()
      return sandbox
    },
    async reap(): Promise<number> {
      const left = [...live]
      for (const sandbox of left) await sandbox.kill()
      return left.length
    },
  }
}
export type FakeDriver = ReturnType<typeof createFakeDriver>

export class FakeSandbox {
  readonly exit: Promise<Exit>
  stdout: Readable = ENDED
  stderr: Readable = ENDED
  readonly #job: Spec
  readonly #resolve: (exit: Exit) => void
  readonly #gone: () => void
  readonly #slowness: number
  readonly #writes: NonNullable<FakeDriverOptions['writes']>
  readonly #startedAt = performance.now()
  #steps: string[][]
  #timers: NodeJS.Timeout[] = []
  #over = false
  #paused = false
  #whenResumed: (() => void) | null = null
  #printed = 0
  #wrote = 0

  constructor(job: Spec, gone: () => void, slowness = 1, writes: FakeDriverOptions['writes'] = (_path, text) => text) {
    this.#slowness = slowness
    this.#writes = writes
    this.#job = job
    this.#gone = gone
    const { promise, resolve } = Promise.withResolvers<Exit>()
    this.exit = promise
    this.#resolve = resolve
    this.#steps = stepsOf(job.command)
    if (this.#steps.some(([word]) => word === 'fake:hang' || word === 'fake:sleep')) {
      // It may print later, when its streams are already being read.
      if (this.#steps.length > 1) { this.stdout = quiet(); this.stderr = quiet() }
      this.#timers.push(setTimeout(() => this.#end('wall', null), job.limits.wallMs))
    }
  }

  stats(): Promise<Usage> { return Promise.resolve(this.#usage()) }
  pause(): Promise<void> { this.#paused = true; return Promise.resolve() }
  resume(): Promise<void> {
    this.#paused = false
    this.#whenResumed?.()
    this.#whenResumed = null
    return Promise.resolve()
  }
  kill(_reason?: unknown): Promise<void> { this.#end('killed', null); return Promise.resolve() }

  /** Does the steps up to one that takes time. */
  run(): void {
    for (let step = this.#steps.shift(); step && !this.#over; step = this.#steps.shift()) if (!this.#do(step)) return
    this.#end('exit', 0)
  }

  /** False when the program does not go on from here by itself. */
  #do([word, ...args]: string[]): boolean {
    const [first = '', second = ''] = args
    switch (word) {
      case 'fake:print': case 'echo': this.#print('stdout', Buffer.from(word === 'echo' ? `${args.join(' ')}\n` : first)); return true
      case 'fake:warn': this.#print('stderr', Buffer.from(first)); return true
      case 'fake:env': this.#print('stdout', Buffer.from(this.#job.env[first] ?? '')); return true
      case 'fake:cat': for (const path of args) this.#print('stdout', readFileSync(join(this.#job.workDir, path))); return !this.#over
      case 'fake:compare': { const [a, b] = [first, second].map((path) => readFileSync(join(this.#job.workDir, path), 'utf8').toLowerCase()); if (a === b) return true; this.#end('exit', Number(args[2])); return false }
      case 'fake:exit': this.#end('exit', Number(first)); return false
      case 'fake:exit-if': if (this.#job.env[first] !== second) return true; this.#end('exit', Number(args[2])); return false
      case 'fake:hang': return false
      case 'fake:sleep': this.#timers.push(setTimeout(() => { if (this.#paused) this.#whenResumed = () => this.run(); else this.run() }, Number(first) * this.#slowness)); return false
      case 'fake:write': {
        const path = join(this.#job.workDir, first), text = this.#writes(first, second)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, text)
        this.#wrote += Buffer.byteLength(text)
        return true
      }
      case 'fake:flood':
        for (let left = Number(first); left > 0 && !this.#over; left -= CHUNK.length) this.#print('stdout', CHUNK.subarray(0, left))
        return !this.#over
      case 'fake:over': {
        const limit = LIMITS.find((one) => one === first)
        this.#end(limit ?? 'driver', null)
        return false
      }
      case 'fake:fail-driver': this.#end('driver', null, 'the fake driver was told to fail'); return false
      case 'true': return true
      default:
        this.#print('stderr', Buffer.from(`fake: no such command: ${word}\n`))
        this.#end('exit', 127)
        return false
    }
  }

  #print(name: 'stdout' | 'stderr', bytes: Buffer): void {
    const room = this.#job.limits.outputBytes - this.#printed
    const taken = bytes.subarray(0, Math.max(0, room))
    if (this[name] === ENDED) this[name] = quiet()
    if (taken.length > 0) this[name].push(taken)
    this.#printed += taken.length
    if (taken.length < bytes.length) this.#end('output', null)
  }

  #usage(): Usage {
    return { cpuMs: Math.floor(performance.now() - this.#startedAt), memoryBytes: MEMORY, memoryPeakBytes: MEMORY, diskBytes: this.#wrote, outBytes: this.#printed }
  }

  #end(cause: ExitCause, code: number | null, detail?: string): void {
    if (this.#over) return
    this.#over = true
    for (const timer of this.#timers) clearTimeout(timer)
    if (this.stdout !== ENDED) this.stdout.push(null)
    if (this.stderr !== ENDED) this.stderr.push(null)
    this.#gone()
    this.#resolve({ cause, code, usage: this.#usage(), ...(detail === undefined ? {} : { detail }) })
  }
}

function stepsOf(command: readonly string[]): string[][] {
  const steps: string[][] = [[]]
  for (const word of command) if (word === ';') steps.push([]); else steps.at(-1)?.push(word)
  return steps.filter((step) => step.length > 0)
}
