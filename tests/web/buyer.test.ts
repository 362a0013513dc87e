// The buyer's story in a real browser, against a real market whose nodes run the work in Deno.
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, expect, test } from 'vitest'
import { keysOf, visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { HOSTILE, PASSWORD } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('a buyer', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 1 }, (opened) => { ({ market, browser } = opened) })
  const opened: (() => Promise<void>)[] = []
  afterAll(async () => { for (const close of opened) await close() })

  async function newPage(): Promise<{ page: Page; complaints: string[] }> {
    const { context, page, complaints } = await visit(browser, market.url)
    opened.push(() => context.close().catch(() => undefined)) // the browser may have gone first
    return { page, complaints }
  }
  const asBuyer = async (): Promise<Page> => { const { page } = await newPage(); await enterAs(page, market.buyer); return page }
  const figure = (page: Page, label: string): Locator => page.locator('.panel', { has: page.getByText(label, { exact: true }) }).locator('.figure')
  const named = async (name: string): Promise<number> => { let found = 0; for await (const job of market.client(market.buyer).jobs()) if (job.spec.name === name) found++; return found }
  /** A small program, ready to be agreed to. */
  async function prepared(page: Page, code: string, name = 'A small job'): Promise<void> {
    await page.goto('/submit')
    await page.getByLabel('Name', { exact: true }).fill(name)
    await page.getByLabel('Code').fill(code)
    await page.getByLabel('Memory, MiB').fill('256')
    await page.getByRole('button', { name: 'Review and submit' }).click()
    await page.getByRole('dialog').getByText('Available').waitFor()
  }

  test('from signing up to a receipt that holds', async () => {
    const { page, complaints } = await newPage()
    await page.goto('/')
    await page.getByRole('link', { name: 'Sign up' }).first().click()
    await page.getByLabel('Name').fill('Ann')
    await page.getByLabel('E-mail').fill('ann@example.test')
    await page.getByRole('textbox', { name: 'Password' }).fill('short')
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByText('The password is too weak').waitFor() // the server's own words, beside the field
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByRole('heading', { name: 'Hello, Ann' }).waitFor()
    await page.getByRole('link', { name: 'Add demo credits' }).click()
    await page.getByLabel('Demo credits to add').fill('12.5')
    await page.getByRole('button', { name: 'Add credits' }).click()
    await page.getByText('12.50 credits were added.').waitFor()
    await page.getByRole('link', { name: 'New job' }).first().click()
    await page.getByRole('button', { name: /^Draw a fractal/ }).click()
    await page.getByText('Nodes that can').waitFor()
    await page.getByRole('button', { name: 'Review and submit' }).click()
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.waitForURL(/\/jobs\/job_/)
    await page.getByText('All parts ended well.').waitFor()
    await page.getByRole('tab', { name: 'Logs' }).click()
    await page.getByText('100 of 100 rows').waitFor()
    await page.getByRole('tab', { name: 'Results' }).click()
    await page.getByRole('button', { name: /^Show mandelbrot/ }).click()
    await expect.poll(() => page.getByRole('img', { name: /mandelbrot/ }).evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBeGreaterThan(0)
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /^Download mandelbrot/ }).click()])
    expect(file.suggestedFilename()).toBe('mandelbrot.svg')
    await page.getByRole('tab', { name: 'Cost' }).click()
    await expect.poll(async () => { await page.getByRole('button', { name: /^Check 1 receipt/ }).click(); await page.locator('[role=status] .mantine-Alert-root').waitFor(); return page.locator('[role=status] .mantine-Alert-title').textContent() }, { timeout: 60_000, interval: 300 }).toBe('1 receipt holds')
    await page.getByText(/the receipt holds/).click()
    await page.getByText('The node signed every seal.').waitFor()
    await page.getByRole('tab', { name: 'Why here' }).click()
    await page.getByText('node could take it').waitFor()
    // What the wallet shows is what the books say.
    await page.getByRole('link', { name: 'Wallet' }).first().click()
    await expect.poll(() => figure(page, 'Held for jobs').textContent()).toBe('0.00 credits')
    // What was shown before the job may show for a moment yet.
    const amount = async (label: string): Promise<number> => Number((await figure(page, label).textContent())?.split(' ')[0])
    await expect.poll(() => amount('Spent')).toBeGreaterThan(0)
    const left = await amount('Available'), spent = await amount('Spent')
    expect(left + spent).toBeCloseTo(12.5, 6)
    expect(complaints).toEqual([])
  })

  test('output comes while the job runs, and cancelling ends it', async () => {
    const page = await asBuyer()
    await prepared(page, "let n = 0\nsetInterval(() => console.log('tick', ++n), 100)\n", 'Ticks')
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.waitForURL(/\/jobs\/job_/)
    await page.getByRole('tab', { name: 'Logs' }).click()
    await page.getByText(/^tick 1\n?\s*tick 2\n?\s*tick 3\b/).waitFor()
    await page.reload() // from the first byte again
    await page.getByText(/^tick 1\b/).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Cancel the job' }).click()
    await page.locator('.toast').getByText('✓ Cancel the job: done').waitFor()
    await page.getByText('It was cancelled.').waitFor()
    await page.getByText(/the output has ended/).waitFor()
    // A tab that shows the list heard of it without being asked.
    await page.getByRole('link', { name: 'Jobs', exact: true }).first().click()
    await page.getByRole('row', { name: /Ticks/ }).getByText('Cancelled').waitFor()
    await page.getByLabel('State').selectOption('cancelled')
    expect(new URL(page.url()).searchParams.get('state')).toBe('cancelled')
    await page.reload()
    await page.getByRole('link', { name: 'Ticks' }).waitFor()
    expect(await page.getByLabel('State').inputValue()).toBe('cancelled')
  })

  // Each of these looks at its own job, or at none: they share the market, and wait side by side.
  test.concurrent('two presses make one job', async ({ expect }) => {
    const page = await asBuyer()
    const sent: string[] = []
    page.on('request', (request) => { if (request.method() === 'POST' && request.url().endsWith('/v1/jobs')) sent.push((request.postDataJSON() as { id: string }).id) })
    await prepared(page, 'console.log(1)', 'Pressed twice')
    // Both before the page could be drawn anew.
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).evaluate((button) => { (button as unknown as { click(): void }).click(); (button as unknown as { click(): void }).click() })
    await page.getByText('All parts ended well.').waitFor()
    expect(sent).toHaveLength(1)
    expect(await named('Pressed twice')).toBe(1)
  })

  test.concurrent('an answer that is lost: the page finds the job, and says that it exists', async ({ expect }) => {
    const page = await asBuyer()
    await prepared(page, 'console.log(2)', 'Answer lost')
    await page.route('**/v1/jobs', async (route) => { if (route.request().method() === 'POST') await route.fetch(); await route.abort('connectionreset') })
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.getByText('The job exists').waitFor()
    await page.unroute('**/v1/jobs')
    await page.getByRole('button', { name: 'Open it' }).click()
    await page.getByRole('heading', { name: 'Answer lost' }).waitFor()
    expect(await named('Answer lost')).toBe(1)
  })

  test.concurrent('a request that is lost: the page says that there is no job, and sending it again makes one', async ({ expect }) => {
    const page = await asBuyer()
    await prepared(page, 'console.log(3)', 'Request lost')
    await page.route('**/v1/jobs', (route) => route.abort('connectionreset'))
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.getByText('The job does not exist').waitFor()
    expect(await named('Request lost')).toBe(0)
    await page.unroute('**/v1/jobs')
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.getByRole('heading', { name: 'Request lost' }).waitFor()
    expect(await named('Request lost')).toBe(1)
  })

  test.concurrent('a market that is gone: the page does not know, says so, and asks again when told', async ({ expect }) => {
    const page = await asBuyer()
    await prepared(page, 'console.log(4)', 'Nobody answers')
    await page.route('**/v1/**', async (route) => { if (route.request().url().includes('/v1/blobs/')) return route.fallback(); if (route.request().method() === 'POST' && route.request().url().endsWith('/v1/jobs')) await route.fetch(); await route.abort('connectionreset') })
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.getByText('It is not known whether the job exists').waitFor()
    await page.getByText(/^Reconnecting\. Last update/).waitFor()
    await page.unroute('**/v1/**')
    await page.getByRole('button', { name: 'Ask again' }).click()
    await page.getByText('The job exists').waitFor()
    await expect.poll(() => page.getByText(/^Reconnecting/).count()).toBe(0)
  })

  test.concurrent('a wrong field: the server’s refusal stands beside it; nothing fits: the reason is said', async ({ expect }) => {
    const page = await asBuyer()
    await page.goto('/submit')
    await page.getByLabel('Cores').fill('-1')
    const field = page.locator('.mantine-InputWrapper-root', { has: page.getByLabel('Cores') })
    await field.locator('.mantine-InputWrapper-error').waitFor()
    await expect.poll(() => page.getByRole('button', { name: 'Review and submit' }).isDisabled()).toBe(true)
    await page.getByLabel('Cores').fill('500')
    await page.getByText('No node can run this as it is').waitFor()
    await page.getByText('1 node: too few cores').waitFor()
    await page.getByRole('button', { name: 'Tell me when a node has room for it' }).click()
    await page.getByRole('link', { name: 'Home' }).first().click()
    await page.getByText('500 cores').waitFor()
    await page.getByRole('button', { name: /^Take it back/ }).click()
    await page.getByText('You asked to be told').waitFor({ state: 'detached' })
  })

  test.concurrent('names and output with HTML, escapes of terminals and marks that turn writing around are text', async ({ expect }) => {
    const page = await asBuyer()
    await prepared(page, HOSTILE, '<img src=x onerror=alert(1)>')
    page.on('dialog', () => { throw new Error('a script of the job ran') })
    await page.getByRole('button', { name: /^Hold .* and submit$/ }).click()
    await page.getByRole('heading', { name: '<img src=x onerror=alert(1)>' }).waitFor()
    await page.getByText(/Exit code 3\./).waitFor()
    await page.getByRole('tab', { name: 'Logs' }).click()
    await page.getByText('<script>document.title="taken"</script> <b>bold</b>').waitFor()
    await page.getByText('<U+001B>[31mred<U+001B>[0m <U+001B>]0;title<U+0007> <U+202E>evil').waitFor()
    expect(await page.locator('main script, main b, main img').count()).toBe(0)
    expect(await page.title()).toBe('<img src=x onerror=alert(1)> · Lumaris')
  })

  test.concurrent('a session that ends: the page says so, and goes on where it was after signing in', async ({ expect }) => {
    const { page } = await newPage()
    await market.call(null, 'POST', '/v1/users', { email: 'eve@example.test', password: PASSWORD, name: 'Eve' })
    const enter = async (): Promise<void> => { await page.getByRole('textbox', { name: 'E-mail' }).fill('eve@example.test'); await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD); await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click() }
    await page.goto('/wallet')
    await page.waitForURL(/\/sign-in\?next=/)
    await enter()
    await page.getByRole('heading', { name: 'Wallet' }).waitFor()
    await page.reload() // by the cookie
    await page.getByRole('heading', { name: 'Wallet' }).waitFor()
    expect(await page.evaluate('document.cookie + JSON.stringify(sessionStorage) + JSON.stringify(localStorage)')).not.toMatch(/rft_|eyJ/)
    const [cookie] = await page.context().cookies(`${market.url}/v1/browser-sessions`)
    expect(cookie).toMatchObject({ name: 'lumaris_refresh', httpOnly: true, sameSite: 'Strict' })
    await fetch(`${market.url}/v1/browser-sessions`, { method: 'DELETE', headers: { origin: market.url, cookie: `lumaris_refresh=${cookie?.value ?? ''}` } })
    // Whichever question is next is answered with that: this one, or one that the page asks by itself.
    await page.getByRole('link', { name: 'Jobs', exact: true }).first().click({ timeout: 5_000 }).catch(() => undefined)
    await page.getByText('Your session has ended. Sign in again.').waitFor()
    await enter()
    await page.waitForURL(/\/(jobs|wallet)/)
    await page.getByRole('button', { name: /Eve/ }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('link', { name: 'Sign in' }).first().waitFor()
    await page.goto('/home')
    await page.waitForURL(/\/sign-in/)
    // Going on leads to a screen, never elsewhere.
    await page.goto('/sign-in?next=//evil.example/wallet')
    await enter()
    await page.waitForURL(`${market.url}/home`)
  })

  test.concurrent('an API key is shown once, works, and is refused when it is revoked', async ({ expect }) => {
    const page = await asBuyer()
    await page.goto('/keys')
    await page.getByRole('button', { name: 'Make a key' }).click()
    await page.getByLabel('Name').fill('my script')
    await page.getByRole('button', { name: 'Make the key' }).click()
    const secret = (await page.getByText(/^lum_live_\S{30,}$/).textContent()) ?? ''
    expect((await market.call(secret, 'GET', '/v1/jobs')).status).toBe(200)
    expect((await market.call(secret, 'GET', '/v1/wallet')).status).toBe(403)
    await page.reload()
    await page.getByRole('button', { name: 'Revoke my script' }).waitFor()
    expect(await page.getByText(secret).count()).toBe(0)
    await page.getByRole('button', { name: 'Revoke my script' }).click()
    // Not by a press alone: it cannot be made anew.
    expect(await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).isDisabled()).toBe(true)
    await page.getByLabel('Type its name: my script').fill('my script')
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('cell', { name: 'revoked', exact: true }).waitFor()
    expect((await market.call(secret, 'GET', '/v1/jobs')).status).toBe(401)
  })

  test('the whole story with nothing but a keyboard', async () => {
    const { page } = await newPage()
    const { keyboard } = page, { tabTo, press } = keysOf(page, 60)
    await page.goto('/sign-up')
    await press(page.getByText('Skip to the content'))
    await tabTo(page.getByLabel('Name'))
    await keyboard.type('Kim')
    await tabTo(page.getByLabel('E-mail'))
    await keyboard.type('kim@example.test')
    await tabTo(page.getByRole('textbox', { name: 'Password' }))
    await keyboard.type(PASSWORD)
    await keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Hello, Kim' }).waitFor()
    await press(page.getByRole('link', { name: 'Add demo credits' }))
    await press(page.getByRole('button', { name: 'Add credits' }))
    await page.getByText('100.00 credits were added.').waitFor()
    await page.getByRole('heading', { name: 'Wallet' }).focus()
    await keyboard.press('g')
    await keyboard.press('n')
    await page.getByRole('heading', { name: 'New job' }).waitFor()
    await expect.poll(() => page.evaluate('document.activeElement?.tagName')).toBe('H1')
    await press(page.getByRole('button', { name: /^Draw a fractal/ }))
    await page.getByText('Nodes that can').waitFor()
    await expect.poll(() => page.getByRole('button', { name: 'Review and submit' }).isEnabled()).toBe(true)
    await press(page.getByRole('button', { name: 'Review and submit' }))
    await expect.poll(() => page.getByRole('button', { name: /^Hold .* and submit$/ }).isEnabled()).toBe(true)
    await press(page.getByRole('button', { name: /^Hold .* and submit$/ }))
    await page.getByText('All parts ended well.').waitFor()
    await tabTo(page.getByRole('tab', { name: 'Parts' }))
    await keyboard.press('ArrowRight')
    await page.getByText('100 of 100 rows').waitFor()
    await keyboard.press('ArrowRight')
    await press(page.getByRole('button', { name: /^Show mandelbrot/ }))
    await page.getByRole('img', { name: /mandelbrot/ }).waitFor()
    await page.getByRole('heading', { name: 'Mandelbrot' }).focus()
    await keyboard.press('?')
    await page.getByRole('dialog').getByText('This list').waitFor()
    await keyboard.press('Escape')
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
  })
})
