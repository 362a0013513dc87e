import { useEffect, useRef, useState } from 'react'
import { useTurns } from '../pace.ts'

/** What a stream brings becomes a change of the screen at most this often. */
const GATHER_MS = 120
/** Who only looks now and then reads on until nothing has come for so long. */
export const QUIET_MS = 1_000

/**
 * A stream, gathered. It ends with the component, rests while nobody looks, and goes on after the last item that came; one that failed can be begun again.
 */
export function useGathered<T>(open: (signal: AbortSignal, last: T | undefined) => AsyncIterable<T>, deps: readonly unknown[]): { items: readonly T[]; error: unknown; over: boolean; again: () => void } {
  const [state, setState] = useState<{ items: readonly T[]; error: unknown; over: boolean }>({ items: [], error: null, over: false })
  const [tries, setTries] = useState(0), { follow, turn } = useTurns(), last = useRef<T | undefined>(undefined)
  useEffect(() => { last.current = undefined; setState({ items: [], error: null, over: false }) }, [...deps, tries])
  useEffect(() => {
    if (!follow && document.hidden) return
    const leaving = new AbortController()
    let fresh: T[] = [], timer: ReturnType<typeof setTimeout> | undefined, quiet: ReturnType<typeof setTimeout> | undefined
    const show = (): void => { timer = undefined; const more = fresh; fresh = []; if (more.length > 0) setState((now) => ({ ...now, items: [...now.items, ...more] })) }
    const wait = (): void => { clearTimeout(quiet); if (!follow) quiet = setTimeout(() => leaving.abort(), QUIET_MS) }
    const read = async (): Promise<void> => {
      try {
        wait()
        for await (const item of open(leaving.signal, last.current)) {
          if (leaving.signal.aborted) break // what was still on its way comes again, after the last one
          last.current = item; fresh.push(item); timer ??= setTimeout(show, GATHER_MS)
          wait()
        }
        if (!leaving.signal.aborted) { show(); setState((now) => ({ ...now, over: true })) }
      } catch (error) { if (!leaving.signal.aborted) setState((now) => ({ ...now, error })) } finally { clearTimeout(quiet) }
    }
    void read()
    // What has come is shown, also when no more is read: the next reading begins after it.
    return () => { leaving.abort(); clearTimeout(timer); clearTimeout(quiet); show() }
  }, [...deps, tries, follow, follow ? 0 : turn])
  return { ...state, again: () => setTries((now) => now + 1) }
}
