import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { clean } from './clean.ts'
import { createColours, wantsColour } from './colours.ts'
import { createProgress } from './progress.ts'
import { renderFacts, renderTable } from './table.ts'
import type { Column } from './table.ts'
import { agoText, durationText, sizeText } from './time.ts'
import { truncate, widthOf } from './width.ts'

type Row = { id: string; state: string; name: string; cost: number }
const columns: Column<Row>[] = [
  { title: 'job', value: (row) => row.id }, { title: 'state', value: (row) => row.state, state: true }, { title: 'name', value: (row) => row.name, shrinks: true },
  { title: 'cost', value: (row) => row.cost, shown: (row) => `${row.cost} cr`, right: true },
]
const rows: Row[] = [{ id: 'job_1', state: 'completed', name: 'a very long name that will not fit on a narrow screen', cost: 12 }, { id: 'job_22', state: 'failed', name: '日本語 \u001b[31mred\u001b]0;title\u0007\nnext', cost: 7 }]
const plain = createColours(false)

test('for people: headers, aligned, cut where it may be, harmless', () => {
  expect(`\n${renderTable(columns, rows, { tty: true, columns: 50, colours: plain })}`).toBe(`
JOB     STATE      NAME                       COST
job_1   completed  a very long name that w…  12 cr
job_22  failed     日本語 red next            7 cr
`)
})
test('for programs: tabs, whole values, no headers, no escapes', () => {
  expect(renderTable(columns, rows, { tty: false, columns: 20, colours: plain })).toBe('job_1\tcompleted\ta very long name that will not fit on a narrow screen\t12\njob_22\tfailed\t日本語 red next\t7\n')
})
test('what must be whole is never cut, however narrow the screen', () => {
  const whole = 'job_0123456789abcdefghjkmnpqrs'
  expect(renderTable(columns, [{ id: whole, state: 'completed', name: 'a name to cut', cost: 1 }], { tty: true, headers: false, columns: 30, colours: plain })).toBe(`${whole}  completed  a nam…  1 cr\n`)
})
test('states have colours, and the words stay', () => {
  expect(renderTable(columns.slice(1, 2), rows, { tty: true, headers: false, colours: createColours(true) })).toBe('\u001b[32mcompleted\u001b[39m\n\u001b[31mfailed   \u001b[39m\n')
})
test('a thing is names and values, without the empty ones', () => {
  expect(renderFacts([['id', 'x'], ['nothing', ''], ['none', undefined], ['exit code', 0]], { tty: true, colours: plain })).toBe('id         x\nexit code  0\n')
  expect(renderFacts([['id', 'x\ty']], { tty: false, colours: plain })).toBe('id\tx y\n')
})
test.each([['\u001b[2J\u001b[1;1Hgone', 'gone'], ['a\r\nb', 'a b'], ['\u202eevil', 'evil'], ['\u009b31mx', 'x'], ['\u001b]8;;http://x\u0007link\u001b]8;;\u0007', 'link'], ['plain – text ✓', 'plain – text ✓']])('%o is shown as %o', (text, shown) => expect(clean(text)).toBe(shown))
test('width counts what a terminal shows', () => {
  expect([widthOf('abc'), widthOf('日本'), widthOf('é'), widthOf('🚀')]).toEqual([3, 4, 1, 2])
  expect([truncate('abcdef', 4), truncate('日本語', 4), truncate('abc', 3)]).toEqual(['abc…', '日…', 'abc'])
})
test.each([[{ isTTY: true }, {}, 'auto', true], [{}, {}, 'auto', false], [{ isTTY: true }, { NO_COLOR: '1' }, 'auto', false], [{ isTTY: true }, { TERM: 'dumb' }, 'auto', false], [{}, { NO_COLOR: '1' }, 'always', true], [{ isTTY: true }, {}, 'never', false]] as const)(
  'colour for %o with %o and %s: %s', (stream, env, when, wanted) => expect(wantsColour(stream, env, when)).toBe(wanted))
test.each([[0, '0 ms'], [850, '850 ms'], [3249, '3.2 s'], [59_990, '1 min'], [245_000, '4 min 5 s'], [7_800_000, '2 h 10 min'], [3_600_000, '1 h'], [273_600_000, '3 d 4 h']])('%d ms reads %s', (ms, text) => expect(durationText(ms)).toBe(text))
test('times ago and sizes read as people say them', () => {
  expect([agoText(0, 1000), agoText(0, 30_000), agoText(0, 7_200_000), agoText(0, 200_000_000), agoText(undefined, 5)]).toEqual(['now', '30 s ago', '2 h ago', '2 d ago', ''])
  expect([sizeText(0), sizeText(1536), sizeText(2 * 1024 ** 3), sizeText(5000 * 1024 ** 4)]).toEqual(['0 B', '1.5 KiB', '2.0 GiB', '5000.0 TiB'])
})

function aScreen(tty: boolean) {
  const written: string[] = []
  return { written, screen: Object.assign(new Writable({ write(chunk: Buffer, _encoding, done) { written.push(chunk.toString()); done() } }), { isTTY: tty, columns: 40 }) }
}
test('progress without a terminal is a line per change, and nothing that moves', () => {
  const { screen, written } = aScreen(false), progress = createProgress(screen, { colours: plain })
  progress.phase('Uploading'); progress.at(1, 2); progress.phase('Uploading'); progress.phase('Running'); progress.clear(); progress.stop()
  expect(written).toEqual(['Uploading\n', 'Running\n'])
})
test('progress on a terminal is one line, gone when output comes', () => {
  const { screen, written } = aScreen(true), progress = createProgress(screen, { colours: plain })
  progress.phase('Running'); progress.note('kept'); progress.clear(); progress.clear()
  expect(written).toEqual(['\r\u001b[K⠋ Running', '\r\u001b[K', 'kept\n', '\r\u001b[K⠙ Running', '\r\u001b[K'])
})
test('quiet progress is silent', () => {
  const { screen, written } = aScreen(true), progress = createProgress(screen, { colours: plain, quiet: true })
  progress.phase('Running'); progress.note('x'); progress.stop()
  expect(written).toEqual([])
})
