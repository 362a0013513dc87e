// A job's history, then its future, without a gap or a double: subscribe first, read the tables, then hand out what came meanwhile.
import type { JobEvent, JobId, UserId } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { readEvents } from '../store/read.ts'
import type { ServerEvent } from '../http/sse.ts'

/** Live events a slow reader may fall behind before it is sent back to the tables. */
const BEHIND_MAX = 1_000

export async function* followJob(app: App, job: JobId, after: number, signal: AbortSignal): AsyncIterable<readonly ServerEvent[]> {
  let last = after
  const queue: JobEvent[] = []
  let wake: (() => void) | null = null
  let behind = true // the tables are read before anything live is handed out
  const unsubscribe = app.hub.subscribe(job, (event) => {
    if (queue.length >= BEHIND_MAX) { queue.length = 0; behind = true } else queue.push(event as JobEvent)
    wake?.()
  })
  signal.addEventListener('abort', () => wake?.())
  try {
    while (!signal.aborted) {
      if (behind) {
        behind = false
        for (const event of await readEvents(app.db, job, last)) { last = event.version; yield [shown(event)]; if (event.type === 'ended') return }
      }
      const event = queue.shift()
      if (!event) { await new Promise<void>((resolve) => { wake = resolve; if (queue.length > 0 || behind || signal.aborted) resolve() }); wake = null; continue }
      if (event.version <= last) continue
      if (event.version > last + 1) { behind = true; continue }
      last = event.version
      yield [shown(event)]
      if (event.type === 'ended') return
    }
  } finally { unsubscribe() }
}
const shown = (event: JobEvent): ServerEvent => ({ id: String(event.version), event: event.type, data: event })

/**
 * Live only: what happens from now on to any job of a buyer. A reader that falls too far behind is cut off and starts again, because the tables
 * are the place to catch up from.
 */
export async function* followBuyer(app: App, buyer: UserId, type: JobEvent['type'] | undefined, signal: AbortSignal): AsyncIterable<readonly ServerEvent[]> {
  let queue: JobEvent[] = []
  let wake: (() => void) | null = null
  let lost = false
  const unsubscribe = app.hub.subscribe(buyer, (event) => {
    if (type && (event as JobEvent).type !== type) return
    if (queue.length >= BEHIND_ALL_MAX) lost = true
    else queue.push(event as JobEvent)
    wake?.()
  })
  signal.addEventListener('abort', () => wake?.())
  try {
    while (!signal.aborted && !lost) {
      const batch = queue
      queue = []
      if (batch.length > 0) yield batch.map((event) => ({ id: `${event.job}:${event.version}`, event: event.type, data: event }))
      if (queue.length === 0) await new Promise<void>((resolve) => { wake = resolve; if (queue.length > 0 || signal.aborted || lost) resolve() })
      wake = null
    }
  } finally { unsubscribe() }
}
/** A buyer's whole traffic for some seconds. */
const BEHIND_ALL_MAX = 50_000
