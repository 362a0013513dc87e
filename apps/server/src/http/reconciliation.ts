// Statements of accounts outside, and what they and the books do not agree on. Nothing here changes the ledger: what is wrong there is reversed, and what is missing is booked, as ever.
import { PREVIEW_LINES, dayText, formatCredits, isRefusal, refuse } from '@lumaris/protocol'
import type { ActionId, ActionName, DecimalMark, Mismatch, Refusal, SettlementId, Statement, StatementId, StatementPreview, UserId } from '@lumaris/protocol'
import { mismatchKey, plainReference, readStatement } from '@lumaris/domain'
import type { ReadStatement } from '@lumaris/domain'
import type { App } from '../app.ts'
import { took } from '../database/database.ts'
import type { Statement as SqlStatement } from '../database/database.ts'
import { compareAccount, lineRows, viewLine, viewSettlement } from '../live/reconciliation.ts'
import { statementsFor } from '../store/persist.ts'
import { linesKnown, listStatementRows, namesOf, putSettlement, putStatement, readSettlement, readStatementRow, reopenSettlement, withdrawStatement } from '../store/reconciliation.ts'
import type { OutsideLineRow, SettlementRow, StatementRow } from '../store/reconciliation.ts'
import { credits, instant, sendCsv } from './csv.ts'
import type { Handlers } from './server.ts'
import { asked } from './policy.ts'

type Names = 'getReconciliation' | 'listMismatches' | 'exportMismatches' | 'previewStatement' | 'handInStatement' | 'listStatements' | 'withdrawStatement' | 'linkLine' | 'setMismatchAside' | 'reopenMismatch'
type HandedIn = { readonly account: string; readonly text: string; readonly decimal?: DecimalMark | undefined; readonly from?: string | undefined; readonly to?: string | undefined }
type Understood = { readonly read: ReadStatement; readonly rows: readonly OutsideLineRow[]; readonly known: ReadonlySet<string>; readonly sums: { readonly in: string; readonly out: string } }

