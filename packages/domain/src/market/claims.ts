// Places kept for the overdue. Work that has waited beyond its patience and finds no room claims the node where room is sure to come first, counted by
// time limits, not by expectations: what runs there cannot run longer. Until then others may use that node only if they are over before, or fit beside
// it. Claims live for one turn: the overdue are asked again at every turn, oldest first, and running work only ends earlier than its limit, so a
// claim never moves to a later time (market/order/bound.ts).
import type { Instant, NodeId, Resources } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { EMPTY_CAPACITY } from '../state.ts'
import type { MarketState } from '../state.ts'
import { holdsNode } from '../job/lifecycle.ts'
import { isKin, isNear, isOpen, isPaused, obstacles } from './filter.ts'
import type { Requirement } from './requirement.ts'

type Claim = { at: Instant; readonly resources: Resources }
type Amounts = Pick<Resources, 'cpuMillis' | 'memoryBytes' | 'diskBytes' | 'gpus'>
type Now = { readonly state: MarketState; readonly now: Instant }

export class Claims {
  #ofNode = new Map<NodeId, Claim[]>()
  get size(): number { return this.#ofNode.size }
  nodes(): Iterable<NodeId> { return this.#ofNode.keys() }
  has(node: NodeId): boolean { return this.#ofNode.has(node) }

  /** May this be placed there, so many times, without delaying whoever the node is kept for? */
  leave({ state, now }: Now, node: NodeRow, need: Requirement, times = 1): boolean {
    const claims = this.#ofNode.get(node.id)
    if (!claims || claims.every(({ at }) => now + need.spec.limits.runMs <= at)) return true
    const used = state.reserved.get(node.id) ?? EMPTY_CAPACITY
    return fits(node.capacity, [used, ...Array.from({ length: times }, () => need.spec.resources), ...claims.map(({ resources }) => resources)])
  }

  /** Claims the node where it can be sure to start first. Nowhere to claim (the only nodes that could are away): then nothing is kept. */
  make(now: Now, need: Requirement): void {
    const best = this.#soonest(now, need, () => true)
    if (best) this.keep(best.node.id, best.at, need.spec.resources)
  }

  /** Claims a seat for every rank of a gang, or nothing. It starts with the last of them: until then whoever is over before may have the others. */
  makeGang(now: Now, need: Requirement, ranks: number): void {
    const nodes: NodeRow[] = [], mine: Claim[] = [], { spread } = need.spec.placement
    while (mine.length < ranks) {
      const best = this.#soonest(now, need, (node) => spread === undefined || !nodes.some((other) => isNear(node, other, spread)))
      if (!best) { for (const [node, claims] of this.#ofNode) this.#put(node, claims.filter((claim) => !mine.includes(claim))); return }
      nodes.push(best.node)
      mine.push(this.keep(best.node.id, best.at, need.spec.resources))
    }
    const at = Math.max(...mine.map((claim) => claim.at))
    for (const claim of mine) claim.at = at
  }

  #soonest({ state, now }: Now, need: Requirement, may: (node: NodeRow) => boolean): { node: NodeRow; at: Instant } | null {
    let best: { node: NodeRow; at: Instant } | null = null
    for (const node of state.nodes.values()) {
      if (!isOpen(state, node) || need.avoid.includes(node.id) || need.owners.includes(node.owner) || need.beside?.some((other) => isKin(node, other)) || obstacles(node, need).length > 0 || isPaused(state, node, need) || !may(node)) continue
      const at = this.#roomAt(state, node, need.spec.resources, now)
      if (at !== null && (!best || at < best.at)) best = { node, at }
    }
    return best
  }

  keep(node: NodeId, at: Instant, resources: Resources): Claim {
    const claim = { at, resources }, claims = this.#ofNode.get(node)
    if (claims) claims.push(claim)
    else this.#ofNode.set(node, [claim])
    return claim
  }
  #put(node: NodeId, claims: Claim[]): void {
    if (claims.length > 0) this.#ofNode.set(node, claims)
    else this.#ofNode.delete(node)
  }

  #roomAt(state: MarketState, node: NodeRow, resources: Resources, now: Instant): Instant | null {
    const kept = (this.#ofNode.get(node.id) ?? []).map((claim) => claim.resources)
    const running = [...(state.attemptsByNode.get(node.id) ?? [])].flatMap((id) => {
      const attempt = state.attempts.get(id), spec = attempt && state.jobs.get(attempt.job)?.row.spec
      return attempt && spec && holdsNode(attempt.state) ? [{ until: (attempt.startedAt ?? attempt.offeredAt) + spec.limits.runMs + state.settings.overrunMs, resources: spec.resources }] : []
    }).sort((a, b) => a.until - b.until)
    for (let gone = 0; gone <= running.length; gone++) {
      if (!fits(node.capacity, [resources, ...kept, ...running.slice(gone).map((one) => one.resources)])) continue
      return gone === 0 ? now : Math.max(now, (running[gone - 1] as { until: Instant }).until)
    }
    return null
  }
}

function fits(capacity: Amounts, all: readonly Amounts[]): boolean {
  let cpuMillis = 0, memoryBytes = 0, diskBytes = 0, gpus = 0
  for (const one of all) { cpuMillis += one.cpuMillis; memoryBytes += one.memoryBytes; diskBytes += one.diskBytes; gpus += one.gpus }
  return cpuMillis <= capacity.cpuMillis && memoryBytes <= capacity.memoryBytes && diskBytes <= capacity.diskBytes && gpus <= capacity.gpus
}
