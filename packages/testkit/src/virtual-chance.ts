// Chance that can be played again: sfc32, seeded by a number and a name. Small, quick and the same on every machine.
export type Chance = {
  /** From 0 (included) to 1 (excluded). */
  readonly next: () => number
  /** A whole number from `from` to `to`, both included. */
  readonly between: (from: number, to: number) => number
  readonly happens: (probability: number) => boolean
  readonly pick: <Item>(list: readonly Item[]) => Item
  /** One of the keys, as often as its weight says. */
  readonly weighted: <Key extends string>(weights: Readonly<Record<Key, number>>) => Key
  /** A waiting time with this mean: what independent events have between them. */
  readonly exponential: (mean: number) => number
}

export function virtualChance(seed: number, name = ''): Chance {
  let a = seed >>> 0, b = Math.floor(seed / 2 ** 32) >>> 0, c = 0x9e3779b9, d = 1
  for (const letter of name) c = Math.imul(c ^ letter.charCodeAt(0), 0x01000193) >>> 0
  const word = (): number => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  for (let i = 0; i < 15; i++) word() // the first words still look like the seed
  const next = (): number => word() / 2 ** 32
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  return {
    next, between,
    happens: (probability) => next() < probability,
    pick: <Item>(list: readonly Item[]): Item => {
      if (list.length === 0) throw new RangeError('pick: an empty list')
      return list[between(0, list.length - 1)] as Item
    },
    weighted: <Key extends string>(weights: Readonly<Record<Key, number>>): Key => {
      const entries = Object.entries(weights) as [Key, number][]
      let at = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [key, weight] of entries) if ((at -= weight) < 0) return key
      return (entries.at(-1) as [Key, number])[0]
    },
    exponential: (mean) => -Math.log(1 - next()) * mean,
  }
}
