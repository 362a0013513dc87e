// The command line against a real market: server, agent, database; only the isolation driver is one that needs no sandbox.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLog, seedDemo, startServer } from '@lumaris/server'
import type { Demo, RunningServer } from '@lumaris/server'
import { startAgent } from '@lumaris/agent'
import { createClient, newJobId } from '@lumaris/sdk'
import { GIB } from '@lumaris/protocol'
import type { Job, Receipt, Results } from '@lumaris/protocol'
import { createFakeDriver } from '@lumaris/testkit'
import { saveResults } from './outputs.ts'
import { aFolder, aShell } from './test-cli.ts'
import { createProgress } from './ui/progress.ts'
import { createColours } from './ui/colours.ts'

let market: { server: RunningServer; demo: Demo; stop(): Promise<void> }
beforeAll(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-market-'))
  const server = await startServer({ dataDir: join(dataDir, 'server'), host: '127.0.0.1', port: 0, log: createLog('fatal', 'server') })
  const demo = await seedDemo(server.app)
  const { token } = await createClient({ url: server.url, token: demo.sellers[0]?.key }).api.createEnrolment({ body: { name: 'ada-1' } })
  const agent = await startAgent({ server: server.url, dataDir: join(dataDir, 'agent'), token, name: 'ada-1', prices: { cpuHour: '3600000' }, capacity: { cpuMillis: 64_000, memoryBytes: 64 * GIB, diskBytes: 64 * GIB, gpus: 0 }, drivers: [createFakeDriver()] })
  await agent.ready
  market = { server, demo, stop: async () => { await agent.stop(); await server.stop(); rmSync(dataDir, { recursive: true, force: true }) } }
})
afterAll(() => market.stop())
const shell = (key = market.demo.buyer.key) => aShell({ LUMARIS_URL: market.server.url, LUMARIS_TOKEN: key })
const ids = (text: string): string[] => [...text.matchAll(/job_[0-9a-z]{26}/g)].map(([id]) => id)

