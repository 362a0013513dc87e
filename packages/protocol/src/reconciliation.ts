import { z } from 'zod'
import { Instant, SettlementId, StatementId, StatementLineId, UserId } from './ids.ts'
import { plain, Reason } from './incident.ts'
import { Amount, Money } from './money.ts'
import { EntryName } from './operator.ts'

// What the market's books say, beside what an account outside of it says: a bank, or a provider of payments. An account outside is named as the ledger names it, without `external:`.

/** Characters of one statement: some tens of thousands of lines, and less than a request may have. */
export const STATEMENT_CHARS_MAX = 4_000_000
export const STATEMENT_LINES_MAX = 20_000
/** Lines of a preview that are told. */
export const PREVIEW_LINES = 20
const DAY = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/
/** A day, UTC. */
export const StatementDay = z.string().regex(DAY, 'a day such as 2027-01-31')
export const OutsideAccount = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'the account as the ledger names it: bank, demo').meta({ id: 'OutsideAccount' })
export const DecimalMark = z.enum(['point', 'comma']).meta({ id: 'DecimalMark' })
export type DecimalMark = z.infer<typeof DecimalMark>

const StatementText = z.object({
  account: OutsideAccount.default('bank'),
  /** CSV with a line of names, or JSON lines of the same. Amounts are credits: one of the account's own money is one credit. */
  text: z.string().min(1).max(STATEMENT_CHARS_MAX),
  /** What stands before the decimals. Absent: a point, and what could be meant otherwise is refused. */
  decimal: DecimalMark.optional(),
  /** The first and the last day that it tells of. Absent: those of its lines. */
  from: StatementDay.optional(), to: StatementDay.optional(),
})
export const PreviewStatement = z.strictObject(StatementText.shape).meta({ id: 'PreviewStatement' })
export const HandInStatement = z.strictObject({ ...StatementText.shape, /** Of the file, for whoever looks at the history. */ name: plain(1, 200).optional(), reason: Reason }).meta({ id: 'HandInStatement' })

/** One line of a statement: money that came into the account outside (above zero), or left it. */
export const StatementLine = z.object({ id: StatementLineId, day: StatementDay, reference: z.string(), amount: Money, /** Its own id in the statement. */ own: z.string().optional() }).meta({ id: 'StatementLine' })
export type StatementLine = z.infer<typeof StatementLine>
/** One entry of the ledger, as the account outside should show it. */
export const BookLine = z.object({ entry: z.string(), at: Instant, references: z.array(z.string()), amount: Money }).meta({ id: 'BookLine' })
export type BookLine = z.infer<typeof BookLine>

export const MismatchKind = z.enum(['not_on_statement', 'not_in_books', 'amount_differs', 'twice']).meta({ id: 'MismatchKind' })
export type MismatchKind = z.infer<typeof MismatchKind>
const Count = z.number().int()
export const Settlement = z.object({ id: SettlementId, how: z.enum(['linked', 'aside']), reason: z.string(), by: UserId, byName: z.string(), at: Instant }).meta({ id: 'Settlement' })
export type Settlement = z.infer<typeof Settlement>
export const Mismatch = z.object({
  account: OutsideAccount, kind: MismatchKind, /** The day on the statement, else when it was booked. */ since: Instant, line: StatementLine.optional(), entry: BookLine.optional(),
  /** Of one that is there twice: which line or entry it came again beside. */ beside: z.string().optional(),
  /** Of the same amount, at most three days apart: what it may be. Nothing is matched by that. */
  suggestions: z.array(z.object({ line: StatementLine.optional(), entry: BookLine.optional() })),
  /** Somebody has looked at it. */ settled: Settlement.optional(),
}).meta({ id: 'Mismatch' })
export type Mismatch = z.infer<typeof Mismatch>

export const ReconciliationFigures = z.object({
  matched: Count, /** Open ones, by kind. */ open: z.record(MismatchKind, Count), settled: Count,
  /** Booked on days that no statement tells of yet, and not seen on one. */ awaiting: Count,
})
export type ReconciliationFigures = z.infer<typeof ReconciliationFigures>
export const Reconciliation = z.object({
  at: Instant,
  accounts: z.array(ReconciliationFigures.extend({ account: OutsideAccount, /** The days that statements tell of, in order. */ covered: z.array(z.object({ from: StatementDay, to: StatementDay })), lines: Count, entries: Count })),
  /** Open ones of all accounts. */ open: Count,
}).meta({ id: 'Reconciliation' })
export type Reconciliation = z.infer<typeof Reconciliation>

const Read = z.object({ account: OutsideAccount, from: StatementDay, to: StatementDay, lines: Count, /** Of them known from earlier statements. */ known: Count, /** What came in and went out in all its lines. */ in: Amount, out: Amount })
export const StatementPreview = Read.extend({
  format: z.enum(['csv', 'jsonl']), separator: z.string().optional(), /** Columns that were not read. */ ignored: z.array(z.string()),
  /** The first lines, as they were understood. */ first: z.array(StatementLine),
  /** How the account would stand with it. */ would: ReconciliationFigures,
}).meta({ id: 'StatementPreview' })
export type StatementPreview = z.infer<typeof StatementPreview>
export const Statement = Read.extend({ id: StatementId, name: z.string().optional(), at: Instant, by: UserId, byName: z.string(), reason: z.string(), withdrawn: z.object({ at: Instant, by: UserId, reason: z.string() }).optional() }).meta({ id: 'Statement' })
export type Statement = z.infer<typeof Statement>

export const MismatchState = z.enum(['open', 'settled'])
export const MismatchFilter = z.object({ account: OutsideAccount.optional(), kind: MismatchKind.optional(), state: MismatchState.default('open') })

export const LinkLine = z.strictObject({ account: OutsideAccount, line: StatementLineId, entry: EntryName, reason: Reason }).meta({ id: 'LinkLine' })
export const SetAside = z.strictObject({ account: OutsideAccount, kind: MismatchKind, line: StatementLineId.optional(), entry: EntryName.optional(), reason: Reason }).meta({ id: 'SetAside' })
