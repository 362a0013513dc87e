// Screens when there is nothing to show, when the market says no, and when it falls silent: each must say so, stay usable, and be as accessible as when
// all is well. The silence is a real one: a proxy on loopback that breaks every connection.
import type { Browser, Page, Route } from 'playwright-core'
import { expect, test } from 'vitest'
import { visit } from './browser.ts'
import { startCutProxy } from './cut-proxy.ts'
import type { CutProxy } from './cut-proxy.ts'
import { examine, keepStill } from './examine.ts'
import { routeOf, routes } from './in-source.ts'
import { SCREENS, enterAs, enterAsPerson, show } from './screens.ts'
import type { Screen, Who } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { fill, someone } from './web-market.ts'
import type { Shown, WebMarket } from './web-market.ts'

/** Of each screen that asks the market for something, one look at it; and which of its questions fail: by themselves all but who one is. */
const ASKS: Readonly<Record<string, RegExp>> = Object.fromEntries([
  ...['front', 'status', 'home', 'submit', 'jobs', 'job', 'wallet', 'webhooks', 'keys', 'schedules', 'templates', 'account', 'nodes', 'node', 'earnings', 'market', 'fleet', 'queue', 'revenue', 'ledger', 'reconciliation', 'users', 'user', 'incidents', 'actions', 'settings', 'appeals', 'earnings-statement', 'alerts', 'alerts-seller', 'node-theirs', 'all-jobs', 'all-nodes', 'all-schedules', 'members', 'invitation'].map((name) => [name, /\/v1\/(?!users\/me$|browser-sessions|events)/] as const),
  // A job that is there, and what belongs to it is not.
  ...['job-logs', 'job-results', 'job-cost', 'job-why', 'job-history'].map((name) => [name, /\/v1\/(jobs\/[^/?]+\/|attempts)/] as const),
  ['node-machine-table', /\/readings/],
  // And a node that is there: of each of its tabs, what that asks.
  ...['node-price', 'node-hours', 'node-record', 'node-activity', 'node-evidence'].map((name) => [name, /\/v1\/(nodes\/[^/?]+\/|earnings\/|admin\/nodes\/)/] as const),
])
const WITH_DATA = SCREENS.filter(({ name }) => name in ASKS)
/** Addresses that ask the market nothing until something is pressed. */
const ASK_NOTHING = ['/sign-in', '/sign-up', '/forgot-password', '/reset-password', '/device', '/nodes/join']
test('every address that asks the market for something is looked at while it says no, and while it is silent', () => {
  const asking = new Set(WITH_DATA.map(({ path }) => routeOf(path(new Proxy({}, { get: () => 'one' }) as Shown))))
  expect(routes().filter((route) => !asking.has(route))).toEqual(ASK_NOTHING)
})
const REQUEST = 'req_00000000000000000000000000'
const refuse = (route: Route): Promise<void> => route.fulfill({ status: 403, contentType: 'application/problem+json', headers: { 'x-request-id': REQUEST }, body: JSON.stringify({ type: 'about:blank', status: 403, code: 'forbidden', title: 'You may not do this', hint: 'Your role or the scopes of your key do not allow it.', retry: false, requestId: REQUEST }) })

