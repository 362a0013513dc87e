// Accounts, sessions and API keys: one file per verb beside this one, put together here. They work on the tables directly, not through the engine:
// nothing here moves money or work, and signing in must not wait for the market.
import type { Account, ActingToken, DeviceLogin, Impersonation, ImpersonationId, Invitation, Key, KeyId, Member, MemberAct, NewKey, NewSecondFactor, RecoveryCodes, Refusal, Role, RouteName, Scope, SecondFactor, Session, SessionId, Tokens, User, UserId, WaitingDevice } from '@lumaris/protocol'
import type { Database, Statement } from '../database/database.ts'
import type { UserPrincipal } from '../http/policy.ts'
import type { Ids } from '../ids.ts'
import { createSeal } from '../sealed.ts'
import type { Seal } from '../sealed.ts'
import { createAccessTokens } from './access-tokens.ts'
import type { AccessTokens } from './access-tokens.ts'
import { createKey, listKeys, revokeKey } from './api-keys.ts'
import { createAuthenticate } from './authenticate.ts'
import type { Authenticate } from './authenticate.ts'
import { decideDevice, deviceToken, lookAtDevice, startDeviceLogin } from './device-logins.ts'
import { createGuessGuard } from './guess-guard.ts'
import type { GuessGuard } from './guess-guard.ts'
import { createKnownPrincipals } from './known-principals.ts'
import type { KnownPrincipals } from './known-principals.ts'
import { createLastUsed } from './last-used.ts'
import type { LastUsed } from './last-used.ts'
import { endImpersonation, listImpersonations, noteRead } from './impersonations.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { accountsOf, actFor, actsOf, beginAct, invitationsOf, membersOf } from './members.ts'
import { askPasswordReset, changePassword, setPasswordOf, usePasswordReset } from './new-password.ts'
import type { MailsCode, TellsOwner } from './new-password.ts'
import { createPasswords } from './passwords.ts'
import type { Cost, Passwords } from './passwords.ts'
import { createRotatedFrom, refresh } from './refresh.ts'
import type { RotatedFrom } from './refresh.ts'
import { createRefreshTokens } from './refresh-tokens.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import { register } from './register.ts'
import { confirmSecondFactor, proveSession, renewRecoveryCodes, secondFactorOf, startSecondFactor, stopSecondFactor } from './second-factor.ts'
import { endOneSession, endOtherSessions, listSessions } from './sessions.ts'
import type { Secrets } from './secrets.ts'
import { findUser, plainEmail, viewUser } from './users.ts'

export type IdentityPorts = {
  readonly db: Database; readonly ids: Ids; readonly now: () => number; readonly random: (size: number) => Buffer; readonly secrets: Pick<Secrets, 'tokenKey' | 'derive'>
  /** Cheaper in tests that sign in often. */
  readonly passwordCost?: Cost
}
/** What the verbs share. */
export type IdentityParts = Pick<IdentityPorts, 'db' | 'ids' | 'now' | 'random'> & {
  readonly passwords: Passwords; readonly guesses: GuessGuard; readonly accessTokens: AccessTokens; readonly refreshTokens: RefreshTokens; readonly rotatedFrom: RotatedFrom
  readonly known: KnownPrincipals; readonly lastUsed: LastUsed; readonly factorSeal: Seal; readonly recoveryKey: Buffer
}
export type Identity = {
  register(body: { email: string; password: string; name: string; roles: readonly Role[] }): Promise<User | Refusal>
  /** `from` is the caller's address: guessing is slowed by it too. `client` is what it says of itself. */
  login(body: { email: string; password: string; code?: string | undefined }, from: string, client?: string): Promise<Tokens | Refusal>
  refresh(refreshToken: string, from?: string): Promise<Tokens | Refusal>
  logout(who: UserPrincipal): Promise<void>
  listSessions(user: UserId, current: string): Promise<Session[]>
  /** False when this user has no such session. `beside`: written with it, or not at all. */
  endSession(user: UserId, id: SessionId, beside?: readonly Statement[]): Promise<boolean>
  endOtherSessions(user: UserId, current: string): Promise<number>
  secondFactor(user: UserId): Promise<SecondFactor>
  startSecondFactor(user: UserId, password: string, from: string): Promise<NewSecondFactor | Refusal>
  confirmSecondFactor(user: UserId, code: string, from: string): Promise<RecoveryCodes | Refusal>
  /** When it was shown. */
  proveSession(user: UserId, session: string, proof: { password: string; code?: string | undefined }, from: string): Promise<number | Refusal>
  renewRecoveryCodes(user: UserId, proof: { password: string; code: string }, from: string): Promise<RecoveryCodes | Refusal>
  stopSecondFactor(user: UserId, proof: { password: string; code: string }, from: string): Promise<Refusal | null>
  /** How many other sessions it ended. `tells`: the mail to its owner that goes with it. */
  changePassword(user: UserId, session: string, change: { password: string; code?: string | undefined; next: string }, from: string, tells: TellsOwner): Promise<number | Refusal>
  /** Whether there is a mail to be sent now. */
  askPasswordReset(email: string, mails: MailsCode): Promise<boolean>
  usePasswordReset(code: string, password: string, from: string, tells: TellsOwner): Promise<number | Refusal>
  /** Never by a request: only for whoever starts the server. Null: no such account. */
  setPasswordOf(email: string, password: string): Promise<number | Refusal | null>
  startDeviceLogin(client: string, from: string): Promise<DeviceLogin | Refusal>
  deviceToken(deviceCode: string): Promise<Tokens | Refusal>
  lookAtDevice(user: UserId, userCode: string, from: string): Promise<WaitingDevice | Refusal>
  decideDevice(user: UserId, userCode: string, approve: boolean, from: string): Promise<Refusal | null>
  createKey(who: UserPrincipal, body: { label: string; scopes: readonly Scope[]; expiresInMs?: number | undefined }): Promise<NewKey | Refusal>
  /** `madeBy`: only those that this member of the account made. */
  listKeys(user: UserId, madeBy?: UserId): Promise<Key[]>
  /** False when this user has no such key. */
  revokeKey(user: UserId, id: KeyId, madeBy?: UserId): Promise<boolean>
  /** False when it is not this admin's, or over. */
  endImpersonation(by: UserId, id: ImpersonationId): Promise<boolean>
  listImpersonations(user: UserId): Promise<Impersonation[]>
  noteRead(id: ImpersonationId, route: RouteName): Promise<void>
  /** Accounts of others that he works for; or the one. */
  accounts(user: UserId, only?: UserId): Promise<Account[]>
  actFor(who: UserPrincipal, account: UserId): Promise<ActingToken | Refusal>
  members(account: UserId): Promise<Member[]>
  invitations(account: UserId): Promise<Invitation[]>
  memberActs(account: UserId, by: UserId | undefined, limit: number, cursor: string | undefined): Promise<{ data: MemberAct[]; nextCursor: string | null }>
  beginAct(act: Parameters<typeof beginAct>[1]): ReturnType<typeof beginAct>
  authenticate: Authenticate
  user(id: UserId): Promise<User | null>
  byEmail(email: string): Promise<User | null>
  setRoles(id: UserId, roles: readonly Role[]): Promise<void>
  /** What this user may do has changed: asked anew at the next request. */
  forget(id: UserId): void
  /** Told of every user, session and key that is asked about anew. */
  onForget(listener: (id: string) => void): void
  /** Writes what is still in memory: when keys were last used. */
  flush(): Promise<void>
}

