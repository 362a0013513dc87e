// The owner's screen as people meet it: in a real Chromium, by role and label.
import { existsSync, readFileSync } from 'node:fs'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { aScreen } from './test-screen.ts'

const CHROMIUM = process.env['LUMARIS_CHROMIUM'] ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))
const browserTest = test.skipIf(CHROMIUM === undefined)
let browser: Browser
beforeAll(async () => {
  if (CHROMIUM === undefined) { console.warn('left out: there is no Chromium here (apt install chromium, or name one by LUMARIS_CHROMIUM)'); return }
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
})
afterAll(async () => { await browser?.close() })

async function open(url: string, { theme = 'light', width = 1280 }: { theme?: 'light' | 'dark'; width?: number } = {}): Promise<{ page: Page; wrong: string[] }> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme, reducedMotion: 'reduce', acceptDownloads: true })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const wrong: string[] = []
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(message.text()) })
  page.on('request', (request) => { if (new URL(request.url()).hostname !== '127.0.0.1') wrong.push(`asks ${request.url()}`) })
  await page.goto(url)
  return { page, wrong }
}
const word = (page: Page) => page.getByRole('heading', { level: 1 })
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']
/** Brought into the page once: axe's own wrapper does so for each question, and opens another page besides. */
async function violations(page: Page, runOnly: unknown = TAGS): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source)
  const found = (await page.evaluate(`axe.run(document, ${JSON.stringify({ runOnly, resultTypes: ['violations'], iframes: false })}).then((result) => result.violations)`)) as { id: string; nodes: { target: string[] }[] }[]
  return found.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).join(', ')}`)
}
/** All that a scheme changes, where the width is what it was. */
const COLOURS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] }

browserTest('a ticket opens the screen and leaves the address bar; the state, jobs and figures come by themselves', async () => {
  const screen = await aScreen()
  const { page, wrong } = await open(await screen.ticket())
  await word(page).getByText('Idle').waitFor()
  expect(page.url()).toBe(`${screen.door.url}/`)
  expect(await page.getByText(screen.agent.nodeId).isVisible()).toBe(true)
  const job = screen.market.submit({ command: ['<img src=x onerror=document.title="taken">', 'fake:hang'], outputs: [], limits: { runMs: 600_000 } })
  const real = screen.market.submit({ command: ['fake:print', 'x', ';', 'fake:hang'], outputs: [], limits: { runMs: 600_000 } })
  await word(page).getByText('Earning').waitFor()
  await page.getByRole('cell', { name: real }).waitFor()
  await screen.market.until(() => screen.market.market.job(job)?.state !== 'queued')
  expect(await page.title()).toContain('Earning · north')
  expect(await page.locator('img[src=x]').count()).toBe(0)
  expect(wrong).toEqual([])
})

browserTest('without a ticket there is the way in; a used ticket says so', async () => {
  const screen = await aScreen()
  const ticket = await screen.ticket()
  expect((await screen.ask('POST', '/api/session', { headers: { origin: screen.door.url }, body: { ticket: ticket.split('ticket=')[1] } })).status).toBe(200)
  const { page } = await open(ticket)
  await page.getByText('This link was used before').waitFor()
  expect(await page.getByText(screen.agent.nodeId).count()).toBe(0)
  expect(await violations(page)).toEqual([])
})

browserTest('pause, resume and stop by the keyboard alone', async () => {
  const screen = await aScreen()
  const { page } = await open(await screen.ticket())
  const job = screen.market.submit({ command: ['fake:print', 'x', ';', 'fake:hang'], outputs: [], limits: { runMs: 600_000 } })
  await word(page).getByText('Earning').waitFor()
  const press = async (name: string): Promise<void> => {
    for (let i = 0; i < 400 && (await page.evaluate('document.activeElement?.textContent')) !== name; i++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
  }
  const began = performance.now()
  await press('Pause now')
  await word(page).getByText('Paused').waitFor()
  await page.getByText('stands still, unpaid', { exact: true }).waitFor()
  expect(performance.now() - began).toBeLessThan(5_000)
  await press('Let work run again')
  await word(page).getByText('Earning').waitFor()
  await press('Stop everything now')
  await page.getByRole('dialog').getByText('1 job is ended at once').waitFor()
  expect(await violations(page)).toEqual([])
  await page.keyboard.press('Enter') // the harmless button has the focus
  expect(screen.market.attemptOf(job)?.state).toBe('running')
  await press('Stop everything now')
  await page.getByRole('button', { name: 'Stop everything', exact: true }).focus()
  await page.keyboard.press('Enter')
  await word(page).getByText('Stopped').waitFor()
  await screen.market.until(() => screen.market.attemptOf(job)?.state === 'ended')
})

browserTest('limits and hours: the week by the keyboard, a sentence that says it, and what was saved', async () => {
  const screen = await aScreen({ pauseWhen: { idleMs: 95_000 } })
  const { page } = await open(await screen.ticket())
  await word(page).getByText('Idle').waitFor()
  await page.getByLabel('Only at these hours').check()
  for (const day of ['Sunday', 'Saturday', 'Friday', 'Thursday', 'Wednesday', 'Tuesday', 'Monday']) await page.getByRole('button', { name: `${day}, all day` }).press('Enter')
  await page.getByText('Never, all 8 cores').waitFor()
  await page.keyboard.press('Tab')
  for (const key of ['Space', 'ArrowRight', 'Space', 'ArrowDown', 'Space', 'End', 'Space']) await page.keyboard.press(key)
  await page.getByText('Mon 00:00–02:00; Tue 01:00–02:00 and 23:00–24:00').waitFor()
  await page.getByRole('slider', { name: /Processor/ }).fill('25')
  await page.getByText('up to 2 of 8 cores').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved').waitFor()
  expect(JSON.parse(readFileSync(`${screen.dataDir}/owner.json`, 'utf8'))).toEqual({ share: { cpuPercent: 25 }, hours: { timeZone: 'Europe/Berlin', week: { mon: ['00:00-02:00'], tue: ['01:00-02:00', '23:00-24:00'], wed: [], thu: [], fri: [], sat: [], sun: [] } }, pauseWhen: { idleMs: 95_000 } })
  await screen.market.until(() => screen.market.market.state.nodes.get(screen.agent.nodeId)?.capacity.cpuMillis === 2_000)
})

browserTest('what was set on the website holds and is shown; what is changed here is set here, until it is left to the website again', async () => {
  const screen = await aScreen()
  const { page } = await open(await screen.ticket())
  await page.getByText('Nothing is set on this computer. The rest is as usual').waitFor()
  const ask = (share: object) => screen.market.act({ kind: 'askSettings', node: screen.agent.nodeId, settings: { share } })
  ask({ cpuPercent: 50, memoryPercent: 50 })
  await page.getByText('up to 4 of 8 cores').waitFor()
  await page.getByText('The rest is as you set it on the website.').waitFor()
  await page.getByRole('slider', { name: /Processor/ }).fill('25')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Set on this computer: processor.').waitFor()
  ask({ cpuPercent: 100, memoryPercent: 75 })
  await page.getByText('6.0 GiB of memory').waitFor()
  await page.getByText('up to 2 of 8 cores').waitFor()
  expect(await violations(page)).toEqual([])
  await page.getByRole('button', { name: 'Leave it all to the website' }).click()
  await page.getByText('all 8 cores').waitFor()
  await page.getByLabel('What you set on the website holds here too').uncheck()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Nothing is taken from the website.').waitFor()
  await page.getByText('8.0 GiB of memory').first().waitFor()
})

browserTest('it starts with the system by a switch, and what is written for it is shown; the log and the bandwidth are set', async () => {
  const screen = await aScreen()
  const { page, wrong } = await open(await screen.ticket()), box = page.getByLabel('Start this agent with the system')
  await page.getByText('It does not start with the system.').waitFor()
  await page.getByText('What is written for it, and where').click()
  const path = (await page.locator('#unit-path').textContent()) ?? '', text = await page.locator('#unit-text').textContent()
  expect(existsSync(path)).toBe(false)
  await box.check()
  await page.getByText('It starts when you sign in.').waitFor()
  expect(path.startsWith(`${screen.dir}/home/.config/systemd/user/lumaris-agent-`)).toBe(true)
  expect(readFileSync(path, 'utf8')).toBe(text)
  expect(await violations(page)).toEqual([])
  await box.uncheck()
  await page.getByText('It does not start with the system.').waitFor()
  expect(existsSync(path)).toBe(false)
  await page.getByLabel('The log tells').selectOption('debug')
  await page.getByLabel('Download for jobs, at most').fill('2048')
  await page.getByLabel('No new job while the network is metered').uncheck()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved').waitFor()
  expect(JSON.parse(readFileSync(`${screen.dataDir}/owner.json`, 'utf8'))).toEqual({ logLevel: 'debug', share: { downKiBs: 2048 }, pauseWhen: { metered: false } })
  expect(wrong).toEqual([])
})
browserTest('where there is no systemd the switch is closed, and says why', async () => {
  const screen = await aScreen({}, { systemd: false })
  const { page } = await open(await screen.ticket())
  await page.getByText('This system is not run by systemd').waitFor()
  expect(await page.getByLabel('Start this agent with the system').isDisabled()).toBe(true)
  const reply = await screen.ask('POST', '/api/service', { headers: screen.owner, body: { on: true } })
  expect([reply.status, reply.text]).toEqual([409, expect.stringContaining('not run by systemd')])
})

browserTest('a market that is gone is a problem with what to do; an agent that is gone is told, and nothing looks alive', async () => {
  const screen = await aScreen({}, { drivers: false })
  const { page } = await open(await screen.ticket())
  await word(page).getByText('Problem').waitFor()
  await page.getByText('No way to isolate jobs works here').first().waitFor()
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy the command' }).press('Enter')
  await page.getByRole('button', { name: 'Copied' }).waitFor()
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe('sudo apt install bubblewrap')
  screen.put('data/owner.json', '{')
  await page.getByRole('button', { name: 'Set the file aside, and begin with what is usual' }).press('Enter')
  await page.getByRole('region', { name: 'Problems' }).getByText('Your settings cannot be read').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Run self-test' }).last().click()
  await page.getByText('Isolation: no driver works here').waitFor()
  await screen.agent.stop()
  await page.getByText(/The agent does not answer|No word from the agent/).waitFor()
})

browserTest('the diagnostic file is saved, and the samples can be read as a table', async () => {
  const screen = await aScreen()
  const { page } = await open(await screen.ticket())
  await word(page).getByText('Idle').waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Save diagnostic file' }).click()])
  expect(download.suggestedFilename()).toMatch(/^lumaris-diagnostic-.*\.json$/)
  await page.getByRole('button', { name: 'Show as table' }).click()
  await page.getByRole('region', { name: 'Samples' }).getByRole('cell', { name: '56' }).first().waitFor()
})

// A hostile page in the same browser: what it can do to this address is exactly nothing.
browserTest('a page of somebody else cannot read or pause it, though the browser has the cookie', async () => {
  const screen = await aScreen()
  const { page } = await open(await screen.ticket())
  await word(page).getByText('Idle').waitFor()
  const other = await page.context().newPage()
  await other.route('http://evil.example/**', (route) => route.fulfill({ contentType: 'text/html', body: '<title>evil</title>' }))
  await other.goto('http://evil.example/')
  const got = await other.evaluate(`(async (base) => {
    const out = []
    for (const [method, path] of [['GET', '/api/status'], ['POST', '/api/stop-all'], ['POST', '/api/pause']]) out.push(await fetch(base + path, { method, credentials: 'include', ...(method === 'POST' ? { body: '{}' } : {}) }).then(async (reply) => 'read ' + await reply.text(), () => 'failed'))
    out.push(await fetch(base + '/api/stop-all', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' }).then(() => 'sent', () => 'failed'))
    const frame = document.createElement('iframe')
    frame.src = base
    document.body.append(frame)
    await new Promise((resolve) => { frame.onload = resolve })
    return out
  })(${JSON.stringify(screen.door.url)})`) as string[]
  expect(got.filter((one) => one.startsWith('read'))).toEqual([])
  expect(await (await other.waitForSelector('iframe')).contentFrame().then((frame) => frame?.locator('#all').count())).toBe(0)
  await expect.poll(() => screen.agent.owner()?.at ?? 0).toBeGreaterThan(Date.now() - 1_500)
  expect(screen.agent.owner()).toMatchObject({ stopped: false, wish: { pause: null } })
})

for (const [width, theme, other] of [[1280, 'light', 'dark'], [360, 'dark', 'light']] as const) {
  browserTest(`axe finds nothing, and nothing hangs over the edge: ${width} px, light and dark, idle, at work, paused, with problems`, async () => {
    const screen = await aScreen({ hours: { timeZone: 'Europe/Berlin', week: { mon: ['00:00-24:00'], tue: ['00:00-24:00'], wed: ['00:00-24:00'], thu: ['00:00-24:00'], fri: ['00:00-24:00'], sat: ['00:00-24:00'], sun: ['00:30-24:00', '00:00-00:30'] } } })
    const { page, wrong } = await open(await screen.ticket(), { theme, width })
    const good = async (): Promise<void> => {
      expect(await violations(page)).toEqual([])
      await page.emulateMedia({ colorScheme: other })
      expect(await violations(page, COLOURS), other).toEqual([])
      await page.emulateMedia({ colorScheme: theme })
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    }
    await word(page).getByText('Idle').waitFor()
    for (const says of ['What is written for it, and where', 'Log']) await page.locator('summary').getByText(says, { exact: true }).click()
    await page.locator('#lines li').first().waitFor()
    await good()
    screen.market.submit({ command: ['fake:print', 'x', ';', 'fake:hang'], outputs: [], limits: { runMs: 600_000 } })
    await page.getByRole('row', { name: /running/ }).or(page.locator('.tag.running')).first().waitFor()
    await page.getByRole('button', { name: 'Show as table' }).click()
    await good()
    await page.getByRole('button', { name: 'Until tomorrow 08:00' }).click()
    await word(page).getByText('Paused').waitFor()
    screen.put('data/owner.json', '{')
    await page.getByText('Your settings cannot be read').waitFor()
    await good()
    expect(wrong).toEqual([])
  }, 300_000) // axe looks at some four hundred elements, three times
}
