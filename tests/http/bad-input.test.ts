// Bad input: each gets a refusal with a code that says what to change, and nothing is lost or half done.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { REFUSALS } from '@lumaris/protocol'
import type { JobId, RefusalCode } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1, server: { blobBytesMax: 1_000_000 } }) })
afterAll(async () => {
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, problems: [] })
  await market.stop()
})

function refused(answer: Answer, code: RefusalCode): void {
  expect(answer.body).toMatchObject({ code, status: REFUSALS[code].status, title: expect.any(String), hint: expect.any(String), requestId: expect.stringMatching(/^req_/) })
  expect(answer.status).toBe(REFUSALS[code].status)
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
}
const spec = { command: ['fake:exit', '0'] }
const post = (path: string, body: unknown, headers?: Record<string, string>) => market.call(market.buyer, 'POST', path, body, headers)
const available = async (): Promise<string> => (await market.call(market.buyer, 'GET', '/v1/wallet')).body.available
const newId = (): string => `job_${randomBytes(13).toString('hex')}`

test('malformed JSON', async () => refused(await post('/v1/jobs', '{"spec":'), 'malformed_json'))
test('__proto__ in JSON', async () => refused(await post('/v1/jobs', '{"spec":{"command":["x"],"__proto__":{"a":1}}}'), 'malformed_json'))
test('an unknown field, named by its place', async () => {
  const answer = await post('/v1/jobs', { spec: { ...spec, colour: 'red' } })
  refused(answer, 'invalid_request')
  expect(answer.body.errors[0]).toMatchObject({ pointer: '/spec', message: expect.stringContaining('colour') })
})
test.each([
  [{ command: 'echo hi' }, '/spec/command'], [{ command: [] }, '/spec/command'], [{ command: ['x', 'a\u0000b'] }, '/spec/command/1'], [{ ...spec, resources: { cpuMillis: -1 } }, '/spec/resources/cpuMillis'],
  [{ ...spec, resources: { memoryBytes: 1.5 } }, '/spec/resources/memoryBytes'], [{ ...spec, limits: { runMs: '10' } }, '/spec/limits/runMs'], [{ ...spec, priority: 999 }, '/spec/priority'], [{ ...spec, copies: 0 }, '/spec/copies'], [{ ...spec, assurance: '1e-3' }, '/spec/assurance'],
  [{ ...spec, env: { 'A=B': 'x' } }, '/spec/env/A=B'], [{ ...spec, name: 'a\u202eb' }, '/spec/name'],
  [{ ...spec, inputs: [{ path: '../etc/passwd', blob: '0'.repeat(64), size: 1 }] }, '/spec/inputs/0/path'], [{ ...spec, inputs: [{ path: '/abs', blob: '0'.repeat(64), size: 1 }] }, '/spec/inputs/0/path'],
  [{ ...spec, inputs: [{ path: 'a/./b', blob: '0'.repeat(64), size: 1 }] }, '/spec/inputs/0/path'], [{ ...spec, inputs: [{ path: 'a', blob: 'ABC', size: 1 }] }, '/spec/inputs/0/blob'],
  [{ ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 9, from: 3, to: 10, hash: '0'.repeat(64) }] }, '/spec/inputs/0'], [{ ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 9, from: 3, to: 2, hash: '0'.repeat(64) }] }, '/spec/inputs/0'],
  [{ ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 9, from: 3, to: 5 }] }, '/spec/inputs/0'], [{ ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 9, header: { from: 0, to: 2 } }] }, '/spec/inputs/0'],
  [{ ...spec, stdout: '../out' }, '/spec/stdout'], [{ ...spec, onFailure: 'ignore' }, '/spec/onFailure'], [{ ...spec, map: { result: 'out', merge: { kind: 'average' } } }, '/spec/map/merge/kind'], [{ ...spec, map: { result: 'out', merge: { kind: 'reduce', command: ['x'], fanIn: 1 } } }, '/spec/map/merge/fanIn'],
  [{ ...spec, tasks: Array.from({ length: 10_001 }, () => ({})) }, '/spec/tasks'],
])('a spec that does not fit: %j', async (bad, pointer) => {
  const answer = await post('/v1/jobs', { spec: bad })
  refused(answer, 'invalid_request')
  expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
})
test.each(['-5', '1.5', 'NaN', '1e9', '9'.repeat(30), 5, null, '', '0x10', ' 5'])('an amount that is none: %j', async (amount) => refused(await post('/v1/topups', { amount }), 'invalid_request'))
test('a top-up of nothing', async () => refused(await post('/v1/topups', { amount: '0' }), 'amount_not_allowed'))
test('a top-up over the bound', async () => refused(await post('/v1/topups', { amount: '999999999999999999' }), 'amount_not_allowed'))
test('a body that is too large', async () => refused(await post('/v1/jobs', `{"x":"${'a'.repeat(17_000_000)}"}`), 'body_too_large'))
test('a content type nobody asked for', async () => refused(await market.call(market.buyer, 'POST', '/v1/jobs', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }), 'unsupported_media_type'))
test('an address that is none, and a method it does not take', async () => {
  refused(await market.call(market.buyer, 'GET', '/v1/nothing'), 'route_not_found')
  refused(await market.call(market.buyer, 'DELETE', '/v1/jobs'), 'method_not_allowed')
})
test('ids that are none', async () => {
  for (const id of ['x', 'job_1', `nod_${'0'.repeat(26)}`, encodeURIComponent("job_' OR 1=1 --")]) refused(await market.call(market.buyer, 'GET', `/v1/jobs/${id}`), 'not_found')
})
test('no credits: what is needed and what there is', async () => {
  const before = await available()
  const answer = await post('/v1/jobs', { spec, cap: '999999999999' })
  refused(answer, 'insufficient_funds')
  expect(answer.body.detail).toMatchObject({ needed: '999999999999', available: before })
  expect(await available()).toBe(before)
})
test('an idempotency key with another body; with the same body the first answer again', async () => {
  const before = await available()
  const first = await post('/v1/jobs', { spec, cap: '1000000' }, { 'idempotency-key': 'k-1' })
  expect(first.status).toBe(201)
  const again = await post('/v1/jobs', { spec, cap: '1000000' }, { 'idempotency-key': 'k-1' })
  expect(again.body.id).toBe(first.body.id)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  refused(await post('/v1/jobs', { spec, cap: '2000' }, { 'idempotency-key': 'k-1' }), 'idempotency_conflict')
  await market.ended(first.body.id as JobId)
  // Also when the job has ended and left memory.
  expect((await post('/v1/jobs', { spec, cap: '1000000' }, { 'idempotency-key': 'k-1' })).body.id).toBe(first.body.id)
  expect(BigInt(before) - BigInt(await available())).toBeLessThanOrEqual(1_000_000n)
})
test('a job id used again', async () => {
  const id = newId()
  const first = await post('/v1/jobs', { id, spec, cap: '1000' })
  expect(first.body.id).toBe(id)
  expect((await post('/v1/jobs', { id, spec, cap: '1000' })).body.id).toBe(id)
  refused(await post('/v1/jobs', { id, spec, cap: '1001' }), 'idempotency_conflict')
})
test('a hundred retries of one top-up at once add it once', async () => {
  const before = BigInt(await available())
  const answers = await Promise.all(Array.from({ length: 100 }, () => post('/v1/topups', { amount: '7' }, { 'idempotency-key': 'race' })))
  expect(answers.every((answer) => answer.status === 201)).toBe(true)
  expect(BigInt(await available()) - before).toBe(7n)
  refused(await post('/v1/topups', { amount: '8' }, { 'idempotency-key': 'race' }), 'idempotency_conflict')
})
test('a filter of nothing, one with a name that is none, one too many', async () => {
  const put = (name: string, body: unknown): Promise<Answer> => market.call(market.buyer, 'PUT', `/v1/filters/${name}`, body)
  refused(await put('all', {}), 'invalid_request')
  refused(await put('q', { q: '' }), 'invalid_request')
  refused(await put('state', { state: 'lost' }), 'invalid_request')
  refused(await put('..', { state: 'failed' }), 'route_not_found')
  refused(await put('a%2Fb', { state: 'failed' }), 'not_found')
  for (let i = 0; i < 50; i++) expect((await put(`f${i}`, { q: `${i}` })).status).toBe(200)
  refused(await put('one-more', { state: 'failed' }), 'queue_full')
  expect((await put('f7', { state: 'failed' })).body).toMatchObject({ name: 'f7', state: 'failed' })
  const { data } = (await market.call(market.buyer, 'GET', '/v1/filters')).body
  expect([data.length, data.find((one: { name: string }) => one.name === 'f7')]).toEqual([50, { name: 'f7', state: 'failed', savedAt: expect.any(Number) }])
  refused(await market.call(market.buyer, 'DELETE', '/v1/filters/one-more'), 'not_found')
  // They are nobody else's.
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/filters')).body).toEqual({ data: [], nextCursor: null })
  refused(await market.call(market.demo.admin.key, 'DELETE', '/v1/filters/f7'), 'not_found')
})
test('a job larger than every node waits and says why; with noWait it is refused', async () => {
  const large = { ...spec, resources: { cpuMillis: 900_000 } }
  refused(await post('/v1/jobs', { spec: large, noWait: true }), 'no_node_fits')
  const queued = await post('/v1/jobs', { spec: large, cap: '10000000' })
  expect(queued.body.state).toBe('queued')
  const why = (await market.call(market.buyer, 'GET', `/v1/jobs/${queued.body.id}/explain`)).body
  expect(why.waiting.nodes).toEqual([expect.objectContaining({ reason: 'cpu', says: 'node-0 has too few cores' })])
  expect(why.waiting.changes).toContainEqual(expect.objectContaining({ change: 'ask for 8 cores instead of 900 cores', nodes: 1, startsInMs: 0 }))
  expect((await post(`/v1/jobs/${queued.body.id}/cancel`, undefined)).body.state).toBe('cancelled')
  refused(await post(`/v1/jobs/${queued.body.id}/cancel`, undefined), 'job_ended')
})
test('a driver or level no node has', async () => {
  for (const placement of [{ drivers: ['qemu'] }, { minLevel: 'vm' }, { regions: ['mars'] }, { labels: { zone: 'x' } }, { encryptedScratch: true }]) refused(await post('/v1/jobs', { spec: { ...spec, placement }, noWait: true }), 'no_node_fits')
  refused(await post('/v1/jobs', { spec: { ...spec, network: { egress: [{ host: 'data.example' }] } }, noWait: true }), 'no_node_fits')
})
test('hosts to connect to are names, and nothing that could be read as an address', async () => {
  for (const host of ['', 'localhost', 'org', '127.0.0.1', '2130706433', '0x7f.1', '1.1.1.1', '[::1]', '::1', 'a.example.', '.a.example', 'A.example', 'a_b.example', 'user@a.example', 'a.example:443', 'http://a.example', '*', '*.org', '*.example', 'a.*.example', 'a*.b.example', '**.a.example', 'ä.example', `${'a'.repeat(64)}.example`]) {
    refused(await post('/v1/quotes', { spec: { ...spec, network: { egress: [{ host }] } } }), 'invalid_request')
  }
  for (const rule of [{ host: 'a.example', port: 0 }, { host: 'a.example', port: 25 }, { host: 'a.example', port: 65_536 }, { host: 'a.example', port: '443' }, { host: 'a.example', path: '/' }]) refused(await post('/v1/quotes', { spec: { ...spec, network: { egress: [rule] } } }), 'invalid_request')
  for (const network of [{}, { egress: [] }, { egress: Array.from({ length: 101 }, (_, i) => ({ host: `a${i}.example` })) }, { egress: [{ host: 'a.example' }], ingress: [] }]) refused(await post('/v1/quotes', { spec: { ...spec, network } }), 'invalid_request')
})
test('a request that contradicts itself', async () => {
  refused(await post('/v1/quotes', { spec: { ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 1 }, { path: 'a', blob: '1'.repeat(64), size: 1 }] } }), 'impossible_request')
  refused(await post('/v1/quotes', { spec: { ...spec, resources: { diskBytes: 1_048_576 }, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 2_000_000 }] } }), 'impossible_request')
})
test('an image that is not named by registry and digest, and one that does not go with the runtime', async () => {
  const digest = `sha256:${'0'.repeat(64)}`, container = { ...spec, runtime: 'container' }
  for (const image of ['busybox', 'docker.io/library/busybox', 'docker.io/library/busybox:1.36', `busybox@${digest}`, `library/busybox@${digest}`, `docker.io/Library/busybox@${digest}`, `docker.io/busybox@sha256:${'0'.repeat(63)}`, `docker.io/busybox@md5:${'0'.repeat(32)}`, `http://docker.io/busybox@${digest}`, `user:password@docker.io/busybox@${digest}`, `docker.io/../busybox@${digest}`, `docker.io/bu sybox@${digest}`, `docker.io/busybox@${digest}\n`, '', 7]) {
    const answer = await post('/v1/quotes', { spec: { ...container, image } })
    refused(answer, 'invalid_request')
    expect(answer.body.errors[0]).toMatchObject({ pointer: '/spec/image' })
  }
  refused(await post('/v1/quotes', { spec: container }), 'impossible_request')
  refused(await post('/v1/quotes', { spec: { ...spec, image: `docker.io/library/busybox@${digest}` } }), 'impossible_request')
  for (const image of [`docker.io/library/busybox@${digest}`, `ghcr.io/a/b/c_d.e-f:v1.2@${digest}`, `127.0.0.1:5000/x@${digest}`, `localhost/x@${digest}`]) refused(await post('/v1/jobs', { spec: { ...container, image }, noWait: true }), 'no_node_fits')
})
test('an input that was never uploaded', async () => {
  const answer = await post('/v1/jobs', { spec: { ...spec, inputs: [{ path: 'a', blob: '0'.repeat(64), size: 1 }] }, cap: '1000' })
  refused(answer, 'blob_missing')
  expect(answer.body.detail.blobs).toEqual(['0'.repeat(64)])
})
test('a range cannot reach beyond its blob by naming a larger size, not even behind a true one', async () => {
  const bytes = new TextEncoder().encode('abc'), blob = createHash('sha256').update(bytes).digest('hex')
  await market.call(market.buyer, 'PUT', `/v1/blobs/${blob}`, bytes)
  const whole = { path: 'whole', blob, size: 3 }, beyond = { path: 'part', blob, size: 9, from: 5, to: 9, hash: '0'.repeat(64) }
  refused(await post('/v1/jobs', { spec: { ...spec, inputs: [beyond, whole] } }), 'blob_missing')
  refused(await post('/v1/jobs', { spec: { ...spec, inputs: [whole, beyond] } }), 'blob_missing')
})
test('the files of a reduce command are uploaded before the work begins that it will reduce', async () => {
  refused(await post('/v1/jobs', { spec: { ...spec, map: { result: 'out', merge: { kind: 'reduce', command: ['x'], inputs: [{ path: 'a', blob: '0'.repeat(64), size: 1 }] } } } }), 'blob_missing')
})
test('a merged result is recorded for a map that has ended, once; for nothing else', async () => {
  const put = (job: string, sha256: string) => market.call(market.buyer, 'PUT', `/v1/jobs/${job}/merged`, { sha256, size: 1 }), map = { result: 'out', merge: { kind: 'lines' } }
  const plain = (await post('/v1/jobs', { spec })).body, hanging = (await post('/v1/jobs', { spec: { command: ['fake:hang'], map } })).body, done = (await post('/v1/jobs', { spec: { ...spec, map } })).body
  for (const { id } of [plain, done]) await market.ended(id)
  for (const { id } of [plain, hanging]) refused(await put(id, '0'.repeat(64)), 'not_in_this_state')
  expect((await put(done.id, '0'.repeat(64))).body).toMatchObject({ id: done.id, state: 'completed', merged: { sha256: '0'.repeat(64), size: 1 } })
  expect((await put(done.id, '0'.repeat(64))).status).toBe(200)
  refused(await put(done.id, '1'.repeat(64)), 'merged_otherwise')
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${done.id}`)).body.merged).toEqual({ sha256: '0'.repeat(64), size: 1 })
  await market.call(market.buyer, 'POST', `/v1/jobs/${hanging.id}/cancel`)
})
test('a quote for another job, and one of nobody', async () => {
  const quote = (await post('/v1/quotes', { spec })).body
  expect(quote).toMatchObject({ nodes: 1, cap: expect.stringMatching(/^[0-9]+$/) })
  refused(await post('/v1/jobs', { spec: { command: ['fake:hang'] }, quote: quote.id }), 'quote_mismatch')
  refused(await post('/v1/jobs', { spec, quote: `quo_${'0'.repeat(26)}` }), 'quote_expired')
  const job = await post('/v1/jobs', { spec, quote: quote.id })
  expect(job.body.cap).toBe(quote.cap)
  await market.ended(job.body.id as JobId)
})

const put = (bytes: Uint8Array, sha: string, headers: Record<string, string>) => market.call(market.buyer, 'PUT', `/v1/blobs/${sha}`, bytes, headers)
const shaOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
test('a blob with another hash is not kept', async () => {
  const bytes = randomBytes(1000), other = shaOf(randomBytes(10))
  refused(await put(bytes, other, { 'upload-length': '1000' }), 'blob_hash_mismatch')
  expect((await market.call(market.buyer, 'HEAD', `/v1/blobs/${other}`)).status).toBe(404)
})
test('a blob over the bound, longer than announced, or at the wrong offset', async () => {
  const bytes = randomBytes(1000), sha = shaOf(bytes)
  refused(await put(bytes, sha, { 'upload-length': '2000000' }), 'blob_too_large')
  refused(await put(bytes, sha, { 'upload-length': '500' }), 'blob_size_mismatch')
  refused(await put(bytes, sha, { 'upload-length': '1000', 'upload-offset': '7' }), 'blob_offset_mismatch')
  refused(await put(bytes, sha, { 'upload-length': 'many' }), 'invalid_request')
})
test('an upload that was cut goes on where it stopped', async () => {
  const bytes = randomBytes(200_000), sha = shaOf(bytes)
  const url = new URL(market.url)
  const offsetOf = async (): Promise<number> => Number((await market.call(market.buyer, 'HEAD', `/v1/blobs/${sha}`)).headers.get('upload-offset'))
  const socket = connect({ host: url.hostname, port: Number(url.port) })
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()).on('error', () => resolve()).resume())
  socket.write(`PUT /v1/blobs/${sha} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${market.buyer}\r\ncontent-type: application/octet-stream\r\nupload-length: 200000\r\ncontent-length: 200000\r\n\r\n`)
  socket.write(bytes.subarray(0, 100_000))
  await expect.poll(offsetOf).toBeGreaterThan(0)
  socket.destroy()
  await closed
  const goOn = async (): Promise<number> => {
    const offset = await offsetOf()
    expect(offset).toBeLessThanOrEqual(100_000)
    return (await put(bytes.subarray(offset), sha, { 'upload-length': '200000', 'upload-offset': String(offset) })).status
  }
  await expect.poll(goOn).toBe(201)
  const range = await fetch(`${market.url}/v1/blobs/${sha}`, { headers: { authorization: `Bearer ${market.buyer}`, range: 'bytes=99990-100009' } })
  expect(range.status).toBe(206)
  expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(99_990, 100_010))).toBe(true)
  refused(await market.call(market.buyer, 'GET', `/v1/blobs/${sha}`, undefined, { range: 'bytes=300000-' }), 'bad_range')
})
test('passwords: weak ones, taken addresses, and guessing', async () => {
  const person = { email: 'Carol@Example.org', password: 'correct horse battery', name: 'Carol' }
  refused(await market.call(null, 'POST', '/v1/users', { ...person, password: 'password1' }), 'weak_password')
  expect((await market.call(null, 'POST', '/v1/users', person)).status).toBe(201)
  refused(await market.call(null, 'POST', '/v1/users', { ...person, email: 'carol@example.org' }), 'email_taken')
  const wrong = () => market.call(null, 'POST', '/v1/sessions', { email: person.email, password: 'not this one' })
  refused(await wrong(), 'invalid_credentials')
  // Guesses come back with time; on a busy machine hashing takes long enough for one or two.
  let slowed = await wrong()
  for (let i = 0; i < 20 && slowed.body.code === 'invalid_credentials'; i++) slowed = await wrong()
  refused(slowed, 'too_many_attempts')
  expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0)
})
test('a session: signs in, refreshes once per token, and ends', async () => {
  const person = { email: 'dan@example.org', password: 'correct horse battery', name: 'Dan' }
  await market.call(null, 'POST', '/v1/users', person)
  const first = (await market.call(null, 'POST', '/v1/sessions', person)).body
  refused(await market.call(null, 'POST', '/v1/sessions', person), 'invalid_request')
  const tokens = (await market.call(null, 'POST', '/v1/sessions', { email: person.email, password: person.password })).body
  expect(first.code).toBe('invalid_request')
  expect((await market.call(tokens.accessToken, 'GET', '/v1/users/me')).body.name).toBe('Dan')
  const next = (await market.call(null, 'POST', '/v1/sessions/refresh', { refreshToken: tokens.refreshToken })).body
  expect((await market.call(next.accessToken, 'GET', '/v1/users/me')).status).toBe(200)
  expect((await market.call(next.accessToken, 'DELETE', '/v1/sessions')).status).toBe(204)
  refused(await market.call(next.accessToken, 'GET', '/v1/users/me'), 'token_revoked')
  refused(await market.call(null, 'POST', '/v1/sessions/refresh', { refreshToken: next.refreshToken }), 'token_revoked')
  const forged = `${next.accessToken.split('.').slice(0, 2).join('.')}.${'A'.repeat(86)}`
  refused(await market.call(forged, 'GET', '/v1/users/me'), 'unauthenticated')
  const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${next.accessToken.split('.')[1]}.`
  refused(await market.call(none, 'GET', '/v1/users/me'), 'unauthenticated')
})
test('a key gives no more than its maker has', async () => {
  refused(await post('/v1/keys', { label: 'x', scopes: ['admin'] }), 'scope_not_allowed')
})
test('a join token that is wrong or used, and a proof by another key', async () => {
  const enrol = (token: string) => market.call(null, 'POST', '/v1/nodes', { token, publicKey: 'x'.repeat(43), proof: 'x'.repeat(86), name: 'x', capacity: { cpuMillis: 1, memoryBytes: 1, diskBytes: 1, gpus: 0 }, agentVersion: '1' })
  refused(await enrol('join_nobody_made_this_token'), 'bad_signature')
})

