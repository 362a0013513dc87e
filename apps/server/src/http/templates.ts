// Templates are their buyer's notes: no decision of the market reads them, so they are written beside the engine.
import { TEMPLATES_MAX, isRefusal, refuse, templateProblem } from '@lumaris/protocol'
import type { Template, TemplateFigures } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { countTemplates, listTemplates, putTemplate, readTemplate, removeTemplate } from '../store/templates.ts'
import { readOwnFigures, readPublicFigures } from '../store/read-template-figures.ts'
import { missingBlobs } from './jobs.ts'
import type { Handlers } from './server.ts'

/** The market's own change slowly, and anybody may ask. */
const FIGURES_KEPT_MS = 30_000
type Names = 'templateFigures' | 'putTemplate' | 'listTemplates' | 'getTemplate' | 'removeTemplate'

export function templateHandlers(app: App): Pick<Handlers, Names> {
  let market: { at: number; data: Promise<TemplateFigures[]> } | null = null
  return {
    templateFigures: async ({ who }) => {
      if (!market || app.now() - market.at >= FIGURES_KEPT_MS || app.now() < market.at) {
        const asked = { at: app.now(), data: readPublicFigures(app.db, app.hash) }
        market = asked
        asked.data.catch(() => { if (market === asked) market = null }) // told to whoever waits for it below
      }
      const { data } = market
      return { data: [...await data, ...await readOwnFigures(app.db, who.userId)] }
    },
    putTemplate: async ({ params, body, who }) => {
      const problem = templateProblem(body)
      if (problem) return refuse('impossible_request', { reason: problem })
      const missing = await missingBlobs(app, body.spec)
      if (isRefusal(missing)) return missing
      if (!(await readTemplate(app.db, who.userId, params.template)) && (await countTemplates(app.db, who.userId)) >= TEMPLATES_MAX) return refuse('queue_full', { max: TEMPLATES_MAX, reason: 'so many templates are kept: remove one' })
      const template: Template = { name: params.template, spec: body.spec, parameters: body.parameters, savedAt: app.now() }
      await putTemplate(app.db, who.userId, template)
      return template
    },
    listTemplates: async ({ query, who }) => listTemplates(app.db, who.userId, query.limit, query.cursor),
    getTemplate: async ({ params, who }) => (await readTemplate(app.db, who.userId, params.template)) ?? refuse('not_found'),
    removeTemplate: async ({ params, who }) => {
      if (!(await readTemplate(app.db, who.userId, params.template))) return refuse('not_found')
      await removeTemplate(app.db, who.userId, params.template)
      return undefined
    },
  }
}
