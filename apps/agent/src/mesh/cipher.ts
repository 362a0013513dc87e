// What keeps two ranks' packets theirs: one key pair per attempt, made anew and never stored; one shared secret per pair of ranks; from it, bound to
// both attempts and both public keys, a key for each direction and a key for each side's word that it is who it says (direct.ts).
//
// A packet is a counter (8 bytes), the ciphertext and AES-256-GCM's tag. The counter is the nonce, so it never comes twice under one key; what was opened
// once is not opened again, and order is not asked for, because packets of one pair may travel on two ways at a time.
import { createCipheriv, createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync } from 'node:crypto'
import type { MeshPeer } from '@lumaris/protocol'

const COUNTER = 8, TAG = 16
export const OVERHEAD = COUNTER + TAG + 1
/** A late packet may be this many behind the newest. More than two full queues of the smallest packets that matter; 2 KiB for each pair. */
const WINDOW = 16_384
/** What a packet is, inside: something of the interface, or a sign of life. */
export const PACKET = 0, PING = 1

export type MeshKeys = { readonly publicKey: string; agree(publicKey: string): Buffer }
export function makeMeshKeys(): MeshKeys {
  const pair = generateKeyPairSync('x25519')
  const { x = '' } = pair.publicKey.export({ format: 'jwk' })
  const privateKey = createPrivateKey({ key: pair.privateKey.export({ format: 'jwk' }), format: 'jwk' })
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    /** Throws for a key that is none, also for those few that make every secret zero. */
    agree: (publicKey) => diffieHellman({ privateKey, publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(publicKey, 'base64').toString('base64url') }, format: 'jwk' }) }),
  }
}

export type Ours = { readonly rank: number; readonly attemptId: string; readonly keys: MeshKeys }
export type PairKeys = { readonly send: Buffer; readonly receive: Buffer; readonly proveSelf: Buffer; readonly provePeer: Buffer }
export function pairKeys(ours: Ours, peer: MeshPeer): PairKeys {
  const self = { rank: ours.rank, text: `${ours.rank} ${ours.attemptId} ${ours.keys.publicKey}` }, other = { rank: peer.rank, text: `${peer.rank} ${peer.attempt_id} ${peer.public_key}` }
  const low = self.rank < other.rank, [first, second] = low ? [self, other] : [other, self]
  const made = Buffer.from(hkdfSync('sha256', ours.keys.agree(peer.public_key), Buffer.alloc(0), `lumaris-mesh-1\n${first.text}\n${second.text}`, 128))
  const [up, down, proveLow, proveHigh] = [0, 32, 64, 96].map((at) => made.subarray(at, at + 32)) as [Buffer, Buffer, Buffer, Buffer]
  return low ? { send: up, receive: down, proveSelf: proveLow, provePeer: proveHigh } : { send: down, receive: up, proveSelf: proveHigh, provePeer: proveLow }
}
export const proof = (key: Buffer, ...parts: readonly (string | Buffer)[]): Buffer => { const mac = createHmac('sha256', key); for (const part of parts) mac.update(part); return mac.digest() }

export type Channel = { seal(kind: number, packet: Uint8Array): Buffer[]; /** Null: not from this peer, or not for the first time. */ open(sealed: Buffer): { readonly kind: number; readonly packet: Buffer } | null }
export function createChannel({ send, receive }: Pick<PairKeys, 'send' | 'receive'>): Channel {
  let sent = 0
  const seen = createWindow()
  const nonceOf = (counter: Uint8Array): Buffer => { const nonce = Buffer.alloc(12); nonce.set(counter, 4); return nonce }
  const kinds = [Buffer.of(PACKET), Buffer.of(PING)]
  return {
    seal(kind, packet) {
      const counter = Buffer.allocUnsafe(COUNTER)
      counter.writeBigUInt64BE(BigInt(++sent))
      const cipher = createCipheriv('aes-256-gcm', send, nonceOf(counter))
      const parts = [counter, cipher.update(kinds[kind] as Buffer), cipher.update(packet)]
      cipher.final()
      parts.push(cipher.getAuthTag())
      return parts
    },
    open(sealed) {
      if (sealed.length < OVERHEAD) return null
      const counter = sealed.readBigUInt64BE(0), number = Number(counter)
      if (number === 0 || counter > BigInt(Number.MAX_SAFE_INTEGER) || seen.has(number)) return null
      const decipher = createDecipheriv('aes-256-gcm', receive, nonceOf(sealed.subarray(0, COUNTER)), { authTagLength: TAG })
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
      const plain = decipher.update(sealed.subarray(COUNTER, sealed.length - TAG))
      try { decipher.final() } catch { return null /* sealed with another key, or changed on the way */ }
      seen.add(number)
      return { kind: plain[0] as number, packet: plain.subarray(1) }
    },
  }
}

/** Which counters have been: a ring of bits behind the newest. What has fallen out of it counts as having been. */
export function createWindow(size = WINDOW): { has(number: number): boolean; add(number: number): void } {
  const bits = new Uint32Array(size / 32)
  let newest = 0
  const at = (number: number): [number, number] => [(number % size) >>> 5, 1 << (number % size & 31)]
  return {
    has(number) {
      if (number > newest) return false
      if (number <= newest - size) return true
      const [word, bit] = at(number)
      return ((bits[word] as number) & bit) !== 0
    },
    add(number) {
      if (number > newest) {
        if (number - newest >= size) bits.fill(0)
        else for (let n = newest + 1; n <= number; n++) { const [word, bit] = at(n); bits[word] = (bits[word] as number) & ~bit }
        newest = number
      }
      const [word, bit] = at(number)
      bits[word] = (bits[word] as number) | bit
    },
  }
}
