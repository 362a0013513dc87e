// The operator's story: something is wrong and everybody is told; a bill was wrong and two admins mend it, by keyboard alone; somebody is suspended. And the
// seller's money on its way out.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { releaseOnce } from '@lumaris/server'
import { NO_BROWSER, chromiumPath, openBrowser, visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { PASSWORD, someone, startWebMarket } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

describe.skipIf(chromiumPath() === null)(chromiumPath() === null ? NO_BROWSER : 'an operator', () => {
  let market: WebMarket, browser: Browser
  beforeAll(async () => { market = await startWebMarket({ nodes: 1 }); browser = await openBrowser() }, 120_000)
  afterAll(async () => { await browser?.close(); await market?.stop() })

  /** As somebody without a mouse comes there. */
  async function tabTo(page: Page, name: string | RegExp): Promise<void> {
    const wanted = page.getByRole('button', { name, disabled: false }).first()
    await wanted.waitFor()
    for (let i = 0; i < 80; i++) {
      if (await wanted.evaluate((element) => (element as unknown as { ownerDocument: { activeElement: unknown } }).ownerDocument.activeElement === element)) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`${name} is not reached by Tab`)
  }
  const press = async (page: Page, name: string | RegExp): Promise<void> => { await tabTo(page, name); await page.keyboard.press('Enter') }
  const program = async () => {
    const buyer = market.client(market.buyer)
    const { blob, size } = await buyer.upload(new TextEncoder().encode('const until = Date.now() + 1500\nwhile (Date.now() < until);\nconsole.log("done")\n'))
    return buyer.run({ runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 1000, memoryBytes: 256 * 1024 ** 2 } })
  }

  test('opens an incident that everybody sees, and reverses a bill with a second admin, by keyboard alone', { timeout: 120_000 }, async () => {
    const { job } = await program(), second = await someone(market, 'Bea', ['admin'])
    const buyer = await visit(browser, market.url), ann = await visit(browser, market.url), bea = await visit(browser, market.url)
    await buyer.page.goto('/')
    await enterAs(ann.page, market.demo.admin.key)
    await enterAs(bea.page, second.key)
    await ann.page.locator('h1').waitFor()

    await ann.page.keyboard.press('g')
    await ann.page.keyboard.press('i')
    await ann.page.getByText('No incident is open').waitFor()
    await press(ann.page, 'Open an incident')
    await ann.page.getByRole('dialog').getByLabel('Title').waitFor()
    await press(ann.page, 'Tell everybody')
    await expect.poll(() => ann.page.getByRole('dialog').getByText(/Too small|>=3/).count()).toBeGreaterThan(0) // the server's words, beside the fields
    await ann.page.keyboard.press('Escape')
    await ann.page.getByRole('dialog').waitFor({ state: 'hidden' })
    await press(ann.page, 'Open an incident')
    await ann.page.getByRole('dialog').getByLabel('Title').waitFor()
    await expect.poll(() => ann.page.evaluate('document.activeElement.closest("[role=dialog]") !== null && document.activeElement.tagName')).toBe('INPUT')
    await ann.page.keyboard.type('Bills of one node are wrong')
    await ann.page.keyboard.press('Tab')
    await ann.page.keyboard.press('ArrowDown')
    await ann.page.keyboard.press('Tab')
    await ann.page.keyboard.type('We look at them <b>now</b>.')
    await press(ann.page, 'Tell everybody')
    await ann.page.getByRole('heading', { name: 'Bills of one node are wrong' }).waitFor()
    // Everybody: on the front page, and in words on the page of the market's status.
    await buyer.page.reload()
    await buyer.page.getByText('Major incident:').waitFor()
    await buyer.page.getByRole('link', { name: 'What is known' }).click()
    await buyer.page.getByText('We look at them <b>now</b>.').waitFor()

    await ann.page.goto(`/ledger?job=${job.id}`)
    await ann.page.getByRole('region', { name: 'Entries' }).getByText('An attempt settled').waitFor()
    expect(await ann.page.getByRole('button', { name: 'Reverse…' }).evaluateAll((buttons) => buttons.map((button) => (button as { disabled?: boolean }).disabled))).toEqual([true, true, false]) // hold, refund, settlement
    await press(ann.page, 'Reverse…')
    await ann.page.getByRole('button', { name: 'Propose it' }).waitFor()
    await expect.poll(() => ann.page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA')
    await ann.page.keyboard.type('Billed for our own fault')
    await press(ann.page, 'Propose it')
    await ann.page.getByText('Reversals (1 waits for a second admin)').waitFor()
    expect(await ann.page.getByRole('button', { name: 'Approve…' }).isDisabled()).toBe(true)

    const before = BigInt((await market.client(market.buyer).wallet()).available)
    await bea.page.goto('/ledger')
    await press(bea.page, 'Approve…')
    await bea.page.getByText('This moves money').waitFor()
    await expect.poll(() => bea.page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA')
    await bea.page.keyboard.type('I looked at the meter')
    await press(bea.page, /^Approve:/)
    await bea.page.getByRole('region', { name: 'Reversals' }).getByText('Done', { exact: true }).waitFor()
    expect(BigInt((await market.client(market.buyer).wallet()).available) - before).toBe(BigInt(job.cost))
    await bea.page.getByText('The ledger balances').waitFor()

    await bea.page.keyboard.press('g')
    await bea.page.keyboard.press('a')
    await bea.page.getByRole('cell', { name: 'Approved a reversal' }).waitFor()
    await bea.page.getByLabel('What was done').selectOption('reversal.propose')
    await bea.page.getByRole('cell', { name: 'Billed for our own fault' }).waitFor()
    await expect.poll(() => bea.page.getByRole('row').count()).toBe(2)
    await bea.page.reload() // the filter is in the address
    await expect.poll(() => bea.page.getByRole('row').count()).toBe(2)

    await ann.page.goto('/incidents')
    await press(ann.page, /^Resolve/)
    await expect.poll(() => ann.page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA')
    await ann.page.keyboard.type('The bill was reversed.')
    await press(ann.page, 'It is resolved')
    await ann.page.getByText('No incident is open').waitFor()
    await buyer.page.goto('/status')
    await buyer.page.getByText('✓ No known incident').waitFor()
    await buyer.page.getByText('The bill was reversed.').waitFor()
    expect(await buyer.page.getByText('Major incident:').count()).toBe(0)
    for (const one of [ann, bea, buyer]) { expect(one.complaints).toEqual([]); await one.context.close() }
  })

  test('finds a node by its region, empties it by a deadline with a reason, and lets it go; by keyboard alone', { timeout: 120_000 }, async () => {
    await market.addNode(market.demo.sellers[1]?.key ?? '', 'node-far', '200000', undefined, 'ap-southeast-2')
    const { page, context, complaints } = await visit(browser, market.url), owner = await visit(browser, market.url)
    await enterAs(page, market.demo.admin.key)
    await page.goto('/fleet')
    await page.getByRole('img', { name: /^Map of nodes by region\. 1 node in 1 region with a place, and 1 node in regions without one/ }).waitFor()
    await press(page, /^ap-southeast-2: 1 node, 1 online/)
    await expect.poll(() => page.getByRole('region', { name: 'Nodes' }).getByRole('row').count()).toBe(2)
    await page.reload() // what was chosen is in the address
    await page.getByRole('link', { name: 'node-far', exact: true }).waitFor()
    expect(await page.getByRole('button', { name: /^ap-southeast-2/ }).getAttribute('aria-pressed')).toBe('true')
    await press(page, 'Empty… node-far')
    await page.getByLabel('Deadline').waitFor()
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA')
    await press(page, 'Empty it')
    await page.getByRole('dialog').getByText(/Too small|>=3/).first().waitFor() // a reason is needed
    await page.getByLabel('Deadline').selectOption({ label: 'in an hour' })
    await page.getByLabel('Reason').focus()
    await page.keyboard.type('Its disk is failing')
    await press(page, 'Empty it')
    await page.getByRole('region', { name: 'Nodes' }).getByText('Cordoned', { exact: true }).waitFor()
    await page.getByRole('region', { name: 'Nodes' }).getByText(/Its disk is failing; empty in/).waitFor()
    // Its owner is told why, and cannot change it.
    await enterAs(owner.page, market.demo.sellers[1]?.key ?? '')
    await owner.page.goto(`/nodes/${(await page.getByRole('link', { name: 'node-far', exact: true }).getAttribute('href'))?.split('/').at(-1)}`)
    await owner.page.getByText(/An operator holds it back since .*: Its disk is failing/).waitFor()
    await press(page, 'Let go… node-far')
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA')
    await page.keyboard.type('A new disk')
    await press(page, 'Let it work')
    await page.getByRole('region', { name: 'Nodes' }).getByText('Online', { exact: true }).waitFor()
    await page.goto('/actions')
    await page.getByRole('cell', { name: 'Let a node work again' }).waitFor()
    await page.getByRole('cell', { name: 'Its disk is failing', exact: true }).waitFor()
    expect([...complaints, ...owner.complaints]).toEqual([])
    await context.close()
    await owner.context.close()
  })

  test('finds a user, suspends them with a reason, and lets them in again', { timeout: 120_000 }, async () => {
    const dan = await someone(market, 'Dan', ['buyer'])
    const { page, context, complaints } = await visit(browser, market.url), other = await visit(browser, market.url)
    await enterAs(page, market.demo.admin.key)
    await page.goto('/users')
    await page.getByLabel('A part of name or e-mail').fill('dan@')
    await page.getByRole('link', { name: 'Dan' }).click()
    await page.getByRole('button', { name: 'Suspend…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click()
    await page.getByRole('dialog').getByText(/Too small|>=3/).first().waitFor() // a reason is needed
    await page.getByLabel('Reason').fill('A stolen card')
    await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click()
    await page.getByText('A stolen card').waitFor()
    await other.page.goto('/sign-in')
    await other.page.getByRole('textbox', { name: 'E-mail' }).fill('dan@example.test')
    await other.page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD)
    await other.page.getByRole('button', { name: 'Sign in' }).click()
    await other.page.getByText('This account is suspended').waitFor()
    await page.getByRole('button', { name: 'End the suspension' }).click()
    await page.getByLabel('Reason').fill('It was his own')
    await page.getByRole('button', { name: 'End it' }).click()
    await page.getByRole('button', { name: 'Suspend…' }).waitFor()
    expect((await market.call(dan.key, 'GET', '/v1/wallet')).status).toBe(200)
    // The admin's own page: suspending oneself is shown, and says why not.
    await page.goto(`/users/${market.demo.admin.id}`)
    expect(await page.getByRole('button', { name: 'Suspend…' }).getAttribute('title')).toBe('Nobody suspends himself: ask another admin')
    expect([...complaints, ...other.complaints]).toEqual([])
    await context.close()
    await other.context.close()
  })

  test('sees what a user sees, changes nothing meanwhile, and the user is shown it', { timeout: 120_000 }, async () => {
    const eve = await someone(market, 'Eve', ['buyer', 'seller']), { page, context } = await visit(browser, market.url), other = await visit(browser, market.url)
    await enterAs(page, market.demo.admin.key)
    await page.goto(`/users/${eve.id}`)
    await page.getByRole('button', { name: 'See what they see…' }).click()
    await page.getByLabel('Reason').fill('She cannot find her wallet')
    await page.getByRole('button', { name: 'See it' }).click()
    const banner = page.getByRole('region', { name: 'You see what somebody else sees' })
    await banner.getByText('You see what Eve sees').waitFor()
    await page.goto('/wallet') // also after a reload
    await banner.waitFor()
    await page.getByRole('button', { name: 'Add credits' }).click()
    await page.getByText('You only look at what somebody else sees').waitFor()
    await banner.getByRole('button', { name: 'End' }).click()
    await page.getByRole('heading', { name: 'Eve', level: 1 }).waitFor()
    expect(await banner.count()).toBe(0)
    await enterAs(other.page, eve.key)
    await other.page.goto('/account')
    await other.page.getByRole('region', { name: 'When admins looked' }).getByText('She cannot find her wallet').waitFor()
    expect((await market.client(eve.key).wallet()).available).toBe('0')
    expect(other.complaints).toEqual([])
    await context.close()
    await other.context.close()
  })

  test('changes a setting after seeing what it was, and is told when another was quicker', { timeout: 120_000 }, async () => {
    const { page, context } = await visit(browser, market.url), ann = market.client(market.demo.admin.key)
    await enterAs(page, market.demo.admin.key)
    await page.goto('/settings')
    const fee = page.getByRole('textbox', { name: /^Fee/ })
    await fee.fill('55')
    await page.getByText(/Too big|<=5000/).waitFor()
    expect(await page.getByRole('button', { name: /^Review/ }).isDisabled()).toBe(true)
    await fee.fill('4.5')
    await page.getByRole('button', { name: 'Review 1 change' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('5 %', { exact: true }).waitFor()
    await dialog.getByText('4.5 %', { exact: true }).waitFor()
    await ann.api.changeSettings({ body: { version: (await ann.api.getSettings()).version, set: { topupMax: '7000000' }, reason: 'quicker' } })
    await dialog.getByLabel('Reason').fill('as agreed')
    await dialog.getByRole('button', { name: 'Change 1 setting' }).click()
    await dialog.getByText('Somebody else has changed the settings meanwhile').waitFor()
    expect((await ann.api.getSettings()).values.fee).toBe(500)
    await dialog.getByRole('button', { name: 'See what is there now' }).click()
    await expect.poll(() => page.getByRole('textbox', { name: /^Largest top-up/ }).inputValue()).toBe('7.00')
    await fee.fill('4.5')
    await page.getByRole('button', { name: 'Review 1 change' }).click()
    await dialog.getByLabel('Reason').fill('as agreed')
    await dialog.getByRole('button', { name: 'Change 1 setting' }).click()
    await page.getByRole('region', { name: 'What was changed' }).getByText('Fee: not set → 4.5 %').waitFor()
    await ann.api.changeSettings({ body: { version: (await ann.api.getSettings()).version, set: { topupMax: null, fee: null }, reason: 'as before' } })
    await context.close()
  })

  test('a seller pays out what has cleared, and sees it arrive or come back', { timeout: 120_000 }, async () => {
    await program()
    const key = market.demo.sellers[0]?.key ?? '', seller = market.client(key)
    await expect.poll(async () => { await releaseOnce(market.app, -60_000); return (await seller.wallet()).pending }, { timeout: 30_000 }).toBe('0')
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, key)
    await page.goto('/earnings')
    const cleared = page.locator('.panel', { has: page.getByText('Cleared', { exact: true }) }).locator('.figure')
    await expect.poll(() => cleared.textContent()).toMatch(/^0\.0*[1-9]\d* credits$/)
    await page.getByLabel('Credits', { exact: true }).fill('100')
    await page.getByText(/^At most .* have cleared$/).waitFor()
    await page.getByLabel('Credits', { exact: true }).fill('0.000001') // how much has cleared depends on how quick this machine was
    await page.getByLabel('To the demo account').fill('closed')
    await page.getByRole('button', { name: 'Pay out' }).click()
    await page.getByText('Came back', { exact: true }).waitFor()
    await page.getByText('the account is closed').waitFor()
    await page.getByLabel('To the demo account').fill('my account')
    await page.getByRole('button', { name: 'Pay out' }).click() // all that has cleared
    await page.getByRole('region', { name: 'Payouts' }).getByText('Paid', { exact: true }).waitFor()
    await expect.poll(() => cleared.textContent()).toBe('0.00 credits')
    expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true })
    expect(complaints).toEqual([])
    await context.close()
  })
})
