// What holds of every screen: by axe it is accessible (WCAG 2.2 AA) in both schemes and on a phone, it never scrolls sideways, it breaks nothing that its
// policy forbids, and it asks nobody but the market.
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_BROWSER, chromiumPath, openBrowser, visit } from './browser.ts'
import { SCREENS, enterAs, enterAsPerson, show } from './screens.ts'
import type { Screen, Who } from './screens.ts'
import { fill, startWebMarket } from './web-market.ts'
import type { Shown, WebMarket } from './web-market.ts'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
describe.skipIf(chromiumPath() === null)(chromiumPath() === null ? NO_BROWSER : 'every screen', () => {
  let market: WebMarket, browser: Browser, data: Shown
  beforeAll(async () => { market = await startWebMarket(); data = await fill(market); browser = await openBrowser() }, 120_000)
  afterAll(async () => { await browser?.close(); await market?.stop() })

  const keyOf = (who: Who): string | null => ({ nobody: null, person: null, buyer: market.buyer, seller: market.demo.sellers[0]?.key ?? null, admin: market.demo.admin.key })[who]
  type Violation = { id: string; nodes: { target: string[]; any: { message: string }[]; failureSummary?: string }[] }
  /** Axe is brought into the page once for each screen; its own wrapper does so for each question, and opens another page besides. */
  async function violations(page: Page): Promise<string[]> {
    if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source)
    const found = (await page.evaluate(`axe.run(document, { runOnly: ${JSON.stringify(TAGS)}, resultTypes: ['violations'], iframes: false }).then((result) => result.violations)`)) as Violation[]
    return found.map((one) => `${one.id}: ${one.nodes.slice(0, 2).map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.failureSummary ?? ''})`).join('; ')}`)
  }
  const lookAt = async (who: Who, screens: readonly Screen[]): Promise<void> => {
    const { context, page, complaints, foreign } = await visit(browser, market.url)
    // A colour on its way to another one has the contrast of neither.
    await page.addInitScript('{ const still = new CSSStyleSheet(); still.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important; }"); document.adoptedStyleSheets = [still] }')
    const key = keyOf(who)
    if (key !== null) await enterAs(page, key)
    if (who === 'person') await enterAsPerson(page)
    const found: string[] = []
    for (const screen of screens) {
      await page.setViewportSize({ width: 1280, height: 800 })
      await show(page, screen, data)
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 800 })
        for (const colours of ['light', 'dark']) {
          // As the page's own switch does it, without loading everything anew.
          await page.evaluate(`document.documentElement.setAttribute('data-mantine-color-scheme', '${colours}')`)
          for (const one of await violations(page)) found.push(`${screen.name}, ${width} px, ${colours}: ${one}`)
        }
      }
      await page.setViewportSize({ width: 360, height: 800 })
      const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as number
      if (over > 0) found.push(`${screen.name}: scrolls sideways by ${over} px at 360 px`)
    }
    await context.close()
    expect(found).toEqual([])
    expect(complaints).toEqual([])
    expect(foreign).toEqual([])
  }
  const of = (who: Who): Screen[] => SCREENS.filter((one) => one.who === who)
  const half = Math.ceil(of('buyer').length / 2)
  // Side by side: each page is drawn by a process of its own.
  test.concurrent('as nobody in particular', { timeout: 120_000 }, () => lookAt('nobody', of('nobody')))
  test.concurrent('as a buyer, first half', { timeout: 120_000 }, () => lookAt('buyer', of('buyer').slice(0, half)))
  test.concurrent('as a buyer, second half', { timeout: 120_000 }, () => lookAt('buyer', of('buyer').slice(half)))
  test.concurrent('as somebody with a password', { timeout: 120_000 }, () => lookAt('person', of('person')))
  test.concurrent('as a seller', { timeout: 120_000 }, () => lookAt('seller', of('seller')))
  test.concurrent('as an operator', { timeout: 120_000 }, () => lookAt('admin', of('admin')))

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
