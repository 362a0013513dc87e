import { isRefusal, refuse } from '@lumaris/protocol'
import type { ActionId, AdminAction, PersonDetail, Refusal, Reversal, ReversalId, Settings, UserId } from '@lumaris/protocol'
import { WAITING_MAX, defaultsOf, settingsNow } from '@lumaris/domain'
import type { MarketState, ReversalRow } from '@lumaris/domain'
import type { App } from '../app.ts'
import { findEntries, listReversals, readReversal } from '../store/read-ledger.ts'
import { listActions, listIncidents, listPeople, listSettingsVersions, readIncident, readPerson } from '../store/read-operators.ts'
import { listLedgerAccounts } from '../store/read-overview.ts'
import { statementsFor } from '../store/persist.ts'
import { newViewToken } from '../identity/impersonations.ts'
import { sha256Hex } from '../signatures.ts'
import { given } from '../store/views.ts'
import { instant, sendCsv, sendLines } from './csv.ts'
import type { Handlers } from './server.ts'
import { asked } from './policy.ts'

type Names = 'findEntries' | 'listReversals' | 'proposeReversal' | 'approveReversal' | 'rejectReversal' | 'listActions' | 'listPeople' | 'getPerson' | 'suspendUser' | 'bookDeposit' | 'unsuspendUser' | 'setUserRoles' | 'listIncidents' | 'openIncident' | 'updateIncident' | 'resolveIncident' | 'getSettings' | 'listSettingsVersions' | 'changeSettings' | 'impersonateUser' | 'endImpersonation' | 'listImpersonations' | 'exportActions' | 'listLedgerAccounts' | 'listUserSessions' | 'endUserSession'

