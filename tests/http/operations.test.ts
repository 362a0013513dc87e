// What operators look at and hold back: nodes by filter, revenue and its table, holds, the signed file of the ledger, the queue with its reasons, and what was given up.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkLedgerFile, createClient } from '@lumaris/sdk'
import type { JobId, JobSpecInput, RefusalCode } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { QUICK, startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

let market: TestMarket, admin: string, north: string, dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lum-ops-'))
  // A busy machine must not look like a lost node: nothing here is about silence.
  market = await startMarket({ server: { settings: { ...QUICK, offerMs: 10_000, suspectMs: 5_000, lostMs: 10_000, payoutMinMicros: 10n }, webhooks: { loopback: true, timeoutMs: 500 } } })
  admin = market.demo.admin.key
  north = (await market.join('north', { seller: 0, cpuHour: 36 })).nodeId
})
afterAll(async () => { await market?.stop(); rmSync(dir, { recursive: true, force: true }) })
const get = (path: string) => market.call(admin, 'GET', path)
const refused = (answer: Answer, code: RefusalCode): void => { expect(answer.body).toMatchObject({ code }) }
async function run(spec: object = {}): Promise<JobId> {
  const { body } = await market.submit({ command: ['fake:sleep', '60'], ...spec } as never, { cap: '10000000' })
  expect((await market.ended(body.id as JobId)).state).toBe('completed')
  return body.id
}
const sums = (lines: { [name: string]: string }[], name: string): bigint => lines.reduce((all, line) => all + BigInt(line[name] ?? 0), 0n)

test('nodes of the whole market by region, version, state, record and room; and counted by region', async () => {
  await market.join('south', { seller: 1, cpuHour: 40 })
  const names = async (query: string): Promise<string[]> => (await get(`/v1/admin/nodes?${query}`)).body.data.map((one: { name: string }) => one.name).toSorted()
  expect(await names('')).toEqual(['north', 'south'])
  expect(await names('q=sou')).toEqual(['south'])
  expect(await names(`q=${north}`)).toEqual(['north'])
  expect(await names('region=local,elsewhere&state=online,lost')).toEqual(['north', 'south'])
  expect(await names('region=elsewhere')).toEqual([])
  expect(await names('state=paused')).toEqual([])
  expect(await names('freeCpuMillis=8000')).toEqual(['north', 'south'])
  expect(await names('freeCpuMillis=8001')).toEqual([])
  expect(await names('version=0.0.0')).toEqual([])
  expect(await names('mostCompletion=0.999')).toEqual(['north', 'south'])
  expect(await names('leastCompletion=0.999')).toEqual([])
  const first = (await get('/v1/admin/nodes?limit=1')).body, second = (await get(`/v1/admin/nodes?limit=1&cursor=${first.nextCursor}`)).body
  expect([first.data[0].name, second.data[0].name, second.nextCursor]).toEqual(['north', 'south', null])
  expect((await get('/v1/admin/fleet')).body).toMatchObject({ nodes: 2, regions: [{ region: 'local', nodes: 2, states: { online: 2 }, cpuMillis: 16_000, freeCpuMillis: 16_000 }], versions: [{ nodes: 2 }] })
  expect((await get('/v1/admin/fleet?q=sou')).body.nodes).toBe(1)
  refused(await get('/v1/admin/nodes?state=asleep'), 'invalid_request')
  refused(await get('/v1/admin/nodes?leastCompletion=2'), 'invalid_request')
})

