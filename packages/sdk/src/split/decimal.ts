// Sums of decimal numbers, exact: parts come in any number, and a sum of doubles depends on how they were cut.
export type Decimal = { readonly units: bigint; /** Digits behind the point. */ readonly scale: number }
export const ZERO: Decimal = { units: 0n, scale: 0 }
/** A number of a hundred thousand digits is a mistake or an attack; adding up a million of them would be minutes. */
const EXPONENT_MAX = 400, LENGTH_MAX = 1000

export function parseDecimal(text: string): Decimal | null {
  const match = text.length > LENGTH_MAX ? null : /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/.exec(text)
  if (!match) return null
  const [, sign = '', whole = '', part = '', power = '0'] = match
  const exponent = Number(power)
  if (whole + part === '' || Math.abs(exponent) > EXPONENT_MAX) return null
  const units = BigInt(whole + part) * (sign === '-' ? -1n : 1n), scale = part.length - exponent
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 }
}
const at = (value: Decimal, scale: number): bigint => (value.scale === scale ? value.units : value.units * 10n ** BigInt(scale - value.scale))
export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return { units: at(a, scale) + at(b, scale), scale }
}
export function compare(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale), left = at(a, scale), right = at(b, scale)
  return left < right ? -1 : left > right ? 1 : 0
}
/** Without zeros at the end: `1.50` is `1.5`, whatever it was added from. */
export function formatDecimal({ units, scale }: Decimal): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale), part = digits.slice(digits.length - scale).replace(/0+$/, '')
  return `${units < 0n ? '-' : ''}${whole}${part ? `.${part}` : ''}`
}
