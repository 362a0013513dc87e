// Which of the files that came back were asked for. The agent has compared them too, but it is a stranger's: here counts what we asked. A star never
// stands for the dot that makes a file hidden (`.bashrc`, `.git/hooks/…`): such names must be spelled out.

export const isWanted = (path: string, patterns: readonly string[]): boolean => patterns.some((pattern) => along(pattern.split('/'), path.split('/')))

/** Compares folder by folder. `**` stands for any number of folders, and as the last part for at least a name. */
function along(pattern: readonly string[], path: readonly string[]): boolean {
  // Where in the pattern the path read so far can have come to.
  let places = skipStars(pattern, new Set([0]))
  for (const part of path) {
    const next = new Set<number>()
    for (const place of places) {
      const wanted = pattern[place]
      if (wanted === undefined) continue
      if (wanted !== '**') { if (fits(wanted, part)) next.add(place + 1) }
      else if (!part.startsWith('.')) next.add(place).add(place + 1)
    }
    places = skipStars(pattern, next)
  }
  return places.has(pattern.length)
}
function skipStars(pattern: readonly string[], places: Set<number>): Set<number> {
  for (const place of places) if (pattern[place] === '**' && place < pattern.length - 1) places.add(place + 1) // a Set visits what is added on the way
  return places
}

/** One name against one part of a pattern: its pieces between stars, in their order. */
function fits(wanted: string, name: string): boolean {
  if (!wanted.includes('*')) return wanted === name
  if (name.startsWith('.') && !wanted.startsWith('.')) return false
  const pieces = wanted.split('*'), first = pieces[0] ?? '', last = pieces.at(-1) ?? ''
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at)
    if (found < 0 || found + piece.length > name.length - last.length) return false
    at = found + piece.length
  }
  return true
}
