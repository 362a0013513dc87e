// One start of an agent: the very `stepAgent` of production, with simulated hands. A journal record is on the disk when its output was carried
// out; a crash may come between two outputs. Sandboxes die with the process. The clock counts suspend and runs up to two percent fast or slow.
import { createAgentState, listAttempts, nextClockMs, restoreAgent, stepAgent } from '@lumaris/domain'
import type { AgentInput, AgentOutput, AgentState, JournalRecord, SandboxEnd } from '@lumaris/domain'
import { REFEREE_NO, merkleRoot } from '@lumaris/protocol'
import type { AttemptId, Cause, FromAgent, Hello, JobDispatch, MeshPeer } from '@lumaris/protocol'
import { Connection } from './connection.ts'
import type { DownFrame } from './connection.ts'
import { sha256 } from './world.ts'
import { INPUT_BYTES } from './people.ts'
import type { World } from './world.ts'
import type { Machine } from './machine.ts'

/** Nothing heard from the market for so long: the connection is dead, whatever TCP says. */
/** Where the program of a job that fails finds what it cannot do. */
const FAILING_BYTE = 500
const SILENT_MS = 30_000
const CONNECT_MS = 20_000
/** A sandbox gets so long to end when it is told to. */
const KILL_GRACE_MS = 4_000
const SIGNATURE = 'x'.repeat(86)
const LIVE_MESH = { public_key: `${'k'.repeat(43)}=`, addresses: [], signature: SIGNATURE }

export type Box = { readonly order: JobDispatch; readonly startedAt: number; runningFrom: number | null; over: boolean; killed: boolean; /** Of a rank of a gang: begins it, once. */ begin: (() => void) | null; saving: boolean; savedAt: number; saved: number; /** It has gone elsewhere while it ran, and waits for the market's word; and what would have happened meanwhile. */ standing: boolean; missed: (() => void) | null }

export class AgentProcess {
  readonly machine: Machine
  readonly boot: string
  readonly clone: boolean
  readonly state: AgentState
  readonly boxes = new Map<AttemptId, Box>()
  /** What comes from other nodes while it runs there: whether all of it is here. */
  readonly guests = new Map<AttemptId, { whole: boolean }>()
  readonly disk: JournalRecord[]
  alive = true
  paused = false
  connection: Connection | null = null
  connectedSince = Infinity
  readonly #world: World
  readonly #rate: number
  readonly #bornAt: number
  #stream: string | null = null
  #next = 1
  #received = 0
  #unacked: { seq: number; message: FromAgent }[] = []
  #backlog: (() => void)[] = []
  #helloSentAt = 0
  /** The longest wait before it connects again. */
  #patience = 5000
  #heardAt = 0
  #meteredAt = 0
  /** Written, and not on the disk yet: only with the guard off. */
  #unsynced: JournalRecord[] = []

  constructor(world: World, machine: Machine, boot: string, clone: boolean) {
    this.#world = world
    this.machine = machine
    this.boot = boot
    this.clone = clone
    this.#bornAt = world.now
    this.#rate = 1 + (world.chance.next() - 0.5) * 0.04
    this.state = createAgentState(machine.node, machine.capacity, undefined, world.guards)
    this.disk = clone ? [...machine.disk] : machine.disk
    restoreAgent(this.state, this.disk)
    world.note(`${machine.node} ${boot} starts with ${this.state.attempts.size} results`)
    this.#tick()
    this.connect()
  }

