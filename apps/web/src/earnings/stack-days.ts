// Days as they are drawn: every one from the first to today, with a part for each node that is told apart.
import { daysBetween } from '@lumaris/protocol'
import type { NodesEarnings } from '@lumaris/protocol'

/** More colours than these nobody tells apart; the rest is one. */
const APART_MAX = 5
export const OTHERS = 'the others'
type Day = { readonly day: string; readonly earned: string }
export const sumOf = (days: readonly Day[]): bigint => days.reduce((sum, one) => sum + BigInt(one.earned), 0n)

/** In milliseconds. */
export const ranOf = (days: readonly { readonly ranMs: number }[]): bigint => days.reduce((sum, one) => sum + BigInt(one.ranMs), 0n)

export function stacked({ since, nodes }: NodesEarnings, now: number): { names: string[]; days: { day: string; parts: bigint[] }[]; /** Of one day; never zero. */ most: bigint } {
  const apart = nodes.slice(0, APART_MAX), rest = nodes.slice(APART_MAX)
  const lines = [...apart.map(({ name, days }) => ({ name, days })), ...(rest.length > 0 ? [{ name: OTHERS, days: rest.flatMap(({ days }) => days) }] : [])]
  const byDay = lines.map(({ days }) => { const found = new Map<string, bigint>(); for (const one of days) found.set(one.day, (found.get(one.day) ?? 0n) + BigInt(one.earned)); return found })
  const days = daysBetween(since, now).map((day) => ({ day, parts: byDay.map((found) => found.get(day) ?? 0n) }))
  const most = days.reduce((found, { parts }) => { const sum = parts.reduce((all, part) => all + part, 0n); return sum > found ? sum : found }, 1n)
  return { names: lines.map(({ name }) => name), days, most }
}
