import { isLumarisError } from '@lumaris/sdk'
import type { LumarisError } from '@lumaris/sdk'
import { creditsText } from './format.ts'

/** What a schema says of lengths and sizes, in words for people; everything else is said as it came. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^Too small: expected string to have >=1 characters?$/, 'Fill this in'], [/^Too small: expected string to have >=(\d+) characters?$/, 'At least $1 characters'], [/^Too big: expected string to have <=(\d+) characters?$/, 'At most $1 characters'],
  [/^Too small: expected (?:number|int) to be >=(\S+)$/, 'At least $1'], [/^Too big: expected (?:number|int) to be <=(\S+)$/, 'At most $1'], [/^Too small: expected array to have >=1 items?$/, 'Choose one at least'],
]
export const inWords = (message: string): string => { const [pattern, words] = WORDS.find(([one]) => one.test(message)) ?? [null, '']; return pattern ? message.replace(pattern, words) : message }

/** The server's complaints by the place they are about (`/spec/resources/cpuMillis`), to stand beside their fields. */
export const errorsBy = (error: unknown): ReadonlyMap<string, string> => new Map(isLumarisError(error) && error.errors ? error.errors.map(({ pointer, message }) => [pointer, inWords(message)]) : [])

/** A refusal that is about one field: what is wrong with it, or within which bounds it must be. */
function says({ message, hint, detail = {} }: LumarisError): string {
  const { reason, min, max } = detail as Partial<Record<'reason' | 'min' | 'max', unknown>>
  if (typeof reason === 'string') return `${message}: ${reason}`
  const bounds = [typeof min === 'string' && `at least ${creditsText(min)}`, typeof max === 'string' && `at most ${creditsText(max)}`].filter(Boolean)
  return bounds.length > 0 ? `${message}: ${bounds.join(', ')}` : `${message}. ${hint}`
}
/**
 * What stands beside which of these fields, and whether anything of the refusal is left that stands beside none of them: then it is shown as a whole, for nothing
 * that was refused goes unsaid. `codes`: refusals that are about one field whatever they name.
 */
export function beside(error: unknown, fields: readonly string[], codes: Readonly<Record<string, string>> = {}): { readonly at: (field: string) => string | undefined; readonly isLeft: boolean } {
  const found = new Map(errorsBy(error)), place = isLumarisError(error) ? codes[error.code] : undefined
  if (isLumarisError(error) && place !== undefined) found.set(place, says(error))
  const isAt = (pointer: string, field: string): boolean => pointer === field || pointer.startsWith(`${field}/`)
  return { at: (field) => [...found].find(([pointer]) => isAt(pointer, field))?.[1], isLeft: error !== null && (found.size === 0 || [...found.keys()].some((pointer) => !fields.some((field) => isAt(pointer, field)))) }
}
