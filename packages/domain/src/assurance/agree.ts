// Do the copies of a task agree? Each report votes with what it delivered; `wanted` equal votes from different owners decide.
import type { TaskSpec } from '@lumaris/protocol'
import type { AttemptRow } from '../rows.ts'

export type Verdict =
  | { readonly kind: 'wait' }
  | { readonly kind: 'agreed'; readonly valid: readonly AttemptRow[]; readonly invalid: readonly AttemptRow[] }
  /** All have reported and no group is large enough: ask one more, if the task may. */
  | { readonly kind: 'split' }

/** What makes two results the same: exit code, digest of the output, and every file by path and hash; or what they were found to have in common. */
const voteOf = (attempt: AttemptRow): string => (attempt.alike !== undefined ? `alike ${attempt.exitCode} ${attempt.alike}` : bytesOf(attempt))
const bytesOf = (attempt: AttemptRow): string => JSON.stringify([attempt.exitCode, attempt.digest, [...attempt.files].sort((a, b) => (a.path < b.path ? -1 : 1)).map((file) => [file.path, file.blob])])
/** The same files, or, where there are none, the same in all. */
export const areEqual = (one: AttemptRow, other: AttemptRow): boolean => {
  const [a, b] = [one, other].map((attempt) => bytesOf(attempt.files.length > 0 ? { ...attempt, digest: null } : attempt))
  return a === b
}

/** Those that gave the same result, together; in the order of their first. */
export function groupsOf(reported: readonly AttemptRow[]): AttemptRow[][] {
  const groups = new Map<string, AttemptRow[]>()
  for (const attempt of reported) {
    const vote = voteOf(attempt), group = groups.get(vote)
    if (group) group.push(attempt)
    else groups.set(vote, [attempt])
  }
  return [...groups.values()]
}

/** Is it what the buyer says the result is? Nobody but the market compares the two. */
export const isKnown = ({ exitCode, files }: AttemptRow, known: NonNullable<TaskSpec['known']>): boolean =>
  exitCode === 0 && files.length === known.length && known.every(({ path, blob }) => files.some((file) => file.path === path && file.blob === blob))

export function agree(reported: readonly AttemptRow[], open: number, wanted: number): Verdict {
  for (const group of groupsOf(reported)) {
    if (group.length < wanted) continue
    return { kind: 'agreed', valid: group, invalid: reported.filter((attempt) => !group.includes(attempt)) }
  }
  return open > 0 ? { kind: 'wait' } : { kind: 'split' }
}