export function reconciliationHandlers(app: App): Pick<Handlers, Names> {
  const { db, reconciler } = app
  async function understand({ account, text, ...options }: HandedIn): Promise<Understood | Refusal> {
    const read = readStatement(text, { ...options, now: app.now() })
    if ('problems' in read) return refuse('statement_not_read', { problems: read.problems, of: read.of })
    const rows = lineRows(account, read.lines), before = new Map((await linesKnown(db, account, rows.map(({ key }) => key))).map((line) => [line.key, line]))
    // A bank’s own id is of one line for ever; the same under another amount would be counted as the first one.
    const other = rows.flatMap((row, i) => { const known = before.get(row.key); return known && row.own !== null && !isSame(known, row) ? [{ line: read.lines[i]?.at ?? 1, says: `the id "${row.own}" was handed in before, of ${dayText(known.day)}, ${known.amount < 0n ? 'out' : 'in'} ${formatCredits(known.amount < 0n ? -known.amount : known.amount)}, with the reference "${known.reference}": an id is of one line` }] : [] })
    if (other.length > 0) return refuse('statement_not_read', { problems: other.slice(0, 20), of: other.length })
    const sum = (sign: bigint): string => rows.reduce((all, { amount }) => (amount * sign > 0n ? all + amount * sign : all), 0n).toString()
    return { read, rows, known: new Set(before.keys()), sums: { in: sum(1n), out: sum(-1n) } }
  }
  /** What was done and its line in the log, in one transaction. False: somebody was quicker. */
  async function act(name: ActionName, { by, subject, reason, before = null, after = null, request }: { by: UserId; subject: string; reason: string; before?: Record<string, unknown> | null; after?: Record<string, unknown> | null; request: Parameters<typeof asked>[0] }, statements: readonly SqlStatement[]): Promise<boolean> {
    const row = { id: app.ids.make('act') as ActionId, at: app.now(), by, action: name, subject, reason, before, after, ...asked(request).asked }
    const done = await took(db, [...statements, ...statementsFor([{ kind: 'action', row }], db.dialect)])
    reconciler.forget()
    return done
  }
  async function settle(row: Omit<SettlementRow, 'id' | 'at'>, request: Parameters<typeof asked>[0]) {
    const full: SettlementRow = { ...row, id: app.ids.make('stl') as SettlementId, at: app.now() }
    const done = await act(row.how === 'linked' ? 'mismatch.link' : 'mismatch.aside', { by: row.by, subject: full.id, reason: row.reason, after: { account: row.account, ...(row.how === 'aside' ? { kind: row.key.split(' ', 1)[0] } : {}), ...(row.line === null ? {} : { line: row.line }), ...(row.entry === null ? {} : { entry: row.entry }) }, request }, [putSettlement(full)])
    return done ? viewSettlement(full, (await namesOf(db, [row.by])).get(row.by) ?? '') : refuse('not_in_this_state', { state: 'settled' })
  }
  return {
    getReconciliation: () => reconciler.all(),
    listMismatches: ({ query: { limit, cursor, ...filter } }) => reconciler.page(filter, limit, cursor),
    exportMismatches: async ({ query, reply }) => {
      const found = await reconciler.mismatches(query)
      return sendCsv(reply, `lumaris-mismatches-${query.state}.csv`, ['account', 'what', 'since', 'statement day', 'statement reference', 'statement in, credits', 'statement out, credits', 'statement id', 'line', 'entry', 'booked', 'booked references', 'booked in, credits', 'booked out, credits', 'twice beside', 'settled', 'because', 'by', 'when'], async function* () { yield found.map(cellsOf) })
    },
    previewStatement: async ({ body }) => {
      const found = await understand(body)
      if (isRefusal(found)) return found
      const { read, rows, known, sums } = found, { figures } = await compareAccount(db, body.account, { read, lines: rows.filter(({ key }) => !known.has(key)) })
      return { account: body.account, from: dayText(read.from), to: dayText(read.to), lines: rows.length, known: known.size, ...sums, format: read.format, ...(read.separator === null ? {} : { separator: read.separator }), ignored: [...read.ignored], first: rows.slice(0, PREVIEW_LINES).map(viewLine), would: figures } satisfies StatementPreview
    },
    handInStatement: async ({ body: { name, reason, ...body }, who, request }) => {
      const found = await understand(body)
      if (isRefusal(found)) return found
      const { read, rows, known, sums } = found, row: StatementRow = { id: app.ids.make('stm') as StatementId, account: body.account, from: read.from, to: read.to, lines: rows.length, known: known.size, ...sums, ...(name === undefined ? {} : { name }), at: app.now(), by: who.userId, reason }
      await act('statement.hand-in', { by: who.userId, subject: row.id, reason, after: { account: row.account, from: dayText(row.from), to: dayText(row.to), lines: row.lines, new: row.lines - row.known }, request }, putStatement(db, row, rows))
      return viewStatement(row, (await namesOf(db, [row.by])).get(row.by) ?? '')
    },
    listStatements: async ({ query }) => { const { data, nextCursor } = await listStatementRows(db, query.account, query.limit, query.cursor); return { data: data.map(({ byName, ...row }) => viewStatement(row, byName)), nextCursor } },
    withdrawStatement: async ({ params, body, who, request }) => {
      const row = await readStatementRow(db, params.statement)
      if (!row) return refuse('not_found')
      const now = { ...row, withdrawn: { at: app.now(), by: who.userId, reason: body.reason } }
      if (row.withdrawn || !(await act('statement.withdraw', { by: who.userId, subject: row.id, reason: body.reason, before: { account: row.account, from: dayText(row.from), to: dayText(row.to), lines: row.lines }, request }, withdrawStatement(now, now.withdrawn.at)))) return refuse('not_in_this_state', { state: 'withdrawn' })
      return viewStatement(now, (await namesOf(db, [row.by])).get(row.by) ?? '')
    },
    linkLine: async ({ body: { account, line, entry, reason }, who, request }) => {
      const now = await compareAccount(db, account), there = now.lines.get(line), booked = now.entries.get(entry)
      if (!there || !booked) return refuse('not_found')
      if (there.amount > 0n !== booked.amount > 0n) return refuse('impossible_request', { reason: `the line went ${there.amount > 0n ? 'in' : 'out'}, and the entry ${booked.amount > 0n ? 'in' : 'out'}` })
      const taken = now.compared.matched.find((one) => one.line.id === line || one.entry.entry === entry)
      if (taken) return refuse('not_in_this_state', { state: 'matched', line: taken.line.id, entry: taken.entry.entry })
      return settle({ account, how: 'linked', key: `link ${line}`, line, entry, reason, by: who.userId }, request)
    },
    setMismatchAside: async ({ body: { account, kind, line, entry, reason }, who, request }) => {
      const key = mismatchKey({ kind, line: line === undefined ? undefined : { id: line }, entry: entry === undefined ? undefined : { entry } }), now = await compareAccount(db, account)
      if (now.settled.some(({ found }) => mismatchKey(found) === key)) return refuse('not_in_this_state', { state: 'settled' })
      if (!now.open.some((found) => mismatchKey(found) === key)) return refuse('not_found')
      return settle({ account, how: 'aside', key, line: line ?? null, entry: entry ?? null, reason, by: who.userId }, request)
    },
    reopenMismatch: async ({ params, body, who, request }) => {
      const found = await readSettlement(db, params.settlement)
      if (!found) return refuse('not_found')
      const { row } = found
      if (!found.isOpen || !(await act('mismatch.reopen', { by: who.userId, subject: row.id, reason: body.reason, before: { how: row.how, ...(row.line === null ? {} : { line: row.line }), ...(row.entry === null ? {} : { entry: row.entry }) }, request }, [reopenSettlement(row.id, app.now())]))) return refuse('not_in_this_state', { state: 'reopened' })
      return undefined
    },
  }
}
const isSame = (a: OutsideLineRow, b: OutsideLineRow): boolean => a.day === b.day && a.amount === b.amount && plainReference(a.reference) === plainReference(b.reference)
const viewStatement = ({ from, to, ...row }: StatementRow, byName: string): Statement => ({ ...row, from: dayText(from), to: dayText(to), byName })

/** What came in, and what went out, in columns of their own: no cell begins with a minus, and each column can be summed. */
const inAndOut = (micros: string | undefined): [string, string] => (micros === undefined ? ['', ''] : micros.startsWith('-') ? ['', credits(micros.slice(1))] : [credits(micros), ''])
function cellsOf({ account, kind, since, line, entry, beside, settled }: Mismatch): string[] {
  return [account, kind, instant(since), line?.day ?? '', line?.reference ?? '', ...inAndOut(line?.amount), line?.own ?? '', line?.id ?? '', entry?.entry ?? '', instant(entry?.at), entry?.references.join(' ') ?? '', ...inAndOut(entry?.amount), beside ?? '', settled?.how ?? '', settled?.reason ?? '', settled?.byName ?? '', instant(settled?.at)]
}
