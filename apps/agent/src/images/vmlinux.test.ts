import { expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { IMAGE_FILES } from './build-images.ts'
import { testImages } from './test-images.ts'
import { vmlinuxOf } from './vmlinux.ts'

/** As the kernel's own build wraps it. */
function wrapped(packed: Buffer): Buffer {
  const head = Buffer.alloc(1024)
  head[0x1f1] = 1
  head.write('HdrS', 0x202, 'latin1')
  head.writeUInt32LE(0, 0x248); head.writeUInt32LE(packed.length, 0x24c)
  return Buffer.concat([head, packed])
}
const length = (bytes: Buffer): Buffer => { const four = Buffer.alloc(4); four.writeUInt32LE(bytes.length); return four }
const lz4 = (elf: Buffer, ...blocks: string[]): Buffer => Buffer.concat([Buffer.from('02214c18', 'hex'), ...blocks.map((hex) => { const bytes = Buffer.from(hex, 'hex'); return Buffer.concat([length(bytes), bytes]) }), length(elf)])

const kept = await testImages()
test.skipIf('reason' in kept)(`Debian’s kernel is unpacked to what it says it is${'reason' in kept ? ` (${kept.reason})` : ''}`, () => {
  if ('reason' in kept) return
  const elf = vmlinuxOf(readFileSync(join(kept.images, IMAGE_FILES.kernel)))
  expect(elf.toString('latin1', 0, 4)).toBe('\x7fELF')
  expect(elf.includes('Linux version 6.')).toBe(true)
  // Its last section holds the names of all: with one byte too few or too many before it, it would not stand where the first header says.
  const at = Number(elf.readBigUInt64LE(0x28)) + elf.readUInt16LE(0x3a) * elf.readUInt16LE(0x3e)
  expect(elf.toString('latin1', Number(elf.readBigUInt64LE(at + 0x18)), Number(elf.readBigUInt64LE(at + 0x18)) + Number(elf.readBigUInt64LE(at + 0x20)))).toContain('\0.init.text\0')
})
test('gzip, zstd and LZ4 are known; a match may overlap what it makes', () => {
  const elf = Buffer.from('\x7fELFELFELFELFELF!!!!!', 'latin1')
  expect(vmlinuxOf(wrapped(gzipSync(elf)))).toEqual(elf)
  expect(vmlinuxOf(wrapped(Buffer.concat([zstdCompressSync(elf), length(elf)])))).toEqual(elf)
  // Four literals; twelve more bytes from three back; five literals that end the block.
  expect(vmlinuxOf(wrapped(lz4(elf, '487f454c460300', '502121212121')))).toEqual(elf)
})
test('what is no kernel, damaged or cut off is an error and no kernel', () => {
  const elf = Buffer.from('\x7fELFELFELFELFELF!!!!!', 'latin1')
  expect(() => vmlinuxOf(Buffer.alloc(2048))).toThrow('no kernel for x86')
  expect(() => vmlinuxOf(wrapped(gzipSync(Buffer.from('a script'))))).toThrow('no kernel')
  expect(() => vmlinuxOf(wrapped(Buffer.from('fd377a585a00', 'hex')))).toThrow('not known here')
  expect(() => vmlinuxOf(wrapped(lz4(elf, '487f454c460900', '502121212121')))).toThrow('damaged') // from before its beginning
  expect(() => vmlinuxOf(wrapped(lz4(elf, '487f454c460300')))).toThrow('cut off')
})
