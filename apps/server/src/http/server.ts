// HTTP in, one way: find the route, know the caller, check the shapes, call the handler, turn its answer (or its refusal) into a reply. Handlers
// know nothing of status codes, headers or Fastify; a route without a handler does not compile, and one without a policy cannot exist.
import Fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isRefusal, refuse, routes } from '@lumaris/protocol'
import type { Body, ImpersonationId, Params, Query, Refusal, Reply, Route, RouteName, Routes, UserId } from '@lumaris/protocol'
import type { z } from 'zod'
import { Refused, sendRefusal, zodErrors } from './problem.ts'
import { limitRates } from './rate-limits.ts'
import type { Rates } from './rate-limits.ts'
import { mayCall, namedBy } from './policy.ts'
import type { Principal, UserPrincipal } from './policy.ts'
import type { Web } from './web.ts'
import type { BegunAct } from '../identity/members.ts'
import type { Log } from '../log.ts'
import { InvariantError } from '@lumaris/domain'

/** A job of ten thousand tasks with arguments fits; files travel as blobs. */
const BODY_MAX = 16 * 1024 * 1024, FORM_MAX = 16 * 1024
/** Headers must come within this time, a whole request within the next: a slow client must not hold a connection. Uploads are streamed and exempt by their own progress. */
const HEADERS_MS = 10_000
const KEY = /^[\x21-\x7e]{1,200}$/

export type Call<R> = {
  readonly params: Params<R>; readonly query: Query<R>; readonly body: Body<R>; readonly who: R extends { who: 'anyone' | 'agent' | 'user-or-agent' } ? Principal : UserPrincipal
  /** The request's own bytes, for telling one request from another. */
  readonly text: string; readonly idempotencyKey: string | null; readonly request: FastifyRequest; readonly reply: FastifyReply
}
/** What a handler gives back: the body, a refusal, or null when it has replied by itself (streams). */
export type Handler<R> = (call: Call<R>) => Promise<Reply<R> | Refusal | null | undefined>
export type Handlers = { readonly [Name in RouteName]: Handler<Routes[Name]> }

export type HttpPorts = { readonly handlers: Handlers; readonly authenticate: (header: string | undefined) => Promise<Principal | Refusal> | Principal | Refusal; readonly log: Log; readonly now: () => number; readonly newRequestId: () => string; readonly onDone?: (route: string, status: number, ms: number) => void; readonly web?: Web; readonly onLook?: (impersonation: ImpersonationId, route: RouteName) => void
  /** What somebody is about to change who works for the account. */
  readonly beginAct?: (account: UserId, by: UserId, route: RouteName, subject: string | null, request: FastifyRequest) => Promise<BegunAct>
  /** What may stay open for long: it ends with what let its reader in. */
  readonly onStream?: (who: UserPrincipal, stream: FastifyReply['raw']) => void
  /** Null: nobody is counted. */
  readonly rates: (() => Rates) | null
  /** Proxies whose word counts for where a request comes from; without any, it is whoever opened the connection. */
  readonly trustProxy?: string | undefined }

declare module 'fastify' { interface FastifyRequest { text: string; caller: ReturnType<HttpPorts['authenticate']> | undefined; /** What a member does with it leaves its line in the commit itself. */ actNoted?: boolean } }

