// The page of a node in tabs: they stand in the address, a link to a panel opens the right one, and what was typed stays while one looks at another.
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

const open = (page: Page): Promise<string | null> => page.getByRole('tab', { selected: true }).textContent()
/** Of the element that has the focus. */
const focused = (page: Page): Promise<string> => page.evaluate('`${document.activeElement.tagName} ${document.activeElement.textContent}`')

describeInBrowser('the tabs of a node', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 1 }, (opened) => { ({ market, browser } = opened) })

  test('one is in the address, through a reload and on the way back; arrows move between them; what is typed stays', async () => {
    const key = market.demo.sellers[0]?.key ?? '', [node] = (await market.client(key).api.listNodes()).data, { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, key)
    await page.goto(`/nodes/${node?.id}?span=day`)
    await page.getByRole('heading', { name: 'The machine' }).waitFor()
    expect([await open(page), await page.getByRole('tab').allTextContents()]).toEqual(['Live', ['Live', 'Earnings and price', 'Hours and limits', 'What it takes', 'Record', 'Events and evidence']])
    // What matters always stands above, whichever is open.
    await page.getByRole('tab', { name: 'Live' }).focus()
    for (const [arrow, tab, name] of [['ArrowRight', 'price', 'Earnings and price'], ['ArrowRight', 'hours', 'Hours and limits'], ['End', 'events', 'Events and evidence'], ['ArrowLeft', 'record', 'Record'], ['Home', null, 'Live'], ['ArrowLeft', 'events', 'Events and evidence']] as const) {
      await page.keyboard.press(arrow)
      if (!arrow.startsWith('Arrow')) await page.keyboard.press('Enter') // these two only go there
      await expect.poll(() => new URL(page.url()).searchParams.get('tab')).toBe(tab)
      expect([await open(page), await focused(page), new URL(page.url()).searchParams.get('span')]).toEqual([name, `BUTTON ${name}`, 'day'])
      await page.getByRole('tabpanel', { name }).locator('.panel').first().waitFor()
      expect([await page.getByText('Connected and taking work.').isVisible(), await page.getByRole('button', { name: 'Pause…' }).isEnabled(), await page.getByRole('tabpanel').count()]).toEqual([true, true, 1])
    }
    // From the tab one goes on into what it shows.
    await page.getByRole('tab', { name: 'Earnings and price' }).click()
    await page.getByLabel('Core, 1 hour').fill('0.77')
    await page.getByRole('tab', { name: 'Record' }).click()
    await page.getByRole('heading', { name: 'Walls it has proved' }).waitFor()
    expect(await page.getByRole('heading', { name: 'The machine' }).count()).toBe(0)
    await page.getByRole('tab', { name: 'Earnings and price' }).click()
    expect(await page.getByLabel('Core, 1 hour').inputValue()).toBe('0.77')

    await page.getByRole('tab', { name: 'Record' }).click()
    await page.reload()
    await page.getByRole('heading', { name: 'Walls it has proved' }).waitFor()
    expect(await open(page)).toBe('Record')
    await page.getByRole('link', { name: 'Earnings', exact: true }).first().click()
    await page.waitForURL(/\/earnings$/)
    await page.goBack()
    await page.getByRole('heading', { name: 'Walls it has proved' }).waitFor()
    expect(await open(page)).toBe('Record')
    await page.goto(`/nodes/${node?.id}?tab=nonsense`)
    await page.getByRole('heading', { name: 'The machine' }).waitFor()
    expect(await open(page)).toBe('Live')
    expect(complaints).toEqual([])
    await context.close()
  })

  test('a link to a panel opens its tab and stands there, whatever tab was named; the next choice forgets it; on a phone the open one is seen', async () => {
    const key = market.demo.sellers[0]?.key ?? '', [node] = (await market.client(key).api.listNodes()).data
    for (const width of [1280, 390]) {
      const { page, context, complaints } = await visit(browser, market.url, { width, height: 800 })
      await enterAs(page, key)
      for (const [hash, tab, heading] of [['prices', 'Earnings and price', 'Prices, in credits'], ['policy', 'What it takes', 'What it takes'], ['why-not', 'Record', 'Why was it not chosen?'], ['remove', 'Hours and limits', 'Remove it'], ['self-test', 'Events and evidence', 'Self-test'], ['capacity', 'Live', 'Sold of what it offers']] as const) {
        await page.goto('/nodes')
        await page.goto(`/nodes/${node?.id}?tab=record#${hash}`)
        await page.getByRole('heading', { name: heading, exact: true }).waitFor()
        await expect.poll(() => focused(page)).toBe(`H2 ${heading}`)
        expect(await open(page)).toBe(tab)
        // Within the window: not beside it, where nobody sees it.
        const box = await page.getByRole('tab', { selected: true }).boundingBox()
        expect([box !== null && box.x >= 0, box !== null && box.x + box.width <= width], `${hash} at ${width}`).toEqual([true, true])
      }
      // Typed behind the address of a page that is open.
      await page.evaluate('location.hash = "machine"')
      await page.getByRole('heading', { name: 'The machine' }).waitFor()
      await page.evaluate('location.hash = "estimate"')
      await page.getByRole('heading', { name: 'Estimate for a day' }).waitFor()
      await page.getByRole('tab', { name: 'Live' }).click()
      await page.getByRole('heading', { name: 'The machine' }).waitFor()
      await expect.poll(() => new URL(page.url()).hash + new URL(page.url()).search).toBe('')
      expect(complaints).toEqual([])
      await context.close()
    }
  })

  test('an operator has the same tabs of somebody else’s node, and there what is for operators', async () => {
    const [node] = (await market.client(market.demo.sellers[0]?.key ?? '').api.listNodes()).data, { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, market.demo.admin.key)
    await page.goto(`/nodes/${node?.id}?tab=price`)
    await page.getByText('At your prices').or(page.getByText('Estimate for a day')).first().waitFor()
    expect(await page.getByRole('heading', { name: 'What it earned' }).count()).toBe(0)
    await page.getByLabel('Core, 1 hour').fill('0.9')
    await page.getByLabel('Reason').waitFor()
    await page.getByRole('tab', { name: 'Hours and limits' }).click()
    await page.getByText('whoever runs the market may only look').waitFor()
    expect(await page.getByRole('heading', { name: 'Remove it' }).count()).toBe(0)
    await page.getByRole('tab', { name: 'Events and evidence' }).click()
    await page.getByRole('region', { name: 'Heartbeat' }).getByText('"availability_update"').waitFor()
    await page.getByRole('button', { name: 'Pause…' }).click()
    await page.getByRole('dialog').getByLabel('Reason').waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })
})
