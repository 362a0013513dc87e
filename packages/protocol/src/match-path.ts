// Which files a buyer wants back: exact paths, or patterns where `*` stands for any part of a name and `**` for any part of a path. Patterns
// come from strangers, so they are compared step by step and not by a regular expression, which some of them could keep busy for years.

/** At most (pattern length × path length) steps. */
export function matches(pattern: string, path: string): boolean {
  const tokens = tokensOf(pattern)
  // The places in the pattern that the path read so far can have come to.
  let places = reach(tokens, new Set([0]))
  for (const letter of path) {
    const next = new Set<number>()
    for (const place of places) {
      const token = tokens[place]
      if (token === '**' || token === 'dirs' || (token === '*' && letter !== '/')) next.add(place)
      if ((token === 'dirs' && letter === '/') || (token === letter && token !== '*')) next.add(place + 1)
    }
    places = reach(tokens, next)
    if (places.size === 0) return false
  }
  return places.has(tokens.length)
}

/** A letter, a star, or a word: `**`+`/` also stands for no directory at all, so it is two, entering and being in it. */
const tokensOf = (pattern: string): string[] => {
  const tokens: string[] = []
  const letters = Array.from(pattern)
  for (let i = 0; i < letters.length; i++) {
    if (letters[i] !== '*') { tokens.push(letters[i] as string); continue }
    if (letters[i + 1] !== '*') { tokens.push('*'); continue }
    i++
    const opens = tokens.length === 0 || tokens.at(-1) === '/'
    if (opens && letters[i + 1] === '/') { i++; tokens.push('dirs?', 'dirs') } else tokens.push('**')
  }
  return tokens
}

/** Stars may stand for nothing. */
function reach(tokens: readonly string[], places: Set<number>): Set<number> {
  for (const place of places) { // a Set visits what is added on the way
    const token = tokens[place]
    if (token === '*' || token === '**' || token === 'dirs?') places.add(place + 1)
    if (token === 'dirs?') places.add(place + 2)
  }
  return places
}
