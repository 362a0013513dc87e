import { refuse } from '@lumaris/protocol'
import type { App } from '../app.ts'
import type { Handlers } from './server.ts'

type Names = 'register' | 'login' | 'refresh' | 'logout' | 'me' | 'createKey' | 'listKeys' | 'revokeKey'

export function identityHandlers(app: App): Pick<Handlers, Names> {
  const { identity } = app
  return {
    register: ({ body }) => identity.register(body),
    login: ({ body, request }) => identity.login(body, request.ip),
    refresh: ({ body, request }) => identity.refresh(body.refreshToken, request.ip),
    logout: async ({ who }) => { await identity.logout(who); return undefined },
    me: async ({ who }) => (await identity.user(who.userId)) ?? refuse('not_found'),
    createKey: ({ body, who }) => identity.createKey(who, body),
    listKeys: async ({ who }) => ({ data: await identity.listKeys(who.userId), nextCursor: null }),
    revokeKey: async ({ params, who }) => ((await identity.revokeKey(who.userId, params.key)) ? undefined : refuse('not_found')),
  }
}
