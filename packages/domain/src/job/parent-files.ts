// Which files of a parent its child gets, and where they lie: made concrete once, when the parent has completed, and kept in the child's row, because the
// parent leaves memory and its results never change.
import { INPUTS_MAX, PART_ITEMS_MAX, RelativePath, leastInputBytes, leastTaskBytes, matches } from '@lumaris/protocol'
import type { AfterJob, InputFile, JobId, JobSpec, JobState, ResultFile, UserId } from '@lumaris/protocol'
import type { LiveJob, MarketState } from '../state.ts'

/** A job that has ended: its results, by task. What has ended does not change, so whoever submits may have read it from the tables. */
export type EndedParent = { readonly job: JobId; readonly buyer: UserId; readonly state: JobState; readonly tasks: number; readonly files: readonly (ResultFile & { readonly task: number })[] }

/** What is spent on one search for files: letters of paths, times the places that the stars of a pattern keep open. It happens inside of the writer's turn; this much takes some tens of milliseconds. */
const SEARCH_MAX = 1_000_000
export type Search = { left: number }
export const newSearch = (): Search => ({ left: SEARCH_MAX })
/** Result files of one parent: over it nobody looks for some of them in here. */
const RESULTS_MAX = 20_000

/** From memory; null when only its row is there (it was asked for again after it had left). */
export function endedParent(state: MarketState, { row, tasks }: LiveJob): EndedParent | null {
  if (tasks.length < row.tasksTotal) return null
  const files = tasks.flatMap((task) => (task.result === null ? [] : (state.attempts.get(task.result)?.files ?? []).map((file) => ({ ...file, task: task.index }))))
  return { job: row.id, buyer: row.buyer, state: row.state, tasks: row.tasksTotal, files }
}

/** Its files as the child gets them, or why that cannot be. */
export function filesFrom(after: AfterJob, parent: EndedParent, search: Search = newSearch()): InputFile[] | string {
  if (!after.inputs) return []
  if (parent.files.length > RESULTS_MAX) return `${parent.job} left ${parent.files.length} files, more than the ${RESULTS_MAX} that are searched: merge them first`
  const uses = new Map<string, number>()
  for (const { path } of parent.files) uses.set(path, (uses.get(path) ?? 0) + 1)
  const found: InputFile[] = []
  for (const { from, to } of after.inputs) {
    const before = found.length, stars = from.split('*').length - 1
    for (const { task, path, blob, size } of parent.files) {
      // A plain name is compared, and costs nothing worth counting.
      if (stars === 0) { if (from !== path) continue } else {
        if ((search.left -= path.length * (2 * stars + 2)) < 0) return `to look for ${from.slice(0, 100)} among the results of ${parent.job} takes too long: name fewer patterns, or files by their whole path`
        if (!matches(from, path)) continue
      }
      const place = `${to === undefined ? '' : `${to}/`}${(uses.get(path) ?? 0) > 1 ? `task-${task}/` : ''}${path}`
      if (!RelativePath.safeParse(place).success) return `${place.slice(0, 100)}… is too long a path for a file`
      found.push({ path: place as InputFile['path'], blob, size })
      if (found.length > INPUTS_MAX) return `more than ${INPUTS_MAX} result files of ${parent.job} match`
    }
    if (found.length === before) return `no result file of ${parent.job} matches ${from}`
  }
  return found
}

/** Why these files cannot lie beside the others in one working directory; null when they can. */
export function clashOf(spec: JobSpec, files: readonly InputFile[]): string | null {
  const places = new Set<string>(), directories = new Set<string>()
  const add = ({ path }: InputFile): boolean => {
    if (places.has(path)) return false
    places.add(path)
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) directories.add(path.slice(0, at))
    return true
  }
  for (const file of [...spec.inputs, ...files]) if (!add(file)) return `two files would be at ${file.path}`
  for (const path of places) if (directories.has(path)) return `${path} would be a file and a directory`
  const tasks = spec.tasks.flatMap((task) => task.inputs ?? [])
  for (const { path } of tasks) if (places.has(path) || directories.has(path)) return `a task has a file at ${path} too`
  const most = spec.tasks.reduce((max, task) => Math.max(max, task.items?.kind === 'files' ? Math.min(PART_ITEMS_MAX, task.inputs?.length ?? 0) : task.inputs?.length ?? 0), 0)
  if (places.size + most > INPUTS_MAX) return `${places.size + most} files are more than the ${INPUTS_MAX} that a task may have`
  const sum = (all: readonly InputFile[]): number => all.reduce((bytes, file) => bytes + leastInputBytes(file), 0)
  const bytes = sum(spec.inputs) + sum(files) + spec.tasks.reduce((max, task) => Math.max(max, leastTaskBytes(task)), 0)
  return bytes > spec.resources.diskBytes ? `the files come to ${bytes} bytes, and the disk asked for has ${spec.resources.diskBytes}` : null
}

