// Lists, and jobs beside what the stories of the others tell: by keys, kept under names, several at once.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { formatCredits } from '@lumaris/protocol'
import type { JobSpecInput } from '@lumaris/protocol'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('lists', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 2 }, (opened) => { ({ market, browser } = opened) })
  const large = (name: string): JobSpecInput => ({ name, runtime: 'javascript', command: ['main.ts'], resources: { cpuMillis: 64_000 } })
  const credits = (micros: string): string => formatCredits(BigInt(micros))
  const inFocus = (page: Page): Promise<string> => page.evaluate(() => (globalThis as unknown as { document: { activeElement: { textContent: string } } }).document.activeElement.textContent)

  test('j and k go from row to row and Enter opens; not while one types, and not when single keys are off', { timeout: 60_000 }, async () => {
    const buyer = market.client(market.buyer)
    for (const name of ['first', 'second', 'third']) await buyer.submit(large(name))
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto('/jobs')
    await page.getByRole('link', { name: 'third' }).waitFor()
    await page.keyboard.press('j')
    expect(await inFocus(page)).toBe('third')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('k')
    expect(await inFocus(page)).toBe('second')
    // A box that is chosen is not typing.
    await page.getByRole('checkbox', { name: 'Choose second' }).focus()
    await page.keyboard.press('j')
    expect(await inFocus(page)).toBe('first')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'first' }).waitFor()

    await page.goto('/jobs')
    await page.getByLabel('Name or id').fill('s')
    await page.keyboard.press('j')
    expect(await page.getByLabel('Name or id').inputValue()).toBe('sj')
    await page.getByLabel('Name or id').fill('')
    await page.getByLabel('Name or id').blur()
    await page.keyboard.press('?')
    await page.getByText('To the next row of a list').waitFor()
    await page.getByLabel('Single keys do something').uncheck()
    await page.keyboard.press('Escape')
    await page.getByText('To the next row of a list').waitFor({ state: 'hidden' })
    await page.keyboard.press('j')
    expect(['first', 'second', 'third']).not.toContain(await inFocus(page))
    expect(complaints).toEqual([])
    await context.close()
  })

  test('copies are told apart, the phases are those that were gone through, and results come as one zip that others can open', { timeout: 120_000 }, async () => {
    const buyer = market.client(market.buyer), { blob, size } = await buyer.upload(new TextEncoder().encode("Deno.mkdirSync('sub'); for (const name of ['a.txt', 'sub/AUX', 'sub/b:c']) Deno.writeTextFileSync(name, name)\n"))
    const { job } = await buyer.run({ runtime: 'javascript', command: ['main.ts'], copies: 2, inputs: [{ path: 'main.ts', blob, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
    expect(job.state).toBe('completed')
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto(`/jobs/${job.id}`)
    for (const copy of ['copy 1 of 2', 'copy 2 of 2']) await page.getByRole('region', { name: 'Attempts' }).getByText(copy, { exact: true }).waitFor()
    expect(await page.getByRole('list', { name: 'Phases' }).getByRole('listitem').allTextContents()).toEqual([expect.stringMatching(/^●Queued/), '●Matched2 nodes', expect.stringMatching(/^●Preparing/), expect.stringMatching(/^●Running/), expect.stringMatching(/^●Verifying[\d.]/), '●Completed'])
    await page.getByRole('tab', { name: 'Results' }).click()
    await page.getByText('✓ Verified by 2 of 2 nodes.').waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Download all as a zip' }).click()
    const saved = join(market.dir, 'downloaded.zip')
    await (await download).saveAs(saved)
    expect((await download).suggestedFilename()).toBe(`${job.id}.zip`)
    const zip = readFileSync(saved, 'latin1')
    for (const stored of ['a.txta.txt', 'sub/_AUXsub/AUX', 'sub/b_csub/b:c']) expect(zip).toContain(stored)
    expect(complaints).toEqual([])
    await context.close()
  })
  test('a job that waits says why in words', { timeout: 60_000 }, async () => {
    const { id } = await market.client(market.buyer).submit(large('waits')), { page, context } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto(`/jobs/${id}`)
    await page.getByText('None of 2 nodes can take it now').waitFor()
    await page.getByRole('link', { name: 'What would help' }).click()
    await page.getByRole('heading', { name: '1 part waits' }).waitFor()
    await context.close()
  })

  test('several jobs run again: how many and for how much is asked, each is one new job, and what is refused is told', { timeout: 120_000 }, async () => {
    const buyer = market.client(market.buyer), { blob, size } = await buyer.upload(new TextEncoder().encode('console.log(1)'))
    const spec = (name: string): JobSpecInput => ({ name, runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 }, placement: { regions: ['local'] } })
    const one = await buyer.run(spec('again one')), two = await buyer.run(spec('again two')), gone = await buyer.run(spec('again three')), waits = await buyer.submit(large('still waits'))
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.goto('/jobs')
    await page.getByRole('row', { name: 'again one' }).getByText('local', { exact: true }).waitFor()
    for (const name of ['again one', 'again two', 'again three', 'still waits']) await page.getByRole('checkbox', { name: `Choose ${name}` }).check()
    await page.getByRole('button', { name: 'Cancel 1 job', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Run 3 jobs again' }).click()
    const dialog = page.getByRole('dialog'), cap = credits((3n * BigInt(one.job.cap)).toString())
    await dialog.getByText(`together at most ${cap} credits, held from now on`).waitFor()
    await dialog.getByText(`npx lumaris rerun`).waitFor()
    // One is refused at first, and its answer is lost the second time: it runs once all the same.
    let tries = 0
    await page.route('**/v1/jobs', async (route) => {
      if (route.request().method() !== 'POST' || (route.request().postDataJSON() as { spec: { name: string } }).spec.name !== 'again three') return route.continue()
      if (++tries === 1) return route.fulfill({ status: 402, contentType: 'application/problem+json', body: JSON.stringify({ type: 'about:blank', status: 402, code: 'insufficient_funds', title: 'Not enough credits for the cap of this job', hint: 'Add credits', retry: false, requestId: 'req_1' }) })
      await route.fetch()
      return route.abort('connectionreset')
    })
    await dialog.getByRole('button', { name: `Hold ${cap} and run 3 jobs again` }).click()
    await dialog.getByText('2 of 3 jobs run again, 1 not.').waitFor()
    await dialog.getByText('not run again: Not enough credits').waitFor()
    await dialog.getByRole('button', { name: 'Try 1 job again' }).click()
    await dialog.getByText('3 of 3 jobs run again.').waitFor()
    await page.unroute('**/v1/jobs')
    const made = new Map<string, number>()
    for await (const job of buyer.jobs()) made.set(job.spec.name ?? '', (made.get(job.spec.name ?? '') ?? 0) + 1)
    expect(['again one', 'again two', 'again three', 'still waits'].map((name) => made.get(name))).toEqual([2, 2, 2, 1])
    await dialog.getByRole('link', { name: /^…/ }).first().click()
    await page.getByRole('heading', { level: 1, name: /^again/ }).waitFor()
    expect([one.job.state, two.job.state, gone.job.state, (await buyer.job(waits.id)).state]).toEqual(['completed', 'completed', 'completed', 'queued'])
    expect(complaints).toEqual([])
    await context.close()
  })
})
