// Payouts over crashes and providers that do not answer: a real server, stopped and started again on its data.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { account } from '@lumaris/protocol'
import type { PayoutId } from '@lumaris/protocol'
import { aUser } from '@lumaris/testkit'
import { startServer } from '../app.ts'
import type { RunningServer } from '../app.ts'
import { createLog } from '../log.ts'
import { checkLedger } from '../store/read.ts'
import { readPayout } from '../store/read-ledger.ts'
import { payOutOnce } from './pay-out-once.ts'
import { demoProvider } from './provider.ts'
import type { Carried, PayoutProvider } from './provider.ts'

const seller = aUser('seller')
let running: RunningServer | null = null
const dirs: string[] = []
afterEach(async () => { await running?.stop(); running = null; for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true }) })
const start = async (dataDir: string): Promise<RunningServer> => (running = await startServer({ dataDir, host: '127.0.0.1', port: 0, log: createLog('silent', 'test'), settings: { payoutMinMicros: 1n } }))

/** A market in which a seller has 100 cleared and asked for 40; the pass over the payouts has not begun. */
async function asked(): Promise<{ dir: string; server: RunningServer; id: PayoutId }> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-payouts-'))
  dirs.push(dir)
  const server = await start(dir)
  await server.app.db.transact([{ sql: "INSERT INTO postings (entry, line, kind, at, debit, credit, amount) VALUES ('topup:by-hand', 0, 'topup', 1, 'external:demo', $1, 100)", params: [account.earned(seller)] }])
  const answer = await server.app.engine.act({ kind: 'payout', user: seller, amount: 40n, provider: 'demo', destination: 'x', key: 'k', bodyHash: 'x' })
  if ('refusal' in answer) throw new Error(answer.refusal)
  return { dir, server, id: answer.id }
}
const stateOf = (server: RunningServer, id: PayoutId) => readPayout(server.app.db, id).then((row) => row?.state)
const balance = async (server: RunningServer, name: string): Promise<string | undefined> => (await server.app.db.query<{ balance: string }>('SELECT CAST(balance AS TEXT) AS balance FROM accounts WHERE id = $1', [name]))[0]?.balance
/** A provider that says what it is told to say, and counts how often it was asked for each. */
function provider(say: (time: number) => Carried): PayoutProvider & { asked: PayoutId[] } {
  const all: PayoutId[] = []
  return { id: 'demo', asked: all, async carry({ id }) { all.push(id); return say(all.length) } }
}

test('a payout that was on its way when the server ended is paid by the next one, once', async () => {
  const { dir, server, id } = await asked()
  await server.app.engine.act({ kind: 'payoutStep', id, event: 'send' })
  await demoProvider(server.app.db, () => 1).carry({ id, destination: 'x', amount: 40n }) // the provider has it, and nobody wrote down its answer
  await server.stop()
  const next = await start(dir)
  await expect.poll(() => stateOf(next, id)).toBe('paid')
  expect(await next.app.db.query('SELECT id FROM demo_payouts')).toHaveLength(1)
  expect([await balance(next, account.earned(seller)), await balance(next, account.payout(id)), await balance(next, account.external('demo'))]).toEqual(['60', '0', '-60'])
  expect(await checkLedger(next.app.db)).toMatchObject({ balanced: true, problems: [] })
})

test('a payout that was only asked for when the server ended is sent by the next one', async () => {
  const { dir, server, id } = await asked()
  await server.stop()
  const next = await start(dir)
  await expect.poll(() => stateOf(next, id)).toBe('paid')
})

test('a provider that does not answer is asked again under the same id, and the money waits meanwhile', async () => {
  const { server, id } = await asked()
  const silent = provider((time) => { if (time < 3) throw new Error('no answer'); return { arrived: true, reference: 'r' } })
  for (const ended of [0, 0, 1]) {
    expect(await payOutOnce(server.app, silent)).toBe(ended)
    expect(await balance(server, account.payout(id))).toBe(ended === 0 ? '40' : '0')
  }
  expect(silent.asked).toEqual([id, id, id])
  expect(await payOutOnce(server.app, silent)).toBe(0) // it is over: nobody is asked any more
  expect(silent.asked).toHaveLength(3)
})

test('nothing goes out to somebody who is suspended, until the suspension ends; a check of the books sees money that is missing', async () => {
  const { server, id } = await asked()
  server.app.engine.state.suspended.add(seller)
  const willing = provider(() => ({ arrived: false, reason: 'closed' }))
  expect([await payOutOnce(server.app, willing), willing.asked, await stateOf(server, id)]).toEqual([0, [], 'requested'])
  server.app.engine.state.suspended.delete(seller)
  expect([await payOutOnce(server.app, willing), await stateOf(server, id), await balance(server, account.earned(seller))]).toEqual([1, 'failed', '100'])
  await server.app.db.transact([{ sql: "INSERT INTO postings (entry, line, kind, at, debit, credit, amount) VALUES ('payout:by-hand', 0, 'payout', 1, $1, $2, 7)", params: [account.earned(seller), account.payout(id)] }])
  expect(await checkLedger(server.app.db)).toMatchObject({ balanced: false, problems: [expect.stringContaining('1 payouts hold another sum')] })
})
