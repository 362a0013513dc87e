import { isRefusal, monthOf } from '@lumaris/protocol'
import type { UserId } from '@lumaris/protocol'
import { alertSettingsOf } from '@lumaris/domain'
import type { App } from '../app.ts'
import { listAlerts, readAlerts } from '../store/alerts.ts'
import { spentSince } from '../store/read-spend.ts'
import { asked } from './policy.ts'
import type { Handlers } from './server.ts'

type Names = 'listAlerts' | 'readAlerts' | 'getAlertSettings' | 'setAlertSettings'

export function alertHandlers(app: App): Pick<Handlers, Names> {
  return {
    listAlerts: ({ query, who }) => listAlerts(app.db, who.userId, query.limit, query.cursor),
    readAlerts: async ({ body, who }) => { await readAlerts(app.db, who.userId, body.upTo, app.now()); return undefined },
    getAlertSettings: async ({ who }) => alertSettingsOf(app.engine.state, who.userId),
    setAlertSettings: async ({ body, who, request }) => {
      const row = await app.engine.act({ kind: 'setAlerts', user: who.userId, settings: body, ...asked(request, who, 'manager') })
      if (isRefusal(row)) return row
      app.budgets.look(who.userId)
      return row.settings
    },
  }
}

/** Buyers with a budget whose bills have grown are looked at, one pass at a time: what is in the tables counts, so nothing is counted twice and nothing lost. */
export function createBudgets(app: Pick<App, 'db' | 'engine' | 'now'>, ask: () => Promise<void>) {
  const touched = new Set<UserId>()
  return {
    look(user: UserId): void { if (app.engine.state.alertSettings.get(user)?.settings.monthlyBudget) { touched.add(user); void ask() } },
    async once(): Promise<void> {
      const month = monthOf(app.now())
      for (const user of Array.from(touched)) {
        touched.delete(user)
        try {
          const answer = await app.engine.act({ kind: 'spent', user, month: month.name, spent: await spentSince(app.db, user, month.from) })
          if (isRefusal(answer)) touched.add(user)
        } catch (error) { touched.add(user); throw error }
      }
    },
  }
}
export type Budgets = ReturnType<typeof createBudgets>
