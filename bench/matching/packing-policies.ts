// Ours and those it is measured against, on the same arrivals. The peers are written anew from their description, with the simulator's ways that matter: a
// score is a whole number from 0 to 100, and of equal scores the node with the smaller name wins.
import { createPlacement } from '../../packages/domain/src/market/placement/placement.ts'
import type { OpenbNode, Pod, PodList } from './packing-load.ts'
import { seeded } from './packing-load.ts'
import type { Typical } from '../../packages/domain/src/market/placement/view.ts'

/** GPU thousandths allocated when so much was asked for, as a share of all; and how long it took. */
export type Outcome = { readonly at100: number; readonly at130: number; readonly placed: number; readonly decisions: number; readonly seconds: number }
type Placer = (pod: Pod) => boolean
/** `FGD, last` gives ties to the larger name: no published policy, but the stronger FGD on the lists with many pods without GPUs. */
export type PolicyName = 'Random' | 'BestFit' | 'FGD' | 'FGD, last' | 'ours'
export const POLICIES: readonly PolicyName[] = ['Random', 'BestFit', 'FGD', 'FGD, last', 'ours']

export function run(policy: PolicyName, nodes: readonly OpenbNode[], list: PodList, sequence: readonly Pod[], seed: number, gpuMillis: number): Outcome {
  const place = policy === 'ours' ? ours(nodes, list) : policy === 'Random' ? randomly(nodes, list, seed) : scored(nodes, list, policy)
  let asked = 0, allocated = 0, placed = 0, at100 = 0
  const from = performance.now()
  for (const pod of sequence) {
    const size = pod.gpus * pod.gpuMillis
    if (asked <= gpuMillis && asked + size > gpuMillis) at100 = allocated / gpuMillis
    asked += size
    if (place(pod)) { allocated += size; placed++ }
  }
  return { at100: 100 * at100, at130: (100 * allocated) / gpuMillis, placed, decisions: sequence.length, seconds: (performance.now() - from) / 1000 }
}

/** The engine with its policy as it ships. All prices are equal, so packing alone decides. */
function ours(nodes: readonly OpenbNode[], list: PodList): Placer {
  const engine = createPlacement({ typical: list.typical, expect: nodes.length })
  const prices = { start: 0, cpuHour: 10_000, memoryGibHour: 1_000, diskGibHour: 0, gpuHour: 1_000_000, outGib: 0 }
  nodes.forEach((node, id) => engine.putNode({ id, region: 0, hardware: node.model, traits: 0, owner: 0, cpuMillis: node.cpuMillis, memoryMib: node.memoryMib, diskMib: 0, gpus: node.gpus, prices, riskPpm: 0, open: true }))
  const classes = list.kinds.map((pod) => engine.classOf({
    cpuMillis: pod.cpuMillis, memoryMib: pod.memoryMib, diskMib: 0, gpus: pod.gpus, gpuMillis: pod.gpuMillis, regions: 0, hardware: pod.models, traits: 0,
    expectedMs: 3_600_000, limitMs: 3_600_000, outMib: 0, maxCost: Infinity,
  }))
  return (pod) => {
    const found = engine.best(classes[pod.kind] as number)
    return found !== null && engine.reserve(found.node, { ...pod, diskMib: 0 }, found.devices) !== null
  }
}

class Cluster {
  readonly nodes: readonly OpenbNode[]
  readonly cpu: Int32Array
  readonly memory: Int32Array
  readonly gpu: Int32Array
  readonly version: Int32Array
  constructor(nodes: readonly OpenbNode[]) {
    this.nodes = nodes
    this.cpu = Int32Array.from(nodes, (node) => node.cpuMillis)
    this.memory = Int32Array.from(nodes, (node) => node.memoryMib)
    this.gpu = new Int32Array(nodes.length * 8)
    nodes.forEach((node, n) => this.gpu.fill(1000, n * 8, n * 8 + node.gpus))
    this.version = new Int32Array(nodes.length)
  }
  fits(n: number, pod: Pod): boolean {
    if ((this.cpu[n] as number) < pod.cpuMillis || (this.memory[n] as number) < pod.memoryMib) return false
    if (pod.gpus === 0) return true
    if (pod.models !== 0 && (pod.models & (1 << (this.nodes[n] as OpenbNode).model)) === 0) return false
    let fit = 0
    for (let d = n * 8; d < n * 8 + 8; d++) if ((this.gpu[d] as number) >= pod.gpuMillis) fit++
    return fit >= pod.gpus
  }
  freeGpu(n: number): number {
    let sum = 0
    for (let d = n * 8; d < n * 8 + 8; d++) sum += this.gpu[d] as number
    return sum
  }
  /** Takes it from the fullest devices that have it, or a share from `device`. */
  take(n: number, pod: Pod, device = -1): void {
    this.cpu[n] = (this.cpu[n] as number) - pod.cpuMillis
    this.memory[n] = (this.memory[n] as number) - pod.memoryMib
    this.version[n] = (this.version[n] as number) + 1
    if (device >= 0) { this.gpu[n * 8 + device] = (this.gpu[n * 8 + device] as number) - pod.gpuMillis; return }
    const taken = new Set<number>()
    for (let k = 0; k < pod.gpus; k++) {
      let best = -1
      for (let d = n * 8; d < n * 8 + 8; d++) if (!taken.has(d) && (this.gpu[d] as number) >= pod.gpuMillis && (best < 0 || (this.gpu[d] as number) < (this.gpu[best] as number))) best = d
      taken.add(best)
      this.gpu[best] = (this.gpu[best] as number) - pod.gpuMillis
    }
  }
}

