// Whoever carries money out of the market, behind one port. A provider is asked under the payout's id, and asked again it answers what it answered: the
// market may have died between asking and writing down the answer.
import type { Payout, PayoutId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'

export type Carried = { readonly arrived: true; readonly reference: string } | { readonly arrived: false; readonly reason: string }
export type PayoutProvider = { readonly id: Payout['provider']; /** Throws when nobody knows what became of it: it is asked again later. */ carry(payout: { id: PayoutId; destination: string; amount: bigint }): Promise<Carried> }

/** Carries nothing, and keeps a book of what it was asked for. An account called `closed` takes no money: so that a failure can be ordered. */
export function demoProvider(db: Database, now: () => number): PayoutProvider {
  return {
    id: 'demo',
    async carry({ id, destination, amount }) {
      const refused = destination.toLowerCase() === 'closed' ? 'the account is closed' : null
      await db.transact([{ sql: 'INSERT INTO demo_payouts (id, destination, amount, at, refused) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING', params: [id, destination, amount, now(), refused] }])
      const [kept] = await db.query<{ refused: string | null }>('SELECT refused FROM demo_payouts WHERE id = $1', [id])
      if (!kept) throw new Error(`the demo provider has lost ${id}`)
      return kept.refused === null ? { arrived: true, reference: `demo-${id.slice(-8)}` } : { arrived: false, reason: kept.refused }
    },
  }
}