test('a program runs as if it were here: its streams, its exit code, nothing between', async () => {
  const ran = await shell().cli(['run', '-q', '--', 'fake:print', 'to out', ';', 'fake:warn', 'to err', ';', 'fake:exit', '7'])
  expect(ran).toEqual({ code: 7, stdout: 'to out', stderr: 'to err' })
})
test('progress and the cost go to stderr, and stdout has the output alone', async () => {
  const { code, stdout, stderr } = await shell().cli(['run', '--', 'echo', 'hello'])
  expect([code, stdout]).toEqual([0, 'hello\n'])
  expect(stderr).toMatch(/^About [\d.]+, at most [\d.]+ credits; 1 of 1 node free$/m)
  expect(stderr).toMatch(/^job_[0-9a-z]{26} completed in .+; cost [\d.]+ credits, [\d.]+ of the cap of [\d.]+ came back$/m)
  expect(stderr).not.toContain('\u001b')
})
test('done by then for at most so much: the chance is shown before the start, and the job is firm when it must be', async () => {
  const asked = await shell().cli(['quote', '--by', '3h', '--for', '20', '--expect', '1h', '--checkpoint', 'state', '--', 'true'])
  expect(asked.stdout).toMatch(/^in time\t(above|about) \d+ %, as believed now$/m)
  expect(asked.stdout).toMatch(/^at most\t20\.00 credits$/m)
  expect(asked.stdout).toMatch(/^firm from\t(\d{4}-\d\d-\d\d )?\d\d:\d\d at the latest/m)
  const ran = await shell().cli(['run', '--by', '30s', '--for', '5', '--expect', '20s', '--', 'fake:print', 'done'])
  expect([ran.code, ran.stdout]).toEqual([0, 'done'])
  expect(ran.stderr).toMatch(/^About [\d.]+, at most 5\.00 credits; 1 of 1 node free; in time with a chance of (above|about) \d+ %, firm from .* at the latest$/m)
  const [job] = ids(ran.stderr)
  expect((await shell().cli(['explain', job ?? ''])).stdout).toMatch(/^It ended: completed/)
  expect(await shell().cli(['run', '--by', '18:00', '--', 'true'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--expect') })
  expect(await shell().cli(['quote', '--by', '3h', '--for', '0.5', '--expect', '1h', '--', 'true'])).toMatchObject({ code: 1, stderr: expect.stringContaining('needed: 5.40 credits') })
})
test('inputs go along, results come home, and inputs that came back unchanged are left alone', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'data.csv'), 'a,b\n1,2\n')
  const ran = await cli(['run', '--file', 'data.csv', '--', 'fake:cat', 'data.csv', ';', 'fake:write', 'sub/result.json', '{}'])
  expect([ran.code, ran.stdout]).toEqual([0, 'a,b\n1,2\n'])
  expect(readFileSync(join(cwd, 'sub/result.json'), 'utf8')).toBe('{}')
  expect(ran.stderr).toContain('saved sub/result.json')
  expect(readdirSync(cwd).toSorted()).toEqual(['data.csv', 'sub'])
})
test('a file that the command names goes along without being asked for', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'script'), 'mine')
  expect((await cli(['run', '-q', '--', 'fake:cat', 'script'])).stdout).toBe('mine')
})
test('what is here is not replaced silently, and --overwrite or --output are ways on', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'out'), 'mine')
  const args = ['--no-auto', '--', 'fake:write', 'out', 'theirs']
  const first = await cli(['run', ...args])
  expect(first.code).toBe(6)
  expect(first.stderr).toContain('not saved out: there is one already')
  expect(readFileSync(join(cwd, 'out'), 'utf8')).toBe('mine')
  expect((await cli(['run', '--output', 'new', ...args])).code).toBe(0)
  expect(readFileSync(join(cwd, 'new/out'), 'utf8')).toBe('theirs')
  expect((await cli(['results', ids(first.stderr).at(-1) ?? '', '--overwrite'])).stdout).toBe('out\n')
  expect(readFileSync(join(cwd, 'out'), 'utf8')).toBe('theirs')
})
test('jobs run again as they were: a new id for each, the same request and cap; what is refused is told, and the others run', async () => {
  const { cli } = shell(), client = createClient({ url: market.server.url, token: market.demo.buyer.key })
  const { job } = await client.run({ name: 'again', command: ['fake:print', 'hello'] })
  const large = await client.submit({ name: 'large', command: ['fake:print', 'x'], resources: { cpuMillis: 900_000 } }, { cap: 1_000n })
  const ran = await cli(['rerun', job.id, `job_${'0'.repeat(26)}`, large.id, job.id])
  const [first = '', second = ''] = ran.stdout.trim().split('\n')
  expect([ran.code, ran.stdout.trim().split('\n').length]).toEqual([3, 2])
  expect(ran.stderr).toContain(`job_${'0'.repeat(26)} does not run again`)
  expect(ran.stderr).toContain('2 of 3 run again; at most')
  const again = (await client.wait(first)).job
  expect([again.state, again.cap, again.spec]).toEqual(['completed', job.cap, job.spec])
  expect((await client.job(second)).cap).toBe('1000')
  // The same id is the same job, however often it is asked for.
  const id = newJobId()
  expect(new Set((await Promise.all([client.rerun(large.id, { id }), client.rerun(large.id, { id })])).map((one) => one.id))).toEqual(new Set([id]))
  const json = await cli(['rerun', '--json', '--cap', '999999999', job.id])
  expect(JSON.parse(json.stdout)).toMatchObject({ job: job.id, refused: { code: 'insufficient_funds' } })
  expect(json.code).toBe(7)
  await Promise.all([large.id, second, id].map((one) => client.cancel(one)))
})
test('a filter is kept under a name, and lists what it lets through', async () => {
  const { cli } = shell(), client = createClient({ url: market.server.url, token: market.demo.buyer.key })
  const needle = (await client.run({ name: 'A needle', command: ['fake:exit', '3'] })).job, other = (await client.run({ name: 'A needle too', command: ['fake:print', 'x'] })).job
  expect((await cli(['filter', 'save', 'needles', '--search', 'NEEDLE', '--state', 'failed'])).code).toBe(0)
  expect((await cli(['filter', 'list', '-q'])).stdout).toBe('needles\n')
  expect((await cli(['jobs', '--filter', 'needles', '-q'])).stdout).toBe(`${needle.id}\n`)
  expect((await cli(['jobs', '--search', 'needle', '-q'])).stdout).toBe(`${other.id}\n${needle.id}\n`)
  expect((await cli(['jobs', '--search', 'needle', '-n', '1', '-q'])).stdout).toBe(`${other.id}\n`)
  expect(await cli(['jobs', '--filter', 'none'])).toMatchObject({ code: 3, stderr: expect.stringContaining('There is no filter none') })
  expect((await cli(['jobs', '--csv', '--filter', 'needles'])).code).toBe(2)
  expect((await cli(['filter', 'remove', 'needles'])).code).toBe(0)
  expect((await cli(['filter', 'list'])).stderr).toContain('No filters.')
})
test('results as one zip: safe names, nothing replaced silently, nothing left behind by what is refused', async () => {
  const { cli, cwd } = shell(), target = join(cwd, 'all.zip')
  const ran = await cli(['run', '--no-download', '--no-auto', '--', 'fake:write', 'con.txt', 'one', ';', 'fake:write', 'sub/a:b', 'two', ';', 'fake:write', '.hidden', 'nobody asked'])
  const [id = ''] = ids(ran.stderr).slice(-1)
  expect(await cli(['results', id, '--zip', 'all.zip'])).toMatchObject({ code: 0, stdout: 'all.zip\n' })
  // Stored as they are, so that the bytes can be seen.
  const bytes = readFileSync(target, 'latin1')
  expect(['_con.txtone', 'sub/a_btwo', '.hidden', 'nobody asked'].map((text) => bytes.includes(text))).toEqual([true, true, false, false])
  writeFileSync(target, 'mine')
  expect(await cli(['results', id, '--zip', 'all.zip'])).toMatchObject({ code: 6, stderr: expect.stringContaining('Add --overwrite') })
  expect(readFileSync(target, 'utf8')).toBe('mine')
  expect((await cli(['results', id, '--zip', 'all.zip', '--overwrite'])).code).toBe(0)
  expect((await cli(['results', id, '--zip', '-'])).stdout.length).toBe((await cli(['results', id, '--zip', '-', '-q'])).stdout.length)
  expect(readFileSync(target, 'latin1')).toBe(bytes)
  expect((await cli(['results', `job_${'0'.repeat(26)}`, '--zip', 'none.zip'])).code).not.toBe(0)
  expect(readdirSync(cwd)).toEqual(['all.zip'])
})
test('a file that went along and came back changed is an input, and stays', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'data'), 'mine')
  const ran = await cli(['run', '--file', 'data', '--', 'fake:write', 'data', 'theirs'])
  expect(ran.code).toBe(6)
  expect(ran.stderr).toContain('not saved data: it would replace an input')
  expect(readFileSync(join(cwd, 'data'), 'utf8')).toBe('mine')
})
test('a task for each argument, each with its own files', async () => {
  const { cli, cwd } = shell()
  expect((await cli(['run', '--each', 'one', '--each', 'two', '--', 'fake:write', 'out'])).code).toBe(0)
  expect([readFileSync(join(cwd, 'task-0/out'), 'utf8'), readFileSync(join(cwd, 'task-1/out'), 'utf8')]).toEqual(['one', 'two'])
})
test('as JSON: a line per event and piece of output, and the job at the end', async () => {
  const { stdout, code } = await shell().cli(['run', '--json', '--', 'fake:print', 'x'])
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as { type: string; stream?: string; data?: string; job?: Job })
  expect(code).toBe(0)
  expect(lines.find((line) => line.type === 'log')).toMatchObject({ stream: 'stdout', data: 'eA==' })
  expect(lines.at(-1)).toMatchObject({ type: 'end', job: { state: 'completed', exitCode: 0 } })
})
test('Ctrl-C cancels where nobody can be asked', async () => {
  const ran = await shell().cli(['run', '--', 'fake:print', 'on', ';', 'fake:hang'], { onWrite: (text, keys) => { if (text === 'on') keys.interrupt() } })
  expect(ran.code).toBe(130)
  expect(ran.stderr).toMatch(/job_\w+ cancelled/)
})
test('Ctrl-C asks on a terminal: detached, the job goes on', async () => {
  const { cli } = shell()
  const ran = await cli(['run', '--', 'fake:print', 'on', ';', 'fake:hang'], { tty: true, onWrite: (text, keys) => { if (text === 'on') keys.interrupt(); else if (text.includes('[d]etach')) keys.type('d\n') } })
  const [id = ''] = ids(ran.stderr)
  expect(ran.code).toBe(0)
  expect(ran.stderr).toContain(`lumaris logs -f ${id}`)
  expect((await cli(['job', id, '--json'])).stdout).toContain('"state": "running"')
  expect(JSON.parse((await cli(['cancel', id, '--wait', '--json'])).stdout)).toMatchObject({ state: 'cancelled' })
})
test('a job is held back and let go on', async () => {
  const { cli } = shell()
  const id = (await cli(['submit', '--id-only', '--', 'fake:hang'])).stdout.trim()
  expect((await cli(['pause', id])).stdout).toMatch(/state\s+\w+, paused/)
  expect((await cli(['explain', id])).stdout).toMatch(/It is paused|It runs/)
  expect(JSON.parse((await cli(['resume', id, '--json'])).stdout)).not.toHaveProperty('paused')
  await cli(['cancel', id, '--wait'])
  expect((await cli(['pause', id])).code).not.toBe(0)
})
test('Ctrl-C a second time exits at once', async () => {
  const { cli } = shell()
  const ran = await cli(['run', '--', 'fake:print', 'on', ';', 'fake:hang'], { tty: true, onWrite: (text, keys) => { if (text === 'on' || text.includes('[d]etach')) keys.interrupt() } })
  expect(ran.code).toBe(130)
  expect(ran.stderr.split('[d]etach')).toHaveLength(2)
  await cli(['cancel', ids(ran.stderr)[0] ?? '', '--wait'])
})
test('a job that no node could ever run fails now, with what was in the way', async () => {
  const { code, stderr } = await shell().cli(['run', '--gpus', '8', '--', 'echo', 'x'])
  expect(code).toBe(1)
  expect(stderr).toContain('error: No node can ever run this as it is')
  expect(stderr).toMatch(/^hint: .*\nrequest: \S+$/m)
  expect((await shell().cli(['run', '--encrypted-scratch', '--', 'echo', 'x'])).stderr).toContain('error: No node can ever run this as it is')
  expect((await shell().cli(['run', '--egress', 'data.example', '--', 'echo', 'x'])).stderr).toContain('error: No node can ever run this as it is')
})
test('with --queue it waits for a node that can', async () => {
  const { code, stderr } = await shell().cli(['run', '--queue', '--cap', '1', '--gpus', '8', '--', 'echo', 'x'], { onWrite: (text, keys) => { if (text.includes('Looking for a node')) keys.interrupt() } })
  expect(code).toBe(130)
  expect(stderr).toMatch(/job_\w+ cancelled/)
})
test('an error bound is bought with one option: the quote says what it will probably cost and at most, the job what was bought', async () => {
  const { cli } = shell(), quoted = async (...more: string[]) => JSON.parse((await cli(['quote', '--json', ...more, '--', 'echo', 'x'])).stdout) as { p50: string; cap: string }
  const [plain, assured] = [await quoted(), await quoted('--assurance', '1e-2')]
  expect([BigInt(assured.p50), BigInt(assured.cap)]).toEqual([3n * BigInt(plain.p50), 6n * BigInt(plain.cap)])
  const id = (await cli(['submit', '--id-only', '--assurance', '1e-4', '--', 'echo', 'x'])).stdout.trim()
  expect((await cli(['job', id])).stdout).toMatch(/wrong results, at most\s+1e-4 of those accepted/)
  expect((await cli(['cancel', id])).code).toBe(0)
  const both = await cli(['quote', '--assurance', '1e-2', '--copies', '2', '--', 'echo', 'x'])
  expect([both.code === 0, both.stderr]).toEqual([false, expect.stringMatching(/--assurance.*--copies/)])
  expect((await cli(['quote', '--assurance', '1e-3', '--', 'echo', 'x'])).stderr).toContain('1e-2, 1e-4, 1e-6')
})
test('how copies are compared is said with one option, and shown with the job', async () => {
  const { cli } = shell()
  const id = (await cli(['submit', '--id-only', '--copies', '5', '--compare', 'numbers:1e-6:1e-12', '--', 'echo', 'x'])).stdout.trim()
  expect((await cli(['job', id])).stdout).toMatch(/compared by\s+numbers, numbers within 0\.000001 of the larger one and 1e-12/)
  expect((await cli(['cancel', id])).code).toBe(0)
  for (const wrong of ['xml', 'json:2', 'json:-1', 'numbers:x', 'numbers:1e-6:1:1', 'bytes:1', 'image:256', 'image:1:2:3', 'command']) expect((await cli(['quote', '--copies', '2', '--compare', wrong, '--', 'echo', 'x'])).stderr).toContain('is no way to compare')
  expect((await cli(['quote', '--compare', 'json', '--', 'echo', 'x'])).stderr).toContain('ask for copies or assurance')
})
test('a program that compares is said in words, goes along with its files, and is shown with the job', async () => {
  const { cli, cwd } = shell()
  writeFileSync(join(cwd, 'same.py'), 'x = 1')
  const of = async (args: readonly string[]): Promise<string> => (await cli(['submit', '--id-only', ...args, '--', 'echo', 'x'])).stdout.trim()
  const same = await of(['--copies', '5', '--referee', "python3 same.py 'a b'", '--referee-time', '5s']), right = await of(['--assurance', '1e-2', '--verify', './check'])
  const compareOf = async (id: string) => (JSON.parse((await cli(['job', id, '--json'])).stdout) as Job).spec.compare
  expect(await compareOf(same)).toMatchObject({ kind: 'command', command: ['python3', 'same.py', 'a b'], says: 'same', runMs: 5000, inputs: [{ path: 'same.py', size: 5 }] })
  expect(await compareOf(right)).toMatchObject({ kind: 'command', command: ['./check'], says: 'right', runMs: 60_000, inputs: [] })
  expect((await cli(['job', right])).stdout).toMatch(/compared by\s+\.\/check, which says whether a result is right/)
  for (const id of [same, right]) expect((await cli(['cancel', id])).code).toBe(0)
  for (const [args, says] of [[['--referee', 'a', '--verify', 'b'], 'cannot be used with'], [['--referee', 'a', '--compare', 'json'], 'cannot be used with'], [['--referee-time', '5s'], '--referee or --verify'], [['--referee', 'a; b'], 'shell'], [['--copies', '2', '--verify', 'a'], 'name an assurance']] as const) expect((await cli(['quote', ...args, '--', 'echo', 'x'])).stderr).toContain(says)
})
test('not enough credits has its own exit code', async () => expect((await shell().cli(['submit', '--cap', '1000000', '--', 'echo', 'x'])).code).toBe(7))

