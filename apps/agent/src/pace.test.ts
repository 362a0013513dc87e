import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Sha256 } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { createBlobs } from './blobs.ts'
import { createPace, paced } from './pace.ts'
import { startTinyMarket } from './tiny-market.ts'

/** A clock that moves by what is slept, and by nothing else. */
function setup(first: number | null) {
  const world = { now: 0, rate: first }
  const pace = createPace(() => world.rate, () => world.now, async (ms, until) => { until.throwIfAborted(); world.now += ms })
  return { world, pace }
}
const never = new AbortController().signal

test('over any time no more goes than the rate allows, and the bucket once', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 8_192, max: 10_000_000 }), fc.array(fc.tuple(fc.integer({ min: 1, max: 65_536 }), fc.integer({ min: 0, max: 500 })), { minLength: 1, maxLength: 60 }), async (rate, takes) => {
    const { world, pace } = setup(rate), went: { at: number; bytes: number }[] = []
    for (const [bytes, pause] of takes) { world.now += pause; await pace.take(bytes, never); went.push({ at: world.now, bytes }) }
    for (let i = 0; i < went.length; i++) {
      let sum = 0
      for (let j = i; j < went.length; j++) {
        const one = went[j] as { at: number; bytes: number }
        // The last one may be owed: it goes, and the next one waits for it.
        expect(sum).toBeLessThanOrEqual((rate * (one.at - (went[i] as { at: number }).at)) / 1000 + rate / 4 + 65_536)
        sum += one.bytes
      }
    }
  }))
})
test('a second of a steady rate is what was asked for, within what goes at once', async () => {
  const { world, pace } = setup(100_000)
  let bytes = 0
  while (world.now < 10_000) { await pace.take(4_096, never); bytes += 4_096 }
  expect(bytes).toBeGreaterThan(1_000_000 - 4_096)
  expect(bytes).toBeLessThan(1_000_000 + 25_000 + 2 * 4_096)
})
test('a new limit holds for what waits, and none lets everything go; who gives up is out of the way', async () => {
  const { world, pace } = setup(8_192)
  await pace.take(8_192_000, never) // owed for a thousand seconds
  const give = new AbortController()
  give.abort(new Error('not needed'))
  await expect(pace.take(1, give.signal)).rejects.toThrow('not needed')
  const before = world.now
  world.rate = null
  await pace.take(1, never)
  expect(world.now).toBe(before)
})
test('a stream is cut into pieces, and every byte comes once and in order', async () => {
  const { pace, world } = setup(100_000), sent = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251))
  const got: Uint8Array[] = []
  for await (const piece of paced((async function* () { yield sent.subarray(0, 150_000); yield sent.subarray(150_000) })(), pace, never)) { expect(piece.length).toBeLessThanOrEqual(65_536); got.push(piece) }
  expect(Buffer.concat(got).equals(sent)).toBe(true)
  expect(world.now).toBeGreaterThan(0)
})
test('what comes for jobs and what goes of them passes here, every byte of it, each way by its own limit', async () => {
  const market = await startTinyMarket(), dir = mkdtempSync(join(tmpdir(), 'lumaris-pace-')), down = setup(65_536), up = setup(16_384)
  onTestFinished(async () => { await market.close(); rmSync(dir, { recursive: true }) })
  const blobs = createBlobs({ server: market.url, token: () => 'session-1', down: down.pace, up: up.pace })
  const text = 'x'.repeat(300_000), { blob } = market.put(text), path = join(dir, 'in')
  await blobs.fetchTo({ sha256: blob as Sha256, size: text.length, path }, never)
  expect(readFileSync(path, 'utf8')).toBe(text)
  // The first quarter of a second's worth went at once, and the last piece is owed.
  expect(down.world.now).toBeGreaterThanOrEqual(((300_000 - 16_384 - 65_536) / 65_536) * 1000)
  expect([down.world.now < 5_000, up.world.now]).toEqual([true, 0])
  const bytes = Buffer.from('y'.repeat(200_000)), sha256 = createHash('sha256').update(bytes).digest('hex') as Sha256
  await blobs.store({ sha256, size: bytes.length, open: (from) => Readable.from([bytes.subarray(from)]) }, never)
  expect(market.blobs.get(sha256)?.equals(bytes)).toBe(true)
  expect(up.world.now).toBeGreaterThanOrEqual(((200_000 - 4_096 - 65_536) / 16_384) * 1000)
})
