// The books beside the statements of one account outside. What has the same reference and amount is matched; all else is told, each line and each entry in one place:
//
//   matched           the same reference, the same amount (or linked by hand)
//   amount_differs    the same reference, another amount
//   twice             its reference is on the other side too, but taken already
//   not_in_books      a line without an entry
//   not_on_statement  an entry on a day that a statement tells of, without a line
//   awaiting          the same on a day that none tells of yet: nothing is said of it
//   reversed          an entry and its reversal, where no money went back under its reference: they undo each other in the books, and outside nothing happened
//
// What only looks alike (the amount, and nearly the day) is a suggestion: two people pay the same on one day.
import type { Instant, Micros, MismatchKind } from '@lumaris/protocol'

/** `day` is the midnight that it begins with, UTC. `amount` above zero came into the account outside. */
export type OutsideLine = { readonly id: string; readonly day: Instant; readonly reference: string; readonly amount: Micros }
export type BookEntry = { readonly entry: string; readonly at: Instant; readonly references: readonly string[]; readonly amount: Micros; /** The entry that this one takes back. */ readonly reverses?: string | undefined }
export type Days = { readonly from: Instant; readonly to: Instant }
export type Books = { readonly lines: readonly OutsideLine[]; readonly entries: readonly BookEntry[]; /** Days that statements tell of. */ readonly covered: readonly Days[]; /** By hand: what is not there any more is passed over. */ readonly links: readonly { readonly line: string; readonly entry: string }[] }
export type Found = { readonly kind: MismatchKind; readonly line?: OutsideLine; readonly entry?: BookEntry; readonly beside?: string; readonly suggestions: readonly { readonly line?: OutsideLine; readonly entry?: BookEntry }[] }
export type Matched = { readonly line: OutsideLine; readonly entry: BookEntry; readonly by: 'reference' | 'hand' }
export type Compared = { readonly matched: readonly Matched[]; readonly mismatches: readonly Found[]; readonly awaiting: readonly BookEntry[]; readonly reversed: readonly BookEntry[] }

export const DAY_MS = 86_400_000
/** Money takes its time, and is booked by people. */
const NEAR_DAYS = 3, SUGGESTED_MAX = 3
/** Banks put spaces into references, and write them large. */
export const plainReference = (reference: string): string => reference.replace(/\s+/g, '').toUpperCase()
/** What a mismatch is known by, for as long as it is the same one. */
export const mismatchKey = ({ kind, line, entry }: { readonly kind: MismatchKind; readonly line?: { readonly id: string } | undefined; readonly entry?: { readonly entry: string } | undefined }): string => `${kind} ${line?.id ?? ''} ${entry?.entry ?? ''}`

const dayOf = (at: Instant): Instant => at - (at % DAY_MS)
const keyOf = (amount: Micros, reference: string): string => `${amount > 0n ? 'in' : 'out'} ${plainReference(reference)}`
const keysOf = (entry: BookEntry): string[] => [...new Set(entry.references.filter((one) => plainReference(one) !== '').map((one) => keyOf(entry.amount, one)))]
const keyOfLine = (line: OutsideLine): string | null => (plainReference(line.reference) === '' ? null : keyOf(line.amount, line.reference))

/** In the order of time, then of names: what is found does not depend on the order in which it was handed in. */
const byDay = (a: OutsideLine, b: OutsideLine): number => a.day - b.day || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
const byTime = (a: BookEntry, b: BookEntry): number => a.at - b.at || (a.entry < b.entry ? -1 : a.entry > b.entry ? 1 : 0)

