// Tables → memory, independently of the server's loader: what a new writer knows.
import { apply, beginTurn, createState, grantLeases, internSpec } from '@lumaris/domain'
import type { Guards, MarketSettings, MarketState } from '@lumaris/domain'
import type { Database } from './database.ts'

export function loadState(db: Database, now: number, settings: MarketSettings, guards: Guards, state: MarketState = createState(settings, guards)): MarketState {
  for (const id of db.jobs.keys()) if (id > state.highestForgotten) state.highestForgotten = id
  for (const row of db.nodes.values()) apply(state, { kind: 'node', row })
  for (const row of db.lessons.values()) apply(state, { kind: 'lesson', row })
  for (const id of [...db.openJobs].sort()) {
    const row = db.jobs.get(id)
    if (!row) continue
    apply(state, { kind: 'job', row: { ...row, spec: internSpec(state, row.spec) } })
    for (const task of db.tasks.get(id) ?? []) apply(state, { kind: 'task', row: task })
    for (const attempt of [...(db.attemptsOfJob.get(id) ?? [])].sort()) apply(state, { kind: 'attempt', row: db.attempts.get(attempt)! })
  }
  for (const row of db.quotes.values()) if (row.validUntil >= now) apply(state, { kind: 'quote', row })
  for (const row of db.schedules.values()) if (row.state !== 'removed') apply(state, { kind: 'schedule', row })
  for (const row of db.standing.values()) if (row.state === 'open') apply(state, { kind: 'standing', row })
  for (const row of db.forfeits.values()) apply(state, { kind: 'forfeit', row })
  for (const [name, balance] of db.balances) if (name.endsWith(':pending') && state.accounts.has(name)) state.accounts.set(name, balance)
  for (const row of db.payoutRules.values()) if (row.state !== 'removed') apply(state, { kind: 'payoutRule', row })
  for (const row of db.payouts.values()) if (row.state === 'requested' || row.state === 'sent') apply(state, { kind: 'payout', row })
  for (const [key, at] of db.alerted) state.alerted.set(key, at)
  const newest = [...db.settings.values()].at(-1)
  if (newest) apply(state, { kind: 'settings', row: newest })
  for (const row of db.reversals.values()) if (row.state === 'proposed' || row.state === 'done') apply(state, { kind: 'reversal', row })
  for (const row of db.people.values()) if (row.suspended) apply(state, { kind: 'person', row })
  for (const row of db.autoTopups.values()) apply(state, { kind: 'autoTopup', row })
  for (const row of db.members.values()) if (row.state === 'active') apply(state, { kind: 'member', row })
  for (const row of db.invitations.values()) if (row.state === 'open') apply(state, { kind: 'invitation', row })
  for (const row of db.enrolments.values()) if (row.expiresAt >= now) apply(state, { kind: 'enrolment', row })
  grantLeases(beginTurn(state, { now, id: () => '', hash: () => '', keyed: () => '' }))
  return state
}
