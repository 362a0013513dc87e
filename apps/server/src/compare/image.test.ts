// Pictures: what is the same, and what strangers try. Every hostile file is refused by name.
import { deflateSync } from 'node:zlib'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'
import { expect, test } from 'vitest'
import { areSame, lookAtImages } from './same.ts'
import { isNoImage, readImage } from './image.ts'

const COMPARE = { kind: 'image', mean: 0.5, largest: 8 } as const
type Pixel = readonly [number, number, number, number?]
const png = (width: number, height: number, pixel: (x: number, y: number) => Pixel, more: object = {}): Buffer => {
  const made = new PNG({ width, height })
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [r, g, b, a = 255] = pixel(x, y)
      made.data.set([r, g, b, a], 4 * (y * width + x))
    }
  return PNG.sync.write(made, more)
}
const slope = (x: number, y: number): Pixel => [x * 4, y * 4, 128]
const jpg = (quality: number, off = 0, size = 64): Buffer => {
  const data = Buffer.alloc(size * size * 4, 255)
  for (let i = 0; i < size * size; i++) data.set([(i % size) * 4 + off, Math.floor(i / size) * 4, 100], 4 * i)
  return jpeg.encode({ width: size, height: size, data }, quality).data
}
const CRC = Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c >>> 0
})
const crc = (bytes: Buffer): number => {
  let c = 0xffffffff
  for (const byte of bytes) c = (CRC[(c ^ byte) & 0xff] as number) ^ (c >>> 8)
  return (c ^ 0xffffffff) >>> 0
}
const chunk = (name: string, body: Buffer): Buffer => {
  const named = Buffer.concat([Buffer.from(name), body]),
    out = Buffer.alloc(body.length + 12)
  out.writeUInt32BE(body.length)
  named.copy(out, 4)
  out.writeUInt32BE(crc(named), body.length + 8)
  return out
}
const header = (width: number, height: number, more: { depth?: number; colours?: number; interlaced?: boolean } = {}): Buffer => {
  const body = Buffer.alloc(13)
  body.writeUInt32BE(width)
  body.writeUInt32BE(height, 4)
  body.set([more.depth ?? 8, more.colours ?? 6, 0, 0, more.interlaced ? 1 : 0], 8)
  return chunk('IHDR', body)
}
const file = (...chunks: Buffer[]): Buffer => Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...chunks, chunk('IEND', Buffer.alloc(0))])
const packed = (bytes: number): Buffer => chunk('IDAT', deflateSync(Buffer.alloc(bytes)))
/** Puts chunks behind the header. */
const within = (whole: Buffer, ...more: Buffer[]): Buffer => Buffer.concat([whole.subarray(0, 33), ...more, whole.subarray(33)])

test('the same pixels agree however they were packed; within the tolerance others do too, and both bounds hold', () => {
  const plain = png(64, 64, slope)
  expect(areSame(COMPARE, plain, png(64, 64, slope, { deflateLevel: 1, filterType: 4 }))).toBe(true)
  expect(areSame({ ...COMPARE, mean: 0, largest: 0 }, plain, png(64, 64, slope, { colorType: 2 }))).toBe(true) // without alpha is all opaque
  expect(
    areSame(
      COMPARE,
      plain,
      png(64, 64, (x, y) => (x % 2 ? slope(x, y) : [x * 4 + 1, y * 4, 128])),
    ),
  ).toBe(true)
  // A little off everywhere: the mean says no. One pixel all wrong: the largest does, at a mean of 0.06.
  expect(
    areSame(
      COMPARE,
      plain,
      png(64, 64, (x, y) => [x * 4 + 2, y * 4 + 2, 126]),
    ),
  ).toBe(false)
  expect(
    areSame(
      COMPARE,
      plain,
      png(64, 64, (x, y) => (x === 7 && y === 7 ? [255, 255, 255] : slope(x, y))),
    ),
  ).toBe(false)
  expect(
    areSame(
      { ...COMPARE, largest: 255 },
      plain,
      png(64, 64, (x, y) => (x === 7 && y === 7 ? [255, 255, 255] : slope(x, y))),
    ),
  ).toBe(true)
  expect(areSame(COMPARE, plain, png(64, 63, slope))).toBe(false)
  expect(areSame(COMPARE, plain, png(63, 64, slope))).toBe(false)
})

