// One interface for every way to isolate: the agent prepares a directory with the inputs, a driver runs the program in it behind its wall, and the
// outputs are collected from the directory after the end. A driver offers only what its probe has shown on this very machine.
import type { Readable } from 'node:stream'
import type { DriverId, EgressRule, Level, Runtime } from '@lumaris/protocol'
import type { Gpu } from '../gpus/find-gpus.ts'
import type { Vault } from './vault.ts'

export type LimitName = 'cpu' | 'memory' | 'pids' | 'disk' | 'net' | 'wall' | 'output'
/** `hard`: its canary was stopped by the kernel or by us before it did harm; `soft`: noticed and ended, a moment late; `none`: not limited. */
export type Proof = 'hard' | 'soft' | 'none'
export type ProbeReport = {
  readonly usable: boolean; readonly level: Level; readonly reason?: string; readonly evidence: Readonly<Record<string, string>>
  readonly limits: Readonly<Record<LimitName, Proof>>; readonly runtimes: readonly Runtime[]
  /** It can join a sandbox to the network of a gang: one was given an interface. */
  readonly gang?: boolean
  /** It can give a sandbox a way out to a proxy of the agent's, and no other: one was tried. Absent: nobody asked. */
  readonly egress?: boolean
  /** It can take a program's memory and restore it: who can restore what, see Checkpoint.maker. */
  readonly memory?: string
  /** It can send a running program to a driver with the same `memory`, and receive one. */
  readonly live?: boolean
}
/** Of every job: the agent's own number. */
export const OPEN_FILES_MAX = 1024
export type SandboxLimits = {
  readonly cpuMillis: number; readonly memoryBytes: number; readonly pids: number; readonly diskBytes: number
  /** Standard output and error together. */
  readonly outputBytes: number
  readonly wallMs: number; readonly openFiles: number
}
/** The only network a sandbox can have: an interface that somebody else makes in its network namespace, before its program starts. */
export type SandboxNetwork = {
  /** Told a process in the sandbox's network namespace, once. The program starts when this has resolved; when it rejects, or takes too long, it never does. */
  attach(pid: number): Promise<void>
  readonly hostname?: string
  /** Names and addresses for the sandbox's /etc/hosts. */
  readonly hosts?: Readonly<Record<string, string>>
}
/** A way out to the agent's proxy, made by somebody else in the sandbox's network namespace before its program starts. */
export type SandboxEgress = {
  /** The hosts behind the proxy: for walls that ask for names themselves. The proxy keeps the list. */
  readonly rules: readonly EgressRule[]
  /** Told a process in that namespace, once. When it rejects, the program never starts. `raise`: the namespace's loopback is not up yet. */
  attach(pid: number, options?: { readonly raise?: boolean }): Promise<void>
}
/** The end of a job that needs one, with a driver that cannot give it. */
export const NO_EGRESS = 'this driver gives no outgoing connections here'
/** The end of a job that needs a network, with a driver that cannot give it one. */
export const NO_NETWORK = 'this driver has no gang network'
export type SandboxSpec = {
  readonly attemptId: string; readonly runtime: Runtime
  /** With its digest, for the runtime `container`. */
  readonly image?: string
  /** argv; for `python` and `javascript` the interpreter's name may stand first. Never a shell. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** A directory of the agent's, with the inputs in it: the job's working directory. Outputs are found in it after the end. */
  readonly workDir: string
  readonly limits: SandboxLimits; readonly stdin?: Uint8Array
  /** Only with drivers whose report says `gang`; the others refuse. */
  readonly network?: SandboxNetwork
  /** Only with drivers whose report says `egress`; the others refuse. */
  readonly egress?: SandboxEgress
  /** Its encrypted directory, `workDir` in it: nothing of the job may touch a disk elsewhere. */
  readonly vault?: string
  /** So many graphics cards, for itself alone. */
  readonly gpus?: number
}
export type SandboxUsage = { readonly cpuMs: number; readonly memoryBytes: number; readonly memoryPeakBytes: number; readonly diskBytes: number; readonly outBytes: number }
export type ExitCause = 'exit' | 'memory' | 'wall' | 'pids' | 'disk' | 'output' | 'killed' | 'image' | 'driver'
export type ExitReport = { readonly cause: ExitCause; readonly code: number | null; readonly signal?: string; readonly usage: SandboxUsage; readonly detail?: string }

