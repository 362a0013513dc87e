// Buckets: a number falls into a level, and levels never decrease as numbers grow. So a node of a lower level than the need cannot fit, and one of a
// higher level surely does in this dimension; only within the same level must the numbers be compared.
import { DEVICE_MILLIS } from './view.ts'

export const FINE = 64
export const COARSE = 16

/** Quarters of octaves: 64 millis and less in level 0, from 3.5 thousand cores on in the last. */
export function cpuLevel(millis: number): number {
  if (millis < 64) return 0
  const exponent = 31 - Math.clz32(millis)
  return Math.min(FINE - 1, (exponent - 6) * 4 + ((millis >> (exponent - 2)) & 3) + 1)
}

/** Octaves: below 64 MiB level 0, from 1 TiB on the last. */
export const memoryLevel = (mib: number): number => (mib < 64 ? 0 : Math.min(COARSE - 1, 26 - Math.clz32(mib)))

/** Whole free devices count from level 8 on; below, the largest part that is free on one device, in sevenths. */
export const gpuLevel = (whole: number, largest: number): number => (whole > 0 ? Math.min(COARSE - 1, 7 + whole) : largest <= 0 ? 0 : 1 + Math.floor((largest * 7) / DEVICE_MILLIS))

/** Thirty-two steps an octave: what falls into one band differs by two or three per cent. */
export const priceBand = (index: number): number => {
  const x = Math.min(0x7fff_ffff, Math.floor(index))
  if (x < 32) return x
  const exponent = 31 - Math.clz32(x)
  return (exponent - 3) * 32 + ((x >> (exponent - 5)) & 31)
}

/** Down to eight digits of the binary mantissa, so that bounds made of it rarely move, and still order pools of neighbouring bands. */
export const roundDown = (x: number): number => { const step = stepOf(x); return Math.floor(x / step) * step }
export const roundUp = (x: number): number => { const step = stepOf(x); return Math.ceil(x / step) * step }
function stepOf(x: number): number {
  let step = 1
  while (x / step >= 512) step *= 2
  return step
}
