// The agent's whole behaviour: an input and the time in, what to do out. The hands around it (apps/agent) carry the outputs out in order.
//
//   dispatch → admit? → journal → accepted → start → running → (ticks) → ended → journal → result → … → forget → wipe
import { MIB, canonical, NO_USAGE } from '@lumaris/protocol'
import type { AttemptId, AttemptOrder, AttemptReport, Cause, GangStart, JobDispatch, JobStatusMessage, Leave, MeshOffer, Saved, Stay, Tick, ToAgent, Usage } from '@lumaris/protocol'
import type { AgentAttempt, AgentInput, AgentOutput, AgentState, SandboxEnd } from './state.ts'
import { admit } from './admit.ts'

export type AgentPorts = {
  /** Milliseconds on a clock that counts suspend and never jumps; leases are measured on it. */
  readonly now: number
  /** Wall clock, for people to read. */
  readonly wall: number
  readonly hash: (text: string) => string
}
type Step = AgentPorts & { readonly state: AgentState; readonly out: AgentOutput[] }
/** Leaves of one seal: the frame that names them stays well below the socket's limit. */
const LEAVES_MAX = 1024

export function stepAgent(state: AgentState, input: AgentInput, ports: AgentPorts): AgentOutput[] {
  const step: Step = { ...ports, state, out: [] }
  switch (input.kind) {
    case 'welcome': onWelcome(step, input); break
    case 'message': onMessage(step, input.message); break
    case 'disconnected': state.connected = false; state.disconnectedAt = step.now; break
    case 'ready': onReady(step, input.attempt, input.mesh); break
    case 'started': onStarted(step, input.attempt); break
    case 'usage': onUsage(step, input.attempt, input.usage); break
    case 'saved': onSaved(step, input); break
    case 'stays': onStays(step, input.attempt, input.says); break
    case 'liveReady': step.out.push({ kind: 'send', message: { type: 'live_ready', attempt_id: input.attempt, fence: input.fence, mesh: input.mesh } }); break
    case 'receiveFailed': step.out.push({ kind: 'send', message: { type: 'receive_failed', attempt_id: input.attempt, fence: input.fence, detail: input.says.slice(0, 500) } }); break
    case 'ended': onEnded(step, input.attempt, input.end); break
    case 'pause': state.paused = input.paused; if (state.connected) beat(step); break
    case 'reclaim': for (const id of input.attempts ?? running(state)) kill(step, id, 'seller_reclaimed'); break
    // What runs keeps what it was promised; the market hears of it with the next hello.
    case 'capacity': state.capacity = input.capacity; break
    case 'tell': if (state.connected) beat(step); break
    case 'shutdown': state.stopping = true; for (const id of running(state)) kill(step, id, 'seller_reclaimed'); break
    case 'clock': onClock(step); break
  }
  sealIfDue(step)
  return step.out
}

const running = (state: AgentState): AttemptId[] => [...state.attempts].filter(([, attempt]) => attempt.state !== 'reported').map(([id]) => id)
export const listAttempts = (state: AgentState): AttemptReport[] => [...state.attempts].map(([id, attempt]) => ({ attempt_id: id, fence: attempt.order.fence, state: attempt.state }))

function onWelcome(step: Step, input: Extract<AgentInput, { kind: 'welcome' }>): void {
  const { state } = step, { welcome } = input
  if (welcome.session !== state.session) { state.seen.clear(); state.sealNumber = 0; state.heartbeat = 0 }
  state.session = welcome.session
  state.leaseGen = welcome.lease_gen
  state.connected = true
  state.leaseFrom = state.guards.leaseFromSend ? input.helloSentAt : step.now
  state.sentAt.clear()
  for (const order of welcome.attempts) obey(step, order)
  // A new writer may not know what the last one had heard: what runs is told again, from the last thing that is surely known.
  for (const attempt of state.attempts.values()) {
    if (attempt.state === 'reported' || attempt.stopping) continue
    step.out.push({ kind: 'send', message: stateOf(attempt) })
    tellTicks(step, attempt)
  }
  beat(step)
}

const tellTicks = (step: Step, attempt: AgentAttempt): void => { for (const { message } of attempt.unheard) step.out.push({ kind: 'send', message }) }

