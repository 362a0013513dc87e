import { InvalidArgumentError } from 'commander'

/** A command in one argument, as words: quotes and backslashes as in a shell, and nothing else of one. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | null = null, quote = ''
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string
    if (quote) {
      if (char === quote) quote = ''
      else if (char === '\\' && quote === '"' && /["\\$`]/.test(text[i + 1] ?? '')) word = (word ?? '') + (text[++i] as string)
      else word = (word ?? '') + char
    } else if (char === '"' || char === "'") { quote = char; word ??= '' } else if (char === '\\' && i + 1 < text.length) word = (word ?? '') + (text[++i] as string)
    else if (/\s/.test(char)) { if (word !== null) words.push(word); word = null } else if (/[|&;<>`$]/.test(char)) throw new InvalidArgumentError(`"${char}" means something to a shell, and none runs here. Quote it, or name a shell: sh -c '…'.`)
    else word = (word ?? '') + char
  }
  if (quote) throw new InvalidArgumentError(`the quote ${quote} is not closed`)
  if (word !== null) words.push(word)
  if (words.length === 0) throw new InvalidArgumentError('there is no program in it')
  return words
}
