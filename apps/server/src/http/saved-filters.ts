// Filters are their user's notes, as templates are: written beside the engine.
import { FILTERS_MAX, refuse } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { listFilters, putFilter, removeFilter } from '../store/saved-filters.ts'
import type { Handlers } from './server.ts'

export function savedFilterHandlers(app: App): Pick<Handlers, 'putFilter' | 'listFilters' | 'removeFilter'> {
  return {
    putFilter: async ({ params, body, who }) => {
      const mine = await listFilters(app.db, who.userId)
      if (mine.length >= FILTERS_MAX && !mine.some(({ name }) => name === params.filter)) return refuse('queue_full', { max: FILTERS_MAX, reason: 'so many filters are kept: remove one' })
      const filter = { name: params.filter, ...body, savedAt: app.now() }
      await putFilter(app.db, who.userId, filter)
      return filter
    },
    listFilters: async ({ who }) => ({ data: await listFilters(app.db, who.userId), nextCursor: null }),
    removeFilter: async ({ params, who }) => {
      if (!(await listFilters(app.db, who.userId)).some(({ name }) => name === params.filter)) return refuse('not_found')
      await removeFilter(app.db, who.userId, params.filter)
      return undefined
    },
  }
}