test('JPEG: another quality is another picture, one step of brightness is not; a PNG is no JPEG', () => {
  const first = jpg(90)
  expect(areSame(COMPARE, first, jpg(90))).toBe(true)
  expect(areSame({ ...COMPARE, mean: 2 }, first, jpg(90, 1))).toBe(true)
  expect(areSame(COMPARE, first, jpg(90, 40))).toBe(false)
  expect(areSame(COMPARE, first, jpg(5))).toBe(false)
  expect(areSame({ kind: 'image', mean: 255, largest: 255 }, first, png(64, 64, slope))).toBe(false)
})

test('16 bits a channel are compared as such, and grey, palettes and interlaced files are read', () => {
  const deep = (low: number): Buffer => {
    const raw = Buffer.alloc(2 * (1 + 2 * 8))
    for (let y = 0; y < 2; y++) for (let x = 0; x < 8; x++) raw.writeUInt16BE(0x8000 + low, y * 17 + 1 + 2 * x)
    return file(header(8, 2, { depth: 16, colours: 0 }), chunk('IDAT', deflateSync(raw)))
  }
  expect(areSame({ kind: 'image', mean: 0, largest: 0 }, deep(0), deep(1))).toBe(false)
  expect(areSame(COMPARE, deep(0), deep(1))).toBe(true)
  expect(areSame(COMPARE, deep(0), deep(0x1000))).toBe(false)
  const interlaced = file(header(3, 3, { colours: 0, interlaced: true }), packed(2 + 2 + 3 + 2 * 2 + 4)),
    flat = file(header(3, 3, { colours: 0 }), packed(12))
  expect(isNoImage(readImage(interlaced))).toBe(false)
  expect(areSame({ kind: 'image', mean: 0, largest: 0 }, interlaced, flat)).toBe(true)
  const palette = file(header(2, 1, { colours: 3 }), chunk('PLTE', Buffer.from([9, 9, 9])), packed(3))
  expect(
    areSame(
      { kind: 'image', mean: 0, largest: 0 },
      palette,
      png(2, 1, () => [9, 9, 9]),
    ),
  ).toBe(true)
  expect(readImage(file(header(2, 1, { colours: 3 }), chunk('PLTE', Buffer.from([9, 9, 9])), chunk('IDAT', deflateSync(Buffer.from([0, 0, 7])))))).toBe('broken') // a colour that the palette has not
})

test('transparency hides nothing: colours below it and how transparent a pixel is count as any channel does', () => {
  const clear = png(8, 8, () => [0, 0, 0, 0])
  expect(
    areSame(
      COMPARE,
      clear,
      png(8, 8, () => [255, 0, 0, 0]),
    ),
  ).toBe(false)
  expect(
    areSame(
      COMPARE,
      png(8, 8, () => [10, 10, 10, 255]),
      png(8, 8, () => [10, 10, 10, 0]),
    ),
  ).toBe(false)
  const grey = packed(8 * 9),
    opaque = file(header(8, 8, { colours: 0 }), grey),
    hole = file(header(8, 8, { colours: 0 }), chunk('tRNS', Buffer.from([0, 0])), grey)
  expect(areSame(COMPARE, opaque, hole)).toBe(false)
  expect(
    areSame(
      COMPARE,
      clear,
      png(8, 8, () => [0, 0, 0, 0], { deflateLevel: 1 }),
    ),
  ).toBe(true)
})

test('what changes how the same pixels look is compared too: brightness, profiles, the way up', () => {
  const plain = png(8, 8, slope),
    gamma = (value: number): Buffer => {
      const body = Buffer.alloc(4)
      body.writeUInt32BE(value)
      return chunk('gAMA', body)
    }
  expect(areSame(COMPARE, within(plain, gamma(45455)), within(plain, gamma(45455), chunk('tEXt', Buffer.from('when\0today'))))).toBe(true)
  expect(areSame(COMPARE, within(plain, gamma(45455)), within(plain, gamma(100000)))).toBe(false)
  expect(areSame(COMPARE, plain, within(plain, chunk('iCCP', Buffer.from('x\0\0'))))).toBe(false)
  const photo = jpg(90),
    turned = Buffer.concat([photo.subarray(0, 2), Buffer.from([0xff, 0xe1, 0, 8]), Buffer.from('Exif\0\0'), photo.subarray(2)])
  expect(isNoImage(readImage(turned))).toBe(false)
  expect(areSame(COMPARE, photo, turned)).toBe(false)
})

