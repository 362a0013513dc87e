// Who may do what: one function over the route table. Deny by default. Not found and not yours look the same.
import { refuse } from '@lumaris/protocol'
import type { ImpersonationId, MemberRole, NodeId, Refusal, Route, Scope, UserId } from '@lumaris/protocol'
import type { AsAdmin, Asked } from '@lumaris/domain'

export type Principal =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'user'; readonly userId: UserId; readonly roles: readonly ('buyer' | 'seller' | 'admin')[]; readonly scopes: readonly Scope[] | 'all'; readonly sessionId?: string; readonly keyId?: string; /** When the session last showed a password. */ readonly provedAt?: number; /** An admin who sees what this user sees, and changes nothing. */ readonly readOnly?: { readonly id: ImpersonationId; readonly by: UserId; readonly until: number }; /** Somebody who works for this account, and acts within his role. */ readonly member?: { readonly by: UserId; readonly name: string; readonly role: MemberRole } }
  | { readonly kind: 'agent'; readonly node: NodeId; readonly session: number }
export type UserPrincipal = Extract<Principal, { kind: 'user' }>

export const isAdmin = (who: UserPrincipal): boolean => who.roles.includes('admin') && (who.scopes === 'all' || who.scopes.includes('admin'))

/** So long a sign-in is fresh: time for a round of work, and not for a page that was left open. */
export const FRESH_MS = 15 * 60_000
/** Null when this caller has shown lately who he is. A key shows it with every request, and was made by somebody who had (ADR 24). */
export const notFresh = (who: UserPrincipal, now: number): Refusal | null => (who.sessionId === undefined || now - (who.provedAt ?? 0) < FRESH_MS ? null : refuse('fresh_sign_in_needed', { withinMs: FRESH_MS }))
type Request = { readonly id: unknown; readonly ip: string; readonly params?: unknown; readonly routeOptions?: { readonly config: { readonly name?: string } }; actNoted?: boolean }
/** The person who acts. */
export const actor = (who: UserPrincipal): UserId => who.member?.by ?? who.userId
/** For the log of admin actions: which request it was, and from where. With a caller who works for the account: the writer looks once more whether he still does, as what is needed here. */
export function asked(request: Request, who?: UserPrincipal, least: MemberRole = 'submitter'): { readonly asked: Asked } {
  const from = { request: String(request.id), from: request.ip }
  if (!who?.member) return { asked: from }
  const route = request.routeOptions?.config.name
  // The writer puts the line of the log into the commit of the act, so nobody else has to.
  if (route !== undefined) request.actNoted = true
  return { asked: { ...from, member: { account: who.userId, user: who.member.by, name: who.member.name, least, ...(route === undefined ? {} : { act: { route, subject: namedBy(request.params) } }) } } }
}
/** What the address names first. */
export const namedBy = (params: unknown): string | null => { const [first] = Object.values((params ?? {}) as Record<string, unknown>); return typeof first === 'string' ? first : null }
/** Of a job or schedule: which member made it. */
export const byMember = (who: UserPrincipal): { readonly by?: { readonly user: UserId; readonly name: string } } => (who.member ? { by: { user: who.member.by, name: who.member.name } } : {})

export type Acting = { readonly who: UserPrincipal; readonly body: { readonly reason?: string | undefined }; readonly request: Request }
export type As = { readonly asked: Asked; readonly admin?: AsAdmin }
/**
 * For what its owner may always do, and an admin to somebody else's (routes that are `fresh` 'for-others'): the admin has shown lately who he is, and says
 * why. What comes back goes into the command.
 */
export function actingOn({ who, body, request }: Acting, owner: UserId, now: number): As | Refusal {
  if (who.userId === owner) return asked(request, who)
  return notFresh(who, now) ?? (body.reason === undefined ? refuse('reason_needed') : { admin: { by: who.userId, reason: body.reason }, ...asked(request) })
}

/** Null when this caller may use this route at all; whose object it is comes after (`owns`). */
export function mayCall(route: Pick<Route, 'method' | 'who' | 'scope' | 'fresh' | 'members'>, who: Principal, now: number): Refusal | null {
  // Before all else, and also where anybody may: whoever only looks changes nothing.
  if (who.kind === 'user' && who.readOnly && route.method !== 'GET' && route.method !== 'HEAD') return refuse('read_only')
  if (route.who === 'anyone') return null
  if (who.kind === 'anyone') return refuse('unauthenticated')
  if (who.kind === 'agent') return route.who === 'agent' || route.who === 'user-or-agent' ? null : refuse('forbidden')
  if (route.who === 'agent') return refuse('forbidden')
  if (who.member && !(route.members ?? (route.scope !== undefined || route.who === 'user-or-agent'))) return refuse('owner_only')
  const role = route.who === 'buyer' || route.who === 'seller' || route.who === 'admin' ? route.who : null
  if (role && !who.roles.includes(role)) return refuse('forbidden', { needsRole: role })
  if (route.scope && who.scopes !== 'all' && !who.scopes.includes(route.scope)) return refuse('scope_missing', { needsScope: route.scope })
  return route.fresh === true ? notFresh(who, now) : null
}

export const owns = (who: Principal, owner: UserId): boolean => who.kind === 'user' && (who.userId === owner || isAdmin(who))
