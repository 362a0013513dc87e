import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createReadStream } from 'node:fs'
import { createFakeDriver } from '@lumaris/testkit'
import type { FakeDriver } from '@lumaris/testkit'
import { GIB } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { startAgent } from './agent.ts'
import type { AgentConfig, RunningAgent } from './agent.ts'
import { startTinyMarket } from './tiny-market.ts'

const CAPACITY = { cpuMillis: 64_000, memoryBytes: 64 * GIB, diskBytes: 100 * GIB, gpus: 0 }

// Trusts the directory: the fake driver writes nothing evil. The walk that does not trust is tested with the real drivers.
async function* collect(root: string): ReturnType<NonNullable<AgentConfig['collect']>> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name), bytes = await readFile(path)
    yield { path: relative(root, path), size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), open: (from = 0) => createReadStream(path, { start: from }) }
  }
}

async function setup(more: Partial<AgentConfig> = {}) {
  const market = await startTinyMarket()
  const dataDir = await mkdtemp(join(tmpdir(), 'lumaris-agent-'))
  const driver: FakeDriver = createFakeDriver()
  const agents: RunningAgent[] = []
  const start = async (again: Partial<AgentConfig> = {}): Promise<RunningAgent> => {
    const agent = await startAgent({ server: market.url, dataDir, token: market.token('north'), name: 'north', capacity: CAPACITY, drivers: [driver], collect, ...more, ...again })
    agents.push(agent)
    return agent
  }
  onTestFinished(async () => {
    for (const agent of agents) await agent.stop()
    await market.close()
    expect(driver.live).toBe(0)
    await rm(dataDir, { recursive: true })
  })
  return { market, dataDir, driver, start }
}

test('a job runs from order to receipt: accepted, running, succeeded, sealed, forgotten', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:print', 'hello'], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  const attempt = market.attemptOf(job)
  expect(market.statusesOf(attempt?.id).map((message) => message.status)).toEqual(['accepted', 'running', 'succeeded'])
  expect(market.logOf(attempt?.id)).toBe('hello')
  await market.until(() => market.seals.some((seal) => seal.leaves.some((leaf) => leaf.attempt_id === attempt?.id)))
  expect(attempt).toMatchObject({ state: 'valid', cause: 'succeeded', exitCode: 0 })
  expect(attempt?.usage.outBytes).toBe(5)
  expect(await readdir(join(dataDir, 'work'))).toEqual([])
})

test('inputs are fetched, outputs matching the patterns are stored, and an input that was not changed is not an output', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  const input = market.put('some input')
  const job = market.submit({
    command: ['fake:cat', 'in/data.txt', ';', 'fake:write', 'out/a.csv', '1,2', ';', 'fake:write', 'out/deep/b.csv', '3', ';', 'fake:write', 'scratch.tmp', 'x'],
    inputs: [{ path: 'in/data.txt', ...input }], outputs: ['out/**', 'in/*'],
  })
  await market.until(() => market.market.job(job)?.state === 'completed')
  const attempt = market.attemptOf(job)
  expect(market.logOf(attempt?.id)).toBe('some input')
  const files = attempt?.files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  expect(files?.map((file) => [file.path, market.blobs.get(file.blob)?.toString()])).toEqual([['out/a.csv', '1,2'], ['out/deep/b.csv', '3']])
  expect(attempt?.usage.outBytes).toBe('some input'.length + 4)
  // The digest is what independent copies are compared by: code, files by path, and what was printed.
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  expect(attempt?.digest).toBe(sha(`{"exitCode":0,"files":[["out/a.csv","${sha('1,2')}"],["out/deep/b.csv","${sha('3')}"]],"stdout":"${sha('some input')}"}`))
  await agent.stop()
  expect(await readdir(join(dataDir, 'work'))).toEqual([])
})

test('an input that the market does not have ends the attempt, and the driver is not asked', async () => {
  const { market, start, driver } = await setup()
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:exit', '0'], inputs: [{ path: 'a', blob: 'ab'.repeat(32), size: 3 }] })
  const ended = await market.until(() => market.statusesOf(market.attemptOf(job)?.id).find((message) => message.status === 'failed'))
  expect(ended).toMatchObject({ cause: 'input_unavailable' })
  expect(ended.detail).toContain('a: the market has no blob')
  expect(driver.starts).toBe(0)
})

