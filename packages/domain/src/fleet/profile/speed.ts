// How quick a node is at a kind of work. The time of an attempt is its reference time × a factor of (hardware class × job class) × a factor of the node. Factors are
// learned as means of logarithms from attempts that ended: a job that takes twice as long and one that takes half as long cancel out.
//
// Each level is shrunk towards the one above it by how often it was seen (empirical Bayes): node → cell of hardware and job class → hardware class → 1.
import type { NodeId } from '@lumaris/protocol'
import { exp, ln } from './powers.ts'

/** Mean and spread of log-ratios. `runs` stops growing at RUNS_KEPT, from where on the mean follows newer runs. Plain numbers: a row of the store. */
export type LogMean = { readonly runs: number; readonly mean: number; readonly square: number }
/** Class "gpu-a100", job class "train"; a row with job null speaks for the whole hardware class. */
export type SpeedCellRow = { readonly hardware: string; readonly job: string | null; readonly ratio: LogMean }
export type SpeedNodeRow = { readonly node: NodeId; readonly ratio: LogMean }

/** Runs after which a level counts as much as the level above it. Applications vary by 2–4 % within one machine, cache-heavy ones by 15 %: three runs say most of it. */
const CELL_STRENGTH = 3, NODE_STRENGTH = 3
/** After so many runs the oldest fade: a driver update, or a fan full of dust, shows within a hundred runs. */
export const RUNS_KEPT = 50
/** A ratio outside 1/8 … 8 says that the hint was wrong, not the machine; it counts as its bound. */
const RATIO_MAX = 8
/** Spread of one run before any was seen: ±50 %. */
const UNSEEN_SPREAD = 0.4

export const UNSEEN: LogMean = { runs: 0, mean: 0, square: 0 }

/** One finished attempt: metered time beside the time the same work takes on the reference machine, both in milliseconds. */
export type SpeedRun = { readonly meteredMs: number; readonly referenceMs: number }
export type SpeedRows = { readonly hardware: SpeedCellRow; readonly cell: SpeedCellRow; readonly node: SpeedNodeRow }
export const newSpeed = (node: NodeId, hardware: string, job: string): SpeedRows =>
  ({ hardware: { hardware, job: null, ratio: UNSEEN }, cell: { hardware, job, ratio: UNSEEN }, node: { node, ratio: UNSEEN } })

function added(to: LogMean, value: number): LogMean {
  const runs = Math.min(to.runs + 1, RUNS_KEPT)
  const off = value - to.mean, mean = to.mean + off / runs
  return { runs, mean, square: to.square + (off * (value - mean) - to.square) / runs }
}
const shrunk = (ratio: LogMean, strength: number): number => (ratio.runs * ratio.mean) / (ratio.runs + strength)

/** Each level learns what the others do not explain already. Runs without a time, or without a reference, teach nothing. */
export function learnSpeed(rows: SpeedRows, run: SpeedRun): SpeedRows {
  const times = run.meteredMs / run.referenceMs
  if (!(run.meteredMs > 0) || !(run.referenceMs > 0) || Number.isNaN(times)) return rows
  const ratio = ln(Math.max(1 / RATIO_MAX, Math.min(RATIO_MAX, times)))
  const ofHardware = shrunk(rows.hardware.ratio, CELL_STRENGTH), ofCell = shrunk(rows.cell.ratio, CELL_STRENGTH), ofNode = shrunk(rows.node.ratio, NODE_STRENGTH)
  return {
    hardware: { ...rows.hardware, ratio: added(rows.hardware.ratio, ratio - ofNode) },
    cell: { ...rows.cell, ratio: added(rows.cell.ratio, ratio - ofHardware - ofNode) },
    node: { ...rows.node, ratio: added(rows.node.ratio, ratio - ofHardware - ofCell) },
  }
}

/** `factor` × reference time is what the work takes; one run in six takes longer than `slow` × reference time. `runs` of this node and this cell stand behind it. */
export type SpeedForecast = { readonly factor: number; readonly slow: number; readonly runs: number }
export function forecastSpeed(rows: SpeedRows): SpeedForecast {
  const { hardware, cell, node } = rows
  const log = shrunk(hardware.ratio, CELL_STRENGTH) + shrunk(cell.ratio, CELL_STRENGTH) + shrunk(node.ratio, NODE_STRENGTH)
  // What a run varies by, and what is not known yet about cell and node; both vanish towards the measured spread as runs come in.
  const varies = (node.ratio.runs * node.ratio.square + NODE_STRENGTH * UNSEEN_SPREAD * UNSEEN_SPREAD) / (node.ratio.runs + NODE_STRENGTH)
  const unknown = UNSEEN_SPREAD * UNSEEN_SPREAD * (1 / (1 + cell.ratio.runs) + 1 / (1 + node.ratio.runs))
  return { factor: exp(log), slow: exp(log + Math.sqrt(varies + unknown)), runs: Math.min(cell.ratio.runs, node.ratio.runs) }
}
