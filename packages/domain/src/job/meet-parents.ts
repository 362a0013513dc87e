// A job names the jobs it comes after. All of them exist and are the same buyer's when it is submitted, so no circle of jobs can ever be made: of any
// circle one would have had to name another before that one was there. The shortest, a job after itself, is refused by name.
import { INPUTS_MAX, partsMax, refuse } from '@lumaris/protocol'
import type { InputFile, JobId, JobSpec, Refusal, UserId } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'
import type { Turn } from '../turn.ts'
import { isTerminal } from './lifecycle.ts'
import { clashOf, endedParent, filesFrom, newSearch } from './parent-files.ts'
import type { EndedParent } from './parent-files.ts'

/** Jobs of one buyer that wait for parents: when one ends, all that come after it end in the same turn. */
export const WAITING_MAX = 10_000

/** Jobs that wait for files of one and the same: all of them are searched for in the turn in which it ends. */
export const TAKERS_MAX = 50
function takers(turn: Turn, parent: JobId): number {
  let count = 0
  for (const child of turn.state.children.get(parent) ?? []) if (turn.state.jobs.get(child)?.row.spec.after?.some(({ job, inputs }) => job === parent && inputs !== undefined)) count++
  return count
}

export type Asked = { readonly buyer: UserId; readonly id: JobId | null; readonly spec: JobSpec; /** Parents that have ended and left memory. */ readonly ended?: readonly EndedParent[] | undefined }

/** What the job begins with, undefined for one without parents; or why it cannot be. */
export function meetParents(turn: Turn, { buyer, id, spec, ended = [] }: Asked): JobRow['parents'] | Refusal {
  if (!spec.after) return undefined
  const left: JobId[] = [], files: InputFile[] = [], seen = new Set<JobId>(), search = newSearch()
  let tasks = 0
  for (const after of spec.after) {
    const { job } = after
    if (job === id) return refuse('parent_cycle', { job })
    if (seen.has(job)) return refuse('impossible_request', { reason: `${job} is named twice in after: name all its files in one place` })
    seen.add(job)
    const live = turn.state.jobs.get(job)
    const parent = live && isTerminal(live.row.state) ? endedParent(turn.state, live) ?? ended.find((one) => one.job === job) : live ? null : ended.find((one) => one.job === job)
    if (parent === undefined || (live?.row.buyer ?? parent?.buyer) !== buyer) return refuse('parent_not_found', { job })
    if (after.inputs && (tasks += parent?.tasks ?? (live ? partsMax(live.row.spec) : 0)) > INPUTS_MAX) return refuse('parent_files', { reason: `the parents whose files are taken have more than ${INPUTS_MAX} tasks together: merge their results first` })
    if (parent === null) {
      if (after.inputs && takers(turn, job) >= TAKERS_MAX) return refuse('queue_full', { max: TAKERS_MAX, reason: `so many jobs wait for files of ${job}: submit more when it has completed` })
      left.push(job)
      continue
    }
    if (parent.state !== 'completed') return refuse('parent_failed', { job, state: parent.state })
    const taken = filesFrom(after, parent, search)
    if (typeof taken === 'string') return refuse('parent_files', { job, reason: taken })
    files.push(...taken)
  }
  const clash = clashOf(spec, files)
  if (clash) return refuse('parent_files', { reason: clash })
  if (left.length > 0 && (turn.state.waitingByBuyer.get(buyer) ?? 0) >= WAITING_MAX) return refuse('queue_full', { max: WAITING_MAX, reason: 'so many of your jobs wait for others' })
  return { left, files, readyAt: left.length === 0 ? turn.now : null }
}
