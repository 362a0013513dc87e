// The order that the form shows as YAML is the order that the form would send: the command line reads it back, awkward texts with it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobSpecInput } from '@lumaris/protocol'
import { createClient } from '@lumaris/sdk'
import type { Context } from '../../apps/cli/src/context.ts'
import { readDescription } from '../../apps/cli/src/read-description.ts'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { yamlText } from '../../apps/web/src/submit/as-yaml.ts'
import type { Plan } from '../../apps/web/src/submit/draft.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 0 }) })
afterAll(async () => { await market?.stop() })
const aPlan = (spec: JobSpecInput, more: Partial<Plan> = {}): Plan => ({ spec, uploads: [], cap: null, secrets: {}, missing: [], ...more })
const read = (text: string): Promise<unknown> => readDescription({ io: { cwd: '/', stdin: Readable.from([text]) } } as unknown as Context, '-', 'the hint')

const AWKWARD = [
  'no', 'No', 'yes', 'on', 'off', 'y', 'n', 'true', 'False', 'null', '~', '', ' ', '   leading', 'trailing   ', '1e3', '1_000', '007', '0x1f', '0o17', '0b1', '12:30', '12:30:45', '2026-11-22', '.inf', '-.INF', '.nan', '1.', '.5', '+1', '-', '- a', '-1', '--flag', '?', '? a', ':', ': a', 'a: b', 'a:', 'a #b', '#b', '<<',
  '*alias', '&anchor', '!tag', '!!str 5', '%YAML 1.1', '---', '...', '--- a', '@at', '`tick`', '{a: 1}', '[a]', ',', '|', '>', '>-', '"quoted"', "'single'", '\\n', 'tab\there', '\ttab first', '{{parameter}}', '\u{1F680} rocket', '\u{1F468}\u200d\u{1F469}\u200d\u{1F467}', 'ü\u0308', '\u00a0', '\u2028', '\u0085', '\ufeff', '\u200b', '=1+1',
  'set -e\nfor i in 1 2 3; do\n  echo "$i"   # a: comment\ndone\n', 'no end of line\n  indented', '\n', '\n\nempty lines first', 'ends with several\n\n\n', '  first line is indented\nsecond is not\n', '\ttab\n', 'a\r\nb\r\n', 'trailing spaces   \nare kept\n', '---\nnot a document\n...\n', 'x'.repeat(300), `${'long words '.repeat(40)}\nsecond line`, ' \n \n', '# a\n# b\n',
]

test('every awkward text comes back from the file as it was, in a list, in a map and as a name', async () => {
  const spec = { name: 'no', command: ['sh', '-c', ...AWKWARD], env: Object.fromEntries(AWKWARD.map((text, i) => [`V${i}`, text])), tasks: AWKWARD.map((text) => ({ args: [text, text] })), placement: { labels: { y: 'no', on: '1e3' }, regions: ['no', '007'] }, tags: ['no', '007'], resources: { cpuMillis: 500, memoryBytes: 2 ** 40 }, expectedMs: 1e3 } as unknown as JobSpecInput
  expect(await read(yamlText(aPlan(spec)))).toEqual(spec)
  for (const text of AWKWARD) expect(await read(yamlText(aPlan({ command: [text], env: { X: text } }))), JSON.stringify(text)).toEqual({ command: [text], env: { X: text } })
})
test('any text, any number that can be sent, and the same value twice', async () => {
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '-', ':', '#', '"', "'", '|', '>', '~', '0', '1', 'e', 'n', 'o', '\r', '\u{1F680}') }), fc.constantFrom(...AWKWARD))
  await fc.assert(fc.asyncProperty(fc.array(texts, { minLength: 1 }), fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value)))), async (command, number) => {
    const again = { args: command }, spec = { command, tasks: [again, again], assurance: number } as unknown as JobSpecInput
    expect(await read(yamlText(aPlan(spec)))).toEqual(JSON.parse(JSON.stringify(spec)))
  }), { numRuns: 400 })
})
test('what the command line makes of the file is the job that the form makes: its files come along, its cap and secrets are named', async () => {
  const { cli, cwd } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer, API_TOKEN: 'very secret' }), client = createClient({ url: market.url, token: market.buyer })
  const [there, own] = await Promise.all(['a,b\n', 'console.log(1)\n'].map(async (text) => { const { blob, size } = await client.upload(new TextEncoder().encode(text)); return { blob, size } }))
  const spec = { name: 'no', runtime: 'javascript', command: ['main.ts', ...AWKWARD], env: { ANSWER: '1e3', EMPTY: '', SCRIPT: 'set -e\n  echo ~\n' }, secrets: ['API_TOKEN'], inputs: [{ path: 'old data.csv', ...there }, { path: "it's #1.ts", ...own }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2, diskBytes: 2 ** 30 }, tasks: [{ args: ['007'] }, { args: ['~', ''] }] } as unknown as JobSpecInput
  const text = yamlText(aPlan(spec, { uploads: [{ path: "it's #1.ts", blob: new Blob([]) }], cap: 2_500_000n, secrets: { API_TOKEN: 'very secret' } }))
  const [line, ...rest] = text.split('\n')
  expect(line).toBe(`# npx lumaris submit --spec job.yaml --no-auto --file 'it'\\''s #1.ts' --secret API_TOKEN --cap 2.50`)
  expect(rest.join('\n')).not.toContain('very secret')
  writeFileSync(join(cwd, 'job.yaml'), text)
  writeFileSync(join(cwd, "it's #1.ts"), 'console.log(1)\n')
  const told = await cli(['submit', '--spec', 'job.yaml', '--no-auto', '--file', "it's #1.ts", '--secret', 'API_TOKEN', '--cap', '2.50', '--no-fit', '--id-only'])
  expect(told).toMatchObject({ code: 0 })
  const bySelf = await client.job(told.stdout.trim() as never), byForm = await client.submit(spec, { cap: 2_500_000n, secrets: { API_TOKEN: 'very secret' } })
  expect([bySelf.spec, bySelf.cap]).toEqual([byForm.spec, byForm.cap])
})
test('a name of a file with a line break in it makes no line of the file', async () => {
  expect(await read(yamlText(aPlan({ command: ['x'] }, { uploads: [{ path: 'a\ncommand: [rm]\r\nb', blob: new Blob([]) }] })))).toEqual({ command: ['x'] })
})