export function createIdentity({ db, ids, now, random, secrets, passwordCost }: IdentityPorts): Identity {
  const parts: IdentityParts = {
    db, ids, now, random, passwords: createPasswords(random, passwordCost), guesses: createGuessGuard(now), accessTokens: createAccessTokens(secrets.tokenKey, random),
    refreshTokens: createRefreshTokens(secrets.derive('refresh tokens'), random), rotatedFrom: createRotatedFrom(), known: createKnownPrincipals(now), lastUsed: createLastUsed(db, now),
    factorSeal: createSeal(secrets.derive('second factors'), random), recoveryKey: secrets.derive('recovery codes'),
  }
  return {
    register: (body) => register(parts, body),
    login: (body, from, client) => login(parts, body, from, client),
    refresh: (token, from) => refresh(parts, token, from),
    logout: (who) => logout(parts, who),
    listSessions: (user, current) => listSessions(parts, user, current),
    endSession: (user, id, beside) => endOneSession(parts, user, id, beside),
    endOtherSessions: (user, current) => endOtherSessions(parts, user, current),
    secondFactor: (user) => secondFactorOf(parts, user),
    startSecondFactor: (user, password, from) => startSecondFactor(parts, user, password, from),
    confirmSecondFactor: (user, code, from) => confirmSecondFactor(parts, user, code, from),
    proveSession: (user, session, proof, from) => proveSession(parts, user, session, proof, from),
    renewRecoveryCodes: (user, { password, code }, from) => renewRecoveryCodes(parts, user, password, code, from),
    stopSecondFactor: (user, { password, code }, from) => stopSecondFactor(parts, user, password, code, from),
    changePassword: (user, session, change, from, tells) => changePassword(parts, user, session, change, from, tells),
    askPasswordReset: (email, mails) => askPasswordReset(parts, email, mails),
    usePasswordReset: (code, password, from, tells) => usePasswordReset(parts, code, password, from, tells),
    setPasswordOf: (email, password) => setPasswordOf(parts, email, password),
    startDeviceLogin: (client, from) => startDeviceLogin(parts, client, from),
    deviceToken: (code) => deviceToken(parts, code),
    lookAtDevice: (user, code, from) => lookAtDevice(parts, user, code, from),
    decideDevice: (user, code, approve, from) => decideDevice(parts, user, code, approve, from),
    createKey: (who, body) => createKey(parts, who, body),
    listKeys: (user, madeBy) => listKeys(parts, user, madeBy),
    revokeKey: (user, id, madeBy) => revokeKey(parts, user, id, madeBy),
    endImpersonation: (by, id) => endImpersonation(parts, by, id),
    listImpersonations: (user) => listImpersonations(parts, user),
    noteRead: (id, route) => noteRead(parts, id, route),
    accounts: (user, only) => accountsOf(parts, user, only),
    actFor: (who, account) => actFor(parts, who, account),
    members: (account) => membersOf(parts, account),
    invitations: (account) => invitationsOf(parts, account),
    memberActs: (account, by, limit, cursor) => actsOf(parts, account, by, limit, cursor),
    beginAct: (act) => beginAct(parts, act),
    authenticate: createAuthenticate(parts),
    user: async (id) => { const row = await findUser(db, 'id', id); return row && viewUser(row) },
    byEmail: async (email) => { const row = await findUser(db, 'email', plainEmail(email)); return row && viewUser(row) },
    setRoles: async (id, roles) => {
      try { await db.transact([{ sql: 'UPDATE users SET roles = $2 WHERE id = $1', params: [id, JSON.stringify(roles)], expectRows: 1 }]) } finally { parts.known.forget(id) }
    },
    forget: (id) => { parts.known.forget(id) },
    onForget: (listener) => { parts.known.onForget(listener) },
    flush: () => parts.lastUsed.write(),
  }
}