test.each([
  [{ email: 'nobody', role: 'viewer' }, '/email'], [{ email: 'a@b', role: 'owner' }, '/role'], [{ email: 'a@b' }, '/role'], [{ email: 'a@b', role: 'viewer', monthlyLimit: '1' }, '/monthlyLimit'], [{ email: 'a@b', role: 'submitter', monthlyLimit: -1 }, '/monthlyLimit'], [{ email: 'a@b', role: 'viewer', scopes: ['admin'] }, ''],
])('an invitation that does not fit: %j', async (body, pointer) => {
  const answer = await post('/v1/members/invitations', body)
  refused(answer, 'invalid_request')
  expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer)
})
test('members, accounts and invitations that are none', async () => {
  const nobody = `usr_${'0'.repeat(26)}`
  refused(await post('/v1/invitations/look', { code: 'x'.repeat(43) }), 'invitation_invalid')
  refused(await post('/v1/invitations/accept', { code: 'x' }), 'invalid_request')
  refused(await market.call(market.buyer, 'PUT', `/v1/members/${nobody}`, { role: 'viewer' }), 'not_found')
  for (const path of [`/v1/members/${nobody}`, '/v1/members/x', `/v1/members/invitations/inv_${'0'.repeat(26)}`, `/v1/accounts/${nobody}`]) refused(await market.call(market.buyer, 'DELETE', path), 'not_found')
  refused(await post(`/v1/accounts/${nobody}/act`, undefined), 'not_found')
  refused(await post('/v1/members/invitations', { email: (await market.call(market.buyer, 'GET', '/v1/users/me')).body.email, role: 'viewer' }), 'own_account')
})
test('files to fetch and requests to look around are refused as what they are', async () => {
  for (const body of [{}, { url: '' }, { url: 7 }, { url: `https://a.example/${'x'.repeat(4000)}` }, { url: 'https://a.example/', sha256: 'x' }, { url: 'https://a.example/', path: '/etc/passwd' }]) refused(await post('/v1/blobs/fetch', body), 'invalid_request')
  for (const url of ['nonsense', '//a.example/x', 'https://', 'file:///etc/passwd', 'http://127.0.0.1/', 'http://[::1]:8080/', 'https://user@a.example/']) refused(await post('/v1/blobs/fetch', { url }), 'url_not_allowed')
  for (const body of [{}, { spec: {} }, { spec, cap: '-1' }, { spec: { ...spec, resources: { cpuMillis: -1 } } }, { spec, secrets: { A: 'x' } }]) refused(await post('/v1/quotes/around', body), 'invalid_request')
  refused(await post('/v1/quotes/around', { spec: { ...spec, secrets: ['A'], env: { A: '1' } } }), 'impossible_request')
})
