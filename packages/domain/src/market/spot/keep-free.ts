// Which room is not sold to interruptible work: per pool (nodes of one region and one hardware) as much as firm use grew in windows like the last ones
// (headroom.ts), but never more than a part of the pool. Learned while this writer runs, and not stored: a new one keeps nothing free until it has seen a window.
import type { Capacity, Instant, NodeId, Resources } from '@lumaris/protocol'
import type { NodeRow } from '../../rows.ts'
import { headroom, newHeadroom, sawFirm } from './headroom.ts'
import type { HeadroomRow } from './headroom.ts'

type Room = { readonly cpuMillis: number; readonly gpus: number }
type Pool = { cpuMillis: number; gpus: number; rows: { readonly cpuMillis: HeadroomRow; readonly gpus: HeadroomRow } | null }
const KINDS = ['cpuMillis', 'gpus'] as const

const poolOf = ({ region, capacity: { gpuModel, gpuProfile } }: Pick<NodeRow, 'region' | 'capacity'>): string => `${region}|${gpuModel ?? ''}|${gpuProfile ?? ''}`

export class FirmUse {
  #pools = new Map<string, Pool>()
  /** Under which pool a node's use is counted, and by how many attempts: what it is may change while they run. */
  #nodes = new Map<NodeId, { readonly pool: string; holders: number }>()

  /** Firm work was given room there, or gave it back. */
  hold(node: NodeId, row: NodeRow | undefined, { cpuMillis, gpus }: Pick<Resources, 'cpuMillis' | 'gpus'>, sign: 1 | -1): void {
    let known = this.#nodes.get(node)
    if (!known) { if (!row) { return } known = { pool: poolOf(row), holders: 0 }; this.#nodes.set(node, known) }
    const pool = this.#pool(known.pool)
    pool.cpuMillis += sign * cpuMillis
    pool.gpus += sign * gpus
    known.holders += sign
    if (known.holders === 0) this.#nodes.delete(node)
  }
  #pool(key: string): Pool {
    let pool = this.#pools.get(key)
    if (!pool) { pool = { cpuMillis: 0, gpus: 0, rows: null }; this.#pools.set(key, pool) }
    return pool
  }

  /** What there is to say is said: to be called now and then, or a long silence counts as one even change. */
  saw(now: Instant): void {
    for (const [key, pool] of this.#pools) {
      const { rows } = pool
      if (!rows) { pool.rows = { cpuMillis: newHeadroom(key, pool.cpuMillis, now), gpus: newHeadroom(key, pool.gpus, now) }; continue }
      const cpuMillis = sawFirm(rows.cpuMillis, pool.cpuMillis, now), gpus = sawFirm(rows.gpus, pool.gpus, now)
      if (cpuMillis !== rows.cpuMillis || gpus !== rows.gpus) pool.rows = { cpuMillis, gpus }
    }
  }

  /** What may be sold of each pool, given what these nodes have and what of it is free; asked by node. */
  sellable(nodes: readonly { readonly node: NodeRow; readonly free: Capacity }[], most: number): Sellable {
    const pools = new Map<string, { cpuMillis: number; gpus: number }>(), sums = new Map<string, { readonly all: { cpuMillis: number; gpus: number }; readonly free: { cpuMillis: number; gpus: number } }>()
    for (const { node, free } of nodes) {
      const key = poolOf(node), sum = sums.get(key) ?? { all: { cpuMillis: 0, gpus: 0 }, free: { cpuMillis: 0, gpus: 0 } }
      for (const kind of KINDS) { sum.all[kind] += node.capacity[kind]; sum.free[kind] += Math.max(0, free[kind]) }
      sums.set(key, sum)
    }
    for (const [key, { all, free }] of sums) {
      const rows = this.#pools.get(key)?.rows
      const left = (kind: (typeof KINDS)[number]): number => (rows ? free[kind] - Math.min(headroom(rows[kind]), most * all[kind]) : free[kind])
      pools.set(key, { cpuMillis: left('cpuMillis'), gpus: left('gpus') })
    }
    return {
      units: (node, { cpuMillis, gpus }) => { const left = pools.get(poolOf(node)); return left ? Math.max(0, Math.floor(Math.min(left.cpuMillis / cpuMillis, gpus > 0 ? left.gpus / gpus : Infinity))) : 0 },
      take: (node, { cpuMillis, gpus }, count) => { const left = pools.get(poolOf(node)); if (left) { left.cpuMillis -= count * cpuMillis; left.gpus -= count * gpus } },
    }
  }
}
export type Sellable = { readonly units: (node: NodeRow, each: Room) => number; readonly take: (node: NodeRow, each: Room, count: number) => void }
