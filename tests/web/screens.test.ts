// What holds of every screen: by axe it is accessible (WCAG 2.2 AA) in both schemes and on a phone, it never scrolls sideways, it breaks nothing that its
// policy forbids, and it asks nobody but the market.
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_BROWSER, chromiumPath, openBrowser, visit } from './browser.ts'
import { SCREENS, enterAs, show } from './screens.ts'
import type { Who } from './screens.ts'
import { fill, startWebMarket } from './web-market.ts'
import type { Shown, WebMarket } from './web-market.ts'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
describe.skipIf(chromiumPath() === null)(chromiumPath() === null ? NO_BROWSER : 'every screen', () => {
  let market: WebMarket, browser: Browser, data: Shown
  beforeAll(async () => { market = await startWebMarket(); data = await fill(market); browser = await openBrowser() }, 120_000)
  afterAll(async () => { await browser?.close(); await market?.stop() })

  const keyOf = (who: Who): string | null => ({ nobody: null, buyer: market.buyer, seller: market.demo.sellers[0]?.key ?? null, admin: market.demo.admin.key })[who]
  test.each(['nobody', 'buyer', 'seller', 'admin'] as const)('as %s', { timeout: 120_000 }, async (who) => {
    const { context, page, complaints, foreign } = await visit(browser, market.url)
    const key = keyOf(who)
    if (key !== null) await enterAs(page, key)
    const found: string[] = []
    for (const screen of SCREENS.filter((one) => one.who === who)) {
      await page.setViewportSize({ width: 1280, height: 800 })
      await show(page, screen, data)
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 800 })
        for (const dark of [false, true]) {
          // As the page's own switch does it, without loading everything anew.
          await page.evaluate(`document.documentElement.setAttribute('data-mantine-color-scheme', '${dark ? 'dark' : 'light'}')`)
          const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze()
          for (const one of violations) found.push(`${screen.name}, ${width} px, ${dark ? 'dark' : 'light'}: ${one.id}: ${one.nodes.slice(0, 2).map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.failureSummary ?? ''})`).join('; ')}`)
        }
      }
      await page.setViewportSize({ width: 360, height: 800 })
      const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as number
      if (over > 0) found.push(`${screen.name}: scrolls sideways by ${over} px at 360 px`)
    }
    expect(found).toEqual([])
    expect(complaints).toEqual([])
    expect(foreign).toEqual([])
    await context.close()
  })

  test('a dark page is dark from its first moment, and the switch stays', async () => {
    const { context, page } = await visit(browser, market.url, { dark: true })
    // Held back: everything but the page and the small script that decides its colours.
    await page.route('**/assets/*.js', () => { /* never answered */ })
    await page.goto('/', { waitUntil: 'commit' })
    await expect.poll(() => page.evaluate('document.documentElement.getAttribute("data-mantine-color-scheme")')).toBe('dark')
    await page.unroute('**/assets/*.js')
    await page.goto('/')
    await page.getByRole('button', { name: 'Use light colours' }).click()
    await page.reload()
    expect(await page.evaluate('document.documentElement.getAttribute("data-mantine-color-scheme")')).toBe('light')
    await context.close()
  })
})
