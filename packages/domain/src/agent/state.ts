// What an agent knows: its session, its leases, and every attempt it has taken and not yet been told to forget. Pure like the market's core,
// so that both ends run in the simulator as they are.
import type { AttemptId, Capacity, Cause, JobDispatch, JobStatusMessage, LiveOffer, LivePeer, MeshOffer, MeshPeer, MemoryLock, NodeId, Receive, ResultFile, Saved, ToAgent, FromAgent, Usage, Welcome } from '@lumaris/protocol'
import { NO_USAGE } from '@lumaris/protocol'

import { ALL_GUARDS } from '../guards.ts'
import type { Guards } from '../guards.ts'

export type AgentSettings = {
  readonly heartbeatMs: number
  /** Nothing is started under a lease older than this. */
  readonly startLeaseMs: number
  /** Exclusive work stops by itself when the lease is this old: sooner than the market calls the node lost. */
  readonly selfStopMs: number
  /** Other work runs on without the market for so long. */
  readonly orphanMs: number
  readonly tickMs: number
  /** At most one signature in this time, however many ticks there are; the first tick after a quiet time is sealed at once. */
  readonly sealMs: number
}
export const DEFAULT_AGENT_SETTINGS: AgentSettings = { heartbeatMs: 10_000, startLeaseMs: 30_000, selfStopMs: 45_000, orphanMs: 30 * 60_000, tickMs: 15_000, sealMs: 1_000 }

export type Leaf = Extract<FromAgent, { type: 'seal' }>['leaves'][number]
export type AgentAttempt = {
  order: JobDispatch; state: 'accepted' | 'running' | 'reported'
  usage: Usage; tickSeq: number; tickHash: string; lastTickAt: number
  /** It is being moved: as what. */
  leaving?: Saved['kind'] | undefined
  /** It has left while it ran, as that checkpoint, and stands still until the market says where it goes on. */
  leftAs?: number | undefined
  stopping: Cause | null; result: JobStatusMessage | null
  /** Of a rank of a gang that is ready: how the others reach it. */
  mesh: MeshOffer | null
  /** Ticks that the market has not surely heard: sent again before anything that follows them, or the chain would have a hole. */
  unheard: UnheardTick[]
}
export type UnheardTick = { readonly at: number; readonly message: Extract<FromAgent, { type: 'tick' | 'checkpoint' }> }
/** What survives a crash, in the order it was written. */
export type JournalRecord =
  | { readonly type: 'accept'; readonly order: JobDispatch }
  | { readonly type: 'start'; readonly attempt: AttemptId }
  | { readonly type: 'result'; readonly message: JobStatusMessage; /** The unheard ticks before its last one. */ readonly ticks?: readonly UnheardTick[] }
  | { readonly type: 'forget'; readonly attempt: AttemptId }
  | { readonly type: 'sealed'; readonly leaves: readonly (readonly [AttemptId, number])[] }

export type AgentState = {
  readonly settings: AgentSettings; readonly guards: Guards; readonly node: NodeId; capacity: Capacity
  session: number; leaseGen: number; connected: boolean; paused: boolean; stopping: boolean
  readonly attempts: Map<AttemptId, AgentAttempt>
  /** Every attempt seen in this session: none is started twice. */
  readonly seen: Set<AttemptId>
  heartbeat: number; lastHeartbeatAt: number
  /** When each unanswered heartbeat was sent, on the clock that counts suspend. */
  readonly sentAt: Map<number, number>
  /** The lease is dated from here. */
  leaseFrom: number; disconnectedAt: number
  unsealed: Leaf[]; sealNumber: number; lastSealAt: number
}

/** How a sandbox ended, with its outputs stored already. */
export type SandboxEnd = {
  readonly cause: Cause; readonly exitCode: number | null; readonly usage: Usage; readonly files: readonly ResultFile[]; readonly resultDigest: string | null; readonly detail: string | null
}
export type AgentInput =
  | { readonly kind: 'welcome'; readonly welcome: Welcome; readonly helloSentAt: number }
  | { readonly kind: 'message'; readonly message: ToAgent }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'clock' }
  /** A rank of a gang has all that it needs, and waits for the others. */
  | { readonly kind: 'ready'; readonly attempt: AttemptId; readonly mesh: MeshOffer }
  | { readonly kind: 'started'; readonly attempt: AttemptId }
  | { readonly kind: 'usage'; readonly attempt: AttemptId; readonly usage: Usage }
  /** A checkpoint of it is with the market. */
  | { readonly kind: 'saved'; readonly attempt: AttemptId; readonly saved: Saved; /** With it the attempt leaves this node. */ readonly leaves?: boolean; readonly memory?: MemoryLock }
  /** It was to be moved, and no checkpoint could be taken. */
  | { readonly kind: 'stays'; readonly attempt: AttemptId; readonly says: string }
  /** How the other agent of a move reaches this one; or why it cannot be received here. */
  | { readonly kind: 'liveReady'; readonly attempt: AttemptId; readonly fence: number; readonly mesh: LiveOffer }
  | { readonly kind: 'receiveFailed'; readonly attempt: AttemptId; readonly fence: number; readonly says: string }
  | { readonly kind: 'ended'; readonly attempt: AttemptId; readonly end: SandboxEnd }
  | { readonly kind: 'pause'; readonly paused: boolean }
  /** The owner wants the machine back, all of it or what these take. */
  | { readonly kind: 'reclaim'; readonly attempts?: readonly AttemptId[] }
  | { readonly kind: 'capacity'; readonly capacity: Capacity }
  /** Something that heartbeats say has changed: the next one is now. */
  | { readonly kind: 'tell' }
  | { readonly kind: 'shutdown' }

