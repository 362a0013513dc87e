import { expect, test } from 'vitest'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutputsRefused, collectOutputs, plainFiles, sizeBelow } from './collect-outputs.ts'

function setup(): { dir: string; outside: string; [Symbol.dispose](): void } {
  const root = mkdtempSync(join(tmpdir(), 'lumaris-outputs-')), dir = join(root, 'work'), outside = join(root, 'outside')
  mkdirSync(dir)
  writeFileSync(outside, 'of the seller')
  return { dir, outside, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}
const all = async <T>(from: AsyncIterable<T>): Promise<T[]> => { const list: T[] = []; for await (const one of from) list.push(one); return list }
const text = async (stream: AsyncIterable<unknown>): Promise<string> => { let said = ''; for await (const part of stream) said += String(part); return said }

test('plain files are named with their size and hash, and can be read from an offset', async () => {
  using place = setup()
  mkdirSync(join(place.dir, 'a'))
  writeFileSync(join(place.dir, 'a/b.txt'), 'hello')
  const [file] = await all(collectOutputs(place.dir))
  expect(file).toMatchObject({ path: 'a/b.txt', size: 5, sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' })
  expect(await text(await (file as NonNullable<typeof file>).open(2))).toBe('llo')
})
test.skipIf(process.platform === 'win32')('links, hard links, pipes and odd names are left out', async () => {
  using place = setup()
  symlinkSync(place.outside, join(place.dir, 'link'))
  symlinkSync('/', join(place.dir, 'root'))
  linkSync(place.outside, join(place.dir, 'twice'))
  execFileSync('mkfifo', [join(place.dir, 'pipe')])
  writeFileSync(join(place.dir, 'new\nline'), 'x')
  writeFileSync(join(place.dir, 'plain'), 'x')
  expect((await all(collectOutputs(place.dir))).map(({ path }) => path)).toEqual(['plain'])
})
test.skipIf(process.platform === 'win32')('a file that became a link after it was seen is not followed', async () => {
  using place = setup()
  writeFileSync(join(place.dir, 'file'), 'x'.repeat(20))
  const [file] = await all(collectOutputs(place.dir))
  rmSync(join(place.dir, 'file'))
  symlinkSync(place.outside, join(place.dir, 'file'))
  expect(await text(await (file as NonNullable<typeof file>).open())).toBe('')
})
test('more entries or bytes than the bounds are refused as a whole, holes counted as what they claim', async () => {
  using place = setup()
  for (const name of ['a', 'b', 'c']) writeFileSync(join(place.dir, name), 'x')
  await expect(all(plainFiles(place.dir, { entriesMax: 2 }))).rejects.toThrow(OutputsRefused)
  expect(await sizeBelow(place.dir, 2)).toBe(Infinity)
  truncateSync(join(place.dir, 'b'), 2 ** 30)
  await expect(all(plainFiles(place.dir, { bytesMax: 2 ** 20 }))).rejects.toThrow(OutputsRefused)
  expect(await sizeBelow(place.dir)).toBeGreaterThanOrEqual(2 ** 30)
})
