// How the screens bear much: a job that writes a million lines, and a list of many jobs, in a real browser against a real market.
// And the plots of a node's page: how long a second's new points take.
//   npm run bench:web -- [--jobs 100000] [--lines 1000000] [--points 3600] [--only lines,jobs,plots]
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import { JobSpec } from '@lumaris/protocol'
import { openBrowser, visit } from '../../tests/web/browser.ts'
import { servePlots } from './serve-plots.ts'
import { enterAs } from '../../tests/web/screens.ts'
import { startWebMarket } from '../../tests/web/web-market.ts'

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '100000' }, lines: { type: 'string', default: '1000000' }, points: { type: 'string', default: '3600' }, only: { type: 'string', default: 'lines,jobs,plots' } } })
const jobs = Number(values.jobs), lines = Number(values.lines), only = values.only.split(',')
const AT_ONCE = 1_000
const market = await startWebMarket({ nodes: 1 })
const browser = await openBrowser()
const say = (text: string): void => { process.stdout.write(`${text}\n`) }

/** How long the page takes until the frame after a deed: what a person feels. */
async function feel(page: Page, deed: string, times: number): Promise<string> {
  const found = (await page.evaluate(`(async () => {
    const found = []
    for (let i = 0; i < ${times}; i++) {
      const began = performance.now()
      ;(${deed})(i)
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      found.push(performance.now() - began)
    }
    return found.sort((a, b) => a - b)
  })()`)) as number[]
  return spread(found)
}
/** Of times in order. */
function spread(found: readonly number[]): string {
  const at = (share: number): string => { const ms = found[Math.min(found.length - 1, Math.floor(share * found.length))] ?? 0; return `${ms < 20 ? ms.toFixed(1) : Math.round(ms)} ms` }
  return `median ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)}`
}
/** Types a letter as React hears it. */
const TYPE = `(i) => { const field = document.querySelector('[data-filter]'); Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, String(i % 10)); field.dispatchEvent(new Event('input', { bubbles: true })) }`

async function plots(): Promise<void> {
  const served = await servePlots(), { page, context } = await visit(browser, served.url)
  try {
    await page.goto(`${served.url}?points=${values.points}`)
    await page.locator('.plot canvas').nth(3).waitFor()
    // Until the canvases are drawn; and until the frame after, which is never less than the time of a frame.
    // Beside the wall clock, what the page's own thread worked: on a machine with other work the first tells of that work.
    const tracer = await context.newCDPSession(page)
    await tracer.send('Performance.enable', { timeDomain: 'threadTicks' })
    const worked = async (): Promise<number> => (await tracer.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0
    const before = await worked()
    const work = (await page.evaluate(`(async () => {
      const found = []
      for (let i = 0; i < 60; i++) {
        const began = performance.now()
        globalThis.tick()
        await null
        await null
        found.push(performance.now() - began)
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      }
      return found.sort((a, b) => a - b)
    })()`)) as number[]
    const each = ((await worked()) - before) * 1000 / work.length
    say(`4 plots of ${Number(values.points).toLocaleString('en')} points: a second’s new points in the state, in the page and on the canvases: ${spread(work)} by the clock, ${each.toFixed(1)} ms of work on average, all frames counted; until the next frame: ${await feel(page, '() => globalThis.tick()', 60)}`)
  } finally { await context.close(); served.stop() }
}

say(`load average ${loadavg()[0]?.toFixed(1)}`)
try {
  const client = market.client(market.buyer)
  const { page } = await visit(browser, market.url)
  await enterAs(page, market.buyer)

  if (only.includes('lines')) {
    const { blob, size } = await client.upload(new TextEncoder().encode(`for (let i = 1; i <= ${lines}; i++) console.log('line ' + i)\n`))
    const { id } = await client.submit({ name: 'Many lines', runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 1_000, memoryBytes: 256 * 1024 ** 2 } })
    await page.goto(`/jobs/${id}?tab=logs`)
    await page.locator('.log span').last().waitFor()
    say(`${lines.toLocaleString('en')} lines of output`)
    say(`  a letter typed into the search while they come: ${await feel(page, TYPE, 30)}`)
    await page.getByLabel('Find in the output').fill('')
    const began = performance.now()
    await page.getByText(`${lines.toLocaleString('en')} lines; the output has ended`).waitFor({ timeout: 300_000 })
    say(`  all there ${((performance.now() - began) / 1000).toFixed(1)} s later; a letter typed then: ${await feel(page, TYPE, 30)}`)
    await page.getByLabel('Find in the output').fill('')
    say(`  a scroll: ${await feel(page, `(i) => { const log = document.querySelector('.log'); log.scrollTop = log.scrollHeight * ((i * 0.37) % 1) }`, 60)}`)
  }
  if (only.includes('jobs')) {
    // Refused jobs would not do: these wait for a node that is not there. Given straight to the engine, as a request is: what is measured here is the page.
    const spec = JobSpec.parse({ command: ['x'], resources: { cpuMillis: 900_000 } }), { engine } = market.app, buyer = market.demo.buyer.id
    for (let i = 0; i < jobs; i += AT_ONCE) await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs - i) }, (_, j) => engine.act({ kind: 'submit', buyer, id: null, key: null, bodyHash: '', spec: { ...spec, name: `Job ${i + j}` }, specHash: '', quote: null, cap: 1n, noWait: false })))
    await page.goto('/jobs')
    await page.getByRole('link', { name: /^Job \d+$/ }).first().waitFor()
    const listed = performance.now()
    await page.evaluate(`(async () => {
      const rows = document.querySelector('.rows')
      for (;;) {
        rows.scrollTop = rows.scrollHeight
        if (!/older ones load/.test(document.querySelector('main').textContent)) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()`)
    say(`${jobs.toLocaleString('en')} jobs, all scrolled to in ${((performance.now() - listed) / 1000).toFixed(1)} s; ${String(await page.evaluate('document.querySelectorAll(".rows tr.row").length'))} rows in the page`)
    say(`  a scroll to anywhere: ${await feel(page, `(i) => { const rows = document.querySelector('.rows'); rows.scrollTop = rows.scrollHeight * ((i * 0.37) % 1) }`, 60)}`)
    say(`  a letter typed into the filter: ${await feel(page, TYPE, 30)}`)
    await page.getByLabel('Name or id').fill('')
    await page.locator('.rows input[type=checkbox]').nth(9).waitFor()
    say(`  a row chosen: ${await feel(page, `(i) => { const boxes = [...document.querySelectorAll('.rows input[type=checkbox]')]; boxes[1 + (i % (boxes.length - 1))].click() }`, 30)}`)
  }
  if (only.includes('plots')) await plots()
} finally {
  await browser.close()
  await market.stop()
}
process.exit(0)
