// What the placement engine is told and what it answers. Everything is a whole number: memory and disk in MiB (a node's rounded down, a need's up),
// processors in thousandths, prices in micro-credits, so that the same events give the same decisions on every machine.

/** A node as its seller offers it. `id` is a small number that the caller keeps: it is the node's place in the columns, and ties go to the smaller one. */
export type NodeView = {
  readonly id: number
  /** Numbers below 31 each: masks of needs name sets of them. `hardware` is the GPU model, or the architecture of a node without GPUs. */
  readonly region: number; readonly hardware: number
  /** Bits that a need can insist on: drivers, levels, trust, labels. */
  readonly traits: number
  readonly owner: number
  readonly cpuMillis: number; readonly memoryMib: number; readonly diskMib: number; readonly gpus: number
  readonly prices: Prices
  /** Share of the price that is expected to be paid for nothing because the node fails, in millionths. */
  readonly riskPpm: number
  /** A closed node keeps what runs on it and is given nothing. */
  readonly open: boolean
}
export type Prices = { readonly start: number; readonly cpuHour: number; readonly memoryGibHour: number; readonly diskGibHour: number; readonly gpuHour: number; readonly outGib: number }

export type Need = {
  readonly cpuMillis: number; readonly memoryMib: number; readonly diskMib: number
  /** So many devices, each with `gpuMillis` of a thousand free. */
  readonly gpus: number; readonly gpuMillis: number
  /** Sets as bit masks; 0 is any. All bits of `traits` must be there. */
  readonly regions: number; readonly hardware: number; readonly traits: number
  /** What it will probably take: the score is made of it. */
  readonly expectedMs: number
  /** What it may cost at worst: its whole time limit, and all it may write, sent out. */
  readonly limitMs: number; readonly outMib: number; readonly maxCost: number
}

/** What is taken from a node, and put back by handing the same object to `release`. A grant of an earlier life of the node is void. */
export type Grant = {
  readonly node: number; readonly life: number
  readonly cpuMillis: number; readonly memoryMib: number; readonly diskMib: number; readonly gpuMillis: number
  /** Bit d: device d. */
  readonly devices: number
}

/** Micro-credits; the smaller total wins. */
export type Terms = { readonly price: number; readonly risk: number; readonly load: number; readonly fragmentation: number; readonly total: number }

export const REASONS = ['closed', 'region', 'hardware', 'traits', 'cpu', 'memory', 'disk', 'gpu', 'price', 'avoided', 'owner'] as const
export type Reason = (typeof REASONS)[number]
export type Refused = Partial<Record<Reason, number>>

export type Decision = {
  readonly node: number; readonly devices: number; readonly terms: Terms
  readonly runnerUp: { readonly node: number; readonly total: number } | null
  /** Nodes that were scored; those looked at and refused, by reason; all others stand in pools that could not win or were not needed. */
  readonly candidates: number; readonly refused: Refused
}

/** Work that is typical of the market, as shares of all: what is left of a node is worth what such work could still do with it. */
export type Typical = { readonly cpuMillis: number; readonly gpus: number; readonly gpuMillis: number; readonly hardware: number; readonly share: number }

export const DEVICES_MAX = 8
export const DEVICE_MILLIS = 1000
export type Policy = {
  /** Candidates scored per decision in a large market. Mean regret against scoring all: see bench/matching/scale.ts. */
  readonly look: number
  /** Up to so many nodes, all that could win are scored. */
  readonly lookAllBelow: number
  /** What a full node without GPUs costs more than an empty one, as a share of the price, while room is plenty. */
  readonly loadShare: number
  /** What a milli-GPU-hour that nobody can use costs, as a share of its price, when the region is full. */
  readonly shadow: number
  /** Room is never worth less than this share of its full shadow price, so that equals are told apart on an empty market. */
  readonly scarcityFloor: number
}
export const POLICY: Policy = { look: 16, lookAllBelow: 2048, loadShare: 0.1, shadow: 0.25, scarcityFloor: 0.05 }
