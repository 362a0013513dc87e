import type { MismatchKind } from './reconciliation.ts'

// By itself, so that the first page of the screens does without it.
/** What the kinds are called where people read them. */
export const MISMATCHES: Readonly<Record<MismatchKind, { readonly name: string; readonly says: string }>> = {
  not_on_statement: { name: 'In the books only', says: 'It is booked, and no statement of its day shows it' },
  not_in_books: { name: 'On the statement only', says: 'The statement shows it, and nothing of it is booked' },
  amount_differs: { name: 'Amount differs', says: 'The same reference stands on both sides, with different amounts' },
  twice: { name: 'Twice', says: 'One side has its reference more often than the other' },
}