describeInBrowser('every screen', () => {
  let market: WebMarket, browser: Browser, data: Shown
  withMarket({}, async (opened) => { ({ market, browser } = opened); data = await fill(market) })
  const keyOf = (who: Who): string | null => ({ nobody: null, person: null, buyer: market.buyer, seller: market.demo.sellers[0]?.key ?? null, admin: market.demo.admin.key })[who]
  async function enter(who: Who, url: string): Promise<{ page: Page; complaints: string[]; close: () => Promise<void> }> {
    const { context, page, complaints } = await visit(browser, url)
    await keepStill(page)
    const key = keyOf(who)
    if (key !== null) await enterAs(page, key)
    if (who === 'person') await enterAsPerson(page)
    return { page, complaints, close: () => context.close() }
  }
  const of = (who: Who): Screen[] => WITH_DATA.filter((one) => one.who === who)
  const half = Math.ceil(of('buyer').length / 2)
  const GROUPS: readonly (readonly [name: string, who: Who, screens: readonly Screen[]])[] = [['nobody', 'nobody', of('nobody')], ['a buyer, first half', 'buyer', of('buyer').slice(0, half)], ['a buyer, second half', 'buyer', of('buyer').slice(half)], ['a person', 'person', of('person')], ['a seller', 'seller', of('seller')], ['an admin', 'admin', of('admin')]]

  async function refused(who: Who, screens: readonly Screen[], must: typeof expect): Promise<void> {
    const { page, complaints, close } = await enter(who, market.url), found: string[] = []
    for (const screen of screens) {
      const fails = ASKS[screen.name] as RegExp
      await page.route(fails, refuse)
      await page.goto(screen.path(data))
      const told = page.getByRole('main').getByRole('alert').filter({ hasText: REQUEST })
      await told.first().waitFor().catch((error: unknown) => { throw new Error(`${screen.name}: the number of the request is not told`, { cause: error }) })
      found.push(...await examine(page, `${screen.name}, refused`))
      await page.unroute(fails)
      // As a person would: it is asked again, and is there.
      const again = page.getByRole('main').getByRole('button', { name: 'Try again' })
      for (let i = 0; i < 10 && (await again.count()) > 0; i++) await again.first().click({ timeout: 5_000 }).catch(() => undefined /* it went with the first answer */)
      await must.poll(() => told.count(), { message: screen.name, timeout: 60_000 }).toBe(0)
    }
    await close()
    expect([found, complaints]).toEqual([[], []])
  }
  async function silent(who: Who, screens: readonly Screen[]): Promise<void> {
    const proxy: CutProxy = await startCutProxy(market.url), { page, close } = await enter(who, proxy.url), found: string[] = []
    try {
      for (const screen of screens) {
        await show(page, screen, data)
        const heading = await page.locator('h1').textContent()
        proxy.cut()
        // As when one comes back to the tab: what is older than a second is asked again, now.
        const back = (): Promise<unknown> => page.evaluate('document.dispatchEvent(new Event("visibilitychange", { bubbles: true }))'), silence = page.getByText(/^Reconnecting\. Last update/)
        for (let i = 0; i < 60 && !(await silence.isVisible()); i++) { await back(); await silence.waitFor({ timeout: 500 }).catch(() => undefined) }
        if (!(await silence.isVisible())) throw new Error(`${screen.name}: the silence is not told`)
        if ((await page.locator('h1').textContent()) !== heading) found.push(`${screen.name}: what was shown is gone`)
        found.push(...await examine(page, `${screen.name}, silent`))
        proxy.mend()
        await back()
        await silence.waitFor({ state: 'hidden' })
      }
    } finally { await close(); await proxy.stop() }
    expect(found).toEqual([])
  }
  for (const [name, who, screens] of GROUPS) {
    test.concurrent(`says no to ${name}: it is told with the number of the request, and asked again at a press`, ({ expect: must }) => refused(who, screens, must))
    test.concurrent(`falls silent for ${name}: what is shown stays, and its age is told`, () => silent(who, screens))
  }
  test('a part of a screen that was on its way when it fell silent comes when it is back', async () => {
    const proxy = await startCutProxy(market.url), { page, close } = await enter('admin', proxy.url)
    const { promise: asked, resolve: tell } = Promise.withResolvers<Route>()
    await page.route('**/assets/Policy-*.js', tell, { times: 1 })
    await page.goto(`/nodes/${data.node}?tab=takes`)
    const route = await asked, heading = await page.locator('h1').textContent()
    proxy.cut()
    const lost = page.waitForEvent('requestfailed', (request) => request.url().includes('/assets/Policy-'))
    await route.continue()
    await lost
    await page.getByText(/^Reconnecting\. Last update/).waitFor()
    expect(await page.locator('h1').textContent()).toBe(heading)
    proxy.mend()
    await page.getByRole('heading', { name: 'What it takes' }).waitFor()
    await page.getByText('Kinds of work').waitFor()
    await close()
    await proxy.stop()
  })
  test('what one question brings does not hang on another', async () => {
    const { page, close } = await enter('buyer', market.url)
    await page.route(/\/v1\/wallet/, refuse)
    await page.goto('/home')
    await page.getByRole('alert').waitFor()
    await page.getByRole('link', { name: 'Mandelbrot' }).waitFor()
    await close()
  })
  test('an answer that is not what was agreed is told, and breaks nothing', async () => {
    const { page, complaints, close } = await enter('buyer', market.url)
    for (const [body, path] of [['<html>a proxy speaks', '/wallet'], ['{"data":"no list"}', '/jobs'], ['', '/keys']] as const) {
      await page.route(/\/v1\/(wallet|entries|spend|jobs|keys)/, (route) => route.fulfill({ status: 200, contentType: 'application/json', body }))
      await page.goto(path)
      await page.getByRole('main').getByRole('alert').first().waitFor()
      await page.unroute(/\/v1\/(wallet|entries|spend|jobs|keys)/)
    }
    expect(complaints).toEqual([])
    await close()
  })
})

