import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SHA256_OF_NOTHING, pipeLog } from './log-pipe.ts'

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }) })
afterEach(() => { vi.useRealTimers() })

function setup(room: () => Promise<void> | null = () => null) {
  const stream = new Readable({ read() { /* pushed by the test */ } })
  const pieces: { offset: number; text: string }[] = []
  const pipe = pipeLog(stream, { say: (offset, data) => pieces.push({ offset, text: data.toString() }), room })
  const settled = () => new Promise((resolve) => { setImmediate(resolve) })
  return { stream, pieces, pipe, settled }
}

test('what is printed within 50 ms goes as one piece', async () => {
  const { stream, pieces, settled } = setup()
  stream.push('a')
  await settled()
  vi.advanceTimersByTime(49)
  stream.push('b')
  await settled()
  expect(pieces).toEqual([])
  vi.advanceTimersByTime(1)
  expect(pieces).toEqual([{ offset: 0, text: 'ab' }])
  stream.push('c')
  await settled()
  vi.advanceTimersByTime(50)
  expect(pieces[1]).toEqual({ offset: 2, text: 'c' })
})

test('32 KiB do not wait, and no piece is larger than 64 KiB', async () => {
  const { stream, pieces, settled } = setup()
  stream.push('x'.repeat(32 * 1024))
  await settled()
  expect(pieces.map((piece) => piece.text.length)).toEqual([32 * 1024])
  stream.push('y'.repeat(150_000))
  await settled()
  expect(pieces.map((piece) => [piece.offset, piece.text.length])).toEqual([[0, 32_768], [32_768, 65_536], [98_304, 65_536], [163_840, 150_000 - 131_072]])
})

test('the end does not wait either, and the digest is that of everything', async () => {
  const { stream, pieces, pipe, settled } = setup()
  stream.push('hello ')
  await settled()
  stream.push('world')
  stream.push(null)
  await pipe.done
  expect(pieces).toEqual([{ offset: 0, text: 'hello world' }])
  expect(pipe.digest()).toBe(createHash('sha256').update('hello world').digest('hex'))
  expect(pipe.bytes()).toBe(11)
})

test('when there is no room, reading stops until there is', async () => {
  let open: () => void = () => undefined
  let full = true
  const { stream, pieces, pipe, settled } = setup(() => (full ? new Promise((resolve) => { open = resolve }) : null))
  stream.push('x'.repeat(40_000))
  await settled()
  stream.push('y'.repeat(40_000))
  stream.push(null)
  await settled()
  expect(pieces.map((piece) => piece.text[0])).toEqual(['x'])
  expect(pipe.blocked()).toBe(true)
  full = false
  open()
  await pipe.done
  expect(pieces.map((piece) => piece.text[0])).toEqual(['x', 'y'])
})

test('a stream that breaks keeps what it said, and one that said nothing costs nothing', async () => {
  const { stream, pieces, pipe, settled } = setup()
  stream.push('half')
  await settled()
  stream.destroy(new Error('pipe broke'))
  await pipe.done
  expect(pieces).toEqual([{ offset: 0, text: 'half' }])
  const ended = Readable.from([])
  ended.resume()
  await settled()
  const nothing = pipeLog(ended, { say: () => { throw new Error('said something') }, room: () => null })
  await nothing.done
  expect(nothing.digest()).toBe(SHA256_OF_NOTHING)
})
