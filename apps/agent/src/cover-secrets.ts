// Values of secrets that a program prints are covered before they leave the machine. It helps against accidents, not against a program that means to tell them:
// any other spelling goes through. Short values stand in too much that is no secret, and are left.
const LEAST = 8
const COVER = Buffer.from('•••').toString('latin1')

/** Undefined: nothing is to be covered. Bytes that may be the beginning of a value are kept back until more comes; null says that no more does. */
export function coverSecrets(values: readonly string[]): ((bytes: Buffer | null) => Buffer) | undefined {
  // Longest first, so that one value inside of another does not leave its rest. Latin-1 is a letter for each byte.
  const secrets = values.filter((value) => value.length >= LEAST).map((value) => Buffer.from(value).toString('latin1')).toSorted((a, b) => b.length - a.length)
  if (secrets.length === 0) return undefined
  const any = new RegExp(secrets.map((value) => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'), 'g')
  let kept = ''
  return (bytes) => {
    const text = kept + (bytes?.toString('latin1') ?? '')
    let shown = '', from = 0, open = false
    for (const { 0: found, index } of text.matchAll(any)) {
      // It may yet become a longer one.
      if (bytes && secrets.some((value) => value.length > found.length && value.length > text.length - index && value.startsWith(text.slice(index)))) { shown += text.slice(from, index); from = index; open = true; break }
      shown += text.slice(from, index) + COVER
      from = index + found.length
    }
    const rest = text.slice(from), hold = !bytes ? 0 : open ? rest.length : heldBack(rest, secrets)
    kept = rest.slice(rest.length - hold)
    return Buffer.from(shown + rest.slice(0, rest.length - hold), 'latin1')
  }
}
/** The longest end of the text that is the beginning of a value. */
function heldBack(text: string, secrets: readonly string[]): number {
  let most = 0
  for (const value of secrets) for (let length = Math.min(value.length - 1, text.length); length > most; length--) if (text.endsWith(value.slice(0, length))) { most = length; break }
  return most
}
