import { afterEach, expect, test } from 'vitest'
import { createHash, randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createBlobStore } from './blobs.ts'

const cleanUps: (() => void)[] = []
afterEach(() => { for (const clean of cleanUps.splice(0)) clean() })
async function setup(maxBytes = 10_000_000) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-blobs-'))
  cleanUps.push(() => rmSync(dir, { recursive: true, force: true }))
  return { dir, blobs: await createBlobStore({ dir, maxBytes }) }
}
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const from = (bytes: Uint8Array): Readable => Readable.from([Buffer.from(bytes)])
async function text(stream: Readable): Promise<Buffer> { const parts: Buffer[] = []; for await (const part of stream) parts.push(part as Buffer); return Buffer.concat(parts) }

test('a blob is there when its last byte is, and reads back whole and in part', async () => {
  const { blobs } = await setup()
  const bytes = randomBytes(100_000), name = sha(bytes)
  expect(await blobs.stat(name)).toBeNull()
  expect(await blobs.append(name, bytes.length, 0, from(bytes.subarray(0, 60_000)))).toEqual({ offset: 60_000, whole: false })
  expect(await blobs.stat(name)).toBeNull()
  expect(await blobs.uploaded(name)).toBe(60_000)
  expect(await blobs.append(name, bytes.length, 60_000, from(bytes.subarray(60_000)))).toEqual({ offset: 100_000, whole: true })
  expect((await text(blobs.read(name))).equals(bytes)).toBe(true)
  expect((await text(blobs.read(name, { start: 10, end: 19 }))).equals(bytes.subarray(10, 20))).toBe(true)
})
test('the empty blob is a blob', async () => {
  const { blobs } = await setup()
  expect(await blobs.append(sha(Buffer.alloc(0)), 0, 0, from(Buffer.alloc(0)))).toEqual({ offset: 0, whole: true })
})
test('other bytes than promised leave nothing behind', async () => {
  const { blobs, dir } = await setup()
  const name = sha(randomBytes(10))
  expect(await blobs.append(name, 5, 0, from(randomBytes(5)))).toMatchObject({ refusal: 'blob_hash_mismatch' })
  expect(await blobs.append(name, 5, 0, from(randomBytes(6)))).toMatchObject({ refusal: 'blob_size_mismatch' })
  expect(readdirSync(join(dir, 'parts'))).toEqual([])
})
test('a wrong offset is told the right one, and two uploads at once do not mix', async () => {
  const { blobs } = await setup()
  const bytes = randomBytes(50_000), name = sha(bytes)
  expect(await blobs.append(name, bytes.length, 7, from(bytes))).toMatchObject({ refusal: 'blob_offset_mismatch', detail: { offset: 0 } })
  const both = await Promise.all([blobs.append(name, bytes.length, 0, from(bytes)), blobs.append(name, bytes.length, 0, from(bytes))])
  expect(both.filter((one) => 'whole' in one && one.whole)).toHaveLength(1)
  expect((await text(blobs.read(name))).equals(bytes)).toBe(true)
  expect(await blobs.append(name, bytes.length, 0, from(bytes))).toMatchObject({ whole: true })
})
test('a name that is no hash never becomes a path', async () => {
  const { blobs } = await setup()
  for (const name of ['../../etc/passwd', 'a'.repeat(63), 'A'.repeat(64), '']) await expect(blobs.stat(name)).rejects.toThrow(RangeError)
})
test('old parts are swept, fresh ones stay', async () => {
  const { blobs, dir } = await setup()
  await blobs.append(sha(randomBytes(10)), 100, 0, from(randomBytes(5)))
  expect(await blobs.sweep(60_000, Date.now())).toBe(0)
  expect(await blobs.sweep(60_000, Date.now() + 120_000)).toBe(1)
  expect(readdirSync(join(dir, 'parts'))).toEqual([])
})

const mount = mkdtempSync(join(tmpdir(), 'lumaris-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]).status === 0
if (!mounted) { rmSync(mount, { recursive: true, force: true }); test.skip('a full disk: no right to mount a small one here', () => undefined) }
else test('a full disk is a refusal; what was there stays whole, and with room again the upload goes on', async () => {
  try {
    const blobs = await createBlobStore({ dir: mount, maxBytes: 10_000_000 })
    const small = randomBytes(10_000), large = randomBytes(400_000)
    await blobs.append(sha(small), small.length, 0, from(small))
    expect(await blobs.append(sha(large), large.length, 0, Readable.from(Array.from({ length: 40 }, (_, i) => large.subarray(i * 10_000, (i + 1) * 10_000))))).toMatchObject({ refusal: 'storage_full' })
    expect((await text(blobs.read(sha(small)))).equals(small)).toBe(true)
    const offset = await blobs.uploaded(sha(large))
    expect(spawnSync('mount', ['-o', 'remount,size=4m', mount]).status).toBe(0)
    expect(await blobs.append(sha(large), large.length, offset, from(large.subarray(offset)))).toMatchObject({ whole: true })
  } finally {
    spawnSync('umount', [mount])
    rmSync(mount, { recursive: true, force: true })
    expect(existsSync(mount)).toBe(false)
  }
})