function onMessage(step: Step, message: ToAgent): void {
  const { state } = step
  switch (message.type) {
    case 'job_dispatch': return onDispatch(step, message)
    case 'gang_start': return onGangStart(step, message)
    case 'cancel': return kill(step, message.attempt_id, message.reason)
    case 'checkpoint': return leave(step, message)
    case 'stay': return stay(step, message)
    case 'receive': if (!state.stopping && !state.paused) step.out.push({ kind: 'receive', order: message }); else step.out.push({ kind: 'send', message: { type: 'receive_failed', attempt_id: message.attempt_id, fence: message.fence, detail: 'the node takes no work just now' } }); return
    case 'receive_over': step.out.push({ kind: 'dontReceive', attempt: message.attempt_id }); return
    case 'forget': return forget(step, message.attempt_id)
    case 'drain': state.paused = message.draining; return
    case 'owner_settings': case 'self_test': return // its hands keep them: they are files of the machine
    case 'lease_renew': {
      // Heartbeats are counted afresh in each session: a late answer of an earlier one would renew a lease that nobody granted.
      if (message.session !== state.session) return
      const sentAt = state.sentAt.get(message.heartbeat)
      if (sentAt !== undefined) {
        state.leaseFrom = Math.max(state.leaseFrom, state.guards.leaseFromSend ? sentAt : step.now)
        for (const number of state.sentAt.keys()) if (number <= message.heartbeat) state.sentAt.delete(number)
        // Messages arrive in order, so what was sent before this heartbeat was heard before it.
        for (const attempt of state.attempts.values()) attempt.unheard = attempt.unheard.filter((tick) => tick.at >= sentAt)
      }
      state.leaseGen = Math.max(state.leaseGen, message.lease_gen)
      for (const order of message.orders) obey(step, order)
    }
  }
}

function obey(step: Step, order: AttemptOrder): void {
  const attempt = step.state.attempts.get(order.attempt_id)
  if (order.action === 'forget') return forget(step, order.attempt_id)
  if (order.action === 'stop') return attempt?.state === 'reported' ? forget(step, order.attempt_id) : kill(step, order.attempt_id, 'seller_offline')
  if (order.action === 'send_result' && attempt?.result) { tellTicks(step, attempt); step.out.push({ kind: 'send', message: attempt.result }) }
}

function onDispatch(step: Step, order: JobDispatch): void {
  const { state } = step
  // Another session's offer, or one from before the market gave this node up, is not for us any more; nobody waits for an answer to it.
  if (state.guards.sessionBound && (order.session !== state.session || order.lease_gen < state.leaseGen)) return
  if (state.guards.tombstones && state.seen.has(order.attempt_id)) return
  if (state.attempts.has(order.attempt_id)) return
  state.seen.add(order.attempt_id)
  const no = state.stopping ? 'the agent is stopping' : state.paused ? 'the node is paused' : step.now - state.leaseFrom > state.settings.startLeaseMs ? 'the lease is too old to start work' : admit(state, order)
  if (no) { step.out.push({ kind: 'send', message: statusOf(order, 'refused', { detail: no }) }); return }
  state.attempts.set(order.attempt_id, {
    order, state: 'accepted', usage: NO_USAGE, tickSeq: 0, tickHash: step.hash(canonical(order.terms)), lastTickAt: step.now, stopping: null, result: null, mesh: null, unheard: [],
  })
  step.out.push({ kind: 'journal', record: { type: 'accept', order: order.encrypted_scratch || order.secrets ? forgetful(order) : order } }, { kind: 'send', message: statusOf(order, 'accepted') }, { kind: 'start', order })
}

/** For the disk: a restart needs what an order is worth and who gave it, never what is to be run on what. */
const forgetful = ({ stdout: _stdout, image: _image, egress: _egress, ...order }: JobDispatch): JobDispatch => ({ ...order, payload: { command: '', args: [] }, env: {}, inputs: [], outputs: [] })

const statusOf = (order: JobDispatch, status: JobStatusMessage['status'], more: Partial<JobStatusMessage> = {}): JobStatusMessage =>
  ({ type: 'job_status', job_id: order.job_id, attempt_id: order.attempt_id, fence: order.fence, status, ...more })

/** What is known of one that has not ended. */
const stateOf = (attempt: AgentAttempt): JobStatusMessage => statusOf(attempt.order, attempt.state === 'running' ? 'running' : 'accepted', attempt.state === 'accepted' && attempt.mesh ? { mesh: attempt.mesh } : {})

/** The market says `gang_start` when it has heard this of every rank. */
function onReady(step: Step, id: AttemptId, mesh: MeshOffer): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state !== 'accepted' || attempt.stopping || attempt.mesh) return
  attempt.mesh = mesh
  step.out.push({ kind: 'send', message: stateOf(attempt) })
}
/** May come more than once, and also when it has begun: the hands join once. */
function onGangStart(step: Step, { attempt_id: id, peers }: GangStart): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state === 'accepted' && !attempt.stopping && attempt.mesh) step.out.push({ kind: 'join', attempt: id, peers })
}