export async function buildHttp(ports: HttpPorts): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, trustProxy: ports.trustProxy ?? false, bodyLimit: BODY_MAX, genReqId: () => ports.newRequestId(), requestTimeout: 0, connectionTimeout: 0, keepAliveTimeout: 65_000, forceCloseConnections: true, routerOptions: { maxParamLength: 200 }, exposeHeadRoutes: false })
  app.server.headersTimeout = HEADERS_MS
  app.decorateRequest('text', '')
  app.decorateRequest('caller', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    request.text = text as string
    if (text === '') return done(null, undefined)
    try { done(null, parseJson(text as string)) } catch { done(new Refused(refuse('malformed_json'))) }
  })
  app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null, undefined)) // streamed by the handler itself
  app.addHook('onSend', (request, reply, payload, done) => { void reply.header('x-request-id', request.id); void reply.header('x-content-type-options', 'nosniff'); done(null, payload) })
  app.addHook('onResponse', (request, reply, done) => {
    ports.onDone?.(request.routeOptions.url ?? 'unknown', reply.statusCode, reply.elapsedTime)
    if (reply.statusCode >= 500 && reply.statusCode !== 503) ports.log.error({ requestId: request.id, method: request.method, route: request.routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime }, 'request failed')
    else ports.log.debug({ requestId: request.id, method: request.method, route: request.routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime }, 'request')
    done()
  })
  app.setErrorHandler(async (error, request, reply) => onError(error, request, reply, ports.log))
  if (ports.rates) await limitRates(app, ports.rates, (request) => callerOf(ports, request))
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) register(app, ports, name, route, ports.handlers[name] as Handler<Route>)
  app.setNotFoundHandler(ports.rates ? { preHandler: app.rateLimit() } : {}, async (request, reply) => {
    const known = (Object.values(routes) as Route[]).some((route) => new RegExp(`^${route.path.replace(/:[a-z0-9]+/g, '[^/]+')}$`).test(request.url.split('?')[0] ?? ''))
    return (known ? null : ports.web?.(request, reply)) ?? sendRefusal(reply, refuse(known ? 'method_not_allowed' : 'route_not_found'))
  })
  return app
}

/** JSON without the field that would change what an object is. Only a text that can spell it is looked through: that costs three times the parsing. */
function parseJson(text: string): unknown {
  if (!text.includes('__proto__') && !text.includes('\\u')) return JSON.parse(text)
  return JSON.parse(text, (key, value: unknown) => {
    if (key === '__proto__') throw new SyntaxError('__proto__ is no field')
    return value
  })
}

/** Asked once for each request, however many want to know. */
const callerOf = (ports: HttpPorts, request: FastifyRequest): ReturnType<HttpPorts['authenticate']> => (request.caller ??= ports.authenticate(request.headers.authorization))

