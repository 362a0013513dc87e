// The seller's story, with the very line that the page gives; and what the operator sees of it.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NO_BROWSER, chromiumPath, openBrowser, visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { PASSWORD, removeScratch, startWebMarket } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

const root = join(import.meta.dirname, '../..')
describe.skipIf(chromiumPath() === null)(chromiumPath() === null ? NO_BROWSER : 'a seller', () => {
  let market: WebMarket, browser: Browser, agent: ChildProcess | null = null
  beforeAll(async () => { market = await startWebMarket({ nodes: 0 }); browser = await openBrowser() }, 120_000)
  afterAll(async () => {
    await browser?.close()
    if (agent && agent.exitCode === null && agent.signalCode === null) { const over = new Promise((resolve) => agent?.once('exit', resolve)); agent.kill('SIGTERM'); await over }
    await market?.stop()
    if (market) removeScratch(join(market.dir, 'home-of-sam', '.lumaris', 'sams-box'))
  })

  test('from signing up over one line to earnings, a pause, and a price', { timeout: 300_000 }, async () => {
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
    await page.getByText('It is there').waitFor({ timeout: 60_000 }).catch((error: unknown) => { throw new Error(`the node did not arrive; it said:\n${said.slice(-2000)}`, { cause: error }) })
    await page.getByText(/^✓ Benchmarked: [\d.]+ [GM]i?B\/s of SHA-256 on one core/).waitFor()
    await page.getByText('The token is used up.').waitFor()
    await page.getByRole('link', { name: 'Open sams-box' }).click()
    await page.getByText('Connected and taking work.').waitFor()
    expect(await page.getByLabel('Core, 1 hour').inputValue()).toBe('0.25')
    // How the machine is, with its first heartbeat; and the hours that its owner sets there, in the file that the owner's screen writes too.
    await page.getByRole('img', { name: /^Processor\. The whole machine: \d+ % at last/ }).waitFor()
    await page.getByText('At all hours, ').waitFor()
    const file = join(market.dir, 'home-of-sam', '.lumaris', 'sams-box', 'owner.json'), inHours = page.getByRole('button', { name: 'Wednesday 23:00 to 24:00' })
    writeFileSync(file, JSON.stringify({ hours: { timeZone: 'UTC', week: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, ['00:00-23:30', '23:45-24:00']])) }, pauseWhen: { inUse: false } }))
    await expect.poll(() => inHours.getAttribute('aria-pressed', { timeout: 30_000 }), { timeout: 30_000 }).toBe('mixed')
    await page.getByText('Set on the machine: hours, use of the machine.').waitFor()
    expect(await inHours.isDisabled()).toBe(true)
    writeFileSync(file, JSON.stringify({ pauseWhen: { inUse: false } }))
    await page.getByText('At all hours, ').waitFor()

    const buyer = market.client(market.buyer)
    const { blob, size } = await buyer.upload(new TextEncoder().encode('const until = Date.now() + 1500\nwhile (Date.now() < until);\nconsole.log("done")\n'))
    const { job } = await buyer.run({ runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
    expect(job.state).toBe('completed')
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
    await page.getByLabel('Core, 1 hour').fill('0.3')
    await page.getByRole('button', { name: 'Set these prices' }).click()
    await expect.poll(async () => (await market.call(market.demo.admin.key, 'GET', '/v1/nodes')).body.data[0].prices.cpuHour).toBe('300000')
    // A self-test from here, by the real canaries there; and what happened to the node.
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
    await admin.page.getByRole('region', { name: 'Nodes' }).getByRole('link', { name: 'sams-box' }).waitFor()
    await admin.page.getByRole('region', { name: 'Last placements' }).getByText('sams-box').waitFor()
    await admin.page.getByText('1 node: has too few cores').waitFor()
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
    await page.getByRole('button', { name: 'Remove sams-box…' }).click()
    const sure = page.getByRole('dialog').getByRole('button', { name: 'Remove it for good' })
    await page.getByLabel('Type its name: sams-box').fill('sams-bo')
    expect(await sure.isDisabled()).toBe(true)
    await page.getByLabel('Type its name: sams-box').fill('sams-box')
    await sure.click()
    await page.getByText('No nodes yet').waitFor()
    await page.getByRole('link', { name: 'Earnings' }).first().click()
    await page.getByRole('cell', { name: 'An attempt settled' }).waitFor()
  })
})
