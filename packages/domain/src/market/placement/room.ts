// Who has room: nodes, their pools, how full each region is, and which classes of need wait for room where. Every change of a node goes through here,
// so lists, sums and wake-ups never disagree with the columns.
import { invariant } from '../../invariant.ts'
import { keyOf, NeedClass } from './classes.ts'
import { enter, leave, Pools } from './grid.ts'
import type { Pool } from './grid.ts'
import { FREE_CPU, FREE_DISK, FREE_MEMORY, HOT, devicesAt, larger, NodeColumns } from './nodes.ts'
import { HARDWARE_MAX, namedOf } from './named.ts'
import { GpuFragmentation, scarcityOf, worstOn } from './score.ts'
import { FragmentationValue } from './value.ts'
import { DEVICES_MAX, DEVICE_MILLIS, REASONS } from './view.ts'
import type { Grant, Need, NodeView, Policy, Typical } from './view.ts'

const CPU = REASONS.indexOf('cpu'), MEMORY = REASONS.indexOf('memory'), DISK = REASONS.indexOf('disk'), GPU = REASONS.indexOf('gpu'), PRICE = REASONS.indexOf('price')

export type Amounts = Pick<Need, 'cpuMillis' | 'memoryMib' | 'diskMib' | 'gpus' | 'gpuMillis'>

export class Room {
  readonly policy: Policy
  readonly nodes = new NodeColumns()
  readonly pools = new Pools()
  readonly classes: NeedClass[] = []
  readonly fragmentation: GpuFragmentation
  readonly #byKey = new Map<string, NeedClass>()
  /** By class, what it needs of processors and devices: columns, because every release goes through them. */
  #cpuOf = new Int32Array(64)
  #gpuOf = new Int32Array(64)
  readonly #woken = new Set<number>()
  /** Per region, nodes without GPUs and with: thousandths in use and offered by open nodes. */
  readonly #used = new Float64Array(64)
  readonly #offered = new Float64Array(64)
  /** GPUs by hardware, and whether what is named of them must be counted again. */
  readonly #supply = new Float64Array(HARDWARE_MAX)
  #typical: readonly Typical[]
  #stale = true
  readonly #sorted = new Int32Array(DEVICES_MAX)

  constructor(policy: Policy, typical: readonly Typical[]) {
    this.policy = policy
    this.#typical = typical
    this.fragmentation = new GpuFragmentation(this.nodes, new FragmentationValue(typical))
  }

