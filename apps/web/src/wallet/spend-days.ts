import { formatCredits } from '@lumaris/protocol'

const DAY_MS = 86_400_000

/** Every day from the first to today (UTC), also those on which nothing was billed: a gap must look like one. */
export function everyDay(days: readonly { readonly day: string; readonly cost: string }[], since: number, now: number): { readonly day: string; readonly cost: bigint }[] {
  const costs = new Map(days.map((one) => [one.day, BigInt(one.cost)]))
  const found = []
  for (let at = since - (since % DAY_MS); at <= now; at += DAY_MS) { const day = new Date(at).toISOString().slice(0, 10); found.push({ day, cost: costs.get(day) ?? 0n }) }
  return found
}
/** The same with what had come together since the first of them. */
export function addUp(days: readonly { readonly day: string; readonly cost: string }[], since: number, now: number): { readonly day: string; readonly cost: bigint; readonly sum: bigint }[] {
  let sum = 0n
  return everyDay(days, since, now).map((one) => ({ ...one, sum: sum += one.cost }))
}
/** Every day as a line, for a spreadsheet. It holds no text of anybody's. */
export function daysCsv(days: readonly { readonly day: string; readonly cost: string; readonly jobs: number }[], since: number, now: number): string {
  const jobs = new Map(days.map((one) => [one.day, one.jobs]))
  return ['day (UTC),credits,jobs', ...everyDay(days, since, now).map(({ day, cost }) => `${day},${formatCredits(cost)},${jobs.get(day) ?? 0}`), ''].join('\r\n')
}
/** Part of the largest, in thousandths; what is there at all can be seen. */
export const shareOf = (cost: bigint, most: bigint): number => (most === 0n || cost === 0n ? 0 : Math.max(0.01, Number((cost * 1000n) / most) / 1000))
