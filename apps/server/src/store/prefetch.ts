// What the commands of a batch name and memory lacks, fetched in one round before anything is decided.
import { account } from '@lumaris/protocol'
import type { AccountName, AttemptId, JobId, UserId } from '@lumaris/protocol'
import { accountsToReverse, apply, depositEntry, payoutKey, topupEntry } from '@lumaris/domain'
import type { Command, FaultRow, JobRow, KeyRow, MarketState } from '@lumaris/domain'
import { among } from './page.ts'
import { readEntries } from './read-ledger.ts'
import type { Database } from '../database/database.ts'
import { forfeitRow, jobRow, personRow, plainRow } from './load.ts'

type Needs = { jobs: Set<string>; keys: Set<string>; accounts: Set<AccountName>; /** To be reversed. */ entries: Set<string>; /** And with them everybody who is an admin. */ people: Set<string>; /** Endings that are appealed against. */ faults: Set<AttemptId> }

export function needsOf(state: MarketState, commands: readonly Command[]): Needs {
  const needs: Needs = { jobs: new Set(), keys: new Set(), accounts: new Set(), entries: new Set(), people: new Set(), faults: new Set() }
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
    } else if (command.kind === 'deposit') {
      const id = depositEntry(command)
      if (!state.keys.has(id)) needs.keys.add(id)
      needs.people.add(command.user)
      if (!state.accounts.has(account.available(command.user))) needs.accounts.add(account.available(command.user))
    } else if (command.kind === 'setAutoTopup') {
      if (!state.accounts.has(account.available(command.user))) needs.accounts.add(account.available(command.user))
    } else if (command.kind === 'payout') {
      if (!state.keys.has(payoutKey(command))) needs.keys.add(payoutKey(command))
      if (!state.accounts.has(account.earned(command.user))) needs.accounts.add(account.earned(command.user))
    } else if (command.kind === 'proposeReversal') needs.entries.add(command.entry)
    else if (command.kind === 'approveReversal') { const entry = state.reversals.get(command.id)?.entry; if (entry) needs.entries.add(entry) }
    else if (command.kind === 'appeal' || command.kind === 'decideAppeal') needs.faults.add(command.attempt)
    else if (command.kind === 'suspend' || command.kind === 'unsuspend' || command.kind === 'roles' || command.kind === 'impersonate') needs.people.add(command.user)
  }
  return needs
}

/** What is read once and then kept up by every change must not be read while a change of it is still on its way to the tables. */
export const mustWait = (needs: Needs): boolean => needs.accounts.size + needs.entries.size + needs.people.size + needs.faults.size > 0
export const isNone = (needs: Needs): boolean => needs.jobs.size + needs.keys.size + needs.accounts.size + needs.entries.size + needs.people.size + needs.faults.size === 0

const json = (ids: Iterable<string>): string => JSON.stringify([...ids])

export async function prefetch(db: Database, state: MarketState, needs: Needs): Promise<void> {
  if (needs.entries.size > 0) await prefetchEntries(db, state, needs)
  if (needs.faults.size > 0) {
    state.faults.clear()
    for (const id of needs.faults) state.faults.set(id, null)
    for (const row of await db.query<{ doc: string }>(`SELECT doc FROM faults WHERE id IN ${among(db)}`, [json(needs.faults)])) { const fault = plainRow<FaultRow>(row); state.faults.set(fault.attempt, fault) }
  }
  if (needs.people.size > 0) {
    const rows = await db.query<Parameters<typeof personRow>[0]>(`SELECT id, roles, suspended FROM users WHERE id IN ${among(db)} OR roles LIKE '%"admin"%'`, [json(needs.people)])
    state.people.clear()
    for (const row of rows) state.people.set(row.id as UserId, personRow(row))
  }
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

/** An entry that may be reversed, with what its reverse hangs on: was it reversed, has it cleared, whose job was it, and what is in the accounts. */
async function prefetchEntries(db: Database, state: MarketState, needs: Needs): Promise<void> {
  state.entries.clear()
  state.forfeited.clear()
  const found = await readEntries(db, [...needs.entries])
  const buyers = await db.query<{ id: string; buyer: string }>(`SELECT id, buyer FROM jobs WHERE id IN ${among(db)}`, [json(found.flatMap(({ job }) => (job ? [job] : [])))])
  const names = [...needs.entries].flatMap((name) => [name, `reversal:${name}`]).concat(found.flatMap(({ attempt }) => (attempt ? [`release:${attempt}`] : [])))
  for (const name of names) state.entries.set(name, null)
  for (const entry of [...found, ...await readEntries(db, names.filter((name) => !needs.entries.has(name)))]) state.entries.set(entry.id, entry)
  const debts = await db.query<{ doc: string }>(`SELECT doc FROM forfeits WHERE id IN ${among(db)}`, [json(found.flatMap(({ kind, attempt }) => (kind === 'forfeit' && attempt ? [attempt] : [])))])
  for (const row of debts.map(forfeitRow)) state.forfeited.set(row.attempt, row)
  // Forfeited: taken back, and not by a reversal.
  const taken = await db.query<{ id: string }>(`SELECT id FROM attempts WHERE released = 2 AND id IN ${among(db)}`, [json(found.flatMap(({ attempt }) => (attempt ? [attempt] : [])))])
  for (const { id } of taken) state.takenBack.add(id as AttemptId)
  for (const entry of found) {
    if (entry.job && !state.jobs.has(entry.job)) needs.jobs.add(entry.job)
    for (const name of accountsToReverse(entry, buyers.find(({ id }) => id === entry.job)?.buyer as UserId | undefined)) if (!state.accounts.has(name)) needs.accounts.add(name)
  }
}
