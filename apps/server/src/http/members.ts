import { MEMBER_SCOPES, isRefusal, refuse } from '@lumaris/protocol'
import type { MemberRole, Refusal, UserId } from '@lumaris/protocol'
import { openInvitation } from '@lumaris/domain'
import type { App } from '../app.ts'
import { viewAccount, viewInvitation, viewMember } from '../identity/members.ts'
import { plainEmail } from '../identity/users.ts'
import type { Handlers } from './server.ts'
import { actor, asked } from './policy.ts'
import type { UserPrincipal } from './policy.ts'

type Names = 'listAccounts' | 'actForAccount' | 'leaveAccount' | 'lookAtInvitation' | 'acceptInvitation' | 'listMembers' | 'changeMember' | 'removeMember' | 'inviteMember' | 'listInvitations' | 'revokeInvitation' | 'listMemberActs'
/** Where the page is; the code stands behind the `#`, which no browser sends. */
const PATH = '/invitation#'
const CODE_BYTES = 32

/** Nobody gives a member more than he has himself: whoever has a key that may not run jobs makes no submitter with it. */
const tooMuch = (who: UserPrincipal, role: MemberRole): Refusal | null => {
  const { scopes } = who, denied = scopes === 'all' ? [] : MEMBER_SCOPES[role].filter((scope) => !scopes.includes(scope))
  return denied.length > 0 ? refuse('scope_not_allowed', { scopes: denied }) : null
}

export function memberHandlers(app: App): Pick<Handlers, Names> {
  const { engine, identity } = app
  const limitOf = (limit: string | null): bigint | null => (limit === null ? null : BigInt(limit))
  const remove = async (account: UserId, user: UserId, who: UserPrincipal, request: Parameters<typeof asked>[0]): Promise<Refusal | undefined> => {
    const no = await engine.act({ kind: 'removeMember', account, by: actor(who), user, ...asked(request, who, 'manager') })
    if (isRefusal(no)) return no
    identity.forget(user) // after the commit; it breaks off their streams, too
    await app.webhooks.outbox.count()
    return undefined
  }
  return {
    listAccounts: async ({ who }) => ({ data: await identity.accounts(who.userId), nextCursor: null }),
    actForAccount: async ({ params, who, reply }) => { void reply.header('cache-control', 'no-store'); return identity.actFor(who, params.account) },
    leaveAccount: ({ params, who, request }) => remove(params.account, who.userId, who, request),
    lookAtInvitation: async ({ body }) => {
      const row = openInvitation(engine.state, app.hash(body.code), app.now())
      return row ? { email: row.email, role: row.role, monthlyLimit: row.limit, byName: row.byName, expiresAt: row.expiresAt, accountName: row.accountName } : refuse('invitation_invalid')
    },
    acceptInvitation: async ({ body, who, request }) => {
      const me = await identity.user(who.userId)
      if (!me) return refuse('not_found')
      const row = await engine.act({ kind: 'acceptInvitation', codeHash: app.hash(body.code), user: me.id, email: me.email, name: me.name, ...asked(request) })
      if (isRefusal(row)) return row
      const owner = await identity.user(row.account)
      return owner ? viewAccount(row, owner, app.now()) : refuse('not_found')
    },
    listMembers: async ({ who }) => ({ data: await identity.members(who.userId), nextCursor: null }),
    changeMember: async ({ params, body, who, request }) => {
      const no = tooMuch(who, body.role)
      if (no) return no
      const row = await engine.act({ kind: 'changeMember', account: who.userId, by: actor(who), user: params.user, role: body.role, limit: limitOf(body.monthlyLimit), ...asked(request, who, 'manager') })
      if (isRefusal(row)) return row
      identity.forget(params.user)
      return viewMember(row, app.now())
    },
    removeMember: ({ params, who, request }) => remove(who.userId, params.user, who, request),
    inviteMember: async ({ body, who, request }) => {
      const no = tooMuch(who, body.role)
      if (no) return no
      const email = plainEmail(body.email), [owner, invitee] = [await identity.user(who.userId), await identity.byEmail(email)]
      if (!owner) return refuse('not_found')
      const code = app.random(CODE_BYTES).toString('base64url')
      const row = await engine.act({ kind: 'invite', account: owner.id, accountName: owner.name, by: actor(who), byName: who.member?.name ?? owner.name, email, role: body.role, limit: limitOf(body.monthlyLimit), codeHash: app.hash(code), invitee: invitee?.id ?? null, ...asked(request, who, 'manager') })
      return isRefusal(row) ? row : { ...viewInvitation(row), code, path: PATH + code }
    },
    listInvitations: async ({ who }) => ({ data: await identity.invitations(who.userId), nextCursor: null }),
    revokeInvitation: async ({ params, who, request }) => (await engine.act({ kind: 'revokeInvitation', account: who.userId, by: actor(who), id: params.invitation, ...asked(request) })) ?? undefined,
    listMemberActs: ({ query, who }) => identity.memberActs(who.userId, query.by, query.limit, query.cursor),
  }
}
