// What a buyer does with jobs besides running them once: moves one that runs, repeats one, keeps one, and begins from what was kept.
import type { Browser } from 'playwright-core'
import { expect, test } from 'vitest'
import type { JobSpec } from '@lumaris/protocol'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('a buyer with a job', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 2 }, (opened) => { ({ market, browser } = opened) })
  async function program(code: string, more: Partial<JobSpec> = {}): Promise<JobSpec> {
    const { blob, size } = await market.client(market.buyer).upload(new TextEncoder().encode(code))
    return { runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2, diskBytes: 64 * 1024 ** 2, gpus: 0 }, ...more } as JobSpec
  }

  test('moves it while it runs: it goes on elsewhere, from what was kept', async () => {
    // Counts on, a step every quarter of a second, until it is moved; then a little further. How long a page takes on a busy machine is not its business.
    const spec = await program(`let step = 0
try { step = Number(Deno.readTextFileSync('step.txt')) } catch { /* the first time there is none */ }
console.log('from', step)
const end = step === 0 ? 2_000 : step + 8
for (; step < end; step++) { await new Promise((resolve) => setTimeout(resolve, 250)); Deno.writeTextFileSync('next.txt', String(step + 1)); Deno.renameSync('next.txt', 'step.txt') }
console.log('counted to', step)
`, { name: 'A long count', checkpoint: { paths: ['step.txt'], everyMs: 1_000 } } as Partial<JobSpec>)
    const { page, context, complaints } = await visit(browser, market.url), job = await market.client(market.buyer).submit(spec, { cap: 10_000_000n })
    await enterAs(page, market.buyer)
    const runs = async (): Promise<unknown[]> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job.id}/attempts`)).body.data
    await expect.poll(runs, { timeout: 120_000 }).toMatchObject([{ state: 'running', saved: { kind: 'files' } }])
    await page.goto(`/jobs/${job.id}?part=0`)
    const attempts = page.getByRole('region', { name: 'Attempts' })
    await attempts.getByText(/^checkpoint \d+ at/).waitFor()
    await page.getByRole('button', { name: 'Move…' }).click()
    const dialog = page.getByRole('dialog')
    // A node that is none: refused in the page; one that is not there: by the market, and it runs on.
    await dialog.getByLabel('To the node').fill('the-other-one')
    await dialog.getByText('The id of a node begins with nod_').waitFor()
    expect(await dialog.getByRole('button', { name: 'Move it' }).isDisabled()).toBe(true)
    await dialog.getByLabel('To the node').fill(`nod_${'0'.repeat(26)}`)
    await dialog.getByRole('button', { name: 'Move it' }).click()
    await dialog.getByText('It runs on where it is').waitFor()
    await dialog.getByLabel('To the node').fill('')
    await dialog.getByRole('button', { name: 'Move it' }).click()
    await dialog.waitFor({ state: 'hidden' })
    await attempts.getByText(/^went on from checkpoint \d+$/).waitFor({ timeout: 120_000 })
    await page.getByText('All parts ended well.').waitFor({ timeout: 120_000 })
    const seen = market.client(market.buyer).attempts(job.id), nodes: string[] = []
    for await (const one of seen) nodes.push(one.node)
    expect([nodes.length, new Set(nodes).size]).toEqual([2, 2])
    expect(complaints).toEqual([])
    await context.close()
  })
  test('repeats it, looks at what became of it, holds the schedule and ends it', async () => {
    const job = await market.client(market.buyer).submit({ ...await program('console.log(1)'), name: 'Report' }, { cap: 1_000_000n }), { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto(`/jobs/${job.id}`)
    await page.getByRole('link', { name: 'Repeat…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('When').selectOption({ label: 'at other times' })
    await dialog.getByLabel('Times, as a cron').fill('every now and then')
    await dialog.getByRole('button', { name: 'Repeat it' }).click()
    await dialog.getByText(/cron|fields/i).nth(1).waitFor() // the market's words, beside the field or below
    await dialog.getByLabel('Times, as a cron').fill('* * * * *')
    await dialog.getByLabel('By the clock of').fill('Europe/Berlin')
    await dialog.getByLabel('All together at most').fill('3')
    await dialog.getByRole('button', { name: 'Repeat it' }).click()
    await dialog.waitFor({ state: 'hidden' })
    const one = page.getByRole('region', { name: 'Report', exact: true })
    await one.getByText('Active').waitFor()
    await one.getByText(/of 3\.00 credits spent or held$/).waitFor()
    await one.getByRole('button', { name: /^Pause/ }).click()
    await one.getByText('Its times pass, and nothing is submitted.').waitFor()
    await one.getByRole('button', { name: /^Go on/ }).click()
    await one.getByText('Active').waitFor()
    await one.getByRole('button', { name: /^End/ }).click()
    await page.getByRole('button', { name: 'End the schedule' }).click()
    await page.getByText(/^No schedules yet$|^It submits nothing more\.$/).waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })
  test('keeps it under a name, finds it by words, and begins from it; parameters are asked for first', async () => {
    const client = market.client(market.buyer), spec = await program("console.log('size', Deno.args[0])"), { page, context, complaints } = await visit(browser, market.url)
    const job = await client.submit({ ...spec, name: 'Fold a protein' }, { cap: 1_000_000n })
    await client.api.putTemplate({ params: { template: 'grow' }, body: { spec: { ...spec, name: 'Grow', command: ['main.ts', '{{size}}'] }, parameters: { size: { type: 'whole', says: 'How large' } } } })
    await enterAs(page, market.buyer)
    await page.goto(`/jobs/${job.id}`)
    await page.getByRole('button', { name: 'Keep as a template…' }).click()
    expect(await page.getByRole('dialog').getByLabel('Name').inputValue()).toBe('Fold-a-protein')
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click()
    await page.getByRole('dialog').getByRole('link', { name: 'your templates' }).click()
    await page.getByLabel('What do you want to do?').fill('fold some proteins')
    await page.getByText('1 template found').waitFor()
    await page.getByRole('link', { name: 'Use Fold-a-protein' }).click()
    await page.getByText('Nodes that can').waitFor()
    expect(await page.getByLabel('Code').inputValue()).toContain("console.log('size'")
    await page.goto('/submit?saved=grow')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText(/size must be a whole number/).waitFor()
    await page.getByLabel('size').fill('12; rm -rf /')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText(/size must be a whole number/).waitFor()
    await page.getByLabel('size').fill('12')
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByText('Nodes that can').waitFor()
    expect(await page.getByLabel('Arguments').inputValue()).toBe('12')
    await page.goto('/templates')
    await page.getByRole('button', { name: 'Forget… grow' }).click()
    await page.getByLabel('Type its name: grow').fill('grow')
    await page.getByRole('dialog').getByRole('button', { name: 'Forget it' }).click()
    await page.getByRole('heading', { name: 'grow', exact: true }).waitFor({ state: 'hidden' })
    expect(complaints).toEqual([])
    await context.close()
  })
})
