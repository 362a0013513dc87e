// Who sellers are to a tax office. Personal, and decided on by nobody: written beside the engine, sealed, and bound to the user, so that a row copied to another does not open.
import { PutTaxDetails } from '@lumaris/protocol'
import type { TaxDetails, UserId } from '@lumaris/protocol'
import type { Database } from './database/database.ts'
import type { Seal } from './sealed.ts'
import { putTaxDetails, readTaxDetails, removeTaxDetails } from './store/tax-details.ts'

export type KeptTaxDetails = { of(user: UserId): Promise<TaxDetails | null>; put(user: UserId, details: PutTaxDetails): Promise<TaxDetails>; remove(user: UserId): Promise<unknown> }
export function createTaxDetails({ db, seal, now }: { readonly db: Database; readonly seal: Seal; readonly now: () => number }): KeptTaxDetails {
  const bound = (user: UserId): string => `tax details of ${user}`
  return {
    async of(user) {
      const row = await readTaxDetails(db, user)
      return row && { ...PutTaxDetails.parse(JSON.parse(seal.open(row.sealed, bound(user)).toString())), setAt: row.setAt }
    },
    async put(user, details) {
      const setAt = now()
      await putTaxDetails(db, user, { sealed: seal.close(Buffer.from(JSON.stringify(details)), bound(user)), setAt })
      return { ...details, setAt }
    },
    remove: (user) => removeTaxDetails(db, user),
  }
}
