// One event stream per tab: what happens to the buyer's jobs makes the screens ask again, here and nowhere else. It is closed while the tab is hidden
// (a browser gives a site six connections, shared by all its tabs) and everything is asked again when it is opened.
import { useEffect } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { reach } from './session/session.ts'
import { useSession } from './session/use-session.ts'

/** News that come together are one change of the screen. */
const GATHER_MS = 300
/** After the stream was refused or given up: so long until it is tried again. */
const AGAIN_MS = 5_000

export function useLive(): void {
  const { client } = useSession()
  const queries = useQueryClient()
  useEffect(() => {
    let leaving = new AbortController(), timer: ReturnType<typeof setTimeout> | undefined
    const touched = new Set<string>()
    const tell = (): void => {
      timer = undefined
      // A question under way is left alone: where news never cease it would otherwise be begun anew for ever, and never answered.
      for (const job of touched) void queries.invalidateQueries({ queryKey: ['job', job] }, { cancelRefetch: false })
      touched.clear()
      for (const key of ['jobs', 'wallet', 'entries']) void queries.invalidateQueries({ queryKey: [key] }, { cancelRefetch: false })
    }
    const follow = async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        try {
          for await (const event of client.events({ signal })) { touched.add(event.job); timer ??= setTimeout(tell, GATHER_MS) }
        } catch { /* what failed is seen by the watch over all requests; the next try follows */ }
        if (!signal.aborted) await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS) })
      }
    }
    const look = (): void => {
      leaving.abort()
      if (document.hidden) return
      leaving = new AbortController()
      void follow(leaving.signal)
    }
    const stop = reach.onStream(() => void queries.invalidateQueries())
    document.addEventListener('visibilitychange', look)
    look()
    return () => { stop(); leaving.abort(); clearTimeout(timer); document.removeEventListener('visibilitychange', look) }
  }, [client, queries])
}
