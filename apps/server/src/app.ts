// The control plane, put together by hand. What a handler may use is what stands in `App`; there is no container and no global.
import { createHmac, randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { KeyObject } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { isRefusal, refuse } from '@lumaris/protocol'
import type { AttemptId, NodeId } from '@lumaris/protocol'
import { DEFAULT_SETTINGS, FORFEIT_LOOKS_MAX, holdsNode, isLive, queuedSince } from '@lumaris/domain'
import type { MarketSettings, MarketState } from '@lumaris/domain'
import { createBackground } from './background.ts'
import type { Background } from './background.ts'
import { createBlobStore } from './blobs/blobs.ts'
import type { BlobStore } from './blobs/blobs.ts'
import type { FetchRules } from './blobs/fetch-url.ts'
import type { Database } from './database/database.ts'
import { openDatabase } from './database/open.ts'
import { CLOCK_MS, Engine } from './engine/engine.ts'
import { createGateway } from './gateway/gateway.ts'
import type { Gateway } from './gateway/gateway.ts'
import { createRelay } from './gateway/relay.ts'
import type { Membership } from './gateway/relay.ts'
import { alertMailHandlers } from './http/alert-mail.ts'
import { alertHandlers, createBudgets } from './http/alerts.ts'
import type { Budgets } from './http/alerts.ts'
import { blobHandlers } from './http/blobs.ts'
import { browserSessionHandlers } from './http/browser-sessions.ts'
import { identityHandlers } from './http/identity.ts'
import { jobHandlers } from './http/jobs.ts'
import { marketHandlers } from './http/market.ts'
import { moneyHandlers } from './http/money.ts'
import { nodeHandlers } from './http/nodes.ts'
import { fleetHandlers } from './http/fleet.ts'
import { queueHandlers } from './http/queue.ts'
import { reconciliationHandlers } from './http/reconciliation.ts'
import { revenueHandlers } from './http/revenue.ts'
import { memberHandlers } from './http/members.ts'
import { operatorHandlers } from './http/operators.ts'
import { payoutHandlers } from './http/payouts.ts'
import { reputationHandlers } from './http/reputation.ts'
import { RATES, ratesBy } from './http/rate-limits.ts'
import type { Rates } from './http/rate-limits.ts'
import { buildHttp } from './http/server.ts'
import { scheduleHandlers } from './http/schedules.ts'
import { standingHandlers } from './http/standing.ts'
import { templateHandlers } from './http/templates.ts'
import { savedFilterHandlers } from './http/saved-filters.ts'
import { createWeb } from './http/web.ts'
import { webhookHandlers } from './http/webhooks.ts'
import { bearerOf } from './identity/authenticate.ts'
import { createIdentity } from './identity/identity.ts'
import type { Identity } from './identity/identity.ts'
import { loadSecrets } from './identity/secrets.ts'
import { createJobSecrets } from './job-secrets.ts'
import type { JobSecrets } from './job-secrets.ts'
import { createIds } from './ids.ts'
import type { Ids } from './ids.ts'
import { createHub } from './live/hub.ts'
import type { Hub } from './live/hub.ts'
import { createLogStore } from './live/log-segments.ts'
import type { LogStore } from './live/log-segments.ts'
import { createRecentWaits } from './live/recent-waits.ts'
import type { RecentWaits } from './live/recent-waits.ts'
import { KEEP_EVERY_MS, createKeptMemory } from './live/kept-memory.ts'
import { createOpenStreams } from './live/open-streams.ts'
import { HISTORY_EVERY_MS, createHistory, marketNow } from './live/overview.ts'
import type { History } from './live/overview.ts'
import { createReconciler } from './live/reconciliation.ts'
import type { Reconciler } from './live/reconciliation.ts'
import { createReadings } from './live/readings.ts'
import type { Readings } from './live/readings.ts'
import type { Log } from './log.ts'
import { createAlertMail, createMailLinks } from './mail/alert-mail.ts'
import type { AlertMails } from './mail/alert-mail.ts'
import { mailServerOf } from './mail/config.ts'
import type { MailSettings } from './mail/config.ts'
import { createMailOutbox } from './mail/outbox.ts'
import { createMailSender } from './mail/send.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { createMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { payOutOnce } from './payouts/pay-out-once.ts'
import { demoProvider } from './payouts/provider.ts'
import { LOOK_MS, createOperating } from './settings-elsewhere.ts'
import { createSeal } from './sealed.ts'
import { sha256Hex } from './signatures.ts'
import { createComparator } from './compare/comparator.ts'
import type { Comparator } from './compare/comparator.ts'
import { dueReleases, pendingEarnings, readAttempt } from './store/read.ts'
import { createTaxDetails } from './tax-details.ts'
import type { KeptTaxDetails } from './tax-details.ts'
import { createWebhooks } from './webhooks/webhooks.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

export const VERSION = '0.1.0'

export type ServerConfig = {
  readonly dataDir: string; readonly host: string; readonly port: number; readonly databaseUrl?: string | undefined; readonly log: Log
  readonly settings?: Partial<MarketSettings> | undefined
  /** How long earnings wait before they can be paid out. */
  readonly disputeMs?: number | undefined
  readonly blobBytesMax?: number | undefined
  /** Of tests about what only time brings. */
  readonly now?: (() => number) | undefined
  /** The built screens; without them the server says so on `/`. */
  readonly webDir?: string | undefined
  /** How often one caller may ask, where it differs from `RATES`; false: nobody is counted. */
  readonly rates?: Partial<Rates> | false | undefined
  /** Addresses of proxies in front of this server, as CIDR blocks with commas between. Without: there is none. */
  readonly trustProxy?: string | undefined
  /** Whether webhooks may reach this very machine, also without TLS: for a market that one tries at home. And how long an address may take to answer. */
  readonly webhooks?: { readonly loopback?: boolean; readonly timeoutMs?: number } | undefined
  /** The mail server that alerts go through; without: this market sends no mail. */
  readonly mail?: MailSettings | undefined
  /** Of tests: this machine as a place to fetch files from, and other bounds. */
  readonly fetches?: FetchRules | undefined
}

export type App = {
  readonly db: Database; readonly engine: Engine; readonly gateway: Gateway; readonly blobs: BlobStore; readonly logs: LogStore; readonly hub: Hub; readonly readings: Readings; readonly waits: RecentWaits; readonly identity: Identity; readonly webhooks: Webhooks; readonly alertMail: AlertMails; readonly jobSecrets: JobSecrets; readonly taxDetails: KeptTaxDetails
  readonly ids: Ids; readonly background: Background; readonly history: History; readonly metrics: Metrics; readonly log: Log; readonly settings: MarketSettings; readonly version: string
  /** How long earnings wait before they can be paid out. */
  readonly disputeMs: number
  readonly comparator: Comparator
  readonly reconciler: Reconciler
  readonly budgets: Budgets
  /** Requests a minute of one caller; null: nobody is counted. */
  readonly callerRate: () => number | null
  /** Begins a pass over the payouts: nobody waits for the next one by the clock. */
  readonly payOutSoon: () => void
  readonly platformKey: string; readonly countersignKey: KeyObject
  readonly now: () => number; readonly random: (size: number) => Buffer; readonly hash: (text: string) => string
}

/** DESIGN's dispute window. */
const DISPUTE_MS = 24 * 3_600_000
const RELEASE_EVERY_MS = 60_000, RELEASES_MAX = 500
const PAY_OUT_EVERY_MS = 30_000
/** Debts are rare, and found in memory. */
const FORFEIT_EVERY_MS = 1_000
/** Bills are looked at as they come; this is for what a restart has left. */
const BUDGETS_EVERY_MS = 300_000
const LOG_BYTES_MAX = 64 * 1024 * 1024
const BLOB_BYTES_MAX = 5 * 1024 ** 3
/** Where `tools/build-web.ts` leaves the screens. */
const WEB_DIR = join(import.meta.dirname, '../../web/dist')
const SWEEP_EVERY_MS = 600_000, UPLOAD_KEPT_MS = 24 * 3_600_000

export type RunningServer = { readonly url: string; readonly app: App; stop(): Promise<void> }

export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const { log } = config
  const now = config.now ?? (() => Date.now())
  const settings: MarketSettings = { ...DEFAULT_SETTINGS, ...config.settings }
  // Looked at before anything is opened: what only its operator can mend is said at once.
  const mailServer = config.mail ? mailServerOf(config.mail) : null, sender = mailServer && createMailSender(mailServer), mailTrouble = await sender?.check()
  if (mailServer && mailTrouble) log.warn({ host: mailServer.host, port: mailServer.port, because: mailTrouble }, 'mails wait until the mail server answers')
  const db = await openDatabase({ dataDir: config.dataDir, databaseUrl: config.databaseUrl, nowMs: now() })
  const closing: (() => Promise<unknown> | void)[] = [() => db.close()]
  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
    const secrets = loadSecrets(config.dataDir), background = createBackground({ now, log }), { pass } = background
    const ids = createIds(now, randomBytes)
    // Which results are checked, and by whom, follows from this key alone: who does not have it cannot foresee a check.
    const auditKey = secrets.derive('audit draws')
    const engine = new Engine({ db, settings, log, holder: `${hostname()}:${process.pid}`, now, monotonic: () => performance.now(), id: (prefix) => ids.make(prefix), hash: sha256Hex, keyed: (text) => createHmac('sha256', auditKey).update(text).digest('hex') })
    const logs = createLogStore({ dir: join(config.dataDir, 'logs'), maxBytesPerAttempt: LOG_BYTES_MAX, isEnded: (attempt) => hasEnded(db, attempt) })
    closing.push(() => logs.stop())
    const memory = createKeptMemory({ dir: join(config.dataDir, 'memory'), now, log })
    let payOutSoon = (): void => undefined
    // The parts that need one another see the whole through this one object; nothing runs before it is complete.
    const app = {
      db, engine, blobs: await createBlobStore({ dir: join(config.dataDir, 'blobs'), maxBytes: config.blobBytesMax ?? BLOB_BYTES_MAX }), logs, hub: createHub(), readings: createReadings(now, settings.heartbeatMs, undefined, memory.node), background, history: createHistory(now), waits: createRecentWaits(now),
      identity: createIdentity({ db, ids, now, random: randomBytes, secrets }), jobSecrets: createJobSecrets({ seal: secrets.derive('job secrets'), hash: secrets.derive('hashes of requests with secrets') }, randomBytes), taxDetails: createTaxDetails({ db, seal: createSeal(secrets.derive('tax details'), randomBytes), now }),
      webhooks: createWebhooks({ db, ids, now, random: randomBytes, seal: createSeal(secrets.derive('webhooks'), randomBytes), log, pass: (once) => pass('webhooks', once), rules: { loopback: config.webhooks?.loopback ?? false }, version: VERSION, timeoutMs: config.webhooks?.timeoutMs }), ids, log, settings, version: VERSION, platformKey: secrets.platformKey, countersignKey: secrets.countersignKey,
      now, random: randomBytes, hash: sha256Hex, disputeMs: config.disputeMs ?? DISPUTE_MS, payOutSoon: () => payOutSoon(),
    } as unknown as App & { gateway: Gateway; metrics: Metrics }
    const mailKey = secrets.derive('alerts by mail'), mailPorts = { db, ids, now, random: randomBytes, seal: createSeal(secrets.derive('codes by mail'), randomBytes), key: mailKey }
    const mails = mailServer && sender ? createMailOutbox({ ...mailPorts, log, pass: (once) => pass('mail', once), sender, publicUrl: mailServer.publicUrl, offUrl: createMailLinks(mailKey, mailServer.publicUrl).offUrl, tellRefused: (what) => engine.act({ kind: 'mailRefused', ...what }) }) : null
    Object.assign(app, { alertMail: createAlertMail(mailPorts, mails) })
    const comparator = createComparator({ state: () => engine.state, blobs: app.blobs, log })
    closing.push(() => comparator.close())
    const budgetPass = oneAtATime(() => pass('budgets', () => app.budgets.once()))
    closing.push(() => budgetPass.idle())
    Object.assign(app, { comparator, reconciler: createReconciler(db, now), budgets: createBudgets(app, () => budgetPass.ask()), gateway: createGateway(app, config.trustProxy), metrics: createMetrics(() => engine, () => app.gateway.connected) })
    closing.push(() => app.identity.flush())
    // Of what a turn brings about, only lines of histories and standing requests that are met can be told: leases and orders come many times a second.
    engine.on('effects', (effects) => {
      app.gateway.release(effects)
      let isTold = false, isAlert = false
      for (const effect of effects) {
        isTold ||= effect.kind === 'event' || effect.kind === 'standing' || effect.kind === 'alert'
        isAlert ||= effect.kind === 'alert'
        if (effect.kind !== 'event') continue
        const { event } = effect
        if (event.type === 'settled' || event.type === 'displaced') app.budgets.look(effect.buyer)
        else if (event.type === 'attempt' && event.state === 'offered') {
          // Its first one: later ones waited for something else.
          const row = engine.state.jobs.get(event.job)?.row
          if (row?.startedAt === event.at) app.waits.note(row.id, row.spec, Math.max(0, event.at - queuedSince(row)))
        }
      }
      if (isTold) app.webhooks.outbox.kick()
      if (isAlert) mails?.kick()
    })
    engine.on('turned', (ms) => background.ran('writer', ms))
    engine.on('reloaded', () => app.gateway.dropAll())
    await engine.start()
    closing.push(() => engine.stop())
    memory.recall(app)
    const keeps = oneAtATime(() => pass('memory', () => memory.keep(app)))
    closing.push(async () => { await keeps.idle(); await pass('memory', () => memory.keep(app, true)) })
    const payOut = oneAtATime(() => pass('payouts', () => payOutOnce(app, demoProvider(db, now))))
    payOutSoon = () => void payOut.ask()
    closing.push(() => payOut.idle())
    // A second pass beside the first would find, and clear, the same earnings again.
    const releases = oneAtATime(() => pass('clearing', () => releaseOnce(app, app.disputeMs)))
    closing.push(() => releases.idle())
    const forfeits = oneAtATime(() => pass('debts', () => forfeitOnce(app)))
    const forfeitSoon = (): void => { if (engine.state.forfeits.size > 0) void forfeits.ask() }
    closing.push(() => forfeits.idle())
    await app.webhooks.outbox.start()
    closing.push(() => app.webhooks.outbox.stop())
    mails?.start()
    closing.push(() => mails?.stop())
    const operating = createOperating(engine, db), looks = oneAtATime(() => pass('settings', operating.look))
    closing.push(() => looks.idle())
    const rates = config.rates === false ? null : ratesBy({ ...RATES, ...config.rates }, operating.now)
    Object.assign(app, { callerRate: () => rates?.().caller.max ?? null })
    const http = await httpOf(app, config, rates)
    closing.push(() => http.close(), () => app.gateway.close()) // closed in reverse: HTTP would wait for the agents' sockets
    const relay = createRelay({ authenticate: (token) => app.gateway.authenticate(token), membership: (node, attempt) => memberOf(engine.state, node, attempt) })
    closing.push(() => relay.close())
    http.server.on('upgrade', (request, socket, head) => {
      if (request.url === '/v1/agent') app.gateway.upgrade(request, socket, head)
      else if (relay.takes(request)) relay.upgrade(request, socket, head)
      else socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
    })
    const url = await http.listen({ host: config.host, port: config.port })
    const look = (): void => app.history.look(marketNow(app))
    look()
    for (const [name, everyMs] of [['writer', CLOCK_MS], ['clearing', RELEASE_EVERY_MS], ['payouts', PAY_OUT_EVERY_MS], ['debts', null], ['budgets', null], ['webhooks', null], ['settings', LOOK_MS], ['uploads', SWEEP_EVERY_MS], ['deliveries', SWEEP_EVERY_MS], ['memory', KEEP_EVERY_MS]] as const) background.expect(name, everyMs)
    if (mails) background.expect('mail', null)
    const timers = [
      setInterval(look, HISTORY_EVERY_MS),
      setInterval(() => void keeps.ask(), KEEP_EVERY_MS),
      setInterval(() => void releases.ask(), Math.min(RELEASE_EVERY_MS, config.disputeMs ?? RELEASE_EVERY_MS)),
      setInterval(() => forfeitSoon(), FORFEIT_EVERY_MS),
      setInterval(() => void looks.ask(), LOOK_MS),
      setInterval(() => { for (const user of engine.state.alertSettings.keys()) app.budgets.look(user) }, BUDGETS_EVERY_MS),
      setInterval(() => payOutSoon(), PAY_OUT_EVERY_MS),
      setInterval(() => void pass('uploads', () => app.blobs.sweep(UPLOAD_KEPT_MS, now())), SWEEP_EVERY_MS),
      setInterval(() => void pass('deliveries', async () => { await app.webhooks.outbox.sweep(); await mails?.sweep() }), SWEEP_EVERY_MS),
    ]
    closing.push(() => { for (const timer of timers) clearInterval(timer) })
    for (const user of engine.state.alertSettings.keys()) app.budgets.look(user)
    payOutSoon() // what was on its way when the last process ended
    log.info({ url }, 'the market is open')
    return { url, app, stop: () => closeAll(closing) }
  } catch (error) { await closeAll(closing); throw error }
}

