// What the screens ask, under which names it is kept, and how often it is asked again where no stream tells of changes.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Client } from '@lumaris/sdk'
import { SELF_TEST_VALID_MS } from '@lumaris/protocol'
import type { ActionName, AppealState, JobFilter, JobId, JobState, NodeActivity, ReadingSpan, UserId } from '@lumaris/protocol'
import { anonymous } from './session/session.ts'

/** Nodes and the market as a whole have no stream: they are asked, only while the tab is seen. */
const NODES_MS = 4_000
/** A job that is followed by its stream; the question is for whoever has none (an admin), and against a lost event. */
const JOB_MS = 4_000
const PAGE = 200
/** What became of a message has no stream. */
const HOOKS_MS = 4_000

export const marketQuery = queryOptions({ queryKey: ['market'], queryFn: ({ signal }) => anonymous.api.marketSummary({}, { signal }), refetchInterval: 10_000 })
export const walletQuery = (client: Client) => queryOptions({ queryKey: ['wallet'], queryFn: ({ signal }) => client.wallet({ signal }) })
export const keysQuery = (client: Client) => queryOptions({ queryKey: ['keys'], queryFn: ({ signal }) => client.api.listKeys({}, { signal }) })
export const factorQuery = (client: Client) => queryOptions({ queryKey: ['second-factor'], queryFn: ({ signal }) => client.api.getSecondFactor({}, { signal }) })
export const sessionsQuery = (client: Client) => queryOptions({ queryKey: ['sessions'], queryFn: ({ signal }) => client.api.listSessions({}, { signal }) })
export const impersonationsQuery = (client: Client) => queryOptions({ queryKey: ['impersonations'], queryFn: ({ signal }) => client.api.listImpersonations({}, { signal }) })
export const webhooksQuery = (client: Client) => queryOptions({ queryKey: ['webhooks'], queryFn: ({ signal }) => client.api.listWebhooks({}, { signal }), refetchInterval: HOOKS_MS })
export const deliveriesQuery = (client: Client, webhook: string) => queryOptions({ queryKey: ['webhooks', webhook, 'deliveries'], queryFn: ({ signal }) => client.api.listDeliveries({ params: { webhook }, query: { limit: 20 } }, { signal }), refetchInterval: HOOKS_MS })
export const spendQuery = (client: Client, days: number) => queryOptions({ queryKey: ['entries', 'spend', days], queryFn: ({ signal }) => client.api.getSpend({ query: { days } }, { signal }) })
export const entriesQuery = (client: Client) => infiniteQueryOptions({
  queryKey: ['entries'], initialPageParam: undefined as string | undefined, getNextPageParam: (last: { nextCursor: string | null }) => last.nextCursor ?? undefined,
  queryFn: ({ pageParam, signal }) => client.api.listEntries({ query: { limit: 50, cursor: pageParam } }, { signal }),
})
export const jobsQuery = (client: Client, state: JobState | undefined, limit = PAGE, of: Partial<JobFilter> = {}) => infiniteQueryOptions({
  queryKey: ['jobs', state ?? 'all', limit, of], initialPageParam: undefined as string | undefined, getNextPageParam: (last: { nextCursor: string | null }) => last.nextCursor ?? undefined,
  queryFn: ({ pageParam, signal }) => client.api.listJobs({ query: { ...of, limit, state, cursor: pageParam } }, { signal }),
})
/** How many there are, as far as one page tells. */
export const countQuery = (client: Client, state: JobState) => queryOptions({
  queryKey: ['jobs', 'count', state], queryFn: async ({ signal }) => { const page = await client.api.listJobs({ query: { state, limit: 200 } }, { signal }); return `${page.data.length}${page.nextCursor === null ? '' : '+'}` },
})
const over = (state: string | undefined): boolean => state !== undefined && state !== 'queued' && state !== 'running'
export const jobQuery = (client: Client, job: string) => queryOptions({ queryKey: ['job', job], queryFn: ({ signal }) => client.job(job, { signal }), refetchInterval: (query) => (over(query.state.data?.state) ? false : JOB_MS) })
/** Parts of a job that the page shows at most; the rest is in the command line. */
export const PARTS_MAX = 1_000
/** And of its attempts. */
export const ATTEMPTS_MAX = 2 * PARTS_MAX
async function some<T>(items: AsyncIterable<T>, most: number): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) { found.push(item); if (found.length >= most) break }
  return found
}
export const tasksQuery = (client: Client, job: string, live: boolean) => queryOptions({ queryKey: ['job', job, 'tasks'], queryFn: ({ signal }) => some(client.tasks(job, { signal }), PARTS_MAX), refetchInterval: live ? JOB_MS : false })
export const attemptsQuery = (client: Client, job: string, live: boolean) => queryOptions({ queryKey: ['job', job, 'attempts'], queryFn: ({ signal }) => some(client.attempts(job, { signal }), ATTEMPTS_MAX), refetchInterval: live ? JOB_MS : false })
export const explainQuery = (client: Client, job: string, live: boolean) => queryOptions({ queryKey: ['job', job, 'explain'], queryFn: ({ signal }) => client.explain(job, { signal }), refetchInterval: live ? JOB_MS : false })
export const resultsQuery = (client: Client, job: string) => queryOptions({ queryKey: ['job', job, 'results'], queryFn: ({ signal }) => client.results(job, { signal }) })
export const filtersQuery = (client: Client) => queryOptions({ queryKey: ['filters'], queryFn: ({ signal }) => client.api.listFilters({}, { signal }) })
export const schedulesQuery = (client: Client) => queryOptions({ queryKey: ['schedules'], queryFn: ({ signal }) => some(client.schedules({ signal }), 200), refetchInterval: 10_000 })
export const templatesQuery = (client: Client) => queryOptions({ queryKey: ['templates'], queryFn: ({ signal }) => some(client.templates({ signal }), 200) })
export const templateFiguresQuery = (client: Client) => queryOptions({ queryKey: ['templates', 'figures'], queryFn: async ({ signal }) => (await client.api.templateFigures({}, { signal })).data })
export const templateQuery = (client: Client, template: string) => queryOptions({ queryKey: ['templates', template], queryFn: ({ signal }) => client.api.getTemplate({ params: { template } }, { signal }) })
export const nodesQuery = (client: Client) => queryOptions({ queryKey: ['nodes'], queryFn: ({ signal }) => some(client.nodes({ signal }), 2_000), refetchInterval: NODES_MS })
export const nodeQuery = (client: Client, node: string) => queryOptions({ queryKey: ['node', node], queryFn: ({ signal }) => client.api.getNode({ params: { node } }, { signal }), refetchInterval: NODES_MS })
/** Heartbeats come every ten seconds. */
export const readingsQuery = (client: Client, node: string, span: ReadingSpan) => queryOptions({ queryKey: ['node', node, 'readings', span], placeholderData: keepPreviousData, queryFn: ({ signal }) => client.api.nodeReadings({ params: { node }, query: { span } }, { signal }) })
/** Asked until the agent has confirmed it, and now and then: somebody may change it on the machine. */
export const nodeSettingsQuery = (client: Client, node: string) => queryOptions({ queryKey: ['node', node, 'settings'], queryFn: ({ signal }) => client.api.getNodeSettings({ params: { node } }, { signal }), refetchInterval: (query) => (query.state.data?.asked && query.state.data.asked.number !== query.state.data.said?.number ? 1_000 : NODES_MS) })
/** What runs there and what happened; asked often while a self-test that was asked for has no answer. */
export const nodeActivityQuery = (client: Client, node: string) => queryOptions({ queryKey: ['node', node, 'activity'], queryFn: ({ signal }) => client.api.nodeActivity({ params: { node } }, { signal }), refetchInterval: (query) => (query.state.data && isTestOpen(query.state.data) ? 1_000 : NODES_MS) })
export const isTestOpen = ({ at, test: { asked, said } }: NodeActivity): boolean => asked !== null && at - asked.at < SELF_TEST_VALID_MS && (said === null || said.number < asked.number || said.state === 'waiting' || said.state === 'running')
/** Of all nodes of a seller: a line in a list is a minute wide. */
export const nodeLoadsQuery = (client: Client) => queryOptions({ queryKey: ['nodes', 'loads'], queryFn: async ({ signal }) => new Map((await some(client.nodeLoads({ signal }), 2_000)).map((load) => [load.node, load])), refetchInterval: 20_000 })
export const nodeWhyQuery = (client: Client, node: string) => queryOptions({ queryKey: ['node', node, 'explain'], queryFn: ({ signal }) => client.explainNode(node, { signal }), refetchInterval: 4 * NODES_MS })
export const tableQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'market'], queryFn: ({ signal }) => client.marketTable({ signal }), refetchInterval: NODES_MS })
export const ledgerQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'ledger'], queryFn: ({ signal }) => client.api.checkLedger({}, { signal }), refetchInterval: 30_000 })
export const standingQuery = (client: Client) => queryOptions({ queryKey: ['standing'], queryFn: ({ signal }) => some(client.standing({ signal }), 100), refetchInterval: 10_000 })
/** The meter is read every 15 s: asking more often tells nothing new. */
export const receiptQuery = (client: Client, attempt: string, live: boolean) => queryOptions({ queryKey: ['receipt', attempt, live], queryFn: ({ signal }) => client.receipt(attempt, { signal }), refetchInterval: live ? 15_000 : false })
// Money of sellers, and what operators look at.
const nextOf = (last: { nextCursor: string | null }): string | undefined => last.nextCursor ?? undefined
const FIRST = undefined as string | undefined
/** A payout on its way is over within seconds. */
const PAYOUT_MS = 2_000
/** A standing rule asks for one when nobody looks. */
const RULES_MS = 10_000
export const earningsQuery = (client: Client) => queryOptions({ queryKey: ['earnings'], queryFn: ({ signal }) => client.api.getEarnings({}, { signal }), refetchInterval: (query) => (query.state.data?.onTheWay === '0' ? 10_000 : PAYOUT_MS) })
export const nodesEarningsQuery = (client: Client, days: number) => queryOptions({ queryKey: ['earnings', 'nodes', days], queryFn: ({ signal }) => client.api.getNodesEarnings({ query: { days } }, { signal }), refetchInterval: 10_000 })
export const forecastQuery = (client: Client) => queryOptions({ queryKey: ['earnings', 'forecast'], queryFn: ({ signal }) => client.api.getEarningsForecast({}, { signal }), refetchInterval: 30_000 })
export const reputationQuery = (client: Client, node: string) => queryOptions({ queryKey: ['node', node, 'reputation'], queryFn: ({ signal }) => client.api.getNodeReputation({ params: { node } }, { signal }), refetchInterval: 4 * NODES_MS })
export const appealsQuery = (client: Client, state: AppealState) => infiniteQueryOptions({ queryKey: ['admin', 'appeals', state], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listAppeals({ query: { limit: 50, cursor: pageParam, state } }, { signal }), refetchInterval: 30_000 })
export const payoutRuleQuery = (client: Client) => queryOptions({ queryKey: ['payout-rule'], queryFn: async ({ signal }) => (await client.api.getPayoutRule({}, { signal })).rule, refetchInterval: RULES_MS })
export const statementQuery = (client: Client, year: number) => queryOptions({ queryKey: ['statement', year], queryFn: ({ signal }) => client.api.getStatement({ query: { year } }, { signal }) })
export const payoutsQuery = (client: Client) => infiniteQueryOptions({
  queryKey: ['payouts'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listPayouts({ query: { limit: 20, cursor: pageParam } }, { signal }),
  refetchInterval: (query) => (query.state.data?.pages[0]?.data.some((one) => one.state === 'requested' || one.state === 'sent') ? PAYOUT_MS : RULES_MS),
})
/** Asked by everybody, also by who is not signed in. */
export const incidentsQuery = (state: 'open' | undefined) => queryOptions({ queryKey: ['incidents', state ?? 'all'], queryFn: ({ signal }) => anonymous.api.listIncidents({ query: { state, limit: 50 } }, { signal }), refetchInterval: 30_000 })
export const findEntriesQuery = (client: Client, filter: { account?: string | undefined; job?: string | undefined }) => infiniteQueryOptions({ queryKey: ['admin', 'entries', filter], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.findEntries({ query: { account: filter.account, job: filter.job as JobId | undefined, limit: 25, cursor: pageParam } }, { signal }) })
export const reversalsQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['admin', 'reversals'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listReversals({ query: { limit: 20, cursor: pageParam } }, { signal }), refetchInterval: 15_000 })
/** How many are new is asked while the tab is seen. */
export const alertsQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['alerts'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listAlerts({ query: { limit: 30, cursor: pageParam } }, { signal }), refetchInterval: 30_000 })
export const unreadQuery = (client: Client) => queryOptions({ queryKey: ['alerts', 'unread'], queryFn: async ({ signal }) => (await client.api.listAlerts({ query: { limit: 1 } }, { signal })).unread, refetchInterval: 30_000 })
/** Looked at again soon while something is on its way. */
export const alertMailQuery = (client: Client) => queryOptions({ queryKey: ['alert-mail'], queryFn: ({ signal }) => client.api.getAlertMail({}, { signal }), refetchInterval: ({ state: { data } }) => (data && (data.waiting > 0 || data.code) ? 3_000 : 30_000) })
export const alertSettingsQuery = (client: Client) => queryOptions({ queryKey: ['alert-settings'], queryFn: ({ signal }) => client.api.getAlertSettings({}, { signal }) })
export const settingsQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'settings'], queryFn: ({ signal }) => client.api.getSettings({}, { signal }) })
export const settingsVersionsQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['admin', 'settings', 'versions'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listSettingsVersions({ query: { limit: 20, cursor: pageParam } }, { signal }) })
export const actionsQuery = (client: Client, filter: { action?: ActionName | undefined; by?: string | undefined; subject?: string | undefined }) => infiniteQueryOptions({ queryKey: ['admin', 'actions', filter], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listActions({ query: { action: filter.action, by: filter.by as UserId | undefined, subject: filter.subject, limit: 50, cursor: pageParam } }, { signal }) })
export const peopleQuery = (client: Client, filter: { q?: string | undefined; suspended?: 'yes' | 'no' | undefined }) => infiniteQueryOptions({ queryKey: ['admin', 'people', filter], initialPageParam: FIRST, getNextPageParam: nextOf, placeholderData: keepPreviousData, queryFn: ({ pageParam, signal }) => client.api.listPeople({ query: { ...filter, limit: 50, cursor: pageParam } }, { signal }) })
export const personQuery = (client: Client, user: string) => queryOptions({ queryKey: ['admin', 'person', user], queryFn: ({ signal }) => client.api.getPerson({ params: { user } }, { signal }) })
export const membersQuery = (client: Client) => queryOptions({ queryKey: ['members'], queryFn: ({ signal }) => client.api.listMembers({}, { signal }) })
export const invitationsQuery = (client: Client) => queryOptions({ queryKey: ['invitations'], queryFn: ({ signal }) => client.api.listInvitations({}, { signal }) })
export const memberActsQuery = (client: Client) => infiniteQueryOptions({
  queryKey: ['members', 'acts'], initialPageParam: undefined as string | undefined, getNextPageParam: (last: { nextCursor: string | null }) => last.nextCursor ?? undefined,
  queryFn: ({ pageParam, signal }) => client.api.listMemberActs({ query: { limit: 50, cursor: pageParam } }, { signal }),
})
/** Of oneself, whoever one acts for. */
export const accountsQuery = (self: Client) => queryOptions({ queryKey: ['accounts'], queryFn: ({ signal }) => self.api.listAccounts({}, { signal }) })
export const autoTopupQuery = (client: Client) => queryOptions({ queryKey: ['wallet', 'auto'], queryFn: ({ signal }) => client.autoTopup({ signal }) })
