// What the commands of a batch name and memory lacks, fetched in one round before anything is decided.
import { account } from '@lumaris/protocol'
import type { AccountName, JobId } from '@lumaris/protocol'
import { apply, topupEntry } from '@lumaris/domain'
import type { Command, JobRow, KeyRow, MarketState } from '@lumaris/domain'
import type { Database } from '../database/database.ts'
import { jobRow } from './load.ts'

type Needs = { jobs: Set<string>; keys: Set<string>; accounts: Set<AccountName> }

export function needsOf(state: MarketState, commands: readonly Command[]): Needs {
  const needs: Needs = { jobs: new Set(), keys: new Set(), accounts: new Set() }
  for (const name of state.accountsWanted) if (!state.accounts.has(name)) needs.accounts.add(name)
  state.accountsWanted.clear()
  for (const command of commands) {
    if (command.kind === 'submit') {
      if (command.id && command.id <= state.highestForgotten && !state.jobs.has(command.id)) needs.jobs.add(command.id)
      const key = command.key ? state.keys.get(command.key) : undefined
      if (command.key && !key) needs.keys.add(command.key)
      if (key && !state.jobs.has(key.subject as JobId)) needs.jobs.add(key.subject)
      if (!state.accounts.has(account.available(command.buyer))) needs.accounts.add(account.available(command.buyer))
    } else if (command.kind === 'createSchedule') {
      if (command.key && !state.keys.has(command.key)) needs.keys.add(command.key)
      if (!state.accounts.has(account.available(command.buyer))) needs.accounts.add(account.available(command.buyer))
    } else if (command.kind === 'cancel' || command.kind === 'pause' || command.kind === 'move' || command.kind === 'recordMerged') {
      if (!state.jobs.has(command.job)) needs.jobs.add(command.job)
    } else if (command.kind === 'topup') {
      const id = topupEntry(command)
      if (!state.keys.has(id)) needs.keys.add(id)
      if (!state.accounts.has(account.available(command.user))) needs.accounts.add(account.available(command.user))
    }
  }
  return needs
}

const json = (ids: Iterable<string>): string => JSON.stringify([...ids])
const among = (db: Database): string => (db.dialect === 'sqlite' ? '(SELECT value FROM json_each($1))' : '(SELECT value FROM json_array_elements_text($1::json))')

export async function prefetch(db: Database, state: MarketState, needs: Needs): Promise<void> {
  if (needs.keys.size > 0) {
    const rows = await db.query<{ id: string; body_hash: string; subject: string; at: string }>(`SELECT id, body_hash, subject, CAST(at AS TEXT) AS at FROM idempotency WHERE id IN ${among(db)}`, [json(needs.keys)])
    for (const row of rows) {
      const key: KeyRow = { id: row.id, bodyHash: row.body_hash, subject: row.subject, at: Number(row.at) }
      state.keys.set(key.id, key)
      if (key.subject.startsWith('job_') && !state.jobs.has(key.subject as JobId)) needs.jobs.add(key.subject)
    }
  }
  if (needs.jobs.size > 0) {
    const rows = await db.query<{ spec: string; doc: string }>(`SELECT spec, doc FROM jobs WHERE id IN ${among(db)}`, [json(needs.jobs)])
    // Only ended jobs can be in the tables and not in memory; they are looked at and leave again with this batch.
    for (const row of rows) { const job: JobRow = jobRow(row); if (!state.jobs.has(job.id)) apply(state, { kind: 'job', row: job }) }
  }
  if (needs.accounts.size > 0) {
    for (const name of needs.accounts) state.accounts.set(name, 0n)
    const rows = await db.query<{ id: string; balance: string }>(`SELECT id, CAST(balance AS TEXT) AS balance FROM accounts WHERE id IN ${among(db)}`, [json(needs.accounts)])
    for (const row of rows) state.accounts.set(row.id, BigInt(row.balance))
  }
}
