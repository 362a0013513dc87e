// The lines of the last minutes, up to an hour of them: drawn by uPlot, spoken as one sentence, and shown as a table for who would rather read.
import uPlot from './uplot.js'
import type { Sample } from '@lumaris/protocol'
import { percent } from './words.js'

export interface Plot { add(samples: readonly Sample[]): void; replace(samples: readonly Sample[]): void; limit(percent: number): void; span(seconds: number): void; table(on: boolean): void; recolour(): void }
const SAMPLES_MAX = 3_600
/** Lines of the table: enough to read, few enough to build each second. */
const LINES = 60

export function createPlot(root: HTMLElement, table: HTMLElement): Plot {
  let samples: Sample[] = [], seconds = 300, limit = 100, asTable = false
  let plot: uPlot | null = null

  const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  function make(): void {
    plot?.destroy()
    const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' }
    const line = (label: string, name: string, more: object = {}): uPlot.Series => ({ label, stroke: colour(name), width: 2, points: { show: false }, ...more })
    plot = new uPlot({
      width: Math.max(200, root.clientWidth), height: 200, pxAlign: 0, cursor: { show: false }, legend: { show: false },
      scales: { x: { time: true }, y: { range: [0, 100] } },
      axes: [{ ...axis, values: '{HH}:{mm}', space: 60, incrs: [60, 300, 600, 900], size: 28, gap: 6 }, { ...axis, size: 46, values: (_self: uPlot, splits: number[]) => splits.map((value) => `${value} %`), splits: () => [0, 25, 50, 75, 100] }],
      series: [{}, line('Processor', '--cpu', { fill: `${colour('--cpu')}1f` }), line('Jobs', '--jobs'), line('Memory', '--memory'), line('Limit for jobs', '--dim', { dash: [6, 5], width: 1.5 })],
    }, data(), root)
  }
  function shown(): Sample[] {
    const last = samples.at(-1)
    return last ? samples.filter(([at]) => at > last[0] - seconds * 1000) : []
  }
  function data(): uPlot.AlignedData {
    const some = shown()
    return [some.map(([at]) => at / 1000), some.map((one) => one[1]), some.map((one) => one[2]), some.map((one) => one[3]), some.map(() => limit)]
  }
  function show(): void {
    const some = shown(), last = some.at(-1)
    if (asTable) list(some)
    else plot?.setData(data())
    if (!last) return
    if (plot && !asTable) plot.setScale('x', { min: last[0] / 1000 - seconds, max: last[0] / 1000 })
    let most = 0
    for (const one of some) most = Math.max(most, one[1])
    root.ariaLabel = `Processor ${percent(last[1])}, most in this time ${percent(most)}; jobs ${percent(last[2])}; memory ${percent(last[3])}; limit for jobs ${percent(limit)}.`
  }
  function list(some: readonly Sample[]): void {
    const step = Math.max(1, Math.ceil(some.length / LINES))
    const rows = some.filter((_, i) => (some.length - 1 - i) % step === 0).reverse()
    const made = document.createElement('table')
    const head = made.createTHead().insertRow()
    for (const title of ['Time', 'Processor', 'Jobs', 'Memory', '°C']) { const cell = document.createElement('th'); cell.scope = 'col'; cell.textContent = title; if (title !== 'Time') cell.className = 'n'; head.append(cell) }
    const body = made.createTBody()
    for (const [at, cpu, jobs, memory, celsius] of rows) {
      const row = body.insertRow()
      for (const [i, text] of [new Date(at).toLocaleTimeString('en-GB'), percent(cpu), percent(jobs), percent(memory), celsius === null ? '–' : String(Math.round(celsius))].entries()) { const cell = row.insertCell(); cell.textContent = text; if (i > 0) cell.className = 'n' }
    }
    table.replaceChildren(made)
  }
  make()
  new ResizeObserver(() => plot?.setSize({ width: Math.max(200, root.clientWidth), height: 200 })).observe(root)
  return {
    add(more) { samples.push(...more); if (samples.length > SAMPLES_MAX) samples = samples.slice(-SAMPLES_MAX); show() },
    replace(all) { samples = [...all]; show() },
    limit(value) { limit = value },
    span(value) { seconds = value; show() },
    table(on) { asTable = on; root.hidden = on; table.hidden = !on; show() },
    recolour() { make(); show() },
  }
}