test('a cordon keeps work from a node with a reason, whatever its owner says; a drain with a deadline empties it; a ban cuts it off', async () => {
  const act = (what: string, body: object = { reason: 'its disk is failing' }) => market.call(admin, 'POST', `/v1/admin/nodes/${north}/${what}`, body), owner = market.demo.sellers[0]?.key ?? ''
  refused(await act('cordon', {}), 'invalid_request')
  refused(await act('cordon', { reason: 'x y z', drain: { withinMs: -1 } }), 'invalid_request')
  expect((await act('cordon')).body).toMatchObject({ state: 'cordoned', cordon: { reason: 'its disk is failing' } })
  expect((await market.call(owner, 'GET', `/v1/nodes/${north}`)).body).toMatchObject({ state: 'cordoned', cordon: { reason: 'its disk is failing' } }) // its owner is told why, and not by whom
  expect(JSON.stringify((await market.call(owner, 'GET', `/v1/nodes/${north}`)).body)).not.toContain(market.demo.admin.id)
  await market.call(owner, 'POST', `/v1/nodes/${north}/resume`)
  const job = await run()
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data[0].nodeName).toBe('south')
  expect((await act('uncordon', { reason: 'a new disk' })).body.state).toBe('online')
  refused(await act('uncordon'), 'not_in_this_state')
  // Only north can take it; at the deadline it is sent away, and ends on north once that may work again.
  const south = (await get('/v1/admin/nodes?q=south')).body.data[0].id
  await market.call(admin, 'POST', `/v1/admin/nodes/${south}/cordon`, { reason: 'out of the way' })
  const long = (await market.submit({ command: ['fake:sleep', '1500'] }, { cap: '10000000' })).body.id
  await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${long}/attempts`)).body.data.at(-1)?.state, { timeout: 60_000 }).toBe('running')
  await act('cordon', { reason: 'to be switched off', drain: { withinMs: 100 } })
  const attempts = async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${long}/attempts`)).body.data
  await expect.poll(async () => (await attempts()).map((one: { state: string; cause: string }) => `${one.state} ${one.cause}`), { timeout: 60_000 }).toContain('ended platform_fault')
  await act('uncordon')
  expect(await market.ended(long)).toMatchObject({ state: 'completed' })
  expect((await attempts()).at(-1)).toMatchObject({ cause: 'succeeded' })
  await market.call(admin, 'POST', `/v1/admin/nodes/${south}/uncordon`, { reason: 'all is well' })
  // Banned: its agent ends with the market's own word.
  expect((await market.call(admin, 'POST', `/v1/admin/nodes/${south}/ban`, { reason: 'it lies' })).body.state).toBe('banned')
  await expect.poll(async () => (await get(`/v1/admin/nodes?q=${south}`)).body.data[0].connected).toBe(false)
  expect((await get('/v1/admin/nodes?state=banned')).body.data).toHaveLength(1)
  expect((await market.call(admin, 'POST', `/v1/admin/nodes/${south}/unban`, { reason: 'it was another' })).body.state).not.toBe('banned')
  expect((await get(`/v1/admin/actions?subject=${north}`)).body.data.map((one: { action: string; reason: string }) => [one.action, one.reason])).toEqual([
    ['node.uncordon', 'its disk is failing'], ['node.cordon', 'to be switched off'], ['node.uncordon', 'a new disk'], ['node.cordon', 'its disk is failing'],
  ])
})

