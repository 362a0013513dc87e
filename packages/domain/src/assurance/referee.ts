// A command of the buyer's says whether two results are the same, or whether one is right. It runs in a slot of the task it is asked about, with an owner who has given and will give no result of it, is offered
// again when its node is lost, and is paid out of the job's cap like a result. What it says is one seller's word: so a `no`, for which somebody may be blamed, is asked twice, of two owners, and a third
// decides between two who differ. What ends with neither 0 nor REFEREE_NO says nothing; two owners' runs that say nothing are the fault of the command, which is the buyer's.
import { ASSURED_COPIES_MAX, EXTRA_COPIES_MAX, INPUTS_MAX, REFEREE_NO, RelativePath, leastInputBytes, refereeOf } from '@lumaris/protocol'
import type { InputFile, JobSpec } from '@lumaris/protocol'
import type { AttemptRow, JobRow, RefereeRow, TaskRow } from '../rows.ts'
import { taskSpecOf } from '../split/pieces.ts'
import { NEW_SLOT } from '../job/lifecycle.ts'
import { liveAttempt, liveJob, putAttempt, putTask } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { areEqual } from './agree.ts'

type Copied = Pick<JobSpec, 'copies' | 'assurance' | 'compare'>
/** Results that one task may come to have. */
export const copySlotsMax = ({ copies, assurance }: Copied): number => (assurance ? ASSURED_COPIES_MAX[assurance] : copies === 1 ? 1 : copies + EXTRA_COPIES_MAX)
/** Runs of the command for one task. Results that all differ would take more: they end undecided. */
export const refereesMax = (spec: Copied): number => (refereeOf(spec) ? copySlotsMax(spec) + 2 : 0)

type Question = Pick<RefereeRow, 'of' | 'with'>
/** `yes` are those who said so. */
export type Words = { readonly yes: readonly AttemptRow[]; readonly no: number; readonly failed: number }
const FAILS = 2

export function wordsOn(turn: Turn, task: TaskRow, question: Question): Words {
  const yes: AttemptRow[] = []
  let no = 0, failed = 0
  for (const { referee, attempt } of task.slots) {
    if (!attempt || referee?.of !== question.of || referee.with !== question.with) continue
    const run = liveAttempt(turn, attempt)
    if (run.state === 'valid' && run.cause === 'succeeded') yes.push(run)
    else if (run.state === 'valid' && run.cause === 'buyer_exit' && run.exitCode === REFEREE_NO) no++
    else if (run.state === 'valid' || (run.state === 'ended' && run.cause === 'input_unavailable')) failed++
  }
  return { yes, no, failed }
}
export const hasFailed = ({ failed }: Words): boolean => failed >= FAILS
const answerOf = ({ yes, no }: Words): boolean | null => (no >= 2 ? false : yes.length > no ? true : null)

/** Is it being asked something about this task? One question at a time. */
export const isAsked = (task: TaskRow): boolean => task.slots.some(({ referee, state }) => referee && (state === 'pending' || state === 'assigned'))

/** One more slot, for this question; false when there have been too many. */
export function ask(turn: Turn, task: TaskRow, question: Question, files: readonly InputFile[]): boolean {
  if (task.slots.filter(({ referee }) => referee).length >= refereesMax(liveJob(turn, task.job).row.spec)) return false
  putTask(turn, { ...task, slots: [...task.slots, { ...NEW_SLOT, referee: { ...question, files } }] })
  return true
}

/**
 * The files of results as the command finds them. Null where they cannot lie beside one another or on the disk that was asked for: a result whose names were chosen to break the command must
 * not make it fail, for then its giver would be paid.
 */
export function filesFor(job: JobRow, task: TaskRow, of: AttemptRow, other?: AttemptRow): InputFile[] | null {
  const referee = refereeOf(job.spec)
  if (!referee) return null
  const files = other ? [...placed('one', other), ...placed('other', of)] : placed('result', of), given = other ? [] : inputsFor(job, task)
  const all = [...files, ...given, ...referee.inputs], places = new Set(all.map(({ path }) => path))
  if (all.length > INPUTS_MAX || places.size < all.length || all.some(({ path }) => !RelativePath.safeParse(path).success)) return null
  for (const path of places) for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) if (places.has(path.slice(0, at))) return null
  return all.reduce((sum, file) => sum + leastInputBytes(file), 0) > job.spec.resources.diskBytes ? null : files
}
const placed = (place: string, { files }: AttemptRow): InputFile[] => files.map(({ path, blob, size }) => ({ path: `${place}/${path}` as InputFile['path'], blob, size }))
/** What the program was given, for a command that says whether the result is right. */
export const inputsFor = ({ spec, parents }: JobRow, { index, piece }: Pick<TaskRow, 'index' | 'piece'>): InputFile[] =>
  [...spec.inputs, ...(parents?.files ?? []), ...(taskSpecOf(spec, index, piece).inputs ?? [])].map((file) => ({ ...file, path: `input/${file.path}` as InputFile['path'] }))

/** Only what ended well and left files is shown to the command; the rest is compared by its bytes. */
const isShown = ({ exitCode, files }: AttemptRow): boolean => exitCode === 0 && files.length > 0

/** Gives each result the name of those that are the same, or asks about the next one; `done` when all have one. */
export function sortResults(turn: Turn, task: TaskRow, reported: readonly AttemptRow[]): 'done' | 'asked' | 'failed' | 'spent' {
  if (isAsked(task)) return 'asked'
  const { row } = liveJob(turn, task.job)
  const named = reported.filter(({ alike }) => alike !== undefined)
  for (const one of reported) {
    if (one.alike !== undefined) continue
    const found = nameFor(turn, row, task, one, named)
    if ('step' in found) return found.step
    named.push(putAttempt(turn, { ...one, alike: found.name }))
  }
  return 'done'
}
function nameFor(turn: Turn, job: JobRow, task: TaskRow, one: AttemptRow, named: readonly AttemptRow[]): { name: string } | { step: 'asked' | 'failed' | 'spent' } {
  const equal = named.find((other) => areEqual(other, one))
  if (equal?.alike !== undefined) return { name: equal.alike }
  for (const other of isShown(one) ? named.filter(({ id, alike }) => id === alike) : []) {
    const files = isShown(other) ? filesFor(job, task, one, other) : null
    if (!files) continue
    const question = { of: one.id, with: other.id }, words = wordsOn(turn, task, question), answer = answerOf(words)
    if (hasFailed(words)) return { step: 'failed' }
    if (answer === null) return { step: ask(turn, task, question, files) ? 'asked' : 'spent' }
    if (answer) return { name: other.id }
  }
  return { name: one.id }
}
/** Of the result that leads, where the command says whether one is right: what was said of it so far; null where it cannot be asked. */
export function wordsOnRight(turn: Turn, task: TaskRow, first: AttemptRow): { readonly words: Words; readonly files: readonly InputFile[] } | null {
  const { row } = liveJob(turn, task.job), files = refereeOf(row.spec)?.says === 'right' && isShown(first) ? filesFor(row, task, first) : null
  return files && { words: wordsOn(turn, task, { of: first.id }), files }
}
