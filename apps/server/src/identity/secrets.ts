// The server's own secrets: made at the first start, kept beside the data in a file that only its user may read. There is no default secret
// anywhere, and a file that cannot be read is never replaced: a new countersign key would make every receipt so far look forged.
import { generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { privateKeyFromPem, rawPublicKey } from '../signatures.ts'

export type Secrets = {
  /** Signs receipts beside the node. */
  readonly countersignKey: KeyObject
  readonly platformKey: string
  /** Signs access tokens. */
  readonly tokenKey: KeyObject
  /** A secret of 32 bytes for one purpose, always the same one: knowing it tells nothing of the others. */
  readonly derive: (purpose: string) => Buffer
}
type Stored = { readonly countersign: string; readonly token: string; readonly master: string }

const MASTER_BYTES = 32
const newKey = (): string => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
const newMaster = (): string => randomBytes(MASTER_BYTES).toString('base64url')

export function loadSecrets(dir: string): Secrets {
  const file = join(dir, 'secrets.json')
  let found = read(file)
  if (!found) {
    // Only the first of two servers that start together makes the file; both then read the same one.
    put(file, { countersign: newKey(), token: newKey(), master: newMaster() }, 'keep')
    found = read(file)
  }
  // Directories of the first days have no master; nothing was made with it yet.
  if (found && !found.master) { put(file, { ...found, master: newMaster() } as Stored, 'replace'); found = read(file) }
  try {
    const { countersign, token, master } = found as Stored
    const countersignKey = privateKeyFromPem(countersign), key = Buffer.from(master, 'base64url')
    if (key.length !== MASTER_BYTES) throw new Error('the master secret is cut short')
    return { countersignKey, platformKey: rawPublicKey(countersignKey), tokenKey: privateKeyFromPem(token), derive: (purpose) => Buffer.from(hkdfSync('sha256', key, '', purpose, 32)) }
  } catch (error) { throw unreadable(file, error) }
}

function read(file: string): Partial<Stored> | null {
  let text: string
  try { text = readFileSync(file, 'utf8') } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw unreadable(file, error)
  }
  const mode = statSync(file).mode & 0o777
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) throw new Error(`${file} can be read by other users (mode ${mode.toString(8)}): chmod 600 it, and if somebody may have read it, treat its keys as stolen`)
  try { return JSON.parse(text) as Partial<Stored> } catch { throw unreadable(file, new Error('it is not JSON')) } // the parser would quote the text, and with it a secret
}
const unreadable = (file: string, error: unknown): Error => new Error(`${file}, the server's secrets, cannot be used: restore it from a backup (it is not made anew, or all receipts and sessions would be void)`, { cause: error })

/** The whole file or none of it, on the disk before anybody relies on it. */
function put(file: string, secrets: Stored, existing: 'keep' | 'replace'): void {
  const fresh = `${file}.${process.pid}.new`
  rmSync(fresh, { force: true }) // of a process that was killed here: its mode could be anything
  writeFileSync(fresh, JSON.stringify(secrets), { mode: 0o600, flag: 'wx', flush: true })
  try {
    if (existing === 'replace') renameSync(fresh, file)
    else linkSync(fresh, file)
  } catch (error) { if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error } finally { rmSync(fresh, { force: true }) }
  const dir = openSync(join(file, '..'), 'r')
  try { fsyncSync(dir) } finally { closeSync(dir) }
}
