// The books beside the statements, compared when somebody asks: what is booked, and what is handed in, changes at any time, and a match that was written down would have to be taken back.
import { dayText, digestText, timeText } from '@lumaris/protocol'
import type { BookLine, Mismatch, MismatchFilter, MismatchKind, Reconciliation, ReconciliationFigures, Settlement, StatementLine, StatementLineId } from '@lumaris/protocol'
import { compareBooks, mismatchKey, sinceOf } from '@lumaris/domain'
import type { BookEntry, Compared, Days, Found, ReadLine, ReadStatement } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { sha256Hex } from '../signatures.ts'
import { bookEntries, coveredDays, namesOf, outsideAccounts, readOutsideLines, readSettlements } from '../store/reconciliation.ts'
import type { OutsideLineRow, SettlementRow } from '../store/reconciliation.ts'
import type { PageOf } from '../store/page.ts'

const DAY_MS = 86_400_000
/** The overview is asked for every few seconds, and this looks at everything: what it tells may be so old. Statements and settlements of this server are seen at once. */
const OLD_MS = 60_000

/** The same line has the same id, whoever hands it in. */
export const lineRows = (account: string, lines: readonly ReadLine[]): OutsideLineRow[] => lines.map(({ key, day, reference, amount, own }) => ({ id: `lin_${timeText(day)}${digestText(sha256Hex(`${account} ${key}`))}` as StatementLineId, key, day, reference, amount, own }))
export const viewLine = ({ id, day, reference, amount, own }: OutsideLineRow): StatementLine => ({ id, day: dayText(day), reference, amount: amount.toString(), ...(own === null ? {} : { own }) })
export const viewBookLine = ({ entry, at, references, amount }: BookEntry): BookLine => ({ entry, at, references: [...references], amount: amount.toString() })

type Account = { readonly account: string; readonly lines: ReadonlyMap<string, OutsideLineRow>; readonly entries: ReadonlyMap<string, BookEntry>; readonly covered: readonly Days[]; readonly settlements: readonly SettlementRow[]; readonly compared: Compared; readonly figures: ReconciliationFigures; readonly open: readonly Found[]; readonly settled: readonly { readonly found: Found; readonly by: SettlementRow }[] }

/** One account, with what a statement that is not kept yet would add. */
export async function compareAccount(db: Database, account: string, more?: { readonly read: Pick<ReadStatement, 'from' | 'to'>; readonly lines: readonly OutsideLineRow[] }): Promise<Account> {
  const kept = await readOutsideLines(db, account), lines = new Map([...kept, ...(more?.lines ?? [])].map((line) => [line.id as string, line]))
  const covered = [...await coveredDays(db, account), ...(more ? [more.read] : [])], entries = await bookEntries(db, account), settlements = await readSettlements(db, account)
  const linked = new Map(settlements.flatMap((one) => (one.how === 'linked' && one.line !== null && one.entry !== null ? [[one.line, one] as const] : []))), aside = new Map(settlements.flatMap((one) => (one.how === 'aside' ? [[one.key, one] as const] : [])))
  const compared = compareBooks({ lines: [...lines.values()], entries, covered, links: [...linked.values()].map(({ line, entry }) => ({ line: line ?? '', entry: entry ?? '' })) })
  const open: Found[] = [], settled: { found: Found; by: SettlementRow }[] = []
  for (const found of compared.mismatches) { const by = aside.get(mismatchKey(found)); if (by) settled.push({ found, by }); else open.push(found) }
  for (const { line, entry, by } of compared.matched) { const link = by === 'hand' ? linked.get(line.id) : undefined; if (link) settled.push({ found: { kind: line.amount === entry.amount ? 'not_in_books' : 'amount_differs', line, entry, suggestions: [] }, by: link }) }
  const count: Record<MismatchKind, number> = { not_on_statement: 0, not_in_books: 0, amount_differs: 0, twice: 0 }
  for (const { kind } of open) count[kind]++
  return { account, lines, entries: new Map(entries.map((entry) => [entry.entry, entry])), covered, settlements, compared, open, settled, figures: { matched: compared.matched.length, open: count, settled: settled.length, awaiting: compared.awaiting.length } }
}