  get now(): number { return Math.floor(1_000_000 + (this.#world.now - this.#bornAt) * this.#rate) }
  get waiting(): number { return this.#unacked.length }
  describe(): string {
    return `${this.boot} session ${this.state.session} lease ${this.now - this.state.leaseFrom} connected ${this.state.connected} socket ${this.connection?.open} stopping ${[...this.state.attempts.values()].map((one) => `${one.state} ${one.stopping}`).join()} unacked ${this.#unacked.slice(0, 5).map((sent) => `${sent.seq} ${sent.message.type}`).join()}`
  }
  get rate(): number { return this.#rate }

  run(what: () => void): void {
    if (!this.alive) return
    if (this.paused) this.#backlog.push(what)
    else what()
  }
  later(ms: number, what: () => void): void { this.#world.time.after(ms, () => this.run(what)) }

  #tick(): void {
    this.later(nextClockMs(this.state) / this.#rate, () => {
      if (this.#unsynced.length > 0) this.disk.push(...this.#unsynced.splice(0))
      if (this.now - this.#meteredAt >= 5000) {
        this.#meteredAt = this.now
        for (const [id, box] of this.boxes) if (box.runningFrom !== null && !box.over) { this.step({ kind: 'usage', attempt: id, usage: this.#usage(box) }); if (box.order.checkpoint && !box.saving && this.now - box.savedAt >= box.order.checkpoint.everyMs) this.#save(id, false) }
      }
      if (this.alive) this.step({ kind: 'clock' })
      const { connection } = this
      if (this.alive && connection && this.now - this.#heardAt > (this.state.connected ? SILENT_MS : CONNECT_MS)) {
        if (connection.open) connection.close('agent')
        else this.lost(connection)
      }
      this.#tick()
    })
  }

  // The connection

  connect(): void {
    if (!this.alive || this.connection) return
    const { machine } = this, writer = this.#world.writer
    if (!writer || machine.cutUp || machine.cutDown || machine.closed) { this.later(this.#world.chance.between(500, 5000), () => this.connect()); return }
    this.connection = new Connection(this.#world, this, writer.gateway)
    this.#helloSentAt = this.now
    this.#heardAt = this.now
    const hello: Hello = {
      type: 'hello', protocol: 1, node_id: machine.node, boot_id: this.boot, agent_version: '0.1.0', nonce: 'n', signature: SIGNATURE, capacity: machine.capacity,
      drivers: [{ id: 'fake', level: 'namespace', runtimes: ['native', 'python'], limits: {}, gang: true, ...(machine.memory === null ? {} : { memory: machine.memory, live: true }) }], attempts: listAttempts(this.state), last_seen: this.#received, heartbeat: this.state.heartbeat, ...(this.#stream ? { stream_id: this.#stream } : {}),
    }
    this.connection.up({ kind: 'hello', hello })
  }

  lost(connection: Connection): void {
    if (this.connection !== connection) return
    this.connection = null
    this.connectedSince = Infinity
    if (this.state.connected) this.step({ kind: 'disconnected' })
    this.later(this.#world.chance.between(200, this.#patience), () => this.connect())
  }

  receive(connection: Connection, frame: DownFrame): void {
    if (this.connection !== connection) return
    this.#heardAt = this.now
    switch (frame.kind) {
      case 'ack': this.#unacked = this.#unacked.filter((sent) => sent.seq > frame.seq); return
      case 'refused':
        this.#world.note(`${this.machine.node} ${this.boot} is refused: ${frame.code}`)
        if (frame.code === 'node_retired') { this.machine.leave(); return }
        if (frame.code === 'stale_session') { this.machine.exit(this); return }
        this.#patience = frame.code === 'node_in_use' ? 12_000 : 3000
        connection.close('agent')
        return
      case 'welcome': {
        const { welcome } = frame
        if (welcome.stream_id === this.#stream) this.#unacked = this.#unacked.filter((sent) => sent.seq > welcome.last_seen)
        else {
          this.#stream = welcome.stream_id
          this.#received = 0
          this.#next = 1
          this.#unacked = this.#unacked.map(({ message }) => ({ seq: this.#next++, message }))
        }
        for (const sent of this.#unacked) connection.up({ kind: 'data', ...sent })
        this.connectedSince = this.#world.now
        connection.session = welcome.session
        this.step({ kind: 'welcome', welcome, helloSentAt: this.#helloSentAt })
        return
      }
      case 'data':
        if (frame.seq > this.#received) { this.#received = frame.seq; this.step({ kind: 'message', message: frame.message }) }
        connection.up({ kind: 'ack', seq: frame.seq })
    }
  }

  // The core and its hands

  step(input: AgentInput): void {
    if (!this.alive) return
    const out = stepAgent(this.state, input, { now: this.now, wall: Math.floor(1_700_000_000_000 + this.#world.now), hash: sha256 })
    for (const output of out) {
      if (!this.alive) return
      if (this.#world.stormy && out.length > 1 && this.#world.chance.happens(1 / 8000)) { this.#world.saw('agent crash between outputs'); this.machine.crash(this); return }
      if (input.kind === 'clock' && output.kind === 'kill') this.#world.saw('exclusive stopped itself')
      this.#carry(output)
    }
  }

  #carry(output: AgentOutput): void {
    switch (output.kind) {
      case 'journal':
        if (this.#world.without('journalBeforeAccept')) this.#unsynced.push(output.record)
        else this.disk.push(output.record)
        return
      case 'send': this.#send(output.message); return
      case 'seal': {
        const root = merkleRoot(sha256, output.leaves.map((leaf) => leaf.hash)) as never
        this.#send({ type: 'seal', seal: { node: this.machine.node, session: this.state.session, number: output.number, root, count: output.leaves.length, signature: SIGNATURE }, leaves: [...output.leaves] })
        return
      }
      case 'start': this.#start(output.order); return
      case 'join': this.#join(output.attempt, output.peers); return
      case 'leave': if (output.what === 'live') this.#leaveLive(output.attempt, output.peer?.node); else this.#save(output.attempt, true, output.what); return
      case 'readyToLeave': this.step({ kind: 'liveReady', attempt: output.attempt, fence: this.boxes.get(output.attempt)?.order.fence ?? 0, mesh: LIVE_MESH }); return
      case 'stay': this.#stay(output.attempt); return
      case 'receive': {
        const { attempt_id: attempt, fence, peer } = output.order
        if (!peer && this.#world.chance.happens(0.1)) { this.guests.delete(attempt); this.step({ kind: 'receiveFailed', attempt, fence, says: 'no room' }) }
        else if (!peer) { this.guests.set(attempt, { whole: false }); this.step({ kind: 'liveReady', attempt, fence, mesh: LIVE_MESH }) }
        return
      }
      case 'dontReceive': this.guests.delete(output.attempt); return
      case 'kill': this.#kill(output.attempt, output.cause); return
      case 'wipe': this.boxes.delete(output.attempt)
    }
  }

  #send(message: FromAgent): void {
    const sent = { seq: this.#next++, message }
    this.#unacked.push(sent)
    if (message.type === 'job_status') this.#world.note(`${this.machine.node} says ${message.attempt_id} ${message.status}${message.cause ? ` (${message.cause})` : ''}`)
    if (this.state.connected) this.connection?.up({ kind: 'data', ...sent })
  }

  // Sandboxes

  #usage(box: Box) {
    const runMs = box.runningFrom === null ? 0 : Math.max(0, this.now - box.runningFrom)
    return { runMs, cpuMs: Math.floor(runMs / 2), memoryPeakBytes: 1 << 20, diskBytes: 0, outBytes: 0 }
  }

  #start(order: JobDispatch): void {
    const { chance } = this.#world
    const box: Box = { order, startedAt: this.#world.now, runningFrom: null, over: false, killed: false, begin: null, saving: false, savedAt: this.now, saved: order.resume?.number ?? 0, standing: false, missed: null }
    this.boxes.set(order.attempt_id, box)
    this.#world.auditor.boxStarts(this, box)
    const fails = chance.weighted({ no: 100, before: 2, during: 1 })
    // What was kept of earlier attempts need not be done again.
    const { range } = order.terms, share = range ? (range.to - range.from) / INPUT_BYTES : 1
    const wanted = Math.max(100, Number(order.env.LUMARIS_REFEREE === undefined ? order.env.SIM_MS ?? '1000' : 500) * share * (0.7 + 0.6 * chance.next()) - (Number(order.env.SIM_LIMIT ?? order.limits.runMs) - order.limits.runMs)) * this.machine.slowdown
    const begin = (): void => {
      if (box.over || box.killed) return
      if (order.resume?.kind === 'live') {
        const guest = this.guests.get(order.resume.memory!.attempt)
        if (!guest?.whole || (this.#world.stormy && chance.happens(0.2))) { this.guests.delete(order.resume.memory!.attempt); this.#world.saw('what came while it ran was lost'); this.#end(box, { cause: 'driver_failed', exitCode: null, resultDigest: null, detail: 'it is not here' }); return }
        this.guests.delete(order.resume.memory!.attempt)
        this.#world.saw('went on while it ran')
      }
      if (order.resume?.memory && order.resume.memory.maker !== this.machine.memory) this.#world.fail('I28', `${order.attempt_id} is to go on from a memory that ${this.machine.node} cannot restore`, [order.attempt_id, this.machine.node])
      if (order.resume?.memory && chance.happens(0.15)) { this.#world.saw('memory of no use'); this.#end(box, { cause: 'driver_failed', exitCode: null, resultDigest: null, detail: 'its memory could not be restored' }); return }
      if (fails === 'before') { this.#end(box, { cause: 'driver_failed', exitCode: null, resultDigest: null, detail: 'it did not start' }); return }
      box.runningFrom = this.now
      this.step({ kind: 'started', attempt: order.attempt_id })
      const over = wanted > order.limits.runMs
      // The program ends by itself whether or not the agent looks.
      const ends = (): void => {
        if (box.over || !this.alive) return
        if (box.standing) { box.missed = ends; return }
        if (fails === 'during') this.#end(box, { cause: 'driver_failed', exitCode: null, resultDigest: null, detail: 'the sandbox broke' })
        else if (over) this.#end(box, { cause: 'buyer_limit', exitCode: null, resultDigest: null, detail: 'time limit' })
        else {
          if (order.env.LUMARIS_REFEREE !== undefined) { const code = this.#compare(order); this.#end(box, { cause: code === 0 ? 'succeeded' : 'buyer_exit', exitCode: code, resultDigest: sha256(''), detail: null }); return }
          const exitCode = range && !(range.from <= FAILING_BYTE && FAILING_BYTE < range.to) ? 0 : Number(order.env.SIM_EXIT ?? '0')
          const truth = `${range ? `${order.job_id} ${range.from}-${range.to}` : order.task_id} ${exitCode}`
          const digest = sha256(this.machine.honest || !chance.happens(0.5) ? truth : `${truth} as ${this.machine.node} likes it`)
          this.#end(box, { cause: exitCode === 0 ? 'succeeded' : 'buyer_exit', exitCode, resultDigest: digest, detail: null, ...(order.env.SIM_SPELLS && exitCode === 0 ? { files: [this.#spelled(digest)] } : {}) })
        }
      }
      this.#world.time.after(Math.min(wanted, order.limits.runMs) / (fails === 'during' ? 2 : 1), ends)
    }
    this.later(chance.between(20, 2500), () => {
      if (!order.gang) return begin()
      if (box.over || box.killed) return
      box.begin = begin
      this.step({ kind: 'ready', attempt: order.attempt_id, mesh: { public_key: sha256(order.attempt_id).slice(0, 43) + '=', addresses: [] } })
    })
  }

  /** The same thing, said in one of three ways: which is the machine's. */
  #spelled(says: string): SandboxEnd['files'][number] {
    const blob = sha256(`${says} in the way of ${this.machine.node.charCodeAt(this.machine.node.length - 1) % 3}`)
    this.#world.meanings.set(blob, says)
    return { path: 'out' as SandboxEnd['files'][number]['path'], blob: blob as SandboxEnd['files'][number]['blob'], size: 1 }
  }
  /** The buyer's command. Cheats turn its answer around now and then; and some commands break, anywhere or here. */
  #compare(order: JobDispatch): number {
    const { chance, meanings } = this.#world, range = order.inputs.find(({ pieces }) => pieces), [one, other] = order.inputs.filter(({ path }) => /^(one|other|result)\//.test(path)).map(({ blob }) => meanings.get(blob))
    const right = sha256(`${range ? `${order.job_id} ${range.from}-${range.to}` : order.task_id} 0`), yes = order.env.LUMARIS_REFEREE === 'right' ? one === right : one === other
    if (order.env.SIM_SPELLS === 'broken' || chance.happens(0.03)) return 1
    return yes === (this.machine.honest || chance.happens(0.5)) ? 0 : REFEREE_NO
  }

  #join(id: AttemptId, peers: readonly MeshPeer[]): void {
    const box = this.boxes.get(id), begin = box?.begin
    if (!box || !begin) return
    this.#world.auditor.gangStarts(box, peers)
    box.begin = null
    this.later(this.#world.chance.between(5, 200), begin)
  }

  /** It takes a while until the files are with the market, and sometimes they do not get there. */
  #save(id: AttemptId, leaves: boolean, kind: 'files' | 'memory' = 'files'): void {
    const box = this.boxes.get(id), { chance } = this.#world
    if (!box || box.over || box.killed || box.runningFrom === null || box.saving) { if (leaves) this.step({ kind: 'stays', attempt: id, says: 'it does not run' }); return }
    box.saving = true
    const { runMs } = this.#usage(box)
    this.later(chance.between(50, 6_000), () => {
      box.saving = false
      box.savedAt = this.now
      if (box.over || box.killed) return
      // What takes a memory ends the program, whatever comes of it.
      if (kind === 'memory' && chance.happens(0.1)) { this.step({ kind: 'stays', attempt: id, says: 'it could not be taken' }); this.#end(box, { cause: 'driver_failed', exitCode: null, resultDigest: null, detail: 'its memory could not be taken' }); return }
      if (kind === 'files' && chance.happens(0.1)) { if (leaves) this.step({ kind: 'stays', attempt: id, says: 'the market did not take it' }); return }
      const number = ++box.saved, manifest = sha256(`checkpoint ${number} of ${id}`)
      this.#world.auditor.saved(box.order, number, manifest)
      this.step({ kind: 'saved', attempt: id, ...(leaves ? { leaves } : {}), saved: { number, kind, runMs, manifest: manifest as never, manifestSize: 100, size: 1000 }, ...(kind === 'memory' ? { memory: { driver: 'fake', maker: this.machine.memory ?? '', key: 'k'.repeat(43) } } : {}) })
    })
  }

  /** It goes to the other agent itself; should that have gone meanwhile, or the way between them, it runs on here. */
  #leaveLive(id: AttemptId, to: string | undefined): void {
    const box = this.boxes.get(id), { chance } = this.#world
    if (!box || box.over || box.killed || box.runningFrom === null || box.saving) { this.step({ kind: 'stays', attempt: id, says: 'it does not run' }); return }
    box.saving = true
    this.later(chance.between(50, 6_000), () => {
      box.saving = false
      if (box.over || box.killed) return
      const guest = this.#world.machines.find(({ node }) => node === to)?.processes.find(({ alive, paused }) => alive && !paused)?.guests.get(id)
      if (!guest || guest.whole || chance.happens(0.15)) { this.#world.saw('could not leave while it ran'); this.step({ kind: 'stays', attempt: id, says: 'it did not get there' }); return }
      guest.whole = true
      box.standing = true
      this.#world.auditor.boxStands(box)
      const { runMs } = this.#usage(box), number = ++box.saved, manifest = sha256(`${number} of ${id} on its way`)
      this.#world.auditor.saved(box.order, number, manifest)
      this.step({ kind: 'saved', attempt: id, leaves: true, saved: { number, kind: 'live', runMs, manifest: manifest as never, manifestSize: 0, size: 1000 }, memory: { driver: 'fake', maker: this.machine.memory ?? '', key: 'k'.repeat(43) } })
    })
  }
  #stay(id: AttemptId): void {
    const box = this.boxes.get(id)
    if (!box?.standing || box.over || box.killed) return
    this.#world.saw('stayed where it was')
    box.standing = false
    this.#world.auditor.boxGoesOn(box)
    const { missed } = box
    box.missed = null
    missed?.()
  }

  #end(box: Box, end: Pick<SandboxEnd, 'cause' | 'exitCode' | 'resultDigest' | 'detail'> & Partial<Pick<SandboxEnd, 'files'>>): void {
    if (box.over) return
    box.over = true
    this.#world.auditor.boxStops(this, box)
    const usage = this.#usage(box)
    this.run(() => this.step({ kind: 'ended', attempt: box.order.attempt_id, end: { files: [], ...end, usage } }))
  }

  #kill(id: AttemptId, cause: Cause): void {
    const box = this.boxes.get(id)
    this.#world.note(`${this.machine.node} stops ${id} (${cause})`)
    if (!box) { this.run(() => this.step({ kind: 'ended', attempt: id, end: { cause, exitCode: null, usage: { runMs: 0, cpuMs: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }, files: [], resultDigest: null, detail: null } })); return }
    if (box.over) return
    box.killed = true
    this.#world.time.after(this.#world.chance.between(1, KILL_GRACE_MS), () => { if (this.alive) this.#end(box, { cause, exitCode: null, resultDigest: null, detail: null }) })
  }

  // Faults

  /** The process stands still; its sandboxes do not. A watchdog that the agent winds up stops exclusive work when the lease runs out. */
  pause(): void {
    if (this.paused || !this.alive) return
    this.paused = true
    this.#world.note(`${this.machine.node} ${this.boot} stands still`)
    if (!this.#world.guards.selfStop) return
    for (const box of this.boxes.values()) {
      if (box.over || box.order.disconnect !== 'exclusive') continue
      const left = (this.state.leaseFrom + this.state.settings.selfStopMs - this.now) / this.#rate
      this.#world.time.after(Math.max(0, left), () => { if (this.paused && this.alive) this.#end(box, { cause: 'seller_offline', exitCode: null, resultDigest: null, detail: 'watchdog' }) })
    }
  }
  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#world.note(`${this.machine.node} ${this.boot} goes on`)
    for (const what of this.#backlog.splice(0)) this.run(what)
    this.connection?.pumpDown()
  }
  /** Gone, with all that ran in it. */
  die(silently: boolean): void {
    if (!this.alive) return
    this.alive = false
    for (const box of this.boxes.values()) if (!box.over) { box.over = true; this.#world.auditor.boxStops(this, box) }
    this.connection?.close('agent', silently)
  }
}
