// `lumaris pipeline` against a real market; only the isolation driver is one that needs no sandbox.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, newPipelineId } from '@lumaris/sdk'
import type { Job } from '@lumaris/protocol'
import { startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 2 }) })
afterAll(async () => {
  expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true, problems: [] })
  await market.stop()
})
const shell = (steps: unknown[], more: object = {}) => {
  const world = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  writeFileSync(join(world.cwd, 'p.json'), JSON.stringify({ steps, ...more }))
  return world
}
const idIn = (text: string): string => /pip_[0-9a-z]{26}/.exec(text)?.[0] ?? ''
const jobs = async (name: string): Promise<Job[]> => ((await market.call(market.buyer, 'GET', '/v1/jobs?limit=200')).body.data as Job[]).filter((job) => job.spec.name?.startsWith(`${name}: `))
const DIAMOND = [
  { name: 'join', needs: [{ step: 'left', inputs: [{ from: 'out', to: 'l' }] }, { step: 'right', inputs: [{ from: 'out', to: 'r' }] }], command: ['fake:cat', 'l/out', 'r/out'], stdout: 'joined' },
  { name: 'left', needs: [{ step: 'fetch', inputs: [{ from: 'data.txt' }] }], command: ['fake:cat', 'data.txt'], stdout: 'out' },
  { name: 'right', needs: [{ step: 'fetch', inputs: [{ from: 'data.txt' }] }], command: ['fake:cat', 'suffix.txt', 'data.txt'], stdout: 'out', files: ['suffix.txt'] },
  { name: 'fetch', command: ['fake:write', 'data.txt', 'fetched'] },
]

