// One event stream per tab: what happens to the buyer's jobs makes the screens ask again, here and nowhere else. It is closed while the tab is hidden
// (a browser gives a site six connections, shared by all its tabs) and everything is asked again when it is opened.
import { useEffect } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import type { QueryClient } from '@tanstack/react-query'
import type { JobEvent } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { withRows } from './jobs/list-rows.ts'
import type { Pages } from './jobs/list-rows.ts'
import { usePace } from './pace.ts'
import { reach } from './session/session.ts'
import { useSession } from './session/use-session.ts'
import { say } from './ui/say.ts'

/** News that come together are one change of the screen. */
const GATHER_MS = 300
/** After the stream was refused or given up: so long until it is tried again. */
const AGAIN_MS = 5_000
/** A list longer than this is not read anew for each piece of news: only the rows it is about are. */
const PAGES_READ_ANEW = 2
/** Rows asked for one by one; when more have changed, the rest is right again with the next reading. */
const ROWS_ASKED = 20

export function useLive(): void {
  const { client } = useSession()
  const queries = useQueryClient(), pace = usePace()
  useEffect(() => {
    let leaving = new AbortController(), timer: ReturnType<typeof setTimeout> | undefined
    const touched = new Set<string>()
    let ended: JobEvent[] = []
    const tell = (): void => {
      timer = undefined
      const news = [...touched]
      touched.clear()
      // The page of a job says it itself, with its name.
      const others = ended.filter(({ job }) => !location.pathname.endsWith(job)), [first] = others
      ended = []
      if (first) say(others.length === 1 ? `A job has ended: ${first.state ?? 'see the list'}` : `${others.length} jobs have ended`)
      for (const job of news) askAgain(queries, ['job', job])
      for (const key of ['wallet', 'entries']) askAgain(queries, [key])
      // Nobody awaits this: a row that could not be asked for stays as it was, and the watch over all requests tells of a silence.
      bringListsUpToDate(queries, client, news).catch(() => undefined)
    }
    const follow = async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        try {
          for await (const event of client.events({ signal })) { touched.add(event.job); if (event.type === 'ended') ended.push(event); timer ??= setTimeout(tell, GATHER_MS) }
        } catch { /* what failed is seen by the watch over all requests; the next try follows */ }
        if (!signal.aborted) await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS) })
      }
    }
    const look = (): void => {
      leaving.abort()
      if (document.hidden || pace !== 'live') return
      leaving = new AbortController()
      void follow(leaving.signal)
    }
    const stop = reach.onStream(() => { for (const key of ['job', 'jobs', 'wallet', 'entries']) askAgain(queries, [key]) })
    document.addEventListener('visibilitychange', look)
    look()
    return () => { stop(); leaving.abort(); clearTimeout(timer); document.removeEventListener('visibilitychange', look) }
  }, [client, queries, pace])
}

/** A question under way is left alone: where news never cease it would otherwise be begun anew for ever, and never answered. */
const askAgain = (queries: QueryClient, queryKey: readonly unknown[]): void => void queries.invalidateQueries({ queryKey }, { cancelRefetch: false })

const isPages = (data: unknown): data is Pages => typeof data === 'object' && data !== null && 'pages' in data

async function bringListsUpToDate(queries: QueryClient, client: Client, news: readonly string[]): Promise<void> {
  const lists = queries.getQueryCache().findAll({ queryKey: ['jobs'] })
  const long = lists.filter(({ state }) => isPages(state.data) && state.data.pages.length > PAGES_READ_ANEW)
  for (const list of lists) if (!long.includes(list)) askAgain(queries, list.queryKey)
  if (long.length === 0) return
  const fresh = await Promise.all(news.slice(0, ROWS_ASKED).map((job) => client.job(job)))
  for (const { queryKey } of long) queries.setQueryData<Pages>(queryKey, (list) => list && withRows(list, fresh, queryKey[1] === 'all' ? null : String(queryKey[1])))
}
