import { PASSWORD_RESET_VALID_MS, isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { readOperating } from '../settings-elsewhere.ts'
import type { Handlers } from './server.ts'
import { FRESH_MS, actor, notFresh } from './policy.ts'
import type { UserPrincipal } from './policy.ts'

type Names = 'register' | 'login' | 'refresh' | 'logout' | 'me' | 'createKey' | 'listKeys' | 'revokeKey'
  | 'listSessions' | 'proveSession' | 'endSession' | 'endOtherSessions' | 'getSecondFactor' | 'startSecondFactor' | 'confirmSecondFactor' | 'renewRecoveryCodes' | 'stopSecondFactor' | 'changePassword' | 'askPasswordReset' | 'usePasswordReset' | 'startDeviceLogin' | 'deviceToken' | 'lookAtDevice' | 'decideDevice'

/** What guards the account itself is for somebody who signed in as a person: a key, however much it may do, must not grow out of its own bounds. */
const inPerson = async <Answer>(who: UserPrincipal, act: (session: string) => Promise<Answer | Refusal>): Promise<Answer | Refusal> => (who.sessionId === undefined ? refuse('session_needed') : act(who.sessionId))

export function identityHandlers(app: App): Pick<Handlers, Names> {
  const { identity } = app
  const passwordSet = (ended: number | Refusal): { ended: number } | Refusal => {
    if (isRefusal(ended)) return ended
    app.alertMail.passwords?.kick()
    return { ended }
  }
  return {
    register: async ({ body }) => {
      // From the tables: another replica may be the writer, and somebody who should not have come in is in for good.
      const paused = (await readOperating(app.db))?.signUpsPaused
      return paused ? refuse('sign_ups_paused', { says: paused }) : identity.register(body)
    },
    login: ({ body, request }) => identity.login(body, request.ip, request.headers['user-agent']),
    refresh: ({ body, request }) => identity.refresh(body.refreshToken, request.ip),
    logout: async ({ who }) => { await identity.logout(who); return undefined },
    listSessions: ({ who }) => inPerson(who, async (session) => ({ data: await identity.listSessions(who.userId, session), nextCursor: null })),
    endSession: ({ params, who }) => inPerson(who, async () => ((await identity.endSession(who.userId, params.session)) ? undefined : refuse('not_found'))),
    endOtherSessions: ({ who }) => inPerson(who, async (session) => ({ ended: await identity.endOtherSessions(who.userId, session) })),
    proveSession: ({ body, who, request }) => inPerson(who, async (session) => { const at = await identity.proveSession(who.userId, session, body, request.ip); return isRefusal(at) ? at : { freshUntil: at + FRESH_MS } }),
    getSecondFactor: ({ who }) => inPerson(who, () => identity.secondFactor(who.userId)),
    startSecondFactor: ({ body, who, request }) => inPerson(who, () => identity.startSecondFactor(who.userId, body.password, request.ip)),
    confirmSecondFactor: ({ body, who, request }) => inPerson(who, () => identity.confirmSecondFactor(who.userId, body.code, request.ip)),
    renewRecoveryCodes: ({ body, who, request }) => inPerson(who, () => identity.renewRecoveryCodes(who.userId, body, request.ip)),
    stopSecondFactor: ({ body, who, request }) => inPerson(who, async () => (await identity.stopSecondFactor(who.userId, body, request.ip)) ?? undefined),
    changePassword: ({ body, who, request }) => inPerson(who, async (session) => passwordSet(await identity.changePassword(who.userId, session, body, request.ip, async (user, address) => (await app.alertMail.passwords?.tellChanged(user, address)) ?? []))),
    askPasswordReset: async ({ body }) => {
      const { passwords } = app.alertMail
      if (!passwords) return refuse('reset_by_operator')
      if (await identity.askPasswordReset(body.email, passwords.mailCode)) passwords.kick()
      return { validMs: PASSWORD_RESET_VALID_MS }
    },
    // Whoever has the code reads the address: the word that it was used goes there too.
    usePasswordReset: async ({ body, request }) => passwordSet(await identity.usePasswordReset(body.code, body.password, request.ip, async (user, address) => app.alertMail.passwords?.mailChanged(user, address) ?? [])),
    startDeviceLogin: ({ body, request }) => identity.startDeviceLogin(body.client, request.ip),
    deviceToken: ({ body }) => identity.deviceToken(body.deviceCode),
    lookAtDevice: ({ body, who, request }) => inPerson(who, () => identity.lookAtDevice(who.userId, body.userCode, request.ip)),
    decideDevice: ({ body, who, request }) => inPerson(who, async () => (body.approve && who.roles.includes('admin') ? notFresh(who, app.now()) : null) ?? (await identity.decideDevice(who.userId, body.userCode, body.approve, request.ip)) ?? undefined),
    me: async ({ who }) => {
      const me = await identity.user(actor(who)), [account] = who.member ? await identity.accounts(who.member.by, who.userId) : []
      return me ? { ...me, ...(account ? { actingFor: account } : {}) } : refuse('not_found')
    },
    // Both make something that may do what an admin may, without being asked again: a key, and the session of a program (above).
    createKey: async ({ body, who }) => (body.scopes.includes('admin') ? notFresh(who, app.now()) : null) ?? identity.createKey(who, body),
    listKeys: async ({ who }) => ({ data: await identity.listKeys(who.userId, who.member?.by), nextCursor: null }),
    revokeKey: async ({ params, who }) => ((await identity.revokeKey(who.userId, params.key, who.member?.by)) ? undefined : refuse('not_found')),
  }
}
