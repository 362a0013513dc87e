import { expect, test } from 'vitest'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IMAGE_FILES, buildImages, findImages, readManifest } from './build-images.ts'
import { cpioOf } from './cpio.ts'
import { ImagesRefused, needTools } from './packages.ts'
import { testImages } from './test-images.ts'

const kept = await testImages()
const missing = 'reason' in kept ? kept.reason : null
const { images, packages } = 'reason' in kept ? { images: '', packages: '' } : kept
const fresh = (): string => mkdtempSync(join(tmpdir(), 'lumaris-images-test-'))

test.skipIf(missing)(`the same packages give the same image, to the last bit${missing ? ` (${missing})` : ''}`, { timeout: 900_000 }, async () => {
  const into = fresh()
  const made = await buildImages({ into, packages, like: join(images, 'manifest.json') }) // refuses what comes out differently
  expect(made).toEqual(readManifest(join(images, 'manifest.json')))
  expect(readdirSync(into).sort()).toEqual(['initrd', 'manifest.json', 'root.ext4', 'vmlinuz'])
  expect(await findImages(into)).toMatchObject({ folder: into })
  appendFileSync(join(into, IMAGE_FILES.initrd), 'x')
  expect(await findImages(into)).toMatchObject({ reason: expect.stringContaining('initrd is not what was built') })
  rmSync(into, { recursive: true })
})
test.skipIf(missing)(`a package that is not what the list says is refused, and nothing is made${missing ? ` (${missing})` : ''}`, { timeout: 300_000 }, async () => {
  const into = fresh(), manifest = readManifest(join(images, 'manifest.json'))
  const like = join(into, 'like.json'), wrong = manifest.packages.find(({ name }) => name === 'busybox-static') as typeof manifest.packages[number]
  writeFileSync(like, JSON.stringify({ ...manifest, packages: [{ ...wrong, sha256: '0'.repeat(64) }] }))
  await expect(buildImages({ into: join(into, 'made'), like })).rejects.toThrow(/hashes differ|run apt-get update/)
  expect(existsSync(join(into, 'made', 'manifest.json'))).toBe(false)
  rmSync(into, { recursive: true })
})
test('what is no list of packages is refused, and so is one of another version of this program', async () => {
  const into = fresh(), like = join(into, 'like.json')
  writeFileSync(like, '{"format":2}')
  await expect(buildImages({ into, like })).rejects.toThrow(ImagesRefused)
  expect(await findImages(into)).toEqual({ reason: 'no image of a machine is there yet' })
  writeFileSync(join(into, 'manifest.json'), JSON.stringify({ format: 1, arch: 'amd64', kernel: { size: 1, sha256: 'a'.repeat(64) }, initrd: { size: 1, sha256: 'a'.repeat(64) }, root: { size: 1, sha256: 'a'.repeat(64) }, guest: 'b'.repeat(64), packages: [] }))
  expect(await findImages(into)).toEqual({ reason: 'its image was made by another version of this program' })
  rmSync(into, { recursive: true })
})
test('without apt or dpkg it is said where the image can be made; without the rest, which package is missing', () => {
  expect(() => { needTools(() => null) }).toThrow('on a Debian machine')
  expect(() => { needTools((name) => (name === 'debugfs' ? null : `/bin/${name}`)) }).toThrow('debugfs is missing. Run: apt-get install -y e2fsprogs')
})
test('the first root is an archive that the kernel reads: names, modes and contents, in fours', () => {
  const bytes = cpioOf([{ path: 'bin', kind: 'dir' }, { path: 'bin/x', kind: 'file', mode: 0o755, bytes: Buffer.from('abc') }, { path: 'y', kind: 'link', to: 'bin/x' }])
  const entries: [string, number, string][] = []
  for (let at = 0; at < bytes.length;) {
    const field = (i: number): number => Number.parseInt(bytes.toString('latin1', at + 6 + i * 8, at + 14 + i * 8), 16)
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701')
    const [mode, size, name] = [field(1), field(6), field(11)], start = Math.ceil((at + 110 + name) / 4) * 4
    entries.push([bytes.toString('latin1', at + 110, at + 109 + name), mode, bytes.toString('latin1', start, start + size)])
    at = Math.ceil((start + size) / 4) * 4
  }
  expect(entries).toEqual([['bin', 0o040755, ''], ['bin/x', 0o100755, 'abc'], ['y', 0o120777, 'bin/x'], ['TRAILER!!!', 0, '']])
  expect(readFileSync(join(import.meta.dirname, 'guest', 'init'), 'utf8')).toContain('switch_root')
})
