import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { CheckpointManifest } from '@lumaris/protocol'
import type { Saved } from '@lumaris/protocol'
import type { Blobs } from './blobs.ts'
import { layOver, stageFiles, storeFiles } from './checkpoints.ts'
import type { Known } from './checkpoints.ts'

const until = new AbortController().signal
function setup() {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-checkpoints-')), root = join(dir, 'work'), blobs = new Map<string, Buffer>(), stored: string[] = []
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  mkdirSync(root)
  const store: Blobs = {
    async fetchTo({ sha256, size, path }) { const bytes = blobs.get(sha256); if (bytes?.length !== size) throw new Error('no such blob'); await writeFile(path, bytes); return sha256 },
    async store({ sha256, open }) { const parts: Buffer[] = []; for await (const part of await open(0)) parts.push(part as Buffer); blobs.set(sha256, Buffer.concat(parts)); stored.push(sha256) },
  }
  const known: Known = new Map()
  let count = 0
  const take = async (paths: string[], bytesMax = 2 ** 20) => {
    stored.length = 0
    const staged = await stageFiles(root, join(dir, `staging${count++}`), { paths, everyMs: 1000 }, known, { bytesMax, until })
    const saved = await storeFiles(staged, known, store, until)
    return { staged, saved, files: CheckpointManifest.parse(JSON.parse(blobs.get(saved.manifest)?.toString() ?? '')).files.map(({ path }) => path) }
  }
  const put = (path: string, text: string): void => { mkdirSync(join(root, path, '..'), { recursive: true }); writeFileSync(join(root, path), text) }
  /** Long ago: a file whose clock is close to now may have been changed twice in one step of it. */
  const settled = (): Promise<unknown> => expect.poll(() => Date.now() - statSync(join(root, 'state')).ctimeMs, { interval: 20 }).toBeGreaterThan(150)
  return { dir, root, blobs, stored, store, take, put, settled }
}

test('only what was named is kept, and comes back over the inputs', async () => {
  const { dir, take, put, store } = setup()
  for (const [path, text] of [['state', '7'], ['out/a.csv', '1'], ['out/deep/b.csv', '2'], ['secret', 'x']] as const) put(path, text)
  const { saved, files } = await take(['state', 'out/**'])
  expect(files).toEqual(['out/a.csv', 'out/deep/b.csv', 'state'])
  const to = join(dir, 'next')
  mkdirSync(join(to, 'state'), { recursive: true }) // an input lies where it will be, and is a directory
  writeFileSync(join(to, 'out'), 'an input where a directory will be')
  writeFileSync(join(to, 'other'), 'an input')
  await layOver(to, { number: 1, kind: 'files', runMs: 1, ...saved } satisfies Saved, store, until)
  expect([readFileSync(join(to, 'state'), 'utf8'), readFileSync(join(to, 'out/deep/b.csv'), 'utf8'), readFileSync(join(to, 'other'), 'utf8')]).toEqual(['7', '2', 'an input'])
})
test('a file that has not changed is neither copied nor stored again; one that has, is, whatever its times are set to', async () => {
  const { root, take, put, settled, stored } = setup()
  put('state', 'before'); put('big', 'x'.repeat(1000))
  await settled()
  const first = await take(['**'])
  expect(first.staged.every(({ copy }) => copy !== null)).toBe(true)
  const again = await take(['**'])
  expect(again.staged.map(({ copy }) => copy)).toEqual([null, null])
  expect(stored).toEqual([again.saved.manifest])
  expect(again.saved).toEqual(first.saved)
  const { atime, mtime } = statSync(join(root, 'state'))
  put('state', 'after!') // as long as before
  utimesSync(join(root, 'state'), atime, mtime)
  const third = await take(['**'])
  expect(third.staged.filter(({ copy }) => copy !== null).map(({ path }) => path)).toEqual(['state'])
  expect(stored).toContain(createHash('sha256').update('after!').digest('hex'))
})
test('links lead nowhere: neither what they point to nor a second name of a file elsewhere is kept', async () => {
  const { dir, root, take, put } = setup()
  writeFileSync(join(dir, 'outside'), 'of the machine')
  put('state', '1')
  symlinkSync(join(dir, 'outside'), join(root, 'link'))
  linkSync(join(dir, 'outside'), join(root, 'twin'))
  symlinkSync(dir, join(root, 'up'))
  expect((await take(['**'])).files).toEqual(['state'])
})
test('more than the disk of the job, or more files than a list can name, is no checkpoint', async () => {
  const { take, put } = setup()
  put('state', 'x'.repeat(2000))
  await expect(take(['**'], 1000)).rejects.toThrow('more than 1000 bytes')
  for (let i = 0; i < 3001; i++) put(`many/${i}`, '')
  await expect(take(['many/**'])).rejects.toThrow('pack them into one')
})
test('a list that leads out of the directory, or is not what was stored, is not laid anywhere', async () => {
  const { dir, blobs, store } = setup(), to = join(dir, 'next')
  mkdirSync(to)
  const said = (value: unknown): Saved => { const bytes = Buffer.from(JSON.stringify(value)), manifest = createHash('sha256').update(bytes).digest('hex') as Saved['manifest']; blobs.set(manifest, bytes); return { number: 1, kind: 'files', runMs: 1, manifest, manifestSize: bytes.length, size: 1 } }
  const blob = createHash('sha256').update('x').digest('hex')
  blobs.set(blob, Buffer.from('x'))
  for (const path of ['../out', '/etc/out', 'a/../../out', '']) await expect(layOver(to, said({ version: 1, files: [{ path, blob, size: 1 }] }), store, until)).rejects.toThrow()
  await expect(layOver(to, said({ version: 1, files: [{ path: 'a', blob, size: 1 }, { path: 'b', blob, size: 1 }] }), store, until)).rejects.toThrow('not the one that was stored')
})