export function operatorHandlers(app: App): Pick<Handlers, Names> {
  const { engine, db } = app
  /** A proposal that is over is known to the tables only. */
  const decide = async (id: ReversalId, act: () => Promise<ReversalRow | Refusal>): Promise<Reversal | Refusal> => {
    const known = await readReversal(db, id)
    if (!known) return refuse('not_found')
    if (known.state !== 'proposed') return refuse('not_in_this_state', { state: known.state })
    const answer = await act()
    return isRefusal(answer) ? answer : viewReversal(answer)
  }
  const changeUser = async (user: UserId, act: () => Promise<unknown>): Promise<PersonDetail | Refusal> => {
    const answer = await act()
    if (isRefusal(answer)) return answer
    // Only now: between the commit and this, a request may have been recognised as before.
    app.identity.forget(user)
    return personOf(app, user)
  }
  return {
    findEntries: ({ query }) => findEntries(db, query, query.limit, query.cursor),
    listReversals: ({ query }) => listReversals(db, query.state, query.limit, query.cursor, viewReversal),
    proposeReversal: async ({ body, who, request }) => {
      const answer = await engine.act({ kind: 'proposeReversal', by: who.userId, entry: body.entry, reason: body.reason, ...asked(request) })
      return isRefusal(answer) ? answer : viewReversal(answer)
    },
    approveReversal: ({ params, body, who, request }) => decide(params.reversal, () => engine.act({ kind: 'approveReversal', by: who.userId, id: params.reversal, reason: body.reason, ...asked(request) })),
    rejectReversal: ({ params, body, who, request }) => decide(params.reversal, () => engine.act({ kind: 'rejectReversal', by: who.userId, id: params.reversal, reason: body.reason, ...asked(request) })),
    listActions: ({ query }) => listActions(db, query, query.limit, query.cursor),
    exportActions: async ({ query: { format, ...filter }, reply }) => {
      async function* pages(): AsyncGenerator<AdminAction[]> {
        for (let cursor: string | undefined; ;) {
          const { data, nextCursor } = await listActions(db, filter, EXPORT_ROWS, cursor)
          yield data
          if (nextCursor === null) return
          cursor = nextCursor
        }
      }
      if (format === 'jsonl') return sendLines(reply, 'lumaris-admin-actions.jsonl', pages)
      return sendCsv(reply, 'lumaris-admin-actions.csv', ['action', 'when', 'who', 'name', 'what', 'to', 'reason', 'before', 'after', 'request', 'from'], async function* () {
        for await (const rows of pages()) yield rows.map((one) => [one.id, instant(one.at), one.by, one.byName, one.action, one.subject, one.reason, json(one.before), json(one.after), one.request ?? '', one.from ?? ''])
      })
    },
    listPeople: ({ query }) => listPeople(db, query, query.limit, query.cursor),
    getPerson: ({ params }) => personOf(app, params.user),
    listUserSessions: async ({ params }) => ((await app.identity.user(params.user)) ? { data: await app.identity.listSessions(params.user, ''), nextCursor: null } : refuse('not_found')),
    endUserSession: async ({ params, body, who, request }) => {
      // Sessions are not the engine's; the line in the log stands in the transaction that ends one.
      const action = { id: app.ids.make('act') as ActionId, at: app.now(), by: who.userId, action: 'session.end', subject: params.user, reason: body.reason, before: { session: params.session }, after: null, ...asked(request).asked } as const
      return (await app.identity.endSession(params.user, params.session, statementsFor([{ kind: 'action', row: action }], db.dialect))) ? undefined : refuse('not_found')
    },
    listLedgerAccounts: ({ query }) => listLedgerAccounts(db, query.class, query.limit, query.cursor),
    suspendUser: ({ params, body, who, request }) => changeUser(params.user, () => engine.act({ kind: 'suspend', by: who.userId, user: params.user, reason: body.reason, ...asked(request) })),
    unsuspendUser: ({ params, body, who, request }) => changeUser(params.user, () => engine.act({ kind: 'unsuspend', by: who.userId, user: params.user, reason: body.reason, ...asked(request) })),
    setUserRoles: ({ params, body, who, request }) => changeUser(params.user, () => engine.act({ kind: 'roles', by: who.userId, user: params.user, roles: body.roles, reason: body.reason, ...asked(request) })),
    bookDeposit: ({ params, body, who, request }) => changeUser(params.user, () => engine.act({ kind: 'deposit', by: who.userId, user: params.user, amount: BigInt(body.amount), reference: body.reference, reason: body.reason, ...asked(request) })),
    impersonateUser: async ({ params, body, who, request }) => {
      const token = newViewToken(app.random)
      const row = await engine.act({ kind: 'impersonate', by: who.userId, user: params.user, reason: body.reason, tokenHash: sha256Hex(token), session: who.sessionId ?? null, key: who.keyId ?? null, ...asked(request) })
      return isRefusal(row) ? row : { id: row.id, user: row.user, token, expiresAt: row.expiresAt }
    },
    endImpersonation: async ({ params, who }) => ((await app.identity.endImpersonation(who.userId, params.impersonation)) ? undefined : refuse('not_found')),
    listImpersonations: async ({ who }) => ({ data: await app.identity.listImpersonations(who.userId), nextCursor: null }),
    getSettings: async () => viewSettings(engine.state),
    listSettingsVersions: ({ query }) => listSettingsVersions(db, query.limit, query.cursor),
    changeSettings: async ({ body, who, request }) => {
      const answer = await engine.act({ kind: 'changeSettings', by: who.userId, ...body, ...asked(request) })
      return isRefusal(answer) ? answer : viewSettings(engine.state)
    },
    listIncidents: ({ query }) => listIncidents(db, query.state, query.limit, query.cursor),
    openIncident: ({ body, who, request }) => engine.act({ kind: 'openIncident', by: who.userId, ...body, ...asked(request) }),
    updateIncident: async ({ params, body, who, request }) => (await over(app, params.incident)) ?? engine.act({ kind: 'updateIncident', by: who.userId, id: params.incident, text: body.text, severity: body.severity ?? null, ...asked(request) }),
    resolveIncident: async ({ params, body, who, request }) => (await over(app, params.incident)) ?? engine.act({ kind: 'resolveIncident', by: who.userId, id: params.incident, text: body.text, ...asked(request) }),
  }
}
/** With what holds for them now. */
async function personOf(app: App, user: UserId): Promise<PersonDetail | Refusal> {
  const found = await readPerson(app.db, user, app.now()), { state } = app.engine
  return found ? { ...found, limits: { seats: { now: state.slotsByBuyer.get(user) ?? 0, most: state.settings.slotsPerBuyerMax }, waiting: { now: state.waitingByBuyer.get(user) ?? 0, most: WAITING_MAX }, requestsAMinute: app.callerRate() } } : refuse('not_found')
}
/** Rows that are read, and held, at one time. */
const EXPORT_ROWS = 500
const json = (value: unknown): string => (value === null ? '' : JSON.stringify(value))
async function over(app: App, id: string): Promise<Refusal | null> {
  const known = await readIncident(app.db, id)
  return known === null ? refuse('not_found') : known.state === 'open' ? null : refuse('not_in_this_state', { state: known.state })
}
const viewSettings = (state: MarketState): Settings => ({ version: state.operating?.version ?? 0, values: settingsNow(state), defaults: defaultsOf(state), ...given('changedAt', state.operating?.at), ...given('changedBy', state.operating?.by) })
const viewReversal = ({ postings, job, attempt, decidedBy, decidedAt, ...row }: ReversalRow): Reversal => ({ ...row, postings: postings.map(({ from, to, amount }) => ({ from, to, amount: amount.toString() })), ...given('job', job), ...given('attempt', attempt), ...given('decidedBy', decidedBy), ...given('decidedAt', decidedAt) })
