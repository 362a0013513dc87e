// Whole micro-credits from start to end: what people type is turned into hundredths and millionths first.
const MILLION = 1_000_000n
const hundredths = (value: number): bigint => BigInt(Math.round(value * 100))

export type DayOf = { cpuHour: bigint; memoryGibHour: bigint; cpuMillis: number; memoryMib: number; hours: number; usePercent: number; watts: number; creditsPerKwh: number; feeBasisPoints: number }
/** What a day brings in after the market's part, what its power costs, and what is left; below zero when power costs more. */
export function netADay({ cpuHour, memoryGibHour, cpuMillis, memoryMib, hours, usePercent, watts, creditsPerKwh, feeBasisPoints }: DayOf): { earned: bigint; power: bigint; net: bigint } {
  // Hours and percent in hundredths: together a million times too much.
  const used = hundredths(hours) * hundredths(usePercent)
  const anHour = (cpuHour * BigInt(cpuMillis) * 1024n + memoryGibHour * BigInt(memoryMib) * 1000n)
  const earned = (anHour * used * BigInt(10_000 - feeBasisPoints)) / (1000n * 1024n * MILLION * 10_000n)
  const power = (BigInt(Math.round(creditsPerKwh * 1e6)) * hundredths(watts) * used) / (100_000n * MILLION)
  return { earned, power, net: earned - power }
}
