import { useEffect, useState } from 'react'

/** What a stream brings becomes a change of the screen at most this often. */
const GATHER_MS = 120

/** A stream, gathered. It ends with the component; one that failed can be begun again. */
export function useGathered<T>(open: (signal: AbortSignal) => AsyncIterable<T>, deps: readonly unknown[]): { items: readonly T[]; error: unknown; over: boolean; again: () => void } {
  const [state, setState] = useState<{ items: readonly T[]; error: unknown; over: boolean }>({ items: [], error: null, over: false })
  const [tries, setTries] = useState(0)
  useEffect(() => {
    setState({ items: [], error: null, over: false })
    const leaving = new AbortController()
    let fresh: T[] = [], timer: ReturnType<typeof setTimeout> | undefined
    const show = (): void => { timer = undefined; const more = fresh; fresh = []; setState((now) => ({ ...now, items: [...now.items, ...more] })) }
    const read = async (): Promise<void> => {
      try {
        for await (const item of open(leaving.signal)) { fresh.push(item); timer ??= setTimeout(show, GATHER_MS) }
        if (!leaving.signal.aborted) { show(); setState((now) => ({ ...now, over: true })) }
      } catch (error) { if (!leaving.signal.aborted) setState((now) => ({ ...now, error })) }
    }
    void read()
    return () => { leaving.abort(); clearTimeout(timer) }
  }, [...deps, tries])
  return { ...state, again: () => setTries((now) => now + 1) }
}
