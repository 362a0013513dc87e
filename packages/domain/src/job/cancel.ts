import type { JobId, Refusal } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'
import { liveJob, putJob, record, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { jobCan } from './lifecycle.ts'
import { stopAll } from './finish.ts'
import { recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'

export type CancelCommand = { readonly kind: 'cancel'; readonly job: JobId; /** An admin who is not its buyer. */ readonly admin?: AsAdmin }

/** What ran is billed up to its last reading; all the rest of the hold goes back when the last node has stopped. */
export function cancel(turn: Turn, command: CancelCommand): JobRow | Refusal {
  const live = turn.state.jobs.get(command.job)
  if (!live) return refused('not_found')
  if (!jobCan.cancel(live.row)) return refused('job_ended', { state: live.row.state })
  if (live.row.cancelling) return live.row
  if (command.admin) recordAction(turn, { ...command.admin, action: 'job.cancel', subject: command.job, before: { state: live.row.state }, after: { state: 'cancelling' } })
  putJob(turn, { ...live.row, cancelling: true, cause: 'buyer_cancelled' })
  record(turn, command.job, { type: 'cancelling', state: live.row.state, reason: command.admin?.reason })
  stopAll(turn, command.job, 'buyer_cancelled')
  return liveJob(turn, command.job).row
}
