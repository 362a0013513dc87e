// Alerts by mail, against a real mail server on this machine: an address is proved, alerts come, many as one, and what cannot be sent is tried again or said. The same on both databases.
import { postgresMissing, startMailbox, startPostgres } from '@lumaris/testkit'
import type { Mail, Mailbox } from '@lumaris/testkit'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { AlertMail, BackgroundWork } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { Answer, TestMarket } from '../start-market.ts'

const HOUR = 3_600_000, PUBLIC = 'https://market.example'
type Room = { readonly market: TestMarket; readonly box: Mailbox; later: number; readonly mine: () => Promise<AlertMail>; readonly call: (method: string, path: string, body?: unknown) => Promise<Answer>; readonly raise: (months: readonly string[]) => Promise<void>; readonly turnOn: () => Promise<void>; readonly alerts: () => Mail[]; readonly subjects: () => string[] }

async function open(databaseUrl?: string): Promise<Room> {
  const box = await startMailbox(), clock = { later: 0 }
  const market = await startMarket({ server: { settings: {}, databaseUrl, now: () => Date.now() + clock.later, mail: { smtpUrl: box.url, from: 'Lumaris <alerts@market.example>', publicUrl: PUBLIC, timeoutMs: 2_000 } } })
  onTestFinished(async () => { await market.stop(); await box.stop() })
  const call = (method: string, path: string, body?: unknown): Promise<Answer> => market.call(market.buyer, method, path, body)
  const mine = async (): Promise<AlertMail> => (await call('GET', '/v1/alerts/mail')).body
  const alerts = (): Mail[] => box.mails.filter(({ headers }) => headers['subject']?.[0]?.includes('code') === false)
  const act = market.app.engine.act.bind(market.app.engine), user = market.demo.buyer.id
  await act({ kind: 'setAlerts', user, settings: { monthlyBudget: '1000', offlineMs: null, completionBelow: null } })
  return {
    market, box, mine, call, alerts, get later() { return clock.later }, set later(ms) { clock.later = ms }, subjects: () => alerts().map(({ headers }) => headers['subject']?.[0] ?? ''),
    /** The budget of each of these months is reached. */
    raise: async (months) => { await Promise.all(months.map((month) => act({ kind: 'spent', user, month, spent: 1_000n }))) },
    turnOn: async () => {
      const before = box.mails.length
      expect((await call('POST', '/v1/alerts/mail/code')).status).toBe(202)
      await expect.poll(() => box.mails.length).toBe(before + 1)
      expect((await call('POST', '/v1/alerts/mail/prove', { code: codeIn(box.mails.at(-1)) })).body).toMatchObject({ on: true, proved: true, kinds: null })
    },
  }
}
const codeIn = (mail: Mail | undefined): string => /^\d{4} \d{4}$/m.exec(mail?.text ?? '')?.[0] ?? ''
const linkIn = (mail: Mail | undefined): string => /^<(.*)>$/.exec(mail?.headers['list-unsubscribe']?.[0] ?? '')?.[1] ?? ''
const months = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `20${30 + Math.floor((from + i) / 12)}-${String((from + i) % 12 + 1).padStart(2, '0')}`)

const missing = postgresMissing(), postgres = missing ? null : startPostgres()
afterAll(async () => { await (await postgres)?.stop() })
const BOTH = [['SQLite', async () => undefined], ['PostgreSQL', async () => (await postgres)?.createDatabase()]] as const