test('an input is fetched again after a broken connection', async () => {
  const { market, start } = await setup()
  await start()
  const input = market.put('x'.repeat(100_000))
  market.faults.push({ times: 1, match: (request) => request.method === 'GET', act: (_, reply) => { reply.writeHead(200, { 'content-length': '100000' }); reply.write('x'.repeat(1000), () => reply.destroy()) } })
  const job = market.submit({ command: ['fake:exit', '0'], inputs: [{ path: 'a', ...input }], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.requests.filter((request) => request.startsWith('GET'))).toHaveLength(2)
})

test('two inputs that claim one path are the buyer’s to put right', async () => {
  const { market, start } = await setup()
  await start()
  const one = market.put('1'), two = market.put('2')
  const job = market.submit({ command: ['fake:exit', '0'], inputs: [{ path: 'a', ...one }, { path: 'a/b', ...two }] })
  const ended = await market.until(() => market.statusesOf(market.attemptOf(job)?.id).find((message) => message.status === 'failed'))
  expect(ended).toMatchObject({ cause: 'input_unavailable', detail: 'two inputs claim the path a' })
})

test('standard output that becomes a file: whole, hashed, beside the other results, and not in the log; its file is gone afterwards', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  const job = market.submit({ command: ['fake:flood', '300000', ';', 'fake:warn', 'told', ';', 'fake:write', 'out', 'the program’s own'], outputs: ['**'], stdout: 'out' })
  await market.until(() => market.market.job(job)?.state === 'completed')
  const attempt = market.attemptOf(job)
  expect(attempt?.files).toMatchObject([{ path: 'out', size: 300_000 }])
  expect(market.blobs.get(attempt?.files[0]?.blob ?? '')?.subarray(0, 5).toString()).toBe('flood')
  expect([market.logOf(attempt?.id), market.logOf(attempt?.id, 'stderr')]).toEqual(['', 'told'])
  expect(attempt?.usage.outBytes).toBe(300_004)
  await agent.stop()
  expect(await readdir(join(dataDir, 'work'))).toEqual([])
})
test('a program that prints nothing leaves an empty result, and one that prints more than the disk it asked for has gone over its limit', async () => {
  const { market, start } = await setup()
  await start()
  const quiet = market.submit({ command: ['fake:exit', '0'], outputs: [], stdout: 'out' })
  const loud = market.submit({ command: ['fake:flood', '3000000'], outputs: [], stdout: 'out', resources: { diskBytes: 1_048_576 } })
  await market.until(() => market.market.job(quiet)?.state === 'completed' && market.market.job(loud)?.state === 'failed')
  expect(market.attemptOf(quiet)?.files).toMatchObject([{ path: 'out', size: 0 }])
  expect(market.attemptOf(loud)).toMatchObject({ cause: 'buyer_limit', detail: 'the program printed more than the job allows' })
})

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
test('a range of a blob is fetched with the header in front of it, and nothing else of the blob is asked for', async () => {
  const { market, start } = await setup()
  await start()
  const blob = market.put('head\none\ntwo\nthree\n')
  const job = market.submit({ command: ['fake:cat', 'part'], inputs: [{ path: 'part', ...blob, from: 9, to: 13, header: { from: 0, to: 5 }, hash: hashOf('head\ntwo\n') }], outputs: ['**'] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.logOf(market.attemptOf(job)?.id)).toBe('head\ntwo\n')
  expect(market.attemptOf(job)?.files).toEqual([]) // an input that came back unchanged
  expect(market.ranges).toEqual(['bytes=0-4', 'bytes=9-12'])
})
/** Pieces as a buyer names them: each with the hash of the header and itself. */
const piecesOf = (text: string, header: number, ...ends: number[]) => ends.map((to, i) => ({ to, hash: hashOf(text.slice(0, header) + text.slice(i === 0 ? header : ends[i - 1], to)) }))
test('a range of pieces is checked piece by piece, header and all, also when it breaks off within one; unchanged it is no result', async () => {
  const { market, start } = await setup()
  await start()
  const text = 'head\none\ntwo\nthree\n', blob = market.put(text), pieces = piecesOf(text, 5, 9, 13, 19)
  market.faults.push({ times: 1, match: (request) => request.headers.range === 'bytes=5-18', act: (_, reply) => { reply.writeHead(206, { 'content-range': 'bytes 5-18/19', 'content-length': '14' }); reply.write(text.slice(5, 11), () => reply.destroy()) } })
  const job = market.submit({ command: ['fake:cat', 'part'], tasks: [{ inputs: [{ path: 'part', ...blob, from: 5, to: 19, header: { from: 0, to: 5 }, pieces }] }], divide: { most: 1 }, outputs: ['**'] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.logOf(market.attemptOf(job)?.id)).toBe(text)
  expect(market.attemptOf(job)?.files).toEqual([])
  expect(market.ranges).toEqual(['bytes=0-4', 'bytes=5-18', 'bytes=11-18'])
})
test.each([['a piece', 12, 'x'], ['the header', 1, 'X'], ['the end of the last piece', 18, '!']] as const)('bytes that were changed on the way, in %s, never reach the program', async (_where, at, wrong) => {
  const { market, start } = await setup()
  await start()
  const text = 'head\none\ntwo\nthree\n', blob = market.put(text), pieces = piecesOf(text, 5, 9, 13, 19), lie = text.slice(0, at) + wrong + text.slice(at + 1)
  market.faults.push({ times: 100, match: (request) => request.method === 'GET' && request.headers.range !== undefined, act: (request, reply) => {
    const [, from, to] = /(\d+)-(\d+)/.exec(request.headers.range as string) as unknown as [string, string, string]
    reply.writeHead(206, { 'content-range': `bytes ${from}-${to}/19` }).end(lie.slice(Number(from), Number(to) + 1))
  } })
  const job = market.submit({ command: ['fake:cat', 'part'], tasks: [{ inputs: [{ path: 'part', ...blob, from: 5, to: 19, header: { from: 0, to: 5 }, pieces }] }], divide: { most: 1 }, outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'failed')
  expect(market.attemptOf(job)).toMatchObject({ cause: 'input_unavailable', detail: expect.stringContaining('promised SHA-256') })
})
test('a range that breaks off goes on after the last byte that came', async () => {
  const { market, start } = await setup()
  await start()
  const text = 'x'.repeat(50_000) + 'y'.repeat(50_000), blob = market.put(text)
  market.faults.push({ times: 1, match: (request) => request.method === 'GET', act: (_, reply) => { reply.writeHead(206, { 'content-range': 'bytes 10-99999/100000', 'content-length': '99990' }); reply.write(text.slice(10, 1010), () => reply.destroy()) } })
  const job = market.submit({ command: ['fake:cat', 'part'], inputs: [{ path: 'part', ...blob, from: 10, to: 100_000, hash: hashOf(text.slice(10)) }], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.logOf(market.attemptOf(job)?.id)).toBe(text.slice(10))
  expect(market.ranges.at(-1)).toBe('bytes=1010-99999')
})
test('a market that sends the whole blob for a range: what lies around it is passed over', async () => {
  const { market, start } = await setup()
  await start()
  const blob = market.put('0123456789')
  market.faults.push({ times: 1, match: (request) => request.method === 'GET', act: (_, reply) => { reply.writeHead(200).end('0123456789') } })
  const job = market.submit({ command: ['fake:cat', 'part'], inputs: [{ path: 'part', ...blob, from: 3, to: 6, hash: hashOf('345') }], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.logOf(market.attemptOf(job)?.id)).toBe('345')
})
test('a range under a wrong hash is the buyer’s to put right: the node asks a few times, and its record does not suffer', async () => {
  const { market, start, driver } = await setup()
  await start()
  const blob = market.put('0123456789')
  const job = market.submit({ command: ['fake:exit', '0'], inputs: [{ path: 'part', ...blob, from: 3, to: 6, hash: hashOf('never') }], outputs: [] })
  const ended = await market.until(() => market.statusesOf(market.attemptOf(job)?.id).find((message) => message.status === 'failed'))
  expect(ended).toMatchObject({ cause: 'input_unavailable' })
  expect(driver.starts).toBe(0)
})

test('an upload goes on where it broke off', async () => {
  const { market, start } = await setup()
  await start()
  const text = 'result '.repeat(4000)
  const offsets: unknown[] = []
  const sha = createHash('sha256').update(text).digest('hex')
  market.faults.push(
    { times: 1, match: (request) => request.method === 'PUT', act(request) { request.once('data', (chunk: Buffer) => { market.parts.set(sha, chunk.subarray(0, 10_000)); request.destroy() }) } },
    { times: 1, match(request) { if (request.method === 'PUT') offsets.push(request.headers['upload-offset']); return false }, act() { /* only looks */ } },
  )
  const job = market.submit({ command: ['fake:write', 'a.txt', text], outputs: ['a.txt'] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.blobs.get(market.attemptOf(job)?.files[0]?.blob ?? '')?.toString()).toBe(text)
  expect(offsets).toEqual(['10000'])
})

test.each([
  [['fake:exit', '7'], 'failed', 'buyer_exit', 7, 'the program ended with exit code 7'],
  [['fake:over', 'memory'], 'failed', 'buyer_limit', null, 'the program used more memory than the job reserved'],
  [['fake:over', 'pids'], 'failed', 'buyer_limit', null, 'the program made more processes than the job allows'],
  [['fake:over', 'disk'], 'failed', 'buyer_limit', null, 'the program wrote more to disk than the job reserved'],
  [['fake:flood', '70000'], 'failed', 'buyer_limit', null, 'the program printed more than the job allows'],
  [['fake:fail-driver'], 'failed', 'driver_failed', null, 'the fake driver was told to fail'],
  [['fake:fail-start'], 'failed', 'driver_failed', null, 'the attempt could not be run on this node'],
] as const)('%j ends %s: %s', async (command, status, cause, exitCode, detail) => {
  const { market, start } = await setup()
  await start()
  const job = market.submit({ command: [...command], outputs: [], limits: { outputBytes: 50_000, retries: 0 } })
  const ended = await market.until(() => market.received.find((message) => message.type === 'job_status' && message.job_id === job && message.status === status))
  expect(ended).toMatchObject({ cause, exit_code: exitCode, detail })
  // What the buyer's program did is metered; what never ran, or broke on the node, has no result.
  expect('result_digest' in ended).toBe(cause !== 'driver_failed')
})

test('much output arrives whole, in order, and before the result', async () => {
  const { market, start } = await setup()
  await start()
  const job = market.submit({ command: ['fake:print', 'a', ';', 'fake:flood', '3000000', ';', 'fake:warn', 'b'], outputs: [] })
  await market.until(() => market.market.job(job)?.state === 'completed')
  const attempt = market.attemptOf(job)
  expect(market.logOf(attempt?.id)).toHaveLength(3_000_001)
  expect(market.logOf(attempt?.id, 'stderr')).toBe('b')
  let offset = 0
  const logs = market.received.flatMap((message) => (message.type === 'log' && message.stream === 'stdout' ? [message] : []))
  for (const log of logs) {
    expect(log.offset).toBe(offset)
    offset += Buffer.from(log.data, 'base64').length
    expect(log.data.length).toBeLessThanOrEqual(Math.ceil(65_536 / 3) * 4)
  }
  const last = market.received.findLastIndex((message) => message.type === 'log')
  expect(market.received.findIndex((message) => message.type === 'job_status' && message.status === 'succeeded')).toBeGreaterThan(last)
  expect(attempt?.usage.outBytes).toBe(3_000_002)
})

test('a cancelled attempt is stopped, and what it did is not stored', async () => {
  const { market, start } = await setup()
  await start()
  const job = market.submit({ command: ['fake:write', 'a', 'b', ';', 'fake:hang'] })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  market.act({ kind: 'cancel', job })
  await market.until(() => market.market.job(job)?.state === 'cancelled')
  expect(market.statusesOf(market.attemptOf(job)?.id).at(-1)).toMatchObject({ status: 'stopped', cause: 'buyer_cancelled', files: [] })
  expect(market.blobs.size).toBe(0)
})

test('a connection that breaks is opened again, and what runs goes on', async () => {
  const { market, start } = await setup()
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:print', 'before', ';', 'fake:sleep', '600', ';', 'fake:print', 'after'], outputs: [] })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  market.cut()
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(agent.state().session).toBe(1)
  expect(market.logOf(market.attemptOf(job)?.id)).toBe('beforeafter')
})

test('a market that has forgotten the link hears again what it had not confirmed; the chain of ticks holds, and new work arrives', async () => {
  const { market, start } = await setup({ settings: { tickMs: 100, sealMs: 50, heartbeatMs: 300 } })
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:sleep', '300', ';', 'fake:print', 'said to nobody', ';', 'fake:sleep', '700'], outputs: [] })
  await market.until(() => market.received.filter((message) => message.type === 'tick').length >= 2)
  market.deaf.is = true
  await expect.poll(() => agent.state().unconfirmed).toBeGreaterThan(4)
  market.forgetLinks()
  market.deaf.is = false
  market.cut()
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(market.logOf(market.attemptOf(job)?.id)).toBe('said to nobody')
  const ticks = market.market.log.flatMap((change) => (change.kind === 'tick' ? [change.row] : []))
  expect(ticks.length).toBeGreaterThan(4)
  expect(ticks.map((tick) => tick.seq)).toEqual(ticks.map((_, index) => index + 1))
  expect(ticks.at(-1)).toMatchObject({ final: true })
  // Every tick is under some seal, each of them signed.
  await market.until(() => ticks.every((tick) => market.seals.some((seal) => seal.leaves.some((leaf) => leaf.hash === tick.hash))))
  const next = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  await market.until(() => market.market.job(next)?.state === 'completed')
})

test('one checkpoint after the other is taken: the first does not leave it unable to stand still', async () => {
  const { market, start } = await setup({ settings: { tickMs: 100 } })
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:write', 'state.txt', 'x', ';', 'fake:hang'], outputs: [], checkpoint: { paths: ['state.txt'], everyMs: 1_000 } })
  await market.until(() => market.received.filter((message) => message.type === 'checkpoint').length >= 3)
  expect(market.attemptOf(job)?.state).toBe('running')
})

test('a pause is told to the market, and no work comes until it is over', async () => {
  const { market, start, driver } = await setup({ settings: { heartbeatMs: 200 } })
  const agent = await start()
  await agent.ready
  agent.pause(true)
  await market.until(() => market.received.some((message) => message.type === 'pause' && message.paused))
  await market.until(() => market.received.some((message) => message.type === 'availability_update' && message.status === 'paused' && typeof message.cpu_percent === 'number'))
  const job = market.submit({ command: ['fake:exit', '0'], outputs: [] })
  const heartbeats = () => market.received.filter((message) => message.type === 'availability_update').length
  const before = heartbeats()
  await market.until(() => heartbeats() > before + 1)
  expect(driver.starts).toBe(0)
  agent.pause(false)
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(agent.state().paused).toBe(false)
})

test('what may stand ready for jobs is a quarter of what is rented out, and never memory that a job has; nothing while the node takes no work', async () => {
  const told: number[] = [], { market, start, driver } = await setup({ capacity: { ...CAPACITY, memoryBytes: 8 * GIB } })
  const agent = await start({ drivers: [{ ...driver, keepReady: async (bytes) => { told.push(bytes) } }] })
  const last = (): number | undefined => told.at(-1)
  await expect.poll(last).toBe(2 * GIB)
  const job = market.submit({ command: ['fake:hang'], outputs: [], resources: { memoryBytes: 7 * GIB } })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  await expect.poll(last).toBe(GIB)
  market.act({ kind: 'cancel', job })
  await expect.poll(last).toBe(2 * GIB)
  agent.pause(true)
  await expect.poll(last).toBe(0)
  agent.pause(false)
  await expect.poll(last).toBe(2 * GIB)
})

test('stopping gives back what runs and tells the market, then leaves nothing behind', async () => {
  const { market, start, driver } = await setup()
  const agent = await start()
  await agent.ready
  const job = market.submit({ command: ['fake:hang'] })
  await market.until(() => market.attemptOf(job)?.state === 'running')
  const { id } = market.attemptOf(job) ?? {}
  await agent.stop()
  expect(await agent.ended).toBe(null)
  expect(market.statusesOf(id).at(-1)).toMatchObject({ status: 'stopped', cause: 'seller_reclaimed' })
  expect(market.received.at(-1)).toMatchObject({ type: 'bye' })
  expect(driver.live).toBe(0)
})

test('a second agent in one directory is refused with one sentence, and the first goes on', async () => {
  const { start, dataDir } = await setup()
  const agent = await start()
  await agent.ready
  await expect(start()).rejects.toThrow(`Another agent is running in ${dataDir}; stop it, or give this one its own --data directory.`)
  expect(agent.state().connected).toBe(true)
})

test('a directory that never joined asks for a join token, and a wrong one is told', async () => {
  const { market, dataDir, driver } = await setup()
  const config = { server: market.url, dataDir, name: 'north', capacity: CAPACITY, drivers: [driver] }
  await expect(startAgent(config)).rejects.toThrow('has not joined a market yet; give a join token')
  await expect(startAgent({ ...config, token: 'wrong '.repeat(5) })).rejects.toThrow('The market did not take this node: The join token is wrong, used or expired. Make a new one.')
})

test('a node joins once: the next start is the same node in a new session', async () => {
  const { market, start } = await setup()
  const first = await start()
  await first.ready
  await first.stop()
  const second = await start()
  await second.ready
  expect(second.nodeId).toBe(first.nodeId)
  expect(second.state().session).toBe(2)
  expect(market.requests.filter((request) => request === 'POST /v1/nodes')).toHaveLength(1)
})

test('leftovers of an earlier life are ended and wiped', async () => {
  const { start, dataDir, driver } = await setup()
  const first = await start()
  await first.ready
  await first.stop()
  await driver.start({ attemptId: 'x', runtime: 'native', command: ['fake:hang'], env: {}, workDir: dataDir, limits: { cpuMillis: 1, memoryBytes: 1, pids: 1, diskBytes: 1, outputBytes: 1, wallMs: 60_000, openFiles: 1 } })
  await writeFile(join(dataDir, 'work', 'att_old'), 'x')
  const second = await start()
  await second.ready
  expect(driver.live).toBe(0)
  expect(await readdir(join(dataDir, 'work'))).toEqual([])
})

test.each(['stale_session', 'node_retired', 'protocol_version', 'agent_too_old', 'bad_signature'] as const)('refused with %s, the agent ends with one sentence', async (code) => {
  const { market, start } = await setup()
  market.refuseWith.code = code
  const agent = await start()
  const says = await agent.ended
  expect(says).toMatch(/^The market refuses this agent: .+\. .+\.$/)
  await expect(agent.ready).rejects.toThrow(says as string)
})

test('refused with node_in_use, it asks again until the other one has gone', async () => {
  const { market, start } = await setup()
  market.refuseWith.code = 'node_in_use'
  const agent = await start()
  const [first] = await once(agent.events, 'changed').then(() => [market.refuseWith.code])
  expect(first).toBe('node_in_use')
  market.refuseWith.code = null
  await agent.ready
})

test('a result that the market never confirmed survives a crash and is told by the next start', async () => {
  const { market, start, dataDir } = await setup()
  const agent = await start()
  await agent.ready
  // The market hears nothing more, as when its commit hangs.
  const job = market.submit({ command: ['fake:sleep', '50'], outputs: [] })
  const attempt = await market.until(() => (market.attemptOf(job)?.state === 'running' ? market.attemptOf(job) : null))
  const ended = once(agent.events, 'ended')
  market.deaf.is = true
  await ended
  await expect.poll(async () => (await readFile(join(dataDir, 'journal'), 'utf8')).includes('"type":"result"')).toBe(true)
  // A copy of the directory as it lies there is what a crash would leave.
  const copy = `${dataDir}-crashed`
  onTestFinished(() => rm(copy, { recursive: true }))
  await cp(dataDir, copy, { recursive: true })
  market.cut()
  await agent.stop()
  market.deaf.is = false
  const statuses = market.statusesOf(attempt.id).length
  const again = await start({ dataDir: copy })
  await again.ready
  await market.until(() => market.market.job(job)?.state === 'completed')
  expect(again.state().session).toBe(2)
  expect(market.statusesOf(attempt.id).slice(statuses)).toMatchObject([{ status: 'succeeded', cause: 'succeeded' }])
  await expect.poll(() => again.state().attempts).toEqual([])
})
