// Moves a task by its table, and keeps the job's counts with it.
import type { TaskState } from '@lumaris/protocol'
import type { JobRow, TaskRow } from '../rows.ts'
import { liveJob, putJob, putTask } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { TASK, next } from './lifecycle.ts'
import type { TaskEventName } from './lifecycle.ts'

const counted = (state: TaskState): 'tasksRunning' | 'tasksDone' | 'tasksFailed' | null =>
  state === 'running' ? 'tasksRunning' : state === 'done' ? 'tasksDone' : state === 'failed' ? 'tasksFailed' : null

export function moveTask(turn: Turn, task: TaskRow, event: TaskEventName, also: Partial<TaskRow> = {}): TaskRow {
  const state = next(TASK, task.state, event, `task ${task.job}.${task.index}`)
  const moved = state === task.state && Object.keys(also).length === 0 ? task : putTask(turn, { ...task, ...also, state })
  if (state === task.state) return moved
  const job: JobRow = liveJob(turn, task.job).row
  const from = counted(task.state), to = counted(state)
  if (!from && !to) return moved
  putJob(turn, { ...job, ...(from ? { [from]: job[from] - 1 } : {}), ...(to ? { [to]: job[to] + 1 } : {}) })
  return moved
}
