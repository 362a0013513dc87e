import { basename } from 'node:path/posix'
import { SELF_TEST_EVERY_MS, isRefusal, refuse } from '@lumaris/protocol'
import type { Node, NodeId, NodeSettings, NodeTest, NodeWork, Refusal } from '@lumaris/protocol'
import { priceOf } from '@lumaris/domain'
import type { NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listNodes, readNode } from '../store/read.ts'
import { viewNode } from '../store/views.ts'
import { blockOf } from '../gateway/address-block.ts'
import { verifyText } from '../signatures.ts'
import type { Handlers } from './server.ts'
import { actingOn, isAdmin, owns } from './policy.ts'
import { explainNode } from '../live/explain.ts'
import type { Acting, As, Principal } from './policy.ts'

type Names = 'createEnrolment' | 'enrolNode' | 'listNodes' | 'getNode' | 'explainNode' | 'nodeReadings' | 'pauseNode' | 'drainNode' | 'resumeNode' | 'priceNode' | 'getNodeSettings' | 'askNodeSettings' | 'setNodePolicy' | 'listNodeLoads' | 'nodeActivity' | 'testNode' | 'removeNode'

async function mine(app: App, who: Principal, id: NodeId): Promise<NodeRow | Refusal> {
  const node = await readNode(app.db, id)
  return node && owns(who, node.owner) ? node : refuse('not_found')
}

/** What runs there, as far as its seller may see it: of the program its name. */
function workOn({ engine: { state } }: App, node: NodeId): NodeWork[] {
  return [...(state.attemptsByNode.get(node) ?? [])].flatMap((id): NodeWork[] => {
    const row = state.attempts.get(id), job = row && state.jobs.get(row.job)?.row
    if (!row || !job || (row.state !== 'offered' && row.state !== 'accepted' && row.state !== 'running' && row.state !== 'reported')) return []
    const { spec } = job, { resources, limits } = spec
    return [{
      attempt: row.id, job: row.job, state: row.state, driver: row.driver, level: row.level, runtime: spec.runtime, ...(spec.image === undefined ? {} : { image: spec.image }), program: basename(spec.command[0] ?? '').slice(0, 60),
      cpuMillis: resources.cpuMillis, memoryBytes: resources.memoryBytes, gpus: resources.gpus, ...(row.startedAt === null ? {} : { startedAt: row.startedAt }), runMs: row.usage.runMs, leftMs: Math.max(0, limits.runMs - row.usage.runMs),
      perHour: priceOf({ ...row.prices, start: '0' }, resources, { runMs: 3_600_000, outBytes: 0 }).toString(), earning: row.startedAt === null ? '0' : priceOf(row.prices, resources, row.usage).toString(),
    }]
  })
}

