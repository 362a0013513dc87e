// One way to the server: address, token, time limit, retries. A request is sent again only when that is safe (it reads, or it carries an id or a
// key by which the server knows it again), only for failures that may pass, and never sooner than the server asks for.
import { LumarisError, errorOf, unreachable } from './errors.ts'

export type RetryOptions = {
  /** How often a request is sent in all. */
  readonly attempts: number
  /** How often in a row an event stream may be lost before it is given up: longer, because a restart of the server must not end a `follow`. */
  readonly streamAttempts: number
  /** Pause before the second try; it doubles from try to try, and is shortened by chance so that clients do not come back in step. */
  readonly firstMs: number
  readonly mostMs: number
  /** A server that asks for a longer pause than this gets no retry; the caller decides. */
  readonly patienceMs: number
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>
}
export const RETRY: RetryOptions = { attempts: 5, streamAttempts: 40, firstMs: 200, mostMs: 5_000, patienceMs: 30_000, wait: sleep }

export type Seen = { readonly method: string; readonly url: string; readonly status: number | null; readonly ms: number; readonly attempt: number }
export type TransportOptions = {
  readonly url: string
  /** An API key or an access token, or how to find it. */
  readonly token?: string | (() => string | undefined) | undefined
  readonly fetch?: typeof fetch | undefined
  /** For an answer to begin (and, for JSON, to end). */
  readonly timeoutMs?: number | undefined
  readonly retry?: Partial<RetryOptions> | undefined
  /** Called once per request that fails because the access token expired; gives a new one. */
  readonly renew?: (() => Promise<string | undefined>) | undefined
  /** Asked once per request whose sign-in is too old for it (`fresh_sign_in_needed`); true: it was shown again, and the request is sent once more. */
  readonly prove?: (() => Promise<boolean>) | undefined
  /** Told of every request: for `--verbose`. */
  readonly onRequest?: ((seen: Seen) => void) | undefined
}
export type QueryValues = Readonly<Record<string, string | number | boolean | undefined>>
export type Outgoing = {
  readonly method: string; readonly path: string; readonly query?: QueryValues | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined; readonly body?: string | Blob | undefined
  readonly signal?: AbortSignal | undefined; readonly safe: boolean
  /** Statuses besides 2xx that are answers here, not errors. */
  readonly alsoFine?: readonly number[]
  readonly timeoutMs?: number | undefined
}
export type Transport = {
  readonly origin: string; readonly retry: RetryOptions
  /** Sends, reads the answer with `read` and tries again as the rules above allow. The time limit holds for both. */
  send<T>(request: Outgoing, read: (response: Response) => Promise<T>): Promise<T>
  /** Sends once and gives the answer with its body unread: for streams, whose readers know how to go on. The time limit ends with the headers. */
  open(request: Outgoing): Promise<Response>
  backoff(failures: number, error?: unknown): number
}
const TIMEOUT_MS = 30_000

export function createTransport(options: TransportOptions): Transport {
  const base = new URL(options.url)
  if (base.protocol !== 'http:' && base.protocol !== 'https:') throw new TypeError(`the address of a market begins with http:// or https://, not ${base.protocol}//`)
  const doFetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  const retry: RetryOptions = { ...RETRY, ...options.retry }
  let renewed: string | undefined
  const token = () => renewed ?? (typeof options.token === 'function' ? options.token() : options.token)

  async function answer(request: Outgoing, signal: AbortSignal, attempt: number): Promise<Response> {
    const url = urlOf(base, request)
    const bearer = token()
    const started = performance.now()
    const seen = (status: number | null): void => options.onRequest?.({ method: request.method, url: url.href, status, ms: performance.now() - started, attempt })
    let response: Response
    try {
      response = await doFetch(url, {
        method: request.method, signal, redirect: 'error', cache: 'no-store',
        headers: { ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }), ...(typeof request.body === 'string' ? { 'content-type': 'application/json' } : {}), ...request.headers },
        ...(request.body === undefined ? {} : { body: request.body }),
      })
    } catch (error) {
      seen(null)
      signal.throwIfAborted()
      throw unreachable(base.origin, error)
    }
    seen(response.status)
    if (response.ok || request.alsoFine?.includes(response.status)) return response
    throw await errorOf(response)
  }

  /** With the caller's signal and a time limit; `stop` ends the limit and leaves the caller's signal in force. */
  async function limited<T>(request: Outgoing, attempt: number, work: (response: Response, stop: () => void) => Promise<T>): Promise<T> {
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(new LumarisError('timed_out', `${base.origin} did not answer in time`, { retry: true })), request.timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS)
    const stop = (): void => clearTimeout(timer)
    const signal = request.signal ? AbortSignal.any([request.signal, limit.signal]) : limit.signal
    try {
      const response = await answer(request, signal, attempt).catch(async (error: unknown) => {
        if (!(error instanceof LumarisError && error.code === 'token_expired' && options.renew)) throw error
        renewed = await options.renew()
        return answer(request, signal, attempt)
      })
      return await work(response, stop)
    } catch (error) {
      request.signal?.throwIfAborted()
      if (error instanceof LumarisError) throw error
      if (limit.signal.aborted) throw limit.signal.reason
      if (error instanceof TypeError) throw unreachable(base.origin, error) // a body that broke off
      throw error
    } finally { stop() }
  }

  const backoff = (failures: number, error?: unknown): number => {
    const asked = error instanceof LumarisError ? error.retryAfterMs : undefined
    return asked ?? Math.min(retry.mostMs, retry.firstMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
  }

  return {
    origin: base.origin, retry, backoff,
    async send(request, read) {
      let proved = false
      for (let attempt = 1; ; attempt++) {
        try {
          return await limited(request, attempt, read)
        } catch (error) {
          // Refused, and so not done: whatever it is, it may be sent again.
          if (!proved && options.prove && error instanceof LumarisError && error.code === 'fresh_sign_in_needed' && await options.prove()) { proved = true; continue }
          if (!request.safe || attempt >= retry.attempts || !(error instanceof LumarisError && error.retry)) throw error
          const ms = backoff(attempt, error)
          if (ms > retry.patienceMs) throw error
          await retry.wait(ms, request.signal)
        }
      }
    },
    open: (request) => limited(request, 1, async (response, stop) => { stop(); return response }),
  }
}

function urlOf(base: URL, { path, query }: Outgoing): URL {
  const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base)
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) url.searchParams.set(name, String(value))
  return url
}

/** A pause that an AbortSignal ends at once. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const gone = (): void => { clearTimeout(timer); reject(signal?.reason as Error) }
    const timer = setTimeout(() => { signal?.removeEventListener('abort', gone); resolve() }, ms)
    signal?.addEventListener('abort', gone, { once: true })
  })
}