test('a job is submitted, listed, shown, explained, and its receipt verified', async () => {
  const { cli, cwd } = shell()
  const id = (await cli(['submit', '--wait', '--id-only', '--name', 'mine', '--', 'fake:print', 'kept'])).stdout.trim()
  expect((await cli(['jobs', '-q', '-n', '1'])).stdout.trim()).toBe(id)
  expect((await cli(['jobs', '-n', '1'])).stdout).toMatch(new RegExp(`^${id}\tcompleted\tmine\t1/1\t`))
  expect((await cli(['jobs', '-n', '2', '--json=lines'])).stdout.trim().split('\n').map((line) => (JSON.parse(line) as Job).state)).toHaveLength(2)
  expect((await cli(['logs', id])).stdout).toBe('kept')
  expect((await cli(['logs', '-f', id])).stdout).toBe('kept')
  expect((await cli(['explain', id])).stdout).toContain('ada-1')
  const shown = await cli(['job', id], { tty: true, columns: 200 })
  expect(shown.stdout).toContain('ATTEMPT')
  expect(await cli(['results', id, '--list'])).toEqual({ code: 0, stdout: '', stderr: 'The job has left no files.\n' })

  const { attempts } = JSON.parse((await cli(['job', id, '--json'])).stdout) as { attempts: { id: string }[] }
  let receipt = ''
  await expect.poll(async () => { receipt = (await cli(['receipt', 'show', attempts[0]?.id ?? '', '--json'])).stdout; return (JSON.parse(receipt) as Receipt).ticks.at(-1)?.seal }, { timeout: 60_000 }).toBeDefined()
  writeFileSync(join(cwd, 'receipt.json'), receipt)
  const verified = await cli(['receipt', 'verify', '-'], { stdin: receipt })
  expect([verified.code, verified.stdout.split('\n').at(-2)]).toEqual([0, 'The receipt is right.'])
  const forged = await cli(['receipt', 'verify', '-'], { stdin: receipt.replace('"cpuHour": "3600000"', '"cpuHour": "7200000"') })
  expect(forged.code).toBe(1)
  expect(forged.stdout).toContain('FAILED  The terms are not those the metering began with')
})
test('the wallet shows what was spent, and a top-up with the same key happens once', async () => {
  const { cli } = shell()
  const available = async (): Promise<bigint> => BigInt((JSON.parse((await cli(['wallet', '--json'])).stdout) as { available: string }).available)
  const before = await available()
  for (const _time of [1, 2]) expect((await cli(['topup', '2.5', '--key', `key-${before}`])).code).toBe(0)
  expect((await available()) - before).toBe(2_500_000n)
  expect((await cli(['wallet', '--history', '-n', '1'])).stdout).toMatch(/\ttopup\t2\.50\t/)
})
test('a seller shows, pauses, prices and resumes a node by its name', async () => {
  const { cli } = shell(market.demo.sellers[0]?.key)
  expect((await cli(['nodes'])).stdout).toMatch(/^nod_\w+\tada-1\tonline\t/)
  expect((await cli(['node', 'pause', 'ada-1'])).stdout).toContain('state\tpaused')
  expect((await cli(['node', 'resume', 'ada-1'])).stdout).toContain('state\tonline')
  const priced = JSON.parse((await cli(['node', 'price', 'ada-1', '--memory-gib-hour', '0.001', '--json'])).stdout) as { id: string; prices: Record<string, string> }
  expect(priced.prices).toMatchObject({ cpuHour: '3600000', memoryGibHour: '1000' })
  expect((await cli(['node', 'pause', 'nobody'])).code).toBe(3)
  expect((await cli(['node', 'list', '-q'])).stdout).toContain(priced.id)
  expect((await cli(['node', 'activity', 'ada-1'])).stdout).toMatch(/It joined/)
  const off = await cli(['node', 'remove', 'ada-1'])
  expect([off.code, off.stderr]).toEqual([2, expect.stringContaining('Give --yes')])
  const tested = await cli(['node', 'self-test', 'ada-1', '--no-wait'])
  expect([tested.code, tested.stderr]).toEqual([0, expect.stringContaining('when nothing runs there')])
  expect(await cli(['node', 'self-test', 'ada-1'])).toMatchObject({ code: 1, stderr: expect.stringContaining('a moment ago') })
})
test('signing in keeps a key of its own, and signing out revokes it', async () => {
  const { cli, home } = aShell({ LUMARIS_URL: market.server.url })
  expect((await cli(['whoami'])).code).toBe(4)
  const password = 'a long enough secret 42'
  expect((await cli(['login', '--register', '--email', 'ann@example.org', '--role', 'buyer', '--role', 'seller'], { stdin: `${password}\n` })).stderr).toBe('')
  expect((await cli(['whoami'])).stdout).toMatch(/^roles\tbuyer, seller$/m)
  expect((await cli(['login', '--email', 'ann@example.org'], { stdin: 'wrong\n' })).code).toBe(4)
  expect((await cli(['keys', 'list'])).stdout).toContain('lumaris on ')
  const file = join(home, '.config/lumaris/profile.json')
  expect(readFileSync(file, 'utf8')).not.toContain(password)
  expect((await cli(['logout'])).stderr).toContain('Signed out')
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ current: 'default', identities: {} })
  expect((await cli(['whoami'])).code).toBe(4)
})
test('a key is made for a purpose, works within it, and ends', async () => {
  const { cli } = shell()
  const made = await cli(['keys', 'create', 'ci', '--scope', 'jobs:read', '--json'])
  const { id, secret } = JSON.parse(made.stdout) as { id: string; secret: string }
  expect((await cli(['jobs', '-q'], { env: { LUMARIS_TOKEN: secret } })).code).toBe(0)
  expect((await cli(['wallet'], { env: { LUMARIS_TOKEN: secret } })).code).toBe(5)
  expect((await cli(['keys', 'revoke', id])).code).toBe(0)
  expect((await cli(['jobs'], { env: { LUMARIS_TOKEN: secret } })).code).toBe(4)
})
test('the doctor finds a healthy market healthy, and a missing one missing', async () => {
  const well = await shell().cli(['doctor'])
  expect([well.code, well.stdout.includes('FAILED')]).toEqual([0, false])
  const ill = await shell().cli(['doctor', '--url', 'http://127.0.0.1:1'])
  expect(ill.code).toBe(1)
  expect(ill.stdout).toContain('FAILED  server')
})
test('--verbose tells the requests, and never the key', async () => {
  const { stderr } = await shell().cli(['wallet', '--verbose'])
  expect(stderr).toMatch(/^GET http:\/\/127\.0\.0\.1:\d+\/v1\/wallet 200 \d+ ms$/m)
  expect(stderr).not.toContain(market.demo.buyer.key)
})