export function nodeHandlers(app: App): Pick<Handlers, Names> {
  const view = (row: NodeRow): Node => viewNode(row, app.engine.state, app.now())
  const settings = (row: NodeRow): NodeSettings => ({ asked: row.asked ?? null, said: app.readings.said(row.id) })
  const test = (row: NodeRow): NodeTest => ({ asked: row.test ? { ...row.test, againAt: row.test.at + SELF_TEST_EVERY_MS } : null, said: app.readings.tested(row.id) })
  /** Whose machine it is decides on it; whoever runs the market does not. */
  const own = async (id: NodeId, who: Principal & { readonly userId: string }): Promise<NodeRow | Refusal> => {
    const row = await mine(app, who, id)
    return isRefusal(row) || row.owner === who.userId ? row : refuse('forbidden')
  }
  /** Asks the engine for a change of a node that is the caller's, or of somebody else's as an admin. */
  const change = async (call: Acting & { readonly params: { readonly node: NodeId } }, act: (node: NodeId, as: As) => Promise<NodeRow | Refusal>): Promise<Node | Refusal> => {
    const found = await mine(app, call.who, call.params.node)
    if (isRefusal(found)) return found
    const as = actingOn(call, found.owner, app.now())
    if (isRefusal(as)) return as
    const answer = await act(found.id, as)
    return isRefusal(answer) ? answer : view(answer)
  }
  return {
    createEnrolment: async ({ body, who }) => {
      const token = `join_${app.random(32).toString('base64url')}`
      const row = await app.engine.act({ kind: 'enrolment', owner: who.userId, tokenHash: app.hash(token), name: body.name ?? null })
      return isRefusal(row) ? row : { id: row.id, token, expiresAt: row.expiresAt, ...(row.name ? { name: row.name } : {}) }
    },
    enrolNode: async ({ body, request }) => {
      if (!verifyText(body.publicKey, `lumaris-enrol:${body.token}`, body.proof)) return refuse('bad_signature')
      const row = await app.engine.act({ kind: 'enrol', tokenHash: app.hash(body.token), body, block: blockOf(request.ip) })
      return isRefusal(row) ? row : view(row)
    },
    listNodes: async ({ query, who }) => {
      const page = await listNodes(app.db, isAdmin(who) ? null : who.userId, query.limit, query.cursor)
      return { data: page.data.map(view), nextCursor: page.nextCursor }
    },
    getNode: async ({ params, who }) => {
      const row = await mine(app, who, params.node)
      return isRefusal(row) ? row : view(row)
    },
    explainNode: async ({ params, who }) => {
      const row = await mine(app, who, params.node)
      return isRefusal(row) ? row : explainNode(app, row)
    },
    nodeReadings: async ({ params, query, who }) => {
      const row = await mine(app, who, params.node)
      return isRefusal(row) ? row : app.readings.of(row.id, query.span)
    },
    getNodeSettings: async ({ params, who }) => {
      const row = await mine(app, who, params.node)
      return isRefusal(row) ? row : settings(row)
    },
    askNodeSettings: async ({ params, body, who }) => {
      const row = await own(params.node, who)
      if (isRefusal(row)) return row
      const answer = await app.engine.act({ kind: 'askSettings', node: row.id, settings: body })
      return isRefusal(answer) ? answer : settings(answer)
    },
    listNodeLoads: async ({ query, who }) => {
      const page = await listNodes(app.db, isAdmin(who) ? null : who.userId, query.limit, query.cursor)
      return { data: page.data.map(({ id }) => app.readings.load(id)), nextCursor: page.nextCursor }
    },
    nodeActivity: async ({ params, who }) => {
      const row = await mine(app, who, params.node)
      return isRefusal(row) ? row : { at: app.now(), work: workOn(app, row.id), events: [...app.readings.events(row.id)], test: test(row) }
    },
    testNode: async ({ params, who }) => {
      const row = await own(params.node, who)
      if (isRefusal(row)) return row
      const answer = await app.engine.act({ kind: 'askTest', node: row.id })
      return isRefusal(answer) ? answer : test(answer)
    },
    removeNode: async ({ params, who }) => {
      const row = await own(params.node, who)
      if (isRefusal(row)) return row
      const answer = await app.engine.act({ kind: 'retire', node: row.id })
      return isRefusal(answer) ? answer : view(answer)
    },
    setNodePolicy: async ({ params, body, who }) => {
      const row = await mine(app, who, params.node)
      if (isRefusal(row)) return row
      if (row.owner !== who.userId) return refuse('forbidden')
      const answer = await app.engine.act({ kind: 'policy', node: row.id, policy: body })
      return isRefusal(answer) ? answer : view(answer)
    },
    pauseNode: (call) => change(call, (node, as) => app.engine.act({ kind: 'will', node, will: 'paused', ...as })),
    drainNode: (call) => change(call, (node, as) => app.engine.act({ kind: 'will', node, will: 'draining', ...as })),
    resumeNode: (call) => change(call, (node, as) => app.engine.act({ kind: 'will', node, will: 'open', ...as })),
    priceNode: (call) => { const { reason: _, ...prices } = call.body; return change(call, (node, as) => app.engine.act({ kind: 'price', node, prices, ...as })) },
  }
}
