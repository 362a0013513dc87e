// A file that somebody names by its address becomes a blob. Unlike a message to a webhook, what comes back is given to whoever asked, so the wall is higher: only addresses of
// the public internet, looked at when the connection is made, again for every redirect; and this very machine never, whatever webhooks may do. Bounded in size and in time.
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, Sha256 } from '@lumaris/protocol'
import { WORDS, hostOf, isAllowedAddress, isLocalName, lookupAllowed } from '../webhooks/address.ts'
import type { AddressRules, Resolve } from '../webhooks/address.ts'
import type { BlobStore } from './blobs.ts'

/** From the question to the last byte, redirects and all; and how long nothing may come. */
export const FETCH_MS = 100_000, FETCH_IDLE_MS = 15_000
export const FETCH_BYTES_MAX = 1024 ** 3
const REDIRECTS_MAX = 5, HEADS_MAX = 16 * 1024
/** Ports below 1024 are services that a question of ours could be words to (mail, for one): of those only the web's own. */
const isWebPort = (port: number): boolean => port === 80 || port === 443 || port >= 1024

export type FetchRules = AddressRules & { readonly bytesMax?: number | undefined; readonly totalMs?: number | undefined; readonly idleMs?: number | undefined; readonly resolve?: Resolve | undefined }
export type Fetched = { readonly sha256: Sha256; readonly size: number }

/** Why nothing is fetched from there, or null. */
export function problemOfAddress(url: URL, rules: AddressRules): string | null {
  const host = hostOf(url)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `${url.protocol.replace(':', '')} is not fetched: only http and https are`
  if (url.username !== '' || url.password !== '') return 'it carries a user name or a password: upload the file instead'
  if (isIP(host) !== 0 ? !isAllowedAddress(host, rules) : isLocalName(host) && !rules.loopback) return `${host} is not on the public internet`
  return isWebPort(Number(url.port || (url.protocol === 'https:' ? 443 : 80))) ? null : `port ${url.port} is not one of the web`
}

export async function fetchUrl(store: BlobStore, wanted: { readonly url: string; readonly sha256?: Sha256 | undefined }, rules: FetchRules, version: string): Promise<Fetched | Refusal> {
  const total = AbortSignal.timeout(rules.totalMs ?? FETCH_MS), bytesMax = rules.bytesMax ?? FETCH_BYTES_MAX
  if (!URL.canParse(wanted.url)) return refuse('url_not_allowed', { reason: 'it is not an address such as https://example.org/data.csv' })
  let url = new URL(wanted.url)
  for (let turns = 0; ; turns++) {
    const problem = problemOfAddress(url, rules)
    if (problem !== null) return refuse('url_not_allowed', { reason: turns === 0 ? problem : `it leads elsewhere, and there: ${problem}` })
    const answer = await ask(url, rules, total, version)
    if (isRefusal(answer)) return answer
    const status = answer.statusCode ?? 0, { location, 'content-length': length, 'content-encoding': packed } = answer.headers
    if (status >= 300 && status < 400 && location !== undefined) {
      answer.destroy()
      if (turns >= REDIRECTS_MAX) return refuse('url_not_fetched', { reason: `it leads on more than ${REDIRECTS_MAX} times` })
      if (!URL.canParse(location, url.href)) return refuse('url_not_fetched', { reason: 'it leads to something that is no address' })
      const next = new URL(location, url)
      if (url.protocol === 'https:' && next.protocol === 'http:') return refuse('url_not_allowed', { reason: 'it leads from https to http, where anybody on the way could change the file' })
      url = next
      continue
    }
    const no = status !== 200 ? refuse('url_not_fetched', { reason: `it answered ${status}`, status }) : packed !== undefined && packed !== 'identity' ? refuse('url_not_fetched', { reason: 'it sends the file packed for a browser, which was not asked for' }) : Number(length) > bytesMax ? refuse('blob_too_large', { maxBytes: bytesMax, bytes: Number(length) }) : null
    if (no) { answer.destroy(); return no }
    // Fewer bytes than were announced are half a file, however it ended.
    const announced = length === undefined ? null : Number(length)
    let failure: Refusal | null = null
    const stored = await store.keep(Readable.from(bodyOf(answer, { total, idleMs: rules.idleMs ?? FETCH_IDLE_MS, bytesMax, announced, failed: (why) => { failure = why } }), { objectMode: false }), wanted.sha256).catch((error: unknown) => { if (failure) return failure; throw error })
    return isRefusal(stored) ? stored : { sha256: stored.sha256 as Sha256, size: stored.size }
  }
}

function ask(url: URL, rules: FetchRules, total: AbortSignal, version: string): Promise<IncomingMessage | Refusal> {
  return new Promise((done) => {
    const signal = AbortSignal.any([total, AbortSignal.timeout(rules.idleMs ?? FETCH_IDLE_MS)])
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { method: 'GET', agent: false, lookup: lookupAllowed(rules, rules.resolve), maxHeaderSize: HEADS_MAX, headers: { 'user-agent': `Lumaris/${version}`, accept: '*/*', 'accept-encoding': 'identity' } }, (answer) => {
      signal.removeEventListener('abort', give)
      answer.on('error', () => undefined) // told by whoever reads it
      done(answer)
    })
    const give = (): void => { request.destroy(new Error('late')) }
    signal.addEventListener('abort', give, { once: true })
    request.on('error', (error) => { signal.removeEventListener('abort', give); done(signal.aborted ? refuse('url_not_fetched', { reason: 'it did not answer in time' }) : error.name === 'ForbiddenAddress' ? refuse('url_not_allowed', { reason: error.message }) : refuse('url_not_fetched', { reason: WORDS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'the connection failed' })) })
    request.end()
  })
}

async function* bodyOf(answer: IncomingMessage, { total, idleMs, bytesMax, announced, failed }: { total: AbortSignal; idleMs: number; bytesMax: number; announced: number | null; failed: (why: Refusal) => void }): AsyncGenerator<Buffer> {
  let why: Refusal | null = null, bytes = 0
  const stop = (reason: Refusal): void => { why ??= reason; answer.destroy() }
  const late = (): void => stop(refuse('url_not_fetched', { reason: 'it took too long to send the file' }))
  let timer = setTimeout(late, idleMs)
  total.addEventListener('abort', late, { once: true })
  try {
    if (total.aborted) late()
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      clearTimeout(timer)
      timer = setTimeout(late, idleMs)
      bytes += chunk.length
      if (bytes > bytesMax) stop(refuse('blob_too_large', { maxBytes: bytesMax }))
      if (why) break
      yield chunk
    }
    if (!why && announced !== null && bytes !== announced) why = refuse('url_not_fetched', { reason: 'the connection was cut' })
  } catch { why ??= refuse('url_not_fetched', { reason: 'the connection was cut' }) } finally {
    clearTimeout(timer)
    total.removeEventListener('abort', late)
    answer.destroy()
  }
  if (why) { failed(why); throw new Error('the file did not come whole') }
}
