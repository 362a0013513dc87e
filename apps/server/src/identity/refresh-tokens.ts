// Refresh tokens: `rft_{session}_{secret}_{mark}`. The table holds the hash of the newest one of a session, and of the one before.
//   - The next secret follows from the last one and a key of ours. So whoever asks twice with one token, because the answer was lost or two tabs
//     asked at once, gets the same next token twice, and neither is thrown out; without our key a thief of an old token has nothing.
//   - The mark says that the token is one we made. A true token that is neither the newest nor just replaced has been copied: that ends the
//     session, and only a true one can, so nobody ends a session by guessing its id.
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Without use for this long, one signs in again; and in any case after the second. */
export const SLIDING_MS = 30 * 86_400_000
export const ABSOLUTE_MS = 90 * 86_400_000

export type RefreshTokens = ReturnType<typeof createRefreshTokens>
export function createRefreshTokens(key: Buffer, random: (size: number) => Buffer) {
  const mac = (purpose: string, session: string, secret: string): string => createHmac('sha256', key).update(`${purpose}|${session}|${secret}`).digest('base64url')
  const make = (session: string, secret: string): string => `rft_${session.slice(4)}_${secret}_${mac('mark', session, secret).slice(0, 22)}`
  const parse = (token: string): { session: string; secret: string } | null => {
    const [, body, secret, mark] = /^rft_([0-9a-z]{26})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{22})$/.exec(token) ?? []
    if (!body || !secret || !mark) return null
    const session = `ses_${body}`
    return timingSafeEqual(Buffer.from(mark), Buffer.from(mac('mark', session, secret).slice(0, 22))) ? { session, secret } : null
  }
  return {
    first: (session: string): string => make(session, random(32).toString('base64url')),
    /** Null when it is not one of ours. */
    sessionOf: (token: string): string | null => parse(token)?.session ?? null,
    next: (token: string): string => {
      const found = parse(token)
      if (!found) throw new Error('only a token of ours has a next one')
      return make(found.session, mac('next', found.session, found.secret))
    },
  }
}
