// The openb nodes and pods as the published study of FGD loads them: pods by name, shuffled by the seed, then pods drawn with replacement appended until
// the next would ask for more than 1.3 times the GPUs there are. Nothing ends, every pod is tried once.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Typical } from '../../packages/domain/src/market/placement/view.ts'
import { cell, readTable } from './traces.ts'

export type OpenbNode = { readonly name: string; readonly cpuMillis: number; readonly memoryMib: number; readonly gpus: number; readonly model: number }
export type Pod = { readonly kind: number; readonly cpuMillis: number; readonly memoryMib: number; readonly gpus: number; readonly gpuMillis: number; /** Models as a mask; 0 is any. */ readonly models: number }
export type PodList = { readonly name: string; readonly pods: readonly Pod[]; /** Distinct pods; a pod's `kind` is its place here. */ readonly kinds: readonly Pod[]; readonly typical: readonly Typical[] }
export type Input = { readonly file: string; readonly sha256: string }
export const LOAD = 1.3

export function readNodes(traces: string, inputs: Input[]): { nodes: OpenbNode[]; models: string[]; gpuMillis: number } {
  const { trace, rows } = readTable(traces, 'openb/openb_node_list_gpu_node.csv', ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'])
  inputs.push({ file: trace.file, sha256: trace.sha256 })
  const models = [...new Set(rows.map((row) => row[4] as string))].sort()
  const nodes = rows.map((row, i) => {
    const at = (column: number, name: string): number => cell(trace.file, i + 2, name, row[column], 0)
    return { name: row[0] as string, cpuMillis: at(1, 'cpu_milli'), memoryMib: at(2, 'memory_mib'), gpus: at(3, 'gpu'), model: models.indexOf(row[4] as string) }
  })
  nodes.sort((a, b) => (a.name < b.name ? -1 : 1)) // ties go to the smaller name, so to the smaller place
  return { nodes, models, gpuMillis: nodes.reduce((sum, node) => sum + node.gpus * 1000, 0) }
}

export const podLists = (traces: string): string[] =>
  readdirSync(join(traces, 'openb')).flatMap((file) => /^openb_pod_list_(\w+)\.csv(?:\.gz)?$/.exec(file)?.[1] ?? []).filter((name, i, all) => all.indexOf(name) === i).sort()

export function readPods(traces: string, name: string, models: readonly string[], inputs: Input[]): PodList {
  const file = `openb/openb_pod_list_${name}.csv`
  const columns = ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli']
  let read: ReturnType<typeof readTable>
  // The lists with more pods of several GPUs name no models at all.
  try { read = readTable(traces, file, [...columns, 'gpu_spec']) } catch { read = readTable(traces, file, columns) }
  const { trace, rows } = read
  inputs.push({ file: trace.file, sha256: trace.sha256 })
  const kinds: Pod[] = [], places = new Map<string, number>()
  const pods = rows.map((row, i) => {
    const at = (column: number): number => cell(trace.file, i + 2, columns[column] as string, row[column], 0)
    const gpus = at(3)
    const masks = gpus === 0 ? [] : (row[5] ?? '').split('|').filter((model) => model !== '').map((model) => models.indexOf(model)).filter((model) => model >= 0)
    const pod = { cpuMillis: at(1), memoryMib: at(2), gpus, gpuMillis: gpus === 0 ? 0 : Math.min(1000, at(4)), models: masks.reduce((mask, model) => mask | (1 << model), 0) }
    const key = JSON.stringify(pod)
    let kind = places.get(key)
    if (kind === undefined) { kind = kinds.length; places.set(key, kind); kinds.push({ kind, ...pod }) }
    return { name: row[0] as string, pod: kinds[kind] as Pod }
  })
  pods.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { name, pods: pods.map((one) => one.pod), kinds, typical: typicalOf(pods.map((one) => one.pod)) }
}

/** Pods that differ in processors, GPUs or models, the most frequent first, until they are 95 % of all: memory is left out, as in the study. */
function typicalOf(pods: readonly Pod[]): Typical[] {
  const counts = new Map<string, Typical>()
  for (const { cpuMillis, gpus, gpuMillis, models } of pods) {
    const key = `${cpuMillis} ${gpus} ${gpuMillis} ${models}`
    counts.set(key, { cpuMillis, gpus, gpuMillis, hardware: models, share: (counts.get(key)?.share ?? 0) + 1 })
  }
  const sorted = [...counts.values()].sort((a, b) => b.share - a.share)
  let sum = 0
  return sorted.slice(0, sorted.findIndex((one) => (sum += one.share) >= 0.95 * pods.length) + 1)
}

/** 32 good bits a call from one 32-bit state: a counter, mixed. */
export function seeded(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

export function arrivals(list: PodList, seed: number, gpuMillis: number): Pod[] {
  const random = seeded(seed), { pods } = list
  const sequence = [...pods]
  for (let i = sequence.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1)), held = sequence[i] as Pod
    sequence[i] = sequence[j] as Pod
    sequence[j] = held
  }
  let asked = sequence.reduce((sum, pod) => sum + pod.gpus * pod.gpuMillis, 0)
  const most = LOAD * gpuMillis
  // Lists of many large pods ask for more than that as they are: pods are struck out at random.
  if (asked > most) {
    while (asked > most) {
      const pod = sequence.splice(Math.floor(random() * sequence.length), 1)[0] as Pod
      asked -= pod.gpus * pod.gpuMillis
    }
    return sequence
  }
  for (;;) {
    const pod = pods[Math.floor(random() * pods.length)] as Pod
    if (asked + pod.gpuMillis > most) return sequence
    asked += pod.gpus * pod.gpuMillis
    sequence.push(pod)
  }
}