test('revenue is what the ledger says, to the micro-credit, by day, region and template; and the same as CSV and from the command line', async () => {
  await run({ template: 'train' })
  await run({ template: 'train' })
  const wrong = await run({ name: 'no template' })
  const second = await market.app.identity.register({ email: 'second@test', password: 'a long password', name: 'second', roles: ['admin'] })
  if ('refusal' in second) throw new Error(second.refusal)
  const entry = `settle:${wrong}.0.0`, reversal = (await market.call(admin, 'POST', '/v1/admin/reversals', { entry, reason: 'our own fault' })).body
  await market.app.engine.act({ kind: 'approveReversal', by: second.id, id: reversal.id, reason: 'so it is' })
  const [fee] = await market.app.db.query<{ balance: number }>("SELECT balance FROM accounts WHERE id = 'platform:fee'")
  const spent = BigInt((await market.call(market.buyer, 'GET', '/v1/wallet')).body.spent)
  for (const by of ['day', 'region', 'template']) {
    const { body } = await get(`/v1/admin/revenue?from=0&by=${by}`)
    expect(BigInt(body.total.fees) - BigInt(body.total.feesReversed), by).toBe(BigInt(fee?.balance ?? -1))
    expect(BigInt(body.total.volume), by).toBe(spent)
    for (const name of ['volume', 'fees', 'reversed', 'feesReversed', 'returned']) expect(sums(body.lines, name).toString(), `${name} by ${by}`).toBe(body.total[name])
    expect(body.takeBasisPoints).toBeGreaterThan(450)
  }
  expect((await get('/v1/admin/revenue?from=0&by=template')).body.lines.map((one: { key: string | null; settled: number }) => [one.key, one.settled])).toContainEqual(['train', 2])
  expect((await get('/v1/admin/revenue?from=0&by=region')).body.lines[0].key).toBe('local')
  expect((await get('/v1/admin/revenue?from=0&by=day')).body.lines.at(-1).key).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  const due = (await get('/v1/admin/revenue')).body.due, earned = (await market.call(market.demo.sellers[0]?.key ?? '', 'GET', '/v1/wallet')).body, other = (await market.call(market.demo.sellers[1]?.key ?? '', 'GET', '/v1/wallet')).body
  expect(due).toEqual({ pending: (BigInt(earned.pending) + BigInt(other.pending)).toString(), cleared: '0', onTheWay: '0' })
  expect((await get(`/v1/admin/revenue?from=${Date.now() + 1_000}&to=${Date.now() + 2_000}`)).body).toMatchObject({ lines: [], total: { settled: 0, volume: '0' } })
  refused(await get('/v1/admin/revenue?from=2&to=1'), 'invalid_request')
  refused(await get('/v1/admin/revenue?by=hour'), 'invalid_request')
  const csv = (await get('/v1/exports/revenue?from=0&by=template')).body.trimEnd().split('\r\n')
  expect(csv[0]).toBe('template,attempts settled,"volume, credits","fees, credits","reversed, credits","of it fees, credits","came back of caps, credits"')
  expect(csv.slice(1).reduce((sum: bigint, line: string) => sum + BigInt((line.split(',')[2] ?? '').replace('.', '')), 0n)).toBe(spent)
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  expect(JSON.parse((await cli(['revenue', '--by', 'region', '--since', '2d', '--json'])).stdout).lines[0]).toMatchObject({ key: 'local' })
  expect((await cli(['revenue', '--by', 'template', '--csv', '--since', '2d'])).stdout.split('\r\n')).toHaveLength(csv.length + 1)
  expect((await cli(['revenue', '--by', 'hour'])).code).toBe(2)
})

test('the trial balance sums to zero by class, and old holds are listed', async () => {
  const { body } = await get('/v1/admin/ledger')
  expect(body).toMatchObject({ balanced: true, problems: [] })
  expect(body.classes.map((one: { class: string }) => one.class)).toEqual(['buyer:available', 'escrow', 'external:demo', 'platform:fee', 'seller:pending'])
  expect(sums(body.classes, 'balance')).toBe(0n)
  expect(sums(body.classes, 'in')).toBe(sums(body.classes, 'out'))
  const big = (await market.submit({ name: 'waits', command: ['x'], resources: { cpuMillis: 900_000 } }, { cap: '4000000' })).body.id
  const [hold] = (await get('/v1/admin/holds?olderThanMs=0')).body.data
  expect(hold).toMatchObject({ job: big, name: 'waits', state: 'queued', held: '4000000', cap: '4000000' })
  expect((await get('/v1/admin/holds')).body.data).toEqual([]) // none is a day old
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  expect((await cli(['ledger', 'holds', '--older', '0s', '-q'])).stdout.trim()).toBe(big)
  expect((await cli(['ledger', 'show'])).stdout).toContain('seller:pending')
  await market.call(market.buyer, 'POST', `/v1/jobs/${big}/cancel`)
})

