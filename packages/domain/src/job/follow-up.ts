// What comes after jobs that have ended: a child takes over the files of a parent that completed, waits for a node when that was the last, and ends when a
// parent did not complete. One list, worked off in order: a child that ends has children of its own, and a chain of thousands must not become a stack of calls.
import type { JobId } from '@lumaris/protocol'
import { invariant } from '../invariant.ts'
import { liveJob, putJob, record } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { stopAll } from './finish.ts'
import { memberJobEnded } from '../members/members.ts'
import { scheduleJobEnded } from '../schedule/schedule.ts'
import { moveTask } from './move.ts'
import { clashOf, endedParent, filesFrom } from './parent-files.ts'
import type { EndedParent } from './parent-files.ts'

export function followUp(turn: Turn): void {
  for (const parent of turn.closed) {
    const live = liveJob(turn, parent), children = turn.state.children.get(parent)
    scheduleJobEnded(turn, live.row)
    memberJobEnded(turn, live.row)
    const ended = children && endedParent(turn.state, live)
    for (const child of children ?? []) parentEnded(turn, child, parent, ended) // the list grows, and the set shrinks, while they are read
  }
  turn.closed.length = 0
}

function parentEnded(turn: Turn, id: JobId, parent: JobId, ended: EndedParent | null | undefined): void {
  const { row } = liveJob(turn, id), after = row.spec.after?.find((one) => one.job === parent), { state } = liveJob(turn, parent).row
  invariant(row.parents && after, `${id} does not come after ${parent}`)
  if (row.cancelling) return
  // Also where only the parent's row is known: a writer that is replaced, and does not know it yet, cancels jobs that it has never seen.
  if (state !== 'completed') return giveUp(turn, id, 'parent_failed', `${parent} ended as ${state}`)
  invariant(ended, `the results of ${parent} are not in memory`)
  const taken = filesFrom(after, ended)
  if (typeof taken === 'string') return giveUp(turn, id, 'input_unavailable', taken)
  const files = [...row.parents.files, ...taken], clash = clashOf(row.spec, files)
  if (clash) return giveUp(turn, id, 'input_unavailable', clash)
  const left = row.parents.left.filter((one) => one !== parent)
  putJob(turn, { ...row, parents: { left, files, readyAt: left.length === 0 ? turn.now : null } })
  if (left.length > 0) return
  record(turn, id, { type: 'ready', state: 'queued' })
  for (const task of liveJob(turn, id).tasks) moveTask(turn, task, 'ready')
}

function giveUp(turn: Turn, id: JobId, cause: 'parent_failed' | 'input_unavailable', detail: string): void {
  putJob(turn, { ...liveJob(turn, id).row, cancelling: true, cause, detail })
  record(turn, id, { type: 'cancelling', state: 'queued', cause })
  stopAll(turn, id, cause)
}
