// How much may be done twice: what the market allows itself is what the cap was made for, so buyer and market count it in the same way.
import type { InputFile, TaskSpec } from './job-spec.ts'
import { inputBytes } from './job-spec.ts'

type Tasks = readonly Pick<TaskSpec, 'inputs'>[]
const known = new WeakMap<Tasks, readonly number[]>()
/** How much each task is: bytes of input where every task has some, else one each. */
export function workOf(tasks: Tasks): readonly number[] {
  let work = known.get(tasks)
  if (!work) {
    const bytes = tasks.map(({ inputs }) => (inputs ?? []).reduce((sum: number, file: InputFile) => sum + inputBytes(file), 0))
    known.set(tasks, (work = bytes.every((one) => one > 0) ? bytes : bytes.map(() => 1)))
  }
  return work
}
export const isInBytes = (tasks: Tasks): boolean => tasks.every(({ inputs }) => (inputs ?? []).some((file) => inputBytes(file) > 0))

/** The most copies that a job may come to have: no more of its tasks than that share of them, rounded up, and no more than the smallest of them fit into that share of the work. */
export function copiesMax({ speculate = 0, tasks }: { readonly speculate?: number | undefined; readonly tasks: Tasks }): number {
  if (speculate === 0) return 0
  const work = workOf(tasks), most = Math.ceil(speculate * tasks.length)
  let left = speculate * work.reduce((sum, one) => sum + one, 0), copies = 0
  for (const one of work.toSorted((a, b) => a - b)) { if (copies >= most || one > left) break; left -= one; copies++ }
  return copies
}
