import type { Capacity, Micros, PriceSheet, Resources, Usage } from '@lumaris/protocol'
import { GIB } from '@lumaris/protocol'

const HOUR_MS = 3_600_000n
const GIB_BYTES = BigInt(GIB)
// One denominator for every term, so that the sum is rounded once: per hour (ms), per core (thousandths), per GiB (bytes).
const DENOMINATOR = HOUR_MS * 1000n * GIB_BYTES

/**
 * The price of running: start fee, reserved resources for `runMs`, and bytes sent out; in micro-credits, rounded once, down.
 * `runMs` and `outBytes` are whole and not negative.
 */
export function priceOf(prices: PriceSheet, reserved: Resources, metered: Pick<Usage, 'runMs' | 'outBytes'>): Micros {
  const ms = BigInt(metered.runMs)
  const total = BigInt(prices.start) * DENOMINATOR
    + BigInt(prices.cpuHour) * BigInt(reserved.cpuMillis) * ms * GIB_BYTES
    + BigInt(prices.memoryGibHour) * BigInt(reserved.memoryBytes) * ms * 1000n
    + BigInt(prices.gpuHour) * BigInt(reserved.gpus) * ms * 1000n * GIB_BYTES
    + BigInt(prices.diskGibHour) * BigInt(reserved.diskBytes) * ms * 1000n
    + BigInt(prices.outGib) * BigInt(metered.outBytes) * HOUR_MS * 1000n
  return total / DENOMINATOR
}

/** What an hour of these resources costs, start fee and output aside. */
export const hourlyOf = (prices: PriceSheet, reserved: Resources): Micros => priceOf({ ...prices, start: '0' }, reserved, { runMs: Number(HOUR_MS), outBytes: 0 })

/** Every price times `part / whole`, rounded down; the offer to interruptible work is left out. */
export function scaled(prices: PriceSheet, part: Micros, whole: Micros): PriceSheet {
  const of = (price: string): string => (whole === 0n ? price : ((BigInt(price) * part) / whole).toString())
  return { start: of(prices.start), cpuHour: of(prices.cpuHour), memoryGibHour: of(prices.memoryGibHour), gpuHour: of(prices.gpuHour), diskGibHour: of(prices.diskGibHour), outGib: of(prices.outGib) }
}
const parts = new WeakMap<PriceSheet, { readonly share: number; readonly sheet: PriceSheet }>()
/** What a GPU of this node costs: the seller's ask is for a whole card, and a partition is its share of one, rounded down. */
export function sheetOf({ prices, capacity: { gpuShare } }: { readonly prices: PriceSheet; readonly capacity: Pick<Capacity, 'gpuShare'> }): PriceSheet {
  if (gpuShare === undefined) return prices
  const known = parts.get(prices)
  if (known?.share === gpuShare) return known.sheet
  const sheet = { ...prices, gpuHour: ((BigInt(prices.gpuHour) * BigInt(gpuShare)) / 1000n).toString() }
  parts.set(prices, { share: gpuShare, sheet })
  return sheet
}
const spots = new WeakMap<PriceSheet, PriceSheet>()
/** The lowest prices at which interruptible work is taken. */
export function spotSheet(prices: PriceSheet): PriceSheet {
  let sheet = spots.get(prices)
  if (!sheet) spots.set(prices, (sheet = scaled(prices, BigInt(prices.spotPercent ?? 100), 100n)))
  return sheet
}

/** The platform's part of a bill, in ten-thousandths; rounded down, so that the seller never loses a fraction to it. */
export const feeOf = (billed: Micros, feeBasisPoints: number): Micros => (billed * BigInt(feeBasisPoints)) / 10_000n
