// For tests: a real HTTP server whose answers the test writes, and a client whose pauses are recorded instead of waited for.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { REFUSALS } from '@lumaris/protocol'
import type { RefusalCode } from '@lumaris/protocol'
import { createClient } from './client.ts'
import type { TransportOptions } from './transport.ts'

export type Received = { readonly method: string; readonly path: string; readonly query: URLSearchParams; readonly headers: IncomingMessage['headers']; readonly body: Buffer }
export type Answer = (request: Received, response: ServerResponse, nth: number) => void | Promise<void>

/** `nth` counts the requests from 1. */
export async function aServer(answer: Answer, options: Partial<TransportOptions> = {}) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    void buffer(request).then(async (body) => {
      const url = new URL(request.url ?? '/', 'http://x')
      const one = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers, body }
      received.push(one)
      await answer(one, response, received.length)
    }).catch((error: unknown) => { response.destroy(error as Error) })
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => new Promise<void>((resolve) => { server.closeAllConnections(); server.close(() => resolve()) }))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const waits: number[] = []
  const client = createClient({ url, token: 'key', ...options, retry: { firstMs: 1, mostMs: 1, wait: async (ms) => { waits.push(Math.round(ms)) }, ...options.retry } })
  return { url, client, received, waits }
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
export function refuse(response: ServerResponse, code: RefusalCode, more: { detail?: object; retryAfter?: string } = {}): void {
  const { status, title, hint, retry } = REFUSALS[code]
  response.writeHead(status, { 'content-type': 'application/problem+json', ...(more.retryAfter === undefined ? {} : { 'retry-after': more.retryAfter }) })
    .end(JSON.stringify({ type: `urn:lumaris:refusal:${code}`, title, status, code, hint, retry, requestId: 'req_test', ...(more.detail ? { detail: more.detail } : {}) }))
}
export function events(response: ServerResponse, ...list: { id?: string | number; event?: string; data: unknown }[]): ServerResponse {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const { id, event, data } of list) response.write(`${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`)
  return response
}
/** Ends the connection without an answer, or in the middle of one: then after the reader has what was written, or it might never see it. */
export const cut = (response: ServerResponse): void => { response.destroy() }

const ID = '0123456789abcdefghjkmnpqrs'
export const JOB = `job_${ID}`, ATTEMPT = `att_${ID}`, NODE = `nod_${ID}`, USER = `usr_${ID}`
export const aWallet = { user: USER, available: '1000000', held: '0', spent: '0', pending: '0', earned: '0' }
export const aJob = (more: object = {}) => ({
  id: JOB, buyer: USER, state: 'completed', spec: { command: ['echo', 'hello'] }, cap: '1000', cost: '10', refunded: '990',
  tasks: { total: 1, queued: 0, running: 0, done: 1, failed: 0 }, exitCode: 0, createdAt: 1, ...more,
})
export const anEvent = (version: number, type: string, more: object = {}) => ({ job: JOB, version, at: version, type, state: type === 'ended' ? 'completed' : 'running', ...more })
