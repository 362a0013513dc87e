// A person's client: asks, and asks again with the same words until there is an answer. Its requests and the answers to them can be lost, and a
// request can arrive twice.
import type { Command } from '@lumaris/domain'
import { isUnavailable } from './writer.ts'
import type { World } from './world.ts'

const PATIENCE_MS = 15_000

export class Client {
  readonly world: World
  /** Calls that have no answer yet (L3). */
  open = 0
  constructor(world: World) {
    this.world = world
    world.clients.push(this)
  }

  ask(command: Command, answered: (answer: unknown) => void): void {
    const { world } = this, { chance } = world
    this.open++
    let over = false
    const attempt = (): void => {
      if (over) return
      const writer = world.writer
      let heard = false
      const again = (): void => { if (!heard && !over) { heard = true; world.time.after(chance.between(300, 3000), attempt) } }
      world.time.after(PATIENCE_MS, again)
      if (!writer) { again(); return }
      const copies = world.stormy && chance.happens(0.02) ? 2 : 1
      for (let i = 0; i < copies; i++) {
        world.time.after(chance.between(1, 30), () => writer.act(command, (answer) => {
          if (world.stormy && chance.happens(0.01)) return // the answer is lost on the way
          world.time.after(chance.between(1, 30), () => {
            world.auditor.answered(command, answer)
            if (over) return
            if (isUnavailable(answer)) { again(); return }
            over = true
            this.open--
            answered(answer)
          })
        }))
      }
    }
    attempt()
  }
}
