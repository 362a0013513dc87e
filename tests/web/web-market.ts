// A market for the tests of the screens: the real server with the built screens, and real agents whose sandbox is Deno. Nothing in it is a double.
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findDrivers, startAgent } from '@lumaris/agent'
import type { AgentDriver, RunningAgent } from '@lumaris/agent'
import type { ServerConfig } from '@lumaris/server'
import { GIB, formatCredits } from '@lumaris/protocol'
import type { JobId, JobSpec, JobSpecInput, MemberRole, OwnerSettingsInput, Role, UserId } from '@lumaris/protocol'
import { releaseOnce } from '@lumaris/server'
import { createClient } from '@lumaris/sdk'
import { startHookReceiver, startMailbox } from '@lumaris/testkit'
import { Secret, TOTP } from 'otpauth'
import { startMarket } from '../start-market.ts'
import { TEMPLATES } from '../../apps/web/src/submit/templates.ts'

export const PASSWORD = 'seven green bottles'
/** Where the sandboxes of a data directory are set up (apps/agent/src/drivers/find-drivers.ts), outside of it: it goes when the test does. */
export const removeScratch = (dataDir: string): void => rmSync(join(tmpdir(), `lumaris-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`), { recursive: true, force: true })
export type WebMarket = Awaited<ReturnType<typeof startWebMarket>>

export async function startWebMarket(options: { nodes?: number; /** Of tests about what only time brings; with nodes it would lose them. */ now?: () => number; rates?: Exclude<ServerConfig['rates'], undefined | false>; /** Without: with a mail server. */ mail?: false } = {}) {
  const mailbox = await startMailbox()
  // The market's own times: a busy machine that draws pages must not look like a lost node.
  const market = await startMarket({ server: { settings: { demoTopupMaxMicros: 1_000_000_000_000n, payoutMinMicros: 1n }, webhooks: { loopback: true }, ...(options.mail === false ? {} : { mail: { smtpUrl: mailbox.url, from: 'Lumaris <alerts@market.example>', publicUrl: 'https://market.example' } }), ...(options.rates ? { rates: options.rates } : {}), ...(options.now ? { now: options.now } : {}) } })
  const receiver = await startHookReceiver()
  // One look at the machine for all nodes, and none for a market without any: the Python of the sandbox takes some seconds to try.
  let drivers: Promise<AgentDriver[]> | null = null
  const findOnce = (): Promise<AgentDriver[]> => (drivers ??= findDrivers({ dataDir: join(market.dir, 'drivers'), only: ['deno'], denoInsideBwrap: false })
    .then((found) => found.filter(({ report }) => report.usable).map(({ driver, report }) => ({ ...driver, probe: async () => report, reap: async () => 0 }))))
  const agents: RunningAgent[] = []
  async function addNode(key: string, name: string, cpuHour: string, owner?: OwnerSettingsInput, region?: string, /** With the owner's own screen. */ screen = false): Promise<RunningAgent> {
    const { token } = await createClient({ url: market.url, token: key }).api.createEnrolment({ body: { name } })
    const agent = await startAgent({ server: market.url, dataDir: join(market.dir, name), token, name, prices: { cpuHour, memoryGibHour: '40000' }, drivers: await findOnce(), settings: { tickMs: 500, sealMs: 20 }, stopMs: 2_000, capacity: { cpuMillis: 4_000, memoryBytes: 8 * GIB, diskBytes: 20 * GIB, gpus: 0 }, ...(owner ? { owner: { defaults: owner } } : {}), ...(region ? { region } : {}), ...(screen ? { gui: {} } : {}) })
    await agent.ready
    agents.push(agent)
    return agent
  }
  const sellers = market.demo.sellers
  for (let i = 0; i < (options.nodes ?? 2); i++) await addNode(sellers[i % sellers.length]?.key ?? '', ['node-ada', 'node-bo', 'node-cy'][i] ?? `node-${i}`, ['200000', '240000', '180000'][i] ?? '200000')
  return {
    ...market, addNode, receiver, mailbox,
    /** The code of the newest mail to somebody, when it has come. */
    async mailedCode(key: string): Promise<string> {
      const { address } = (await market.call(key, 'GET', '/v1/alerts/mail')).body
      for (let i = 0; i < 600; i++) {
        const code = /^\d{4} \d{4}$/m.exec(mailbox.mails.findLast(({ to }) => to[0] === address)?.text ?? '')?.[0]
        if (code !== undefined) return code
        await new Promise((resolve) => { setTimeout(resolve, 50) })
      }
      throw new Error('no code was mailed')
    },
    client: (key: string) => createClient({ url: market.url, token: key }),
    async stop(): Promise<void> {
      for (const agent of agents) await agent.stop()
      await market.stop()
      await receiver.stop()
      await mailbox.stop()
      removeScratch(join(market.dir, 'drivers'))
    },
  }
}

