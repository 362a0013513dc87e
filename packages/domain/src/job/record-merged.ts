import type { JobId, MergedResult, Refusal } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'
import { liveJob, putJob, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { isTerminal } from './lifecycle.ts'

export type RecordMergedCommand = { readonly kind: 'recordMerged'; readonly job: JobId; readonly merged: MergedResult }

/** What the results of a map became, as its buyer says: kept once, so that it can be told later whether a file is that result. */
export function recordMerged(turn: Turn, { job, merged }: RecordMergedCommand): JobRow | Refusal {
  const row = turn.state.jobs.get(job)?.row
  if (!row) return refused('not_found')
  if (!row.spec.map || row.spec.map.of !== undefined || !isTerminal(row.state)) return refused('not_in_this_state', { state: row.state, possible: 'on the first job of a map, when it has ended' })
  if (row.merged) return row.merged.sha256 === merged.sha256 ? row : refused('merged_otherwise', row.merged)
  putJob(turn, { ...row, merged })
  return liveJob(turn, job).row
}
