// A buyer holds a job back: nothing more of it starts until it is let go on, and what runs may finish. Its time to find a node stands still meanwhile; its
// deadline does not.
import type { JobId, Refusal } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'
import { liveJob, putJob, record, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { jobCan } from './lifecycle.ts'
import { recordAction } from '../operator/record-action.ts'
import type { AsAdmin } from '../operator/record-action.ts'

export type PauseCommand = { readonly kind: 'pause'; readonly job: JobId; readonly paused: boolean; /** An admin who is not its buyer. */ readonly admin?: AsAdmin }

export function pause(turn: Turn, { job: id, paused, admin }: PauseCommand): JobRow | Refusal {
  const live = turn.state.jobs.get(id)
  if (!live) return refused('not_found')
  const { row } = live
  if (!jobCan.pause(row) || row.cancelling) return refused('job_ended', { state: row.state })
  if ((row.paused === true) === paused) return row
  if (admin) recordAction(turn, { ...admin, action: paused ? 'job.pause' : 'job.resume', subject: id, before: { paused: !paused }, after: { paused } })
  const { paused: _, ...rest } = row
  putJob(turn, paused ? { ...rest, paused: true } : { ...rest, resumedAt: turn.now })
  record(turn, id, { type: paused ? 'paused' : 'resumed', state: row.state, reason: admin?.reason })
  return liveJob(turn, id).row
}
