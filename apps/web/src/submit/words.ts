// A command line as words, for people who are used to quotes. No shell ever sees it: nothing is expanded, and what comes out is the argv that runs.

/** Null when a quote stays open. */
export function splitWords(text: string): string[] | null {
  const words: string[] = []
  let word = '', begun = false, quote: '"' | "'" | null = null
  for (let i = 0; i < text.length; i++) {
    const sign = text[i] as string
    if (quote === "'") { if (sign === "'") quote = null; else word += sign }
    else if (sign === '\\' && i + 1 < text.length && (quote === null || '"\\'.includes(text[i + 1] as string))) { word += text[++i]; begun = true }
    else if (quote === '"') { if (sign === '"') quote = null; else word += sign }
    else if (sign === '"' || sign === "'") { quote = sign; begun = true }
    else if (/\s/.test(sign)) { if (begun) words.push(word); word = ''; begun = false }
    else { word += sign; begun = true }
  }
  if (quote) return null
  if (begun) words.push(word)
  return words
}
/** The other way: a line that gives these words again. */
export const joinWords = (words: readonly string[]): string => words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
