// Many files as one zip, streamed: stored as they are (results are mostly packed already, and what is only copied costs the market nothing), each with its size
// and its CRC-32 before it. For that a file is read twice; a CRC behind it would be allowed, but several programs cannot unpack stored files that end so. The
// length of the whole is known before its first byte, so that a download which breaks off is seen. Past 4 GiB or 65,535 files it is a zip64.
import { crc32 } from 'node:zlib'

export type Packed = { /** Safe: see `safeNames`. */ readonly name: string; readonly size: number; readonly at: number; /** Its bytes; called twice. */ readonly read: () => AsyncIterable<Uint8Array> }
type Limits = { readonly bytes: number; readonly files: number }
/** What fits into the plain fields. In tests less, so that small files show how large ones are written. */
const PLAIN: Limits = { bytes: 0xffff_ffff, files: 0xffff }

const LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56 + 20
const NEEDS = 20, NEEDS64 = 45
/** Names are UTF-8. */
const FLAGS = 0x0800
/** A plain file that its owner may write and everybody read: no link, nothing that runs. */
const MODE = (0o100644 << 16) >>> 0

/** Times of a zip have two seconds and no zone: it is UTC here. */
function dosTime(at: number): { time: number; date: number } {
  const day = new Date(Math.min(Math.max(at, Date.UTC(1980, 0, 1)), Date.UTC(2107, 11, 31)))
  return { time: (day.getUTCHours() << 11) | (day.getUTCMinutes() << 5) | (day.getUTCSeconds() >> 1), date: ((day.getUTCFullYear() - 1980) << 9) | ((day.getUTCMonth() + 1) << 5) | day.getUTCDate() }
}
/** The field of zip64 for these numbers; nothing where there are none. */
function extraOf(...large: number[]): Buffer {
  if (large.length === 0) return Buffer.alloc(0)
  const extra = Buffer.alloc(4 + 8 * large.length)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(8 * large.length, 2)
  for (const [i, value] of large.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i)
  return extra
}
const localExtra = (size: number, limits: Limits): Buffer => (size >= limits.bytes ? extraOf(size, size) : extraOf())
const centralExtra = (size: number, offset: number, limits: Limits): Buffer => extraOf(...(size >= limits.bytes ? [size, size] : []), ...(offset >= limits.bytes ? [offset] : []))

/** How many bytes `zipOf` gives for these files. */
export function zipLength(files: readonly Pick<Packed, 'name' | 'size'>[], limits = PLAIN): number {
  let at = 0, central = 0
  for (const { name, size } of files) {
    const named = Buffer.byteLength(name)
    central += CENTRAL + named + centralExtra(size, at, limits).length
    at += LOCAL + named + localExtra(size, limits).length + size
  }
  return at + central + END + (isLarge(files.length, at, central, limits) ? END64 : 0)
}
const isLarge = (files: number, at: number, central: number, limits: Limits): boolean => files >= limits.files || at >= limits.bytes || central >= limits.bytes

export async function* zipOf(files: readonly Packed[], limits = PLAIN): AsyncGenerator<Uint8Array, void, undefined> {
  const central: Buffer[] = []
  let at = 0
  for (const file of files) {
    let crc = 0, size = 0
    for await (const chunk of file.read()) { crc = crc32(chunk, crc); size += chunk.length }
    if (size !== file.size) throw new Error(`${file.name} is ${size} bytes, and ${file.size} were announced`)
    const head = headOf(file, crc, limits, at)
    central.push(head.central)
    yield head.local
    yield* file.read()
    at += head.local.length + size
  }
  const start = at
  for (const part of central) { yield part; at += part.length }
  yield endOf(files.length, start, at - start, limits)
}

