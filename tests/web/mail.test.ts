// Alerts by mail, as a person turns them on and off: a code that was really sent, a mail that really comes, and the link in it.
import type { Browser } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { visit } from './browser.ts'
import { examine } from './examine.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { someone, startWebMarket } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

describeInBrowser('alerts by mail', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 0 }, (opened) => { ({ market, browser } = opened) })

  test('proved by a code, some kinds, tried, off and on; and stopped by the link in a mail, signed in or not', async () => {
    const mia = await someone(market, 'Mia', ['buyer']), { page, context, complaints } = await visit(browser, market.url), panel = page.getByRole('region', { name: 'By mail' })
    const { address } = (await market.call(mia.key, 'GET', '/v1/alerts/mail')).body
    await enterAs(page, mia.key)
    await page.goto('/alerts')
    await panel.getByText('Off', { exact: true }).waitFor()
    await panel.getByRole('button', { name: 'Send me a code' }).click()
    await panel.getByText(/^A code was sent/).waitFor()
    expect(await panel.getByRole('button', { name: 'Turn mail on' }).isDisabled()).toBe(true)
    // One that is wrong is told beside its field; another one is not sent at once.
    await panel.getByLabel('Code').fill('1234')
    await panel.getByLabel('Code').press('Enter')
    await panel.getByText(/The code is wrong, used or over\. Take it from the newest mail/).waitFor()
    await panel.getByRole('button', { name: 'Send another' }).click()
    await panel.getByRole('alert').getByText('Asked too soon').waitFor()
    await panel.getByLabel('Code').fill(await market.mailedCode(mia.key))
    await panel.getByRole('button', { name: 'Turn mail on' }).click()
    await panel.getByText('On', { exact: true }).waitFor()
    // Only budgets.
    expect(await panel.getByRole('button', { name: 'Mail me these' }).isDisabled()).toBe(true)
    await panel.getByLabel('Every kind of alert').uncheck()
    expect(await panel.getByRole('checkbox').count()).toBe(1 + 5) // of a buyer
    for (const kind of ['Invitation', 'Member', 'Tried again', 'No top-up']) await panel.getByRole('checkbox', { name: kind }).uncheck()
    await panel.getByRole('button', { name: 'Mail me these' }).click()
    await expect.poll(async () => (await market.call(mia.key, 'GET', '/v1/alerts/mail')).body.kinds).toEqual(['budget', 'node_offline', 'node_unreliable', 'payout_failed', 'agent_too_old', 'appeal_decided'])
    await panel.getByRole('button', { name: 'Send a test mail' }).click()
    await panel.getByText('A mail is on its way.').waitFor()
    const subjects = (): (string | undefined)[] => market.mailbox.mails.filter(({ to }) => to[0] === address).map(({ headers }) => headers['subject']?.[0])
    await expect.poll(subjects).toEqual(['Your code for alerts by mail', 'A mail to try it'])
    await panel.getByRole('button', { name: 'Turn mail off' }).click()
    await panel.getByText('Off', { exact: true }).waitFor()
    await panel.getByRole('button', { name: 'Turn mail on' }).click()
    await panel.getByText('On', { exact: true }).waitFor()
    expect(complaints).toEqual([])

    // The link, opened by somebody who is not signed in.
    const link = /^No more of them: (.*)$/m.exec(market.mailbox.mails.at(-1)?.text ?? '')?.[1]?.replace('https://market.example', market.url) ?? '', reader = await visit(browser, market.url)
    await reader.page.goto(link)
    const stop = reader.page.getByRole('button', { name: 'Stop the mails' })
    expect(await examine(reader.page, 'the page behind the link')).toEqual([])
    await reader.page.emulateMedia({ colorScheme: 'dark' })
    expect(await examine(reader.page, 'the page behind the link, in the dark')).toEqual([])
    expect((await market.call(mia.key, 'GET', '/v1/alerts/mail')).body.on).toBe(true)
    await stop.focus()
    await reader.page.keyboard.press('Enter')
    await reader.page.getByRole('heading', { name: 'The mails are stopped' }).waitFor()
    await reader.page.goto(`${link}x`)
    await reader.page.getByRole('heading', { name: 'This link is not whole' }).waitFor()
    expect([reader.complaints, reader.foreign]).toEqual([[], []])
    await page.reload()
    await panel.getByText('A link in a mail has turned it off.').waitFor()
    await panel.getByText('Off', { exact: true }).waitFor()
    await reader.context.close()
    await context.close()
  })

  test('an address that takes no mail: the screen says why, the inbox too, and a code proves it anew', async () => {
    const bo = await someone(market, 'Bo', ['seller']), { page, context, complaints } = await visit(browser, market.url), panel = page.getByRole('region', { name: 'By mail' })
    await enterAs(page, bo.key)
    await market.call(bo.key, 'POST', '/v1/alerts/mail/code')
    await market.call(bo.key, 'POST', '/v1/alerts/mail/prove', { code: await market.mailedCode(bo.key) })
    market.mailbox.answerWith((step) => (step === 'rcpt' ? { code: 550, says: '5.1.1 nobody is called <b>bo</b> here' } : null))
    onTestFinished(() => market.mailbox.answerWith(() => null))
    await page.goto('/alerts')
    await panel.getByRole('button', { name: 'Send a test mail' }).click()
    await panel.getByText('Mail was turned off').waitFor()
    await panel.getByText('nobody is called <b>bo</b> here').waitFor()
    await panel.getByRole('button', { name: /^Send (me a code|another)$/ }).waitFor()
    await page.reload()
    await page.getByRole('region', { name: 'Alerts', exact: true }).getByText(/^(New: )?Alerts are not mailed to \S+@\S+ any more/).waitFor()
    expect(complaints).toEqual([])
    await context.close()
  })

  test('a market without a mail server says so, and offers nothing', async () => {
    const other = await startWebMarket({ nodes: 0, mail: false }), { page, context, complaints } = await visit(browser, other.url)
    onTestFinished(() => other.stop())
    await enterAs(page, other.buyer)
    await page.goto('/alerts')
    const panel = page.getByRole('region', { name: 'By mail' })
    await panel.getByText('This market sends no mail').waitFor()
    expect([await panel.getByRole('button').count(), complaints]).toEqual([0, []])
    await context.close()
  })
})