test('the ledger as a file: checked without the market, and an altered line is found and named', async () => {
  // More than one seal, and more than one page.
  for (let i = 0; i < 1_100; i++) await market.app.engine.act({ kind: 'topup', user: market.demo.buyer.id, amount: 1n, provider: 'demo', key: `many ${i}`, bodyHash: 'x' })
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  const file = join(dir, 'ledger.jsonl')
  writeFileSync(file, (await cli(['ledger', 'export'])).stdout)
  const offline = aShell({}), check = (path: string, ...more: string[]) => offline.cli(['ledger', 'check', path, ...more])
  const good = await check(file, '--platform-key', market.app.platformKey)
  expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('The ledger file is right')])
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect(lines.filter((line) => line.startsWith('{"seal"')).length).toBe(2)
  // What it comes to is what the market itself holds.
  const verdict = await checkLedgerFile(lines, { platformKey: market.app.platformKey }), { body } = await get('/v1/admin/ledger')
  expect(verdict.closing).toEqual(body.classes.filter((one: { balance: string }) => one.balance !== '0').map((one: { class: string; balance: string }) => ({ class: one.class, balance: one.balance })))
  expect(verdict.postings).toBe(body.postings)
  // A span says what was there before it.
  const entryAt = (line: string): number => JSON.parse(line).entry.at
  const later: string[] = []
  for await (const piece of createClient({ url: market.url, token: admin }).operatorFile('ledger', { from: entryAt(lines[600] as string) })) later.push(new TextDecoder().decode(piece))
  expect(await checkLedgerFile(later.join('').split('\n'))).toMatchObject({ ok: true, closing: verdict.closing })
  expect(JSON.parse(later.join('').split('\n')[0] as string).opening.length).toBeGreaterThan(1)

  const attack = async (change: (all: string[]) => string[]) => (await checkLedgerFile(change([...lines]), { platformKey: market.app.platformKey })).problems
  const edit = (all: string[], at: number, change: (line: any) => void): string[] => { const line = JSON.parse(all[at] as string); change(line); all[at] = JSON.stringify(line); return all } // eslint-disable-line -- whatever stands there
  const id = JSON.parse(lines[700] as string).entry.id
  expect(await attack((all) => edit(all, 700, (line) => { line.entry.postings[0].amount = '2' }))).toEqual([{ line: 701, says: `${id}, number 700, was altered: it does not have its hash.` }, expect.objectContaining({ line: lines.length })])
  const { createHash } = await import('node:crypto'), { canonical } = await import('@lumaris/protocol')
  const rehash = (line: any): void => { line.hash = createHash('sha256').update(`${line.prev}\n${canonical({ n: line.n, entry: line.entry })}`).digest('hex') } // eslint-disable-line -- as above
  const forge = (line: any): void => { line.entry.kind = 'refund'; rehash(line) } // eslint-disable-line -- as above
  expect(await attack((all) => edit(all, 700, forge))).toEqual([{ line: 701, says: 'It was altered together with its hash: the line behind it names another one.' }])
  // The chain made anew up to the seal, and the seal with it: what is missing is the market's signature.
  expect(await attack((all) => {
    edit(all, 700, forge)
    let prev = JSON.parse(all[700] as string).hash
    for (let i = 701; i < all.length; i++) edit(all, i, (line) => { if (line.seal) line.seal.hash = prev; else { line.prev = prev; rehash(line); prev = line.hash } })
    return all
  })).toMatchObject([{ line: 1002, says: expect.stringContaining('The market did not sign this: of lines 1 to 1002 one was altered') }, { line: lines.length }])
  expect(await attack((all) => all.toSpliced(700, 1))).toMatchObject([{ line: 701, says: expect.stringContaining('a line is missing') }, { line: lines.length - 1 }])
  expect(await attack((all) => all.toSpliced(700, 0, all[650] as string))).toMatchObject([{ line: 701, says: expect.stringContaining('a second time') }])
  expect(await attack((all) => all.slice(0, -1))).toMatchObject([{ says: expect.stringContaining('ends before its last seal') }])
  expect(await attack((all) => all.slice(0, 1002))).toMatchObject([{ says: expect.stringContaining('ends before its last seal') }]) // cut at a seal that goes on
  // … and said there to be the end, with the right sums: that is not what the market signed.
  const part = (await checkLedgerFile(lines.slice(0, 1001))).closing
  expect(await attack((all) => edit(all.slice(0, 1002), 1001, (line) => { line.seal.closing = part }))).toMatchObject([{ line: 1002, says: expect.stringContaining('did not sign') }])
  expect(await attack((all) => [...all, all[1] as string])).toMatchObject([{ says: expect.stringContaining('was added') }])
  expect(await attack((all) => edit(all, 0, (line) => { line.from = 5 }))).toMatchObject([{ line: 1, says: 'The head was altered: the first entry names another one.' }])
  expect((await attack((all) => edit(all, 0, (line) => { line.opening = [{ class: 'platform:fee', balance: '5' }] }))).length).toBeGreaterThan(0)
  expect((await checkLedgerFile(lines, { platformKey: 'A'.repeat(43) })).ok).toBe(false)
  expect((await checkLedgerFile([])).problems).toEqual([{ line: 1, says: 'The file is empty.' }])
  expect((await checkLedgerFile(['nonsense', '{"a":1}'])).ok).toBe(false)

  writeFileSync(file, edit([...lines], 700, (line) => { line.entry.at += 0; line.entry.id += 'x' }).join('\n'))
  const bad = await check(file)
  expect([bad.code, bad.stdout]).toEqual([1, expect.stringContaining('line 701')])
  expect((await check(join(dir, 'none'))).code).toBe(2)
})