async function closeAll(closing: (() => Promise<unknown> | void)[]): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}
function httpOf(app: App, config: ServerConfig, rates: (() => Rates) | null): Promise<FastifyInstance> {
  const authenticate = (header: string | undefined) => {
    if (header === undefined) return { kind: 'anyone' } as const
    const token = bearerOf(header)
    if (!token) return refuse('unauthenticated')
    const agent = app.gateway.authenticate(token)
    return agent ? ({ kind: 'agent', ...agent } as const) : app.identity.authenticate(token)
  }
  const streams = createOpenStreams()
  app.identity.onForget((id) => streams.cut(id))
  return buildHttp({
    handlers: { ...identityHandlers(app), ...browserSessionHandlers(app), ...jobHandlers(app), ...blobHandlers(app, config.fetches), ...nodeHandlers(app), ...reputationHandlers(app), ...moneyHandlers(app), ...marketHandlers(app), ...standingHandlers(app), ...scheduleHandlers(app), ...payoutHandlers(app), ...operatorHandlers(app), ...fleetHandlers(app), ...revenueHandlers(app), ...queueHandlers(app), ...reconciliationHandlers(app), ...webhookHandlers(app), ...templateHandlers(app), ...savedFilterHandlers(app), ...alertHandlers(app), ...alertMailHandlers(app), ...memberHandlers(app) },
    authenticate, log: app.log, now: app.now, newRequestId: () => app.ids.make('req'), onDone: (route, status, ms) => app.metrics.request(route, status, ms), web: createWeb(config.webDir ?? WEB_DIR), onLook: (impersonation, route) => void app.identity.noteRead(impersonation, route).catch((error: unknown) => app.log.error({ err: error }, 'what an admin read was not kept')),
    beginAct: (account, by, route, subject, request) => app.identity.beginAct({ account, by, route, subject, request: String(request.id), from: request.ip }), onStream: (who, stream) => streams.note(who, stream),
    rates, trustProxy: config.trustProxy,
  })
}

