// Who this node is: an Ed25519 key that is made here and never leaves. The market knows the public half.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentStopped, codeOf } from './log.ts'
import { writeAtomic } from './files.ts'

export interface Identity {
  /** 32 bytes, base64url. */
  readonly publicKey: string
  /** Signature over the text's UTF-8: 64 bytes, base64url. */
  sign(text: string): string
}
export const KEY_FILE = 'node-key.pem'

export function identityOf(key: KeyObject): Identity {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  if (key.asymmetricKeyType !== 'ed25519' || x === undefined) throw new TypeError('a node key is an Ed25519 key')
  return { publicKey: x, sign: (text) => sign(null, Buffer.from(text), key).toString('base64url') }
}

export const newIdentity = (): Identity => identityOf(generateKeyPairSync('ed25519').privateKey)

export async function loadIdentity(dataDir: string): Promise<Identity> {
  const path = join(dataDir, KEY_FILE)
  const pem = await readFile(path, 'utf8').catch((error: unknown) => { if (codeOf(error) === 'ENOENT') return null; throw error })
  if (pem === null) {
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeAtomic(path, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), 0o600)
    return identityOf(privateKey)
  }
  try { return identityOf(createPrivateKey(pem)) } catch (error) {
    throw new AgentStopped(`The key in ${path} cannot be read; put the right file back, or remove it and join as a new node.`, { cause: error })
  }
}
