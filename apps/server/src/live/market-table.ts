// The matchmaking table: what matching sees, as rows. Read from memory between two turns, so all of it is of one moment.
import { EMPTY_CAPACITY, queuedSince, reputationNow } from '@lumaris/domain'
import type { MarketTable } from '@lumaris/protocol'
import { LEVELS } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { nodeState } from '../store/views.ts'
import { needText } from './need-text.ts'

/** Rows of each kind: a table is for looking at; the whole of a large market is in the lists of nodes and jobs. */
const ROWS_MAX = 1_000

export function marketTable(app: App): MarketTable {
  const { state } = app.engine
  return {
    at: app.now(),
    nodes: [...state.nodes.values()].slice(0, ROWS_MAX).map((node) => {
      const used = state.reserved.get(node.id) ?? EMPTY_CAPACITY, { capacity } = node
      const level = LEVELS.findLast((one) => node.drivers.some((driver) => driver.level === one))
      return {
        node: node.id, name: node.name, state: state.suspended.has(node.owner) ? 'banned' : nodeState(node), region: node.region, ...(level ? { level } : {}), capacity,
        free: { cpuMillis: capacity.cpuMillis - used.cpuMillis, memoryBytes: capacity.memoryBytes - used.memoryBytes, diskBytes: capacity.diskBytes - used.diskBytes, gpus: capacity.gpus - used.gpus },
        cpuHour: node.prices.cpuHour, reliability: Math.round(reputationNow(state, node, app.now()).completion.lower * 10_000) / 10_000, running: state.attemptsByNode.get(node.id)?.size ?? 0,
      }
    }),
    lines: state.queue.table().slice(0, ROWS_MAX).flatMap(({ head, waiting, asleep }) => {
      const job = state.jobs.get(head.job)?.row
      return job ? [{ need: needText(job.spec), job: job.id, waiting, oldestAt: queuedSince(job), asleep }] : []
    }),
    decisions: state.recent.slice(-100).toReversed().map(({ at, need, node, total }) => ({ at, job: need.job, node, nodeName: state.nodes.get(node)?.name ?? '', need: needText(need.spec), total: String(total) })),
  }
}
