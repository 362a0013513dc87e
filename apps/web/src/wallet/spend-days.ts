import { daysBetween } from '@lumaris/protocol'


/** Every day from the first to today (UTC), also those on which nothing was billed: a gap must look like one. */
export function everyDay(days: readonly { readonly day: string; readonly cost: string }[], since: number, now: number): { readonly day: string; readonly cost: bigint }[] {
  const costs = new Map(days.map((one) => [one.day, BigInt(one.cost)]))
  return daysBetween(since, now).map((day) => ({ day, cost: costs.get(day) ?? 0n }))
}
/** The same with what had come together since the first of them. */
export function addUp(days: readonly { readonly day: string; readonly cost: string }[], since: number, now: number): { readonly day: string; readonly cost: bigint; readonly sum: bigint }[] {
  let sum = 0n
  return everyDay(days, since, now).map((one) => ({ ...one, sum: sum += one.cost }))
}
type Line = { readonly key: string | null; readonly cost: string; readonly days?: readonly { readonly day: string; readonly cost: string }[] | undefined }
/** Days made of a part for each line that is told day by day, and last of what all others cost, if they cost anything; the parts of a day are its cost. */
export function splitDays(lines: readonly Line[], days: readonly { readonly day: string; readonly cost: string }[], since: number, now: number): { readonly keys: readonly (string | null)[]; readonly hasOthers: boolean; readonly days: readonly { readonly day: string; readonly cost: bigint; readonly parts: readonly bigint[] }[] } {
  const told = lines.filter((line) => line.days !== undefined), byDay = told.map((line) => new Map(line.days?.map((one) => [one.day, BigInt(one.cost)])))
  const split = everyDay(days, since, now).map(({ day, cost }) => { const parts = byDay.map((found) => found.get(day) ?? 0n); return { day, cost, parts: [...parts, parts.reduce((left, part) => left - part, cost)] } })
  const hasOthers = split.some(({ parts }) => (parts.at(-1) ?? 0n) > 0n)
  return { keys: told.map(({ key }) => key), hasOthers, days: hasOthers ? split : split.map((one) => ({ ...one, parts: one.parts.slice(0, -1) })) }
}
/** Part of the largest, in thousandths; what is there at all can be seen. */
export const shareOf = (cost: bigint, most: bigint): number => (most === 0n || cost === 0n ? 0 : Math.max(0.01, Number((cost * 1000n) / most) / 1000))
