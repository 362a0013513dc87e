// Every screen, by who sees it and where it is: for the tests that hold of each of them, and for the pictures.
import type { Page } from 'playwright-core'
import { ANN, CARL } from './web-market.ts'
import type { Shown } from './web-market.ts'

/** `person` signs in with a password, the others with a key. */
export type Who = 'nobody' | 'buyer' | 'seller' | 'admin' | 'person'
export type Screen = { readonly name: string; readonly who: Who; readonly path: (data: Shown) => string; /** Makes it show what it is about. */ readonly act?: (page: Page) => Promise<unknown> }
const press = (name: string | RegExp) => (page: Page): Promise<void> => page.getByRole('button', { name }).first().click()

/** Nothing that is pressed lies half under the head of the page. */
const atTop = (page: Page): Promise<unknown> => page.evaluate('scrollTo(0, 0)')
/** On a phone the form is in steps; on wide screens everything stands there. */
const step = async (page: Page, name: 'What' | 'Where' | 'Limits' | 'Review'): Promise<void> => { const button = page.getByRole('navigation', { name: 'Steps' }).getByRole('button', { name }); await page.locator('#job').waitFor({ state: 'attached' }); if (await button.isVisible()) await button.click() }

const TODAY = new Date().toISOString().slice(0, 10)
const handOver = (page: Page, text: string): Promise<void> => page.getByLabel('Statement', { exact: true }).setInputFiles({ name: 'statement.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })

export const SCREENS: readonly Screen[] = [
  { name: 'front', who: 'nobody', path: () => '/', act: (page) => page.getByText('Nodes online').waitFor() },
  { name: 'sign-in', who: 'nobody', path: () => '/sign-in' },
  { name: 'sign-in-code', who: 'nobody', path: () => '/sign-in', act: async (page) => { await typeIn(page, CARL); await page.getByLabel('Code').waitFor() } },
  { name: 'sign-up', who: 'nobody', path: () => '/sign-up' },
  { name: 'forgot-password', who: 'nobody', path: () => '/forgot-password' },
  { name: 'forgot-password-sent', who: 'nobody', path: () => '/forgot-password', act: async (page) => { await page.getByRole('textbox', { name: 'E-mail' }).fill('nobody@screens.test'); await press('Mail me a link')(page); await page.getByText('Look into your mail').waitFor() } },
  { name: 'reset-password', who: 'nobody', path: () => '/reset-password', act: (page) => page.getByText('There is no code in this address').waitFor() },
  { name: 'reset-password-over', who: 'nobody', path: () => `/reset-password#${'x'.repeat(43)}`, act: async (page) => { await page.getByRole('textbox', { name: 'New password' }).fill('a long new password'); await press('Set it')(page); await page.getByRole('link', { name: 'Ask for another link' }).waitFor() } },
  { name: 'not-found', who: 'nobody', path: () => '/no/such/screen' },
  { name: 'home', who: 'buyer', path: () => '/home', act: (page) => page.getByRole('link', { name: 'Mandelbrot' }).waitFor() },
  { name: 'submit', who: 'buyer', path: () => '/submit?template=pi', act: async (page) => { await step(page, 'Review'); await page.getByText('Nodes that can').waitFor(); await step(page, 'What') } },
  { name: 'submit-variables', who: 'buyer', path: () => '/submit', act: async (page) => { await press('Add a variable')(page); await page.getByLabel('Name of variable 1').fill('API_TOKEN'); await page.getByLabel('Variable 1 is a secret').check(); await press('From an address…')(page); await page.getByLabel('Address', { exact: true }).fill('http://10.0.0.1/data.csv'); await press('Fetch it')(page); await page.getByText('is not on the public internet').waitFor() } },
  { name: 'submit-files', who: 'buyer', path: () => '/submit', act: async (page) => { await page.locator('#files').setInputFiles({ name: 'data.csv', mimeType: 'text/csv', buffer: Buffer.from('1,2') }); await page.getByRole('button', { name: 'Leave out data.csv' }).waitFor() } },
  { name: 'submit-where', who: 'buyer', path: () => '/submit?template=primes&step=where', act: async (page) => { await page.getByLabel('Cores').fill('999999'); await page.locator('.mantine-InputWrapper-error').first().waitFor(); await atTop(page) } },
  { name: 'submit-cheaper', who: 'buyer', path: () => '/submit?step=review&template=primes', act: async (page) => { await step(page, 'Where'); await page.getByLabel('Cores').fill('2'); await step(page, 'Review'); await page.getByText('Cheaper, or more nodes').waitFor(); await atTop(page) } },
  { name: 'submit-deadline', who: 'buyer', path: () => '/submit?template=primes', act: async (page) => { await step(page, 'Limits'); await page.getByText('By a deadline').click(); await step(page, 'Where'); await page.getByLabel('GPUs', { exact: true }).fill('1'); await page.getByLabel('Part of each card, %').waitFor(); await page.getByLabel('GPUs', { exact: true }).fill('0'); await step(page, 'Review'); await page.getByText('Done in time', { exact: true }).waitFor(); await page.getByRole('button', { name: 'As YAML / CLI / SDK / JSON' }).click() } },
  { name: 'submit-nothing-fits', who: 'buyer', path: (data) => `/submit?from=${data.waiting}`, act: async (page) => { await step(page, 'Review'); await page.getByText('No node can run this as it is').waitFor() } },
  { name: 'submit-yaml', who: 'buyer', path: () => '/submit?template=fractal', act: async (page) => { await step(page, 'Review'); await press('As YAML / CLI / SDK / JSON')(page); await page.getByText('YAML', { exact: true }).click(); await page.getByText('# npx lumaris submit --spec job.yaml').waitFor() } },
  { name: 'submit-review', who: 'buyer', path: () => '/submit?template=fractal', act: async (page) => { await step(page, 'Review'); await page.getByRole('button', { name: 'Review and submit' }).click(); await page.getByText('Held from your wallet').waitFor(); await page.getByText('Available').waitFor() } },
  { name: 'jobs', who: 'buyer', path: () => '/jobs', act: (page) => page.getByRole('link', { name: 'Mandelbrot' }).waitFor() },
  { name: 'jobs-empty', who: 'buyer', path: () => '/jobs?state=expired', act: (page) => page.getByText('No job fits this filter').waitFor() },
  { name: 'jobs-cancel', who: 'buyer', path: () => '/jobs', act: async (page) => { await page.getByRole('checkbox', { name: 'Choose Needs a large machine' }).check(); await press('Cancel 1 job')(page); await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 job' }).waitFor() } },
  { name: 'jobs-rerun', who: 'buyer', path: () => '/jobs', act: async (page) => { await page.getByRole('checkbox', { name: 'Choose Mandelbrot' }).check(); await page.getByRole('checkbox', { name: 'Choose Estimate pi' }).check(); await press('Run 2 jobs again')(page); await page.getByRole('dialog').getByText('held from now on').waitFor() } },
  { name: 'jobs-keep-filter', who: 'buyer', path: () => '/jobs?state=failed&q=img', act: async (page) => { await press('Keep this filter…')(page); await page.getByRole('dialog').getByLabel('Name').waitFor() } },
  { name: 'find', who: 'buyer', path: () => '/home', act: async (page) => { await page.getByRole('button', { name: 'Find' }).first().click(); await page.getByRole('dialog').getByText('Mandelbrot').waitFor() } },
  { name: 'job', who: 'buyer', path: (data) => `/jobs/${data.done}?part=1`, act: (page) => page.getByRole('img', { name: /^CPU/ }).waitFor() },
  { name: 'job-logs', who: 'buyer', path: (data) => `/jobs/${data.failed}?tab=logs`, act: (page) => page.getByText('it goes wrong').waitFor() },
  { name: 'job-log-line', who: 'buyer', path: (data) => `/jobs/${data.failed}?tab=logs`, act: async (page) => { await page.getByText('it goes wrong').waitFor(); await page.getByLabel('Numbers and links').check(); await page.getByRole('button', { name: 'Copy the link to line 1', exact: true }).click(); await page.getByText('The link to line 1 is copied.').waitFor() } },
  { name: 'job-results', who: 'buyer', path: (data) => `/jobs/${data.picture}?tab=results`, act: async (page) => { await press(/^Show mandelbrot/)(page); await page.getByRole('img', { name: /mandelbrot/ }).waitFor() } },
  { name: 'job-cost', who: 'buyer', path: (data) => `/jobs/${data.done}?tab=cost`, act: async (page) => { await press(/^Check 4 receipts/)(page); await page.getByText('4 receipts hold').waitFor() } },
  { name: 'job-why', who: 'buyer', path: (data) => `/jobs/${data.waiting}?tab=why`, act: (page) => page.getByRole('tabpanel', { name: 'Why here' }).getByText('What would help').waitFor() },
  { name: 'job-history', who: 'buyer', path: (data) => `/jobs/${data.done}?tab=history`, act: (page) => page.getByRole('cell', { name: 'Submitted' }).waitFor() },
  { name: 'job-request', who: 'buyer', path: (data) => `/jobs/${data.done}?tab=spec` },
  { name: 'job-cancel', who: 'buyer', path: (data) => `/jobs/${data.waiting}`, act: async (page) => { await press('Cancel')(page); await page.getByRole('button', { name: 'Cancel the job' }).waitFor() } },
  { name: 'job-not-mine', who: 'buyer', path: () => `/jobs/job_${'0'.repeat(26)}`, act: (page) => page.getByRole('alert').waitFor() },
  { name: 'wallet', who: 'buyer', path: () => '/wallet', act: (page) => page.getByText('Came back from a job').first().waitFor() },
  { name: 'wallet-by-job', who: 'buyer', path: () => '/wallet?by=name', act: (page) => page.getByRole('region', { name: 'Spent by job' }).getByText('Mandelbrot').waitFor() },
  { name: 'wallet-by-template', who: 'buyer', path: () => '/wallet?by=template', act: async (page) => { await page.getByRole('region', { name: 'Spent by template' }).getByText('fractal').waitFor(); await page.getByRole('img', { name: /^Credits spent by day and template/ }).waitFor() } },
  { name: 'wallet-template-table', who: 'buyer', path: () => '/wallet?by=template&days=7', act: async (page) => { await page.getByRole('switch', { name: 'Show as table' }).press('Space'); await page.getByRole('region', { name: 'Spent by day and template' }).getByRole('columnheader', { name: 'fractal' }).waitFor() } },
  { name: 'wallet-month-table', who: 'buyer', path: () => '/wallet', act: async (page) => { await press('Show as a table')(page); await page.getByRole('region', { name: 'This month, added up' }).waitFor() } },
  { name: 'schedules', who: 'buyer', path: () => '/schedules', act: (page) => page.getByRole('heading', { name: 'Nightly report' }).waitFor() },
  { name: 'schedule-make', who: 'buyer', path: (data) => `/schedules?from=${data.done}`, act: (page) => page.getByRole('button', { name: 'Repeat it' }).waitFor() },
  { name: 'templates', who: 'buyer', path: () => '/templates', act: (page) => page.getByRole('heading', { name: 'train' }).waitFor() },
  { name: 'templates-found', who: 'buyer', path: () => '/templates?q=draw%20a%20picture', act: (page) => page.getByText('1 template found').waitFor() },
  { name: 'template-fill', who: 'buyer', path: () => '/submit?saved=train', act: (page) => page.getByText('How fast it learns').waitFor() },
  { name: 'job-keep', who: 'buyer', path: (data) => `/jobs/${data.done}`, act: async (page) => { await press('Keep as a template…')(page); await page.getByRole('button', { name: 'Keep it' }).waitFor() } },
  { name: 'webhooks', who: 'buyer', path: (data) => `/webhooks?hook=${data.hook}`, act: async (page) => { await page.getByText('The market has turned it off').waitFor(); await page.getByText('Delivered', { exact: true }).first().waitFor() } },
  { name: 'webhooks-add', who: 'buyer', path: () => '/webhooks', act: async (page) => { await press('Add a webhook')(page); await page.getByRole('button', { name: 'Add the webhook' }).waitFor() } },
  { name: 'account-by-key', who: 'buyer', path: () => '/account' },
  { name: 'account', who: 'person', path: () => '/account', act: async (page) => { await page.getByRole('button', { name: 'Set up a second factor' }).waitFor(); await page.getByText('this one').waitFor() } },
  { name: 'account-password', who: 'person', path: () => '/account', act: async (page) => { await press('Change the password')(page); await page.getByRole('textbox', { name: 'New password' }).waitFor() } },
  { name: 'account-enrol', who: 'person', path: () => '/account', act: async (page) => { await press('Set up a second factor')(page); await page.getByRole('textbox', { name: 'Your password' }).fill(ANN.password); await press('Go on')(page); await page.getByRole('img', { name: /^QR code/ }).waitFor() } },
  { name: 'device', who: 'person', path: () => '/device', act: (page) => page.getByRole('button', { name: 'Look who asks' }).waitFor() },
  { name: 'device-approve', who: 'person', path: (data) => `/device?code=${data.device}`, act: async (page) => { await press('Look who asks')(page); await page.getByRole('button', { name: 'Approve' }).waitFor() } },
  { name: 'keys', who: 'buyer', path: () => '/keys', act: (page) => page.getByText('lum_').first().waitFor() },
  { name: 'keys-revoke', who: 'buyer', path: () => '/keys', act: async (page) => { await press(/^Revoke/)(page); await page.getByRole('dialog').getByLabel(/^Type its name/).waitFor() } },
  { name: 'keys-make', who: 'buyer', path: () => '/keys', act: async (page) => { await press('Make a key')(page); await page.getByRole('button', { name: 'Make the key' }).waitFor() } },
  { name: 'members', who: 'buyer', path: () => '/members', act: async (page) => { await page.getByRole('region', { name: 'Members', exact: true }).getByText('vic@screens.test').waitFor(); await page.getByText('Cancelled a job').first().waitFor() } },
  { name: 'members-invite', who: 'buyer', path: () => '/members', act: async (page) => { await press('Invite somebody')(page); await page.getByRole('button', { name: 'Make the link' }).waitFor() } },
  { name: 'members-link', who: 'buyer', path: () => '/members', act: async (page) => { await press('Invite somebody')(page); await page.getByLabel('E-mail').fill('paul@screens.test'); await page.getByLabel('Limit of a month, credits').fill('25'); await press('Make the link')(page); await page.getByText('paul@screens.test is invited').waitFor() } },
  { name: 'members-change', who: 'buyer', path: () => '/members', act: async (page) => { await page.getByRole('button', { name: 'Change… Ann' }).click(); await page.getByRole('button', { name: 'Change it' }).waitFor() } },
  { name: 'wallet-auto', who: 'buyer', path: () => '/wallet', act: async (page) => { await press('Change it…')(page); await page.getByLabel('At most a month, credits').waitFor(); await page.getByText('20.00 credits added').first().waitFor() } },
  { name: 'invitation', who: 'nobody', path: (data) => `/invitation#${data.invitation}`, act: (page) => page.getByRole('link', { name: 'Sign in to accept' }).waitFor() },
  { name: 'invitation-gone', who: 'nobody', path: () => `/invitation#${'x'.repeat(43)}`, act: (page) => page.getByText('The invitation is wrong').waitFor() },
  { name: 'invitation-mine', who: 'person', path: (data) => `/invitation#${data.invitationOfAnn}`, act: (page) => page.getByRole('button', { name: 'Accept' }).waitFor() },
  { name: 'invitation-for-another', who: 'person', path: (data) => `/invitation#${data.invitation}`, act: (page) => page.getByText('You are signed in as').waitFor() },
  { name: 'nodes', who: 'seller', path: () => '/nodes', act: (page) => page.getByRole('link', { name: 'node-ada' }).waitFor() },
  { name: 'node', who: 'seller', path: (data) => `/nodes/${data.node}?span=minutes`, act: async (page) => { await page.getByText('Nothing runs here just now').waitFor(); await page.getByRole('img', { name: /^Processor/ }).waitFor() } },
  { name: 'node-price', who: 'seller', path: (data) => `/nodes/${data.node}?tab=price`, act: async (page) => { await page.getByText('At your prices').waitFor(); await page.getByText('In the dispute window').waitFor() } },
  { name: 'node-record', who: 'seller', path: (data) => `/nodes/${data.node}?tab=record`, act: async (page) => { await page.getByText('It was chosen in').waitFor(); await page.getByRole('img', { name: /^At least, by day/ }).waitFor(); await page.getByRole('region', { name: 'Walls', exact: true }).waitFor() } },
  { name: 'node-hours', who: 'seller', path: (data) => `/nodes/${data.attic}?tab=hours`, act: async (page) => { await page.getByRole('button', { name: 'Saturday 12:00 to 13:00' }).waitFor(); await page.getByRole('heading', { name: 'Remove it' }).waitFor() } },
  { name: 'node-machine-table', who: 'seller', path: (data) => `/nodes/${data.node}?span=day`, act: async (page) => { await press('Show as a table')(page); await page.getByRole('region', { name: 'Readings' }).waitFor() } },
  { name: 'node-policy', who: 'seller', path: (data) => `/nodes/${data.node}?tab=takes`, act: async (page) => { await page.getByLabel('Images only from a list').check(); await page.getByLabel('Tags that you do not take').fill('Not a tag'); await page.getByRole('button', { name: 'Take only this' }).click(); await page.getByText('lower-case letters, digits and dashes, at most 40').waitFor() } },
  { name: 'node-activity', who: 'seller', path: (data) => `/nodes/${data.node}?tab=events`, act: async (page) => { await page.getByText('Its agent was started').waitFor(); await page.getByRole('heading', { name: 'Self-test' }).scrollIntoViewIfNeeded() } },
  { name: 'node-remove', who: 'seller', path: (data) => `/nodes/${data.attic}?tab=hours`, act: async (page) => { await press(/^Remove node-attic/)(page); await page.getByLabel('Type its name: node-attic').fill('node-attic') } },
  { name: 'node-appeal', who: 'seller', path: (data) => `/nodes/${data.node}?tab=record`, act: async (page) => { await page.getByRole('img', { name: /^At least, by day/ }).waitFor(); await page.getByRole('button', { name: 'Appeal…' }).first().click(); await page.getByLabel('Why it should not count').waitFor() } },
  { name: 'node-join', who: 'seller', path: () => '/nodes/join', act: async (page) => { await press('Make the line')(page); await page.getByText('It has not called yet').waitFor() } },
  { name: 'node-join-windows', who: 'seller', path: () => '/nodes/join', act: async (page) => { await press('Make the line')(page); await page.getByRole('tab', { name: 'Windows' }).click(); await page.getByText('wsl --install').waitFor() } },
  { name: 'earnings', who: 'seller', path: () => '/earnings', act: async (page) => { await page.getByText('Estimate:').waitFor(); await page.getByText('An attempt settled').first().waitFor(); await page.getByText('Came back').first().waitFor() } },
  { name: 'earnings-rule', who: 'seller', path: () => '/earnings', act: async (page) => { await page.getByLabel('Pay out all that has cleared').selectOption('cleared'); await page.getByLabel('From so many credits').fill('0'); await page.getByLabel('To this demo account').fill('my account'); await page.getByRole('button', { name: 'Set the rule' }).click(); await page.getByRole('alert').first().waitFor() } },
  { name: 'earnings-statement', who: 'seller', path: () => '/earnings/statement', act: (page) => page.getByRole('region', { name: 'Month by month, in credits' }).waitFor() },
  { name: 'earnings-tax', who: 'seller', path: () => '/earnings/statement', act: async (page) => { await page.getByLabel('Tax number', { exact: true }).fill('none'); await press('Change them')(page); await page.getByText('4 to 40 letters').waitFor() } },
  { name: 'status', who: 'nobody', path: () => '/status', act: async (page) => { await page.getByText('It is a switch.').waitFor(); await page.getByRole('link', { name: 'What is known' }).waitFor() } },
  { name: 'ledger-reverse', who: 'admin', path: (data) => `/ledger?job=${data.done}`, act: async (page) => { await page.getByRole('region', { name: 'Entries' }).getByRole('button', { name: 'Reverse…' }).nth(2).click(); await page.getByRole('button', { name: 'Propose it' }).waitFor() } },
  { name: 'ledger-approve', who: 'admin', path: () => '/ledger', act: async (page) => { await press('Approve…')(page); await page.getByRole('button', { name: /^Approve:/ }).waitFor() } },
  { name: 'users', who: 'admin', path: () => '/users', act: (page) => page.getByRole('cell', { name: 'Suspended' }).first().waitFor() },
  { name: 'users-none', who: 'admin', path: () => '/users?q=nobody-at-all', act: (page) => page.getByText('Nobody fits this filter').waitFor() },
  { name: 'user', who: 'admin', path: (data) => `/users/${data.suspended}`, act: (page) => page.getByText('Paid with a stolen card').waitFor() },
  { name: 'user-suspend', who: 'admin', path: (data) => `/users/${data.suspended}`, act: async (page) => { await press('End the suspension')(page); await page.getByRole('button', { name: 'End it' }).waitFor() } },
  { name: 'appeals', who: 'admin', path: () => '/appeals', act: (page) => page.getByText('The power was cut').waitFor() },
  { name: 'appeal-accept', who: 'admin', path: () => '/appeals', act: async (page) => { await press('Accept…')(page); await page.getByRole('button', { name: 'It does not count' }).waitFor() } },
  { name: 'appeals-none', who: 'admin', path: () => '/appeals?state=refused', act: (page) => page.getByText('None was refused').waitFor() },
  { name: 'incidents', who: 'admin', path: () => '/incidents', act: (page) => page.getByText('It is a switch.').waitFor() },
  { name: 'incident-open', who: 'admin', path: () => '/incidents', act: async (page) => { await press('Open an incident')(page); await page.getByRole('button', { name: 'Tell everybody' }).waitFor() } },
  {
    name: 'user-deposit', who: 'admin', path: (data) => `/users/${data.suspended}`,
    act: async (page) => { await page.getByRole('button', { name: 'Book a deposit…' }).click(); await page.getByRole('dialog').getByLabel('Reference of the payment').fill('RF18-5390') },
  },
  { name: 'user-sessions', who: 'admin', path: (data) => `/users/${data.ann}`, act: async (page) => { await page.getByRole('button', { name: /^End…/ }).first().click(); await page.getByRole('dialog').getByLabel('Reason').waitFor() } },
  { name: 'incident-words', who: 'admin', path: () => '/incidents', act: async (page) => { await press('Open an incident')(page); await page.getByRole('dialog').getByLabel('Begin with').selectOption('It is slow'); await page.getByText('Jobs wait longer for a node than usual').waitFor() } },
  { name: 'jobs-of-user', who: 'admin', path: (data) => `/jobs?of=${data.buyer}`, act: (page) => page.getByRole('link', { name: 'Mandelbrot' }).waitFor() },
  { name: 'ledger-accounts', who: 'admin', path: () => '/ledger?of=buyer:available&older=any', act: (page) => page.getByRole('region', { name: 'Accounts', exact: true }).waitFor() },
  { name: 'reconciliation', who: 'admin', path: () => '/reconciliation', act: async (page) => { await page.getByText('Invoice <b>12</b>').first().waitFor(); await page.getByText('november.csv').waitFor() } },
  { name: 'reconciliation-settled', who: 'admin', path: () => '/reconciliation?state=settled', act: (page) => page.getByText('The bank keeps its fee').waitFor() },
  { name: 'reconciliation-read', who: 'admin', path: () => '/reconciliation', act: async (page) => { await handOver(page, `date;reference;amount;balance\n${TODAY};RF18-5393;3.00;1\n${TODAY};RF18-5394;12.00;1\n`); await page.getByRole('region', { name: 'The first lines, as they were read' }).getByText('RF18-5394').waitFor() } },
  { name: 'reconciliation-not-read', who: 'admin', path: () => '/reconciliation', act: async (page) => { await handOver(page, `date;reference;amount\n${TODAY};RF18-5393;3,00\n01/02/2026;RF18-5394;12.00\n`); await page.getByText('Nothing of it was kept').waitFor() } },
  { name: 'reconciliation-keep', who: 'admin', path: () => '/reconciliation', act: async (page) => { await handOver(page, `date,reference,amount\n${TODAY},RF18-5393,3.00\n`); await press('Keep it…')(page); await page.getByRole('dialog').getByLabel('Reason').waitFor() } },
  { name: 'reconciliation-link', who: 'admin', path: () => '/reconciliation?kind=not_in_books', act: async (page) => { await page.getByRole('button', { name: 'Book it… Invoice <b>12</b>' }).waitFor(); await page.getByRole('button', { name: /^Link…/ }).first().click(); await page.getByRole('button', { name: 'Link them' }).waitFor() } },
  { name: 'reconciliation-book', who: 'admin', path: () => '/reconciliation?kind=not_in_books', act: async (page) => { await page.getByRole('button', { name: 'Book it… Invoice <b>12</b>' }).click(); await page.getByRole('dialog').getByLabel('Whose it is').fill('Dan'); await page.getByRole('dialog').getByLabel('User').waitFor() } },
  { name: 'reconciliation-aside', who: 'admin', path: () => '/reconciliation', act: async (page) => { await press(/^Set aside…/)(page); await page.getByRole('button', { name: 'Set it aside' }).waitFor() } },
  { name: 'reconciliation-reopen', who: 'admin', path: () => '/reconciliation?state=settled', act: async (page) => { await press(/^Open again…/)(page); await page.getByRole('button', { name: 'Open it again' }).waitFor() } },
  { name: 'reconciliation-withdraw', who: 'admin', path: () => '/reconciliation', act: async (page) => { await press(/^Withdraw…/)(page); await page.getByRole('button', { name: 'Withdraw it' }).waitFor() } },
  { name: 'actions', who: 'admin', path: () => '/actions', act: (page) => page.getByRole('cell', { name: 'Suspended a user' }).waitFor() },
  { name: 'user-look', who: 'admin', path: (data) => `/users/${data.suspended}`, act: async (page) => { await press('See what they see…')(page); await page.getByRole('button', { name: 'See it' }).waitFor() } },
  { name: 'job-cancel-theirs', who: 'admin', path: (data) => `/jobs/${data.waiting}`, act: async (page) => { await page.getByRole('main').getByRole('button', { name: 'Cancel', exact: true }).click(); await page.getByRole('button', { name: 'Cancel the job' }).waitFor() } },
  { name: 'alerts-seller', who: 'seller', path: () => '/alerts', act: (page) => page.getByText('Payout came back').first().waitFor() },
  { name: 'alerts-mail', who: 'seller', path: () => '/alerts', act: async (page) => { await page.getByLabel('Every kind of alert').uncheck(); await page.getByText('Only these').waitFor(); await page.getByRole('button', { name: 'Send a test mail' }).scrollIntoViewIfNeeded() } },
  { name: 'alerts', who: 'buyer', path: () => '/alerts', act: async (page) => { await page.getByText(/budget of/).first().waitFor(); await page.getByRole('button', { name: /^Send (me a code|another)$/ }).waitFor() } },
  { name: 'alerts-mail-code', who: 'buyer', path: () => '/alerts', act: async (page) => { const ask = page.getByRole('button', { name: 'Send me a code' }), code = page.getByLabel('Code', { exact: true }); await ask.or(code).first().waitFor(); if (await ask.isVisible()) await ask.click(); await code.waitFor() } },
  { name: 'settings', who: 'admin', path: () => '/settings', act: (page) => page.getByRole('region', { name: 'What was changed' }).getByText('New jobs:').first().waitFor() },
  { name: 'settings-review', who: 'admin', path: () => '/settings', act: async (page) => { await page.getByRole('textbox', { name: /^Fee/ }).fill('4'); await page.getByRole('textbox', { name: /^Oldest agent/ }).fill('0.1.0'); await press('Review 2 changes')(page); await page.getByRole('button', { name: 'Change 2 settings' }).waitFor() } },
  { name: 'market', who: 'admin', path: () => '/market', act: async (page) => { await page.getByText('None of 3 nodes can take it now').first().waitFor(); await page.getByRole('img', { name: /nodes online now/ }).waitFor() } },
  { name: 'fleet', who: 'admin', path: () => '/fleet', act: async (page) => { await page.getByRole('img', { name: /^Map of nodes/ }).waitFor(); await page.getByRole('button', { name: /^eu-central-1: 1 node, 0 online/ }).waitFor(); await page.getByRole('link', { name: 'node-ada', exact: true }).waitFor() } },
  { name: 'fleet-table', who: 'admin', path: () => '/fleet?region=local', act: async (page) => { await page.getByRole('switch', { name: 'Show as table' }).press('Space'); await page.getByRole('region', { name: 'Nodes by region' }).getByText('eu-central-1').waitFor(); await page.getByRole('link', { name: 'node-bo', exact: true }).waitFor() } },
  { name: 'fleet-empty', who: 'admin', path: () => '/fleet?q=node-bo', act: async (page) => { await page.getByRole('button', { name: 'Empty… node-bo' }).click(); await page.getByLabel('Deadline').waitFor() } },
  { name: 'fleet-none', who: 'admin', path: () => '/fleet?q=no-such-node', act: (page) => page.getByText('No node fits this filter').first().waitFor() },
  { name: 'queue', who: 'admin', path: () => '/queue', act: async (page) => { await page.getByRole('region', { name: 'Reasons' }).getByText('too few cores').waitFor(); await page.getByRole('region', { name: 'Messages that were given up' }).getByText('ping').waitFor() } },
  { name: 'queue-ages', who: 'admin', path: () => '/queue', act: async (page) => { await page.getByRole('switch', { name: 'Show as table' }).press('Space'); await page.getByRole('region', { name: 'Waiting by age' }).waitFor() } },
  { name: 'queue-pause', who: 'admin', path: () => '/queue', act: async (page) => { await press('Pause matching…')(page); await page.getByRole('checkbox', { name: 'Only work that asks for GPUs' }).check(); await page.getByRole('dialog').getByText('work with GPUs', { exact: true }).waitFor() } },
  { name: 'queue-resume', who: 'admin', path: () => '/queue', act: async (page) => { await press(/^Let it start again…/)(page); await page.getByRole('button', { name: 'Let it start', exact: true }).waitFor() } },
  { name: 'fleet-cordon', who: 'admin', path: () => '/fleet?q=node-bo', act: async (page) => { await press('Cordon… node-bo')(page); await page.getByRole('dialog').getByLabel('Reason').waitFor() } },
  { name: 'fleet-ban', who: 'admin', path: () => '/fleet?q=node-bo', act: async (page) => { await press('Ban… node-bo')(page); await page.getByRole('button', { name: 'Ban it' }).waitFor() } },
  { name: 'node-theirs', who: 'admin', path: (data) => `/nodes/${data.node}`, act: (page) => page.getByRole('img', { name: /^Processor/ }).waitFor() },
  { name: 'node-theirs-price', who: 'admin', path: (data) => `/nodes/${data.node}?tab=price`, act: (page) => page.getByText('At your prices').waitFor() },
  { name: 'node-theirs-hours', who: 'admin', path: (data) => `/nodes/${data.attic}?tab=hours`, act: (page) => page.getByRole('button', { name: 'Saturday 12:00 to 13:00' }).waitFor() },
  { name: 'node-theirs-takes', who: 'admin', path: (data) => `/nodes/${data.node}?tab=takes`, act: (page) => page.getByText('Kinds of work').waitFor() },
  { name: 'node-theirs-record', who: 'admin', path: (data) => `/nodes/${data.node}?tab=record`, act: (page) => page.getByText('It was chosen in').waitFor() },
  { name: 'node-evidence', who: 'admin', path: (data) => `/nodes/${data.node}?tab=events`, act: async (page) => { await page.getByRole('region', { name: 'Heartbeat' }).getByText('"availability_update"').waitFor(); await page.getByText('Its agent was started').waitFor() } },
  { name: 'node-pause-theirs', who: 'admin', path: (data) => `/nodes/${data.node}`, act: async (page) => { await press('Pause…')(page); await page.getByRole('dialog').getByLabel('Reason').waitFor() } },
  { name: 'node-resume-theirs', who: 'admin', path: (data) => `/nodes/${data.attic}`, act: async (page) => { await press('Resume')(page); await page.getByRole('dialog').getByLabel('Reason').waitFor() } },
  { name: 'user-roles', who: 'admin', path: (data) => `/users/${data.suspended}`, act: async (page) => { await page.getByRole('checkbox', { name: 'seller' }).uncheck(); await press('Set these roles…')(page); await page.getByRole('button', { name: 'Set the roles' }).waitFor() } },
  { name: 'incident-update', who: 'admin', path: () => '/incidents', act: async (page) => { await press(/^Tell more/)(page); await page.getByRole('button', { name: 'Tell it' }).waitFor() } },
  { name: 'incident-resolve', who: 'admin', path: () => '/incidents', act: async (page) => { await press(/^Resolve/)(page); await page.getByRole('button', { name: 'It is resolved' }).waitFor() } },
  { name: 'ledger-reject', who: 'admin', path: () => '/ledger', act: async (page) => { await press('Reject…')(page); await page.getByRole('dialog').getByRole('button', { name: 'Reject' }).waitFor() } },
  { name: 'job-pause-theirs', who: 'admin', path: (data) => `/jobs/${data.waiting}`, act: async (page) => { await page.getByRole('main').getByRole('button', { name: 'Pause', exact: true }).click(); await page.getByRole('button', { name: 'Pause it' }).waitFor() } },
  { name: 'standing-drop', who: 'admin', path: () => '/queue', act: async (page) => { await press(/^Take back…/)(page); await page.getByRole('button', { name: 'Take it back', exact: true }).waitFor() } },
  { name: 'all-schedules', who: 'admin', path: () => '/schedules', act: (page) => page.getByRole('heading', { name: 'Nightly report' }).waitFor() },
  { name: 'schedule-pause-theirs', who: 'admin', path: () => '/schedules', act: async (page) => { await press(/^Pause Nightly/)(page); await page.getByRole('button', { name: 'Pause it' }).waitFor() } },
  { name: 'schedule-end-theirs', who: 'admin', path: () => '/schedules', act: async (page) => { await press(/^End… Nightly/)(page); await page.getByRole('button', { name: 'End the schedule' }).waitFor() } },
  { name: 'revenue', who: 'admin', path: () => '/revenue', act: (page) => page.getByRole('img', { name: /^Credits a day/ }).waitFor() },
  { name: 'revenue-by-region', who: 'admin', path: () => '/revenue?by=region', act: (page) => page.getByRole('region', { name: 'Revenue by region' }).getByText('local').waitFor() },
  { name: 'all-nodes', who: 'admin', path: () => '/nodes', act: (page) => page.getByRole('link', { name: 'node-bo' }).waitFor() },
  { name: 'all-jobs', who: 'admin', path: () => '/jobs', act: (page) => page.getByRole('link', { name: 'Mandelbrot' }).waitFor() },
  { name: 'ledger', who: 'admin', path: () => '/ledger', act: (page) => page.getByText('The ledger balances').waitFor() },
  { name: 'keys-help', who: 'buyer', path: () => '/jobs', act: async (page) => { await page.getByRole('link', { name: 'Mandelbrot' }).waitFor(); await page.keyboard.press('?'); await page.getByRole('dialog').getByText('Find a screen or a job').waitFor() } },
  { name: 'menu', who: 'buyer', path: () => '/home', act: async (page) => { const size = page.viewportSize(); await page.setViewportSize({ width: 390, height: 800 }); await press('Menu')(page); await page.getByRole('dialog').getByRole('link', { name: 'Wallet' }).waitFor(); if (size) await page.setViewportSize(size) } },
  { name: 'keys-revoke', who: 'buyer', path: () => '/keys', act: async (page) => { await page.locator('[aria-label="API keys"] button:enabled', { hasText: 'Revoke' }).first().click(); await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).waitFor() } },
  { name: 'members-remove', who: 'buyer', path: () => '/members', act: async (page) => { await page.getByRole('button', { name: 'Remove Vic' }).click(); await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).waitFor() } },
  { name: 'template-forget', who: 'buyer', path: () => '/templates', act: async (page) => { await press(/^Forget…/)(page); await page.getByRole('button', { name: 'Forget it' }).waitFor() } },
  { name: 'webhook-remove', who: 'buyer', path: () => '/webhooks', act: async (page) => { await press(/^Remove/)(page); await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).waitFor() } },
  { name: 'schedule-end', who: 'buyer', path: () => '/schedules', act: async (page) => { await press(/^End… Nightly/)(page); await page.getByRole('dialog').getByText('Nightly report').first().waitFor() } },
  { name: 'nodes-drain', who: 'seller', path: () => '/nodes', act: async (page) => { await press(/^Drain 1 node/)(page); await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).waitFor() } },
  { name: 'node-drain', who: 'seller', path: (data) => `/nodes/${data.node}`, act: async (page) => { await press('Drain…')(page); await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).waitFor() } },
  { name: 'node-pause', who: 'seller', path: (data) => `/nodes/${data.node}`, act: async (page) => { await press('Pause…')(page); await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).waitFor() } },
  { name: 'appeal-refuse', who: 'admin', path: () => '/appeals', act: async (page) => { await press('Refuse…')(page); await page.getByRole('button', { name: 'It counts' }).waitFor() } },
  { name: 'user-suspend-now', who: 'admin', path: (data) => `/users/${data.fine}`, act: async (page) => { await press('Suspend…')(page); await page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).waitFor() } },
  { name: 'sessions-end', who: 'person', path: () => '/account', act: async (page) => { await press('End all others')(page); await page.getByRole('button', { name: 'End them' }).waitFor() } },
  { name: 'session-end', who: 'person', path: () => '/account', act: async (page) => { await page.locator('[aria-label="Sessions"] button:enabled').first().click(); await page.getByRole('button', { name: 'End it' }).waitFor() } },
  { name: 'members-leave', who: 'person', path: () => '/members', act: async (page) => { await press(/^Leave/)(page); await page.getByRole('dialog').getByRole('button', { name: 'Leave', exact: true }).waitFor() } },
  // From here on Ann acts for the buyer, in this tab.
  { name: 'accounts', who: 'person', path: () => '/members', act: async (page) => { if (await page.getByText('You act for').first().isVisible()) return; await page.getByRole('button', { name: /^Act for/ }).waitFor() } },
  { name: 'acting', who: 'person', path: () => '/members', act: async (page) => { const begin = page.getByRole('button', { name: /^Act for/ }); await begin.or(page.getByRole('button', { name: 'Back to yourself' })).first().waitFor(); if (await begin.isVisible()) await begin.click(); await page.getByText('You act for').first().waitFor(); await page.getByRole('link', { name: 'Mandelbrot' }).or(page.getByText('You are a submitter here')).first().waitFor() } },
  { name: 'acting-wallet', who: 'person', path: () => '/wallet', act: (page) => page.getByText('Only the owner of the account does this').first().waitFor() },
  { name: 'acting-job', who: 'person', path: (data) => `/jobs/${data.done}`, act: (page) => page.getByText('You act for').first().waitFor() },
]

/** Signs in with a key, as the tab of that person. */
export async function enterAs(page: Page, key: string): Promise<void> {
  await page.goto(`/sign-in#key=${key}`)
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'))
}
export async function show(page: Page, screen: Screen, data: Shown): Promise<void> {
  await page.goto(screen.path(data))
  await page.locator('h1').waitFor()
  await screen.act?.(page)
}
export async function typeIn(page: Page, who: { email: string; password: string }): Promise<void> {
  await page.getByRole('textbox', { name: 'E-mail' }).fill(who.email)
  await page.getByRole('textbox', { name: 'Password' }).fill(who.password)
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click()
}
/** As Ann, with her password. */
export async function enterAsPerson(page: Page): Promise<void> {
  await page.goto('/sign-in')
  await typeIn(page, ANN)
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'))
}
