// Pixels of a PNG or JPEG that a stranger wrote. The file is walked before anything of it is decoded: how large it says it is, how often it would have to be gone through, and that its parts end
// where it ends. So a file of a few kilobytes that unpacks to gigabytes is refused by its header, or when it has given one byte more than its own header allows.
import { inflateSync } from 'node:zlib'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'

/** Why a file is not looked at as a picture. */
export type NoImage = 'not an image' | 'broken' | 'too large' | 'animated'
/** `unit`: of `values`, in 255ths of full brightness. `shown`: what is in the file besides pixels and changes how they look. */
export type Image = { readonly kind: 'png' | 'jpeg'; readonly width: number; readonly height: number; readonly channels: number; readonly values: Uint8Array | Uint16Array; readonly unit: number; readonly shown: string }

/** 4096 × 4096; and what they come to before they are pixels: with 16 bits a channel that is a picture of 8 million. */
const PIXELS_MAX = 2 ** 24, RAW_BYTES_MAX = 2 ** 26 + 2 ** 14
/** The decoder keeps each 8 × 8 block as an object of its own: half a gigabyte for so many. */
const JPEG_PIXELS_MAX = 2 ** 23
/** A progressive JPEG is gone through once for each of its scans (ten are usual): so many pixels in all. */
const SCANNED_MAX = 2 ** 28
const JPEG_MEMORY_MB = 256

export const isNoImage = (read: Image | NoImage): read is NoImage => typeof read === 'string'

export function readImage(bytes: Uint8Array): Image | NoImage {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    if (file.subarray(0, 8).equals(PNG_SIGNATURE)) return readPng(file)
    if (file.length > 3 && file.readUInt16BE(0) === SOI && file[2] === 0xff) return readJpeg(file)
    return 'not an image'
  } catch { return 'broken' /* whatever the decoder fell over, it is no picture */ }
}

// PNG

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const PNG_CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
/** Colour spaces, and the way up: two files with the same pixels and another of these do not look the same. */
const PNG_SHOWN = new Set(['gAMA', 'cHRM', 'sRGB', 'iCCP', 'cICP', 'mDCV', 'cLLI', 'eXIf'])
const PNG_ONCE = new Set(['IHDR', 'PLTE', 'tRNS', ...PNG_SHOWN])

function readPng(file: Buffer): Image | NoImage {
  const seen = new Set<string>(), data: Buffer[] = [], shown: string[] = []
  let head: Buffer | null = null
  for (let at = PNG_SIGNATURE.length; ;) {
    if (at + 12 > file.length) return 'broken'
    const size = file.readUInt32BE(at), name = file.toString('latin1', at + 4, at + 8), body = file.subarray(at + 8, at + 8 + size)
    at += 12 + size
    // A second header would be believed after the first was measured.
    if (at > file.length || (head === null) !== (name === 'IHDR') || (seen.has(name) && PNG_ONCE.has(name))) return 'broken'
    seen.add(name)
    if (name === 'acTL') return 'animated' // the decoder shows its first picture only
    if (name === 'IHDR') {
      head = body
      const measured = sizeOf(body)
      if (typeof measured === 'string') return measured
    } else if (name === 'IDAT') data.push(body)
    else if (PNG_SHOWN.has(name)) shown.push(`${name} ${body.toString('base64')}`)
    if (name === 'IEND') { if (at !== file.length) return 'broken'; break }
  }
  if (!head) return 'broken'
  const { width, height, raw, depth } = sizeOf(head) as Size
  try { if (inflateSync(Buffer.concat(data), { maxOutputLength: raw }).length !== raw) return 'broken' } catch (error) { return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too large' : 'broken' }
  const values = PNG.sync.read(file, { skipRescale: depth === 16 }).data as Uint8Array | Uint16Array
  return { kind: 'png', width, height, channels: 4, values, unit: depth === 16 ? 1 / 257 : 1, shown: shown.sort().join('\n') }
}
type Size = { readonly width: number; readonly height: number; readonly depth: number; /** Bytes, unpacked. */ readonly raw: number }
function sizeOf(head: Buffer): Size | NoImage {
  const width = head.readUInt32BE(0), height = head.readUInt32BE(4), depth = head[8] ?? 0, channels = PNG_CHANNELS[head[9] ?? -1], passes = head[12] === 1 ? PASSES : [[0, 0, 1, 1] as const]
  if (head.length !== 13 || channels === undefined || width === 0 || height === 0) return 'broken'
  if (width * height > PIXELS_MAX) return 'too large'
  const raw = passes.reduce((sum, [x, y, dx, dy]) => { const across = Math.ceil((width - x) / dx), down = Math.ceil((height - y) / dy); return across > 0 && down > 0 ? sum + down * (1 + Math.ceil((across * channels * depth) / 8)) : sum }, 0)
  return raw > RAW_BYTES_MAX ? 'too large' : { width, height, depth, raw }
}
/** Of an interlaced file: where each pass begins, and its steps. */
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const

// JPEG

const SOI = 0xffd8, EOI = 0xd9, SOS = 0xda
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
const stands = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)

