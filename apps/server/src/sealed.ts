// Secrets that the server must be able to read again (others are kept as hashes): sealed with AES-256-GCM under a key that follows from the server's own
// secrets file, and bound to what they belong to, so that a row copied to another owner does not open.
import { createCipheriv, createDecipheriv } from 'node:crypto'

const NONCE_BYTES = 12, TAG_BYTES = 16

export type Seal = { close(secret: Uint8Array, of: string): string; open(sealed: string, of: string): Buffer }
export function createSeal(key: Uint8Array, random: (size: number) => Buffer): Seal {
  return {
    close(secret, of) {
      const nonce = random(NONCE_BYTES), cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(of))
      return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString('base64url')
    },
    open(sealed, of) {
      const bytes = Buffer.from(sealed, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(of)).setAuthTag(bytes.subarray(-TAG_BYTES))
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    },
  }
}
