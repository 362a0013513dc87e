// The statement of a year, on both databases: held against the entries themselves, added up here a second time.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { account } from '@lumaris/protocol'
import type { JobId, PayoutId } from '@lumaris/protocol'
import type { Change, EntryRow } from '@lumaris/domain'
import { aUser } from '@lumaris/testkit'
import type { Database } from '../database/database.ts'
import { statementsFor } from './persist.ts'
import { readStatement } from './read-statement.ts'

const buyer = aUser('buyer'), seller = aUser('seller'), other = aUser('other'), FROM = Date.UTC(2024, 10, 1), TO = Date.UTC(2027, 1, 1)
type Made = { readonly what: 'settle' | 'displace' | 'undo' | 'forfeit' | 'unforfeit' | 'release' | 'payout'; readonly at: number; readonly amount: number; readonly fee: number; readonly mine: boolean; readonly ends: 'paid' | 'failed' | 'open' }
const some = fc.array(fc.record({ what: fc.constantFrom('settle', 'settle', 'displace', 'undo', 'forfeit', 'unforfeit', 'release', 'payout'), at: fc.integer({ min: FROM, max: TO }), amount: fc.integer({ min: 1, max: 1_000_000 }), fee: fc.nat(999), mine: fc.boolean(), ends: fc.constantFrom('paid', 'failed', 'open') }), { minLength: 1, maxLength: 40 })

/** As the domain would make them, but in any order of time: a sum does not care. Everything that is moved was put there by a settlement of its own. */
function changesOf(made: readonly Made[], round: number): Change[] {
  const changes: Change[] = [{ kind: 'entry', row: { id: `topup:${round}`, kind: 'topup', at: 1, job: null, attempt: null, postings: [{ from: account.external('demo'), to: account.escrow('job_x' as JobId), amount: 10n ** 12n }, { from: account.external('demo'), to: account.insurance, amount: 10n ** 12n }] } }]
  const entry = (id: string, kind: EntryRow['kind'], at: number, postings: EntryRow['postings']): void => { changes.push({ kind: 'entry', row: { id: `${id}:${round}:${changes.length}`, kind, at, job: null, attempt: null, postings } }) }
  for (const { what, at, amount, fee, mine, ends } of made) {
    const who = mine ? seller : other, whole = BigInt(amount), cut = (whole * BigInt(fee)) / 1000n, net = whole - cut, out = account.escrow('job_x' as JobId), pending = account.pending(who), earned = account.earned(who)
    const pay = (kind: 'settle' | 'displace'): void => entry(kind, kind, at, [{ from: out, to: pending, amount: net }, ...(cut > 0n ? [{ from: out, to: account.fee, amount: cut }] : [])])
    if (what === 'settle' || what === 'displace') { pay(what); continue }
    pay('settle')
    if (what === 'undo') entry('reversal', 'reversal', at + 1, [{ from: pending, to: account.available(buyer), amount: net }, ...(cut > 0n ? [{ from: account.fee, to: account.available(buyer), amount: cut }] : [])])
    if (what === 'forfeit') entry('forfeit', 'forfeit', at + 1, [{ from: pending, to: account.insurance, amount: net }])
    if (what === 'unforfeit') entry('reversal', 'reversal', at + 1, [{ from: account.insurance, to: earned, amount: net }])
    if (what === 'release' || what === 'payout') entry('release', 'release', at + 1, [{ from: pending, to: earned, amount: net }])
    if (what !== 'payout') continue
    const id = `pay_${round}_${changes.length}` as PayoutId
    changes.push({ kind: 'payout', row: { id, user: who, amount: net, provider: 'demo', destination: 'x', state: ends === 'open' ? 'requested' : ends, requestedAt: at, sentAt: null, endedAt: null, reference: null, reason: null } })
    entry(`payout:${id}`, 'payout', at + 2, [{ from: earned, to: account.payout(id), amount: net }])
    if (ends !== 'open') entry(`payout:${id}:end`, 'payout', at + 3, [{ from: account.payout(id), to: ends === 'paid' ? account.external('demo') : earned, amount: net }])
  }
  return changes
}

