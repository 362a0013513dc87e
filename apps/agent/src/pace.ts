// At most so many bytes a second, whoever asks: a bucket that fills with time. What is taken beyond it is owed, and who takes next waits until it is paid; so a
// piece of any size may be taken, and over any time no more goes than the rate allows, and the bucket once.
import { setTimeout as delay } from 'node:timers/promises'

export interface Pace { /** Resolves when so many bytes may go. */ take(bytes: number, until: AbortSignal): Promise<void> }
/** What may go at once after a quiet while, in time: a quarter of a second's worth. */
const BUCKET_MS = 250
/** Looked at so often while it waits, so that a new limit holds for what waits under the old one. */
const LOOK_MS = 1_000

/** `bytesS`: asked each time, null for no limit. */
export function createPace(bytesS: () => number | null, now: () => number, sleep: (ms: number, until: AbortSignal) => Promise<unknown> = (ms, signal) => delay(ms, undefined, { signal })): Pace {
  /** In bytes; below nothing is what is owed. */
  let room = 0, at = -Infinity, rate: number | null = null
  function fill(): number | null {
    const asked = bytesS(), time = now()
    if (asked === null) { rate = null; return null }
    room = rate === null ? (asked * BUCKET_MS) / 1000 : Math.min((asked * BUCKET_MS) / 1000, room + (rate * (time - at)) / 1000)
    rate = asked
    at = time
    return asked
  }
  let last = Promise.resolve()
  async function turn(bytes: number, until: AbortSignal): Promise<void> {
    for (let limit = fill(); limit !== null && room < 0; limit = fill()) await sleep(Math.max(1, Math.min(LOOK_MS, Math.ceil((-room / limit) * 1000))), until)
    if (rate !== null) room -= bytes
  }
  return { take(bytes, until) {
    if (bytesS() === null && rate === null) return Promise.resolve()
    // One after the other, so that nobody starves.
    const mine = last.then(() => turn(bytes, until))
    last = mine.catch(() => undefined /* who gives up takes nothing, and is told */)
    return mine
  } }
}
/** A stream in pieces, each of which waits for its turn. */
export async function* paced(stream: AsyncIterable<Uint8Array | string>, pace: Pace, until: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    for (let from = 0; from < bytes.length; from += PIECE) {
      const piece = bytes.subarray(from, from + PIECE)
      await pace.take(piece.length, until)
      yield piece
    }
  }
}
const PIECE = 64 * 1024
