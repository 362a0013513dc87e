// The server's own keys: made at the first start, kept beside the data, readable by nobody else. There is no default secret anywhere.
import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { privateKeyFromPem, rawPublicKey } from '../signatures.ts'

export type Secrets = { readonly countersignKey: KeyObject; readonly platformKey: string; readonly tokenKey: KeyObject }

export function loadSecrets(dir: string): Secrets {
  const file = join(dir, 'secrets.json')
  if (!existsSync(file)) {
    const fresh = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
    writeFileSync(`${file}.new`, JSON.stringify({ countersign: fresh(), token: fresh() }), { mode: 0o600, flush: true })
    renameSync(`${file}.new`, file)
  }
  const { countersign, token } = JSON.parse(readFileSync(file, 'utf8')) as { countersign: string; token: string }
  const countersignKey = privateKeyFromPem(countersign)
  return { countersignKey, platformKey: rawPublicKey(countersignKey), tokenKey: privateKeyFromPem(token) }
}