export function statementContract(name: string, fresh: () => Promise<Database>): void {
  test(`${name}: the statement of a year is what the entries of its seller moved, month by month, and what was there before`, { timeout: 300_000 }, async () => {
    const db = await fresh(), entries: EntryRow[] = [], mine = [account.pending(seller), account.earned(seller)]
    const payouts = new Set<string>()
    let round = 0
    await fc.assert(fc.asyncProperty(some, async (made) => {
      const changes = changesOf(made, round++)
      await db.transact(statementsFor(changes, db.dialect))
      for (const change of changes) { if (change.kind === 'entry') entries.push(change.row); if (change.kind === 'payout' && change.row.user === seller) payouts.add(account.payout(change.row.id)) }
      for (const year of [2024, 2025, 2026, 2027]) {
        const now = Date.UTC(2027, 1, 1), found = await readStatement(db, seller, year, now), in_ = entries.filter(({ at }) => new Date(at).getUTCFullYear() === year && at <= now)
        const sum = (of: readonly EntryRow[], which: (posting: EntryRow['postings'][number], row: EntryRow) => boolean): bigint => of.reduce((total, row) => total + row.postings.reduce((part, posting) => part + (which(posting, row) ? posting.amount : 0n), 0n), 0n)
        const touches = ({ postings }: EntryRow): boolean => postings.some(({ from, to }) => mine.includes(from) || mine.includes(to))
        const feeIn = sum(in_.filter(touches), ({ to }) => to === account.fee), feeBack = sum(in_.filter(touches), ({ from }) => from === account.fee)
        const came = sum(in_, ({ to }, { kind }) => mine.includes(to) && (kind === 'settle' || kind === 'displace')), given = sum(in_, ({ to }, { kind }) => mine.includes(to) && kind === 'reversal'), lost = sum(in_, ({ from }, { kind }) => mine.includes(from) && (kind === 'reversal' || kind === 'forfeit'))
        expect(found.total).toEqual({
          gross: `${came + feeIn}`, fees: `${feeIn - feeBack}`, lost: `${lost - given + feeBack}`, net: `${came + given - lost}`, cleared: `${sum(in_, (_one, { kind, postings }) => kind === 'release' && mine.includes(postings[0]?.to ?? ''))}`,
          paidOut: `${sum(in_, ({ from }, { kind }) => kind === 'payout' && mine.includes(from))}`, cameBack: `${sum(in_, ({ to }, { kind }) => kind === 'payout' && mine.includes(to))}`, arrived: `${sum(in_, ({ from, to }) => payouts.has(from) && to === account.external('demo'))}`,
        })
        const left = (before: number): bigint => sum(entries.filter(({ at }) => at < before), ({ to }) => mine.includes(to)) - sum(entries.filter(({ at }) => at < before), ({ from }) => mine.includes(from))
        expect([found.opening, found.closing]).toEqual([`${left(Date.UTC(year, 0, 1))}`, `${left(Math.min(Date.UTC(year + 1, 0, 1), now + 1))}`])
        expect(BigInt(found.opening) + BigInt(found.total.net) - BigInt(found.total.paidOut) + BigInt(found.total.cameBack)).toBe(BigInt(found.closing))
        for (const what of ['gross', 'fees', 'lost', 'net', 'cleared', 'paidOut', 'cameBack', 'arrived'] as const) expect(`${found.months.reduce((all, month) => all + BigInt(month[what]), 0n)}`).toBe(found.total[what])
        expect([found.open, found.months.length]).toEqual([year === 2027, year === 2027 ? 2 : 12])
      }
    }), { numRuns: 20 })
    const nobody = await readStatement(db, buyer, 2026, Date.UTC(2026, 5, 1))
    expect([nobody.opening, nobody.closing, nobody.total.gross, nobody.months.length]).toEqual(['0', '0', '0', 6])
  })
}
