// One long job on one spot trace, step by step, under a policy that does not see what comes; and the least it could have cost for somebody who does.
// All times are counted in quanta (a third of the trace's step), so that a policy and the optimum pay for the same things.

/** `up`: whether interruptible room is to be had in each step. */
export type Zone = { readonly name: string; readonly gapMs: number; readonly up: Uint8Array }
/** Quanta in a step of the trace. */
export const QUANTA = 3
export type Job = {
  /** First step. */ readonly start: number
  /** Steps until the deadline. */ readonly steps: number
  /** Quanta of work; of starting anywhere, which is billed and yields nothing; between two checkpoints (0: there are none). */
  readonly work: number; readonly change: number; readonly saveEvery: number
  /** Price of a quantum of firm work; interruptible work costs 1. */ readonly firmPrice: number
}
export type As = 'none' | 'interruptible' | 'firm'
export type Seen = { readonly now: number; readonly as: As; readonly up: boolean; readonly done: number; readonly saved: number; readonly starting: number; readonly job: Job }
export type Policy = { readonly name: string; /** As what the next step is spent; interruptible counts only while there is room. */ readonly choose: (seen: Seen) => As; /** Told after every step whether there was room. */ readonly saw?: (up: boolean) => void }
export type Played = { readonly met: boolean; readonly cost: number; readonly changes: number; readonly lost: number; readonly firm: number }

export function play(zone: Zone, job: Job, policy: Policy): Played {
  let as: As = 'none', done = 0, saved = 0, starting = 0, cost = 0, changes = 0, lost = 0, firm = 0
  for (let step = 0; step < job.steps; step++) {
    const up = zone.up[job.start + step] === 1
    policy.saw?.(up)
    if (as === 'interruptible' && !up) { lost += done - saved; done = saved; as = 'none' }
    let next = policy.choose({ now: step, as, up, done, saved, starting, job })
    if (next === 'interruptible' && !up) next = 'none'
    if (next !== as) {
      // Who changes over of his own will stores a checkpoint first, where there are any.
      if (as !== 'none') { if (job.saveEvery > 0) saved = done; else { lost += done; done = saved = 0 } }
      if (next !== 'none') { starting = job.change; changes++ }
      as = next
    }
    if (as === 'none') continue
    const price = as === 'firm' ? job.firmPrice : 1
    for (let i = 0; i < QUANTA && done < job.work; i++) {
      cost += price
      if (as === 'firm') firm++
      if (starting > 0) { starting--; continue }
      done++
      if (job.saveEvery > 0 && done % job.saveEvery === 0) saved = done
    }
    if (done >= job.work) return { met: true, cost, changes, lost, firm }
  }
  return { met: false, cost, changes, lost, firm }
}

/** The least cost of ending in time for somebody who knows the trace; Infinity when nobody could. With checkpoints: it stores one just before the room goes. */
export function optimum(zone: Zone, job: Job): number {
  // Modes: 0 nothing; then interruptible and firm, each with what is left of its start, in whole steps.
  const stages: number[] = []
  for (let left = job.change; ; left -= QUANTA) { stages.push(Math.max(0, left)); if (left <= 0) break }
  const per = stages.length, modes = 1 + 2 * per, width = job.work + 1
  let after = Array.from({ length: modes }, () => new Float64Array(width).fill(Infinity))
  for (const row of after) row[job.work] = 0
  const run = (values: Float64Array[], kind: 0 | 1, stage: number, done: number): number => {
    const starting = stages[stage] as number, price = kind === 1 ? job.firmPrice : 1, works = Math.max(0, QUANTA - starting), left = job.work - done
    if (left <= works) return price * (Math.min(QUANTA, starting) + left)
    return price * QUANTA + ((values[1 + kind * per + Math.min(stage + 1, per - 1)] as Float64Array)[done + works] as number)
  }
  for (let step = job.steps - 1; step >= 0; step--) {
    const up = zone.up[job.start + step] === 1, before = Array.from({ length: modes }, () => new Float64Array(width))
    const idle = after[0] as Float64Array
    for (let done = 0; done < job.work; done++) {
      // Without checkpoints what was done is lost with every change over.
      const kept = job.saveEvery > 0 ? done : 0
      const fresh = Math.min(idle[kept] as number, run(after, 1, 0, kept), up ? run(after, 0, 0, kept) : Infinity)
      ;(before[0] as Float64Array)[done] = fresh
      for (let stage = 0; stage < per; stage++) {
        (before[1 + stage] as Float64Array)[done] = up ? Math.min(fresh, run(after, 0, stage, done)) : fresh
        ;(before[1 + per + stage] as Float64Array)[done] = Math.min(fresh, run(after, 1, stage, done))
      }
    }
    after = before
  }
  return (after[0] as Float64Array)[0] as number
}
