import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createClient } from './client.ts'
import { isLumarisError } from './errors.ts'
import type { LumarisError } from './errors.ts'
import { ATTEMPT, JOB, aJob, aServer, aWallet, anEvent, cut, events, json, refuse } from './test-server.ts'
import type { Followed } from './follow.ts'

const failure = (promise: Promise<unknown>): Promise<LumarisError> => promise.then(() => { throw new Error('it did not fail') }, (error: unknown) => { if (isLumarisError(error)) return error; throw error })
const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => { const list: T[] = []; for await (const item of items) list.push(item); return list }

test('a read is sent again when the market is at its limit, after the time it asks for', async () => {
  const { client, waits, received } = await aServer((_request, response, nth) => (nth === 1 ? refuse(response, 'overloaded', { retryAfter: '2' }) : json(response, aWallet)))
  expect((await client.wallet()).available).toBe('1000000')
  expect(waits).toEqual([2000])
  expect(received).toHaveLength(2)
  expect(received[0]?.headers.authorization).toBe('Bearer key')
})
test('a read is sent again when the connection is cut', async () => {
  const { client, received } = await aServer((_request, response, nth) => { if (nth === 1) cut(response); else json(response, aWallet) })
  await client.wallet()
  expect(received).toHaveLength(2)
})
test('a read is sent again when its answer breaks off', async () => {
  const { client, received } = await aServer((_request, response, nth) => {
    if (nth > 1) return json(response, aWallet)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' }).write('{"user"', () => cut(response))
  })
  await client.wallet()
  expect(received).toHaveLength(2)
})
test('retries come to an end, and the last failure is told', async () => {
  const { client, received } = await aServer((_request, response) => refuse(response, 'unavailable'), { retry: { attempts: 3 } })
  expect((await failure(client.wallet())).code).toBe('unavailable')
  expect(received).toHaveLength(3)
})
test('a longer pause than anyone would wait for is told instead of waited for', async () => {
  const { client, received, waits } = await aServer((_request, response) => refuse(response, 'rate_limited', { retryAfter: '3600' }))
  expect((await failure(client.wallet())).retryAfterMs).toBe(3_600_000)
  expect([received.length, waits]).toEqual([1, []])
})
test('a POST without key or id is never sent again', async () => {
  const { client, received } = await aServer((_request, response) => cut(response))
  expect((await failure(client.api.createEnrolment({ body: {} }))).code).toBe('unreachable')
  expect(received).toHaveLength(1)
})
test('a submitted job is sent again under the same id', async () => {
  const { client, received } = await aServer((_request, response, nth) => { if (nth === 1) cut(response); else json(response, aJob(), 201) })
  await client.submit({ command: ['echo', 'hello'] }, { cap: 5n })
  const bodies = received.map(({ body }) => JSON.parse(body.toString()) as { id: string; cap: string })
  expect(bodies[0]?.id).toMatch(/^job_[0-9a-z]{26}$/)
  expect(bodies[1]).toEqual(bodies[0])
  expect(bodies[0]?.cap).toBe('5')
})
test('a top-up carries a key, the same one when it is sent again', async () => {
  const { client, received } = await aServer((_request, response, nth) => { if (nth === 1) cut(response); else json(response, aWallet, 201) })
  await client.topup('12.5')
  expect(JSON.parse(received[1]?.body.toString() ?? '')).toEqual({ amount: '12500000' })
  expect(received[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
  expect(received[1]?.headers['idempotency-key']).toBe(received[0]?.headers['idempotency-key'])
})
test('a refusal arrives with its code, hint, detail and request id', async () => {
  const { client } = await aServer((_request, response) => refuse(response, 'insufficient_funds', { detail: { needed: '5' } }))
  const error = await failure(client.submit({ command: ['x'] }))
  expect([error.code, error.status, error.requestId, error.detail]).toEqual(['insufficient_funds', 402, 'req_test', { needed: '5' }])
  expect(error.hint).toMatch(/^Top up/)
})
test('a code this client does not know yet is passed on as it is', async () => {
  const { client } = await aServer((_request, response) => json(response, { code: 'not_yet_invented', title: 'New', hint: 'Do this' }, 418))
  const error = await failure(client.wallet())
  expect([error.code, error.message, error.hint]).toEqual(['not_yet_invented', 'New', 'Do this'])
})
test('an answer that does not fit the protocol is an error, not a surprise later', async () => {
  const { client } = await aServer((_request, response) => json(response, { user: 7 }))
  expect((await failure(client.wallet())).code).toBe('bad_reply')
})
test('nobody there: the error names the address and the reason', async () => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`
  gone.close()
  await once(gone, 'close')
  const client = createClient({ url, retry: { attempts: 1 } })
  expect((await failure(client.wallet())).message).toBe(`Cannot reach ${url}: nothing answers there`)
})
test('a server that does not answer is not waited for without end', async () => {
  const { client } = await aServer(() => new Promise(() => undefined), { timeoutMs: 20, retry: { attempts: 2 } })
  expect((await failure(client.wallet())).code).toBe('timed_out')
})
test('an abort ends a call with its own reason', async () => {
  const stop = new AbortController()
  const { client } = await aServer(() => { stop.abort(new Error('enough')) })
  await expect(client.wallet({ signal: stop.signal })).rejects.toThrow('enough')
})
test('an expired access token is renewed once', async () => {
  const { client, received } = await aServer((request, response) => (request.headers.authorization === 'Bearer new' ? json(response, aWallet) : refuse(response, 'token_expired')), { renew: async () => 'new' })
  await client.wallet()
  expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer key', 'Bearer new'])
})
test('a list goes on from page to page, as far as it is read', async () => {
  const { client, received } = await aServer((request, response) => json(response, request.query.get('cursor') === 'two' ? { data: [aJob({ cost: '3' })], nextCursor: null } : { data: [aJob({ cost: '1' }), aJob({ cost: '2' })], nextCursor: 'two' }))
  expect((await all(client.jobs({ limit: 2 }))).map((job) => job.cost)).toEqual(['1', '2', '3'])
  expect(received[0]?.query.get('limit')).toBe('2')
  for await (const _job of client.jobs()) break
  expect(received).toHaveLength(3)
})

test('watching goes on after a lost connection: no event is missed, none comes twice', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const { client, received } = await aServer((_request, response, nth) => {
    if (nth > 1) return void events(response, { id: 2, event: 'attempt', data: anEvent(2, 'attempt') }, { id: 3, event: 'ended', data: anEvent(3, 'ended') }, { event: 'end', data: {} }).end()
    events(response, { id: 1, event: 'submitted', data: anEvent(1, 'submitted') }, { id: 2, event: 'attempt', data: anEvent(2, 'attempt') })
    return arrived.then(() => cut(response))
  })
  const versions: number[] = []
  for await (const { version } of client.watch(JOB)) { versions.push(version); if (version === 2) resolve() }
  expect(versions).toEqual([1, 2, 3])
  expect(received.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '2'])
})
test('a stream that is closed without its end goes on too', async () => {
  const { client, received } = await aServer((_request, response, nth) => {
    if (nth === 1) return void events(response, { id: 1, data: anEvent(1, 'submitted') }).end()
    events(response, { id: 2, data: anEvent(2, 'ended') }, { event: 'end', data: {} }).end()
  })
  expect(await all(client.watch(JOB))).toHaveLength(2)
  expect(received).toHaveLength(2)
})
test('a stream that is refused is not asked for again', async () => {
  const { client, received } = await aServer((_request, response) => refuse(response, 'not_found'))
  expect((await failure(all(client.watch(JOB)))).code).toBe('not_found')
  expect(received).toHaveLength(1)
})
test('a stream that is lost again and again is given up', async () => {
  const { client, received } = await aServer((_request, response) => cut(response), { retry: { streamAttempts: 4 } })
  expect((await failure(all(client.watch(JOB)))).code).toBe('stream_lost')
  expect(received).toHaveLength(4)
})
test('leaving a stream ends its connection', async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const { client } = await aServer((_request, response) => { response.on('close', resolve); events(response, { id: 1, data: anEvent(1, 'submitted') }) })
  for await (const _event of client.watch(JOB)) break
  await closed
})

const log = (id: number, stream: string, offset: number, text: string) => ({ id, event: 'log', data: { stream, offset, data: Buffer.from(text).toString('base64'), at: 1 } })
test('output that is said again after a reconnect is shown once, to the byte', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const { client } = await aServer((_request, response, nth) => {
    if (nth > 1) return void events(response, log(1, 'stdout', 0, 'hello '), log(2, 'stdout', 3, 'lo world'), log(3, 'stderr', 0, '!'), { event: 'end', data: {} }).end()
    events(response, log(1, 'stdout', 0, 'hello '))
    return arrived.then(() => cut(response))
  })
  const pieces: [string, string][] = []
  for await (const { stream, bytes } of client.logs(ATTEMPT)) { pieces.push([stream, Buffer.from(bytes).toString()]); resolve() }
  expect(pieces).toEqual([['stdout', 'hello '], ['stdout', 'world'], ['stderr', '!']])
})
test('whoever stops reading goes on with his position: nothing twice, nothing left out', async () => {
  const asked: (string | undefined)[] = []
  const { client } = await aServer((request, response, nth) => {
    asked.push(request.headers['last-event-id'] as string | undefined)
    if (nth === 1) return void events(response, log(1, 'stdout', 0, 'hello '), log(2, 'stderr', 0, '!'))
    // Begun a little earlier than was asked for: what is known is left out, to the byte.
    return void events(response, log(2, 'stdout', 3, 'lo world'), log(3, 'stderr', 1, '?'), { event: 'end', data: {} }).end()
  })
  const position = { stdout: 0, stderr: 0 }, pieces: [string, string][] = []
  for await (const { stream, bytes } of client.logs(ATTEMPT, { position })) { pieces.push([stream, Buffer.from(bytes).toString()]); if (pieces.length === 2) break }
  expect(position).toEqual({ cursor: '2', stdout: 6, stderr: 1 })
  for await (const { stream, bytes } of client.logs(ATTEMPT, { position })) pieces.push([stream, Buffer.from(bytes).toString()])
  expect(pieces).toEqual([['stdout', 'hello '], ['stderr', '!'], ['stdout', 'world'], ['stderr', '?']])
  expect(asked).toEqual([undefined, '2'])
})
test('output up to now is read page by page', async () => {
  const { client } = await aServer((request, response) => {
    const cursor = request.query.get('cursor')
    json(response, cursor === null ? { data: [log(1, 'stdout', 0, 'a').data], nextCursor: 'b' } : { data: cursor === 'b' ? [log(2, 'stdout', 1, 'b').data] : [], nextCursor: 'c' })
  })
  expect((await all(client.logs(ATTEMPT, { follow: false }))).map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['a', 'b'])
})

const other = ATTEMPT.replace('0123', '3210')
function aRunningJob(afterEnd: (end: () => void) => void) {
  return aServer((request, response) => {
    if (request.path.endsWith('/logs')) {
      events(response, log(1, 'stdout', 0, `from ${request.path.includes(ATTEMPT) ? 'one' : 'two'}`))
      return afterEnd(() => events(response, log(2, 'stdout', 8, '!'), { event: 'end', data: {} }).end())
    }
    events(response, { id: 1, data: anEvent(1, 'attempt', { state: 'offered', attempt: ATTEMPT, task: 0 }) }, { id: 2, data: anEvent(2, 'attempt', { state: 'running', attempt: ATTEMPT, task: 0 }) },
      { id: 3, data: anEvent(3, 'attempt', { state: 'running', attempt: other, task: 1 }) }, { id: 4, data: anEvent(4, 'ended') }, { event: 'end', data: {} }).end()
  })
}
const outputOf = (items: Followed[], attempt: string): string => items.map((item) => (item.kind === 'log' && item.attempt === attempt ? Buffer.from(item.bytes).toString() : '')).join('')

test('following a job merges the output of all its attempts, and its end comes last', async () => {
  const { client } = await aRunningJob((end) => { setImmediate(end) })
  const items = await all(client.followJob(JOB))
  expect([outputOf(items, ATTEMPT), outputOf(items, other)]).toEqual(['from one!', 'from two!'])
  expect(items.at(-1)).toMatchObject({ kind: 'event', event: { type: 'ended' } })
  expect(items.filter((item) => item.kind === 'event')).toHaveLength(4)
})
test('output whose end never comes does not keep the end of a job back', async () => {
  const { client } = await aRunningJob(() => undefined)
  const items = await all(client.followJob(JOB, { lingerMs: 20 }))
  expect(items.at(-1)).toMatchObject({ kind: 'event', event: { type: 'ended' } })
  expect(outputOf(items, ATTEMPT)).toBe('from one')
})
test('a failure while following reaches the reader', async () => {
  const { client } = await aServer((request, response) => {
    if (request.path.endsWith('/logs')) return refuse(response, 'forbidden')
    events(response, { id: 1, data: anEvent(1, 'attempt', { state: 'running', attempt: ATTEMPT, task: 0 }) })
  })
  expect((await failure(all(client.followJob(JOB)))).code).toBe('forbidden')
})