export type Reconciler = { /** Open mismatches of all accounts, as of a minute ago at most. */ openCount(): Promise<number>; /** Something was handed in, or settled. */ forget(): void; all(): Promise<Reconciliation>; mismatches(filter: MismatchFilterOf): Promise<Mismatch[]>; page(filter: MismatchFilterOf, limit: number, cursor: string | undefined): Promise<PageOf<Mismatch>> }
type MismatchFilterOf = { readonly [Name in keyof ReturnType<typeof MismatchFilter.parse>]?: ReturnType<typeof MismatchFilter.parse>[Name] | undefined }
export function createReconciler(db: Database, now: () => number): Reconciler {
  let counted: { at: number; count: Promise<number> } | null = null
  const each = async (only?: string): Promise<Account[]> => {
    const found: Account[] = []
    for (const account of await outsideAccounts(db)) if (only === undefined || only === account) found.push(await compareAccount(db, account))
    return found
  }
  const inOrder = async ({ account, kind, state = 'open' }: MismatchFilterOf): Promise<{ one: Mismatch; place: string }[]> => {
    const accounts = await each(account), names = state === 'settled' ? await namesOf(db, accounts.flatMap(({ settled }) => settled.map(({ by }) => by.by))) : new Map<string, string>()
    const all = accounts.flatMap((one) => (state === 'open' ? one.open.map((found) => viewMismatch(one, found)) : one.settled.map(({ found, by }) => viewMismatch(one, found, viewSettlement(by, names.get(by.by) ?? '')))))
    return all.filter((one) => kind === undefined || one.kind === kind).map((one) => ({ one, place: placeOf(one) })).toSorted((a, b) => a.one.since - b.one.since || (a.place < b.place ? -1 : 1))
  }
  return {
    openCount() {
      const at = now()
      if (counted === null || at - counted.at > OLD_MS) {
        const mine = { at, count: each().then((accounts) => accounts.reduce((sum, { open }) => sum + open.length, 0)) }
        mine.count.catch(() => { if (counted === mine) counted = null })
        counted = mine
      }
      return counted.count
    },
    forget() { counted = null },
    async all() {
      const accounts = await each()
      return { at: now(), accounts: accounts.map(({ account, figures, covered, lines, entries }) => ({ account, ...figures, covered: joined(covered).map(({ from, to }) => ({ from: dayText(from), to: dayText(to) })), lines: lines.size, entries: entries.size })), open: accounts.reduce((sum, { open }) => sum + open.length, 0) }
    },
    mismatches: async (filter) => (await inOrder(filter)).map(({ one }) => one),
    async page(filter, limit, cursor) {
      const all = await inOrder(filter), [since, after] = (cursor ?? '').split('~', 2), from = after === undefined ? 0 : all.findIndex(({ one, place }) => one.since > Number(since) || (one.since === Number(since) && place > after)), rest = from < 0 ? [] : all.slice(from), last = rest[limit - 1]
      return { data: rest.slice(0, limit).map(({ one }) => one), nextCursor: rest.length > limit && last ? `${last.one.since}~${last.place}` : null }
    },
  }
}
/** Where it stands among those of its day, whatever is settled meanwhile. */
const placeOf = ({ account, ...one }: Mismatch): string => sha256Hex(`${account} ${mismatchKey(one)}`).slice(0, 32)

function viewMismatch({ account, lines }: Account, { kind, line, entry, beside, suggestions }: Found, settled?: Settlement): Mismatch {
  const lineOf = (one: { readonly id: string } | undefined): { line?: StatementLine } => { const row = one && lines.get(one.id); return row ? { line: viewLine(row) } : {} }
  const entryOf = (one: BookEntry | undefined): { entry?: BookLine } => (one ? { entry: viewBookLine(one) } : {})
  return { account, kind, since: sinceOf({ ...(line ? { line } : {}), ...(entry ? { entry } : {}) }), ...lineOf(line), ...entryOf(entry), ...(beside === undefined ? {} : { beside }), suggestions: suggestions.map((one) => ({ ...lineOf(one.line), ...entryOf(one.entry) })), ...(settled ? { settled } : {}) }
}
export const viewSettlement = ({ id, how, reason, by, at }: SettlementRow, byName: string): Settlement => ({ id, how, reason, by, byName, at })

/** Days that follow one another, or overlap, as one span. */
function joined(covered: readonly Days[]): Days[] {
  const spans: { from: number; to: number }[] = []
  for (const { from, to } of covered.toSorted((a, b) => a.from - b.from)) { const last = spans.at(-1); if (last && from <= last.to + DAY_MS) last.to = Math.max(last.to, to); else spans.push({ from, to }) }
  return spans
}
