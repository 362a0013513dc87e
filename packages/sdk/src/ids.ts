const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new job id, made by the caller so that submitting twice is submitting once: 10 characters of time, 16 of chance. */
export function newJobId(nowMs: number = Date.now()): string {
  let time = ''
  for (let i = 0, rest = nowMs; i < 10; i++, rest = Math.floor(rest / 32)) time = ALPHABET[rest % 32] + time
  return `job_${time}${Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (byte) => ALPHABET[byte & 31]).join('')}`
}
