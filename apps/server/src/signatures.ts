// Ed25519 over text. Keys travel as 32 raw bytes, signatures as 64, both base64url.
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

// The fixed head of an Ed25519 SubjectPublicKeyInfo (RFC 8410): what Node needs around the 32 bytes.
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
/** Keys of nodes that spoke lately: parsing one costs as much as a verification. */
const KEYS_MAX = 20_000
const known = new Map<string, KeyObject>()

export function publicKeyOf(raw: string): KeyObject {
  let key = known.get(raw)
  if (!key) {
    key = createPublicKey({ key: Buffer.concat([SPKI, Buffer.from(raw, 'base64url')]), format: 'der', type: 'spki' })
    if (known.size >= KEYS_MAX) known.clear()
    known.set(raw, key)
  }
  return key
}
export function verifyText(rawPublicKey: string, text: string, signature: string): boolean {
  try { return verify(null, Buffer.from(text), publicKeyOf(rawPublicKey), Buffer.from(signature, 'base64url')) } catch { return false } // a key or signature that cannot be one verifies nothing
}
export const signText = (key: KeyObject, text: string): string => sign(null, Buffer.from(text), key).toString('base64url')
export const rawPublicKey = (key: KeyObject): string => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length).toString('base64url')
export const privateKeyFromPem = (pem: string): KeyObject => createPrivateKey(pem)
export const sha256Hex = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex')
