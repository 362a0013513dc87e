// A real Chromium, as Debian packages it. Where there is none the tests of the screens say so and are skipped.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'

const PLACES = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].filter((place): place is string => place !== undefined && place !== '')
export const chromiumPath = (): string | null => PLACES.find((place) => existsSync(place)) ?? null
export const NO_BROWSER = 'no Chromium on this machine (Debian: apt-get install chromium)'

export async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumPath()
  if (!executablePath) throw new Error(NO_BROWSER)
  // As root Chromium refuses its own sandbox; what is shown to it here comes from this checkout.
  return chromium.launch({ executablePath, args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage', '--disable-gpu'] })
}

export type Visit = { readonly context: BrowserContext; readonly page: Page; /** What the page complained of: errors, and what its policy stopped. */ readonly complaints: string[]; /** Addresses asked of anybody but the market. */ readonly foreign: string[] }
export async function visit(browser: Browser, url: string, options: { width?: number; height?: number; dark?: boolean } = {}): Promise<Visit> {
  const context = await browser.newContext({ baseURL: url, viewport: { width: options.width ?? 1280, height: options.height ?? 800 }, colorScheme: options.dark ? 'dark' : 'light', reducedMotion: 'reduce', acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'] })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const complaints: string[] = [], foreign: string[] = []
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`))
  // A refusal that the page shows is also told by the browser as a failed load: that is no complaint of the page.
  page.on('console', (message) => { if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(`console: ${message.text()}`) })
  page.on('request', (request) => { const asked = new URL(request.url()); if (asked.origin !== new URL(url).origin && asked.protocol.startsWith('http')) foreign.push(request.url()) })
  return { context, page, complaints, foreign }
}

/** What a person without a mouse does. Tab by tab until it has the focus: what cannot be reached this way cannot be reached at all. */
export function keysOf(page: Page, most = 200): { readonly tabTo: (target: Locator) => Promise<void>; readonly press: (target: Locator, key?: string) => Promise<void>; readonly write: (target: Locator, text: string) => Promise<void> } {
  const tabTo = async (target: Locator): Promise<void> => {
    await target.waitFor()
    for (let i = 0; i < most; i++) {
      if (await target.evaluate((element) => element === (element as unknown as { ownerDocument: { activeElement: unknown } }).ownerDocument.activeElement)) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`${most} tabs do not lead to ${String(target)}`)
  }
  return {
    tabTo,
    press: async (target, key = 'Enter') => { await tabTo(target); await page.keyboard.press(key) },
    write: async (target, text) => { await tabTo(target); await page.keyboard.press('Control+a'); await page.keyboard.type(text) },
  }
}
