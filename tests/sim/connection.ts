// One connection between an agent and a writer's gateway, as TCP gives it: frames arrive in order, or not at all because the connection is gone.
// While one way is cut, its frames wait. Each side learns of an end when the network lets it. Now and then the network keeps a copy of a message
// and hands it over much later, past the connection it belonged to: the fences must hold against that too.
import type { FromAgent, Hello, RefusalCode, ToAgent, Welcome } from '@lumaris/protocol'
import type { World } from './world.ts'
import type { Gateway } from './gateway.ts'
import type { AgentProcess } from './agent-process.ts'

export type UpFrame = { readonly kind: 'hello'; readonly hello: Hello } | { readonly kind: 'data'; readonly seq: number; readonly message: FromAgent } | { readonly kind: 'ack'; readonly seq: number }
export type DownFrame =
  | { readonly kind: 'welcome'; readonly welcome: Welcome } | { readonly kind: 'refused'; readonly code: RefusalCode }
  | { readonly kind: 'data'; readonly seq: number; readonly message: ToAgent } | { readonly kind: 'ack'; readonly seq: number }
type Queued<Frame> = { readonly at: number; readonly frame: Frame }
const OLD_MESSAGE = 0.004
const mayBeOld = (message: FromAgent): boolean => message.type === 'availability_update' || (message.type === 'job_status' && !message.final)

export class Connection {
  open = true
  readonly process: AgentProcess
  readonly gateway: Gateway
  /** Known to the gateway after its hello went through. */
  session = 0
  lastUpAt: number
  readonly #world: World
  #up: Queued<UpFrame>[] = []
  #down: Queued<DownFrame>[] = []
  readonly #arrived = new WeakSet<UpFrame>()
  #lastUp = 0
  #lastDown = 0

  constructor(world: World, process: AgentProcess, gateway: Gateway) {
    this.#world = world
    this.process = process
    this.gateway = gateway
    this.lastUpAt = world.now
    gateway.connections.add(this)
  }

  #latency(): number { return this.#world.chance.happens(0.01) ? this.#world.chance.between(50, 1500) : this.#world.chance.between(1, 40) }

  up(frame: UpFrame): void {
    if (!this.open) return
    this.#lastUp = Math.max(this.#lastUp, this.#world.now + this.#latency())
    this.#up.push({ at: this.#lastUp, frame })
    this.#world.time.at(this.#lastUp, () => this.pumpUp())
    // Not what carries ticks: a chain that is torn by the network cannot be told from one that a seller tore, and the link never reorders.
    if (this.#world.stormy && frame.kind === 'data' && mayBeOld(frame.message) && this.#world.chance.happens(OLD_MESSAGE)) {
      const { session } = this, { message } = frame, node = this.process.machine.node
      this.#world.time.after(this.#world.chance.between(100, 300_000), () => {
        // Old means later than the first time: a copy that overtook it would be a reordering, which the link rules out.
        if (!this.#world.stormy || session === 0 || !this.#arrived.has(frame)) return
        this.#world.saw('old message to market')
        this.#world.writer?.gateway.say(node, session, message)
      })
    }
  }
  down(frame: DownFrame): void {
    if (!this.open) return
    this.#lastDown = Math.max(this.#lastDown, this.#world.now + this.#latency())
    this.#down.push({ at: this.#lastDown, frame })
    this.#world.time.at(this.#lastDown, () => this.pumpDown())
    if (this.#world.stormy && frame.kind === 'data' && this.#world.chance.happens(OLD_MESSAGE)) {
      const { machine } = this.process, { message } = frame
      this.#world.time.after(this.#world.chance.between(100, 300_000), () => {
        if (!this.#world.stormy) return
        this.#world.saw('old message to agent')
        const agent = machine.process
        agent?.run(() => agent.step({ kind: 'message', message }))
      })
    }
  }

  pumpUp(): void {
    const { writer } = this.gateway
    while (this.open && writer.alive && !writer.paused && !this.process.machine.cutUp) {
      const first = this.#up[0]
      if (!first || first.at > this.#world.now) return
      this.#up.shift()
      this.#arrived.add(first.frame)
      this.lastUpAt = this.#world.now
      this.gateway.receive(this, first.frame)
    }
  }
  pumpDown(): void {
    while (this.open && this.process.alive && !this.process.paused && !this.process.machine.cutDown) {
      const first = this.#down[0]
      if (!first || first.at > this.#world.now) return
      this.#down.shift()
      this.process.receive(this, first.frame)
    }
  }

  /** Ends it. The side that did it knows at once and the other after a while, or only by its silence when the way there is cut. */
  close(by: 'agent' | 'gateway' | 'network', silently = false): void {
    if (!this.open) return
    this.open = false
    this.#up = []
    this.#down = []
    this.gateway.connections.delete(this)
    if (by === 'agent') this.process.lost(this)
    if (by === 'gateway') this.gateway.lost(this)
    if (silently) { this.gateway.ghosts.add(this); return }
    if (by !== 'agent') this.#world.time.after(this.#latency(), () => { if (!this.process.machine.cutDown) this.process.run(() => this.process.lost(this)) })
    if (by !== 'gateway') {
      if (this.process.machine.cutUp) this.gateway.ghosts.add(this)
      else this.#world.time.after(this.#latency(), () => this.gateway.writer.run(() => this.gateway.lost(this)))
    }
  }
}
