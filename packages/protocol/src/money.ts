import { z } from 'zod'

/** Micro-credits: one credit is 1 000 000 of them. A whole number, never a float; `bigint` inside, a decimal string on the wire. */
export type Micros = bigint
export const MICROS_PER_CREDIT = 1_000_000n

// 18 digits keep every amount, and a sum of a few thousand of them, inside the signed 64-bit columns of both databases.
const WIRE = /^-?(0|[1-9][0-9]{0,17})$/

/** Money on the wire: a decimal string of micro-credits, such as `"1500000"` for 1.5 credits. JSON numbers are refused: they lose digits. */
export const Money = z.string().regex(WIRE, 'money is a whole number of micro-credits, written as a string of at most 18 digits').meta({ id: 'Money', example: '1500000' })
export type Money = z.infer<typeof Money>

/** Money that cannot be negative: a price, a cap, a top-up. */
export const Amount = z.string().regex(/^(0|[1-9][0-9]{0,17})$/, 'an amount is a whole number of micro-credits, zero or more, written as a string of at most 18 digits')
  .meta({ id: 'Amount', example: '1500000' })

export const parseMoney = (wire: string): Micros => BigInt(wire)
export const wireMoney = (micros: Micros): string => micros.toString()

/** For people: `12.5 credits`-style digits, at least two decimals, as many as the amount needs. `1500000n` → `"1.50"`. */
export function formatCredits(micros: Micros): string {
  const sign = micros < 0n ? '-' : ''
  const absolute = micros < 0n ? -micros : micros
  const fraction = (absolute % MICROS_PER_CREDIT).toString().padStart(6, '0').replace(/0{1,4}$/, '')
  return `${sign}${absolute / MICROS_PER_CREDIT}.${fraction}`
}

/** What a person types: `12`, `0.5`, `12.500001` credits. Null when it is not an amount, or finer than a micro-credit. */
export function parseCredits(text: string): Micros | null {
  const match = /^([0-9]{1,12})(?:\.([0-9]{1,6}))?$/.exec(text)
  if (!match) return null
  return BigInt(match[1] ?? '0') * MICROS_PER_CREDIT + BigInt((match[2] ?? '').padEnd(6, '0'))
}
