import { isRefusal, monthOf, refuse, daysBetween } from '@lumaris/protocol'
import type { AutoTopup, Spend, UserId } from '@lumaris/protocol'
import { addedThisMonth, alertSettingsOf } from '@lumaris/domain'
import type { App } from '../app.ts'
import { forecastFor } from '../live/forecast.ts'
import { checkLedger, listEntries, listJobs, readAutoTopup, readEarnings, readNodesEarnings, readWallet } from '../store/read.ts'
import { readSpend, spentSince } from '../store/read-spend.ts'
import { given, viewJob } from '../store/views.ts'
import { credits, instant, sendCsv } from './csv.ts'
import type { Handlers } from './server.ts'
import { isAdmin } from './policy.ts'

type Names = 'getWallet' | 'listEntries' | 'createTopup' | 'getAutoTopup' | 'setAutoTopup' | 'stopAutoTopup' | 'getSpend' | 'exportSpend' | 'getNodesEarnings' | 'getEarningsForecast' | 'exportJobs' | 'exportEntries' | 'checkLedger' | 'nodeEarnings'
/** Rows that are read, and held, at one time. */
const ROWS = 500
const DAY_MS = 86_400_000
/** Before its fourth day a month says little of how it will end. */
const FORECAST_FROM_MS = 3 * DAY_MS
async function monthSoFar(app: App, user: UserId): Promise<NonNullable<Spend['month']>> {
  const now = app.now(), { name, from, to } = monthOf(now), spent = await spentSince(app.db, user, from), budget = alertSettingsOf(app.engine.state, user).monthlyBudget
  return { name, spent: spent.toString(), ...given('budget', budget), ...(now - from >= FORECAST_FROM_MS ? { forecast: ((spent * BigInt(to - from)) / BigInt(now - from)).toString() } : {}) }
}
/** As the tables have it: what was decided and is not committed yet has not happened. */
async function viewAutoTopup(app: App, user: UserId): Promise<AutoTopup> {
  const row = await readAutoTopup(app.db, user)
  return row ? { rule: row.on ? { below: row.below, add: row.add, monthlyMost: row.most } : null, addedThisMonth: addedThisMonth(row, app.now()).toString(), runs: [...row.runs] } : { rule: null, addedThisMonth: '0', runs: [] }
}
const startOfDay = (at: number): number => at - (at % DAY_MS)
const firstOf = (app: App, days: number): number => startOfDay(app.now()) - (days - 1) * DAY_MS
/** Also those on which nothing was billed: a gap must look like one. */
function everyDay(days: Spend['days'], since: number, now: number): [string, string, number][] {
  const billed = new Map(days.map((one) => [one.day, one]))
  return daysBetween(since, now).map((day) => [day, credits(billed.get(day)?.cost ?? '0'), billed.get(day)?.jobs ?? 0])
}

export function moneyHandlers(app: App): Pick<Handlers, Names> {
  return {
    getWallet: ({ who }) => readWallet(app.db, who.userId),
    listEntries: ({ query, who }) => listEntries(app.db, who.userId, query.limit, query.cursor),
    getSpend: async ({ query, who }) => ({ ...await readSpend(app.db, who.userId, firstOf(app, query.days)), month: await monthSoFar(app, who.userId) }),
    exportSpend: async ({ query: { days, by }, who, reply }) => {
      const since = firstOf(app, days), { total, ...spend } = await readSpend(app.db, who.userId, since), lines = by === 'name' ? spend.names : spend.templates, rest = lines.reduce((left, { cost }) => left - BigInt(cost), BigInt(total))
      const rows = by === 'day' ? everyDay(spend.days, since, app.now()) : [...lines.map(({ cost, jobs, ...line }): [string, string, number] => [('name' in line ? line.name : line.template) ?? '', credits(cost), jobs]), ...(rest > 0n ? [['others', credits(rest.toString()), ''] as const] : [])]
      return sendCsv(reply, `lumaris-spent-by-${by}.csv`, [by === 'day' ? 'day (UTC)' : by, 'credits', 'jobs'], async function* () { yield rows })
    },
    getNodesEarnings: ({ query, who }) => readNodesEarnings(app.db, who.userId, firstOf(app, query.days)),
    getEarningsForecast: ({ who }) => forecastFor(app, who.userId),
    exportJobs: async ({ query, who, reply }) => sendCsv(reply, 'lumaris-jobs.csv', ['job', 'name', 'state', 'cause', 'created', 'started', 'ended', 'parts', 'parts done', 'exit code', 'cap, credits', 'cost, credits', 'came back, credits', 'regions'], async function* () {
      for (let cursor: string | undefined; ;) {
        const { data, nextCursor } = await listJobs(app.db, isAdmin(who) ? null : who.userId, { ...query, limit: ROWS, cursor }, viewJob)
        yield data.map((job) => [job.id, job.spec.name ?? job.spec.command.join(' '), job.state, job.cause ?? '', instant(job.createdAt), instant(job.startedAt), instant(job.endedAt), job.tasks.total, job.tasks.done, job.exitCode ?? '', credits(job.cap), credits(job.cost), credits(job.refunded), (job.spec.placement.regions ?? job.spec.placement.residency ?? []).join(' ')])
        if (nextCursor === null) return
        cursor = nextCursor
      }
    }),
    exportEntries: async ({ who, reply }) => sendCsv(reply, 'lumaris-entries.csv', ['entry', 'kind', 'when', 'job', 'attempt', 'from', 'to', 'credits'], async function* () {
      for (let cursor: string | undefined; ;) {
        const { data, nextCursor } = await listEntries(app.db, who.userId, ROWS, cursor)
        yield data.flatMap((entry) => entry.postings.map((posting) => [entry.id, entry.kind, instant(entry.at), entry.job ?? '', entry.attempt ?? '', posting.from, posting.to, credits(posting.amount)]))
        if (nextCursor === null) return
        cursor = nextCursor
      }
    }),
    createTopup: async ({ body, who, text, idempotencyKey, reply, request }) => {
      // Without a key each request is a top-up of its own: the request's id names it.
      const answer = await app.engine.act({ kind: 'topup', user: who.userId, amount: BigInt(body.amount), provider: body.provider, key: idempotencyKey ?? String(request.id), bodyHash: app.hash(text) })
      if (isRefusal(answer)) return answer
      if (answer.replayed) void reply.header('idempotency-replayed', 'true')
      return readWallet(app.db, who.userId)
    },
    getAutoTopup: async ({ who }) => viewAutoTopup(app, who.userId),
    setAutoTopup: async ({ body, who }) => {
      const row = await app.engine.act({ kind: 'setAutoTopup', user: who.userId, rule: { below: BigInt(body.below), add: BigInt(body.add), most: BigInt(body.monthlyMost) } })
      return isRefusal(row) ? row : viewAutoTopup(app, who.userId)
    },
    stopAutoTopup: async ({ who }) => { const row = await app.engine.act({ kind: 'setAutoTopup', user: who.userId, rule: null }); return isRefusal(row) ? row : undefined },
    nodeEarnings: async ({ query, who }) => (who.kind === 'agent' ? { node: who.node, ...await readEarnings(app.db, who.node, query.since), at: app.now() } : refuse('forbidden')),
    checkLedger: () => checkLedger(app.db),
  }
}
