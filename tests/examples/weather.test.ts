import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkSample, DATA_NAME, dataFile, readExpected, resultName, SCRIPT_FILE, summarise, yearsIn, type SampleResult } from '../../examples/weather/check.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples', 'weather')
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args, { timeout: 60_000 }).status === 0
const hasPython = has('python3', '--version')
const hasAwk = has('awk', 'BEGIN { exit 0 }')
const known = (): SampleResult[] => Object.entries(readExpected()).map(([year, json]) => ({ year: Number(year), json }))

function workingDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'lumaris-weather-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  copyFileSync(dataFile(), join(directory, DATA_NAME))
  return directory
}

describe.skipIf(!hasPython)(hasPython ? 'analyse.py' : 'analyse.py (there is no python3)', () => {
  const analyse = (cwd: string, ...args: string[]) => spawnSync('python3', [SCRIPT_FILE, ...args], { cwd, encoding: 'utf8', timeout: 60_000 })

  test('finds the known answer for every year of the data', () => {
    const cwd = workingDirectory()
    const years = yearsIn(readFileSync(dataFile(), 'utf8'))
    expect(years).toEqual([2012, 2013, 2014, 2015])
    const results = years.map((year) => {
      const { status, stdout } = analyse(cwd, DATA_NAME, String(year))
      expect(status).toBe(0)
      expect(stdout).toContain(`${year}: `)
      return { year, json: JSON.parse(readFileSync(join(cwd, resultName(year)), 'utf8')) as unknown }
    })
    expect(checkSample(results)).toEqual({ ok: true, differences: [] })
  })

  test('says which years there are when asked for another', () => {
    const { status, stderr } = analyse(workingDirectory(), DATA_NAME, '1999')
    expect(status).toBe(1)
    expect(stderr).toBe(`error: ${DATA_NAME} has no days of 1999; it has 2012, 2013, 2014, 2015\n`)
  })
})

test.skipIf(!hasAwk)(`the program in DATA.md still gives expected.json${hasAwk ? '' : ' (there is no awk)'}`, () => {
  const program = /```awk\n([^]*?)```/.exec(readFileSync(join(examples, 'DATA.md'), 'utf8'))?.[1] ?? ''
  // One of the four years: awk needs two seconds for each.
  const lines = readFileSync(dataFile(), 'utf8').split('\n').filter((line, i) => i === 0 || line.startsWith('2013'))
  const made = execFileSync('awk', ['-F,', program], { input: `${lines.join('\n')}\n`, encoding: 'utf8', timeout: 60_000, env: { ...process.env, LC_ALL: 'C' } })
  expect(JSON.parse(made)).toEqual({ 2013: readExpected()['2013'] })
})

describe('checkSample', () => {
  test('accepts the known answer in any order', () => {
    expect(checkSample(known().toReversed())).toEqual({ ok: true, differences: [] })
  })

  test('names the one value that differs', () => {
    const wrong = readExpected() as Record<string, { months: { meanMaxC: number }[] }>
    const july = wrong['2013']?.months[6]
    if (july) july.meanMaxC += 0.1
    const { ok, differences } = checkSample(known(), wrong)
    expect(ok).toBe(false)
    expect(differences).toHaveLength(1)
    expect(differences[0]).toMatch(/^2013\.months\.6\.meanMaxC: expected .*, found /)
  })

  test.each([
    ['a missing year', known().slice(1), '2012: no result'],
    ['a year twice', [...known(), ...known().slice(0, 1)], '2012: 2 results'],
    ['a year nobody asked for', [...known(), { year: 1999, json: {} }], '1999: a result nobody asked for'],
    ['no object', [{ year: 2012, json: 'done' }, ...known().slice(1)], 'found "done"'],
    ['something added', [{ year: 2012, json: { ...(known()[0]?.json as object), more: 1 } }, ...known().slice(1)], '2012.more: expected nothing, found 1'],
  ])('refuses %s', (_, results, words) => {
    const { ok, differences } = checkSample(results)
    expect(ok).toBe(false)
    expect(differences.join('\n')).toContain(words)
  })

  test('stops counting out differences after twenty', () => {
    const { differences } = checkSample(known().map(({ year }) => ({ year, json: {} })))
    expect(differences).toHaveLength(21)
    expect(differences.at(-1)).toMatch(/^and \d+ more$/)
  })
})

describe('summarise', () => {
  test('shows a line per year with a bar per month, inside 80 columns', () => {
    const lines = summarise(known())
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines).toMatchInlineSnapshot(`
      [
        "year  mean high  hottest          rain     wet  dry spell        JFMAMJJASOND",
        "2012  15.3 °C    34.4 °C, 16 Aug  1226 mm  148  81 days, 23 Jul  ▅▃▆▂▂▃▁ ▁▅▆▅",
        "2013  16.1 °C    33.9 °C, 30 Jun  828 mm   119  35 days, 28 Jun  ▃▂▂▅▂▁ ▁▅▂▃▂",
        "2014  17.0 °C    35.6 °C, 11 Aug  1233 mm  123  24 days, 29 Jun  ▃▅▇▃▃▁▁▂▂▅▄▄",
        "2015  17.4 °C    35.0 °C, 19 Jul  1139 mm  116  54 days, 2 Jun   ▃▄▄▂▁▁▁▃▁▄▆█",
        "Seattle. Bars: rain per month, up to 285 mm. Wet: days with 1 mm or more.",
      ]
    `)
  })

  test.each([
    ['nothing', null],
    ['an empty object', {}],
    ['a list', []],
    ['a date that would move the cursor', { ...(known()[0]?.json as object), hottest: { date: '\u001b[2J', maxC: 1 } }],
    ['a figure as wide as the screen', { ...(known()[0]?.json as object), meanMaxC: 1e80 }],
  ])('does not show what it cannot read: %s', (_, json) => {
    expect(summarise([{ year: 2012, json }])).toEqual(['2012: the result cannot be read'])
  })
})
