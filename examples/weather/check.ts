// The sample job from the buyer's side: which files and arguments it has, whether its results are the known ones (DATA.md), and how a person sees them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const SCRIPT_FILE = join(import.meta.dirname, 'analyse.py')
export const DATA_NAME = 'seattle-weather.csv'
/** In the installed package, which exports no file of its data by name. */
export const dataFile = (): string => fileURLToPath(new URL(`../data/${DATA_NAME}`, import.meta.resolve('vega-datasets')))
/** `python3 analyse.py seattle-weather.csv YEAR` writes this file. */
export const resultName = (year: number): string => `result-${year}.json`
/** What a part of the split job writes: every part its own file of this name, so that they can be merged. */
export const PART_NAME = 'result.json'
export const yearsIn = (csv: string): number[] => [...new Set(csv.match(/^\d{4}(?=-)/gm))].map(Number).toSorted((a, b) => a - b)

export interface SampleResult { year: number; json: unknown }
export type Expected = Record<string, unknown>

export const readExpected = (): Expected => JSON.parse(readFileSync(join(import.meta.dirname, 'expected.json'), 'utf8')) as Expected

// A result that is wrong everywhere would otherwise fill the screen.
const DIFFERENCES_MAX = 20

export function checkSample(results: readonly SampleResult[], expected: Expected = readExpected()): { ok: boolean; differences: string[] } {
  const differences: string[] = []
  for (const year of Object.keys(expected)) {
    const found = results.filter((result) => String(result.year) === year)
    if (found.length === 0) differences.push(`${year}: no result`)
    else if (found.length > 1) differences.push(`${year}: ${found.length} results`)
    else compare(year, found[0]?.json, expected[year], differences)
  }
  for (const { year } of results) if (!Object.hasOwn(expected, String(year))) differences.push(`${year}: a result nobody asked for`)
  const left = differences.length - DIFFERENCES_MAX
  return { ok: differences.length === 0, differences: left > 0 ? [...differences.slice(0, DIFFERENCES_MAX), `and ${left} more`] : differences }
}

/** Exact, numbers too: everything is whole tenths, which JSON spells in one way. */
function compare(path: string, found: unknown, expected: unknown, differences: string[]): void {
  if (!isObject(found) || !isObject(expected) || Array.isArray(found) !== Array.isArray(expected)) {
    if (found !== expected) differences.push(`${path}: expected ${brief(expected)}, found ${brief(found)}`)
    return
  }
  for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    compare(`${path}.${key}`, Object.hasOwn(found, key) ? found[key] : undefined, Object.hasOwn(expected, key) ? expected[key] : undefined, differences)
  }
}
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const brief = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80)

interface YearResult {
  year: number; meanMaxC: number; precipitationMm: number; wetDays: number
  hottest: { date: string; maxC: number }; longestDrySpell: { days: number; from?: string }
  months: { month: number; precipitationMm: number }[]
}

/** The little that `summarise` prints; results come from strangers' machines and may be anything. */
function isYearResult(json: unknown): json is YearResult {
  if (!isObject(json)) return false
  const { hottest, longestDrySpell, months } = json
  return [json['meanMaxC'], json['precipitationMm'], json['wetDays']].every(isFigure)
    && isObject(hottest) && isDate(hottest['date']) && isFigure(hottest['maxC'])
    && isObject(longestDrySpell) && isFigure(longestDrySpell['days']) && (longestDrySpell['from'] === undefined || isDate(longestDrySpell['from']))
    && Array.isArray(months) && months.length <= 12 && months.every((month: unknown) => isObject(month) && isFigure(month['month']) && isFigure(month['precipitationMm']))
}
const isFigure = (value: unknown): boolean => typeof value === 'number' && Math.abs(value) < 100_000   // wider would break the table
const isDate = (value: unknown): value is string => typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value)

const BARS = '▁▂▃▄▅▆▇█'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** What the terminal shows when all parts are done: a line per year, and the rain of each month as a bar. At most 80 columns. */
export function summarise(results: readonly SampleResult[]): string[] {
  const years: { year: number; result: YearResult }[] = []
  const unreadable: number[] = []
  for (const { year, json } of results.toSorted((a, b) => a.year - b.year)) {
    if (isYearResult(json)) years.push({ year, result: json })
    else unreadable.push(year)
  }
  const heaviest = Math.max(1, ...years.flatMap(({ result }) => result.months.map((month) => month.precipitationMm)))
  const bar = (mm: number): string => mm <= 0 ? ' ' : BARS[Math.min(BARS.length - 1, Math.max(0, Math.ceil((mm / heaviest) * BARS.length) - 1))] ?? ' '
  const bars = (result: YearResult): string => MONTHS.map((_, i) => bar(result.months.find((month) => month.month === i + 1)?.precipitationMm ?? 0)).join('')
  const rows = years.map(({ year, result }) => {
    const { longestDrySpell: dry } = result
    return [
      String(year), `${result.meanMaxC.toFixed(1)} °C`, `${result.hottest.maxC.toFixed(1)} °C, ${day(result.hottest.date)}`, `${result.precipitationMm.toFixed(0)} mm`,
      String(result.wetDays), dry.from === undefined ? 'none' : `${dry.days} days, ${day(dry.from)}`, bars(result),
    ]
  })
  return [
    ...(years.length > 0 ? [
      ...columns([['year', 'mean high', 'hottest', 'rain', 'wet', 'dry spell', MONTHS.map((name) => name[0]).join('')], ...rows]),
      `Seattle. Bars: rain per month, up to ${heaviest.toFixed(0)} mm. Wet: days with 1 mm or more.`,
    ] : []),
    ...unreadable.map((year) => `${year}: the result cannot be read`),
  ]
}

const day = (date: string): string => `${Number(date.slice(8))} ${MONTHS[Number(date.slice(5, 7)) - 1] ?? '?'}`

function columns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd())
}
