// One message, sent once, signed as the Standard Webhooks have it: HMAC-SHA256 over id.timestamp.body. Bounded in time; of the answer only its status is
// looked at, so nothing that stands behind an address can be read through us; redirects are not followed.
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { WORDS, hostOf, isAllowedAddress, lookupAllowed, problemOfUrl } from './address.ts'
import type { AddressRules } from './address.ts'

const ANSWER_MS = 10_000
/** Heads of an answer; its body is not read. */
const HEADS_MAX = 16 * 1024

export type Sent = { readonly status: number | null; readonly problem: string | null }

export const secretText = (secret: Uint8Array): string => `whsec_${Buffer.from(secret).toString('base64')}`
export const signatureOf = (secret: Uint8Array, id: string, seconds: number, body: string): string => `v1,${createHmac('sha256', secret).update(`${id}.${seconds}.${body}`).digest('base64')}`

export function sendOnce(message: { readonly url: string; readonly id: string; readonly body: string; readonly secret: Uint8Array }, options: { readonly rules: AddressRules; readonly now: number; readonly version: string; readonly timeoutMs?: number | undefined }): Promise<Sent> {
  const { url, id, body, secret } = message, { rules } = options
  // Settings may have changed since it was registered.
  const problem = problemOfUrl(url, rules)
  if (problem !== null) return Promise.resolve({ status: null, problem })
  const target = new URL(url), host = hostOf(target), seconds = Math.floor(options.now / 1000)
  // A socket does not look up what is an address already.
  if (isIP(host) !== 0 && !isAllowedAddress(host, rules)) return Promise.resolve({ status: null, problem: `${host} is not on the public internet` })
  // A signal at birth ends everything, also a name server or a handshake that never answers.
  const signal = AbortSignal.timeout(options.timeoutMs ?? ANSWER_MS)
  return new Promise((done) => {
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, {
      method: 'POST', agent: false, lookup: lookupAllowed(rules), signal, maxHeaderSize: HEADS_MAX,
      headers: {
        'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'user-agent': `Lumaris/${options.version}`,
        'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signatureOf(secret, id, seconds, body),
      },
    }, (response) => {
      const status = response.statusCode ?? 0
      response.destroy()
      done(status >= 200 && status < 300 ? { status, problem: null } : { status, problem: status >= 300 && status < 400 ? 'it answered with a redirect, which is not followed' : `it answered ${status}` })
    })
    request.on('error', (error) => done({ status: null, problem: signal.aborted ? 'it did not answer in time' : wordsOf(error) }))
    request.end(body)
  })
}

const wordsOf = (error: Error): string => (error.name === 'ForbiddenAddress' ? error.message : (WORDS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'the connection failed'))
