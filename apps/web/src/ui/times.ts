// How moments are told: how long ago, or exactly. It is this browser's. What is exact on hover alone nobody has who uses keys or a finger.
import { createStore, useStore } from './store.ts'

export type Times = 'ago' | 'utc' | 'local'
export const TIMES: Readonly<Record<Times, string>> = { ago: 'How long ago', utc: 'Exact, in UTC', local: 'Exact, here' }
const KEPT = 'lumaris-times'
function kept(): Times { try { const found = localStorage.getItem(KEPT); return found === 'utc' || found === 'local' ? found : 'ago' } catch { return 'ago' } } // a browser that keeps nothing

const times = createStore(kept())
export function setTimes(to: Times): void {
  try { if (to === 'ago') localStorage.removeItem(KEPT); else localStorage.setItem(KEPT, to) } catch { /* then it lasts as long as the page */ }
  times.set(to)
}
export const useTimes = (): Times => useStore(times)
/** `t`: from how long ago to UTC, and back. */
export const turnTimes = (): void => setTimes(times.get() === 'ago' ? 'utc' : 'ago')
const HERE: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'short' }
export const exactly = (at: number, how: 'utc' | 'local'): string => (how === 'utc' ? `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC` : new Date(at).toLocaleString('en', HERE))