  classOf(need: Need): NeedClass {
    const key = keyOf(need)
    let known = this.#byKey.get(key)
    if (!known) {
      invariant(need.gpus === 0 || (need.gpuMillis > 0 && need.gpuMillis <= DEVICE_MILLIS && need.gpus <= DEVICES_MAX), `no device gives ${need.gpuMillis} thousandths`)
      known = new NeedClass(this.classes.length, need, this.policy)
      if (known.index >= this.#cpuOf.length) { this.#cpuOf = larger(this.#cpuOf, 2 * known.index); this.#gpuOf = larger(this.#gpuOf, 2 * known.index) }
      this.#cpuOf[known.index] = need.cpuMillis
      this.#gpuOf[known.index] = need.gpus * need.gpuMillis
      this.classes.push(known)
      this.#byKey.set(key, known)
    }
    return known
  }
  /** What work is typical has changed: everything that was computed of it is void. */
  setTypical(typical: readonly Typical[]): void {
    this.fragmentation.value = new FragmentationValue(typical)
    this.#typical = typical
    this.#stale = true
    for (let node = 0; node < this.nodes.top; node++) if (this.nodes.has(node)) { this.#revalue(node); this.nodes.version[node] = (this.nodes.version[node] as number) + 1 }
  }
  /** To be called before nodes are compared. */
  refresh(): void {
    if (!this.#stale) return
    this.#stale = false
    this.fragmentation.named = namedOf(this.#typical, this.#supply)
  }
  #supplies(node: number, sign: 1 | -1): void {
    const { hardware } = this.pools.all[this.nodes.pool[node] as number] as Pool
    this.#supply[hardware] = (this.#supply[hardware] as number) + sign * (this.nodes.gpus[node] as number)
    this.#stale = true
  }
  scarcity(pool: Pool): number {
    const at = pool.region * 2 + (pool.gpu ? 1 : 0)
    return scarcityOf(this.#used[at] as number, this.#offered[at] as number, this.policy)
  }

  put(view: NodeView): void {
    const { nodes } = this, { id: node } = view
    if (nodes.has(node)) { this.#leave(node); this.#supplies(node, -1) }
    else nodes.count++
    nodes.write(view)
    const before = this.pools.all.length
    const pool = this.pools.of(view)
    nodes.pool[node] = pool.index
    this.#supplies(node, 1)
    this.#revalue(node)
    // A pool that nobody has looked into yet: who sleeps waits here too.
    if (this.pools.all.length > before) for (const one of this.classes) if (one.asleep && one.admits(pool.region, pool.hardware, pool.traits, pool.gpu)) one.shutUnseen(pool)
    if (!view.open) return
    this.#enter(node)
    this.#wake(node)
  }
  remove(node: number): void {
    if (!this.nodes.has(node)) return
    this.#leave(node)
    this.#supplies(node, -1)
    this.nodes.pool[node] = -1
    this.nodes.count--
  }

  /** Null: it is not there, or has no room for it. `devices` 0 takes the fullest that have room. */
  reserve(node: number, amounts: Amounts, devices = 0): Grant | null {
    const { nodes } = this
    if (!nodes.has(node) || this.#lacks(node, amounts) >= 0) return null
    const mask = amounts.gpus === 0 ? 0 : devices === 0 ? nodes.pickDevices(node, amounts.gpus, amounts.gpuMillis) : devices
    let picked = 0
    for (let d = 0; d < DEVICES_MAX; d++) if ((mask & (1 << d)) !== 0) { picked++; if ((nodes.devices[devicesAt(node) + d] as number) < amounts.gpuMillis) return null }
    if (picked !== amounts.gpus) return null
    const grant: Grant = { node, life: nodes.life[node] as number, cpuMillis: amounts.cpuMillis, memoryMib: amounts.memoryMib, diskMib: amounts.diskMib, gpuMillis: amounts.gpus === 0 ? 0 : amounts.gpuMillis, devices: mask }
    this.#move(grant, -1)
    return grant
  }
  /** False: the node has gone since, and what was reserved with it. */
  release(grant: Grant): boolean {
    if (!this.nodes.has(grant.node) || this.nodes.life[grant.node] !== grant.life) return false
    this.#move(grant, 1)
    if ((this.nodes.cell[grant.node] as number) >= 0) this.#wake(grant.node)
    return true
  }
  takeWoken(): number[] {
    if (this.#woken.size === 0) return []
    const woken = [...this.#woken]
    this.#woken.clear()
    return woken
  }

  /** Why a node cannot take so much now, whatever it costs: a place in REASONS, -1 when it can. Asked many times for every decision. */
  #lacks(node: number, amounts: Amounts): number {
    const { nodes } = this
    if ((nodes.hot[node * HOT + FREE_CPU] as number) < amounts.cpuMillis) return CPU
    if ((nodes.hot[node * HOT + FREE_MEMORY] as number) < amounts.memoryMib) return MEMORY
    if ((nodes.hot[node * HOT + FREE_DISK] as number) < amounts.diskMib) return DISK
    if (amounts.gpus === 0) return -1
    const { devices } = nodes, { gpuMillis } = amounts
    let fit = 0
    for (let at = devicesAt(node), end = at + DEVICES_MAX; at < end; at++) if ((devices[at] as number) >= gpuMillis) fit++
    return fit >= amounts.gpus ? -1 : GPU
  }
  /** Why a node of an admitted pool cannot take it, as a place in REASONS; -1: it can. */
  refuses(node: number, need: NeedClass): number {
    const lacks = this.#lacks(node, need.need)
    return lacks >= 0 ? lacks : need.capped && worstOn(this.nodes, node, need) > need.need.maxCost ? PRICE : -1
  }
  #move(grant: Grant, sign: 1 | -1): void {
    const { nodes } = this, { node } = grant
    nodes.hot[node * HOT + FREE_CPU] = (nodes.hot[node * HOT + FREE_CPU] as number) + sign * grant.cpuMillis
    nodes.hot[node * HOT + FREE_MEMORY] = (nodes.hot[node * HOT + FREE_MEMORY] as number) + sign * grant.memoryMib
    nodes.hot[node * HOT + FREE_DISK] = (nodes.hot[node * HOT + FREE_DISK] as number) + sign * grant.diskMib
    let taken = 0
    if (grant.devices !== 0) {
      for (let d = 0, at = devicesAt(node); d < DEVICES_MAX; d++, at++) {
        if ((grant.devices & (1 << d)) === 0) continue
        nodes.devices[at] = (nodes.devices[at] as number) + sign * grant.gpuMillis
        taken += grant.gpuMillis
      }
    }
    nodes.version[node] = (nodes.version[node] as number) + 1
    this.#revalue(node)
    const cell = nodes.cell[node] as number
    if (cell < 0) return
    const pool = this.pools.all[nodes.pool[node] as number] as Pool, at = pool.region * 2 + (pool.gpu ? 1 : 0)
    this.#used[at] = (this.#used[at] as number) - sign * (pool.gpu ? taken : grant.cpuMillis)
    const to = nodes.cellOf(node)
    if (to !== cell) { leave(pool, nodes, node); enter(pool, nodes, node, to) }
  }
  #enter(node: number): void {
    const { nodes } = this, pool = this.pools.all[nodes.pool[node] as number] as Pool, at = pool.region * 2 + (pool.gpu ? 1 : 0)
    enter(pool, nodes, node, nodes.cellOf(node))
    nodes.open++
    this.#used[at] = (this.#used[at] as number) + nodes.used(node)
    this.#offered[at] = (this.#offered[at] as number) + nodes.offered(node)
  }
  #leave(node: number): void {
    const { nodes } = this
    if ((nodes.cell[node] as number) < 0) return
    const pool = this.pools.all[nodes.pool[node] as number] as Pool, at = pool.region * 2 + (pool.gpu ? 1 : 0)
    leave(pool, nodes, node)
    nodes.open--
    this.#used[at] = (this.#used[at] as number) - nodes.used(node)
    this.#offered[at] = (this.#offered[at] as number) - nodes.offered(node)
  }
  #revalue(node: number): void {
    const { nodes } = this
    if ((nodes.gpus[node] as number) === 0) { nodes.value[node] = 0; return }
    nodes.sorted(node, this.#sorted)
    nodes.value[node] = this.fragmentation.value.value((this.pools.all[nodes.pool[node] as number] as Pool).hardware, Math.max(0, nodes.hot[node * HOT + FREE_CPU] as number), this.#sorted)
  }

  /** The node has gained room, or is new: classes that found no place in its pool, and would find one on it now, may look again. */
  #wake(node: number): void {
    const { nodes, classes } = this, pool = this.pools.all[nodes.pool[node] as number] as Pool, { blocked } = pool
    const cpu = nodes.hot[node * HOT + FREE_CPU] as number
    let idle = 0
    for (let at = devicesAt(node), end = at + DEVICES_MAX; at < end; at++) idle += Math.max(0, nodes.devices[at] as number)
    for (let i = blocked.length - 1; i >= 0; i--) {
      const index = blocked[i] as number
      // A hundred classes may wait in a pool, and most need far more than this.
      if ((this.#cpuOf[index] as number) > cpu || (this.#gpuOf[index] as number) > idle) continue
      const need = classes[index] as NeedClass
      if (this.refuses(node, need) >= 0) continue
      const last = blocked.pop() as number
      if (i < blocked.length) blocked[i] = last
      need.reopen(pool)
      this.#rouse(need)
    }
  }
  #rouse(need: NeedClass): void {
    if (!need.asleep) return
    need.asleep = false
    this.#woken.add(need.index)
  }
}
