// The same answers, slowly: every node asked every time, everything computed anew from what was put and granted. Nothing is shared with the engine but the
// types, the table of steps and the constants, so that the two can only agree by both being right.
import { HARDWARE_MAX, namedOf } from './named.ts'
import { lossSteps, NEXT, NOW, SHARES, sharesOf } from './value.ts'
import { DEVICE_MILLIS, POLICY } from './view.ts'
import type { Grant, Need, NodeView, Policy, Terms, Typical } from './view.ts'

type Free = { cpu: number; memory: number; disk: number; devices: number[] }
type Standing = { view: NodeView; life: number; grants: Set<Grant> }
export type ReferenceDecision = { readonly node: number; readonly devices: number; readonly terms: Terms; readonly candidates: number }

export class Reference {
  readonly #policy: Policy
  readonly #typical: readonly Typical[]
  readonly #weights: readonly number[]
  readonly #nodes = new Map<number, Standing>()
  readonly #lives = new Map<number, number>()

  constructor(policy: Partial<Policy> = {}, typical: readonly Typical[] = []) {
    this.#policy = { ...POLICY, ...policy }
    this.#typical = typical
    this.#weights = sharesOf(typical)
  }

  putNode(view: NodeView): void {
    const known = this.#nodes.get(view.id)
    if (known) { known.view = view; return }
    const life = (this.#lives.get(view.id) ?? 0) + 1
    this.#lives.set(view.id, life)
    this.#nodes.set(view.id, { view, life, grants: new Set() })
  }
  removeNode(node: number): void { this.#nodes.delete(node) }
  /** Books what the engine granted. */
  book(grant: Grant): void { this.#nodes.get(grant.node)?.grants.add(grant) }
  release(grant: Grant): boolean { return this.#nodes.get(grant.node)?.grants.delete(grant) ?? false }

  free(node: number): Free {
    const { view, grants } = this.#nodes.get(node) as Standing
    const free = { cpu: view.cpuMillis, memory: view.memoryMib, disk: view.diskMib, devices: Array.from({ length: 8 }, (_, d): number => (d < view.gpus ? DEVICE_MILLIS : 0)) }
    for (const grant of grants) {
      free.cpu -= grant.cpuMillis
      free.memory -= grant.memoryMib
      free.disk -= grant.diskMib
      free.devices = free.devices.map((left, d) => left - ((grant.devices & (1 << d)) !== 0 ? grant.gpuMillis : 0))
    }
    return free
  }

  best(need: Need, avoid: readonly number[] = [], owners: readonly number[] = []): ReferenceDecision | null {
    let best: ReferenceDecision | null = null
    let candidates = 0
    for (const node of [...this.#nodes.keys()].sort((a, b) => a - b)) {
      const { view } = this.#nodes.get(node) as Standing
      if (!this.fits(node, need) || avoid.includes(node) || owners.includes(view.owner)) continue
      candidates++
      const { terms, devices } = this.score(node, need)
      if (!best || terms.total < best.terms.total) best = { node, devices, terms, candidates }
    }
    return best ? { ...best, candidates } : null
  }

  fits(node: number, need: Need): boolean {
    const { view } = this.#nodes.get(node) as Standing, free = this.free(node)
    const in_ = (mask: number, one: number): boolean => mask === 0 || (mask & (1 << one)) !== 0
    return view.open && in_(need.regions, view.region) && in_(need.hardware, view.hardware) && (view.traits & need.traits) === need.traits
      && free.cpu >= need.cpuMillis && free.memory >= need.memoryMib && free.disk >= need.diskMib
      && (need.gpus === 0 || free.devices.filter((left) => left >= need.gpuMillis).length >= need.gpus)
      && this.#price(view, need, need.limitMs, need.outMib) <= need.maxCost
  }
  #price({ prices }: NodeView, need: Need, ms: number, outMib: number): number {
    const hours = ms / 3_600_000
    const base = prices.start + prices.cpuHour * ((need.cpuMillis / 1000) * hours) + prices.memoryGibHour * ((need.memoryMib / 1024) * hours) + prices.diskGibHour * ((need.diskMib / 1024) * hours)
      + prices.gpuHour * (((need.gpus * need.gpuMillis) / 1000) * hours)
    return Math.round(base + prices.outGib * (outMib / 1024))
  }

  /** Devices as a mask: those the engine must choose. */
  score(node: number, need: Need): { terms: Terms; devices: number } {
    const { view } = this.#nodes.get(node) as Standing, free = this.free(node), policy = this.#policy
    const price = this.#price(view, need, need.expectedMs, 0), risk = Math.round((price * view.riskPpm) / 1_000_000)
    const scarcity = this.#scarcity(view)
    if (view.gpus === 0) {
      const cpu = (free.cpu - need.cpuMillis) / Math.max(1, view.cpuMillis), memory = (free.memory - need.memoryMib) / Math.max(1, view.memoryMib)
      const load = Math.round(price * policy.loadShare * (1 - cpu) * (1 - scarcity))
      const fragmentation = price * policy.shadow * scarcity * (Math.abs(cpu - memory) + (cpu + memory) / 4)
      return { terms: { price, risk, load, fragmentation, total: price + risk + load + fragmentation }, devices: 0 }
    }
    const now = this.value(view.hardware, free.cpu, free.devices)
    let least = Infinity, devices = 0
    for (const mask of this.#choices(free.devices, need)) {
      const left = free.devices.map((one, d) => one - ((mask & (1 << d)) !== 0 ? need.gpuMillis : 0))
      const steps = lossSteps((this.value(view.hardware, free.cpu - need.cpuMillis, left) - now) / (SHARES * SHARES * (NOW + NEXT)))
      if (steps < least) { least = steps; devices = mask }
    }
    const idle = free.devices.reduce((sum, one) => sum + Math.max(0, one), 0) - need.gpus * need.gpuMillis
    const units = 128_000 * least + 32 * idle + (free.cpu - need.cpuMillis) + this.#named(view.hardware) * need.gpus * need.gpuMillis
    const fragmentation = (policy.shadow * 0.04 * (need.expectedMs / 3_600_000) * Math.max(1, view.prices.gpuHour) * scarcity * units) / 128_000
    return { terms: { price, risk, load: 0, fragmentation, total: price + risk + 0 + fragmentation }, devices }
  }
  #named(hardware: number): number {
    const supply = new Float64Array(HARDWARE_MAX)
    for (const { view } of this.#nodes.values()) supply[view.hardware] = (supply[view.hardware] as number) + view.gpus
    return namedOf(this.#typical, supply)[hardware] as number
  }
  /** A share of one device may go on any that has it, the fullest first; more go on the fullest that have it. */
  #choices(devices: readonly number[], need: Need): number[] {
    if (need.gpus === 0) return [0]
    const order = devices.map((left, d) => ({ left, d })).filter((one) => one.left >= need.gpuMillis).sort((a, b) => a.left - b.left || a.d - b.d)
    if (need.gpus > 1 || need.gpuMillis === DEVICE_MILLIS) return [order.slice(0, need.gpus).reduce((mask, one) => mask | (1 << one.d), 0)]
    return order.map((one) => 1 << one.d)
  }
  #scarcity(view: NodeView): number {
    let used = 0, offered = 0
    for (const [node, other] of this.#nodes) {
      if (!other.view.open || other.view.region !== view.region || other.view.gpus > 0 !== view.gpus > 0) continue
      const free = this.free(node)
      const all = view.gpus > 0 ? other.view.gpus * DEVICE_MILLIS : other.view.cpuMillis
      used += all - (view.gpus > 0 ? free.devices.reduce((sum, one) => sum + one, 0) : free.cpu)
      offered += all
    }
    const share = offered <= 0 ? 0 : Math.min(1, Math.max(0, used / offered))
    return this.#policy.scarcityFloor + (1 - this.#policy.scarcityFloor) * share * share
  }

  /** V, as its definition reads. */
  value(hardware: number, cpu: number, devices: readonly number[]): number {
    const sorted = devices.map((one) => Math.max(0, one)).sort((a, b) => a - b)
    const now = this.#lost(hardware, Math.max(0, cpu), sorted)
    let next = 0
    this.#typical.forEach((one, i) => {
      const after = this.#runs(one, hardware, cpu, sorted) ? this.#lost(hardware, cpu - one.cpuMillis, sorted.map(taker(one))) : now
      next += (this.#weights[i] as number) * after
    })
    return NOW * SHARES * now + NEXT * next
  }
  #runs(one: Typical, hardware: number, cpu: number, devices: readonly number[]): boolean {
    return cpu >= one.cpuMillis && (one.gpus === 0 || ((one.hardware === 0 || (one.hardware & (1 << hardware)) !== 0) && devices.filter((left) => left >= one.gpuMillis).length >= one.gpus))
  }
  #lost(hardware: number, cpu: number, devices: readonly number[]): number {
    const sum = (list: readonly number[]): number => list.reduce((total, one) => total + one, 0)
    return this.#typical.reduce((lost, one, i) => lost + (this.#weights[i] as number) * sum(one.gpus > 0 && this.#runs(one, hardware, cpu, devices) ? devices.filter((left) => left < one.gpuMillis) : devices), 0)
  }
}
/** Takes from the first devices, of ascending ones, that have it. */
function taker(one: Typical): (left: number) => number {
  let wanted = one.gpus
  return (left) => (wanted > 0 && left >= one.gpuMillis ? (wanted--, left - one.gpuMillis) : left)
}
