import type { InfiniteData } from '@tanstack/react-query'
import type { Job } from '@lumaris/protocol'

export type Pages = InfiniteData<{ data: Job[]; nextCursor: string | null }, unknown>

/** The same list with these rows as they are now: in their place, newer ones at the top, and out of a list whose state they left. */
export function withRows(list: Pages, fresh: readonly Job[], state: string | null): Pages {
  const byId = new Map(fresh.map((job) => [job.id, job]))
  const known = new Set<string>()
  const pages = list.pages.map((page) => ({ ...page, data: page.data.flatMap((job) => { const now = byId.get(job.id); if (!now) return [job]; known.add(job.id); return state === null || now.state === state ? [now] : [] }) }))
  const newest = list.pages[0]?.data[0]?.id ?? ''
  // Ids are in order of time. An older job that is not in the list is on a page that was not read yet.
  const added = fresh.filter((job) => !known.has(job.id) && job.id > newest && (state === null || job.state === state)).toSorted((a, b) => (a.id < b.id ? 1 : -1))
  return { ...list, pages: pages.map((page, i) => (i === 0 ? { ...page, data: [...added, ...page.data] } : page)) }
}
