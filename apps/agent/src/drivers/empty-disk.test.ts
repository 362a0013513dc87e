import { afterAll, expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeEmptyDisk } from './empty-disk.ts'
import { inPath } from './stage.ts'

const dir = mkdtempSync(join(tmpdir(), 'lumaris-empty-'))
afterAll(() => { rmSync(dir, { recursive: true, force: true }) })
const missing = inPath('mke2fs') === null || inPath('e2fsck') === null ? ' (e2fsprogs is not installed)' : ''
const sound = (image: string): boolean => spawnSync('e2fsck', ['-f', '-n', image]).status === 0

test.skipIf(missing)(`an empty file system from the kept copy is the one that was made, bit by bit, and takes as little of the disk${missing}`, async () => {
  for (const shape of [{ kib: 12_345, inodes: 1024, uid: 0 }, { kib: 200_003, inodes: 4096, uid: 65_534 }]) {
    const first = join(dir, `first-${shape.kib}`), second = join(dir, `second-${shape.kib}`)
    await makeEmptyDisk(first, shape)
    await makeEmptyDisk(second, shape)
    expect(readFileSync(second).equals(readFileSync(first))).toBe(true) // made anew, its name (UUID) would be another
    expect(statSync(second).size).toBe(shape.kib * 1024)
    expect(statSync(second).blocks).toBeLessThanOrEqual(statSync(first).blocks)
    expect(sound(second)).toBe(true)
    expect(spawnSync('debugfs', ['-R', 'stat /', second], { encoding: 'utf8' }).stdout).toMatch(new RegExp(`User:\\s+${shape.uid}\\s`))
  }
  const bytes = readFileSync(join(dir, 'second-12345'))
  bytes.fill(0xff, 1024 + 8192, 1024 + 12_288)
  writeFileSync(join(dir, 'damaged'), bytes)
  expect(sound(join(dir, 'damaged'))).toBe(false) // the check sees it
})
test.skipIf(missing)(`what is there already is not written over, and what fails leaves nothing${missing}`, async () => {
  const shape = { kib: 12_345, inodes: 1024, uid: 0 }
  await makeEmptyDisk(join(dir, 'one'), shape)
  writeFileSync(join(dir, 'there'), 'mine')
  await expect(makeEmptyDisk(join(dir, 'there'), shape)).rejects.toThrow('EEXIST')
  expect(readFileSync(join(dir, 'there'), 'utf8')).toBe('mine')
  await expect(makeEmptyDisk(join(dir, 'none', 'here'), { ...shape, uid: 7 })).rejects.toThrow()
  expect(existsSync(join(dir, 'none'))).toBe(false)
})
