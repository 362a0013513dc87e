// Sessions of pages. The refresh token is kept in a cookie that no script can read and no other site can send (SameSite=Strict); it is good for
// these addresses only, so that every other route goes on knowing one way to sign in: the header. What a cookie alone could do is refused
// when the browser says that another site asked (Origin).
import { isRefusal, refuse } from '@lumaris/protocol'
import type { BrowserTokens, Refusal, Tokens } from '@lumaris/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../app.ts'
import { SLIDING_MS } from '../identity/refresh-tokens.ts'
import type { Handlers } from './server.ts'

type Names = 'openBrowserSession' | 'renewBrowserSession' | 'endBrowserSession'
const COOKIE = 'lumaris_refresh', PATH = '/v1/browser-sessions'

export function browserSessionHandlers(app: App): Pick<Handlers, Names> {
  const opened = (tokens: Tokens | Refusal, request: FastifyRequest, reply: FastifyReply): BrowserTokens | Refusal => {
    if (isRefusal(tokens)) return tokens
    void reply.header('set-cookie', cookie(request, tokens.refreshToken, SLIDING_MS / 1000)).header('cache-control', 'no-store')
    return { accessToken: tokens.accessToken, expiresInMs: tokens.expiresInMs, user: tokens.user }
  }
  return {
    openBrowserSession: async ({ body, request, reply }) => foreign(request) ?? opened(await app.identity.login(body, request.ip, request.headers['user-agent']), request, reply),
    renewBrowserSession: async ({ request, reply }) => {
      const no = foreign(request)
      if (no) return no
      const token = cookieOf(request)
      if (token === null) return refuse('unauthenticated')
      const tokens = await app.identity.refresh(token, request.ip)
      if (isRefusal(tokens)) void reply.header('set-cookie', cookie(request, '', 0))
      return opened(tokens, request, reply)
    },
    endBrowserSession: async ({ request, reply }) => {
      const no = foreign(request)
      if (no) return no
      const token = cookieOf(request)
      // Whose session it is, only its newest token says; one that is no good any more has nothing left to end.
      const tokens = token === null ? null : await app.identity.refresh(token, request.ip)
      if (tokens && !isRefusal(tokens)) {
        const who = await app.identity.authenticate(tokens.accessToken)
        if (!isRefusal(who)) await app.identity.logout(who)
      }
      void reply.header('set-cookie', cookie(request, '', 0))
      return undefined
    },
  }
}

/** Browsers name the asking site with every POST and DELETE. A caller that names none is no browser; with our cookie in its hands it would be a strange one. */
function foreign(request: FastifyRequest): Refusal | null {
  const { origin, host } = request.headers
  if (origin === undefined) return cookieOf(request) === null ? null : refuse('foreign_origin')
  return URL.canParse(origin) && new URL(origin).host === host ? null : refuse('foreign_origin')
}

const cookieOf = (request: FastifyRequest): string | null => new RegExp(`(?:^|; ?)${COOKIE}=([A-Za-z0-9_-]{20,200})(?:;|$)`).exec(request.headers.cookie ?? '')?.[1] ?? null
/** Only over TLS, where there is TLS: a market on one's own machine has none. */
const cookie = (request: FastifyRequest, value: string, seconds: number): string =>
  `${COOKIE}=${value}; Path=${PATH}; HttpOnly; SameSite=Strict; Max-Age=${seconds}${(request.headers.origin ?? '').startsWith('https:') ? '; Secure' : ''}`
