// How much may be done twice: what the market allows itself is what the cap was made for, so buyer and market count it in the same way.
import type { InputFile, JobSpec, TaskSpec } from './job-spec.ts'
import { inputBytes } from './job-spec.ts'
import { partsMax, rangeOfTask } from './pieces.ts'

type Tasks = readonly Pick<TaskSpec, 'inputs' | 'items'>[]
const known = new WeakMap<Tasks, readonly number[]>()
/** How much each task is: bytes of input where every task has some, items where it may be cut between them, else one each. */
export function workOf(tasks: Tasks): readonly number[] {
  let work = known.get(tasks)
  if (!work) {
    const bytes = tasks.map((task) => { const range = task.items && rangeOfTask(task); return range ? range.to - range.from : (task.inputs ?? []).reduce((sum: number, file: InputFile) => sum + workIn(file), 0) })
    known.set(tasks, (work = bytes.every((one) => one > 0) ? bytes : bytes.map(() => 1)))
  }
  return work
}
/** A header stands in front of each part, however many there come to be: of what may be cut, it is no work. */
const workIn = (file: InputFile): number => (file.pieces ? (file.to ?? 0) - (file.from ?? 0) : inputBytes(file))
export const isInBytes = (tasks: Tasks): boolean => tasks.every(({ inputs, items }) => (items === undefined || items.kind === 'files') && (inputs ?? []).some((file) => inputBytes(file) > 0))
export const isInItems = (tasks: Tasks): boolean => tasks.every(({ items }) => items !== undefined && items.kind !== 'files')

/** The most copies that a job may come to have: no more of its tasks than that share of them, rounded up, and no more than the smallest of them fit into that share of the work (how small they will be is not known of tasks that are yet to be cut). */
export function copiesMax({ speculate = 0, tasks, divide }: { readonly speculate?: number | undefined; readonly tasks: Tasks; readonly divide?: JobSpec['divide'] }): number {
  if (speculate === 0) return 0
  if (divide) return Math.ceil(speculate * partsMax({ divide, tasks }))
  const work = workOf(tasks), most = Math.ceil(speculate * tasks.length)
  let left = speculate * work.reduce((sum, one) => sum + one, 0), copies = 0
  for (const one of work.toSorted((a, b) => a - b)) { if (copies >= most || one > left) break; left -= one; copies++ }
  return copies
}