test('names from strangers lead nowhere: not out, not through links, not to hidden files', async () => {
  const client = createClient({ url: market.server.url, token: market.demo.buyer.key })
  const { blob, size } = await client.upload(Buffer.from('gotcha'))
  const home = aFolder(), folder = join(home, 'here')
  mkdirSync(folder)
  symlinkSync(home, join(folder, 'link'))
  symlinkSync(join(home, 'target'), join(folder, 'file-link'))
  const names = ['went-along', '../out', '/abs', 'a/../../out', 'link/in', 'file-link', '.bashrc', '.git/hooks/post-checkout', 'sub/.env', 'good', 'deep/er/good']
  const results = { job: 'job_x', tasks: [{ task: 0, attempt: 'att_x', exitCode: 0, files: names.map((path) => ({ path, blob, size })) }] } as unknown as Results
  const saved = await saveResults(client, results, { directory: folder, overwrite: true, patterns: ['**', 'sub/.env'], inputs: [{ path: 'went-along', blob }], progress: createProgress(process.stderr, { colours: createColours(false), quiet: true }) })
  expect(saved.saved).toEqual(['sub/.env', 'good', 'deep/er/good'])
  expect(saved.left.map((one) => one.path)).toEqual(['../out', '/abs', 'a/../../out', 'link/in', 'file-link', '.bashrc', '.git/hooks/post-checkout'])
  expect(readdirSync(home)).toEqual(['here'])
  expect(existsSync(join(folder, '.git'))).toBe(false)
})
test('wait-for answers at once when there is room, waits until a node has it, and can be left standing, listed and taken back', async () => {
  expect((await shell().cli(['wait-for', '--cpus', '2', '--json'])).stdout).toContain('"state": "met"')
  const node = [...market.server.app.engine.state.nodes.values()][0]!
  const seller = shell(market.demo.sellers[0]?.key)
  await seller.cli(['node', 'pause', 'ada-1'])
  const waiting = shell().cli(['wait-for', '--cpus', '3', '--json'], { onWrite: (text) => { if (text.includes('Waiting for room')) void seller.cli(['node', 'resume', 'ada-1']) } })
  const met = await waiting
  expect([met.code, JSON.parse(met.stdout)]).toEqual([0, expect.objectContaining({ state: 'met', found: 1 })])
  expect(node.id).toMatch(/^nod_/)
  const left = JSON.parse((await shell().cli(['wait-for', '--gpus', '8', '--detach', '--json'])).stdout) as { id: string; state: string }
  expect(left.state).toBe('open')
  expect((await shell().cli(['wait-for', '--list'])).stdout).toContain(`${left.id}\topen`)
  expect((await shell().cli(['wait-for', '--drop', left.id])).code).toBe(0)
  expect((await shell().cli(['wait-for', '--list'])).stdout).toContain(`${left.id}\tdropped`)
})
test('a seller asks why a node was not chosen, an operator sees the table of the market', async () => {
  await shell().cli(['run', '-q', '--', 'fake:exit', '0'])
  const why = await shell(market.demo.sellers[0]?.key).cli(['node', 'explain', 'ada-1'])
  expect([why.code, why.stdout]).toEqual([0, expect.stringMatching(/^It was chosen in all of the last \d+ placements\.\n$/)])
  const table = await shell(market.demo.admin.key).cli(['market', 'table'])
  expect([table.code, table.stdout]).toEqual([0, expect.stringMatching(/^Nodes\nada-1\tonline[^]*Waiting\nNobody waits\.[^]*Last decisions\n[^]*ada-1/)])
  expect((await shell().cli(['market', 'table'])).code).not.toBe(0)
})
test('a seller says who he is to a tax office, keeps the statement with it, and sees what may come or why nothing can be said', async () => {
  const seller = shell(market.demo.sellers[0]?.key), all = ['payout', 'tax', '--name', 'Ada Sell', '--address', 'Long Street 1', '--country', 'de']
  expect((await seller.cli(all)).code).toBe(2) // neither a number nor none
  expect((await seller.cli([...all, '--number', 'none'])).stderr).toContain('/taxNumber')
  expect((await seller.cli([...all, '--not-in-business'])).stdout).toMatch(/^name\tAda Sell\naddress\tLong Street 1\ncountry\tGermany\nbusiness\tnot in business, no tax number$/m)
  expect((await seller.cli(['payout', 'tax', '--number', 'DE 123 456'])).stdout).toContain('tax number DE 123 456')
  expect((await seller.cli(['payout', 'statement', '--html'])).stdout).toMatch(/^<!doctype html>[^]*<address>Ada Sell\nLong Street 1\nGermany<\/address><p>Tax number DE 123 456\. /)
  expect((await seller.cli(['payout', 'tax', '--forget'])).stdout).toContain('none: statements show the name of the account')
  expect((await seller.cli(['payout', 'forecast'])).stdout).toMatch(/^The next 24 hours, in credits after the fee\nada-1\t[^]*too little work yet/)
})
test('a seller sees what has cleared, is told why it cannot be paid out yet, and operators mend mistakes with two hands', async () => {
  const seller = shell(market.demo.sellers[0]?.key), ann = shell(market.demo.admin.key)
  expect((await seller.cli(['payout', 'show'])).stdout).toMatch(/^in dispute window\t[^]*^least paid out\t1\.00 credits$/m)
  const short = await seller.cli(['payout', 'request', '5', '--to', 'my account'])
  expect([short.code, short.stderr]).toEqual([7, expect.stringContaining('Not so much has cleared')])
  expect((await seller.cli(['payout', 'request', '5'])).code).toBe(2)
  expect((await seller.cli(['payout', 'list'])).stderr).toContain('No payouts.')
  const bea = await market.server.app.identity.register({ email: 'bea@test', password: 'a long password of bea', name: 'bea', roles: ['admin'] })
  if ('refusal' in bea) throw new Error(bea.refusal)
  const key = await market.server.app.identity.createKey({ kind: 'user', userId: bea.id, roles: ['admin'], scopes: 'all' }, { label: 'test', scopes: ['admin'] })
  if ('refusal' in key) throw new Error(key.refusal)
  await shell().cli(['topup', '3', '--key', 'twice'])
  const proposed = await ann.cli(['admin', 'reverse', `topup:${market.demo.buyer.id}:twice`, '--reason', 'charged twice', '--json'])
  const { id } = JSON.parse(proposed.stdout) as { id: string }
  const alone = await ann.cli(['admin', 'approve', id, '--reason', 'me again'])
  expect([alone.code, alone.stderr]).toEqual([6, expect.stringContaining('another admin')])
  expect((await shell(key.secret).cli(['admin', 'approve', id, '--reason', 'so it is'])).stdout).toMatch(/^state\tdone$/m)
  expect((await ann.cli(['admin', 'overview', '--json'])).stdout).toContain('"incidents"')
  expect((await ann.cli(['admin', 'background'])).stdout).toMatch(/Decides and commits\s+ok/)
  const sessions = JSON.parse((await ann.cli(['admin', 'sessions', market.demo.buyer.id, '--json'])).stdout) as { data: unknown[] }
  expect(sessions.data).toEqual([])
  expect((await ann.cli(['ledger', 'accounts', 'buyer:available'])).stdout).toContain(`buyer:${market.demo.buyer.id}:available`)
  expect((await ann.cli(['admin', 'reversals'])).stdout).toMatch(new RegExp(`^${id}\tdone\t`))
  expect((await ann.cli(['admin', 'log', '--subject', id])).stdout.split('\n').map((line) => line.split('\t').slice(1, 3).join(' '))).toEqual(['bea reversal.approve', 'operator reversal.propose', ''])
  expect((await ann.cli(['admin', 'users', 'bea'])).stdout).toMatch(new RegExp(`^${bea.id}\tbea\tbea@test\tadmin\t`))
  expect((await ann.cli(['admin', 'suspend', bea.id, '--reason', 'on holiday'])).stdout).toMatch(/^state\tsuspended$/m)
  expect((await shell(key.secret).cli(['admin', 'users'])).code).toBe(4)
  const booked = await ann.cli(['admin', 'deposit', market.demo.buyer.id, '2.5', '--reference', 'RF18', '--reason', 'as the bank says']), again = await ann.cli(['admin', 'deposit', market.demo.buyer.id, '3', '--reference', 'RF18', '--reason', 'as the bank says'])
  expect([booked.code, again.code, again.stderr]).toEqual([0, 6, expect.stringContaining('deposit:RF18')])
  const opened = JSON.parse((await ann.cli(['admin', 'incident', 'open', 'Jobs wait', '--severity', 'major', '--text', 'A switch is broken.', '--json'])).stdout) as { id: string }
  expect((await shell().cli(['admin', 'incident', 'list'])).stdout).toMatch(new RegExp(`^${opened.id}\topen\tmajor\t`))
  expect((await ann.cli(['admin', 'incident', 'resolve', opened.id, '--text', 'A new one.'])).stdout).toMatch(/^state\tresolved$/m)
  const paused = await ann.cli(['admin', 'pause', '--region', 'eu', '--gpus', '--says', 'A flaw is looked at.', '--reason', 'a report', '--json'])
  const { id: pause } = JSON.parse(paused.stdout) as { id: string }
  expect((await ann.cli(['admin', 'pauses'])).stdout).toMatch(new RegExp(`^${pause}\twork with GPUs in region eu\t.*\tA flaw is looked at.\ta report`))
  expect((await ann.cli(['admin', 'resume', pause, '--reason', 'it is mended'])).stdout).toMatch(new RegExp(`^pause\t${pause}$`, 'm'))
  expect((await ann.cli(['admin', 'resume', pause, '--reason', 'it is mended'])).code).toBe(3)
  expect((await shell().cli(['admin', 'users'])).code).toBe(5)
})

