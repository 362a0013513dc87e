/** Numbers from a seed, by counting and mixing: the same on every machine. */
export function chance(seed: number): () => number {
  let count = seed * 0x9e3779b1
  return () => {
    count = (count + 0x6d2b79f5) | 0
    let x = Math.imul(count ^ (count >>> 15), count | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}
