import { isRefusal, refuse } from '@lumaris/protocol'
import type { Node, Refusal } from '@lumaris/protocol'
import type { NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { countFleet, findNodes } from '../live/fleet.ts'
import { backgroundWork, marketOverview } from '../live/overview.ts'
import { lastAttempts } from '../store/read-overview.ts'
import { readNode } from '../store/read.ts'
import { given, viewNode } from '../store/views.ts'
import { sha256Hex } from '../signatures.ts'
import type { Handlers } from './server.ts'
import { asked } from './policy.ts'

type Names = 'getOverview' | 'getBackground' | 'getNodeEvidence' | 'findNodes' | 'getFleet' | 'cordonNode' | 'uncordonNode' | 'banNode' | 'unbanNode'

export function fleetHandlers(app: App): Pick<Handlers, Names> {
  const { engine } = app
  const shown = async (answer: Promise<NodeRow | Refusal>): Promise<Node | Refusal> => { const row = await answer; return isRefusal(row) ? row : viewNode(row, engine.state, app.now()) }
  return {
    getOverview: () => marketOverview(app),
    getBackground: () => backgroundWork(app),
    getNodeEvidence: async ({ params }) => {
      const row = await readNode(app.db, params.node)
      return row ? { node: row.id, key: { publicKey: row.publicKey, fingerprint: sha256Hex(Buffer.from(row.publicKey, 'base64url')) }, ...given('enrolledFrom', row.enrolledFrom), ...given('connectedFrom', row.block), ...app.readings.shown(row.id), attempts: await lastAttempts(app.db, row.id) } : refuse('not_found')
    },
    findNodes: async ({ query: { limit, cursor, ...filter } }) => findNodes(app, filter, limit, cursor),
    getFleet: async ({ query }) => countFleet(app, query),
    cordonNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'cordon', by: who.userId, node: params.node, reason: body.reason, drain: body.drain ? { withinMs: body.drain.withinMs ?? null } : null, ...asked(request) })),
    uncordonNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'uncordon', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
    banNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'ban', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
    unbanNode: ({ params, body, who, request }) => shown(engine.act({ kind: 'unban', by: who.userId, node: params.node, reason: body.reason, ...asked(request) })),
  }
}
