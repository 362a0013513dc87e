// Looks over the shoulder of a new state's queue and timers, which keep their insides to themselves: what stands in the queue, what is armed.
import type { MarketState, Timer } from '@lumaris/domain'

type Waiting = Parameters<MarketState['queue']['add']>[1]
export type Waits = { readonly queued: ReadonlyMap<string, number>; readonly backoff: ReadonlyMap<string, number> }
export const waitKey = (waiting: { job: string; task: number; slot: number; fence: number }): string => `${waiting.job}.${waiting.task}.${waiting.slot}#${waiting.fence}`

export function watchQueue(state: MarketState): Waits {
  const queued = new Map<string, number>(), backoff = new Map<string, number>()
  const count = (map: Map<string, number>, key: string, by: 1 | -1): void => {
    const left = (map.get(key) ?? 0) + by
    if (left === 0) map.delete(key)
    else map.set(key, left)
  }
  const { queue, timers } = state
  const add = queue.add.bind(queue), serve = queue.serve.bind(queue), push = timers.push.bind(timers), pop = timers.pop.bind(timers)
  queue.add = (classKey, waiting, standing) => { count(queued, waitKey(waiting), 1); return add(classKey, waiting, standing) }
  queue.serve = (place, most, now) => serve((waiting: Waiting, classKey, lane) => {
    const answer = place(waiting, classKey, lane)
    if (answer === 'placed' || answer === 'gone') count(queued, waitKey(waiting), -1)
    return answer
  }, most, now)
  const slotOf = (timer: Timer): string => `${timer.id}.${timer.task}.${timer.slot}`
  timers.push = (at, timer) => { if (timer.kind === 'backoff') count(backoff, slotOf(timer), 1); push(at, timer) }
  timers.pop = () => {
    const timer = pop()
    if (timer?.kind === 'backoff') count(backoff, slotOf(timer), -1)
    return timer
  }
  return { queued, backoff }
}
