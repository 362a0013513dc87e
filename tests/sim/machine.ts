// A seller's machine: what outlives its agent. The disk, the identity, the network it hangs on.
import type { Capacity, NodeId, UserId } from '@lumaris/protocol'
import type { JournalRecord } from '@lumaris/domain'
import { AgentProcess } from './agent-process.ts'
import type { World } from './world.ts'

export class Machine {
  readonly node: NodeId
  readonly owner: UserId
  readonly capacity: Capacity
  readonly honest: boolean
  /** Which memories it can take and restore. */
  readonly memory: string | null
  disk: JournalRecord[] = []
  process: AgentProcess | null = null
  clone: AgentProcess | null = null
  cutUp = false
  cutDown = false
  /** What starts on it takes so many times as long. */
  slowdown = 1
  /** Its owner has unplugged it: for long partitions. */
  closed = false
  readonly #world: World
  #starts = 0

  constructor(world: World, node: NodeId, owner: UserId, capacity: Capacity, honest: boolean) {
    this.#world = world
    this.node = node
    this.owner = owner
    this.capacity = capacity
    this.honest = honest
    this.memory = Number(node.slice(-2)) % 3 === 0 ? null : 'fake 1'
  }

  get processes(): AgentProcess[] { return [this.process, this.clone].filter((process) => process !== null) }

  /** Its seller has removed it: no agent starts here any more. */
  left = false
  leave(): void {
    this.left = true
    for (const process of this.processes) process.die(false)
    this.clone = null
  }

  start(): void {
    if (this.process?.alive || this.left) return
    this.process = new AgentProcess(this.#world, this, `boot-${this.node.slice(-4)}-${++this.#starts}`, false)
  }

  crash(process: AgentProcess | null): void {
    if (!process?.alive) return
    this.#world.note(`${this.node} ${process.boot} crashes`)
    process.die(this.#world.chance.happens(0.3))
    if (process.clone) { this.clone = null; return }
    if (this.#world.chance.happens(0.15)) { this.#world.saw('journal wiped'); this.#world.note(`${this.node} loses its disk`); this.disk = [] }
    this.#world.time.after(this.#world.chance.between(500, this.#world.stormy ? 90_000 : 5000), () => this.start())
  }

  /** The market knows a newer start of this node: this one ends, and a person starts it again later. */
  exit(process: AgentProcess): void {
    process.die(false)
    if (process.clone) this.clone = null
    else this.#world.time.after(this.#world.chance.between(10_000, 120_000), () => this.start())
  }

  /** The same disk, booted on a second machine. */
  startClone(): void {
    if (this.clone?.alive || !this.process) return
    const clone = new AgentProcess(this.#world, this, `boot-${this.node.slice(-4)}-${++this.#starts}c`, true)
    this.clone = clone
    this.#world.time.after(this.#world.chance.between(20_000, 400_000), () => this.stopClone(clone))
  }
  stopClone(clone = this.clone): void {
    if (!clone) return
    clone.die(false)
    if (this.clone === clone) this.clone = null
  }

  cut(up: boolean, down: boolean): void {
    this.cutUp = up
    this.cutDown = down
    this.#world.note(`${this.node} network: ${up ? 'cut' : 'open'} up, ${down ? 'cut' : 'open'} down`)
    if (up && down) return
    for (const process of this.processes) { if (!up) process.connection?.pumpUp(); if (!down) process.connection?.pumpDown() }
  }
}