function readJpeg(file: Buffer): Image | NoImage {
  let pixels = 0, scans = 0
  const shown: string[] = []
  for (let at = 2; ;) {
    if (at + 2 > file.length || file[at] !== 0xff) return 'broken'
    const marker = file[at + 1] as number
    if (marker === 0xff) { at++; continue } // padding
    if (marker === EOI) { if (at + 2 !== file.length) return 'broken'; break }
    if (stands(marker)) { at += 2; continue }
    if (at + 4 > file.length) return 'broken'
    const size = file.readUInt16BE(at + 2), body = file.subarray(at + 4, at + 2 + size)
    if (size < 2 || at + 2 + size > file.length) return 'broken'
    at += 2 + size
    if (isFrame(marker)) {
      if (pixels > 0 || body.length < 6) return 'broken'
      pixels = body.readUInt16BE(1) * body.readUInt16BE(3)
      if (pixels === 0) return 'broken' // lines that are counted at the end: the decoder does not
      if (pixels > JPEG_PIXELS_MAX) return 'too large'
    }
    // EXIF with the way up, a colour profile, how the colours are meant: APP1, APP2, APP14.
    if (marker === 0xe1 || marker === 0xe2 || marker === 0xee) shown.push(`${marker} ${body.toString('base64')}`)
    if (marker !== SOS) continue
    if (pixels === 0) return 'broken'
    if (++scans * pixels > SCANNED_MAX) return 'too large'
    // Up to the next marker: in what is packed, 0xff is followed by 0, or is where decoding begins anew.
    for (at = file.indexOf(0xff, at); at >= 0 && (file[at + 1] === 0 || ((file[at + 1] ?? 0) >= 0xd0 && (file[at + 1] ?? 0) <= 0xd7)); at = file.indexOf(0xff, at + 2)) { /* next */ }
    if (at < 0) return 'broken'
  }
  if (scans === 0) return 'broken'
  const { width, height, data } = jpeg.decode(file, { useTArray: true, formatAsRGBA: false, tolerantDecoding: false, maxResolutionInMP: JPEG_PIXELS_MAX / 1e6, maxMemoryUsageInMB: JPEG_MEMORY_MB })
  return { kind: 'jpeg', width, height, channels: 3, values: data, unit: 1, shown: shown.join('\n') }
}

export type PixelTolerance = { /** In 255ths of full brightness, over all channels of all pixels. */ readonly mean: number; /** Of any channel of any pixel. */ readonly largest: number }

/**
 * Both must hold. The mean alone, and PSNR, which is made of one, would let a picture pass in which a small part is all wrong; the largest alone would let one pass that is a little wrong
 * everywhere. All channels are compared as they are stored: what lies under full transparency counts too, and so does how transparent a pixel is.
 */
export function areNearPixels(one: Image, other: Image, { mean, largest }: PixelTolerance): boolean {
  if (one.kind !== other.kind || one.width !== other.width || one.height !== other.height || one.shown !== other.shown || one.values.length !== other.values.length) return false
  let sum = 0
  for (let i = 0; i < one.values.length; i++) {
    const off = Math.abs((one.values[i] as number) * one.unit - (other.values[i] as number) * other.unit)
    if (off > largest) return false
    sum += off
  }
  return sum <= mean * one.values.length
}
