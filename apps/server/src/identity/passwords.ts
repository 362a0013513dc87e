// Passwords are kept as argon2id in the usual text form ($argon2id$v=19$m=…,t=…,p=…$salt$tag), so that the cost can grow and old ones stay readable.
import { argon2, timingSafeEqual } from 'node:crypto'
import { refuse } from '@lumaris/protocol'
import type { Refusal } from '@lumaris/protocol'

// RFC 9106's second recommendation: 64 MiB and 3 passes, about a tenth of a second of one core here. What it costs us it costs a thief, per guess.
export type Cost = { readonly memoryKib: number; readonly passes: number }
export const COST: Cost = { memoryKib: 65_536, passes: 3 }
const LANES = 1, TAG_BYTES = 32, SALT_BYTES = 16
/** Hashes at one time. They run on Node's four helper threads, which files need too, and take 64 MiB each. */
const AT_ONCE = 2
/** Callers that wait for their turn: some seconds of work. The next one is told to come back. */
const WAITING_MAX = 50
export const LENGTH_MIN = 10

// What people type most, without the digits and signs that they put around it; a short list catches most of what a long one would.
const COMMON = new Set(['password', 'passwort', 'passw0rd', 'p@ssw0rd', 'p@ssword', 'qwerty', 'qwertz', 'qwertyuiop', 'qwertzuiop', 'asdfghjkl', 'letmein', 'iloveyou', 'administrator', 'admin', 'welcome', 'abcdefghij', 'lumaris', 'changeme', 'football', 'princess', 'sunshine', 'dragon', 'monkey', 'superman'])
const CHARACTERS_MIN = 4

export function isWeak(password: string, email = ''): boolean {
  if (password.length < LENGTH_MIN || new Set(password).size < CHARACTERS_MIN) return true
  const core = password.toLowerCase().replace(/^[\d\W_]+|[\d\W_]+$/g, '')
  return core === '' ? isRun(password) : COMMON.has(core) || core === email.split('@')[0]
}
/** Digits that only count up or down, as on a keyboard. */
const isRun = (password: string): boolean => '01234567890123456789'.includes(password) || '98765432109876543210'.includes(password)

export type Passwords = ReturnType<typeof createPasswords>
export function createPasswords(random: (size: number) => Uint8Array, cost: Cost = COST) {
  let running = 0
  const waiting: (() => void)[] = []
  const inTurn = async <Result>(work: () => Promise<Result>): Promise<Result | Refusal> => {
    if (running >= AT_ONCE) {
      if (waiting.length >= WAITING_MAX) return refuse('overloaded', { retryAfterMs: 1000 })
      await new Promise<void>((go) => waiting.push(go))
    } else running++
    // Whoever ends hands its place on, so the count stays as it is.
    try { return await work() } finally { const next = waiting.shift(); if (next) next(); else running-- }
  }
  const derive = (password: string, salt: Uint8Array, { memoryKib, passes }: Cost): Promise<Buffer> => new Promise((resolve, reject) => {
    argon2('argon2id', { message: password.normalize('NFKC'), nonce: salt, parallelism: LANES, tagLength: TAG_BYTES, memory: memoryKib, passes }, (error, tag) => (error ? reject(error) : resolve(tag)))
  })
  return {
    hash: (password: string): Promise<string | Refusal> => inTurn(async () => {
      const salt = random(SALT_BYTES)
      return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${LANES}$${base64(salt)}$${base64(await derive(password, salt, cost))}`
    }),
    /** Compares in constant time. For an account that does not exist (null), hashes all the same: the time tells nothing. */
    verify: (stored: string | null, password: string): Promise<boolean | Refusal> => inTurn(async () => {
      if (stored === null) { await derive(password, new Uint8Array(SALT_BYTES), cost); return false }
      const { salt, tag, ...its } = parse(stored)
      return timingSafeEqual(await derive(password, salt, its), tag)
    }),
    /** Made with another cost than we use now: to be hashed again at the next sign-in, when we have the password. */
    isOutdated: (stored: string): boolean => { const { memoryKib, passes } = parse(stored); return memoryKib !== cost.memoryKib || passes !== cost.passes },
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
function parse(stored: string): Cost & { salt: Buffer; tag: Buffer } {
  const [, memory, passes, salt, tag] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$([A-Za-z0-9+/]+)={0,2}\$([A-Za-z0-9+/]+)={0,2}$/.exec(stored) ?? []
  if (!salt || !tag) throw new Error('a stored password is not argon2id as we write it')
  return { memoryKib: Number(memory), passes: Number(passes), salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}
