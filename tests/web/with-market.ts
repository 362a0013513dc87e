// What tests of the screens begin with: one market and one browser for all tests of a file. Without a Chromium the file says so and is skipped.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe } from 'vitest'
import { NO_BROWSER, chromiumPath, openBrowser } from './browser.ts'
import { startWebMarket } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

type Opened = { readonly market: WebMarket; readonly browser: Browser }

export const describeInBrowser = (name: string, tests: () => void): void => void describe.skipIf(chromiumPath() === null)(chromiumPath() === null ? NO_BROWSER : name, tests)

/** Opens both before the tests of a file and closes them after the last; `first` is done when the browser is closed and the market still there. */
export function withMarket(options: Parameters<typeof startWebMarket>[0], opened: (both: Opened) => void | Promise<void>, first?: () => Promise<void>): void {
  let market: WebMarket | undefined, browser: Browser | undefined
  beforeAll(async () => {
    market = await startWebMarket(options)
    browser = await openBrowser()
    await opened({ market, browser })
  }, 300_000) // a busy machine starts a market and a browser slowly
  afterAll(async () => {
    await browser?.close()
    await first?.()
    await market?.stop()
  })
}