describe.each(BOTH)('on %s', (name, databaseUrl) => {
  const here = test.skipIf(name === 'PostgreSQL' && Boolean(missing))

  here('an address is proved by the code that was sent there; then alerts come, the wanted ones, each once', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), { box, call, mine } = room, email = `${room.market.demo.buyer.id}`
    expect(email).toMatch(/^usr_/)
    const before = await mine()
    expect(before).toMatchObject({ here: true, proved: false, on: false, kinds: null, waiting: 0 })
    await room.raise(months(0, 1)) // before anybody asked for mail
    expect((await call('PUT', '/v1/alerts/mail', { on: true })).body).toMatchObject({ code: 'mail_not_proved' })
    expect((await call('POST', '/v1/alerts/mail/test')).body).toMatchObject({ code: 'mail_not_proved' })
    expect((await call('POST', '/v1/alerts/mail/prove', { code: '00000000' })).body).toMatchObject({ code: 'mail_code_wrong' })
    // Pressed twice at once: one mail.
    expect((await Promise.all([call('POST', '/v1/alerts/mail/code'), call('POST', '/v1/alerts/mail/code')])).map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 429])
    expect((await call('POST', '/v1/alerts/mail/code')).body).toMatchObject({ code: 'mail_too_soon', retry: true, detail: { againInMs: expect.any(Number) } })
    await expect.poll(() => box.mails.length).toBe(1)
    expect(box.mails[0]).toMatchObject({ from: 'alerts@market.example', to: [before.address], headers: { subject: ['Your code for alerts by mail'], 'list-unsubscribe-post': ['List-Unsubscribe=One-Click'] } })
    expect((await mine()).code).toMatchObject({ until: expect.any(Number) })
    const code = codeIn(box.mails[0]), wrong = code.replace(/^\d/, (digit) => String((Number(digit) + 1) % 10))
    expect((await call('POST', '/v1/alerts/mail/prove', { code: wrong })).body).toMatchObject({ code: 'mail_code_wrong' })
    // Somebody else's account does not have it.
    expect((await room.market.call(room.market.demo.admin.key, 'POST', '/v1/alerts/mail/prove', { code })).body).toMatchObject({ code: 'mail_code_wrong' })
    expect((await call('POST', '/v1/alerts/mail/prove', { code })).body).toMatchObject({ proved: true, on: true, kinds: null })
    expect((await call('POST', '/v1/alerts/mail/prove', { code })).body).toMatchObject({ code: 'mail_code_wrong' }) // once
    await room.raise(months(1, 1))
    await expect.poll(() => box.mails.length).toBe(2)
    expect(box.mails[1]).toMatchObject({ to: [before.address], headers: { subject: [expect.stringMatching(/^Budget: The budget of 2030-02 is used up/)] }, text: expect.stringContaining(`${PUBLIC}/wallet\n`) })
    // Not this kind any more; and then nothing at all.
    expect((await call('PUT', '/v1/alerts/mail', { on: true, kinds: ['payout_failed', 'payout_failed'] })).body).toMatchObject({ on: true, kinds: ['payout_failed'] })
    await room.raise(months(2, 1))
    await expect.poll(async () => room.market.app.db.query("SELECT id FROM alerts WHERE mail = 'none'")).toHaveLength(1)
    expect((await call('POST', '/v1/alerts/mail/test')).status).toBe(202)
    expect((await call('POST', '/v1/alerts/mail/test')).body).toMatchObject({ code: 'mail_too_soon' })
    await expect.poll(() => room.subjects().length).toBe(2)
    expect(room.subjects()[1]).toBe('A mail to try it')
    expect((await call('PUT', '/v1/alerts/mail', { on: false, kinds: null })).body).toMatchObject({ on: false, proved: true, kinds: null })
    await room.raise(months(3, 1))
    expect((await call('PUT', '/v1/alerts/mail', { on: true })).body).toMatchObject({ on: true })
    await room.raise(months(4, 1))
    await expect.poll(() => room.subjects().at(-1)).toContain('2030-05')
    expect(room.subjects()).toHaveLength(3)
    for (const body of [{}, { on: 'yes' }, { on: true, kinds: [] }, { on: true, kinds: ['mail_off'] }, { on: true, address: 'x@y' }]) expect((await call('PUT', '/v1/alerts/mail', body)).body, JSON.stringify(body)).toMatchObject({ code: 'invalid_request' })
  })

  here('a code is good for half an hour and five tries, and five are sent in a day', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), { box, call } = room
    const next = async (sent: number): Promise<string> => { expect((await call('POST', '/v1/alerts/mail/code')).status).toBe(202); await expect.poll(() => box.mails.length).toBe(sent); return codeIn(box.mails.at(-1)) }
    const guessed = await next(1)
    for (let i = 0; i < 5; i++) expect((await call('POST', '/v1/alerts/mail/prove', { code: '1' })).body).toMatchObject({ code: 'mail_code_wrong' })
    expect((await call('POST', '/v1/alerts/mail/prove', { code: guessed })).body).toMatchObject({ code: 'mail_code_wrong' })
    room.later += 61_000
    const old = await next(2)
    room.later += HOUR
    expect((await call('POST', '/v1/alerts/mail/prove', { code: old })).body).toMatchObject({ code: 'mail_code_wrong' })
    for (const sent of [3, 4, 5]) { await next(sent); room.later += 61_000 }
    expect((await call('POST', '/v1/alerts/mail/code')).body).toMatchObject({ code: 'mail_too_soon' })
    room.later += 24 * HOUR
    expect((await call('POST', '/v1/alerts/mail/prove', { code: await next(6) })).body).toMatchObject({ proved: true, on: true })
  })

  here('a link in a mail turns them off: not by being looked at, but by a button, signed in or not; and nobody else’s', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), { box, mine, market } = room
    await room.turnOn()
    await room.raise(months(0, 1))
    await expect.poll(() => room.subjects().length).toBe(1)
    const link = linkIn(box.mails.at(-1))
    expect([link.startsWith(`${PUBLIC}/v1/mail-off/${market.demo.buyer.id}.`), box.mails.at(-1)?.text.includes(link)]).toEqual([true, true])
    const path = link.slice(PUBLIC.length)
    for (const method of ['GET', 'HEAD', 'OPTIONS']) await fetch(market.url + path, { method })
    const page = await fetch(market.url + path, { headers: { accept: 'text/html' } }), html = await page.text()
    expect([page.status, page.headers.get('content-security-policy')?.includes("default-src 'none'"), page.headers.get('referrer-policy'), /<form method="post">/.test(html), (await mine()).on]).toEqual([200, true, 'no-referrer', true, true])
    for (const bad of [path.slice(0, -1), `${path}x`, path.replace(market.demo.buyer.id, market.demo.admin.id), '/v1/mail-off/x', `/v1/mail-off/${market.demo.buyer.id}.`]) expect((await market.call(null, 'POST', bad)).body, bad).toMatchObject({ code: 'mail_link_invalid' })
    expect(await (await fetch(market.url + path.slice(0, -1), { headers: { accept: 'text/html' } })).text()).toContain('This link is not whole')
    expect((await mine()).on).toBe(true)
    const one = await fetch(market.url + path, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'List-Unsubscribe=One-Click' })
    expect([one.status, await one.text()]).toEqual([200, expect.stringContaining('The mails are stopped')])
    expect(await mine()).toMatchObject({ on: false, proved: true, offBecause: 'A link in a mail has turned it off.' })
    // As other mail programs send it, and again.
    const form = new FormData()
    form.set('List-Unsubscribe', 'One-Click')
    expect((await fetch(market.url + path, { method: 'POST', body: form })).status).toBe(200)
    expect((await fetch(market.url + path, { method: 'POST' })).status).toBe(200)
    // A form is a request there and nowhere else.
    expect((await fetch(`${market.url}/v1/alerts/read`, { method: 'POST', headers: { authorization: `Bearer ${market.buyer}`, 'content-type': 'application/x-www-form-urlencoded' }, body: 'upTo=x' })).status).toBe(415)
    await room.raise(months(1, 1))
    expect((await room.call('PUT', '/v1/alerts/mail', { on: true })).body).toMatchObject({ on: true })
    await room.raise(months(2, 1))
    await expect.poll(() => room.subjects().length).toBe(2)
    expect(room.subjects()[1]).toContain('2030-03')
  })

  here('whoever reads an address and asks for no mail gets no more codes either', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), { box, call, market } = room
    expect((await call('POST', '/v1/alerts/mail/code')).status).toBe(202)
    await expect.poll(() => box.mails.length).toBe(1)
    expect((await fetch(market.url + linkIn(box.mails[0]).slice(PUBLIC.length), { method: 'POST' })).status).toBe(200)
    expect((await call('POST', '/v1/alerts/mail/prove', { code: codeIn(box.mails[0]) })).body).toMatchObject({ code: 'mail_code_wrong' })
    room.later += 2 * HOUR
    expect((await call('POST', '/v1/alerts/mail/code')).body).toMatchObject({ code: 'mail_unwanted', detail: { until: expect.any(Number) } })
    room.later += 30 * 24 * HOUR
    expect((await call('POST', '/v1/alerts/mail/code')).status).toBe(202)
  })

  here('five mails an hour; what comes on top is gathered into one when the hour is over; many at once are one', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl())
    await room.turnOn()
    for (let i = 0; i < 5; i++) { await room.raise(months(i, 1)); await expect.poll(() => room.subjects().length).toBe(i + 1) }
    for (let i = 5; i < 12; i++) await room.raise(months(i, 1))
    room.later += HOUR / 2
    await room.raise(months(12, 1))
    await room.market.app.alertMail.view(room.market.demo.buyer.id)
    expect(room.subjects()).toHaveLength(5)
    room.later += HOUR / 2 + 60_000
    await expect.poll(() => room.subjects().length).toBe(6)
    expect(room.subjects()[5]).toBe('8 alerts: 8 × Budget')
    for (let i = 5; i <= 12; i++) expect(room.alerts()[5]?.text).toContain(`The budget of ${months(i, 1)[0]} is used up`)
    // A fleet that goes offline, while one mail is on its way.
    let letGo = (): void => undefined
    const held = new Promise<null>((resolve) => { letGo = () => resolve(null) })
    room.box.answerWith((step) => (step === 'rcpt' ? held : null))
    await room.raise(months(20, 1))
    await expect.poll(async () => (await room.mine()).waiting).toBe(1)
    await room.raise(months(30, 300))
    letGo()
    await expect.poll(() => room.subjects().length).toBe(8)
    expect(room.subjects()[7]).toBe('300 alerts: 300 × Budget')
    expect(await room.market.app.db.query("SELECT id FROM alerts WHERE mail IS NULL")).toEqual([])
  })

  here('later is tried again with growing waits, and what is raised meanwhile is gathered; after a day it is given up', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl())
    await room.turnOn()
    let tries = 0
    room.box.answerWith((step) => (step === 'rcpt' ? (tries++, { code: 451, says: '4.7.1 greylisted' }) : null))
    await room.raise(months(0, 1))
    await expect.poll(() => room.mine()).toMatchObject({ waiting: 1, problem: expect.stringContaining('greylisted') })
    await room.raise(months(1, 3))
    const dueIn = async (): Promise<number> => Number((await room.market.app.db.query<{ wait: number }>("SELECT next_at - last_try_at AS wait FROM mails WHERE state = 'waiting' AND kind = 'alerts'"))[0]?.wait)
    const waits: number[] = []
    for (let i = 1; i <= 3; i++) {
      await expect.poll(() => tries).toBe(i)
      await expect.poll(async () => (await room.market.app.db.query<{ tries: number }>("SELECT tries FROM mails WHERE kind = 'alerts'"))[0]?.tries).toBe(i)
      waits.push(await dueIn())
      room.later += waits.at(-1) as number
    }
    for (const [i, wait] of [5_000, 30_000, 120_000].entries()) expect(Math.abs((waits[i] ?? 0) / wait - 1)).toBeLessThanOrEqual(0.11)
    room.box.answerWith(() => null)
    room.later += 10 * 60_000
    // Those that are sent at one time come in any order.
    await expect.poll(() => room.subjects().toSorted((a, b) => (a < b ? -1 : 1))).toEqual([expect.stringContaining('2030-01'), expect.stringContaining('2030-02'), expect.stringContaining('2030-03'), expect.stringContaining('2030-04')])
    room.later += 2 * HOUR
    room.box.answerWith((step) => (step === 'data' ? { code: 554, says: '5.6.0 we do not like it' } : null))
    await room.raise(months(6, 1))
    await expect.poll(() => room.mine()).toMatchObject({ waiting: 1, problem: expect.stringContaining('we do not like it') })
    const asked = room.box.connections
    room.later += 24 * HOUR
    await expect.poll(() => room.mine()).toMatchObject({ waiting: 0, on: true, problem: expect.stringContaining('we do not like it') })
    expect(room.box.connections).toBe(asked) // not tried once more
    room.box.answerWith(() => null)
    await room.raise(months(7, 1))
    await expect.poll(() => room.subjects().length).toBe(5)
  })

  here('an address that is refused for good turns mail off, once, with a notice in the inbox; proved again, it is on', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), { call } = room
    await room.turnOn()
    room.box.answerWith((step) => (step === 'rcpt' ? { code: 550, says: '5.1.1 no such\u0007 user' } : null))
    await room.raise(months(0, 3))
    await expect.poll(() => room.mine()).toMatchObject({ on: false, proved: false, waiting: 0, offBecause: 'The address takes no mail: the mail server answered: 550 5.1.1 no such user.' })
    const notices = async () => (await call('GET', '/v1/alerts')).body.data.filter(({ kind }: { kind: string }) => kind === 'mail_off')
    expect(await notices()).toMatchObject([{ says: expect.stringMatching(/^Alerts are not mailed to .* any more: the mail server answered: 550 5\.1\.1 no such user\. Prove the address again/) }])
    expect((await call('PUT', '/v1/alerts/mail', { on: true })).body).toMatchObject({ code: 'mail_not_proved' })
    room.box.answerWith(() => null)
    room.later += 61_000
    await room.turnOn()
    await room.raise(months(5, 1))
    await expect.poll(() => room.subjects()).toEqual([expect.stringContaining('2030-06')])
    expect(await notices()).toHaveLength(1)
  })

  here('trouble with the mail server turns nobody’s mail off: operators see it, mails wait, and go when it is over', { timeout: 300_000 }, async () => {
    const room = await open(await databaseUrl()), background = async (): Promise<BackgroundWork> => (await room.market.call(room.market.demo.admin.key, 'GET', '/v1/admin/background')).body
    await room.turnOn()
    expect((await background()).loops.find(({ name: loop }) => loop === 'mail')).toMatchObject({ late: false, everyMs: null })
    room.box.answerWith((step) => (step === 'mail' ? { code: 550, says: '5.7.1 this sender may not' } : null))
    await room.raise(months(0, 1))
    await expect.poll(async () => (await background()).loops.find(({ name: loop }) => loop === 'mail')).toMatchObject({ failures: expect.any(Number), problem: 'the mail server answered: 550 5.7.1 this sender may not; mails wait' })
    expect((await background()).backlogs.find(({ what }) => what === 'mails')).toMatchObject({ waiting: 1, oldestAt: expect.any(Number) })
    expect(await room.mine()).toMatchObject({ on: true, proved: true, waiting: 1, problem: 'this market cannot send mail just now, and its operator sees why' })
    room.box.answerWith(() => null)
    room.later += 60_000
    await expect.poll(() => room.subjects().length).toBe(1)
    await expect.poll(async () => (await background()).backlogs.find(({ what }) => what === 'mails')?.waiting).toBe(0)
  })
})