test('a diamond: the price before, a line for each step, what the last one left, and the cost', async () => {
  const { cli, cwd } = shell(DIAMOND, { name: 'diamond' })
  writeFileSync(join(cwd, 'suffix.txt'), '+')
  const ran = await cli(['pipeline', 'p.json', '--output', 'got'])
  expect([ran.code, ran.stdout], ran.stderr).toEqual([0, ''])
  expect(readFileSync(join(cwd, 'got/join/joined'), 'utf8')).toBe('fetched+fetched')
  const lines = ran.stderr.split('\n'), at = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line))
  expect(at(/^4 steps; about [\d.]+, at most [\d.]+ credits$/)).toBeGreaterThanOrEqual(0)
  expect(at(/^4 steps; about/)).toBeLessThan(at(/^Submitting fetch/))
  const ends = ['fetch', 'left', 'right', 'join'].map((name) => at(new RegExp(`^${name} +completed +[\\d.]+ credits +job_`)))
  expect(ends.every((line) => line > 0)).toBe(true)
  expect(ends[0]).toBeLessThan(Math.min(...ends.slice(1)))
  expect(ends[3]).toBe(Math.max(...ends))
  expect(ran.stderr).toMatch(/^completed 4 of 4 steps in .*; cost [\d.]+ credits of at most [\d.]+$/m)
  // Once more from its id: nothing is done twice.
  const again = await cli(['pipeline', 'p.json', '--resume', idIn(ran.stderr)])
  expect([again.code, again.stderr.includes('4 steps, 4 of them submitted before')]).toEqual([0, true])
  expect(await jobs('diamond')).toHaveLength(4)
})
test('a step that fails: what comes after it does not run, what stands beside it does; exit code 9 and the step by name', async () => {
  const { cli } = shell([{ name: 'bad', command: ['fake:sleep', '500', ';', 'fake:exit', '7'] }, { name: 'after', needs: ['bad'], command: ['x'] }, { name: 'last', needs: ['after'], command: ['x'] }, { name: 'beside', command: ['fake:print', 'x'] }])
  const ran = await cli(['pipeline', 'p.json'])
  expect(ran.code).toBe(9)
  expect(ran.stderr).toContain('error: Step "bad" ended as failed (buyer exit, exit code 7)')
  expect(ran.stderr).toMatch(/^after +failed \(parent failed\) +0\.00 credits/m)
  expect(ran.stderr).toMatch(/^beside +completed/m)
  expect(ran.stderr).toMatch(/^failed 1 of 4 steps in/m)
})
test('a step that had failed before the next was submitted: that one is left out and said, what stands beside it runs', async () => {
  const file = { name: 'late', steps: [{ name: 'bad', command: ['fake:exit', '7'] }, { name: 'after', needs: ['bad'], command: ['x'] }, { name: 'last', needs: ['after'], command: ['x'] }, { name: 'beside', command: ['fake:print', 'x'] }] }
  const id = newPipelineId(), cut = new AbortController(), client = createClient({ url: market.url, token: market.buyer })
  await expect((await client.pipeline(file, { id, onPhase: (phase, step) => { if (phase === 'submitting' && step === 'after') cut.abort() } })).submit({ signal: cut.signal })).rejects.toThrow()
  await market.ended((await jobs('late'))[0]?.id as never)
  const { cli } = shell(file.steps, { name: 'late' })
  const ran = await cli(['pipeline', 'p.json', '--resume', id])
  expect(ran.code).toBe(9)
  expect(ran.stderr).toMatch(/^after +not run \(parent failed\)$/m)
  expect(ran.stderr).toMatch(/^last +not run \(parent failed\)$/m)
  expect(ran.stderr).toMatch(/^beside +completed/m)
  expect(ran.stderr).toMatch(/^failed 1 of 4 steps in/m)
  expect(ran.stderr).toContain('error: Step "bad" ended as failed (buyer exit, exit code 7)')
  expect((await jobs('late')).map((job) => String(job.spec.name)).toSorted()).toEqual(['late: bad', 'late: beside'])
})
test('the client stops before, between and after the submits: whoever goes on with the id ends with each step once', async () => {
  for (const [round, at] of ['first', 'fetch', 'left', 'right', 'join'].entries()) {
    const name = `cut${round}`, file = { name, steps: DIAMOND.map(({ files: _files, ...step }) => (step.name === 'right' ? { ...step, command: ['fake:cat', 'data.txt'] } : step)) }
    const id = newPipelineId(), cut = new AbortController(), client = () => createClient({ url: market.url, token: market.buyer })
    const first = await client().pipeline(file, { id, onPhase: (phase, step) => { if (phase === 'submitting' && step === at) cut.abort() } })
    if (at === 'first') cut.abort()
    await expect(first.submit({ signal: cut.signal })).rejects.toThrow()
    expect(await jobs(name)).toHaveLength(Math.max(0, round - 1))
    const second = await client().pipeline(file, { id })
    await Promise.all([second.submit(), client().pipeline(file, { id }).then((third) => third.submit())])
    for await (const _event of second.watch()) { /* until all have ended */ }
    expect((await second.jobs()).map((job) => job.state)).toEqual(Array(4).fill('completed'))
    expect(await jobs(name)).toHaveLength(4)
  }
}, 300_000)
test('Ctrl-C leaves it running and says how to go on; a file that has changed is another pipeline', async () => {
  const { cli, cwd } = shell([{ name: 'slow', command: ['fake:sleep', '400'] }, { name: 'next', needs: ['slow'], command: ['fake:print', 'x'] }])
  const ran = await cli(['pipeline', 'p.json'], { onWrite: (text, keys) => { if (/^slow +running/m.test(text)) keys.interrupt() } })
  expect(ran.code, ran.stderr).toBe(130)
  expect(ran.stderr).toContain(`lumaris pipeline p.json --resume ${idIn(ran.stderr)}`)
  expect((await cli(['pipeline', 'p.json', '--resume', idIn(ran.stderr)])).code).toBe(0)
  writeFileSync(join(cwd, 'p.json'), JSON.stringify({ steps: [{ name: 'slow', command: ['fake:sleep', '401'] }] }))
  expect(await cli(['pipeline', 'p.json', '--resume', idIn(ran.stderr)])).toMatchObject({ code: 2, stderr: expect.stringContaining('Step "slow" was submitted otherwise') })
})
test('a single job after others, by --after: their files in their places; job shows what it waits for', async () => {
  const { cli } = shell([])
  const parent = (await cli(['submit', '--id-only', '--', 'fake:write', 'a.txt', 'A', ';', 'fake:write', 'b.txt', 'B', ';', 'fake:sleep', '300'])).stdout.trim()
  const child = (await cli(['submit', '--id-only', '--after', `${parent}=a.txt`, '--after', `${parent}=*.txt:in`, '--', 'fake:cat', 'a.txt', 'in/a.txt', 'in/b.txt'])).stdout.trim()
  expect((await cli(['job', child])).stdout).toContain(`waits for\t${parent}`)
  expect(await market.ended(child as never)).toMatchObject({ state: 'completed' })
  expect((await cli(['logs', child])).stdout).toBe('AAB')
  expect(await cli(['run', '--after', 'job_1', '--', 'x'])).toMatchObject({ code: 2, stderr: expect.stringContaining('"job_1" is not a job to come after') })
  expect(await cli(['run', '--after', `job_${'0'.repeat(26)}`, '--', 'fake:print', 'x'])).toMatchObject({ code: 1, stderr: expect.stringContaining('does not exist, or is not yours') })
})
test('detached, and as JSON', async () => {
  const { cli } = shell([{ name: 'a', command: ['fake:print', 'x'] }, { name: 'b', needs: ['a'], command: ['fake:print', 'y'] }])
  const detached = await cli(['pipeline', 'p.json', '--detach'])
  expect([detached.code, detached.stdout]).toEqual([0, expect.stringMatching(/^pip_[0-9a-z]{26}\n$/)])
  const { code, stdout } = await cli(['pipeline', 'p.json', '--resume', detached.stdout.trim(), '--json=lines'])
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  expect([code, lines.at(-1)]).toEqual([0, expect.objectContaining({ type: 'end', state: 'completed', pipeline: detached.stdout.trim() })])
  expect(lines.filter((line) => line['type'] === 'step' && line['state'] === 'completed').map((line) => line['step'])).toEqual(['a', 'b'])
})
test.each([
  [[{ name: 'a', command: ['x'], needs: ['b'] }, { name: 'b', command: ['x'], needs: ['a'] }], [], 2, 'The steps "a" → "b" → "a" need one another in a circle'], [[{ name: 'a', command: ['x'], needs: ['nowhere'] }], [], 2, 'Step "a" needs "nowhere"'],
  [[{ name: 'a', command: ['x'] }, { name: 'a', command: ['x'] }], [], 2, 'Two steps are called "a"'], [[{ name: 'a', command: ['x'], resources: { cpuMillis: 900_000 } }], [], 1, 'Step "a": No node'], [[{ name: 'a', command: ['x'] }], ['--cap', '0.0001'], 1, 'more than the cap'],
  [[{ name: 'a', command: ['x'], cap: '99000000000000' }], [], 7, 'Not enough credits for all steps'], [[{ name: 'a', command: ['x'], cap: '10' }], [], 1, 'Step "a": No node is sure to run'], [[{ name: 'a', command: ['x'], files: ['gone.txt'] }], [], 2, 'There is no file gone.txt'], [[{ name: 'a', command: ['x'] }], ['--resume', 'job_1'], 2, 'is not the id of a pipeline'],
])('%j %j: exit code %d, and nothing was submitted', async (steps, args, code, says) => {
  const { cli } = shell(steps, { name: 'never' })
  const ran = await cli(['pipeline', 'p.json', ...args])
  expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(says)])
  expect(ran.stderr).toContain('hint:')
  expect(await jobs('never')).toEqual([])
})
test('a file that is not there, or not JSON', async () => {
  const { cli, cwd } = shell([])
  expect(await cli(['pipeline', 'none.json'])).toMatchObject({ code: 2, stderr: expect.stringContaining('Cannot read none.json') })
  writeFileSync(join(cwd, 'q.json'), 'steps: []')
  expect(await cli(['pipeline', 'q.json'])).toMatchObject({ code: 2, stderr: expect.stringContaining('q.json is not JSON') })
})
test('the same in YAML: comments, aliases, several lines of text; where it is wrong, the line and the column, and nothing is submitted', async () => {
  const { cli, cwd } = shell([], {})
  writeFileSync(join(cwd, 'p.yaml'), `# two steps
name: in yaml
steps:
  - name: second
    needs: [{ step: first, inputs: [{ from: data.txt }] }]
    command: [fake:cat, data.txt]
    stdout: &out said
  - name: first
    command:
      - fake:write
      - data.txt
      - |
        no: yes
        two lines
`)
  const ran = await cli(['pipeline', 'p.yaml', '--output', 'got'])
  expect(ran.code, ran.stderr).toBe(0)
  expect(readFileSync(join(cwd, 'got/second/said'), 'utf8')).toBe('no: yes\ntwo lines\n')
  writeFileSync(join(cwd, 'wrong.yaml'), 'name: wrong yaml\nsteps:\n  - name: a\n    command: [x]\n   needs: [b]\n')
  const wrong = await cli(['pipeline', 'wrong.yaml'])
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/wrong\.yaml, line 5, column \d+: /)])
  expect(await jobs('wrong yaml')).toEqual([])
})
test('a job in YAML, from a file and from standard input; a template in YAML', async () => {
  const { cli, cwd } = shell([])
  writeFileSync(join(cwd, 'job.yaml'), 'command: [fake:print, "on: 1"]\nlimits: { runMs: 5000 }\n')
  expect(await cli(['run', '--spec', 'job.yaml'])).toMatchObject({ code: 0, stdout: 'on: 1' })
  expect(await cli(['run', '--spec', '-'], { stdin: 'command:\n  - fake:print\n  - piped\n' })).toMatchObject({ code: 0, stdout: 'piped' })
  writeFileSync(join(cwd, 't.yml'), "parameters: { word: { choices: [a, b] } }\nspec: { command: [fake:print, '{{word}}'] }\n")
  expect((await cli(['template', 'save', 'yaml', 't.yml'])).code).toBe(0)
  expect(await cli(['run', '--template', 'yaml', '--set', 'word=b'])).toMatchObject({ code: 0, stdout: 'b' })
})