function headOf({ name, size, at }: Packed, crc: number, limits: Limits, offset: number): { local: Buffer; central: Buffer } {
  const named = Buffer.from(name), { time, date } = dosTime(at), plain = (value: number): number => (value >= limits.bytes ? 0xffff_ffff : value)
  const write = (head: Buffer, from: number, extra: Buffer): void => {
    head.writeUInt16LE(extra.length > 0 ? NEEDS64 : NEEDS, from)
    head.writeUInt16LE(FLAGS, from + 2)
    head.writeUInt16LE(time, from + 6)
    head.writeUInt16LE(date, from + 8)
    head.writeUInt32LE(crc, from + 10)
    head.writeUInt32LE(plain(size), from + 14)
    head.writeUInt32LE(plain(size), from + 18)
    head.writeUInt16LE(named.length, from + 22)
    head.writeUInt16LE(extra.length, from + 24)
  }
  const extra = localExtra(size, limits), local = Buffer.alloc(LOCAL), extra64 = centralExtra(size, offset, limits), central = Buffer.alloc(CENTRAL)
  local.writeUInt32LE(0x0403_4b50, 0)
  write(local, 4, extra)
  central.writeUInt32LE(0x0201_4b50, 0)
  central.writeUInt16LE((3 << 8) | NEEDS64, 4) // made on Unix: the mode below means something
  write(central, 6, extra64)
  central.writeUInt32LE(MODE, 38)
  central.writeUInt32LE(plain(offset), 42)
  return { local: Buffer.concat([local, named, extra]), central: Buffer.concat([central, named, extra64]) }
}
function endOf(files: number, start: number, length: number, limits: Limits): Buffer {
  const large = isLarge(files, start, length, limits), end = Buffer.alloc(END), parts: Buffer[] = []
  if (large) {
    const end64 = Buffer.alloc(END64)
    end64.writeUInt32LE(0x0606_4b50, 0)
    end64.writeBigUInt64LE(44n, 4) // what follows of this record
    end64.writeUInt16LE((3 << 8) | NEEDS64, 12)
    end64.writeUInt16LE(NEEDS64, 14)
    for (const [i, value] of [files, files, length, start].entries()) end64.writeBigUInt64LE(BigInt(value), 24 + 8 * i)
    end64.writeUInt32LE(0x0706_4b50, 56)
    end64.writeBigUInt64LE(BigInt(start + length), 64)
    end64.writeUInt32LE(1, 72)
    parts.push(end64)
  }
  end.writeUInt32LE(0x0605_4b50, 0)
  end.writeUInt16LE(large ? 0xffff : files, 8)
  end.writeUInt16LE(large ? 0xffff : files, 10)
  end.writeUInt32LE(large ? 0xffff_ffff : length, 12)
  end.writeUInt32LE(large ? 0xffff_ffff : start, 16)
  return Buffer.concat([...parts, end])
}

// Names come from a stranger's machine, and the zip is unpacked where we do not know the rules: what any system would take for something else becomes `_`.
// No way up or to a root, no drive or device of Windows, no stream of a file, nothing that is not seen or turns writing around.
const STRANGE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff<>:"\\|?*]/g
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|$)/i
/** Bytes of one part: most systems take 255, and a number may be added. */
const PART_MAX = 240
function safePart(part: string): string {
  // Windows drops dots and spaces at the end: `..` and `. .` would be what they are not.
  const plain = part.toWellFormed().normalize('NFC').replace(STRANGE, '_').replace(/[. ]+$/, (end) => '_'.repeat(end.length)).replace(/^ +/, (begin) => '_'.repeat(begin.length))
  const whole = DEVICE.test(plain) ? `_${plain}` : plain
  return Buffer.byteLength(whole) <= PART_MAX ? whole : Buffer.from(whole).subarray(0, PART_MAX).toString().replace(/\ufffd+$/, '').replace(/[. ]+$/, '_')
}
/** These paths as names in a zip, in their order: safe, and no two the same on any system, also where capitals count for nothing. */
export function safeNames(paths: readonly string[]): string[] {
  const files = new Set<string>(), folders = new Map<string, string>(), taken = new Set<string>(), used = new Map<string, number>()
  const keyOf = (name: string): string => name.toUpperCase().toLowerCase().normalize('NFC')
  const free = (before: string, part: string, isTaken: (key: string) => boolean): string => {
    const [, stem = part, end = ''] = /^(.+?)(\.[^.]+)?$/.exec(part) ?? [], first = keyOf(before + part)
    for (let name = part, n = used.get(first) ?? 1; ; name = `${stem} (${++n})${end}`) if (!isTaken(keyOf(before + name))) { used.set(first, n); return before + name }
  }
  return paths.map((path) => {
    const parts = path.split('/').filter((part) => part !== '').map(safePart), last = parts.pop() ?? '_'
    let folder = ''
    for (const part of parts) {
      // Where a folder got another name, all that lies in it goes there.
      const wanted = keyOf(folder + part), made = folders.get(wanted) ?? free(folder, part, (key) => files.has(key))
      folders.set(wanted, made)
      taken.add(keyOf(made))
      folder = `${made}/`
    }
    const name = free(folder, last, (key) => files.has(key) || taken.has(key))
    files.add(keyOf(name))
    return name
  })
}
