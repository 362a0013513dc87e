import { CAUSES, isRefusal, refuse, dayText } from '@lumaris/protocol'
import type { AppealCase, NodeFault, NodeReputation } from '@lumaris/protocol'
import { TRUST, alertSettingsOf, endingsUntil, faultWeight, forgiveCohort, forgiveEnding, profileOf, reputationNow, reputationOf, speedNow } from '@lumaris/domain'
import type { FaultRow, NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { WHAT_TO_DO } from '../live/explain.ts'
import { readNode } from '../store/read.ts'
import { listAppealed, listFaults, readNames, readTrend } from '../store/read-reputation.ts'
import { given, viewNode } from '../store/views.ts'
import type { Handlers } from './server.ts'
import { asked, owns } from './policy.ts'

type Names = 'getNodeReputation' | 'appealFault' | 'listAppeals' | 'acceptAppeal' | 'refuseAppeal'
const FAULTS_SHOWN = 20, DAYS_SHOWN = 90
const part = (share: number): number => Math.round(share * 10_000) / 10_000
const percent = (share: number): string => `${Math.round(share * 100)} %`

export function reputationHandlers(app: App): Pick<Handlers, Names> {
  const view = (row: FaultRow): NodeFault => {
    const node = app.engine.state.nodes.get(row.node), late = row.aspects.every((aspect) => aspect === 'timeliness')
    return {
      attempt: row.attempt, job: row.job, node: row.node, at: row.at, cause: row.cause, aspects: [...row.aspects], says: late ? 'it took longer than its buyer had said, by more than a quarter' : CAUSES[row.cause].says, whatToDo: late ? 'Sell fewer cores or less memory at a time, if the machine is slow when it is full.' : WHAT_TO_DO[row.cause] ?? 'Its log says more.',
      weight: node ? part(faultWeight({ state: app.engine.state, now: app.now() }, node, row)) : 0, ...(row.appeal ? { appeal: { state: row.appeal.state, at: row.appeal.at, text: row.appeal.text, ...given('decidedAt', row.appeal.decidedAt), ...given('reason', row.appeal.reason) } } : {}),
    }
  }
  const decide = async ({ params, body, who, request }: Pick<Parameters<Handlers['acceptAppeal']>[0], 'params' | 'body' | 'who' | 'request'>, accept: boolean) => {
    const row = await app.engine.act({ kind: 'decideAppeal', attempt: params.attempt, by: who.userId, accept, reason: body.reason, ...asked(request) })
    return isRefusal(row) ? row : view(row)
  }
  return {
    getNodeReputation: async ({ params, who }) => {
      const node = await readNode(app.db, params.node)
      if (!node || !owns(who, node.owner)) return refuse('not_found')
      const { state } = app.engine, now = app.now(), up = state.availability.upLately(node.id, now), speed = speedNow(state, node), { reputation } = viewNode(node, state, now)
      const found: NodeReputation = {
        node: node.id, name: node.name, at: now, reputation: reputation ?? reputationNow(state, node, now), ...given('up', up === null ? null : part(up)), ...(speed.runs > 0 ? { speed: { factor: part(speed.factor), runs: speed.runs } } : {}),
        trend: (await readTrend(app.db, node.id, DAYS_SHOWN)).map(({ day, completion, correctness, timeliness }) => ({ day: dayText(day * 86_400_000), completion, correctness, timeliness })), faults: (await listFaults(app.db, node.id, FAULTS_SHOWN)).map(view), recovery: recoveryOf(app, node),
      }
      return found
    },
    appealFault: async ({ params, body, who }) => {
      const row = await app.engine.act({ kind: 'appeal', attempt: params.attempt, by: who.userId, text: body.text })
      return isRefusal(row) ? row : view(row)
    },
    listAppeals: async ({ query }) => {
      const { data, nextCursor } = await listAppealed(app.db, query.state, query.limit, query.cursor), names = await readNames(app.db, data)
      return { nextCursor, data: data.flatMap((row): AppealCase[] => { const fault = view(row); return fault.appeal ? [{ fault, appeal: fault.appeal, owner: row.owner, ownerName: names.get(row.owner) ?? '', nodeName: app.engine.state.nodes.get(row.node)?.name ?? '', ...wouldBe(app, row) }] : [] }) }
    },
    acceptAppeal: (call) => decide(call, true),
    refuseAppeal: (call) => decide(call, false),
  }
}

/** What is believed with this ending and without it. */
function wouldBe(app: App, row: FaultRow): Pick<AppealCase, 'completion' | 'correctness'> {
  const { state } = app.engine, now = app.now(), node = state.nodes.get(row.node)
  if (!node || row.appeal?.state !== 'open') return {}
  const { reputation } = profileOf(state, node), cohort = state.cohorts.get(reputation.cohort)?.row ?? null
  const is = reputationOf(reputation, cohort, now), would = reputationOf(forgiveEnding(reputation, row, now), cohort && forgiveCohort(cohort, row, now), now)
  const one = (aspect: 'completion' | 'correctness') => (row.aspects.includes(aspect) ? { [aspect]: { now: part(is[aspect].lower), without: part(would[aspect].lower) } } : {})
  return { ...one('completion'), ...one('correctness') }
}

/** The next steps up, each by the rule that placement goes by. */
function recoveryOf(app: App, node: NodeRow): NodeReputation['recovery'] {
  const { state } = app.engine, now = app.now(), { reputation } = profileOf(state, node), cohort = state.cohorts.get(reputation.cohort)?.row ?? null, { completionBelow } = alertSettingsOf(state, node.owner)
  const goals = [
    ...(completionBelow === null ? [] : [{ goal: 'alert' as const, aspect: 'completion' as const, of: 'mean' as const, least: completionBelow, until: `it is believed to end ${percent(completionBelow)} of its work, and you are not warned of it` }]),
    { goal: 'known' as const, aspect: 'completion' as const, of: 'lower' as const, least: TRUST.known.completion, until: `it counts as known (at least ${percent(TRUST.known.completion)} of its work ended)` },
    { goal: 'trusted' as const, aspect: 'completion' as const, of: 'lower' as const, least: TRUST.trusted.completion, until: `it has ended enough to count as trusted (${percent(TRUST.trusted.completion)})` },
    { goal: 'trusted' as const, aspect: 'correctness' as const, of: 'lower' as const, least: TRUST.trusted.correctness, until: `its results have held often enough to count as trusted (${percent(TRUST.trusted.correctness)})` },
  ]
  return goals.flatMap(({ goal, aspect, of, least, until }) => {
    const endings = endingsUntil(reputation, cohort, { aspect, of, least }, now)
    if (endings === null || endings === 0) return []
    const what = aspect === 'correctness' ? `${endings} more ${endings === 1 ? 'result that others confirm' : 'results that others confirm'}` : `${endings} more ${endings === 1 ? 'attempt that ends well' : 'attempts that end well'}`
    return [{ goal, aspect, endings, says: `${what}, with no fault between, until ${until}.` }]
  })
}
