import { expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { JobSpec, PUBLIC_TEMPLATES, templateRuns } from '@lumaris/protocol'
import type { InputFile } from '@lumaris/protocol'
import { TEMPLATES } from './templates.ts'
import { EMPTY, Unclear, codeFileOf, draftOf, planOf, withFiles } from './draft.ts'

const hash = async (blob: Blob): Promise<string> => blob.size.toString(16).padStart(64, '0')
const planned = async (more: object) => JobSpec.parse((await planOf({ ...EMPTY, ...more }, hash)).spec)

test('code becomes a file, its arguments and parts become words', async () => {
  const spec = await planned({ runtime: 'python', code: 'print(1)', args: "a 'b c'", parts: "1\n\n2 'x y'\n", cores: 0.5, memoryMib: 256 })
  expect(spec).toMatchObject({ command: ['python3', 'main.py', 'a', 'b c'], inputs: [{ path: 'main.py', size: 8 }], tasks: [{ args: ['1'] }, { args: ['2', 'x y'] }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
})
test.each([
  { runtime: 'javascript', code: 'x', args: "--n '1 2'", parts: 'a\nb c', cores: 2, copies: 3, regions: 'eu, us', minTrust: 'known', maxAttempt: '0.5' }, { runtime: 'python', code: 'x', args: '7' }, { runtime: 'native', args: "sh -c 'echo hi'" },
  { runtime: 'javascript', code: null, args: 'other.js 1' }, { code: 'x', gpus: 2, gpuPercent: 14.2, gpuModels: 'nvidia-h200, nvidia-a100', gpuGib: 20, service: 'interruptible', bid: '0.75', keep: '*.pt\nstate.json', expected: 90 },
  { code: 'x', service: 'deadline', by: 1_795_284_000_000, budget: '12', expected: 2.5, keep: 'step.txt' }, { code: 'x', assurance: '1e-4', service: 'interruptible', bid: '' }, { runtime: 'python', code: null, args: '-c "print(1)"' },
])('a job copied into the form is the same job: %j', async (more) => {
  const spec = await planned(more)
  const file = codeFileOf(spec)
  const again = JobSpec.parse((await planOf(draftOf(spec, file ? 'x' : null), hash)).spec)
  expect(again).toEqual(spec)
})
test('what the form has no field for stays as it was', async () => {
  const spec = JobSpec.parse({ command: ['x'], env: { A: '1' }, priority: 2, disconnect: 'wait', outputs: ['*.txt'], fallback: [{ afterMs: 1000, minLevel: 'language' }], placement: { labels: { disk: 'ssd' } }, limits: { queueMs: 5000, processes: 9 }, tasks: [{ env: { B: '2' } }, {}] })
  expect(JobSpec.parse((await planOf(draftOf(spec, null), hash)).spec)).toEqual(spec)
})
test('a plan: its deadline and its budget; interruptible: a bid; parts of cards in thousandths', async () => {
  const made = await planOf({ ...EMPTY, service: 'deadline', by: 1_795_284_000_000, budget: '12', expected: 2 }, hash)
  expect([made.cap, made.spec.plan, made.spec.deadline, made.spec.expectedMs, made.spec.interruptible]).toEqual([12_000_000n, 'deadline', 1_795_284_000_000, 120_000, undefined])
  expect((await planned({ service: 'interruptible', bid: '0.5', by: 1, budget: '12' }))).toMatchObject({ interruptible: { bidHour: '500000' } })
  expect((await planOf({ ...EMPTY, budget: '12' }, hash)).cap).toBe(null)
  expect((await planned({ gpus: 1, gpuPercent: 14.2, gpuGib: 17.5 })).resources).toMatchObject({ gpus: 1, gpuShare: 142, gpuMemoryBytes: 17.5 * 1024 ** 3 })
})
test('a deadline without a plan has no field, and stays', async () => {
  const spec = JobSpec.parse({ command: ['x'], deadline: 1_795_284_000_000, checkpoint: { paths: ['a'], everyMs: 5_000 } })
  expect(JobSpec.parse((await planOf(draftOf(spec, null), hash)).spec)).toEqual(spec)
})
test('what cannot be asked is said beside its field', async () => {
  await expect(planned({ args: "'open" })).rejects.toMatchObject({ place: 'args' } satisfies Partial<Unclear>)
  await expect(planned({ runtime: 'native', args: '"open' })).rejects.toMatchObject({ place: '/spec/command' })
  await expect(planned({ maxAttempt: 'much' })).rejects.toMatchObject({ place: '/spec/placement/maxAttemptCost' })
  await expect(planned({ service: 'deadline', expected: 1 })).rejects.toMatchObject({ place: '/spec/deadline' })
  await expect(planned({ service: 'deadline', by: 1 })).rejects.toMatchObject({ place: '/spec/expectedMs' })
  await expect(planned({ service: 'deadline', by: 1, expected: 1, budget: 'little' })).rejects.toMatchObject({ place: '/cap' })
  await expect(planned({ service: 'interruptible', bid: '-1' })).rejects.toMatchObject({ place: '/spec/interruptible/bidHour' })
})
test('what the market counts as jobs of its own templates is what their cards say', async () => {
  const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const runs = await Promise.all(TEMPLATES.map(async ({ id, draft }) => [id, sha256(templateRuns(JobSpec.parse((await planOf({ ...EMPTY, ...draft }, async (blob) => sha256(new Uint8Array(await blob.arrayBuffer())))).spec)))] as const))
  expect(Object.fromEntries(runs)).toEqual(PUBLIC_TEMPLATES)
})

const aFile = (name: string, content = name): File => new File([content], name), kept = { path: 'of before', blob: '0'.repeat(64), size: 1 } as InputFile
const names = ({ files, kept: left, lost }: ReturnType<typeof withFiles>) => [files.map(({ name, size }) => `${name} ${size}`), left.map(({ path }) => path), lost]
test('what is chosen comes to what is there, and takes the place of its name', () => {
  const before = { files: [aFile('a')], kept: [kept], lost: ['c', 'd'] }
  expect(names(withFiles(before, []))).toEqual([['a 1'], ['of before'], ['c', 'd']])
  expect(names(withFiles(before, [aFile('b'), aFile('c')]))).toEqual([['a 1', 'b 1', 'c 1'], ['of before'], ['d']])
  expect(names(withFiles(before, [aFile('a', 'longer'), aFile('of before')]))).toEqual([['a 6', 'of before 9'], [], ['c', 'd']])
  expect(names(withFiles(before, [aFile('b', '1'), aFile('b', '22')]))).toEqual([['a 1', 'b 2'], ['of before'], ['c', 'd']])
})
