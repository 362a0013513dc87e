// Ids: a prefix, ten characters of time, sixteen of chance, in Crockford's base 32. Within a millisecond the chance part counts up, so ids of one
// process are in the order they were made; that makes them good keys for pages and for indexes.
import { chanceText, timeText } from '@lumaris/protocol'

/** Chance is drawn for this many ids at once: a system call for each would cost more than the rest. */
const POOL = 256

export type Ids = { make<Prefix extends string>(prefix: Prefix): `${Prefix}_${string}` }

export function createIds(now: () => number, randomBytes: (size: number) => Uint8Array): Ids {
  let lastMs = -1, time = ''
  const tail = new Uint8Array(16)
  let pool: Uint8Array = new Uint8Array(0), used = 0
  const draw = (): void => {
    if (used + 16 > pool.length) { pool = randomBytes(16 * POOL); used = 0 }
    for (let i = 0; i < 16; i++) tail[i] = (pool[used + i] as number) & 31
    used += 16
  }
  const countUp = (): void => {
    for (let i = 15; i >= 0; i--) {
      if ((tail[i] as number) < 31) { tail[i] = (tail[i] as number) + 1; return }
      tail[i] = 0
    }
  }
  return {
    make(prefix) {
      const ms = Math.max(now(), lastMs) // a clock that steps back must not make ids that sort before their elders
      if (ms === lastMs) countUp()
      else {
        lastMs = ms
        time = timeText(ms)
        draw()
      }
      return `${prefix}_${time}${chanceText(tail)}`
    },
  }
}