test('bombs, huge headers and broken files are refused by name, and are not the same even as themselves', () => {
  const good = png(8, 8, slope),
    photo = jpg(90),
    scan = photo.indexOf(Buffer.from([0xff, 0xda])),
    frame = photo.indexOf(Buffer.from([0xff, 0xc0]))
  const large = Buffer.from(photo)
  large.writeUInt16BE(65_535, frame + 5)
  large.writeUInt16BE(65_535, frame + 7)
  const wide = jpg(50, 0, 512),
    scans = wide.indexOf(Buffer.from([0xff, 0xda])),
    lone = wide.subarray(scans, scans + 14),
    many = Buffer.concat([wide.subarray(0, scans), ...Array.from({ length: 1100 }, () => lone), wide.subarray(-2)])
  const cases: [string, string, Uint8Array][] = [
    ['nothing', 'not an image', Buffer.alloc(0)],
    ['text', 'not an image', Buffer.from('{"a":1}')],
    ['a GIF', 'not an image', Buffer.from('GIF89a')],
    ['three bytes of a JPEG', 'not an image', Buffer.from([0xff, 0xd8, 0xff])],
    ['a signature alone', 'broken', good.subarray(0, 8)],
    ['half a PNG', 'broken', good.subarray(0, good.length / 2)],
    ['half a JPEG', 'broken', photo.subarray(0, photo.length / 2)],
    ['a JPEG without a scan', 'broken', Buffer.concat([photo.subarray(0, scan), photo.subarray(-2)])],
    ['bytes behind the end of a PNG', 'broken', Buffer.concat([good, Buffer.from('more')])],
    ['bytes behind the end of a JPEG', 'broken', Buffer.concat([photo, Buffer.from('more')])],
    ['a wrong checksum', 'broken', Buffer.concat([good.subarray(0, 29), Buffer.alloc(4), good.subarray(33)])],
    ['a header of four thousand million pixels', 'too large', file(header(65_536, 65_536), packed(10))],
    ['sides whose product wraps', 'too large', file(header(0x80000000, 2), packed(10))],
    ['one bit each for 268 million pixels', 'too large', file(header(16_384, 16_384, { depth: 1, colours: 0 }), packed(10))],
    ['no width', 'broken', file(header(0, 9), packed(10))],
    ['16 bits of too many pixels', 'too large', file(header(4096, 4096, { depth: 16 }), packed(10))],
    ['a bomb: 64 MiB for 64 pixels', 'too large', file(header(8, 8), packed(2 ** 26))],
    ['the same, interlaced', 'too large', file(header(8, 8, { interlaced: true }), packed(2 ** 26))],
    ['too little', 'broken', file(header(4000, 4000), packed(10))],
    ['a second, larger header', 'broken', within(good, header(4096, 4096))],
    ['a header at the end', 'broken', file(packed(10), header(8, 8))],
    ['two palettes', 'broken', file(header(2, 1, { colours: 3 }), chunk('PLTE', Buffer.alloc(3)), chunk('PLTE', Buffer.alloc(3)), packed(3))],
    ['an animation', 'animated', within(good, chunk('acTL', Buffer.alloc(8)))],
    ['a chunk that claims to be longer than the file', 'broken', within(good, Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x74, 0x45, 0x58, 0x74]))],
    ['a JPEG of four thousand million pixels', 'too large', large],
    ['a JPEG with two frames', 'broken', Buffer.concat([photo.subarray(0, scan), photo.subarray(frame, frame + 19), photo.subarray(scan)])],
    ['a JPEG of 1100 scans', 'too large', many],
  ]
  for (const [what, why, bytes] of cases) expect([what, lookAtImages(COMPARE, bytes, bytes)]).toEqual([what, { same: false, why }])
  for (const [what, why, bytes] of cases) expect([what, lookAtImages(COMPARE, good, bytes)]).toEqual([what, { same: false, why }])
})

test('bytes of pictures that were changed at random are refused or read, and never hang or pass for the picture they were', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return seed % below
  }
  const photo = jpg(90),
    good = png(32, 32, slope)
  for (const whole of [photo, good])
    for (let i = 0; i < 300; i++) {
      const hurt = Buffer.from(whole)
      for (let n = 0; n < 1 + random(4); n++) hurt[random(hurt.length)] = random(256)
      const read = readImage(hurt)
      if (!isNoImage(read)) expect(read.values.length).toBe(read.width * read.height * read.channels)
    }
})