test('the queue says how much waits, how long, and why', async () => {
  const large = (await market.submit({ name: 'too large', command: ['x'], resources: { cpuMillis: 900_000 }, tasks: [{}, {}, {}] }, { cap: '3000000' })).body.id
  const held = (await market.submit({ command: ['x'], resources: { cpuMillis: 800_000 } }, { cap: '1000000' })).body.id
  await market.call(market.buyer, 'POST', `/v1/jobs/${held}/pause`)
  const after = (await market.submit({ command: ['x'], after: [{ job: large }] }, { cap: '1000000' })).body.id
  await expect.poll(async () => (await get('/v1/admin/queue')).body.waiting).toMatchObject({ inLine: 3, held: 1, afterOthers: 1 })
  const { body } = await get('/v1/admin/queue')
  expect(body.ages.reduce((sum: number, one: { waiting: number }) => sum + one.waiting, 0)).toBe(3)
  expect(body.classes[0]).toMatchObject({ job: large, waiting: 3, reasons: [{ reason: 'cpu' }] })
  expect(body.reasons).toMatchObject([{ reason: 'cpu', waiting: 3, says: 'the node has too few cores' }])
  expect(body.looked).toBeUndefined()
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  expect((await cli(['queue'])).stdout).toContain('has too few cores')
  expect(JSON.parse((await cli(['queue', '--json'])).stdout).classes[0].waiting).toBe(3)
  for (const id of [large, held, after]) await market.call(market.buyer, 'POST', `/v1/jobs/${id}/cancel`)
})

