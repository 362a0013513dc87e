// The nodes of the whole market as operators look for them: read from memory between two turns, because what is free and what is believed of a node are there and nowhere else.
import { EMPTY_CAPACITY, freeOn, reputationNow } from '@lumaris/domain'
import type { NodeRow } from '@lumaris/domain'
import { FLEET_REGIONS_MAX, FLEET_VERSIONS_MAX } from '@lumaris/protocol'
import type { Fleet, Node, NodeFilter, NodeState } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { page } from '../store/page.ts'
import type { PageOf } from '../store/page.ts'
import { nodeState, viewNode } from '../store/views.ts'

export const shownState = (app: App, row: NodeRow): NodeState => (app.engine.state.suspended.has(row.owner) ? 'banned' : nodeState(row))

/** What has left the market is shown to who asks for it by its state. */
function* found(app: App, filter: NodeFilter): Generator<NodeRow> {
  const { state } = app.engine, now = app.now(), q = filter.q?.trim().toLowerCase() ?? ''
  const asksForRecord = filter.leastCompletion !== undefined || filter.mostCompletion !== undefined
  for (const row of state.nodes.values()) {
    if (q !== '' && row.id !== q && !row.name.includes(q)) continue
    if (filter.region && !filter.region.includes(row.region)) continue
    if (filter.version && !filter.version.includes(row.agentVersion)) continue
    const shown = shownState(app, row)
    if (filter.state ? !filter.state.includes(shown) : shown === 'retired') continue
    const free = freeOn(state, row)
    if (free.cpuMillis < (filter.freeCpuMillis ?? -Infinity) || free.memoryBytes < (filter.freeMemoryBytes ?? -Infinity) || free.gpus < (filter.freeGpus ?? -Infinity)) continue
    if (asksForRecord) {
      const { lower } = reputationNow(state, row, now).completion
      if (lower < (filter.leastCompletion ?? 0) || lower > (filter.mostCompletion ?? 1)) continue
    }
    yield row
  }
}

/** In the order of their ids, which is that of joining. */
export function findNodes(app: App, filter: NodeFilter, limit: number, cursor = ''): PageOf<Node> {
  const rows = [...found(app, filter)].filter(({ id }) => id > cursor).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return page(rows, limit, (row) => viewNode(row, app.engine.state, app.now()), ({ id }) => id)
}

export function countFleet(app: App, filter: NodeFilter): Fleet {
  const { state } = app.engine
  const regions = new Map<string, Fleet['regions'][number]>(), versions = new Map<string, number>()
  let nodes = 0
  for (const row of found(app, filter)) {
    nodes++
    const one = regions.get(row.region) ?? { region: row.region, nodes: 0, states: {}, running: 0, cpuMillis: 0, freeCpuMillis: 0 }, shown = shownState(app, row)
    one.nodes++
    one.states[shown] = (one.states[shown] ?? 0) + 1
    one.running += state.attemptsByNode.get(row.id)?.size ?? 0
    one.cpuMillis += row.capacity.cpuMillis
    one.freeCpuMillis += Math.max(0, row.capacity.cpuMillis - (state.reserved.get(row.id) ?? EMPTY_CAPACITY).cpuMillis)
    regions.set(row.region, one)
    versions.set(row.agentVersion, (versions.get(row.agentVersion) ?? 0) + 1)
  }
  const ordered = [...regions.values()].toSorted((a, b) => b.nodes - a.nodes || (a.region < b.region ? -1 : 1)), rest = ordered.splice(FLEET_REGIONS_MAX)
  return {
    nodes, regions: ordered, ...(rest.length > 0 ? { left: { regions: rest.length, nodes: rest.reduce((sum, one) => sum + one.nodes, 0) } } : {}),
    versions: [...versions].map(([version, count]) => ({ version, nodes: count })).toSorted((a, b) => b.nodes - a.nodes || (a.version < b.version ? -1 : 1)).slice(0, FLEET_VERSIONS_MAX),
  }
}