function register(app: FastifyInstance, ports: HttpPorts, name: RouteName, route: Route, handler: Handler<Route>): void {
  // What a mail program's button sends is taken at this one address, and not read; nowhere else is a form a request.
  if (route.takes === 'form') return void app.register(async (only) => {
    only.addContentTypeParser(['application/x-www-form-urlencoded', 'multipart/form-data'], { parseAs: 'string', bodyLimit: FORM_MAX }, (_request, _text, done) => done(null, undefined))
    add(only, ports, name, route, handler)
  })
  add(app, ports, name, route, handler)
}
function add(app: FastifyInstance, ports: HttpPorts, name: RouteName, route: Route, handler: Handler<Route>): void {
  const limit = route.takes === 'raw' ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}
  app.route({
    method: route.method, url: route.path, config: { name }, ...limit,
    handler: async (request, reply) => {
      const who = await callerOf(ports, request)
      // A bad token is a no everywhere, also where none is needed: whoever sends one believes to be signed in.
      if (isRefusal(who)) return sendRefusal(reply, who)
      const forbidden = mayCall(route, who, ports.now())
      if (forbidden) return sendRefusal(reply, forbidden)
      if (who.kind === 'user' && (route.sends === 'events' || route.sends === 'bytes')) {
        ports.onStream?.(who, reply.raw)
        // Noted before this look: whoever was shut out meanwhile is found by the one or by the other.
        if (who.member && isRefusal(await ports.authenticate(request.headers.authorization))) return sendRefusal(reply, refuse('not_a_member'))
      }
      if (who.kind === 'user' && who.readOnly) look(ports, name, who.readOnly, reply)
      const key = request.headers['idempotency-key']
      if (key !== undefined && (typeof key !== 'string' || !KEY.test(key))) return sendRefusal(reply, refuse('invalid_request'), [{ pointer: '/headers/idempotency-key', message: '1 to 200 visible ASCII characters' }])
      const parts: Record<'params' | 'query' | 'body', unknown> = { params: undefined, query: undefined, body: undefined }
      for (const part of ['params', 'query', 'body'] as const) {
        const schema = route[part] as z.ZodType | undefined
        if (!schema) continue
        const parsed = schema.safeParse(part === 'body' && request.body === undefined ? {} : request[part])
        // An id of the wrong shape names nothing.
        if (!parsed.success) return part === 'params' ? sendRefusal(reply, refuse('not_found')) : sendRefusal(reply, refuse('invalid_request'), zodErrors(parsed.error, part === 'query' ? '/query' : ''))
        parts[part] = parsed.data
      }
      const isAct = who.kind === 'user' && who.member !== undefined && route.method !== 'GET' && route.method !== 'HEAD' && !UNLOGGED.has(name)
      const begin = async (): Promise<BegunAct | undefined> => (isAct && who.member ? ports.beginAct?.(who.userId, who.member.by, name, namedBy(parts.params), request) : undefined)
      const act = IN_COMMIT.has(name) ? undefined : await begin()
      const answer = await handler({ ...parts, who, text: request.text, idempotencyKey: key ?? null, request, reply } as Call<Route>).catch(async (error: unknown) => { if (error instanceof Refused) await act?.undone(); throw error })
      if (answer === null) return reply
      if (isRefusal(answer)) { await act?.undone(); return sendRefusal(reply, answer) }
      if (request.actNoted) await act?.undone()
      else await (act ?? await begin())?.done(subjectOf(parts.params, answer))
      void reply.code(route.status ?? 200)
      return answer === undefined ? reply.send() : reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(answer))
    },
  })
}

/** Of what members do: it changes nothing, or there are too many of them to be read. */
const UNLOGGED: ReadonlySet<RouteName> = new Set(['createQuote', 'quoteAround', 'putBlob', 'readAlerts'])
/** The engine decides these, and puts the line of what a member did into the commit of the act. Of all others it is there before the act. */
const IN_COMMIT: ReadonlySet<RouteName> = new Set(['submitJob', 'cancelJob', 'pauseJob', 'resumeJob', 'moveJob', 'createSchedule', 'pauseSchedule', 'resumeSchedule', 'removeSchedule', 'setAlertSettings', 'inviteMember', 'changeMember', 'removeMember', 'revokeInvitation'])
/** What it was done to: what the address names, else what was made. */
function subjectOf(params: unknown, answer: unknown): string | null {
  const named = namedBy(params) ?? ((answer ?? {}) as { id?: unknown }).id
  return typeof named === 'string' ? named : null
}

/** What an admin reads in somebody's place is counted; and a stream that he has opened ends with his time. */
function look(ports: HttpPorts, name: RouteName, { id, until }: NonNullable<UserPrincipal['readOnly']>, reply: FastifyReply): void {
  ports.onLook?.(id, name)
  const over = setTimeout(() => reply.raw.destroy(), Math.max(0, until - ports.now()))
  reply.raw.once('close', () => clearTimeout(over))
}

async function onError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): Promise<FastifyReply> {
  if (error instanceof Refused) return sendRefusal(reply, error.refusal)
  const code = (error as { code?: string }).code
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return sendRefusal(reply, refuse('body_too_large', { maxBytes: BODY_MAX }))
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return sendRefusal(reply, refuse('unsupported_media_type'))
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY' || code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') return sendRefusal(reply, refuse('malformed_json'))
  const status = (error as { statusCode?: number }).statusCode
  if (status !== undefined && status < 500) return sendRefusal(reply, refuse('invalid_request'))
  log.error({ err: error, requestId: request.id, route: request.routeOptions.url, bug: error instanceof InvariantError }, 'a request broke')
  return sendRefusal(reply, refuse('internal'))
}
