// The kernel as Firecracker takes it: the ELF file that lies packed in what Debian installs (a "bzImage"; the header is the one of the kernel's boot protocol
// 2.08 and later).
import { gunzipSync, zstdDecompressSync } from 'node:zlib'

const SECTORS_AT = 0x1f1, MAGIC_AT = 0x202, PAYLOAD_AT = 0x248
/** No kernel is larger unpacked. */
const SIZE_MAX = 512 * 1024 * 1024
const LZ4_LEGACY = '02214c18', GZIP = '1f8b', ZSTD = '28b52ffd', ELF = '7f454c46'

export function vmlinuxOf(bzImage: Buffer): Buffer {
  if (bzImage.toString('latin1', MAGIC_AT, MAGIC_AT + 4) !== 'HdrS') throw new Error('this is no kernel for x86')
  const from = ((bzImage[SECTORS_AT] as number) + 1) * 512 + bzImage.readUInt32LE(PAYLOAD_AT), packed = bzImage.subarray(from, from + bzImage.readUInt32LE(PAYLOAD_AT + 4))
  const magic = packed.toString('hex', 0, 4)
  // The last four bytes of what gzip and LZ4 packed say its length; for LZ4 the kernel adds them.
  const length = packed.readUInt32LE(packed.length - 4)
  const elf = magic === LZ4_LEGACY ? unpackLz4(packed.subarray(4, packed.length - 4), length) : magic.startsWith(GZIP) ? gunzipSync(packed, { maxOutputLength: SIZE_MAX })
    : magic === ZSTD ? zstdDecompressSync(packed.subarray(0, packed.length - 4), { maxOutputLength: SIZE_MAX }) : null
  if (elf === null) throw new Error(`this kernel is packed in a way that is not known here (${magic})`)
  if (elf.toString('hex', 0, 4) !== ELF) throw new Error('what was packed is no kernel')
  return elf
}

/** LZ4's old frame: blocks of a known length, each a row of literals and matches. */
function unpackLz4(packed: Buffer, length: number): Buffer {
  if (length > SIZE_MAX) throw new Error('this kernel is too large')
  const out = Buffer.alloc(length)
  let at = 0, to = 0
  const more = (count: number): number => { let sum = count; if (count === 15) for (let byte = 255; byte === 255;) { byte = packed[at++] ?? 0; sum += byte } return sum }
  while (at + 4 <= packed.length) {
    const end = at + 4 + packed.readUInt32LE(at)
    at += 4
    if (end > packed.length) throw new Error('this kernel is cut off')
    while (at < end) {
      const token = packed[at++] as number, literals = more(token >> 4)
      packed.copy(out, to, at, at + literals)
      at += literals; to += literals
      if (at >= end) break // a block ends in literals
      const back = packed.readUInt16LE(at)
      at += 2
      const count = more(token & 15) + 4
      if (back === 0 || back > to || to + count > length) throw new Error('this kernel is damaged')
      if (back >= count) out.copy(out, to, to - back, to - back + count)
      else for (let i = 0; i < count; i++) out[to + i] = out[to + i - back] as number
      to += count
    }
  }
  if (to !== length) throw new Error('this kernel is cut off')
  return out
}
