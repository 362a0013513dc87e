// The state machines, as tables: state → event → next state. Whatever is not in a table cannot happen. Everything else asks these tables:
// the engine through `next`, the web and the command line through `jobCan`.
import type { AttemptState, JobState, SlotState, TaskState } from '@lumaris/protocol'
import { invariant } from '../invariant.ts'
import type { SlotRow } from '../rows.ts'

export type Table<State extends string, Event extends string> = Readonly<Record<State, Readonly<Partial<Record<Event, State>>>>>

export type JobEventName = 'start' | 'requeue' | 'complete' | 'fail' | 'cancel' | 'expire'
export const JOB: Table<JobState, JobEventName> = {
  queued: { start: 'running', cancel: 'cancelled', expire: 'expired', fail: 'failed', complete: 'completed' },
  running: { start: 'running', requeue: 'queued', complete: 'completed', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  completed: {}, failed: {}, cancelled: {}, expired: {},
}

export type TaskEventName = 'ready' | 'start' | 'requeue' | 'complete' | 'fail' | 'cancel' | 'join'
export const TASK: Table<TaskState, TaskEventName> = {
  waiting: { ready: 'queued', cancel: 'cancelled', fail: 'failed' },
  queued: { start: 'running', cancel: 'cancelled', fail: 'failed', join: 'joined' },
  running: { start: 'running', requeue: 'queued', complete: 'done', fail: 'failed', cancel: 'cancelled' },
  done: {}, failed: {}, cancelled: {}, joined: {},
}

export type SlotEventName = 'assign' | 'report' | 'release' | 'finish' | 'drop'
export const SLOT: Table<SlotState, SlotEventName> = {
  pending: { assign: 'assigned', drop: 'dropped' },
  assigned: { report: 'reported', release: 'pending', finish: 'done', drop: 'dropped' },
  reported: { finish: 'done', drop: 'dropped', /** A rank's result, when the gang begins again. */ release: 'pending' },
  done: {}, dropped: {},
}
/** As every slot begins; rows never change in place, so all share it. */
export const NEW_SLOT: SlotRow = { state: 'pending', fence: 0, attempt: null, paid: false, notBefore: 0, failedOn: [] }

export type AttemptEventName = 'accept' | 'run' | 'report' | 'validate' | 'invalidate' | 'end'
// An agent says `accepted`, then `running`; when both and the result arrive in one frame the table sees them one after the other all the same.
export const ATTEMPT: Table<AttemptState, AttemptEventName> = {
  offered: { accept: 'accepted', end: 'ended' },
  accepted: { run: 'running', report: 'reported', end: 'ended' },
  running: { report: 'reported', end: 'ended' },
  reported: { validate: 'valid', invalidate: 'invalid', end: 'ended' },
  valid: {}, invalid: {}, ended: {},
}

/** The state after the event; a bug if the table has none. */
export function next<State extends string, Event extends string>(table: Table<State, Event>, state: State, event: Event, what: string): State {
  const to = table[state][event]
  invariant(to !== undefined, `${what}: no ${event} from ${state}`)
  return to
}
export const may = <State extends string, Event extends string>(table: Table<State, Event>, state: State, event: Event): boolean => table[state][event] !== undefined

export const isTerminal = (state: JobState): boolean => state !== 'queued' && state !== 'running'
/** A task that has not come to its end. */
export const isOpen = (state: TaskState): boolean => state === 'waiting' || state === 'queued' || state === 'running'
/** An attempt that holds capacity on its node. */
export const holdsNode = (state: AttemptState): boolean => state === 'offered' || state === 'accepted' || state === 'running'
/** An attempt that its slot still counts on. */
export const isLive = (state: AttemptState): boolean => holdsNode(state) || state === 'reported'

/** What a person may do with a job: the same rule for the button and for the server. */
export const jobCan = {
  cancel: (job: { state: JobState }): boolean => !isTerminal(job.state),
  pause: (job: { state: JobState }): boolean => !isTerminal(job.state),
  collect: (job: { state: JobState }): boolean => job.state === 'completed' || job.state === 'failed',
}
