// Templates are their buyer's notes: no decision of the market reads them, so they are written beside the engine.
import { TEMPLATES_MAX, isRefusal, refuse, templateProblem } from '@lumaris/protocol'
import type { Template } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { countTemplates, listTemplates, putTemplate, readTemplate, removeTemplate } from '../store/templates.ts'
import { missingBlobs } from './jobs.ts'
import type { Handlers } from './server.ts'

type Names = 'putTemplate' | 'listTemplates' | 'getTemplate' | 'removeTemplate'

export function templateHandlers(app: App): Pick<Handlers, Names> {
  return {
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
