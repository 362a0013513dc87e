// An operator and a bank statement, by keyboard: what cannot be read is said and not kept, what was read is shown before it is, and each mismatch is settled where it stands.
import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { Reconciliation } from '@lumaris/protocol'
import { keysOf, visit } from './browser.ts'
import { enterAs } from './screens.ts'
import { describeInBrowser, withMarket } from './with-market.ts'
import { someone } from './web-market.ts'
import type { WebMarket } from './web-market.ts'

const TODAY = new Date().toISOString().slice(0, 10)
describeInBrowser('an operator with a statement', () => {
  let market: WebMarket, browser: Browser
  withMarket({ nodes: 0 }, (opened) => { ({ market, browser } = opened) })
  const all = async (): Promise<Reconciliation> => (await market.call(market.demo.admin.key, 'GET', '/v1/admin/reconciliation')).body
  const handOver = (page: Page, text: string | Buffer, name = 'november.csv') => page.getByLabel('Statement', { exact: true }).setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(text) })
  const giveReason = async (page: Page, reason: string, yes: string): Promise<void> => { const keys = keysOf(page), dialog = page.getByRole('dialog'); await keys.write(dialog.getByLabel('Reason'), reason); await keys.press(dialog.getByRole('button', { name: yes, exact: true })); await dialog.waitFor({ state: 'hidden' }) }

  test('hands it in, links, books and sets aside, by keyboard alone; the ledger balances and the overview counts what is left', async () => {
    const { api } = market.client(market.demo.admin.key), eli = await someone(market, 'Eli', ['buyer'])
    for (const [reference, amount] of [['RF-1', '10000000'], ['RF-2', '20000000']] as const) await api.bookDeposit({ params: { user: eli.id }, body: { amount, reference, reason: 'as the bank says' } })
    const { context, page, complaints } = await visit(browser, market.url), keys = keysOf(page)
    await enterAs(page, market.demo.admin.key)
    await page.goto('/reconciliation')
    await page.getByText('No statement was handed in yet').waitFor()
    // What is no text, and what could be meant in two ways: said, with the line, and nothing is kept.
    await handOver(page, Buffer.from([0x64, 0xfc, 0x0a]), 'latin.csv')
    await page.getByText('latin.csv is not text in UTF-8').waitFor()
    await handOver(page, `date,reference,amount\n${TODAY},RF-1,"10,00"\n`)
    await page.getByText('Line 2: "10,00" has a comma').waitFor()
    await keys.press(page.getByRole('button', { name: 'Leave it' }))
    // From there on the field has the focus: the next one can be chosen at once.
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('statement-file')
    const text = `date,reference,amount\n${TODAY},RF-1,10.00\n${TODAY},,20.00\n${TODAY},RF 3,30.00\n${TODAY},interest,-0.15\n`
    await handOver(page, text)
    const read = page.getByRole('region', { name: 'What was read' })
    await read.getByText('3 on the statement only').waitFor()
    expect(await all()).toMatchObject({ accounts: [] })
    await keys.press(read.getByRole('button', { name: 'Keep it…' }))
    await giveReason(page, 'The statement of November', 'Keep it')
    await page.getByText('november.csv').waitFor()
    const table = page.getByRole('region', { name: 'What does not agree' })
    await table.getByText('deposit:RF-2').first().waitFor()
    expect(await all()).toMatchObject({ open: 4, accounts: [{ matched: 1 }] })

    // The one without a reference: what it may be is offered.
    await keys.press(table.getByRole('button', { name: `Link… ${TODAY}` }))
    await page.getByRole('dialog').getByText('+20.00 deposit:RF-2').waitFor({ state: 'attached' })
    await giveReason(page, 'He forgot the reference', 'Link them')
    await expect.poll(() => table.getByText('deposit:RF-2').count()).toBe(0)
    // The one that nobody booked: under the reference that the bank has, so that they match.
    await keys.press(table.getByRole('button', { name: 'Book it… RF 3' }))
    const dialog = page.getByRole('dialog')
    expect(await dialog.getByRole('button', { name: 'Book it' }).isDisabled()).toBe(true)
    await keys.write(dialog.getByLabel('Whose it is'), 'eli')
    await dialog.getByLabel('User').waitFor()
    expect(await dialog.getByLabel('Reference of the payment').inputValue()).toBe('RF3')
    await giveReason(page, 'The statement of November', 'Book it')
    await table.getByText('RF 3').waitFor({ state: 'hidden' })
    expect((await market.client(eli.key).wallet()).available).toBe('60000000')
    expect(await all()).toMatchObject({ open: 1, accounts: [{ matched: 3, settled: 1 }] })
    // What is left is counted where an operator looks in the morning.
    await page.goto('/market')
    const figure = page.locator('.panel', { hasText: 'Payments that do not agree' }).first()
    await expect.poll(() => figure.locator('.figure').textContent()).toBe('1')
    await keys.press(figure.getByRole('link'))
    await keys.press(table.getByRole('button', { name: 'Set aside… interest' }))
    await giveReason(page, 'The bank keeps its fee', 'Set it aside')
    await page.getByText('The books and the statements agree').waitFor()
    await page.goto('/reconciliation?state=settled')
    await keys.press(table.getByRole('button', { name: 'Open again… interest' }))
    await giveReason(page, 'It was another one', 'Open it again')
    await expect.poll(async () => (await all()).open).toBe(1)
    expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/actions')).body.data.slice(0, 5).map(({ action }: { action: string }) => action)).toEqual(['mismatch.reopen', 'mismatch.aside', 'user.deposit', 'mismatch.link', 'statement.hand-in'])
    expect((await market.call(market.demo.admin.key, 'GET', '/v1/admin/ledger')).body).toMatchObject({ balanced: true })
    expect(complaints).toEqual([])
    await context.close()
  })

  test('a file is dropped; the table for spreadsheets has no formula in it; a wrong statement is withdrawn', async () => {
    const { context, page, complaints } = await visit(browser, market.url), keys = keysOf(page), before = (await all()).open
    await enterAs(page, market.demo.admin.key)
    await page.goto('/reconciliation')
    await page.getByText('Hand in a statement').waitFor()
    await page.evaluate(`(() => { const data = new DataTransfer(); data.items.add(new File(['date,reference,amount\\n${TODAY},"=HYPERLINK(""http://evil.example"")",1\\n${TODAY},@SUM(A1),2\\n'], 'wrong.csv')); const field = document.querySelector('#statement-file').closest('.drop'); for (const type of ['dragover', 'drop']) field.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true })) })()`)
    await keys.press(page.getByRole('button', { name: 'Keep it…' }))
    await giveReason(page, 'A test', 'Keep it')
    await page.getByText('@SUM(A1)').first().waitFor()
    const coming = page.waitForEvent('download')
    await keys.press(page.getByRole('button', { name: 'As CSV' }))
    const csv = readFileSync(await (await coming).path(), 'utf8')
    expect(csv).toContain(`"'=HYPERLINK(""http://evil.example"")"`)
    expect(csv).toContain(",'@SUM(A1),")
    expect(csv).not.toMatch(/(?:^|[,"])[=+@]/m)
    await keys.press(page.getByRole('button', { name: /^Withdraw…/ }).first())
    await giveReason(page, 'It was of another account', 'Withdraw it')
    await page.getByText('It was of another account').waitFor()
    await expect.poll(async () => (await all()).open).toBe(before)
    expect(complaints).toEqual([])
    await context.close()
  })
})
