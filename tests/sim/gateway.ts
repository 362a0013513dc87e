// The agents' side of a writer: streams of numbered messages over sockets. A message from an agent is acknowledged only when its command is
// committed, so what a dying writer had not committed is sent again to the next one. After a reload the old streams mean nothing and are gone.
import { isRefusal } from '@lumaris/protocol'
import type { FromAgent, NodeId, ToAgent } from '@lumaris/protocol'
import { merkleRoot } from '@lumaris/protocol'
import type { Command, Effect, Welcomed } from '@lumaris/domain'
import { sha256 } from './world.ts'
import type { World } from './world.ts'
import type { Writer } from './writer.ts'
import type { Connection, UpFrame } from './connection.ts'

/** A socket that said nothing for so long is taken to be dead. */
const SILENT_MS = 45_000
type Stream = { readonly id: string; readonly node: NodeId; session: number; next: number; received: number; unacked: { seq: number; message: ToAgent }[] }
type Socket = { readonly connection: Connection; readonly session: number; readonly stream: Stream }

export class Gateway {
  readonly writer: Writer
  readonly connections = new Set<Connection>()
  /** Connections that ended without a word to us. */
  readonly ghosts = new Set<Connection>()
  readonly sockets = new Map<NodeId, Socket>()
  readonly #world: World
  #streams = new Map<string, Stream>()

  constructor(world: World, writer: Writer) {
    this.#world = world
    this.writer = writer
    this.#watch()
  }