export function compareBooks({ lines: someLines, entries: someEntries, covered, links }: Books): Compared {
  const lines = someLines.toSorted(byDay), entries = someEntries.toSorted(byTime), lineById = new Map(lines.map((line) => [line.id, line])), entryByName = new Map(entries.map((entry) => [entry.entry, entry]))
  const matched: Matched[] = [], mismatches: Found[] = [], usedLines = new Set<string>(), usedEntries = new Set<string>()
  // By key: what of the other side has taken it, for what comes again.
  const lineOfKey = new Map<string, string>(), entryOfKey = new Map<string, string>()
  const take = (line: OutsideLine, entry: BookEntry): void => {
    usedLines.add(line.id)
    usedEntries.add(entry.entry)
    const own = keyOfLine(line)
    if (own !== null) entryOfKey.set(own, entry.entry)
    for (const key of keysOf(entry)) { entryOfKey.set(key, entry.entry); lineOfKey.set(key, line.id) }
  }
  for (const link of links) {
    const line = lineById.get(link.line), entry = entryByName.get(link.entry)
    if (!line || !entry || usedLines.has(line.id) || usedEntries.has(entry.entry)) continue
    take(line, entry)
    matched.push({ line, entry, by: 'hand' })
  }

  const reversed = undone(lines, entries, entryByName, usedLines, usedEntries)
  const entriesOf = new Map<string, BookEntry[]>()
  for (const entry of entries) for (const key of keysOf(entry)) { const list = entriesOf.get(key); if (list) list.push(entry); else entriesOf.set(key, [entry]) }
  const pair = (fits: (line: OutsideLine, entry: BookEntry) => boolean, met: (line: OutsideLine, entry: BookEntry) => void): void => {
    for (const line of lines) {
      const key = keyOfLine(line)
      if (key === null || usedLines.has(line.id)) continue
      const entry = entriesOf.get(key)?.find((one) => !usedEntries.has(one.entry) && fits(line, one))
      if (entry) { take(line, entry); met(line, entry) }
    }
  }
  pair((line, entry) => line.amount === entry.amount, (line, entry) => { matched.push({ line, entry, by: 'reference' }) })
  pair(() => true, (line, entry) => { mismatches.push({ kind: 'amount_differs', line, entry, suggestions: [] }) })

  const restLines = lines.filter(({ id }) => !usedLines.has(id)), restEntries = entries.filter(({ entry }) => !usedEntries.has(entry))
  const isAgain = (line: OutsideLine): boolean => entryOfKey.has(keyOfLine(line) ?? ''), again = restLines.filter(isAgain), alone = restLines.filter((line) => !isAgain(line))
  const isCovered = ({ at }: BookEntry): boolean => covered.some(({ from, to }) => at >= from && at < to + DAY_MS)
  const judged = restEntries.filter(isCovered), awaiting = restEntries.filter((entry) => !isCovered(entry))
  const near = nearby(alone, restEntries)
  for (const line of again) mismatches.push({ kind: 'twice', line, beside: entryOfKey.get(keyOfLine(line) ?? '') ?? '', suggestions: [] })
  for (const line of alone) mismatches.push({ kind: 'not_in_books', line, suggestions: near.entriesFor(line).map((entry) => ({ entry })) })
  for (const entry of judged) {
    const beside = keysOf(entry).map((key) => lineOfKey.get(key)).find((line) => line !== undefined)
    mismatches.push(beside === undefined ? { kind: 'not_on_statement', entry, suggestions: near.linesFor(entry).map((line) => ({ line })) } : { kind: 'twice', entry, beside, suggestions: [] })
  }
  return { matched, mismatches: mismatches.toSorted((a, b) => sinceOf(a) - sinceOf(b) || (mismatchKey(a) < mismatchKey(b) ? -1 : 1)), awaiting, reversed }
}
/** The day on the statement, else when it was booked. */
export const sinceOf = ({ line, entry }: Pick<Found, 'line' | 'entry'>): Instant => line?.day ?? entry?.at ?? 0

/** Entries that were taken back, with what took them back: both are as good as not there, unless the statement shows that the money went back. */
function undone(lines: readonly OutsideLine[], entries: readonly BookEntry[], byName: ReadonlyMap<string, BookEntry>, usedLines: ReadonlySet<string>, usedEntries: Set<string>): BookEntry[] {
  const shown = new Set(lines.filter(({ id }) => !usedLines.has(id)).map(keyOfLine)), over: BookEntry[] = []
  for (const entry of entries) {
    const first = entry.reverses === undefined ? undefined : byName.get(entry.reverses)
    if (!first || usedEntries.has(first.entry) || usedEntries.has(entry.entry) || keysOf(entry).some((key) => shown.has(key))) continue
    usedEntries.add(first.entry)
    usedEntries.add(entry.entry)
    over.push(first, entry)
  }
  return over
}

/** Of the same amount, the nearest days first. */
function nearby(lines: readonly OutsideLine[], entries: readonly BookEntry[]) {
  const gather = <T>(list: readonly T[], day: (one: T) => Instant, amount: (one: T) => Micros): Map<string, T[]> => { const found = new Map<string, T[]>(); for (const one of list) { const key = `${amount(one)} ${day(one)}`, same = found.get(key); if (same) same.push(one); else found.set(key, [one]) } return found }
  const lineAt = gather(lines, ({ day }) => day, ({ amount }) => amount), entryAt = gather(entries, ({ at }) => dayOf(at), ({ amount }) => amount)
  function around<T>(of: Map<string, T[]>, amount: Micros, day: Instant): T[] {
    const found: T[] = []
    for (let away = 0; away <= NEAR_DAYS && found.length < SUGGESTED_MAX; away++) for (const at of away === 0 ? [day] : [day - away * DAY_MS, day + away * DAY_MS]) for (const one of of.get(`${amount} ${at}`) ?? []) { found.push(one); if (found.length === SUGGESTED_MAX) return found }
    return found
  }
  return { entriesFor: ({ amount, day }: OutsideLine) => around(entryAt, amount, day), linesFor: ({ amount, at }: BookEntry) => around(lineAt, amount, dayOf(at)) }
}
