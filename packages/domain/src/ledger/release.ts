import { account } from '@lumaris/protocol'
import type { AttemptId, Micros, UserId } from '@lumaris/protocol'
import { owes } from './forfeit.ts'
import { putEntry } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** Settlements whose dispute window is over and whose last tick is sealed, as the store found them. */
export type ReleaseCommand = { readonly kind: 'release'; readonly due: readonly { readonly attempt: AttemptId; readonly seller: UserId; readonly amount: Micros }[] }

/** Pending earnings become available. The entry is named by the attempt, so a second pass over the same row changes nothing. */
export function release(turn: Turn, command: ReleaseCommand): { ok: true; released: number } {
  let released = 0
  for (const { attempt, seller, amount } of command.due) {
    if (owes(turn.state, seller)) continue
    if (turn.state.takenBack.has(attempt)) continue // it was reversed after the store had found it due
    putEntry(turn, { id: `release:${attempt}`, kind: 'release', at: turn.now, job: null, attempt, postings: [{ from: account.pending(seller), to: account.earned(seller), amount }] })
    released++
  }
  return { ok: true, released }
}