test('what was given up is listed; a message is sent again with a reason that stands in the log, and its address stays its owner’s', async () => {
  const hook = (await market.call(market.buyer, 'POST', '/v1/webhooks', { url: 'https://127.0.0.1:1/secret-path', events: ['job.ended'] })).body
  const message = (await market.call(market.buyer, 'POST', `/v1/webhooks/${hook.id}/test`)).body.id
  const retry = (body: object = { reason: 'their address is back' }) => market.call(admin, 'POST', `/v1/admin/dead-deliveries/${message}/retry`, body)
  refused(await retry(), 'not_in_this_state')
  await market.app.webhooks.outbox.disable(hook.id, 'It was silent.')
  const dead = (await get('/v1/admin/dead-deliveries')).body.data
  expect(dead).toMatchObject([{ id: message, webhook: hook.id, owner: market.demo.buyer.id, off: true }])
  expect(JSON.stringify(dead)).not.toContain('secret-path')
  refused(await retry(), 'webhook_disabled')
  await market.call(market.buyer, 'POST', `/v1/webhooks/${hook.id}/enable`)
  refused(await retry({}), 'invalid_request')
  expect((await retry()).body).toMatchObject({ id: message, state: 'waiting' })
  expect((await get('/v1/admin/dead-deliveries')).body.data).toEqual([])
  expect((await get(`/v1/admin/actions?subject=${message}`)).body.data).toMatchObject([{ action: 'delivery.retry', reason: 'their address is back' }])
  // A job that no node could end, with all its tries used up; one that failed by itself is its buyer's own business.
  const poisoned = (await market.submit({ name: 'poison', command: ['fake:fail-driver'], limits: { retries: 1, runMs: 60_000 } }, { cap: '1000000' })).body.id
  await market.ended(poisoned)
  const own = (await market.submit({ command: ['fake:exit', '3'], limits: { runMs: 60_000 } }, { cap: '1000000' })).body.id
  await market.ended(own)
  expect((await get('/v1/admin/dead-jobs')).body.data).toMatchObject([{ job: poisoned, name: 'poison', cause: 'driver_failed', says: expect.stringContaining('isolation driver') }])
  await expect.poll(async () => (await get('/v1/admin/queue')).body.dead).toEqual({ deliveries: 0, jobs: 1 })
})