  #watch(): void {
    this.#world.time.after(10_000, () => {
      if (!this.writer.alive) return
      if (!this.writer.paused) {
        for (const { connection } of Array.from(this.sockets.values())) {
          if (this.#world.now - connection.lastUpAt <= SILENT_MS) continue
          if (connection.open) connection.close('gateway')
          else this.lost(connection)
        }
      }
      this.#watch()
    })
  }

  receive(connection: Connection, frame: UpFrame): void {
    const node = connection.process.machine.node
    if (frame.kind === 'hello') {
      // One in four comes from one block of addresses: neighbours under other names.
      const block = this.#world.machines.indexOf(connection.process.machine) % 4 === 0 ? '203.0.113.0/24' : undefined
      this.writer.act({ kind: 'hello', hello: frame.hello, block }, (answer) => this.#welcome(connection, frame, answer))
      return
    }
    const socket = this.sockets.get(node)
    if (socket?.connection !== connection) return
    const { stream } = socket
    if (frame.kind === 'ack') { stream.unacked = stream.unacked.filter((sent) => sent.seq > frame.seq); return }
    if (frame.seq <= stream.received) { this.#world.saw('frame sent again'); connection.down({ kind: 'ack', seq: frame.seq }); return }
    if (frame.seq !== stream.received + 1) this.#world.fail('sim', `frame ${frame.seq} of ${node} after ${stream.received}`, [node])
    stream.received = frame.seq
    if (this.#world.without('ackAfterCommit')) connection.down({ kind: 'ack', seq: frame.seq })
    this.say(node, socket.session, frame.message, (answer) => {
      if (!isRefusal(answer)) connection.down({ kind: 'ack', seq: frame.seq })
    })
  }

  /** Hands a node's word to the engine, under the session of the socket it came by. */
  say(node: NodeId, session: number, message: FromAgent, answer: (answer: unknown) => void = () => undefined): void {
    const command = this.#commandOf(node, session, message)
    if (command) this.writer.act(command, answer)
    else answer({ ok: true })
  }

  #commandOf(node: NodeId, session: number, message: FromAgent): Command | null {
    switch (message.type) {
      case 'availability_update': return { kind: 'heartbeat', node, session, message }
      case 'job_status': return { kind: 'status', node, session, message }
      case 'tick': return { kind: 'tick', node, session, tick: message.tick, hash: message.hash }
      case 'checkpoint': return { kind: 'checkpoint', node, session, message }
      case 'live_ready': case 'receive_failed': return { kind: 'live', node, session, message }
      case 'checkpoint_failed': return { kind: 'moveFailed', node, session, message }
      case 'seal': {
        const { seal, leaves } = message
        if (merkleRoot(sha256, leaves.map((leaf) => leaf.hash)) !== seal.root) this.#world.fail('I18', `the seal ${seal.number} of ${node} has a wrong root`, [node])
        this.#world.saw('seal stored')
        return { kind: 'seal', row: { node, session: seal.session, number: seal.number, root: seal.root, signature: seal.signature, countersignature: '', at: this.writer.now, leaves: leaves.map((leaf) => ({ attempt: leaf.attempt_id, seq: leaf.seq, hash: leaf.hash })) } }
      }
      default: return null
    }
  }

  #welcome(connection: Connection, { hello }: Extract<UpFrame, { kind: 'hello' }>, answer: unknown): void {
    if (!connection.open) return
    if (isRefusal(answer)) {
      if (answer.refusal === 'unavailable') return
      if (answer.refusal === 'node_in_use') this.#world.saw('node in use')
      if (answer.refusal === 'stale_session') this.#world.saw('stale session')
      connection.down({ kind: 'refused', code: answer.refusal })
      return
    }
    const { node, orders, resumed } = answer as Welcomed
    this.#world.saw(resumed ? 'session resumed' : 'session new')
    if (!resumed && orders.some((order) => order.action === 'send_result')) this.#world.saw('result carried into new session')
    const old = this.sockets.get(node.id)
    const known = this.#streams.get(hello.stream_id ?? '')
    const resumes = known !== undefined && known.node === node.id && known.session === node.session
    const stream: Stream = resumes ? known : { id: this.#world.id('stream'), node: node.id, session: node.session, next: 1, received: 0, unacked: [] }
    this.#streams.set(stream.id, stream)
    this.sockets.set(node.id, { connection, session: node.session, stream })
    connection.session = node.session
    if (old && old.connection !== connection) old.connection.close('gateway')
    connection.down({ kind: 'welcome', welcome: {
      type: 'welcome', session: node.session, lease_gen: node.leaseGen, stream_id: stream.id, last_seen: stream.received, heartbeat_ms: this.#world.settings.heartbeatMs, attempts: [...orders],
      http_token: '', platform_key: '',
    } })
    if (!resumes) return
    stream.unacked = stream.unacked.filter((sent) => sent.seq > hello.last_seen)
    for (const sent of stream.unacked) { this.#world.saw('frame sent again'); connection.down({ kind: 'data', ...sent }) }
  }

  carry(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'event' || effect.kind === 'standing' || effect.kind === 'alert' || effect.kind === 'noted') continue
      const socket = this.sockets.get(effect.node)
      if (!socket || socket.session !== effect.session) continue
      if (effect.kind === 'cut') { socket.connection.close('gateway'); continue }
      const sent = { seq: socket.stream.next++, message: effect.message }
      socket.stream.unacked.push(sent)
      socket.connection.down({ kind: 'data', ...sent })
    }
  }

  lost(connection: Connection): void {
    this.ghosts.delete(connection)
    const node = connection.process.machine.node
    const socket = this.sockets.get(node)
    if (socket?.connection !== connection) return // another socket has taken its place
    this.sockets.delete(node)
    this.writer.act({ kind: 'disconnected', node, session: socket.session }, () => undefined)
  }

  pumpAll(): void { for (const connection of Array.from(this.connections)) connection.pumpUp() }

  /** The writer dies or starts afresh: nothing it had heard or said counts any more. */
  closeAll(dying: boolean): void {
    this.sockets.clear()
    this.ghosts.clear()
    this.#streams.clear()
    for (const connection of Array.from(this.connections)) connection.close('gateway', dying && this.#world.chance.happens(0.2))
  }
}