function onStarted(step: Step, id: AttemptId): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state !== 'accepted') return
  attempt.state = 'running'
  attempt.lastTickAt = step.now
  step.out.push({ kind: 'journal', record: { type: 'start', attempt: id } }, { kind: 'send', message: statusOf(attempt.order, 'running') })
}

function onUsage(step: Step, id: AttemptId, usage: Usage): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state === 'running') attempt.usage = grown(attempt.usage, usage)
}
/** Totals never shrink, whatever a meter says after a restart of its counter. */
const grown = (a: Usage, b: Usage): Usage => ({
  runMs: Math.max(a.runMs, b.runMs), cpuMs: Math.max(a.cpuMs, b.cpuMs), memoryPeakBytes: Math.max(a.memoryPeakBytes, b.memoryPeakBytes),
  diskBytes: Math.max(a.diskBytes, b.diskBytes), outBytes: Math.max(a.outBytes, b.outBytes),
  ...(a.egressInBytes === undefined && b.egressInBytes === undefined ? {} : { egressInBytes: Math.max(a.egressInBytes ?? 0, b.egressInBytes ?? 0), egressOutBytes: Math.max(a.egressOutBytes ?? 0, b.egressOutBytes ?? 0) }),
})

/** A tick of its own, at once: what it names is kept from now on. */
function onSaved(step: Step, { attempt: id, saved, leaves, memory }: Extract<AgentInput, { kind: 'saved' }>): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state !== 'running') return
  attempt.usage = grown(attempt.usage, { ...attempt.usage, runMs: saved.runMs })
  const { tick, hash } = nextTick(step, attempt, null, saved)
  const message = { type: 'checkpoint', attempt_id: id, fence: attempt.order.fence, tick, hash: hash as Tick['prev'], ...(memory ? { memory } : {}) } as const
  attempt.unheard.push({ at: step.now, message })
  step.out.push({ kind: 'send', message })
  // What has left while it ran stands still until the market says where it goes on.
  if (leaves && saved.kind === 'live') attempt.leftAs = saved.number
  else if (leaves) kill(step, id, 'moved')
}
function onStays(step: Step, id: AttemptId, says: string): void {
  const attempt = step.state.attempts.get(id)
  if (!attempt?.leaving) return
  const kind = attempt.leaving
  attempt.leaving = undefined
  if (attempt.state === 'running' && !attempt.stopping) step.out.push({ kind: 'send', message: { type: 'checkpoint_failed', attempt_id: id, fence: attempt.order.fence, detail: says.slice(0, 500), kind } })
}
/** Once at a time; the market says it with every heartbeat. */
function leave(step: Step, { attempt_id: id, fence, kind: what, peer }: Leave): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.state !== 'running' || attempt.stopping || attempt.leaving || attempt.order.fence !== fence) return
  if (what === 'live' && !peer) { step.out.push({ kind: 'readyToLeave', attempt: id }); return }
  attempt.leaving = what
  step.out.push({ kind: 'leave', attempt: id, what, ...(peer ? { peer } : {}) })
}
function stay(step: Step, { attempt_id: id, fence, number }: Stay): void {
  const attempt = step.state.attempts.get(id)
  if (attempt?.leftAs !== number || attempt.stopping || attempt.order.fence !== fence) return
  attempt.leaving = attempt.leftAs = undefined
  step.out.push({ kind: 'stay', attempt: id })
}

function nextTick(step: Step, attempt: AgentAttempt, end: SandboxEnd | null, saved?: Saved): { tick: Tick; hash: string } {
  const tick: Tick = {
    attempt: attempt.order.attempt_id, seq: attempt.tickSeq + 1, prev: attempt.tickHash as Tick['prev'], at: step.wall, usage: attempt.usage, final: end !== null,
    ...(end ? { exitCode: end.exitCode } : {}), ...(saved ? { checkpoint: saved } : {}), ...(end?.resultDigest ? { resultDigest: end.resultDigest as NonNullable<Tick['resultDigest']> } : {}),
  }
  const hash = step.hash(canonical(tick))
  attempt.tickSeq = tick.seq
  attempt.tickHash = hash
  attempt.lastTickAt = step.now
  step.state.unsealed.push({ attempt_id: tick.attempt, seq: tick.seq, hash: hash as Tick['prev'] })
  return { tick, hash }
}