/** Carried out in order. `journal` is on the disk before anything after it happens. */
export type AgentOutput =
  | { readonly kind: 'journal'; readonly record: JournalRecord }
  | { readonly kind: 'send'; readonly message: FromAgent }
  | { readonly kind: 'start'; readonly order: JobDispatch }
  /** All ranks are ready: it begins, and these are the others. */
  | { readonly kind: 'join'; readonly attempt: AttemptId; readonly peers: readonly MeshPeer[] }
  | { readonly kind: 'kill'; readonly attempt: AttemptId; readonly cause: Cause }
  /** Store a checkpoint of it, and let it go: `saved` or `stays` answers. */
  | { readonly kind: 'leave'; readonly attempt: AttemptId; readonly what: Saved['kind']; /** While it runs: to whom. */ readonly peer?: LivePeer }
  /** Say how this agent is reached by the one that receives it: `liveReady`. */
  | { readonly kind: 'readyToLeave'; readonly attempt: AttemptId }
  /** It goes on here after all. */
  | { readonly kind: 'stay'; readonly attempt: AttemptId }
  /** Make ready for what another node sends, or let it come; and: it does not come. */
  | { readonly kind: 'receive'; readonly order: Receive }
  | { readonly kind: 'dontReceive'; readonly attempt: AttemptId }
  /** Remove all that is left of it: files, key, sandbox. */
  | { readonly kind: 'wipe'; readonly attempt: AttemptId }
  /** Sign the root over these leaves and send the seal. */
  | { readonly kind: 'seal'; readonly number: number; readonly leaves: readonly Leaf[] }

export function createAgentState(node: NodeId, capacity: Capacity, settings: AgentSettings = DEFAULT_AGENT_SETTINGS, guards: Guards = ALL_GUARDS): AgentState {
  return {
    settings, guards, node, capacity, session: 0, leaseGen: 0, connected: false, paused: false, stopping: false, attempts: new Map(), seen: new Set(), heartbeat: 0,
    lastHeartbeatAt: -Infinity, sentAt: new Map(), leaseFrom: -Infinity, disconnectedAt: -Infinity, unsealed: [], sealNumber: 0, lastSealAt: -Infinity,
  }
}

/** After a restart: finished results are kept until the market says "forget"; whatever ran died with the process, and is simply not listed. */
export function restoreAgent(state: AgentState, records: readonly JournalRecord[]): void {
  const orders = new Map<AttemptId, JobDispatch>()
  const leaves = new Map<string, Leaf>()
  for (const record of records) {
    if (record.type === 'accept') orders.set(record.order.attempt_id, record.order)
    if (record.type === 'forget') { orders.delete(record.attempt); state.attempts.delete(record.attempt) }
    if (record.type === 'sealed') for (const [attempt, seq] of record.leaves) leaves.delete(`${attempt}:${seq}`)
    if (record.type !== 'result') continue
    const { message } = record
    const final = message.final
    if (final) leaves.set(`${message.attempt_id}:${final.tick.seq}`, { attempt_id: message.attempt_id, seq: final.tick.seq, hash: final.hash as Leaf['hash'] })
    const order = orders.get(message.attempt_id)
    if (!order) continue
    state.attempts.set(message.attempt_id, {
      order, state: 'reported', usage: final?.tick.usage ?? NO_USAGE, tickSeq: final?.tick.seq ?? 0, tickHash: final?.hash ?? '', lastTickAt: -Infinity, stopping: null, result: message, mesh: null,
      unheard: [...(record.ticks ?? [])],
    })
  }
  // The last ticks that no seal is known for are sealed again: a second seal over a tick does no harm, a missing one holds the pay back.
  state.unsealed = [...leaves.values()]
}
