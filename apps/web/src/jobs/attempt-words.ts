// What is said of attempts beside one another: what each is among those of its part, how many nodes found the same, and which phases a job went through. All of
// it from moments and verdicts that the market has recorded.
import { refereeOf } from '@lumaris/protocol'
import type { Attempt, Job } from '@lumaris/protocol'

const slotNumber = ({ slot }: Pick<Attempt, 'slot'>): number => Number(slot.split('.').at(-1))

/** What it is beside the others of its part; null where there is nothing to tell apart. `attempts` are those of the part. */
export function roleOf(attempt: Attempt, attempts: readonly Attempt[], copies: number): string | null {
  if (attempt.referee) return 'referee'
  const late = new Set(attempts.filter((one) => one.decision.copyOf).map(slotNumber)), own = slotNumber(attempt)
  if (late.has(own)) return 'speculative copy'
  // Slots of a part are its copies; those of referees, and of a second try that came because the first was late, are none.
  const slots = [...new Set(attempts.filter((one) => !one.referee && !late.has(slotNumber(one))).map(slotNumber))].toSorted((a, b) => a - b), all = Math.max(copies, slots.length)
  return all > 1 ? `copy ${slots.indexOf(own) + 1} of ${all}` : null
}

/** Of a part that was decided by comparing: how many nodes gave the result that counts, of those whose results were compared. */
export function agreedOn(attempts: readonly Attempt[]): { readonly same: number; readonly compared: number } | null {
  const nodes = (state: Attempt['state']): Set<string> => new Set(attempts.filter((one) => !one.referee && one.state === state).map(({ node }) => node)), same = nodes('valid'), other = nodes('invalid')
  const compared = new Set([...same, ...other]).size
  return same.size > 0 && compared > 1 ? { same: same.size, compared } : null
}

export type Phase = { readonly name: 'Queued' | 'Matched' | 'Preparing' | 'Running' | 'Verifying'; readonly reached: boolean; /** Null: it takes no time, or is not known. */ readonly ms: number | null }
/** Copies, an error bound, a referee or a result that is known: then what comes back is looked at before it counts. */
export const isChecked = ({ copies, assurance, compare, tasks }: Job['spec']): boolean => copies > 1 || assurance !== undefined || refereeOf({ compare }) !== null || tasks.some((task) => task.known !== undefined)
const first = (times: readonly (number | undefined)[]): number | null => times.reduce<number | null>((found, at) => (at === undefined || (found !== null && found <= at) ? found : at), null)

/**
 * A node is found, then files are fetched there and the sandbox is made, then the first part runs. Of a job that is checked, running ends when each part has a first
 * result, and from then on it is verified. `all`: these are all its attempts; else when each part had a first result is not known.
 */
export function phasesOf(job: Job, attempts: readonly Attempt[], now: number, all = true): Phase[] {
  const found = first(attempts.map((one) => one.offeredAt)) ?? job.startedAt ?? null, ran = first(attempts.map((one) => one.startedAt)), end = job.endedAt ?? now
  const results = new Map<string, number>()
  for (const { task, state, referee, endedAt } of attempts) if (!referee && endedAt !== undefined && (state === 'reported' || state === 'valid' || state === 'invalid')) results.set(task, Math.min(endedAt, results.get(task) ?? endedAt))
  const checked = isChecked(job.spec), verifying = checked && all && ran !== null && results.size >= job.tasks.total ? Math.max(...results.values()) : null
  return [
    { name: 'Queued', reached: true, ms: (found ?? end) - job.createdAt }, { name: 'Matched', reached: found !== null, ms: null },
    { name: 'Preparing', reached: found !== null, ms: found === null ? null : (ran ?? end) - found }, { name: 'Running', reached: ran !== null, ms: ran === null ? null : (verifying ?? end) - ran },
    ...(checked ? [{ name: 'Verifying', reached: verifying !== null, ms: verifying === null ? null : end - verifying } as const] : []),
  ]
}
