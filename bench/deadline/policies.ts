// Who is compared: the market's own rule (the very function), the rule as published, and what one would do without either.
import { advise } from '../../packages/domain/src/deadline/course.ts'
import { QUANTA } from './play.ts'
import type { Job, Policy, Seen } from './play.ts'

const left = ({ job, now }: Seen): number => (job.steps - now) * QUANTA
/** Could it still end in time if the next step came to nothing? */
const safe = (seen: Seen): boolean => left(seen) - QUANTA >= seen.job.work - seen.saved + seen.job.change

export const firmOnly = (): Policy => ({ name: 'firm only', choose: () => 'firm' })
export const interruptibleOnly = (): Policy => ({ name: 'interruptible only', choose: () => 'interruptible' })
/** Interruptible as long as it can be, then firm for good. */
export const greedy = (): Policy => ({ name: 'greedy', choose: (seen) => (seen.as === 'firm' || !safe(seen) ? 'firm' : 'interruptible') })

/** Uniform Progress as we read the paper: on the line or catching up to it, with twice the change as hysteresis, and its two rules on top (keep the room there is; a safety net). */
export function uniformProgress(): Policy {
  const due = ({ job }: Seen, at: number): number => job.work * Math.min(1, at / job.steps)
  return { name: 'Uniform Progress', choose: (seen) => {
    const { as, up, done, now, job } = seen
    if (as === 'firm') {
      const ahead = done >= due(seen, now + (2 * job.change) / QUANTA) && left(seen) > job.work - done + 2 * job.change + QUANTA
      return !ahead ? 'firm' : up ? 'interruptible' : 'none'
    }
    if (!safe(seen)) return 'firm'
    return up ? 'interruptible' : done < due(seen, now) ? 'firm' : 'none'
  } }
}

/** The rule of the market. It looks once a step, so a step is part of what changing over takes, less a trifle: what is just in time at the next look is in time. Without checkpoints two changes are reckoned with, and a step in both together. */
export function ours(): Policy {
  let age = 0, before: boolean | null = null
  const courseOf = (job: Job) => ({ from: 0, deadline: job.steps * QUANTA, workMs: job.work, changeMs: job.change + (job.saveEvery > 0 ? QUANTA - 0.01 : QUANTA / 2), patienceMs: QUANTA, saveMs: Math.max(0, job.saveEvery - 1), resumable: job.saveEvery > 0 })
  return {
    name: 'Lumaris', saw: (up) => { age = up === before ? age + QUANTA : QUANTA; before = up },
    choose: ({ now, as, up, done, saved, job }) => advise(courseOf(job), { now: now * QUANTA, as: as === 'firm' ? 'firm' : 'interruptible', runs: as !== 'none', awaySince: now * QUANTA - age, doneMs: done, savedMs: saved, room: () => (up ? now * QUANTA - age : null) }).as,
  }
}
