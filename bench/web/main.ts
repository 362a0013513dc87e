// How the screens bear much: a job that writes a million lines, and a list of many jobs, in a real browser against a real market.
//   npm run bench:web -- [--jobs 20000] [--lines 1000000]
import { parseArgs } from 'node:util'
import type { Page } from 'playwright-core'
import { openBrowser, visit } from '../../tests/web/browser.ts'
import { enterAs } from '../../tests/web/screens.ts'
import { startWebMarket } from '../../tests/web/web-market.ts'

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '20000' }, lines: { type: 'string', default: '1000000' } } })
const jobs = Number(values.jobs), lines = Number(values.lines)
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
  const at = (share: number): string => `${Math.round(found[Math.min(found.length - 1, Math.floor(share * found.length))] ?? 0)} ms`
  return `median ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)}`
}
/** Types a letter as React hears it. */
const TYPE = `(i) => { const field = document.querySelector('[data-filter]'); Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, String(i % 10)); field.dispatchEvent(new Event('input', { bubbles: true })) }`

try {
  const client = market.client(market.buyer)
  const { page } = await visit(browser, market.url)
  await enterAs(page, market.buyer)

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

  // Refused jobs would not do: these wait for a node that is not there.
  for (let i = 0; i < jobs; i += 200) await Promise.all(Array.from({ length: Math.min(200, jobs - i) }, (_, j) => client.submit({ name: `Job ${i + j}`, command: ['x'], resources: { cpuMillis: 900_000 } }, { cap: 1n })))
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
} finally {
  await browser.close()
  await market.stop()
}
process.exit(0)