/** Earnings whose dispute window is over become available. */
export async function releaseOnce(app: App, disputeMs: number): Promise<number> {
  const due = await dueReleases(app.db, app.now() - disputeMs, RELEASES_MAX)
  if (due.length === 0) return 0
  const answer = await app.engine.act({ kind: 'release', due })
  return isRefusal(answer) ? 0 : answer.released
}

/** Debts for wrong results are paid out of what is pending. A pass that fails, or a crash, leaves them due. */
export async function forfeitOnce(app: App): Promise<number> {
  let paid = 0
  for (const { attempt, owner } of Array.from(app.engine.state.forfeits.values())) {
    // What cleared in the turns before the debt was decided must be in the tables, or it would be taken a second time.
    if (isRefusal(await app.engine.act({ kind: 'clock' }))) return paid
    // Earned by now, not by when it was decided: what came in between answers for it too.
    const earnings = await pendingEarnings(app.db, owner, app.now(), FORFEIT_LOOKS_MAX)
    if (!isRefusal(await app.engine.act({ kind: 'forfeit', attempt, earnings }))) paid++
  }
  return paid
}

/** Who may use the relay for which place: the node that runs this rank of a gang. Another try of the gang is another gang. */
function memberOf(state: MarketState, node: NodeId, id: AttemptId): Membership | null {
  const attempt = state.attempts.get(id), job = attempt && state.jobs.get(attempt.job)?.row
  if (attempt?.moving?.kind === 'live' && holdsNode(attempt.state) && (node === attempt.node || node === attempt.moving.to)) return { gang: `${attempt.id} ${attempt.moving.at}`, rank: node === attempt.node ? 0 : 1 }
  if (!attempt || !job?.spec.gang || attempt.node !== node || !holdsNode(attempt.state)) return null
  return { gang: `${job.id} ${attempt.offeredAt}`, rank: attempt.task }
}

async function hasEnded(db: Database, attempt: string): Promise<boolean> {
  const row = await readAttempt(db, attempt as AttemptId)
  return row === null || !isLive(row.state) || row.state === 'reported'
}