/**
 * A running program, taken out of one sandbox to go on in another: its memory, as files. What is restored runs, with whatever rights its memory says it
 * has inside; so these hashes must come to whoever restores it from somebody who is trusted, and files that differ from them are refused.
 */
export type Checkpoint = { readonly driver: DriverId; /** Only the same can restore it. */ readonly maker: string; readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[] }

/** Where a machine goes to while it runs: what it is made of, in pieces that arrive in their order. Each resolves when there is room for more. */
export type Departure = {
  memory(piece: Buffer): Promise<void>
  write(at: number, data: Buffer): Promise<void>
  zero(at: number, length: number): Promise<void>
  /** The other side is told what comes, and is ready for it. */
  begin(diskBytes: number): Promise<void>
  /** It stands still from now on. */
  stood(): void
  readonly until: AbortSignal
}
/** A machine that another one becomes, piece by piece, and that stands still until it is taken over. */
export type Guest = Pick<Departure, 'memory' | 'write' | 'zero'> & {
  /** All has come. Rejects when it does not make a machine. */
  complete(): Promise<void>
  /** It goes on, as this job. */
  take(job: SandboxSpec): Promise<Sandbox>
  /** Nobody wants it; also when it has been taken over, which it then survives. */
  drop(): Promise<void>
}

export interface Sandbox {
  readonly stdout: Readable
  readonly stderr: Readable
  /** Where its files are while it runs, as its program may have left them; absent: in the work directory; null: where nobody outside can look. */
  readonly dir?: string | null
  stats(): Promise<SandboxUsage>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Ends it with everything it started; `exit` then says `killed`. */
  kill(reason: string): Promise<void>
  /**
   * Takes its memory into an empty directory and ends it; `exit` then says `killed`, and its files are in the work directory. Together they are what
   * `restore` needs. Rejects when it cannot be taken; the program is lost then, and
   * `exit` says `driver`: the attempt costs nobody anything and is made again. Absent where the driver cannot do it.
   */
  checkpoint?(into: string): Promise<Checkpoint>
  /**
   * Sends it elsewhere while its program runs. Resolves when all is there: it stands still, and either ends or goes on here after all (`resume`). When it
   * rejects, it runs on here. Absent where the driver cannot do it.
   */
  leave?(to: Departure): Promise<void>
  /** Resolves once, when nothing of it runs any more and its files are in the work directory. Never rejects. */
  readonly exit: Promise<ExitReport>
}
export interface IsolationDriver {
  readonly id: DriverId
  readonly level: Level
  /** `egress`: try that too. */
  probe(wanted?: { readonly egress?: boolean }): Promise<ProbeReport>
  /** Brings what the job needs and this machine may not have, before any of its time is counted. What stands in the way, or null. */
  prepare?(job: SandboxSpec, stop: AbortSignal): Promise<{ readonly cause: ExitCause; readonly detail?: string } | null>
  start(job: SandboxSpec): Promise<Sandbox>
  /** `start`, but going on where the checkpoint was taken: the same order, and the files that it left in `workDir`. */
  restore?(job: SandboxSpec, from: string, checkpoint: Checkpoint): Promise<Sandbox>
  /** A machine for what leaves another node's; throws when that is not one like those here. */
  receive?(job: SandboxSpec, from: { readonly maker: string; readonly diskBytes: number }): Promise<Guest>
  /** The cards that it hands out; absent where it hands out none. */
  gpus?: readonly Gpu[]
  /** Encrypted scratch for an attempt of so many bytes; absent where that was not shown to work. Whatever starts with it keeps all of the job there. */
  openVault?(id: string, bytes: number): Promise<Vault>
  /** So many bytes of memory may be taken by what stands ready for jobs to come: nothing, until this is said. Absent where nothing is. */
  keepReady?(bytes: number): Promise<void>
  /** Ends and removes what a crashed agent left behind; how many there were. */
  reap(): Promise<number>
  /** Ends what the driver itself runs; nothing is started afterwards. */
  close?(): Promise<void>
}
