// Exponential and logarithm from + − × ÷ alone. The language leaves the last bits of Math.exp and Math.log to the machine, and a forecast that is one bit
// off chooses another node on replay; these give the same bits everywhere. Series after range reduction, summed until they stop mattering: within 4 ulp of
// Math.exp and Math.log over the tested range (powers.prop.test.ts).

const LN2_HIGH = 0.6931471803691238, LN2_LOW = 1.9082149292705877e-10, SQRT_HALF = Math.SQRT1_2

/** 2 to a whole power, exact: by squaring, because `**` is the machine's own as well. */
function twoTo(power: number): number {
  let result = 1, base = power < 0 ? 0.5 : 2
  for (let left = Math.abs(power); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= base
    base *= base
  }
  return result
}

/** e to the x. Beyond ±700 the answer is that of ±700: no forecast needs more, and nothing becomes infinite. */
export function exp(x: number): number {
  const held = Math.max(-700, Math.min(700, x))
  const power = Math.round(held / Math.LN2)
  const rest = held - power * LN2_HIGH - power * LN2_LOW // two parts of ln 2, so that nothing is lost for large powers
  let sum = 0
  for (let i = 14; i >= 1; i--) sum = (1 + sum) * (rest / i)
  return (1 + sum) * twoTo(power)
}

/** Natural logarithm of a positive number. */
export function ln(x: number): number {
  if (!(x > 0) || !Number.isFinite(x)) throw new RangeError(`ln of ${x}`)
  let power = 0, part = x
  while (part < SQRT_HALF) { part *= 2; power-- }
  while (part >= 2 * SQRT_HALF) { part /= 2; power++ }
  const z = (part - 1) / (part + 1), square = z * z
  let sum = 0
  for (let i = 23; i >= 3; i -= 2) sum = square * (1 / i + sum)
  return power * LN2_HIGH + (2 * z * (1 + sum) + power * LN2_LOW)
}

/** What is left of a whole after so many half-lives. */
export const halved = (halfLives: number): number => exp(-halfLives * Math.LN2)
/** Log-odds of a chance, and back. Chances are held away from 0 and 1: counting never proves either. */
export const logOdds = (chance: number): number => { const held = Math.max(1e-4, Math.min(1 - 1e-4, chance)); return ln(held / (1 - held)) }
export const chanceOf = (odds: number): number => 1 / (1 + exp(-odds))