function onEnded(step: Step, id: AttemptId, end: SandboxEnd): void {
  const attempt = step.state.attempts.get(id)
  if (!attempt || attempt.state === 'reported') return
  attempt.usage = grown(attempt.usage, end.usage)
  const ran = attempt.state === 'running'
  const cause: Cause = attempt.stopping ?? end.cause
  const status: JobStatusMessage['status'] = attempt.stopping ? 'stopped' : cause === 'succeeded' ? 'succeeded' : 'failed'
  const final = ran ? nextTick(step, attempt, end) : null
  const message = statusOf(attempt.order, status, {
    cause, usage: attempt.usage, exit_code: end.exitCode, ...(end.detail ? { detail: end.detail.slice(0, 2000) } : {}),
    resources_used: { cpu_time_sec: attempt.usage.cpuMs / 1000, peak_memory_mb: attempt.usage.memoryPeakBytes / MIB },
    files: [...end.files], ...(end.resultDigest ? { result_digest: end.resultDigest as NonNullable<JobStatusMessage['result_digest']> } : {}),
    ...(final ? { final: { tick: final.tick, hash: final.hash as Tick['prev'] } } : {}),
  })
  attempt.state = 'reported'
  attempt.result = message
  step.out.push({ kind: 'journal', record: { type: 'result', message, ticks: attempt.unheard } }, { kind: 'send', message })
}

function kill(step: Step, id: AttemptId, cause: Cause): void {
  const attempt = step.state.attempts.get(id)
  if (!attempt || attempt.stopping) return
  if (attempt.state === 'reported') { if (cause === 'seller_offline') forget(step, id); return }
  attempt.stopping = cause
  step.out.push({ kind: 'kill', attempt: id, cause })
}

function forget(step: Step, id: AttemptId): void {
  const attempt = step.state.attempts.get(id)
  if (!attempt) return
  if (attempt.state !== 'reported') { kill(step, id, 'seller_offline'); return } // stop first; its end is then forgotten by the answer to it
  step.state.attempts.delete(id)
  step.out.push({ kind: 'journal', record: { type: 'forget', attempt: id } }, { kind: 'wipe', attempt: id })
}

function onClock(step: Step): void {
  const { state } = step
  const leaseAge = step.now - state.leaseFrom
  for (const [id, attempt] of state.attempts) {
    if (attempt.state === 'reported') continue
    const alone = !state.connected && step.now - Math.max(state.disconnectedAt, state.leaseFrom) > state.settings.orphanMs
    if ((attempt.order.disconnect === 'exclusive' && state.guards.selfStop && leaseAge > state.settings.selfStopMs) || alone) kill(step, id, 'seller_offline')
    if (attempt.state === 'running' && step.now - attempt.lastTickAt >= state.settings.tickMs) {
      const { tick, hash } = nextTick(step, attempt, null)
      const message = { type: 'tick', tick, hash: hash as Tick['prev'] } as const
      attempt.unheard.push({ at: step.now, message })
      step.out.push({ kind: 'send', message })
    }
  }
  if (state.connected && step.now - state.lastHeartbeatAt >= state.settings.heartbeatMs) beat(step)
}

function beat(step: Step): void {
  const { state } = step
  state.heartbeat++
  state.lastHeartbeatAt = step.now
  state.sentAt.set(state.heartbeat, step.now)
  const busy = running(state).map((id) => (state.attempts.get(id) as AgentAttempt).order.resources)
  step.out.push({
    kind: 'send', message: {
      type: 'availability_update', node_id: state.node, heartbeat: state.heartbeat, status: state.stopping ? 'draining' : state.paused ? 'paused' : busy.length > 0 ? 'busy' : 'ready',
      cpu_available: (state.capacity.cpuMillis - busy.reduce((sum, used) => sum + used.cpuMillis, 0)) / 1000,
      mem_available: Math.floor((state.capacity.memoryBytes - busy.reduce((sum, used) => sum + used.memoryBytes, 0)) / MIB), attempts: listAttempts(state),
    },
  })
}

function sealIfDue(step: Step): void {
  const { state } = step
  if (state.unsealed.length === 0 || !state.connected || step.now - state.lastSealAt < state.settings.sealMs) return
  const leaves = state.unsealed.splice(0, LEAVES_MAX)
  state.sealNumber++
  state.lastSealAt = step.now
  step.out.push({ kind: 'seal', number: state.sealNumber, leaves }, { kind: 'journal', record: { type: 'sealed', leaves: leaves.map((leaf) => [leaf.attempt_id, leaf.seq] as const) } })
}
/** When the next clock input is of use, so that the hands need no busy timer. */
export const nextClockMs = (state: AgentState): number => (state.unsealed.length > 0 ? state.settings.sealMs : Math.min(1000, state.settings.heartbeatMs / 2))
