// What holds of every screen: by axe it is accessible (WCAG 2.2 AA) in both schemes and on a phone, it never scrolls sideways, it breaks nothing that its
// policy forbids, and it asks nobody but the market.
import type { Browser } from 'playwright-core'
import { expect, test } from 'vitest'
import { visit } from './browser.ts'
import { examine, keepStill } from './examine.ts'
import { dialogs, routeOf, routes } from './in-source.ts'
import { SCREENS, enterAs, enterAsPerson, show } from './screens.ts'
import type { Screen, Who } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { fill } from './web-market.ts'
import type { Shown, WebMarket } from './web-market.ts'

test('every address of the screens is looked at', () => {
  const shown = new Set(SCREENS.map(({ path }) => routeOf(path(new Proxy({}, { get: () => 'one' }) as Shown))))
  expect(routes().filter((route) => !shown.has(route))).toEqual([])
})

/** Dialogs that no screen of the list opens, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'Move “${}”': 'asks for a job that runs on: doings.test.ts opens it', 'Is it still you?': 'asks for an old sign-in: account.test.ts examines it',
  'Send this message again?': 'only the words differ from the other questions with a reason', 'Try “${}” again?': 'the same', 'Update ${}': 'asks for an agent of an older version than the market’s',
}

describeInBrowser('every screen', () => {
  let market: WebMarket, browser: Browser, data: Shown
  withMarket({}, async (opened) => { ({ market, browser } = opened); data = await fill(market) })
  const lookedAt = new Set<string>(), titles = new Set<string>()

  const keyOf = (who: Who): string | null => ({ nobody: null, person: null, buyer: market.buyer, seller: market.demo.sellers[0]?.key ?? null, admin: market.demo.admin.key })[who]
  const lookAt = async (who: Who, screens: readonly Screen[]): Promise<void> => {
    const { context, page, complaints, foreign } = await visit(browser, market.url)
    await keepStill(page)
    const key = keyOf(who)
    if (key !== null) await enterAs(page, key)
    if (who === 'person') await enterAsPerson(page)
    const found: string[] = []
    for (const screen of screens) {
      await show(page, screen, data)
      lookedAt.add(screen.name)
      for (const title of (await page.evaluate(`[...document.querySelectorAll('[role=dialog] h2')].map((one) => one.textContent)`)) as string[]) titles.add(title)
      found.push(...await examine(page, screen.name))
    }
    await context.close()
    expect(found).toEqual([])
    expect(complaints).toEqual([])
    expect(foreign).toEqual([])
  }
  const of = (who: Who): Screen[] => SCREENS.filter((one) => one.who === who)
  const quarter = Math.ceil(of('buyer').length / 4)
  // Side by side: each page is drawn by a process of its own.
  test.concurrent('as nobody in particular', { timeout: 600_000 }, () => lookAt('nobody', of('nobody')))
  for (const [i, name] of ['first', 'second', 'third', 'last'].entries()) test.concurrent(`as a buyer, ${name} quarter`, { timeout: 600_000 }, () => lookAt('buyer', of('buyer').slice(i * quarter, (i + 1) * quarter)))
  test.concurrent('as somebody with a password', { timeout: 600_000 }, () => lookAt('person', of('person')))
  test.concurrent('as a seller', { timeout: 600_000 }, () => lookAt('seller', of('seller')))
  const half = Math.ceil(of('admin').length / 2)
  for (const [i, name] of ['first', 'second'].entries()) test.concurrent(`as an operator, ${name} half`, { timeout: 600_000 }, () => lookAt('admin', of('admin').slice(i * half, (i + 1) * half)))

  // After all of the above: what was open is known then.
  test('every dialog is opened by one of them', ({ skip }) => {
    skip(lookedAt.size < SCREENS.length, 'not every screen was looked at')
    expect(dialogs().filter(({ title, is }) => !(title in ELSEWHERE) && ![...titles].some((one) => is.test(one))).map(({ where, title }) => `${where}: ${title}`)).toEqual([])
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