test.skipIf(process.platform !== 'linux')('`agent join` becomes the agent: no second process of ours waits on the seller’s machine', async () => {
  const data = mkdtempSync(join(tmpdir(), 'lumaris-joined-')), bin = fileURLToPath(new URL('../bin/lumaris.mjs', import.meta.url))
  const { token } = await createClient({ url: market.server.url, token: market.demo.sellers[0]?.key }).api.createEnrolment({ body: { name: 'joined' } })
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', bin, 'agent', 'join', '--token-stdin', '--data', join(data, 'agent'), '--driver', 'deno', '--no-gui'], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, LUMARIS_URL: market.server.url, HOME: data } })
  try {
    child.stdin.end(`${token}\n`)
    const lines = createInterface({ input: child.stdout })
    for await (const line of lines) if (line.includes('connected to the market')) break
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toContain(join('apps', 'agent', 'src', 'main.ts'))
    child.stdout.resume()
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  } finally { child.kill('SIGKILL'); rmSync(data, { recursive: true, force: true }) }
})

test('settings are listed, changed with a reason and kept; what is no value is told what would have been right', async () => {
  const ann = shell(market.demo.admin.key), reason = ['--reason', 'as agreed']
  expect((await ann.cli(['settings'])).stdout).toMatch(/^fee\t5 %\t/m)
  expect((await ann.cli(['settings', 'set', 'fee', '4%', ...reason])).stdout).toMatch(/^was\t5 %$\n^is\t4 %$/m)
  expect((await ann.cli(['settings', 'set', 'newJobsPaused', 'Until noon.', ...reason])).stdout).toMatch(/^is\tpaused: Until noon\.$/m)
  const refused = await shell(market.demo.buyer.key).cli(['submit', '--', 'echo', 'x'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('says: Until noon.')])
  expect((await ann.cli(['settings', 'set', 'newJobsPaused', 'open', ...reason])).stdout).toMatch(/^is\topen$/m)
  expect((await ann.cli(['settings', 'reset', 'fee', ...reason])).stdout).toMatch(/^is\t5 %$/m)
  expect((await ann.cli(['settings', 'log'])).stdout).toMatch(/fee: 4 % → not set/)
  const wrong = await ann.cli(['settings', 'set', 'fee', 'four', ...reason]), unknown = await ann.cli(['settings', 'set', 'lostMs', '1', ...reason])
  expect([wrong.code, wrong.stderr, unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('a percentage such as 4.5%'), 2, expect.stringContaining('fee, topupMax')])
  expect((await shell(market.demo.buyer.key).cli(['settings'])).code).toBe(5)
})