function randomly(nodes: readonly OpenbNode[], _list: PodList, seed: number): Placer {
  const cluster = new Cluster(nodes), random = seeded(seed ^ 0x5f356495)
  return (pod) => {
    const fit: number[] = []
    for (let n = 0; n < nodes.length; n++) if (cluster.fits(n, pod)) fit.push(n)
    if (fit.length === 0) return false
    const n = fit[Math.floor(random() * fit.length)] as number
    const devices = [0, 1, 2, 3, 4, 5, 6, 7].filter((d) => (cluster.gpu[n * 8 + d] as number) >= pod.gpuMillis)
    cluster.take(n, pod, pod.gpus === 1 && pod.gpuMillis < 1000 ? (devices[Math.floor(random() * devices.length)] as number) : -1)
    return true
  }
}

/** Scores are kept per kind of pod and node until the node changes: the same answers, a hundred times sooner. */
function scored(nodes: readonly OpenbNode[], list: PodList, policy: 'BestFit' | 'FGD' | 'FGD, last'): Placer {
  const cluster = new Cluster(nodes), fragmentation = new Fragmentation(list.typical)
  const kept = list.kinds.map(() => ({ score: new Int16Array(nodes.length), device: new Int8Array(nodes.length), at: new Int32Array(nodes.length).fill(-1) }))
  const bestFit = (n: number, pod: Pod): number => Math.trunc(100 * (1 - (0.5 * ((cluster.cpu[n] as number) - pod.cpuMillis)) / 128_000 - (0.5 * (cluster.freeGpu(n) - pod.gpus * pod.gpuMillis)) / 8_000))
  return (pod) => {
    const { score, device, at } = kept[pod.kind] as (typeof kept)[number]
    let best = -1
    for (let n = 0; n < nodes.length; n++) {
      if (at[n] !== cluster.version[n]) {
        at[n] = cluster.version[n] as number
        device[n] = -1
        if (!cluster.fits(n, pod)) score[n] = -1
        else if (policy === 'BestFit') score[n] = bestFit(n, pod)
        else { score[n] = fragmentation.score(cluster, n, pod); device[n] = fragmentation.device }
      }
      if ((score[n] as number) >= 0 && (best < 0 || (score[n] as number) > (score[best] as number) || (policy === 'FGD, last' && score[n] === score[best]))) best = n
    }
    if (best < 0) return false
    cluster.take(best, pod, device[best])
    return true
  }
}

/** F of FGD: of a node's idle GPUs, the part that typical pods, by how frequent they are, could not use. */
class Fragmentation {
  readonly #typical: readonly Typical[]
  readonly #share: readonly number[]
  device = -1
  constructor(typical: readonly Typical[]) {
    const sum = typical.reduce((total, one) => total + one.share, 0)
    this.#typical = typical
    this.#share = typical.map((one) => one.share / sum)
  }
  of(model: number, cpu: number, gpu: Int32Array, from: number): number {
    let idle = 0, lost = 0
    for (let d = from; d < from + 8; d++) idle += gpu[d] as number
    if (idle === 0) return 0
    for (let i = 0; i < this.#typical.length; i++) {
      const one = this.#typical[i] as Typical
      if (one.gpus === 0 || cpu < one.cpuMillis || (one.hardware !== 0 && (one.hardware & (1 << model)) === 0)) { lost += (this.#share[i] as number) * idle; continue }
      let fit = 0, small = 0
      for (let d = from; d < from + 8; d++) if ((gpu[d] as number) >= one.gpuMillis) fit++; else small += gpu[d] as number
      lost += (this.#share[i] as number) * (fit >= one.gpus ? small : idle)
    }
    return lost
  }
  score(cluster: Cluster, n: number, pod: Pod): number {
    const { model } = cluster.nodes[n] as OpenbNode, cpu = cluster.cpu[n] as number
    const before = this.of(model, cpu, cluster.gpu, n * 8)
    const scoreOf = (gpu: Int32Array): number => Math.trunc(100 / (1 + Math.exp(-(before - this.of(model, cpu - pod.cpuMillis, gpu, 0)) / 1000)))
    const mine = cluster.gpu.slice(n * 8, n * 8 + 8)
    this.device = -1
    if (pod.gpus !== 1 || pod.gpuMillis === 1000) {
      for (let k = 0, d = 0; k < pod.gpus; d++) if ((mine[d] as number) === 1000) { mine[d] = 1000 - pod.gpuMillis; k++ }
      return scoreOf(mine)
    }
    let best = -1
    for (let d = 0; d < 8; d++) {
      if ((mine[d] as number) < pod.gpuMillis) continue
      mine[d] = (mine[d] as number) - pod.gpuMillis
      const score = scoreOf(mine)
      mine[d] = (mine[d] as number) + pod.gpuMillis
      if (score > best) { best = score; this.device = d }
    }
    return best
  }
}
