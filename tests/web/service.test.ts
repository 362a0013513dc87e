// How a job is served, ordered in the form: by a deadline for at most a budget, cheaply, with an error bound, on a part of a graphics card. And the same
// order as lines for a shell, which are run here as they stand.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { JobId, JobSpec } from '@lumaris/protocol'
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { Context } from '../../apps/cli/src/context.ts'
import { readDescription } from '../../apps/cli/src/read-description.ts'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

const root = join(import.meta.dirname, '../..')
describeInBrowser('how a job is served', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 1 }, (opened) => { ({ market, browser } = opened) })
  const fact = (page: Page, name: string) => page.locator('.fact', { has: page.getByText(name, { exact: true }) }).first()

  /** In a folder of its own, where `npx lumaris` is the one of this checkout. */
  async function runInShell(lines: string): Promise<string> {
    const dir = join(market.dir, 'shell')
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'order.sh'), `npx() { shift; "$NODE" "$CLI" "$@"; }\n${lines}`)
    const child = spawn('bash', ['-e', 'order.sh'], { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, HOME: dir, NODE: process.execPath, CLI: join(root, 'apps/cli/src/main.ts'), LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer, LUMARIS_CHECKOUT: dir } })
    const [out, wrong, code] = await Promise.all([text(child.stdout), text(child.stderr), new Promise((resolve) => { child.on('exit', resolve) })])
    expect([code, code === 0 ? '' : wrong]).toEqual([0, ''])
    return /job_[a-z0-9]{26}/.exec(out)?.[0] ?? out
  }

  test('by a deadline for a budget: the chance stands there before, and the shell lines order the same job', { timeout: 600_000 }, async () => {
    const { page, context, complaints } = await visit(browser, market.url), buyer = market.client(market.buyer)
    await enterAs(page, market.buyer)
    await page.goto('/submit?template=fractal')
    await page.getByText('By a deadline').click()
    await page.getByLabel('A part takes about, minutes').fill('2')
    await page.getByLabel('Keep these files of a try').fill('*.svg')
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
    await page.getByLabel('Done by').fill(`${tomorrow}T18:30`)
    await page.getByLabel('For at most', { exact: false }).first().fill('0.0000001')
    await page.getByText('An amount of credits, such as 0.5.').first().waitFor()
    await page.getByLabel('For at most', { exact: false }).first().fill('0.000001')
    await page.getByText('Raise the cap').or(page.getByText('the budget does not cover the cheapest firm way')).first().waitFor()
    await page.getByLabel('For at most', { exact: false }).first().fill('5')
    await fact(page, 'Done in time').getByText(/^\d+(\.\d)? %/).waitFor()
    await expect.poll(() => page.locator('.figure').first().textContent()).toBe('5.00 credits')

    await page.getByRole('button', { name: 'As YAML / CLI / SDK / JSON' }).click()
    const lines = (await page.getByLabel('The order as text').textContent()) ?? ''
    expect(lines).toContain('npx lumaris submit --spec job.json --no-auto --file main.ts --cap 5.00')
    const bySelf = await buyer.job(await runInShell(lines) as JobId)
    await page.getByText('SDK', { exact: true }).click()
    expect(await page.getByLabel('The order as text').textContent()).toContain('{ cap: 5000000n }')

    await page.getByRole('button', { name: 'Review and submit' }).click()
    await fact(page, 'Done in time').waitFor()
    await page.getByRole('button', { name: 'Hold 5.00 credits and submit' }).click()
    await page.waitForURL(/\/jobs\/job_/)
    const byForm = await buyer.job(page.url().split('/').at(-1) as JobId)
    expect([bySelf.spec, bySelf.cap]).toEqual([byForm.spec, byForm.cap])
    expect(byForm).toMatchObject({ cap: '5000000', spec: { plan: 'deadline', deadline: new Date(`${tomorrow}T18:30`).getTime(), expectedMs: 120_000, checkpoint: { paths: ['*.svg'] } } })
    expect(complaints).toEqual([])
    await context.close()
  })

  test('an error bound with what it adds; a bid; a part of a card, which nobody has', async () => {
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto('/submit?template=primes')
    await page.getByLabel('Wrong results, at most').selectOption({ label: '1 of 100' })
    await fact(page, 'Assurance adds').getByText(/credits to the likely cost \(\d+(\.\d)? % more\), \d/).waitFor()
    await page.getByText('Interruptible', { exact: true }).click()
    await page.getByLabel('Bid: most for an hour of one part').fill('0.5')
    await page.getByLabel('GPUs', { exact: true }).fill('1')
    await page.getByLabel('Part of each card, %').fill('14.2')
    await page.getByLabel('Models').fill('nvidia-h200')
    await page.getByText('No node can run this as it is').waitFor()
    await page.getByRole('button', { name: 'As YAML / CLI / SDK / JSON' }).click()
    await page.getByText('JSON', { exact: true }).click()
    const spec = JSON.parse((await page.getByLabel('The order as text').textContent()) ?? '') as JobSpec
    // The same in YAML, written by a library that came when it was asked for, and read by the command line's own reader.
    const libraries = (): Promise<number> => page.evaluate("performance.getEntriesByType('resource').filter(({ name }) => /as-yaml/.test(name)).length")
    expect(await libraries()).toBe(0)
    await page.getByText('YAML', { exact: true }).click()
    const yaml = page.getByLabel('The order as text').filter({ hasText: /^# npx lumaris submit --spec job\.yaml --no-auto --file main\.py/ })
    await yaml.waitFor()
    expect(await libraries()).toBeGreaterThan(0)
    const { inputs: _uploaded, ...rest } = spec
    expect(await readDescription({ io: { cwd: '/', stdin: Readable.from([await yaml.textContent()]) } } as unknown as Context, '-', '')).toEqual(rest)
    expect(spec).toMatchObject({ assurance: '1e-2', interruptible: { bidHour: '500000' }, resources: { gpus: 1, gpuShare: 142, gpuModels: ['nvidia-h200'] } })
    // What does not go together is said in the market's words.
    await page.getByText('By a deadline').click()
    await page.getByText('leave out plan, or copies and assurance').waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })
})
