// What somebody would type who wants something done: words, in any order, of which some say nothing. It looks for the others where a person would.
const EMPTY_WORDS = new Set('a an and any at be by can do for from get give how i in into is it its job like make me my of on or please run some that the this to up use want what which with would'.split(' '))
export const wordsOf = (text: string): string[] => (text.toLowerCase().normalize('NFKD').replace(/[\u0300-\u036f]/g, '').match(/[\p{L}\p{N}π]+/gu) ?? []).filter((word) => !EMPTY_WORDS.has(word))
/** Endings that make no other thing of a word: draws, drawing, draw. */
const stem = (word: string): string => (word.length > 4 ? word.replace(/(?:ings?|ers?|ed|es|s)$/, '') : word)
/** What was typed may be the beginning of a word, or what is left of one. */
const isLike = (word: string, other: string): boolean => other.startsWith(word) || (other.length > 3 && word.startsWith(other))

export type Findable = { readonly name: string; readonly says: string; readonly tags: readonly string[] }
/** Those that fit, best first; all of them as they were when nothing was asked. Every word that says something must be found somewhere. */
export function findTemplates<T extends Findable>(all: readonly T[], asked: string): T[] {
  const words = wordsOf(asked).map(stem)
  if (words.length === 0) return [...all]
  const ranked = all.map((one) => {
    const inName = wordsOf(one.name).map(stem), inTags = one.tags.flatMap(wordsOf).map(stem), inText = wordsOf(one.says).map(stem)
    const points = words.map((word) => (inName.some((other) => isLike(word, other)) ? 4 : inTags.some((other) => isLike(word, other)) ? 2 : inText.some((other) => isLike(word, other)) ? 1 : 0))
    return { one, fits: points.every((point) => point > 0), points: points.reduce<number>((sum, point) => sum + point, 0) }
  })
  return ranked.filter(({ fits }) => fits).toSorted((a, b) => b.points - a.points).map(({ one }) => one)
}
