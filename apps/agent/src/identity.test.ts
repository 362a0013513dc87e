import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { KEY_FILE, loadIdentity } from './identity.ts'
import { lockDataDir } from './lock.ts'

async function aDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'lumaris-identity-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return dir
}

test('a key is made once, kept for its owner alone, and signs what its public half verifies', async () => {
  const dir = await aDir()
  const first = await loadIdentity(dir), second = await loadIdentity(dir)
  expect(first.publicKey).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(second.publicKey).toBe(first.publicKey)
  expect((await stat(join(dir, KEY_FILE))).mode & 0o777).toBe(0o600)
  const signature = second.sign('lumaris-enrol:x')
  expect(signature).toMatch(/^[A-Za-z0-9_-]{86}$/)
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: first.publicKey }, format: 'jwk' })
  expect(verify(null, Buffer.from('lumaris-enrol:x'), key, Buffer.from(signature, 'base64url'))).toBe(true)
})

test('a damaged key is told in one sentence and left as it is', async () => {
  const dir = await aDir()
  await writeFile(join(dir, KEY_FILE), 'not a key')
  await expect(loadIdentity(dir)).rejects.toThrow(/cannot be read; put the right file back/)
  expect(await readFile(join(dir, KEY_FILE), 'utf8')).toBe('not a key')
})

test('one directory holds one agent, until that one lets go', async () => {
  const dir = await aDir()
  const lock = lockDataDir(dir)
  expect(() => lockDataDir(dir)).toThrow(`Another agent is running in ${dir}`)
  lock.release()
  lockDataDir(dir).release()
})
