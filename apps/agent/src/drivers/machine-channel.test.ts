import { expect, test } from 'vitest'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openChannel } from './machine-channel.ts'
import type { Channel } from './machine-channel.ts'

const frame = (letter: string, payload: Uint8Array | string = ''): Buffer => { const body = Buffer.from(payload as string), header = Buffer.alloc(5); header.write(letter); header.writeUInt32LE(body.length, 1); return Buffer.concat([header, body]) }
const file = (path: string | Uint8Array, size: number | bigint): Buffer => { const header = Buffer.alloc(8); header.writeBigUInt64LE(BigInt(size)); return frame('F', Buffer.concat([header, Buffer.from(path as string)])) }
const X = frame('X', '{"code":0,"starved":false}')
/** A machine at the other end of a real socket, which says these bytes once it was given its order. What became of it. */
async function heard(words: readonly Buffer[], { bytesMax = 1000, start = true }: { bytesMax?: number; start?: boolean } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-line-')), into = join(dir, 'work')
  mkdirSync(into)
  writeFileSync(join(into, 'input'), 'as it was')
  const server = createServer(), path = join(dir, 'line')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const other = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const socket = connect(path), machine = await other
  machine.on('error', () => undefined).resume()
  let says = '', out = ''
  const over = Promise.withResolvers<string>()
  const end = (what: string): void => { over.resolve(what) }
  const channel: Channel = openChannel(socket, { into: () => into, bytesMax, broke: (why) => { says = why; end('broke') }, tooLarge: () => end('tooLarge'), ended: () => undefined, done: () => end('done') })
  channel.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  channel.stderr.resume()
  if (start) channel.start({})
  for (const word of words) machine.write(word)
  const what = await over.promise
  const files: Record<string, string> = {}
  for (const name of readdirSync(into, { recursive: true, encoding: 'utf8' })) try { files[name] = readFileSync(join(into, name), 'utf8') } catch { /* a directory */ }
  socket.destroy(); machine.destroy()
  await new Promise<void>((resolve) => { server.close(() => resolve()) })
  const escaped = existsSync(join(dir, 'escaped')) || existsSync('/escaped')
  rmSync(dir, { recursive: true, force: true })
  return { what, says, out, files, escaped, end: channel.end() }
}

test('output, an end and files come out whole, however they are cut', async () => {
  const all = Buffer.concat([frame('O', 'one '), frame('E', 'x'), frame('O', 'two'), X, file('a/b/deep', 5), frame('D', 'he'), frame('D', 'llo'), file('empty', 0), frame('Z')])
  const inBytes = [...all].map((byte) => Buffer.from([byte]))
  for (const words of [[all], inBytes]) expect(await heard(words)).toMatchObject({ what: 'done', out: 'one two', files: { 'a/b/deep': 'hello', empty: '' }, end: { code: 0, starved: false } })
})
test('files take the place of what was in the directory before', async () => {
  expect((await heard([X, file('input/now', 1), frame('D', 'x'), frame('Z')])).files).toEqual({ 'input/now': 'x' })
})
test('a machine that breaks the rules is ended, and it is said which', async () => {
  const cases: [string, readonly Buffer[]][] = [
    ['announced', [Buffer.from('the quick brown fox jumps over the lazy dog')]],
    ['announced', [Buffer.from([0x4f, 0xff, 0xff, 0xff, 0xff])]],
    ['where that cannot be', [frame('?')]],
    ['where that cannot be', [frame('Z')]],
    ['where that cannot be', [file('early', 1)]],
    ['where that cannot be', [X, frame('O', 'more')]],
    ['where that cannot be', [X, X]],
    ['where that cannot be', [frame('R')]], // as are words that say nothing: they would come without end and meet no limit
    ['where that cannot be', [frame('O')]],
    ['where that cannot be', [frame('p')]],
    ['where that cannot be', [X, file('a', 2), frame('D')]],
    ['cannot be read', [frame('X', '{"code":-1,"starved":false}')]],
    ['cannot be read', [frame('X', '{"code":"0"')]],
    ['cannot be read', [frame('N', JSON.stringify({ errno: 'E', says: 'x'.repeat(5000) }))]],
    ['named no file', [X, frame('F', 'short')]],
    ['began a file inside another', [X, file('a', 5), frame('D', 'x'), file('b', 1)]],
    ['gave more of a file', [X, file('a', 2), frame('D', 'xyz')]],
    ['gave less of a file', [X, file('a', 2), frame('D', 'x'), frame('Z')]],
    ['gave more of a file', [X, frame('D', 'x')]],
    ['named a file twice', [X, file('a', 0), file('a', 0)]],
  ]
  for (const [says, words] of cases) { const found = await heard(words); expect(found, says).toMatchObject({ what: 'broke' }); expect(found.says).toContain(says) }
  expect((await heard([frame('O', 'x')], { start: false })).says).toContain('before there was anything to say')
})
test('no name leads out of the directory', async () => {
  for (const path of ['../escaped', 'a/../../escaped', '/escaped', '.', 'a//b', 'a/', './a', '..']) expect(await heard([X, file(path, 1), frame('D', 'x'), frame('Z')]), path).toMatchObject({ what: 'broke', says: 'named a file outside of its directory', escaped: false })
  const over = await heard([X, file('a', 1), frame('D', 'x'), file('a/b', 1), frame('D', 'x'), frame('Z')]) // a directory where a file is
  expect(over).toMatchObject({ what: 'broke', files: { a: 'x' } })
})
test('names that nothing could call by are left out, and the rest comes', async () => {
  expect(await heard([X, file('a\nb', 1), frame('D', 'x'), file('a\\b', 0), file(Buffer.from([0xff, 0xfe]), 1), frame('D', 'x'), file('x'.repeat(600), 0), file(`${'d/'.repeat(70)}f`, 0), file('ok', 1), frame('D', 'y'), frame('Z')])).toMatchObject({ what: 'done', files: { ok: 'y' } })
})
test('more than was allowed ends it before it is here: many bytes, one enormous file, many names', async () => {
  expect(await heard([X, file('a', 600), frame('D', 'x'.repeat(600)), file('b', 500)])).toMatchObject({ what: 'tooLarge' })
  expect(await heard([X, file('hole', 2n ** 63n)])).toMatchObject({ what: 'tooLarge', files: {} })
  expect(await heard([X, frame('T')])).toMatchObject({ what: 'tooLarge' })
})
test('whoever does not read slows the machine down: what was taken is told only as it is read', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-line-')), server = createServer(), path = join(dir, 'line')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const other = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const socket = connect(path), machine = await other
  const told: Buffer[] = []
  machine.on('data', (chunk: Buffer) => told.push(chunk))
  const taken = (): number => { const all = Buffer.concat(told); let last = 0; for (let at = 0; at + 5 <= all.length; at += 5 + all.readUInt32LE(at + 1)) if (all[at] === 0x41) last = Number(all.readBigUInt64LE(at + 5)); return last }
  const channel = openChannel(socket, { into: () => dir, bytesMax: 1, broke: () => undefined, tooLarge: () => undefined, ended: () => undefined, done: () => undefined })
  channel.start({})
  for (let i = 0; i < 8; i++) machine.write(frame('O', 'x'.repeat(32 * 1024)))
  await expect.poll(() => channel.stdout.readableLength).toBe(256 * 1024)
  expect(taken()).toBeLessThanOrEqual(64 * 1024)
  channel.stdout.resume()
  await expect.poll(taken).toBe(256 * 1024)
  socket.destroy(); machine.destroy(); server.close()
  rmSync(dir, { recursive: true, force: true })
})
