import type { Micros, PriceSheet, Resources, Usage } from '@lumaris/protocol'
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

/** The platform's part of a bill, in ten-thousandths; rounded down, so that the seller never loses a fraction to it. */
export const feeOf = (billed: Micros, feeBasisPoints: number): Micros => (billed * BigInt(feeBasisPoints)) / 10_000n
