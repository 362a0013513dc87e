import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'

// argon2id by RFC 9106's second recommendation (64 MiB, 3 passes): a memory-hard hash, about a tenth of a second here.
const MEMORY_KIB = 65_536, PASSES = 3, LANES = 1, TAG = 32, SALT = 16
/** What people type most; a short list catches most of what a long one would. */
const COMMON = new Set(['password', 'password1', 'passw0rd', '1234567890', 'qwertyuiop', 'letmein123', 'iloveyou12', 'administrator', '0987654321', 'abcdefghij', 'password123', 'welcome123'])

const derive = (password: string, salt: Buffer, memory: number, passes: number): Promise<Buffer> => new Promise((resolve, reject) => {
  argon2('argon2id', { message: password.normalize('NFKC'), nonce: salt, parallelism: LANES, tagLength: TAG, memory, passes }, (error, tag) => (error ? reject(error) : resolve(tag)))
})

export const isWeak = (password: string): boolean => password.length < 10 || COMMON.has(password.toLowerCase()) || new Set(password).size < 4

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT)
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${salt.toString('base64')}$${(await derive(password, salt, MEMORY_KIB, PASSES)).toString('base64')}`
}

/** Compares in constant time. For an account that does not exist, hashes all the same: the time tells nothing. */
export async function verifyPassword(stored: string | null, password: string): Promise<boolean> {
  const [, , , parameters, salt, tag] = (stored ?? '').split('$')
  const [, memory, passes] = /^m=(\d+),t=(\d+)/.exec(parameters ?? '') ?? []
  if (!stored || !salt || !tag) { await derive(password, Buffer.alloc(SALT), MEMORY_KIB, PASSES); return false }
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), Number(memory), Number(passes)), Buffer.from(tag, 'base64'))
}
