// How often one caller may ask: the only place with these figures. Whoever is signed in is counted as a user (or as a node), over all keys, sessions and
// addresses; everybody else, and whoever sends a token that is no good, by address. What guesses could be made with is counted by address in any case.
// Agents' sockets do not come through here, and so neither do heartbeats nor work.
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, RouteName, SettingName, SettingValues } from '@lumaris/protocol'
import { networkOf } from '../identity/guess-guard.ts'
import { Refused } from './problem.ts'
import type { Principal } from './policy.ts'

export type Rate = { readonly max: number; readonly perMs: number }
const MINUTE = 60_000
export const RATES = {
  /** A map over many nodes asks some dozens of times a second. */
  caller: { max: 6_000, perMs: MINUTE } as Rate,
  address: { max: 600, perMs: MINUTE } as Rate,
  /** Pages, scripts, and addresses that do not exist: an office behind one address opens many. */
  files: { max: 3_000, perMs: MINUTE } as Rate,
  /** Each costs a tenth of a second of one core and 64 MiB: two at a time are worked on. */
  signIn: { max: 60, perMs: MINUTE } as Rate,
  signUp: { max: 20, perMs: MINUTE } as Rate,
  /** A program that waits for approval asks twelve times a minute. */
  device: { max: 120, perMs: MINUTE } as Rate,
  secondFactor: { max: 30, perMs: MINUTE } as Rate,
  /** The form asks anew when it has rested for 300 ms. */
  quote: { max: 240, perMs: MINUTE } as Rate,
} as const satisfies Record<string, Rate>
export type RateClass = keyof typeof RATES
/** Those that operators may change while the market runs, by the name of the setting. */
const SET_BY = { callerRate: 'caller', addressRate: 'address', signInRate: 'signIn', signUpRate: 'signUp', quoteRate: 'quote' } as const satisfies Partial<Record<SettingName, RateClass>>
export type Rates = Readonly<Record<RateClass, Rate>>
/** Asked with every request: what is set holds from the next one on. Each version of the settings is one object, and is put together once. */
export function ratesBy(started: Rates, values: () => Partial<SettingValues> | undefined): () => Rates {
  let of: Partial<SettingValues> | undefined, rates = started
  return () => {
    const set = values()
    if (set !== of) { of = set; rates = ratesOf(started, set) }
    return rates
  }
}
function ratesOf(started: Rates, set: Partial<SettingValues> | undefined): Rates {
  if (!set) return started
  const named = Object.entries(SET_BY).flatMap(([name, own]) => { const max = set[name as keyof typeof SET_BY]; return max === undefined ? [] : [[own, { max, perMs: MINUTE }] as const] })
  return { ...started, ...Object.fromEntries(named) }
}

/** What has a rate of its own; `free` is for whoever watches over the server. */
const CLASS: Readonly<Partial<Record<RouteName, RateClass | 'free'>>> = {
  healthz: 'free', readyz: 'free', metrics: 'free',
  login: 'signIn', openBrowserSession: 'signIn', enrolNode: 'signIn', register: 'signUp', askPasswordReset: 'signUp', usePasswordReset: 'signIn', startDeviceLogin: 'signIn', deviceToken: 'device',
  startSecondFactor: 'secondFactor', confirmSecondFactor: 'secondFactor', renewRecoveryCodes: 'secondFactor', stopSecondFactor: 'secondFactor', changePassword: 'secondFactor', lookAtDevice: 'secondFactor', decideDevice: 'secondFactor',
  createQuote: 'quote', quoteAround: 'quote', createStanding: 'quote',
}
const BY_ADDRESS: ReadonlySet<RateClass> = new Set(['signIn', 'signUp', 'device', 'files'])
/** Callers that are remembered, some megabytes; the longest unseen goes first. */
const REMEMBERED_MAX = 50_000

declare module 'fastify' { interface FastifyContextConfig { name?: RouteName } interface FastifyRequest { rateClass: RateClass } }

/** To be called before any route is made. */
export async function limitRates(app: FastifyInstance, rates: () => Rates, callerOf: (request: FastifyRequest) => Promise<Principal | Refusal> | Principal | Refusal): Promise<void> {
  app.decorateRequest('rateClass', 'address')
  const keyOf = async (request: FastifyRequest): Promise<string> => {
    const name = request.routeOptions.config.name
    const own = name === undefined ? 'files' : CLASS[name]
    if (own === 'free') return 'free'
    const address = networkOf(request.ip)
    if (own !== undefined && BY_ADDRESS.has(own)) { request.rateClass = own; return `${own} ${address}` }
    const who = await callerOf(request)
    const known = isRefusal(who) || who.kind === 'anyone' ? null : who.kind === 'user' ? (who.readOnly?.by ?? who.member?.by ?? who.userId) : who.node
    request.rateClass = known === null ? 'address' : (own ?? 'caller')
    return `${request.rateClass} ${known ?? address}`
  }
  await app.register(rateLimit, {
    global: true, cache: REMEMBERED_MAX, enableDraftSpec: true, hook: 'onRequest', keyGenerator: keyOf, allowList: (_request: FastifyRequest, key: string | number) => key === 'free',
    max: (request: FastifyRequest) => rates()[request.rateClass].max, timeWindow: (request: FastifyRequest) => rates()[request.rateClass].perMs,
    errorResponseBuilder: (_request, { ttl }) => new Refused(refuse('rate_limited', { retryAfterMs: ttl })),
  })
}