export type Shown = { readonly done: JobId; readonly picture: JobId; readonly failed: JobId; readonly waiting: JobId; readonly node: string; /** Its owner has set hours. */ readonly attic: string; readonly suspended: string; /** Nobody has suspended this one. */ readonly fine: string; readonly secondAdmin: string; readonly hook: string; readonly device: string; /** Who submitted most of it, and Ann. */ readonly buyer: string; readonly ann: string; /** Codes of invitations: of somebody who has no account yet, and of Ann, to another account than the buyer’s, for whom she works. */ readonly invitation: string; readonly invitationOfAnn: string }
/** Somebody who signs in with a password, and somebody whose account asks for a code too. */
export const ANN = { email: 'ann@screens.test', password: PASSWORD, name: 'Ann' }, CARL = { email: 'carl@screens.test', password: PASSWORD, name: 'Carl' }
/** Turns a second factor on, as a person with an app would. */
export async function turnOnSecondFactor(market: WebMarket, who: { email: string; password: string }): Promise<{ app: TOTP; recoveryCodes: string[] }> {
  const { accessToken } = (await market.call(null, 'POST', '/v1/sessions', { email: who.email, password: who.password })).body
  const { secret } = (await market.call(accessToken, 'POST', '/v1/users/me/second-factor', { password: who.password })).body, app = new TOTP({ secret: Secret.fromBase32(secret) })
  return { app, recoveryCodes: (await market.call(accessToken, 'POST', '/v1/users/me/second-factor/confirm', { code: app.generate() })).body.recoveryCodes }
}
/** Something to look at on every screen: jobs of each kind, made over the same interface that everybody uses. */
export async function fill(market: WebMarket): Promise<Shown> {
  const buyer = market.client(market.buyer), seller = market.client(market.demo.sellers[0]?.key ?? '')
  const program = async (name: string, code: string, more: Partial<JobSpecInput> = {}): Promise<JobSpecInput> => {
    const { blob, size } = await buyer.upload(new TextEncoder().encode(code))
    return { name, runtime: 'javascript', command: ['main.ts'], inputs: [{ path: 'main.ts', blob: blob as never, size }], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 }, expectedMs: 5_000, ...more }
  }
  const template = (id: string) => TEMPLATES.find((one) => one.id === id)?.draft ?? {}
  for (const who of [ANN, CARL]) await market.call(null, 'POST', '/v1/users', who)
  await turnOnSecondFactor(market, CARL)
  const { body: device } = await market.call(null, 'POST', '/v1/device-logins', { client: 'lumaris on workbench' })
  const hook = await buyer.api.createWebhook({ body: { url: `${market.receiver.url}/lumaris`, events: ['job.ended', 'job.running', 'standing.met'] } })
  const off = await buyer.api.createWebhook({ body: { url: 'https://hooks.example.test/a/rather/long/path/that/does/not/end/for/quite/a/while?token=0123456789abcdef0123456789abcdef' } })
  await buyer.api.testWebhook({ params: { webhook: off.id } }) // given up with the webhook
  await market.app.webhooks.outbox.disable(off.id, 'A message could not be delivered for a day: it answered 503.')
  const done = await buyer.run(await program('Estimate pi', (template('pi').code ?? '').replace('200_000_000', '100_000_000'), { tasks: ['1 101', '2 202', '3 303', '4 404'].map((line) => ({ args: line.split(' ') })) }))
  const picture = await buyer.run(await program('Mandelbrot', template('fractal').code ?? '', { template: 'fractal' }))
  const failed = await buyer.run(await program('<img src=x onerror=alert(1)>', HOSTILE))
  await buyer.api.setAlertSettings({ body: { monthlyBudget: '10' } }) // less than the three came to, however quick this machine was
  for (let i = 0; (await buyer.api.listAlerts()).data.length === 0 && i < 600; i++) await new Promise((resolve) => { setTimeout(resolve, 50) })
  const large = { name: 'Needs a large machine', runtime: 'javascript' as const, command: ['main.ts'], resources: { cpuMillis: 64_000, memoryBytes: 64 * GIB } }
  await buyer.api.createStanding({ body: { spec: large } })
  const waiting = await buyer.submit(large)
  const nightly = await program('Nightly report', 'console.log("done")')
  await buyer.api.createSchedule({ body: { name: 'Nightly report', cron: '30 3 * * *', timeZone: 'Europe/Berlin', spec: nightly as JobSpec, cap: '250000', budget: '5000000' } }, { key: 'nightly' })
  const soon = await buyer.api.createSchedule({ body: { name: 'Every hour', cron: '@hourly', timeZone: 'UTC', spec: nightly as JobSpec, cap: '250000' } }, { key: 'hourly' })
  await buyer.api.pauseSchedule({ params: { schedule: soon.id } })
  await buyer.api.putTemplate({ params: { template: 'train' }, body: { spec: { ...nightly, name: 'Train at {{rate}}', command: ['main.ts', '--rate={{rate}}', '{{data}}'] } as JobSpec, parameters: { rate: { type: 'number', default: '0.1', says: 'How fast it learns' }, data: { type: 'text', choices: ['small.csv', 'big.csv'] } } } })
  const extra = await market.addNode(market.demo.sellers[0]?.key ?? '', 'node-attic', '150000', { hours: { timeZone: 'Europe/Berlin', week: { ...Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, ['00:00-07:30', '22:00-24:00']])), sat: ['00:00-24:00'], sun: ['00:00-12:00'] } }, pauseWhen: { inUse: false } }, 'eu-central-1')
  await seller.api.pauseNode({ params: { node: extra.nodeId } })
  const [node] = (await seller.api.listNodes()).data
  // Two endings that lowered its record, as the domain would have written them; one is appealed against.
  const owner = market.demo.sellers[0]?.id ?? '', fault = (i: number, appeal: object | null) => ({ attempt: `att_${String(i).padStart(26, '0')}`, job: failed.job.id, node: node?.id, owner, at: Date.now() - i * 3_600_000, cause: 'driver_failed', aspects: ['completion'], seen: {}, appeal })
  await market.app.db.transact([fault(1, null), fault(2, { state: 'open', at: Date.now() - 60_000, text: 'The power was cut for the whole street.', decidedAt: null, by: null, reason: null })].map((row) => ({ sql: 'INSERT INTO faults (id, node, at, appeal, appealed_at, doc) VALUES ($1, $2, $3, $4, $5, $6)', params: [row.attempt, row.node ?? '', row.at, row.appeal ? 'open' : null, row.appeal ? row.at : null, JSON.stringify(row)] })))
  const { suspended, secondAdmin } = await operate(market, done.job.id), { invitation, invitationOfAnn } = await employ(market)
  // Enough work and time for a forecast, which nobody waits for; and who the seller is to a tax office.
  const { nodes } = market.app.engine.state, known = [...nodes.values()].find(({ id }) => id === node?.id)
  if (known) nodes.set(known.id, { ...known, enrolledAt: Date.now() - 9 * 3_600_000 })
  const [worked] = await market.app.db.query<{ id: string; doc: string }>('SELECT id, doc FROM attempts WHERE node = $1 AND billed > 0 LIMIT 1', [node?.id ?? '']), ran = JSON.parse(worked?.doc ?? '{}') as { usage: object }
  await market.app.db.transact([{ sql: 'UPDATE attempts SET doc = $2 WHERE id = $1', params: [worked?.id ?? '', JSON.stringify({ ...ran, usage: { ...ran.usage, runMs: 400_000 } })] }])
  await market.client(market.demo.sellers[0]?.key ?? '').api.setTaxDetails({ body: { name: 'Ada Seller', address: 'Long Street 1\n12345 Town', country: 'DE', taxNumber: 'DE 123 456 789' } })
  return { invitation, invitationOfAnn, suspended, fine: market.demo.buyer.id, secondAdmin, done: done.job.id, picture: picture.job.id, failed: failed.job.id, waiting: waiting.id, node: node?.id ?? '', attic: extra.nodeId, hook: hook.id, device: device.userCode, buyer: market.demo.buyer.id, ann: (await market.app.identity.byEmail(ANN.email))?.id ?? '' }
}
/** People who work for the buyer, what they did, and who is invited; and a wallet that has topped itself up. */
async function employ(market: WebMarket): Promise<{ invitation: string; invitationOfAnn: string }> {
  const buyer = market.client(market.buyer), seller = market.client(market.demo.sellers[0]?.key ?? '')
  const works = async (who: typeof ANN, role: MemberRole, monthlyLimit: string | null = null) => {
    const { accessToken } = (await market.call(null, 'POST', '/v1/sessions', { email: who.email, password: who.password })).body, self = market.client(accessToken)
    await self.api.acceptInvitation({ body: { code: (await buyer.api.inviteMember({ body: { email: who.email, role, monthlyLimit } })).code } })
    return self.actFor(market.demo.buyer.id)
  }
  const mia = { email: 'mia.with-a-rather-long-name@screens.test', password: PASSWORD, name: 'Mia <b>' }, vic = { email: 'vic@screens.test', password: PASSWORD, name: 'Vic' }
  for (const who of [mia, vic]) await market.call(null, 'POST', '/v1/users', who)
  const manager = await works(mia, 'manager'), ann = await works(ANN, 'submitter', '2000000')
  await works(vic, 'viewer')
  await manager.api.createKey({ body: { label: 'nightly', scopes: ['jobs:read', 'jobs:write'] } })
  const job = await ann.submit({ name: 'Ann’s own', command: ['x'], resources: { cpuMillis: 64_000 } }, { cap: '1500000' })
  await ann.cancel(job.id)
  await ann.submit({ name: 'Ann’s own', command: ['x'], resources: { cpuMillis: 64_000 } }, { cap: '1500000' })
  await buyer.setAutoTopup({ below: formatCredits(BigInt((await buyer.wallet()).available) + 1n), add: '20', monthlyMost: '40' })
  return { invitation: (await manager.api.inviteMember({ body: { email: 'ida@screens.test', role: 'submitter', monthlyLimit: '50000000' } })).code, invitationOfAnn: (await seller.api.inviteMember({ body: { email: ANN.email, role: 'manager' } })).code }
}
/** Somebody with these roles, and a key. */
export async function someone(market: WebMarket, name: string, roles: Role[]): Promise<{ id: UserId; key: string }> {
  const user = await market.app.identity.register({ email: `${name.toLowerCase()}@example.test`, password: PASSWORD, name, roles })
  if ('refusal' in user) throw new Error(user.refusal)
  const key = await market.app.identity.createKey({ kind: 'user', userId: user.id, roles, scopes: 'all' }, { label: 'test', scopes: ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'nodes:read', 'nodes:write', 'keys:write', ...(roles.includes('admin') ? (['admin'] as const) : [])] })
  if ('refusal' in key) throw new Error(key.refusal)
  return { id: user.id, key: key.secret }
}
/** What operators leave behind: a reversal that is done and one that waits, incidents, somebody who is suspended; and payouts of a seller. */
async function operate(market: WebMarket, job: JobId): Promise<{ suspended: string; secondAdmin: string }> {
  const second = await someone(market, 'Bea', ['admin']), dan = await someone(market, 'Dan <b>', ['buyer', 'seller'])
  const ann = market.client(market.demo.admin.key), bea = market.client(second.key), seller = market.client(market.demo.sellers[0]?.key ?? '')
  // This one has its alerts mailed.
  await seller.api.sendAlertMailCode()
  await seller.api.proveAlertMail({ body: { code: await market.mailedCode(market.demo.sellers[0]?.key ?? '') } })
  await market.client(market.buyer).topup('5', { key: 'twice' })
  const done = await bea.api.proposeReversal({ body: { entry: `topup:${market.demo.buyer.id}:twice`, reason: 'The demo card was charged twice' } })
  await ann.api.approveReversal({ params: { reversal: done.id }, body: { reason: 'The second charge is in our book' } })
  await bea.api.proposeReversal({ body: { entry: `settle:${job}.1.0`, reason: 'The node ran an old library' } })
  const past = await ann.api.openIncident({ body: { title: 'Results were slow to arrive', severity: 'minor', text: 'Downloads take longer than usual.' } })
  await ann.api.resolveIncident({ params: { incident: past.id }, body: { text: 'A disk was full. It has been enlarged.' } })
  const open = await ann.api.openIncident({ body: { title: 'Region local loses nodes', severity: 'major', text: 'Some nodes lose their connection for seconds at a time.\nWork starts again by itself.', regions: ['local'] } })
  await bea.api.updateIncident({ params: { incident: open.id }, body: { text: 'It is a switch. A new one is on its way.' } })
  for (const [version, newJobsPaused] of ['We replace a switch until noon.', null].entries()) await ann.api.changeSettings({ body: { version, set: { newJobsPaused, ...(version === 0 ? { quoteRate: 1_000 } : {}) }, reason: version === 0 ? 'The switch of region local' : 'It is replaced' } })
  await ann.api.pauseMatching({ body: { scope: { regions: ['us-west-1'], gpus: true }, says: 'A driver of graphics cards is looked at.', reason: 'The report of Tuesday' } })
  // What the bank says, and what is booked: one payment agrees, one has another amount, one came that nobody booked, and one without a reference looks like another.
  const today = new Date().toISOString().slice(0, 10), account = 'bank'
  for (const [reference, amount] of [['RF18-5390', '25000000'], ['RF18-5391', '10000000'], ['RF18-5392', '7500000'], ['RF18-5393', '3000000']] as const) await ann.api.bookDeposit({ params: { user: dan.id }, body: { amount, reference, reason: 'The bank said so by telephone' } })
  await ann.api.handInStatement({ body: { account, text: `date,reference,amount\n${today},RF18-5390,25.00\n${today},RF18-5391,9.50\n${today},Invoice <b>12</b>,40.00\n${today},,7.50\n${today},interest,-0.15\n`, name: 'november.csv', reason: 'The statement of November' } })
  const { data: mismatches } = await ann.api.listMismatches({ query: { account, kind: 'not_in_books' } }), interest = mismatches.find(({ line }) => line?.reference === 'interest')?.line
  if (interest) await ann.api.setMismatchAside({ body: { account, kind: 'not_in_books', line: interest.id, reason: 'The bank keeps its fee' } })
  await ann.api.suspendUser({ params: { user: dan.id }, body: { reason: 'Paid with a stolen card' } })
  // Past the dispute window, as far as this market's clock is asked: sealed first.
  const cleared = async (): Promise<bigint> => { await releaseOnce(market.app, -60_000); return BigInt((await seller.api.getEarnings()).available) }
  for (let i = 0; (await cleared()) === 0n && i < 600; i++) await new Promise((resolve) => { setTimeout(resolve, 50) })
  const part = ((await cleared()) / 4n || 1n).toString()
  await seller.api.requestPayout({ body: { amount: part, destination: 'ada at the demo bank' } }, { key: 'p1' })
  await seller.api.requestPayout({ body: { amount: part, destination: 'closed' } }, { key: 'p2' })
  return { suspended: dan.id, secondAdmin: second.key }
}
/** Writes what would steer a page or a terminal, and ends badly. */
export const HOSTILE = `console.log('<script>document.title="taken"</script> <b>bold</b>')
console.log('\\u001b[31mred\\u001b[0m \\u001b]0;title\\u0007 \\u202eevil')
console.error('it goes wrong')
Deno.writeTextFileSync('page.html', '<script>alert(1)</script>')
Deno.exit(3)
`
