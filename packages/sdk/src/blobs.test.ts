import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { aServer, cut, refuse } from './test-server.ts'
import type { Received } from './test-server.ts'

const bytes = Buffer.from(Array.from({ length: 1000 }, (_one, i) => i % 251))
const name = createHash('sha256').update(bytes).digest('hex')
const collected = () => {
  const chunks: Uint8Array[] = []
  return { chunks, stream: new WritableStream<Uint8Array>({ write(chunk) { chunks.push(chunk) } }), text: () => Buffer.concat(chunks) }
}
async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lumaris-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A server that stores as the market does, and does what `trouble` says to some requests. */
function aStore(trouble: (request: Received, response: ServerResponse, nth: number, stored: Buffer[]) => boolean = () => false) {
  const stored: Buffer[] = []
  const size = (): number => stored.reduce((sum, part) => sum + part.length, 0)
  return { stored, all: () => Buffer.concat(stored), server: aServer((request, response, nth) => {
    if (trouble(request, response, nth, stored)) return
    if (request.method === 'HEAD') return void response.writeHead(size() === bytes.length ? 200 : 404, { 'upload-offset': String(size()) }).end()
    if (Number(request.headers['upload-offset']) !== size()) { response.setHeader('upload-offset', String(size())); return refuse(response, 'blob_offset_mismatch', { detail: { offset: size() } }) }
    stored.push(request.body)
    response.writeHead(size() === Number(request.headers['upload-length']) ? 201 : 202, { 'upload-offset': String(size()) }).end()
  }) }
}

test('a file goes up in pieces, named by its hash', async () => {
  const store = aStore(), { client, received } = await store.server
  const seen: number[] = []
  expect(await client.upload(bytes, { pieceBytes: 400, onProgress: (done) => seen.push(done) })).toEqual({ blob: name, size: 1000, sent: true })
  expect(store.all().equals(bytes)).toBe(true)
  expect(received.map(({ method, headers }) => [method, headers['upload-offset'], headers['upload-length']])).toEqual([['HEAD', undefined, undefined], ['PUT', '0', '1000'], ['PUT', '400', '1000'], ['PUT', '800', '1000']])
  expect(seen).toEqual([0, 400, 800, 1000])
})
test('a file is read from its path', async () => {
  const store = aStore(), { client } = await store.server
  const file = join(await aFolder(), 'data')
  await writeFile(file, bytes)
  expect((await client.upload(file)).blob).toBe(name)
  expect(store.all().equals(bytes)).toBe(true)
})
test('what the market has is not sent again', async () => {
  const store = aStore(), { client, received } = await store.server
  store.stored.push(bytes)
  expect((await client.upload(bytes)).sent).toBe(false)
  expect(received.map(({ method }) => method)).toEqual(['HEAD'])
})
test('an upload that was begun another time goes on from there', async () => {
  const store = aStore(), { client, received } = await store.server
  store.stored.push(bytes.subarray(0, 300))
  await client.upload(bytes)
  expect(store.all().equals(bytes)).toBe(true)
  expect(received[1]?.body).toHaveLength(700)
})
test('a cut upload goes on where the server says it is, not where we think it is', async () => {
  let cuts = 0
  const store = aStore((request, response, _nth, stored) => {
    if (request.method !== 'PUT' || cuts++ > 0) return false
    stored.push(request.body.subarray(0, 123)) // arrived, and the answer did not
    cut(response)
    return true
  })
  const { client, received } = await store.server
  await client.upload(bytes)
  expect(store.all().equals(bytes)).toBe(true)
  expect(received.map(({ headers }) => headers['upload-offset'])).toEqual([undefined, '0', undefined, '123'])
})
test('an upload that somebody else moved on is followed', async () => {
  let moved = false
  const store = aStore((request, _response, _nth, stored) => { if (request.method === 'PUT' && !moved) { moved = true; stored.push(bytes.subarray(0, 50)) } return false })
  const { client } = await store.server
  await client.upload(bytes)
  expect(store.all().equals(bytes)).toBe(true)
})
test('an empty file is a file', async () => {
  const { client, received } = await aServer((request, response) => { response.writeHead(request.method === 'HEAD' ? 404 : 201, { 'upload-offset': '0' }).end() })
  expect((await client.upload(new Uint8Array())).size).toBe(0)
  expect(received.map(({ method }) => method)).toEqual(['HEAD', 'PUT'])
})
test('an upload is refused for good when the bytes have another hash', async () => {
  const { client, received } = await aServer((request, response) => { if (request.method === 'HEAD') response.writeHead(404).end(); else refuse(response, 'blob_hash_mismatch') })
  await expect(client.upload(bytes)).rejects.toMatchObject({ code: 'blob_hash_mismatch' })
  expect(received).toHaveLength(2)
})

/** Serves the bytes; the first answer is cut when the client has 600 of them. */
async function aBroken(ranges: boolean) {
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const made = await aServer((request, response, nth) => {
    const from = ranges ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': String(bytes.length - from), ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}) })
    if (nth > 1) return void response.end(bytes.subarray(from))
    response.write(bytes.subarray(0, 600))
    return arrived.then(() => cut(response))
  })
  return { ...made, onProgress: (done: number) => { if (done === 600) resolve() } }
}
test('a cut download goes on by Range', async () => {
  const { client, received, onProgress } = await aBroken(true), sink = collected()
  await client.download(name, sink.stream, { onProgress })
  expect(sink.text().equals(bytes)).toBe(true)
  expect(received.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=600-'])
})
test('a server that does not know Range sends all again, and nothing comes twice', async () => {
  const { client, onProgress } = await aBroken(false), sink = collected()
  await client.download(name, sink.stream, { onProgress })
  expect(sink.text().equals(bytes)).toBe(true)
})
test('other bytes than those asked for are refused, and nothing is kept', async () => {
  const folder = await aFolder()
  const { client } = await aServer((_request, response) => { response.end(Buffer.from(bytes).fill(7, 10, 20)) })
  await expect(client.download(name, join(folder, 'out'))).rejects.toMatchObject({ code: 'blob_corrupt' })
  expect(await readdir(folder)).toEqual([])
})
test('a file arrives whole under its name, and one that is there is not replaced unless asked', async () => {
  const folder = await aFolder(), file = join(folder, 'out')
  const { client } = await aServer((_request, response) => { response.end(bytes) })
  await client.download(name, file)
  expect((await readFile(file)).equals(bytes)).toBe(true)
  await writeFile(file, 'mine')
  await expect(client.download(name, file)).rejects.toMatchObject({ code: 'file_exists' })
  expect(await readFile(file, 'utf8')).toBe('mine')
  await client.download(name, file, { overwrite: true })
  expect(await readdir(folder)).toEqual(['out'])
  expect((await readFile(file)).equals(bytes)).toBe(true)
})
test('a blob that is not there is told at once', async () => {
  const { client, received } = await aServer((_request, response) => refuse(response, 'blob_not_found'))
  await expect(client.download(name, collected().stream)).rejects.toMatchObject({ code: 'blob_not_found' })
  expect(received).toHaveLength(1)
})