test('a market without a mail server says so, and offers nothing', async () => {
  const market = await startMarket()
  onTestFinished(() => market.stop())
  expect((await market.call(market.buyer, 'GET', '/v1/alerts/mail')).body).toMatchObject({ here: false, on: false, proved: false })
  for (const [method, path, body] of [['PUT', '', { on: true }], ['POST', '/code', undefined], ['POST', '/prove', { code: '1' }], ['POST', '/test', undefined]] as const) expect((await market.call(market.buyer, method, `/v1/alerts/mail${path}`, body)).body, path).toMatchObject({ code: 'no_mail_here' })
  expect((await market.call(market.buyer, 'PUT', '/v1/alerts/mail', { on: false })).body).toMatchObject({ on: false })
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect((await cli(['alerts', 'mail'])).stdout).toContain('this market sends no mail')
})

test('the command line: a code, on, a test, off', async () => {
  const room = await open(), { cli } = aShell({ LUMARIS_URL: room.market.url, LUMARIS_TOKEN: room.market.buyer })
  expect((await cli(['alerts', 'mail', 'on'])).stderr).toContain('A code is on its way')
  await expect.poll(() => room.box.mails.length).toBe(1)
  const proved = await cli(['alerts', 'mail', 'on', '--code', codeIn(room.box.mails[0]), '--kind', 'budget'])
  expect([proved.code, proved.stderr, proved.stdout]).toEqual([0, '', expect.stringMatching(/on\n.*Budget/s)])
  expect((await cli(['alerts', 'mail', 'test'])).stderr).toContain('A mail is on its way')
  await expect.poll(() => room.subjects()).toEqual(['A mail to try it'])
  expect((await cli(['alerts', 'mail', 'on', '--kind', 'all'])).stdout).toMatch(/all kinds/)
  expect((await cli(['alerts', 'mail', 'off'])).stdout).toMatch(/off/)
  expect((await cli(['alerts', 'mail', 'on', '--kind', 'weather'])).code).toBe(2)
})
