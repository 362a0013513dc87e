// One seed: a market grows up in a storm for some hours, then the storm ends and everything has three hours to come to an end.
import type { UserId } from '@lumaris/protocol'
import { Buyer, Seller } from './people.ts'
import { Storm } from './faults.ts'
import { Operators } from './operators.ts'
import { Purses } from './purses.ts'
import { SEEN, SEEN_DIVIDED } from './seen.ts'
import type { Seen } from './seen.ts'
import { Violation } from './trace.ts'
import { World } from './world.ts'
import type { Options } from './world.ts'

const HOUR_MS = 3_600_000
const CALM_MS = 3 * HOUR_MS
const LOOK_MS = 20_000

export type Outcome = {
  readonly seed: number; readonly hash: string; readonly steps: number; readonly simulatedMs: number; readonly jobs: number; readonly attempts: number; readonly entries: number
  readonly seen: Readonly<Partial<Record<Seen, number>>>
  readonly violation: { readonly invariant: string; readonly message: string; readonly trace: readonly string[] } | null
}

export function simulate(options: Options): Outcome {
  const world = new World(options), { time } = world
  let violation: Outcome['violation'] = null
  try { live(world) } catch (error) {
    const about = error instanceof Violation ? error.about : []
    violation = {
      invariant: error instanceof Violation ? error.invariant : 'bug', message: error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error),
      trace: world.trace.about(about),
    }
  }
  return {
    seed: options.seed, hash: world.trace.hash, steps: time.steps, simulatedMs: Math.round(time.now), jobs: world.db.jobs.size, attempts: world.db.attempts.size, entries: world.db.entries.size,
    seen: Object.fromEntries([...SEEN, ...SEEN_DIVIDED].map((what) => [what, world.seen.get(what) ?? 0])), violation,
  }
}

function live(world: World): void {
  const { time, chance, options } = world
  const storm = new Storm(world)
  const sellers: Seller[] = [], buyers: Buyer[] = []
  const machines = options.machines ?? 6
  // The last two machines have one owner; the third seller cheats.
  for (let i = 0; i < machines; i++) {
    time.after(i < 3 ? 0 : chance.between(0, 600_000), () => sellers.push(new Seller(world, `node-${i}`, `usr_seller${Math.min(i, machines - 2)}` as UserId, i !== 2)))
  }
  for (let i = 0; i < (options.buyers ?? 3); i++) time.after(5000, () => buyers.push(new Buyer(world, `buyer${i}`)))
  const operators = new Operators(world)
  time.after(6_000, () => new Purses(world))
  look(world)
  const stormMs = options.hours * HOUR_MS
  if (!run(world, stormMs)) return
  storm.calm()
  operators.calm()
  for (const seller of sellers) seller.open()
  for (const buyer of buyers) buyer.calm()
  const latest = stormMs + CALM_MS
  while (world.auditor.unfinished() !== null || time.now < stormMs + 60_000) {
    if (time.now > latest) break
    if (!run(world, time.now + 10_000)) return
  }
  const left = world.auditor.unfinished()
  if (left) throw new Violation(left.invariant, `three hours after the storm ${left.message}`, left.about)
  world.auditor.final()
}

function look(world: World): void {
  world.time.after(LOOK_MS, () => {
    world.auditor.watchBoxes()
    if (world.writer?.idle) world.auditor.quiet(world.writer)
    look(world)
  })
}

/** Until that time; false when the steps that were asked for are used up. */
function run(world: World, until: number): boolean {
  const { time, options } = world
  while ((time.next ?? Infinity) <= until) {
    if (options.stepsMax !== undefined && time.steps >= options.stepsMax) return false
    time.step()
  }
  time.now = until
  return true
}
