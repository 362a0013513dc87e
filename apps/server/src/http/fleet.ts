import { isRefusal } from '@lumaris/protocol'
import type { Node, Refusal } from '@lumaris/protocol'
import type { NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { countFleet, findNodes } from '../live/fleet.ts'
import { viewNode } from '../store/views.ts'
import type { Handlers } from './server.ts'
import { asked } from './policy.ts'

type Names = 'findNodes' | 'getFleet' | 'cordonNode' | 'uncordonNode' | 'banNode' | 'unbanNode'

export function fleetHandlers(app: App): Pick<Handlers, Names> {
  const { engine } = app
  const shown = async (answer: Promise<NodeRow | Refusal>): Promise<Node | Refusal> => { const row = await answer; return isRefusal(row) ? row : viewNode(row, engine.state, app.now()) }
  return {
    findNodes: async ({ query: { limit, cursor, ...filter } }) => findNodes(app, filter, limit, cursor),
    getFleet: async ({ query }) => countFleet(app, query),
    cordonNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'cordon', by: who.userId, node: params.node, reason: body.reason, drain: body.drain ? { withinMs: body.drain.withinMs ?? null } : null, ...asked(request) })),
    uncordonNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'uncordon', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
    banNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'ban', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
    unbanNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'unban', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
  }
}
