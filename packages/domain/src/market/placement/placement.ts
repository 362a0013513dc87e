// The placement engine: it keeps the nodes with what is free on them, and answers where a need goes best, why, and whom a release wakes. Pure: no clock,
// no chance, and the same calls give the same answers. `reference.ts` says the same slowly.
//
//   putNode / removeNode        a node appears, changes its terms, closes, goes
//   classOf(need)               a number for a need; ask once, keep it
//   best(class, avoid, owners)  where, with the terms of the score; null: nowhere, and the class sleeps
//   reserve / release           room is taken and given back; a release wakes the sleeping classes that fit now, see takeWoken
//   scan(class)                 the exact best, by asking everybody; slow
//   explain(class)              every node by reason; slow, for the buyer who asks why
import { FREE_CPU, FREE_DISK, FREE_MEMORY, HOT, devicesAt } from './nodes.ts'
import { Room } from './room.ts'
import type { Amounts } from './room.ts'
import { NOBODY, Search } from './search.ts'
import type { NeedClass } from './classes.ts'
import type { Pool } from './grid.ts'
import { POLICY, REASONS } from './view.ts'
import type { Decision, Grant, Need, NodeView, Policy, Refused, Typical } from './view.ts'

export type PlacementOptions = { readonly policy?: Partial<Policy>; readonly typical?: readonly Typical[]; /** Nodes to make place for at once. */ readonly expect?: number }

export function createPlacement(options: PlacementOptions = {}): Placement {
  return new Placement({ ...POLICY, ...options.policy }, options.typical ?? [], options.expect ?? 0)
}

export class Placement {
  readonly #room: Room
  readonly #search: Search
  constructor(policy: Policy, typical: readonly Typical[], expect: number) {
    this.#room = new Room(policy, typical)
    this.#room.nodes.reserve(expect)
    this.#search = new Search(this.#room)
  }

  get nodes(): number { return this.#room.nodes.count }
  get pools(): number { return this.#room.pools.all.length }

  putNode(view: NodeView): void { this.#room.put(view) }
  /** What is reserved on it is forgotten; releasing it later does nothing. */
  removeNode(node: number): void { this.#room.remove(node) }
  setTypical(typical: readonly Typical[]): void { this.#room.setTypical(typical) }

  classOf(need: Need): number { return this.#room.classOf(need).index }
  needOf(index: number): Need { return this.#class(index).need }
  /** Nodes in `avoid` and of `owners` are left out for this question only. */
  best(index: number, avoid: readonly number[] = NOBODY, owners: readonly number[] = NOBODY): Decision | null { return this.#search.best(this.#class(index), avoid, owners) }
  /** The exact answer, by asking every node: for measuring, not for markets. */
  scan(index: number): Decision | null { return this.#search.scan(this.#class(index)) }
  asleep(index: number): boolean { return this.#class(index).asleep }
  /** Classes that slept and may find a place since the last call, in the order in which they woke. */
  takeWoken(): number[] { return this.#room.takeWoken() }

  reserve(node: number, amounts: Amounts, devices = 0): Grant | null { return this.#room.reserve(node, amounts, devices) }
  release(grant: Grant): boolean { return this.#room.release(grant) }

  /** How many nodes refuse for which reason, and how many would take it. */
  explain(index: number): { readonly fits: number; readonly refused: Refused } {
    const { nodes, pools } = this.#room, need = this.#class(index)
    const refused: Refused = {}
    let fits = 0
    for (let node = 0; node < nodes.top; node++) {
      if (!nodes.has(node)) continue
      const pool = pools.all[nodes.pool[node] as number] as Pool
      const reason = (nodes.cell[node] as number) < 0 ? 'closed' : this.#mismatch(pool, need) ?? REASONS[this.#room.refuses(node, need)]
      if (reason === undefined) fits++
      else refused[reason] = (refused[reason] ?? 0) + 1
    }
    return { fits, refused }
  }
  #mismatch(pool: Pool, { need }: NeedClass): 'region' | 'hardware' | 'traits' | 'gpu' | null {
    if (need.regions !== 0 && (need.regions & (1 << pool.region)) === 0) return 'region'
    if (need.hardware !== 0 && (need.hardware & (1 << pool.hardware)) === 0) return 'hardware'
    if ((need.traits & pool.traits) !== need.traits) return 'traits'
    return need.gpus > 0 && !pool.gpu ? 'gpu' : null
  }

  #class(index: number): NeedClass {
    const need = this.#room.classes[index]
    if (!need) throw new RangeError(`no class ${index}`)
    return need
  }

  /** For tests and audits: what is free on a node. */
  free(node: number): { readonly cpuMillis: number; readonly memoryMib: number; readonly diskMib: number; readonly devices: readonly number[] } {
    const { nodes } = this.#room
    return { cpuMillis: nodes.hot[node * HOT + FREE_CPU] as number, memoryMib: nodes.hot[node * HOT + FREE_MEMORY] as number, diskMib: nodes.hot[node * HOT + FREE_DISK] as number, devices: [...nodes.devices.subarray(devicesAt(node), devicesAt(node) + (nodes.gpus[node] as number))] }
  }
}