describeInBrowser('a market with nothing in it', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 0 }, (opened) => { ({ market, browser } = opened) })
  const EMPTY: readonly (readonly ['nobody' | 'newcomer' | 'admin', path: string, says: string])[] = [
    ['nobody', '/', 'No node takes work just now'], ['nobody', '/status', 'Nothing yet'],
    ['newcomer', '/home', 'No jobs yet'], ['newcomer', '/jobs', 'No jobs yet'], ['newcomer', '/wallet', 'No money has moved yet'], ['newcomer', '/webhooks', 'No webhooks yet'], ['newcomer', '/members', 'Nobody works here but the owner'], ['newcomer', '/schedules', 'No schedules yet'], ['newcomer', '/templates?q=nothing-like-it', 'No template fits'], ['newcomer', '/nodes', 'No nodes yet'], ['newcomer', '/earnings', 'No payouts yet'], ['newcomer', '/earnings/statement', '0.00'], ['newcomer', '/alerts', 'No alerts yet'],
    ['admin', '/market', 'Nobody waits'], ['admin', '/fleet', 'No machine has joined this market'], ['admin', '/queue', 'Nobody waits for a node'], ['admin', '/revenue', 'Nothing was settled in this time'], ['admin', '/ledger', 'Nothing was ever reversed'], ['admin', '/reconciliation', 'No statement was handed in yet'], ['admin', '/incidents', 'No incident is open'], ['admin', '/appeals', 'Nobody waits for a decision'], ['admin', '/actions', 'No admin has done anything yet'], ['admin', '/nodes', 'No nodes yet'], ['admin', '/jobs', 'No jobs yet'], ['admin', '/schedules', 'No schedules yet'], ['admin', '/queue', 'Nobody waits for nodes to appear'], ['admin', '/queue', 'Work starts as nodes have room'],
  ]
  /** Addresses where something always is: a form, a person, one job or node, the key that one came in with. */
  const NEVER_EMPTY = ['/sign-in', '/sign-up', '/forgot-password', '/reset-password', '/invitation', '/submit', '/jobs/$job', '/keys', '/account', '/device', '/nodes/join', '/nodes/$node', '/users', '/users/$user', '/settings']
  test('every address where nothing may be is looked at with nothing in it', () => {
    const empty = new Set(EMPTY.map(([, path]) => routeOf(path)))
    expect(routes().filter((route) => !empty.has(route))).toEqual(NEVER_EMPTY)
  })
  test('says on every screen what would be there, and why it is not', async () => {
    const newcomer = await someone(market, 'Eve', ['buyer', 'seller']), found: string[] = []
    for (const who of ['nobody', 'newcomer', 'admin'] as const) {
      const { context, page, complaints } = await visit(browser, market.url)
      await keepStill(page)
      if (who !== 'nobody') await enterAs(page, who === 'admin' ? market.demo.admin.key : newcomer.key)
      for (const [, path, says] of EMPTY.filter(([one]) => one === who)) {
        await page.goto(path)
        await page.getByRole('main').getByText(says).first().waitFor()
        found.push(...await examine(page, `${path}, empty`))
      }
      found.push(...complaints)
      await context.close()
    }
    expect(found).toEqual([])
  })
})
