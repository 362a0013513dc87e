// Lists and what is done from them: by keys, kept under names, several at once.
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { JobSpecInput } from '@lumaris/protocol'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('lists', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 1 }, (opened) => { ({ market, browser } = opened) })
  const large = (name: string): JobSpecInput => ({ name, runtime: 'javascript', command: ['main.ts'], resources: { cpuMillis: 64_000 } })
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
})
