// Statements over the command line, against a real market: what is refused, what is kept, and the exit code that says whether to look.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog, seedDemo, startServer } from '@lumaris/server'
import type { Demo, RunningServer } from '@lumaris/server'
import { aShell } from './test-cli.ts'

const TODAY = new Date().toISOString().slice(0, 10)
let dir: string, server: RunningServer, demo: Demo
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lumaris-reconcile-'))
  server = await startServer({ dataDir: join(dir, 'server'), host: '127.0.0.1', port: 0, log: createLog('silent', 'test') })
  demo = await seedDemo(server.app)
})
afterAll(async () => { await server?.stop(); rmSync(dir, { recursive: true, force: true }) })
const admin = (...words: string[]) => aShell({ LUMARIS_URL: server.url, LUMARIS_TOKEN: demo.admin.key }).cli(['admin', ...words])
const file = (name: string, text: string | Uint8Array): string => { const path = join(dir, name); writeFileSync(path, text); return path }
const WHY = ['--reason', 'a test'] as const

test('a statement is looked at, handed in and settled; 6 says that something does not agree, 1 that it could not be read', async () => {
  expect((await admin('deposit', demo.buyer.id, '10', '--reference', 'RF-1', ...WHY)).code).toBe(0)
  const path = file('november.csv', `date,reference,amount\n${TODAY},RF-1,10.00\n${TODAY},RF-2,7.50\n`)
  const looked = await admin('reconcile', path, '--dry-run')
  expect([looked.code, looked.stdout]).toEqual([6, expect.stringMatching(/^agree\t1$[^]*^on the statement only\t1$[^]*^kept\tnothing: --dry-run$/m)])
  expect(JSON.parse((await admin('statements', '--json')).stdout).data).toEqual([])
  expect(await admin('reconcile', path)).toMatchObject({ code: 2, stderr: expect.stringContaining('--reason is needed') })
  const kept = await admin('reconcile', path, ...WHY, '--json')
  expect(kept.code).toBe(6)
  const { statement, account, open } = JSON.parse(kept.stdout)
  expect([statement.name, statement.lines, account.matched, open.map((one: { kind: string }) => one.kind)]).toEqual(['november.csv', 2, 1, ['not_in_books']])
  const listed = await admin('mismatches')
  expect([listed.code, listed.stdout]).toEqual([6, expect.stringMatching(new RegExp(`^On the statement only\t.*\tRF-2\t7\\.50\t\t${open[0].line.id}\t`))])
  expect((await admin('mismatches', '--csv')).stdout).toMatch(/\r\nbank,not_in_books,/)
  expect((await admin('overview')).stdout).toMatch(/^payments that do not agree\t1$/m)
  expect((await admin('set-aside', '--kind', 'not_in_books', '--line', open[0].line.id, '--reason', 'interest of the bank')).code).toBe(0)
  expect(await admin('mismatches')).toMatchObject({ code: 0, stderr: expect.stringContaining('agree') })
  const { data: [settled] } = JSON.parse((await admin('mismatches', '--settled', '--json')).stdout)
  expect((await admin('reopen', settled.settled.id, ...WHY)).code).toBe(0)
  expect((await admin('deposit', demo.buyer.id, '7.5', '--reference', 'RF-2b', ...WHY)).code).toBe(0)
  expect((await admin('link', open[0].line.id, 'deposit:RF-2b', ...WHY)).code).toBe(0)
  expect(await admin('reconcile', path, ...WHY)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^lines\t2, 2 known before$[^]*Everything agrees/m) })
  expect((await admin('withdraw-statement', statement.id, ...WHY)).stdout).toMatch(/^state\twithdrawn$/m)
})
test('what cannot be read says which line and what to change; what is no text does not reach the market', async () => {
  expect(await admin('reconcile', file('bad.csv', `date;reference;amount\n${TODAY};r;12,50\n`), ...WHY)).toMatchObject({ code: 1, stderr: expect.stringMatching(/line 2: "12,50" has a comma/) })
  expect((await admin('reconcile', file('comma.csv', `date;reference;amount\n${TODAY};r;12,50\n`), '--decimal', 'comma', '--dry-run')).stdout).toMatch(/^came in\t12\.50 credits$/m)
  expect(await admin('reconcile', file('latin.csv', Uint8Array.from([0x64, 0xfc, 0x0a])), '--dry-run')).toMatchObject({ code: 2, stderr: expect.stringContaining('is not text in UTF-8') })
  expect(await admin('reconcile', file('huge.csv', 'x'.repeat(16_000_001)), '--dry-run')).toMatchObject({ code: 2, stderr: expect.stringContaining('larger than a statement may be') })
  expect(await admin('reconcile', join(dir, 'none.csv'), '--dry-run')).toMatchObject({ code: 2, stderr: expect.stringContaining('Cannot read') })
})
