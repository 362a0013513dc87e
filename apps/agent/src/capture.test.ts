import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { captureTo } from './capture.ts'

function aPath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-capture-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'out')
}

test('everything that is printed is in the file when it is done, also more than the disk takes at once, and the hash is that of the file', async () => {
  const path = aPath(), piece = Buffer.alloc(100_000, 'x\n')
  const capture = captureTo(path, Readable.from((function* () { for (let i = 0; i < 50; i++) yield piece })()))
  await capture.done
  const file = readFileSync(path)
  expect([file.length, capture.bytes(), capture.digest(), capture.over(), capture.failed()]).toEqual([5_000_000, 5_000_000, createHash('sha256').update(file).digest('hex'), true, false])
})
test('nothing printed is an empty file', async () => {
  const path = aPath(), ended = Readable.from([])
  ended.resume()
  await once(ended, 'end')
  const capture = captureTo(path, ended)
  await capture.done
  expect([readFileSync(path).length, capture.digest()]).toEqual([0, createHash('sha256').digest('hex')])
})
test('a disk that fails is told, and the program is not held up by it', async () => {
  const stream = new PassThrough(), capture = captureTo(join(aPath(), 'no', 'such', 'folder'), stream)
  await capture.done
  expect(capture.failed()).toBe(true)
  for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(100_000))
  stream.end()
  await once(stream, 'end')
  expect(capture.over()).toBe(true)
})
test('a pipe that nobody ends can be cut; what came is kept', async () => {
  const path = aPath(), stream = new PassThrough(), capture = captureTo(path, stream)
  stream.write('so far')
  await expect.poll(() => capture.bytes()).toBe(6)
  capture.cut()
  await capture.done
  expect([readFileSync(path, 'utf8'), capture.over()]).toEqual(['so far', true])
})
