// What only operators' screens ask: apart from the other questions, so that it comes with those screens.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Client } from '@lumaris/sdk'
import type { NodeFilter, RevenueBy } from '@lumaris/protocol'

/** As often as other nodes are asked. */
const NODES_MS = 4_000, QUEUE_MS = 5_000
const nextOf = (last: { nextCursor: string | null }): string | undefined => last.nextCursor ?? undefined
const FIRST = undefined as string | undefined
export type Wanted = { readonly [Name in keyof NodeFilter]?: NodeFilter[Name] | undefined }

export const fleetQuery = (client: Client, filter: Wanted) => queryOptions({ queryKey: ['admin', 'fleet', filter], placeholderData: keepPreviousData, queryFn: ({ signal }) => client.api.getFleet({ query: filter }, { signal }), refetchInterval: NODES_MS })
export const marketNodesQuery = (client: Client, filter: Wanted) => infiniteQueryOptions({ queryKey: ['admin', 'nodes', filter], initialPageParam: FIRST, getNextPageParam: nextOf, placeholderData: keepPreviousData, queryFn: ({ pageParam, signal }) => client.api.findNodes({ query: { ...filter, limit: 50, cursor: pageParam } }, { signal }), refetchInterval: NODES_MS })
export const revenueQuery = (client: Client, from: number, by: RevenueBy) => queryOptions({ queryKey: ['admin', 'revenue', from, by], placeholderData: keepPreviousData, queryFn: ({ signal }) => client.api.getRevenue({ query: { from, by } }, { signal }), refetchInterval: 30_000 })
export const overviewQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'overview'], queryFn: ({ signal }) => client.api.getOverview({}, { signal }), refetchInterval: 10_000 })
export const backgroundQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'background'], queryFn: ({ signal }) => client.api.getBackground({}, { signal }), refetchInterval: QUEUE_MS })
export const evidenceQuery = (client: Client, node: string) => queryOptions({ queryKey: ['admin', 'evidence', node], queryFn: ({ signal }) => client.api.getNodeEvidence({ params: { node } }, { signal }), refetchInterval: 10_000 })
export const userSessionsQuery = (client: Client, user: string) => queryOptions({ queryKey: ['admin', 'sessions', user], queryFn: ({ signal }) => client.api.listUserSessions({ params: { user } }, { signal }) })
export const accountsQuery = (client: Client, of: string) => infiniteQueryOptions({ queryKey: ['admin', 'accounts', of], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listLedgerAccounts({ query: { class: of, limit: 50, cursor: pageParam } }, { signal }) })
export const queueQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'queue'], queryFn: ({ signal }) => client.api.getQueue({}, { signal }), refetchInterval: QUEUE_MS })
export const matchingPausesQuery = (client: Client) => queryOptions({ queryKey: ['admin', 'matching-pauses'], queryFn: ({ signal }) => client.api.listMatchingPauses({}, { signal }), refetchInterval: QUEUE_MS })
export const allStandingQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['admin', 'standing'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listStanding({ query: { limit: 20, cursor: pageParam } }, { signal }) })
export const deadDeliveriesQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['admin', 'dead-deliveries'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listDeadDeliveries({ query: { limit: 20, cursor: pageParam } }, { signal }) })
export const deadJobsQuery = (client: Client) => infiniteQueryOptions({ queryKey: ['admin', 'dead-jobs'], initialPageParam: FIRST, getNextPageParam: nextOf, queryFn: ({ pageParam, signal }) => client.api.listDeadJobs({ query: { limit: 20, cursor: pageParam } }, { signal }) })
export const holdsQuery = (client: Client, olderThanMs: number) => infiniteQueryOptions({ queryKey: ['admin', 'holds', olderThanMs], initialPageParam: FIRST, getNextPageParam: nextOf, placeholderData: keepPreviousData, queryFn: ({ pageParam, signal }) => client.api.listHolds({ query: { olderThanMs, limit: 25, cursor: pageParam } }, { signal }) })
