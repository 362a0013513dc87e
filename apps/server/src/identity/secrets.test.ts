import { afterAll, expect, test } from 'vitest'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSecrets } from './secrets.ts'

const base = mkdtempSync(join(tmpdir(), 'lumaris-secrets-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const setup = (): { dir: string; file: string } => { const dir = mkdtempSync(join(base, 'd')); return { dir, file: join(dir, 'secrets.json') } }

test('they are made once, and are the same ever after; no two servers have the same', () => {
  const { dir, file } = setup()
  const [first, again, other] = [loadSecrets(dir), loadSecrets(dir), loadSecrets(setup().dir)]
  expect(again.platformKey).toBe(first.platformKey)
  expect(again.derive('a').equals(first.derive('a'))).toBe(true)
  expect(other.platformKey).not.toBe(first.platformKey)
  expect(other.derive('a').equals(first.derive('a'))).toBe(false)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(dir)).toEqual(['secrets.json'])
})

test('each purpose has a secret of its own', () => {
  const { derive } = loadSecrets(setup().dir)
  expect(derive('a').length).toBe(32)
  expect(derive('a').equals(derive('b'))).toBe(false)
})

test('a file that others may read is refused', () => {
  const { dir, file } = setup()
  loadSecrets(dir)
  chmodSync(file, 0o640)
  expect(() => loadSecrets(dir)).toThrow(/can be read by other users \(mode 640\)/)
})

test.each([['cut off', (text: string) => text.slice(0, 200)], ['empty', () => ''], ['of another kind', () => '{"countersign": "x", "token": "y", "master": "z"}'], ['with a short master', (text: string) => text.replace(/"master":"[^"]+"/, '"master":"AAAA"')]])('a file that is %s is named, never replaced, and not quoted', (_how, harm) => {
  const { dir, file } = setup()
  loadSecrets(dir)
  const text = readFileSync(file, 'utf8'), harmed = harm(text)
  writeFileSync(file, harmed)
  let message = ''
  try { loadSecrets(dir) } catch (error) { message = [error, (error as Error).cause].map(String).join(' ') }
  expect(message).toContain(`${file}, the server's secrets, cannot be used`)
  expect(message).not.toContain('PRIVATE KEY')
  expect(readFileSync(file, 'utf8')).toBe(harmed)
})

test('a directory of the first days gets its master secret, and keeps its keys', () => {
  const { dir, file } = setup()
  const before = loadSecrets(dir)
  const { master: _, ...old } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  writeFileSync(file, JSON.stringify(old))
  const after = loadSecrets(dir)
  expect(after.platformKey).toBe(before.platformKey)
  expect(loadSecrets(dir).derive('a').equals(after.derive('a'))).toBe(true)
})

test('what a start that was killed left behind is in nobody\'s way', () => {
  const { dir, file } = setup()
  writeFileSync(`${file}.${process.pid}.new`, 'half', { mode: 0o666 })
  loadSecrets(dir)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
