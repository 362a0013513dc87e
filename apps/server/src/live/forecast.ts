// What a seller's nodes may earn next: the sums are of the tables, the rule is `foreseeEarnings`, and what a node is worth sold whole follows from its prices.
import type { EarningsForecast, UserId } from '@lumaris/protocol'
import { FORESEE_FROM_MS, feeNow, feeOf, foreseeEarnings, priceOf, sheetOf } from '@lumaris/domain'
import type { NodeRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { readForecastBase } from '../store/read-forecast.ts'
import { nodeState } from '../store/views.ts'

const HORIZON_MS = 86_400_000, BASE_MS = 7 * 86_400_000

export async function forecastFor(app: App, owner: UserId): Promise<EarningsForecast> {
  const { state } = app.engine, at = app.now(), from = at - BASE_MS, bases = new Map((await readForecastBase(app.db, owner, from)).map((one) => [one.node, one]))
  const mine = [...state.nodes.values()].filter((node) => node.owner === owner && node.will !== 'retired' && node.will !== 'banned')
  const nodes = mine.map((node): EarningsForecast['nodes'][number] => {
    const began = Math.max(node.changedAt ?? node.enrolledAt, from), base = bases.get(node.id), ran = base?.ranMs ?? 0, earned = base?.earned ?? 0n
    const shown = { node: node.id, name: node.name, since: began, from: began === from ? 'week' : node.changedAt === undefined ? 'joined' : 'changed', jobs: base?.jobs ?? 0, ranMs: ran, earned: earned.toString() } as const
    const why = takesNone(app, node)
    if (why) return { ...shown, why }
    const found = foreseeEarnings({ earned, squares: base?.squares ?? 0, spanMs: at - began, ranMs: ran }, HORIZON_MS, soldWhole(app, node))
    return found ? { ...shown, foreseen: { low: found.low.toString(), middle: found.middle.toString(), high: found.high.toString() } } : { ...shown, why: 'little_work' }
  })
  const said = nodes.flatMap(({ foreseen }) => foreseen ?? []), sum = (which: 'low' | 'middle' | 'high'): string => said.reduce((total, one) => total + BigInt(one[which]), 0n).toString()
  return { at, horizonMs: HORIZON_MS, leastRanMs: FORESEE_FROM_MS, nodes: nodes.toSorted((a, b) => a.name.localeCompare(b.name, 'en')), ...(said.length > 0 ? { total: { low: sum('low'), middle: sum('middle'), high: sum('high') } } : {}) }
}
function takesNone({ engine: { state } }: App, node: NodeRow): 'paused' | 'away' | null {
  const now = state.suspended.has(node.owner) ? 'banned' : nodeState(node)
  return now === 'online' || now === 'suspect' ? null : now === 'lost' || now === 'pending' ? 'away' : 'paused'
}
function soldWhole({ engine: { state } }: App, node: NodeRow): bigint {
  const whole = priceOf({ ...sheetOf(node), start: '0' }, node.capacity, { runMs: HORIZON_MS, outBytes: 0 })
  return whole - feeOf(whole, feeNow(state))
}
