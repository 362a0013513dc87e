// The seller's story, with the very line that the page gives; and what the operator sees of it.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Browser } from 'playwright-core'
import { releaseOnce } from '@lumaris/server'
import { afterAll, expect, test } from 'vitest'
import { keysOf, visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { PASSWORD, removeScratch } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

const root = join(import.meta.dirname, '../..')
describeInBrowser('a seller', () => {
  let market: WebMarket, browser: Browser, agent: ChildProcess | null = null
  afterAll(() => { if (market) removeScratch(join(market.dir, 'home-of-sam', '.lumaris', 'sams-box')) }) // the last of all: what is set up after it is taken down before it
  withMarket({ nodes: 0 }, (opened) => { ({ market, browser } = opened) }, async () => {
    if (agent && agent.exitCode === null && agent.signalCode === null) { const over = new Promise((resolve) => agent?.once('exit', resolve)); agent.kill('SIGTERM'); await over }
  })

  test('from signing up over one line to earnings, a pause, and a price', { timeout: 480_000 }, async () => {
    const { page, complaints } = await visit(browser, market.url)
    await page.goto('/sign-up')
    await page.getByLabel('Name').fill('Sam')
    await page.getByLabel('E-mail').fill('sam@example.test')
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD)
    await page.getByLabel(/^Buy:/).uncheck()
    await page.getByLabel(/^Sell:/).check()
    await page.getByRole('button', { name: 'Make the account' }).click()
    await page.getByText('No nodes yet').waitFor()
    await page.getByRole('link', { name: 'Add one with one line.' }).click()
    await page.getByLabel('Name of the node').fill('Not A Name')
    await page.getByRole('button', { name: 'Make the line' }).click()
    await page.getByText('lower-case letters, digits and dashes, at most 63').waitFor() // the server's words
    await page.getByLabel('Name of the node').fill('sams-box')
    await page.getByLabel('Credits for a core hour').fill('0.25')
    await page.getByRole('button', { name: 'Make the line' }).click()
    const line = (await page.getByText(/^LUMARIS_TOKEN=/).textContent()) ?? ''
    expect(line).toContain(`--server ${market.url} --name sams-box`)
    await page.getByText('It has not called yet').waitFor()

    // On “the machine”: a shell in a checkout, with a home of its own.
    agent = spawn('bash', ['-c', `exec env ${line}`], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: join(market.dir, 'home-of-sam'), PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` } })
    let said = ''
    for (const stream of [agent.stdout, agent.stderr]) stream?.on('data', (text: Buffer) => { said += String(text) })
    await page.getByText('It is there').waitFor({ timeout: 150_000 }).catch((error: unknown) => { throw new Error(`the node did not arrive; it said:\n${said.slice(-2000)}`, { cause: error }) })
    await page.getByText(/^✓ Benchmarked: [\d.]+ [GM]i?B\/s of SHA-256 on one core/).waitFor()
    await page.getByText('The token is used up.').waitFor()
    await page.getByRole('link', { name: 'Open sams-box' }).click()
    await page.getByText('Connected and taking work.').waitFor()
    await page.getByRole('tab', { name: 'Earnings and price' }).click()
    expect(await page.getByLabel('Core, 1 hour').inputValue()).toBe('0.25')
    await page.getByRole('tab', { name: 'Live' }).click()
    // How the machine is, with its first heartbeat; and the hours that its owner sets there, in the file that the owner's screen writes too.
    await page.getByRole('img', { name: /^Processor\. The whole machine: \d+ % at last/ }).waitFor()
    await page.getByRole('tab', { name: 'Hours and limits' }).click()
    await page.getByText('At all hours, ').waitFor()
    const file = join(market.dir, 'home-of-sam', '.lumaris', 'sams-box', 'owner.json'), inHours = page.getByRole('button', { name: 'Wednesday 23:00 to 24:00' })
    writeFileSync(file, JSON.stringify({ hours: { timeZone: 'UTC', week: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, ['00:00-23:30', '23:45-24:00']])) }, pauseWhen: { inUse: false } }))
    await expect.poll(() => inHours.getAttribute('aria-pressed', { timeout: 60_000 }), { timeout: 60_000 }).toBe('mixed')
    await page.getByText('Set on the machine: hours, use of the machine.').waitFor()
    expect(await inHours.isDisabled()).toBe(true)
    writeFileSync(file, JSON.stringify({ pauseWhen: { inUse: false } }))
    await page.getByText('At all hours, ').waitFor()

    const buyer = market.client(market.buyer)
    const { blob, size } = await buyer.upload(new TextEncoder().encode('const until = Date.now() + 1500\nwhile (Date.now() < until);\nconsole.log("done")\n'))
    const { job } = await buyer.run({ runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
    expect(job.state).toBe('completed')
    await page.getByRole('tab', { name: 'Record' }).click()
    await page.getByText('1 attempt', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Earnings' }).first().click()
    await page.getByRole('cell', { name: 'An attempt settled' }).waitFor()
    const shown = await page.locator('.panel', { has: page.getByText('In the dispute window', { exact: true }) }).locator('.figure').textContent()
    expect(shown).toMatch(/^0\.0*[1-9]\d* credits$/)

    await page.getByRole('link', { name: 'Nodes' }).first().click()
    await page.getByRole('link', { name: 'sams-box' }).click()
    await page.getByRole('button', { name: 'Pause…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Its seller paused it').waitFor()
    expect((await buyer.quote({ runtime: 'javascript', command: ['x'] })).nodesFree).toBe(0)
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('Connected and taking work.').waitFor()
    await page.getByRole('tab', { name: 'Earnings and price' }).click()
    await page.getByLabel('Core, 1 hour').fill('0.3')
    await page.getByRole('button', { name: 'Set these prices' }).click()
    await expect.poll(async () => (await market.call(market.demo.admin.key, 'GET', '/v1/nodes')).body.data[0].prices.cpuHour).toBe('300000')
    // By keys alone from here on. What it takes: a tag that is none is refused beside its field, and nothing of it holds; two presses are one.
    const { keyboard } = page, { tabTo, press, write } = keysOf(page), node = (await market.call(market.demo.admin.key, 'GET', '/v1/admin/nodes')).body.data[0].id as string
    const policy = async (): Promise<{ refusedTags: string[] } | undefined> => (await market.call(market.demo.admin.key, 'GET', `/v1/nodes/${node}`)).body.policy
    // From the tab that is open to the next by an arrow.
    const openTab = async (from: string, key: string, to: string): Promise<void> => { await tabTo(page.getByRole('tab', { name: from })); await keyboard.press(key); if (key === 'End') await keyboard.press('Enter'); expect(await page.getByRole('tab', { name: to, selected: true }).evaluate((element) => element === (element as unknown as { ownerDocument: { activeElement: unknown } }).ownerDocument.activeElement)).toBe(true) }
    await openTab('Earnings and price', 'ArrowRight', 'Hours and limits')
    await keyboard.press('ArrowRight')
    await openTab('What it takes', 'ArrowRight', 'Record')
    await openTab('Record', 'ArrowLeft', 'What it takes')
    await write(page.getByLabel('Tags that you do not take'), 'Not A Tag')
    await press(page.getByRole('button', { name: 'Take only this' }))
    await page.getByText('lower-case letters, digits and dashes, at most 40').waitFor()
    expect(await policy()).toBe(undefined)
    await write(page.getByLabel('Tags that you do not take'), 'mining')
    await tabTo(page.getByRole('button', { name: 'Take only this' }))
    await Promise.all([keyboard.press('Enter'), keyboard.press('Enter')])
    await page.getByText('It holds from the next placement on').waitFor()
    expect((await policy())?.refusedTags).toEqual(['mining'])
    expect((await buyer.quote({ runtime: 'javascript', command: ['x'], tags: ['mining'] })).nodesFree).toBe(0)

    // Work that takes far longer than its buyer said lowers the record. The event is there; one word against it, however often it is pressed; and an operator's decision.
    expect((await buyer.run({ runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 }, expectedMs: 100 })).job.state).toBe('completed')
    await openTab('What it takes', 'ArrowRight', 'Record')
    await page.reload() // it is in the address
    await press(page.getByRole('link', { name: 'In what happened' }))
    await expect.poll(() => page.evaluate('document.activeElement?.textContent')).toMatch(/Work took longer than its buyer had said/)
    await openTab('Events and evidence', 'ArrowLeft', 'Record')
    await press(page.getByRole('button', { name: 'Appeal…' }))
    await page.getByRole('dialog').getByLabel('Why it should not count').waitFor()
    await keyboard.type('The fan had stopped, and has been replaced.')
    await tabTo(page.getByRole('dialog').getByRole('button', { name: 'Appeal', exact: true }))
    await Promise.all([keyboard.press('Enter'), keyboard.press('Enter')])
    await page.getByText('You have appealed: nobody has decided yet').waitFor()
    const appeals = (await market.call(market.demo.admin.key, 'GET', '/v1/admin/appeals')).body.data
    expect(appeals.map((one: { appeal: { text: string } }) => one.appeal.text)).toEqual(['The fan had stopped, and has been replaced.'])
    await market.call(market.demo.admin.key, 'POST', `/v1/admin/appeals/${appeals[0].fault.attempt}/accept`, { reason: 'the machine was mended' })
    await page.goto('/alerts')
    await page.getByText(/Your appeal of .* was accepted: the machine was mended/).waitFor()
    await press(page.getByRole('link', { name: 'The node' }))
    await page.getByText('Your appeal was accepted: it counts no more: the machine was mended.').waitFor()

    // A rule for payouts: too little is refused; then it pays what clears, once, and is taken back.
    await press(page.getByRole('link', { name: 'Earnings' }).first())
    await page.getByText(/programs ran for [\d.]+ m?s of the 5 ?m\w* that it takes/).waitFor()
    await tabTo(page.getByLabel('Pay out all that has cleared'))
    await keyboard.type('as soon')
    await write(page.getByLabel('From so many credits'), '0')
    await write(page.getByLabel('To this demo account'), 'sam at the demo bank')
    await press(page.getByRole('button', { name: 'Set the rule' }))
    await page.getByRole('alert').first().waitFor()
    await write(page.getByLabel('From so many credits'), '0.000001')
    await tabTo(page.getByRole('button', { name: 'Set the rule' }))
    await Promise.all([keyboard.press('Enter'), keyboard.press('Enter')])
    await page.getByText('As soon as 0.000001 credits have cleared, to sam at the demo bank.').waitFor()
    const rule = page.getByRole('region', { name: 'Payouts' }).getByText('by your rule')
    await expect.poll(async () => { await releaseOnce(market.app, -60_000); return rule.count() }, { timeout: 90_000, interval: 1_000 }).toBeGreaterThan(0)
    await press(page.getByRole('button', { name: 'Take it back' }))
    await page.getByText('No rule: only what you ask for is paid out').waitFor()

    // The statement of the year, with who the seller is on it; kept as a document by itself with the same figures.
    await press(page.getByRole('link', { name: 'Statement of a year' }))
    await write(page.getByLabel('Full name, or name of the business'), 'Sam Sell')
    await write(page.getByLabel('Address'), 'Long Street 1')
    await tabTo(page.getByLabel('Country'))
    await keyboard.type('Germany')
    await write(page.getByLabel('Tax number', { exact: true }), 'none')
    await press(page.getByRole('button', { name: 'Keep them' }))
    await page.getByText('4 to 40 letters, digits').waitFor()
    await press(page.getByLabel('I am not in business: no tax number'), 'Space')
    await tabTo(page.getByRole('button', { name: 'Keep them' }))
    await Promise.all([keyboard.press('Enter'), keyboard.press('Enter')])
    await page.getByText('They stand on your statements now.').waitFor()
    await page.getByText('not in business, no tax number').waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), press(page.getByRole('button', { name: 'As a document' }))]), document = readFileSync(await download.path(), 'utf8'), net = await page.getByRole('definition').nth(1).textContent()
    expect(download.suggestedFilename()).toMatch(/^lumaris-statement-\d{4}\.html$/)
    expect(net).toMatch(/^0\.0*[1-9]\d* credits$/)
    for (const part of ['<address>Sam Sell\nLong Street 1\nGermany</address>', `<dt>Net of the year</dt><dd>${net?.replace(' credits', '')}</dd>`]) expect(document).toContain(part)
    await press(page.getByRole('link', { name: 'Nodes' }).first())
    await press(page.getByRole('link', { name: 'sams-box' }))

    // A self-test from here, by the real canaries there; and what happened to the node.
    await openTab('Live', 'End', 'Events and evidence')
    await page.getByRole('button', { name: 'Run self-test' }).click()
    await page.getByText('✓ All well').waitFor({ timeout: 120_000 })
    await page.getByText(/^✓ Isolation by deno: /).waitFor()
    await page.getByText('A self-test was asked of it').waitFor()
    await page.getByText('Paused', { exact: true }).waitFor()
    expect(complaints).toEqual([])

    // The operator sees the node, the placement, the reason why something waits, and books that balance.
    const large = await buyer.submit({ name: 'Large', command: ['x'], resources: { cpuMillis: 900_000 } })
    const admin = await visit(browser, market.url)
    await enterAs(admin.page, market.demo.admin.key)
    await admin.page.getByText('✓ balanced').waitFor()
    await admin.page.getByRole('region', { name: 'Nodes', exact: true }).first().getByRole('link', { name: 'sams-box' }).waitFor()
    await admin.page.getByRole('region', { name: 'Last placements' }).getByText('sams-box').first().waitFor()
    await admin.page.getByText('1 node: too few cores').waitFor()
    await admin.page.goto(`/jobs/${large.id}`)
    await admin.page.getByRole('button', { name: 'Cancel' }).click()
    await admin.page.getByRole('dialog').getByRole('textbox', { name: /^Reason/ }).fill('it asks for more than any node has')
    await admin.page.getByRole('button', { name: 'Cancel the job' }).click()
    await admin.page.getByText('It was cancelled.').waitFor()
    await admin.page.goto('/ledger')
    await admin.page.getByText('The ledger balances').waitFor()
    expect(admin.complaints).toEqual([])
    await admin.context.close()

    // Gone: the page says so by itself.
    const over = new Promise((resolve) => agent?.once('exit', resolve))
    agent.kill('SIGTERM')
    await over
    await page.getByText('no', { exact: true }).waitFor()
    await page.getByText('Its connection ended').waitFor()

    // Removed for good, by its typed name; what it earned stays.
    await page.getByRole('tab', { name: 'Hours and limits' }).click()
    await page.getByRole('button', { name: 'Remove sams-box…' }).click()
    const sure = page.getByRole('dialog').getByRole('button', { name: 'Remove it for good' })
    await page.getByLabel('Type its name: sams-box').fill('sams-bo')
    expect(await sure.isDisabled()).toBe(true)
    await page.getByLabel('Type its name: sams-box').fill('sams-box')
    await sure.click()
    await page.getByText('No nodes yet').waitFor()
    await page.getByRole('link', { name: 'Earnings' }).first().click()
    await page.getByRole('cell', { name: 'An attempt settled' }).first().waitFor()
  })
})
