// Figures and doings of sellers and buyers that stand beside the main stories: earnings by node, draining, how long credits last, when a line was written.
import { readFile } from 'node:fs/promises'
import type { Browser, Download } from 'playwright-core'
import { expect, test } from 'vitest'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

const text = async (file: Download): Promise<string> => readFile(await file.path(), 'utf8')

describeInBrowser('figures', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 1 }, (opened) => { ({ market, browser } = opened) })

  test('a job is made ready and runs; its lines have times; the credits last so long; the seller sees it by node, and drains', { timeout: 600_000 }, async () => {
    const buyer = market.client(market.buyer), { blob, size } = await buyer.upload(new TextEncoder().encode('console.log("first line")\nconst until = Date.now() + 1000\nwhile (Date.now() < until);\nconsole.log("last line")\n'))
    const { job } = await buyer.run({ template: 'count', runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
    expect(job.state).toBe('completed')
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.buyer)
    await page.getByText(/^lasts [\d,]+ (h|days?)|^lasts over 1,000 days/).waitFor()
    await page.goto(`/jobs/${job.id}?tab=logs`)
    await page.getByRole('list', { name: 'Phases' }).getByText(/^○?●?Preparing/).waitFor()
    expect(await page.getByRole('list', { name: 'Phases' }).getByRole('listitem').allTextContents()).toEqual([expect.stringMatching(/^●Queued[\d.]/), expect.stringMatching(/^●Matchednode-/), expect.stringMatching(/^●Preparing[1-9]/), expect.stringMatching(/^●Running[\d.]/), '●Completed'])
    const log = page.getByRole('region', { name: /^Output on/ })
    await log.getByText('last line').waitFor()
    await page.getByRole('switch', { name: 'Times' }).check()
    const line = log.locator('span', { hasText: 'first line' })
    expect(await line.getAttribute('data-number')).toMatch(/^\d{2}:\d{2}:\d{2}\.\d{3}$/)
    await page.getByLabel('Numbers and links').check()
    expect(await line.getAttribute('data-number')).toMatch(/^1 \d{2}:/)
    // What it cost, by template: the choice stands in the address, and the file has the sum of the wallet.
    await page.goto('/wallet')
    await page.getByText('By template').click()
    await page.waitForURL(/\/wallet\?by=template$/)
    await page.getByRole('region', { name: 'Spent by template' }).getByRole('row', { name: /^count/ }).waitFor()
    await page.reload()
    const bill = page.getByRole('region', { name: 'Spent by template' }).getByRole('row', { name: /^count/ }), { spent } = await buyer.wallet()
    await bill.waitFor()
    expect(await bill.getByRole('cell').nth(1).textContent()).toBe((Number(spent) / 1e6).toFixed(6).replace(/0{1,4}$/, ''))
    await page.getByRole('img', { name: /^Credits spent by day and template: .* most on count: / }).waitFor()
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Templates as CSV' }).click()])
    expect([file.suggestedFilename(), await text(file)]).toEqual(['lumaris-spent-by-template-30-days.csv', `template,credits,jobs\r\ncount,${(Number(spent) / 1e6).toFixed(6)},1\r\n`])
    expect(complaints).toEqual([])
    await context.close()

    const key = market.demo.sellers[0]?.key ?? '', seller = await visit(browser, market.url)
    await enterAs(seller.page, key)
    await seller.page.goto('/earnings')
    const byNode = seller.page.getByRole('region', { name: 'Earned by node' }), { nodes } = await market.client(key).api.getNodesEarnings()
    const row = byNode.getByRole('row', { name: /^node-ada/ })
    await row.waitFor()
    expect(await row.getByRole('cell').nth(3).textContent()).toBe((Number(nodes[0]?.pending) / 1e6).toFixed(6).replace(/0{1,4}$/, ''))
    await seller.page.getByRole('img', { name: /^Credits earned by day and node: 0\.\d+ credits in 30 days/ }).waitFor()
    await seller.page.getByLabel('Days as a table').check()
    await seller.page.getByRole('region', { name: 'Earned by day' }).getByRole('columnheader', { name: 'node-ada' }).waitFor()

    await seller.page.goto('/nodes')
    await seller.page.getByRole('region', { name: 'Nodes' }).or(seller.page.getByRole('main')).first().getByTitle('Since midnight UTC, after the fee').getByText(/^0\.\d*[1-9]/).waitFor()
    await seller.page.getByRole('button', { name: 'Drain 1 node…' }).click()
    await seller.page.getByRole('dialog').getByText('node-ada: no new work').waitFor()
    await seller.page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click()
    await seller.page.getByText('Draining').first().waitFor()
    await seller.page.getByRole('link', { name: 'node-ada' }).click()
    await seller.page.getByRole('button', { name: 'Resume' }).click()
    await seller.page.getByRole('button', { name: 'Drain…' }).waitFor()
    expect((await market.client(key).api.listNodes()).data[0]?.state).toBe('online')
    expect(seller.complaints).toEqual([])
    await seller.context.close()
  })
})
