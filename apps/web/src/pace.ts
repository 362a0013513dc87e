// How often what is shown is asked again: live, in turns, or only when somebody says so. It is this browser's, and said on every screen while it is not live.
import { useEffect, useSyncExternalStore } from 'react'
import { focusManager, useQueryClient } from '@tanstack/react-query'
import { createStore, useStore } from './ui/store.ts'

export type Pace = 'live' | '10s' | '1m' | 'off'
export const PACES: Readonly<Record<Pace, { readonly name: string; /** Between two turns; null: they do not come by themselves. */ readonly everyMs: number | null }>> = { live: { name: 'Live', everyMs: null }, '10s': { name: 'Every 10 s', everyMs: 10_000 }, '1m': { name: 'Every minute', everyMs: 60_000 }, off: { name: 'Off', everyMs: null } }
const KEPT = 'lumaris-refresh'
const isPace = (text: string | null): text is Pace => text !== null && Object.hasOwn(PACES, text)
function kept(): Pace { try { const found = localStorage.getItem(KEPT); return isPace(found) ? found : 'live' } catch { return 'live' } } // a browser that keeps nothing

const pace = createStore(kept()), turns = createStore(0)
export function setPace(to: Pace): void {
  try { if (to === 'live') localStorage.removeItem(KEPT); else localStorage.setItem(KEPT, to) } catch { /* then it lasts as long as the page */ }
  pace.set(to)
}
export const usePace = (): Pace => useStore(pace)
/** Looks again now, whatever the pace. */
export const refresh = (): void => turns.set(turns.get() + 1)

const seen = (listener: () => void): (() => void) => { document.addEventListener('visibilitychange', listener); return () => document.removeEventListener('visibilitychange', listener) }
/** For streams: `follow` while they go on by themselves, which is live and in a tab that is seen; else each `turn` is once to look. */
export function useTurns(): { readonly follow: boolean; readonly turn: number } {
  const follow = useSyncExternalStore(seen, () => !document.hidden), live = usePace() === 'live', turn = useStore(turns)
  return { follow: follow && live, turn }
}

/** Once, beside everything: questions that come again by themselves rest unless it is live, as they do in a tab that nobody sees; turns ask them all. */
export function useRefresh(): void {
  const now = usePace(), queries = useQueryClient(), turn = useStore(turns), { everyMs } = PACES[now]
  useEffect(() => {
    focusManager.setFocused(now === 'live' ? undefined : false)
    return () => focusManager.setFocused(undefined)
  }, [now])
  useEffect(() => {
    if (everyMs === null) return
    const timer = setInterval(() => { if (!document.hidden) refresh() }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  useEffect(() => { if (turn > 0) void queries.refetchQueries({ type: 'active', stale: true }) }, [turn, queries])
}
