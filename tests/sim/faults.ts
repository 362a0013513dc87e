// The storm: at random times, something that can happen happens. Everything it breaks it also mends, at the latest when the storm is over.
import { Writer } from './writer.ts'
import type { World } from './world.ts'

const MEAN_MS = 25_000
const WEIGHTS = {
  writerCrash: 3, writerPause: 4, rival: 1.5, agentCrash: 10, agentPause: 10, suspend: 3, clone: 2, reset: 12, cutUp: 6, cutDown: 6, partition: 8, longPartition: 4, flap: 4, slow: 5,
} as const

export class Storm {
  readonly #world: World
  #writers = 0
  constructor(world: World) {
    this.#world = world
    this.startWriter()
    this.#next()
  }

  startWriter(): void { this.#world.writers.push(new Writer(this.#world, `writer-${++this.#writers}`)) }

  #next(): void {
    this.#world.time.after(this.#world.chance.exponential(MEAN_MS), () => {
      if (!this.#world.stormy) return
      this.#strike()
      this.#next()
    })
  }

  #strike(): void {
    const { chance, time, machines } = this.#world, world = this.#world
    const kind = chance.weighted(WEIGHTS)
    const writer = world.writer
    if (kind === 'writerCrash') {
      if (!writer || writer.paused) return
      world.saw('writer crash')
      writer.crash()
      time.after(chance.between(300, 20_000), () => { if (!world.writer) this.startWriter() })
      return
    }
    if (kind === 'writerPause') {
      if (!writer || writer.paused) return
      const ms = chance.happens(0.5) ? chance.between(100, 8000) : chance.between(12_000, 90_000)
      world.saw('writer pause')
      writer.pause()
      if (ms > 10_000) time.after(10_000 + chance.between(0, 1500), () => { if (writer.paused && world.writer === writer) { world.saw('writer paused past take-over'); this.startWriter() } })
      time.after(ms, () => writer.resume())
      return
    }
    if (kind === 'rival') {
      if (!writer) return
      world.saw('rival writer')
      world.note('* a rival takes over while the writer lives')
      this.startWriter()
      return
    }
    if (machines.length === 0) return
    const machine = chance.pick(machines), process = machine.process
    const cut = (up: boolean, down: boolean, ms: number): void => {
      if (machine.cutUp || machine.cutDown) return
      machine.cut(up, down)
      time.after(ms, () => machine.cut(false, false))
    }
    switch (kind) {
      case 'agentCrash': if (process?.alive) { world.saw('agent crash'); machine.crash(process) } return
      case 'agentPause': case 'suspend': {
        if (!process?.alive || process.paused) return
        world.saw(kind === 'suspend' ? 'machine suspend' : 'agent pause')
        process.pause()
        time.after(kind === 'suspend' ? chance.between(60_000, 1_200_000) : chance.between(500, 70_000), () => process.resume())
        return
      }
      case 'clone': if (process?.alive) { world.saw('clone started'); machine.startClone() } return
      case 'reset': if (process?.connection) { world.saw('connection reset'); process.connection.close('network', chance.happens(0.2)) } return
      case 'cutUp': world.saw('one-way cut up'); cut(true, false, chance.between(1000, 120_000)); return
      case 'cutDown': world.saw('one-way cut down'); cut(false, true, chance.between(1000, 120_000)); return
      case 'flap':
        // The last answer arrives late, and nothing gets through after it: what a lease that is dated from the answer would not survive.
        if (machine.cutUp || machine.cutDown) return
        world.saw('late answers, then silence')
        machine.cut(false, true)
        time.after(chance.between(4000, 11_000), () => machine.cut(true, true))
        time.after(chance.between(18_000, 28_000), () => machine.cut(true, false))
        time.after(chance.between(90_000, 200_000), () => machine.cut(false, false))
        return
      case 'slow':
        if (machine.slowdown > 1) return
        world.saw('machine slow')
        machine.slowdown = chance.between(4, 20)
        world.note(`${machine.node} is ${machine.slowdown} times slower`)
        time.after(chance.between(60_000, 1_200_000), () => { machine.slowdown = 1 })
        return
      case 'partition': world.saw('partition'); cut(true, true, chance.between(1000, 75_000)); return
      case 'longPartition': world.saw('long partition'); cut(true, true, chance.between(75_000, 2_400_000)); return
    }
  }

  /** Everything that was broken is mended. */
  calm(): void {
    const world = this.#world
    world.stormy = false
    world.note('* the storm is over')
    for (const writer of world.writers) writer.resume()
    if (!world.writer) this.startWriter()
    for (const machine of world.machines) {
      machine.cut(false, false)
      machine.stopClone()
      machine.process?.resume()
    }
  }
}
