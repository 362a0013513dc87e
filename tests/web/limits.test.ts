// A seller sets hours and limits of a machine from afar; what is set on the machine wins, and whoever runs the market may only look.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAgent } from '@lumaris/agent'
import { GIB } from '@lumaris/protocol'
import type { Browser, Request } from 'playwright-core'
import { expect, test } from 'vitest'
import { visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('hours and limits', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 0 }, (opened) => { ({ market, browser } = opened) })
  const seller = (): string => market.demo.sellers[0]?.key ?? ''
  const asking = (path: RegExp) => {
    const seen: string[] = []
    return {
      seen,
      note: (request: Request) => {
        const { pathname, search } = new URL(request.url())
        if (path.test(pathname + search)) seen.push(pathname + search)
      },
    }
  }

  test('asked by the keyboard, confirmed by the agent; what the machine says wins; offline it waits', { timeout: 600_000 }, async () => {
    const agent = await market.addNode(seller(), 'attic', '200000', { pauseWhen: { inUse: false } })
    const { page, context, complaints } = await visit(browser, market.url)
    await enterAs(page, seller())
    await page.goto(`/nodes/${agent.nodeId}?tab=hours`)
    await page.getByText('As its agent said').waitFor()
    await page.getByText('At all hours, all 4 cores.').waitFor()
    // Weekdays at night, by keys alone: every day closed, then a cell of Monday's evening and one of Tuesday's morning.
    await page.getByLabel('Only at these hours').check()
    for (const day of ['Sunday', 'Saturday', 'Friday', 'Thursday', 'Wednesday', 'Tuesday', 'Monday'])
      await page.getByRole('button', { name: `${day.slice(0, 3)}: all of ${day}` }).press('Enter')
    await page.getByRole('button', { name: 'Monday 00:00 to 01:00' }).focus()
    for (const key of ['End', 'Space', 'ArrowDown', 'Home', 'Space']) await page.keyboard.press(key)
    await page.getByLabel('Processor, %').fill('50')
    await page.getByText('Mon 23:00–01:00, up to 2 of 4 cores.').waitFor()
    await page.getByLabel('while it runs on battery').uncheck()
    await page.getByRole('button', { name: 'Ask the machine for this' }).click()
    await page.getByText('Confirmed by its agent').waitFor()
    expect(agent.owner()?.settings).toMatchObject({ share: { cpuPercent: 50 }, pauseWhen: { onBattery: false, inUse: false }, hours: { week: { mon: ['23:00-24:00'], tue: ['00:00-01:00'], wed: [] } } })
    await expect
      .poll(async () => (await market.client(seller()).api.getNode({ params: { node: agent.nodeId } })).capacity.cpuMillis, { timeout: 60_000 })
      .toBe(2_000)

    // Beyond the bounds: the market's own words, beside the field; nothing is asked.
    await page.getByLabel('Time zone').fill('Mars/Base')
    await page.getByRole('button', { name: 'Ask the machine for this' }).click()
    await page.getByText('a time zone is written such as Europe/Berlin').first().waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()

    // Somebody at the machine wants something else.
    writeFileSync(join(market.dir, 'attic', 'owner.json'), JSON.stringify({ share: { cpuPercent: 75 } }))
    await page.getByText('Set on the machine: processor.').waitFor()
    expect(await page.getByLabel('Processor, %').inputValue()).toBe('75')
    expect(await page.getByLabel('Processor, %').isDisabled()).toBe(true)
    await page.getByText('Mon 23:00–01:00, up to 3 of 4 cores.').waitFor()

    await agent.stop()
    await page.getByText('no', { exact: true }).waitFor()
    await page.getByLabel('Memory, %').fill('25')
    await page.getByRole('button', { name: 'Ask the machine for this' }).click()
    await page.getByText('It is not connected: its agent hears it at its next connection.').waitFor()
    const again = await startAgent({
      server: market.url,
      dataDir: join(market.dir, 'attic'),
      drivers: [],
      stopMs: 2_000,
      capacity: { cpuMillis: 4_000, memoryBytes: 8 * GIB, diskBytes: 20 * GIB, gpus: 0 },
      owner: { defaults: { pauseWhen: { inUse: false } } },
    })
    try {
      await page.getByText('Confirmed by its agent').waitFor()
      expect(again.owner()?.settings.share).toMatchObject({ cpuPercent: 75, memoryPercent: 25 })
    } finally {
      await again.stop()
    }
    expect(complaints).toEqual([])
    await context.close()

    const admin = await visit(browser, market.url)
    await enterAs(admin.page, market.demo.admin.key)
    await admin.page.goto(`/nodes/${agent.nodeId}?tab=hours`)
    await admin.page.getByText('whoever runs the market may only look').waitFor()
    expect([await admin.page.getByLabel('Memory, %').isDisabled(), await admin.page.getByRole('button', { name: 'Ask the machine for this' }).count()]).toEqual([true, 0])
    expect((await market.call(market.demo.admin.key, 'PUT', `/v1/nodes/${agent.nodeId}/settings`, {})).status).toBe(403)
    expect((await market.call(seller(), 'GET', `/v1/nodes/${agent.nodeId}/settings`)).body.asked.number).toBe(2)
    await admin.context.close()
  })

  test('readings that are not to be brought up to date are not asked for again', async () => {
    const agent = await market.addNode(seller(), 'cellar', '200000', {}), { page, context } = await visit(browser, market.url)
    await page.clock.install()
    await enterAs(page, seller())
    await page.goto(`/nodes/${agent.nodeId}`)
    await page.getByRole('img', { name: /^Processor/ }).waitFor()
    await page.getByLabel('Brought up to date').selectOption({ label: 'Not by itself' })
    const { seen, note } = asking(/^\/v1\/nodes\/\w+(\/readings.*)?$/)
    page.on('request', note)
    // The node itself is asked every four seconds: once it has been asked for a minute's worth, so would have been the readings.
    for (let i = 0; i < 10; i++) {
      const asked = page.waitForRequest((request) => new URL(request.url()).pathname === `/v1/nodes/${agent.nodeId}`)
      await page.clock.runFor(6_000)
      await asked
    }
    expect(seen.filter((path) => path.includes('readings'))).toEqual([])
    await page.getByRole('button', { name: 'Refresh' }).click()
    await expect.poll(() => seen.filter((path) => path.includes('readings')).length).toBe(1)
    await context.close()
  })

  test('what finds jobs by their names asks for them only while it is open', async () => {
    const { page, context } = await visit(browser, market.url), list = (request: Request): boolean => {
        const { pathname, searchParams } = new URL(request.url())
        return pathname === '/v1/jobs' && searchParams.get('limit') === '200'
      }
    await enterAs(page, market.buyer)
    await page.goto('/wallet')
    await page.getByRole('heading', { level: 1, name: 'Wallet' }).waitFor()
    const first = page.waitForRequest(list)
    await page.keyboard.press('Control+k')
    await first
    await page.getByRole('dialog').getByPlaceholder('A screen, or a job by name or id').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    const { seen, note } = asking(/^\/v1\/jobs\?/)
    page.on('request', note)
    // News of a job: the wallet is asked again, and so would be every list that is watched.
    const told = page.waitForResponse((response) => new URL(response.url()).pathname === '/v1/wallet')
    const job = await market.client(market.buyer).submit({ name: 'Found later', command: ['x'] }, { cap: 1_000_000n })
    await told
    expect(seen).toEqual([])
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').getByText('Found later').waitFor()
    await market.client(market.buyer).cancel(job.id)
    await context.close()
  })
})
