// Pictures of every screen, of a real market with work in it: `npm run screenshots -- [--only NAME,NAME] [--looks light,dark,phone] [--window] [--calm] [FOLDER]`.
// --window: what one sees at once, instead of the whole page. --calm: with no incident open and nothing paused, so that no line about them stands on top.
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openBrowser, visit } from '../tests/web/browser.ts'
import { SCREENS, enterAs, enterAsPerson, show } from '../tests/web/screens.ts'
import { fill, startWebMarket } from '../tests/web/web-market.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' }, looks: { type: 'string' }, window: { type: 'boolean', default: false }, calm: { type: 'boolean', default: false } } })
/** So that there is something to draw. */
const PLOT_MS = 60_000
const only = values.only?.split(','), looks = values.looks?.split(',')
const folder = resolve(positionals[0] ?? '.lumaris/screens')
mkdirSync(folder, { recursive: true })
const market = await startWebMarket()
const browser = await openBrowser()
let failed = 0
try {
  const data = await fill(market)
  if (values.calm) {
    const { api } = market.client(market.demo.admin.key)
    for (const one of (await api.listIncidents({ query: { state: 'open' } })).data) await api.resolveIncident({ params: { incident: one.id }, body: { text: 'It is mended.' } })
    for (const one of (await api.listMatchingPauses({})).data) await api.resumeMatching({ params: { pause: one.id }, body: { reason: 'It is mended' } })
  }
  const keys = { nobody: null, person: null, buyer: market.buyer, seller: market.demo.sellers[0]?.key ?? '', admin: market.demo.admin.key }
  const wanted = Object.entries({ light: { height: 900 }, dark: { dark: true, height: 900 }, phone: { width: 390, height: 800 } }).filter(([look]) => !looks || looks.includes(look))
  for (const [look, options] of wanted) {
    for (const who of ['nobody', 'buyer', 'person', 'seller', 'admin'] as const) {
      const { context, page, complaints } = await visit(browser, market.url, options)
      const key = keys[who]
      if (key !== null) await enterAs(page, key)
      if (who === 'person') await enterAsPerson(page)
      for (const screen of SCREENS.filter((one) => one.who === who && (!only || only.includes(one.name)))) {
        try {
          await show(page, screen, data)
          await page.evaluate('scrollTo(0, 0)')
          await page.screenshot({ animations: 'disabled', path: join(folder, `${screen.name}-${look}.png`), fullPage: !values.window && !(await page.getByRole('dialog').first().isVisible()) })
          process.stdout.write(`${screen.name}-${look}.png\n`)
        } catch (error) { failed++; process.stderr.write(`${screen.name} (${look}): ${(error as Error).message.split('\n')[0]}\n`); await page.screenshot({ path: join(folder, `${screen.name}-${look}-failed.png`) }) }
      }
      if (complaints.length > 0) process.stderr.write(`${who}, ${look}: ${[...new Set(complaints)].join('; ').slice(0, 2000)}\n`)
      await context.close()
    }
  }
  if (!only || only.includes('owner')) await owner(wanted)
} finally {
  await browser.close()
  await market.stop()
}
process.exit(failed === 0 ? 0 : 1)

/** The screen that an agent serves on its owner's machine: last, because its node and its job would stand on all the others. */
async function owner(wanted: readonly (readonly [string, object])[]): Promise<void> {
  const key = market.demo.sellers[0]?.key ?? '', agent = await market.addNode(key, 'office-tower', '150000', { share: { cpuPercent: 60 }, pauseWhen: { inUse: false } }, 'home', true)
  const door = JSON.parse(readFileSync(join(market.dir, 'office-tower', 'gui.json'), 'utf8')) as { url: string; secret: string }
  const buyer = market.client(market.buyer), { blob, size } = await buyer.upload(new TextEncoder().encode('let sum = 0\nsetInterval(() => { const until = Date.now() + 150; while (Date.now() < until) sum += Math.sqrt(sum + 1) }, 500)\n'))
  const job = await buyer.submit({ name: 'Heat', runtime: 'javascript', command: ['heat.ts'], inputs: [{ path: 'heat.ts', blob, size }], placement: { regions: ['home'] }, resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
  for (let i = 0; i < 60 && agent.owner()?.jobs[0]?.state !== 'running'; i++) await wait(1_000)
  await wait(PLOT_MS)
  for (const [look, options] of wanted) {
    const { context, page } = await visit(browser, market.url, options)
    const { url } = (await (await fetch(`${door.url}/api/tickets`, { method: 'POST', headers: { authorization: `Bearer ${door.secret}` } })).json()) as { url: string }
    await page.goto(url)
    await page.getByRole('heading', { level: 1 }).getByText('Earning').waitFor()
    await page.screenshot({ animations: 'disabled', path: join(folder, `owner-${look}.png`), fullPage: !values.window })
    process.stdout.write(`owner-${look}.png\n`)
    await context.close()
  }
  await buyer.cancel(job.id)
}
