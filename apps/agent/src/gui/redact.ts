// What an owner may hand to somebody who helps holds no key, no token and no name of a home directory. Named secrets go by their value; unknown ones by
// their shape: whatever is long and looks like chance, but for the ids and hashes that help needs.
import { homedir } from 'node:os'

const PEM = /-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g
const TOKENS = /\b(?:join_|lum_|sk_|key-|session-)[A-Za-z0-9_-]{8,}/g
const BEARER = /(bearer|authorization|token|secret|password|cookie|ticket)(["']?\s*[:=]\s*["']?|\s+)[^\s"',;&]+/gi
const CREDENTIALS = /:\/\/[^/\s@]+@/g
const CHANCE = /[A-Za-z0-9_-]{40,}/g
/** Ids of the market and SHA-256 sums name things, and open nothing. */
const NAMES = /^(?:(?:nod|job|att|usr|quo|enr|sta)_[0-9a-z]{26}|[0-9a-f]{64})$/

export function redact(text: string, secrets: readonly string[] = []): string {
  let out = text
  for (const secret of secrets) if (secret.length >= 6) out = out.replaceAll(secret, '[removed]')
  out = out.replace(PEM, '[key removed]').replace(TOKENS, '[removed]').replace(BEARER, '$1$2[removed]').replace(CREDENTIALS, '://[removed]@')
  out = out.replace(CHANCE, (word) => (NAMES.test(word) ? word : '[removed]'))
  const home = homedir()
  return home.length > 1 ? out.replaceAll(home, '~') : out
}

/** Every text of a value, also the names of its fields. */
export function redactAll(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return redact(value, secrets)
  if (Array.isArray(value)) return value.map((one) => redactAll(one, secrets))
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [redact(name, secrets), redactAll(one, secrets)]))
  return value
}