test('a job that no node could end is tried again by an admin: once, same buyer, same cap, held by the same rules, and its buyer is told; nobody else’s failure is', async () => {
  const retry = (job: string, key: string | null = admin, body: object = { reason: 'a switch was broken' }) => market.call(key, 'POST', `/v1/admin/dead-jobs/${job}/retry`, body)
  const failed = async (spec: JobSpecInput): Promise<JobId> => { const { id } = (await market.submit({ name: 'poison', limits: { retries: 0, runMs: 60_000 }, ...spec }, { cap: '1000000' })).body; await market.ended(id); return id }
  const job = await failed({ command: ['fake:fail-driver'] }), own = await failed({ command: ['fake:exit', '3'] })
  refused(await retry(own), 'not_in_this_state')
  refused(await retry(`job_${'0'.repeat(26)}`), 'not_found')
  refused(await retry(job, admin, {}), 'invalid_request')
  refused(await retry(job, market.buyer), 'forbidden')
  // Whoever is suspended or has nothing left: their money is theirs.
  const buyer = market.demo.buyer.id, ledger = async () => BigInt((await market.call(market.buyer, 'GET', '/v1/wallet')).body.available)
  await market.call(admin, 'POST', `/v1/admin/users/${buyer}/suspend`, { reason: 'a test' })
  const no = await retry(job)
  expect([no.status, no.body.code, no.body.detail]).toEqual([409, 'cannot_retry', { reason: 'its buyer is suspended' }])
  await market.call(admin, 'POST', `/v1/admin/users/${buyer}/unsuspend`, { reason: 'a test' })
  // Pressed ten times at once it is made once; nothing starts yet, so that what is held can be seen.
  const { id: pause } = (await market.call(admin, 'POST', '/v1/admin/matching-pauses', { says: 'We look.', reason: 'a test' })).body
  const before = await ledger(), answers = await Promise.all(Array.from({ length: 10 }, () => retry(job))), made = answers[0]?.body
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1)
  expect(made).toMatchObject({ state: 'queued', buyer, cap: '1000000', retries: job, spec: { name: 'poison' } })
  expect(before - await ledger()).toBe(1_000_000n)
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${made.id}/events`)).body.at(0)).toMatchObject({ type: 'submitted', reason: 'a switch was broken' })
  expect((await market.call(market.buyer, 'GET', '/v1/alerts')).body.data[0]).toMatchObject({ kind: 'job_retried', subject: made.id, says: 'An operator has tried “poison” again, which no node could end: a switch was broken. 1.00 credits are held for it, as for the first try; you may cancel it.' })
  expect((await get(`/v1/admin/actions?subject=${job}`)).body.data).toMatchObject([{ action: 'job.retry', by: market.demo.admin.id, after: { job: made.id, cap: '1000000' }, from: '127.0.0.1' }])
  expect((await get('/v1/admin/dead-jobs')).body.data.find((one: { job: string }) => one.job === job)).toMatchObject({ retriedAs: made.id })
  await market.call(admin, 'POST', `/v1/admin/matching-pauses/${pause}/end`, { reason: 'a test' })
  expect((await market.ended(made.id)).state).toBe('failed')
  expect(await ledger()).toBe(before)
  expect((await retry(job)).body.id).toBe(made.id)
  // What failed again is a given-up job like any other.
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: admin })
  expect(JSON.parse((await cli(['queue', 'retry', made.id, '--reason', 'once more', '--json'])).stdout)).toMatchObject({ retries: made.id })
  // What a program of its buyer's merges is repeated by that.
  refused(await retry(await failed({ command: ['fake:fail-driver'], map: { result: 'out', merge: { kind: 'concat' } } })), 'cannot_retry')
})

test('a wallet is topped up by itself, within its month, by its owner’s word alone; off where it was not asked for', async () => {
  const wallet = async () => (await market.call(market.buyer, 'GET', '/v1/wallet')).body, auto = async () => (await market.call(market.buyer, 'GET', '/v1/topups/auto')).body
  expect(await auto()).toEqual({ rule: null, addedThisMonth: '0', runs: [] })
  const before = BigInt((await wallet()).available), rule = { below: (before - 500n).toString(), add: '2000', monthlyMost: '3000' }
  expect((await market.call(market.buyer, 'PUT', '/v1/topups/auto', rule)).body).toEqual({ rule, addedThisMonth: '0', runs: [] })
  const spend = () => market.call(market.buyer, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  expect((await spend()).status).toBe(201)
  expect([BigInt((await wallet()).available) - before, (await auto()).runs]).toEqual([1000n, [{ at: expect.any(Number), available: (before - 1000n).toString(), amount: '2000', outcome: 'added' }]])
  await spend()
  await spend()
  expect(BigInt((await wallet()).available) - before).toBe(-1000n)
  expect(await auto()).toMatchObject({ addedThisMonth: '2000', runs: [{ outcome: 'limit' }, { outcome: 'added' }] })
  expect((await market.call(market.buyer, 'GET', '/v1/alerts')).body.data[0]).toMatchObject({ kind: 'topup_limit', says: expect.stringContaining('was not topped up') })
  expect((await market.call(market.buyer, 'PUT', '/v1/topups/auto', { ...rule, monthlyMost: '1999' })).body).toMatchObject({ code: 'amount_not_allowed', detail: { field: 'monthlyMost' } })
  expect((await market.call(market.buyer, 'PUT', '/v1/topups/auto', { below: '1' })).body).toMatchObject({ code: 'invalid_request' })
  expect((await market.call(market.buyer, 'DELETE', '/v1/topups/auto')).status).toBe(204)
  expect(await auto()).toMatchObject({ rule: null, addedThisMonth: '2000' })
})

test('what came back says why: how its job ended, and what was said when it was reversed', async () => {
  const { body: job } = await market.call(market.buyer, 'POST', '/v1/jobs', { cap: '1000', spec: { command: ['x'], resources: { cpuMillis: 900_000 } } })
  await market.call(market.buyer, 'POST', `/v1/jobs/${job.id}/cancel`)
  await market.ended(job.id)
  const entries = async () => (await market.call(market.buyer, 'GET', '/v1/entries')).body.data as { id: string; kind: string; job?: string; because?: object }[]
  expect((await entries()).find(({ id }) => id === `refund:${job.id}`)).toMatchObject({ kind: 'refund', job: job.id, because: { state: 'cancelled', cause: 'buyer_cancelled' } })
  expect((await entries()).filter(({ kind }) => kind === 'hold').every(({ because, job: of }) => because === undefined && of !== undefined)).toBe(true)
})
