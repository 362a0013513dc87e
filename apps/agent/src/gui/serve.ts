// The owner's screen, on 127.0.0.1 and nowhere else. A browser on this machine opens pages of strangers too, and other people may have accounts here, so
// being local proves nothing:
//
//   Host     must be this very address: a name of a stranger that leads here (DNS rebinding) is refused before anything is looked at.
//   Origin   where the browser sends one, must be ours; a page of somebody else can neither read nor change anything.
//   cookie   is given for a ticket, once, within a minute; the ticket travels in the part of the address that is never sent, and whoever makes
//            tickets (lumaris agent gui) has read the secret from a file that only the owner can read.
//
// Without the cookie there is the empty page and nothing in it.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { platform, release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { OwnerSettings, PauseRequest } from '@lumaris/protocol'
import type { OwnerService, OwnerSettingsInput, SelfTestLine } from '@lumaris/protocol'
import { tomorrowAt } from '@lumaris/domain'
import { writeAtomic } from '../files.ts'
import { AgentStopped, codeOf, saysOf } from '../log.ts'
import type { Log } from '../log.ts'
import { changeSettings, leaveToMarket, setAside, setStopped, writeWish } from '../owner/files.ts'
import type { Guard } from '../owner/guard.ts'
import { GUI_FILE } from './door-file.ts'
import type { GuiDoor } from './door-file.ts'
import type { LogLine } from './recent-log.ts'
import { redactAll } from './redact.ts'
import type { StatusWatch } from './status.ts'

export type GuiPorts = {
  readonly dataDir: string; readonly port: number; readonly status: StatusWatch; readonly guard: Guard; /** What holds where nothing is set. */ readonly usual?: OwnerSettingsInput | undefined; readonly timeZone: string; readonly log: Log; readonly wall: () => number
  readonly lines: () => readonly LogLine[]; readonly secrets: () => readonly string[]; readonly selfTest: () => Promise<SelfTestLine[]>; readonly again: () => void; /** Makes it start with the system, or not any more. */ readonly service: ((on: boolean) => Promise<OwnerService>) | null
}
export interface Gui { readonly url: string; close(): Promise<void> }

const TICKET_MS = 60_000, SESSIONS_MAX = 20, LIVE_MAX = 8, BODY_MAX = 64 * 1024
const ServiceRequest = z.strictObject({ on: z.boolean() })
const TOMORROW_MINUTE = 8 * 60
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const GUARDS = { 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin', 'cross-origin-resource-policy': 'same-origin', 'cache-control': 'no-store' }

class Refused extends Error {
  readonly status: number
  constructor(status: number, says: string) { super(says); this.status = status }
}
type Call = { readonly request: IncomingMessage; readonly reply: ServerResponse; readonly body: unknown }

export async function startGui(ports: GuiPorts): Promise<Gui> {
  const { dataDir, guard, status, log } = ports
  const secret = randomBytes(32).toString('base64url')
  const tickets = new Map<string, number>()
  const sessions = new Set<string>()
  const live = new Set<ServerResponse>()
  const files = pageFiles()
  let testing: Promise<SelfTestLine[]> | null = null
  let host = '', origin = '', cookie = ''

  const server = createServer((request, reply) => {
    serve(request, reply).catch((error: unknown) => {
      const code = error instanceof Refused ? error.status : error instanceof AgentStopped ? 409 : 500
      if (code === 500) log.error({ error, path: request.url }, 'the owner’s screen broke')
      if (reply.headersSent) reply.destroy()
      else send(reply, code, { error: error instanceof Refused || error instanceof AgentStopped ? error.message : 'Something broke in the agent; its log says more.' })
    })
  })
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000

  async function serve(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = '', headers } = request
    if (headers.host !== host) throw new Refused(403, 'This address is not served here.')
    if (headers.origin !== undefined && headers.origin !== origin) throw new Refused(403, 'Pages of others may not come here.')
    // Of a navigation no Origin is sent; a link on somebody's page may open the empty page, and no more.
    const path = new URL(request.url ?? '/', origin).pathname
    const site = headers['sec-fetch-site']
    if (path.startsWith('/api/') && site !== undefined && site !== 'same-origin' && site !== 'none') throw new Refused(403, 'Pages of others may not come here.')
    const file = files.get(path)
    if (file && (method === 'GET' || method === 'HEAD')) { reply.writeHead(200, { ...GUARDS, 'content-type': file.type }).end(method === 'HEAD' ? undefined : file.text); return }
    const route = ROUTES[`${method} ${path}`]
    if (!route) throw new Refused(Object.keys(ROUTES).some((one) => one.endsWith(` ${path}`)) ? 405 : 404, 'There is no such address here.')
    const bearer = same(headers.authorization ?? '', `Bearer ${secret}`)
    if (route.open !== true && !bearer && (route.open === 'secret' || !hasSession(headers.cookie))) throw new Refused(401, 'Open this screen by: lumaris agent gui')
    // What changes something must show where it comes from.
    if (method !== 'GET' && !bearer && headers.origin === undefined) throw new Refused(403, 'A browser says where a request comes from; this one did not.')
    const body = method === 'GET' ? undefined : await readBody(request)
    const answer = await route.act({ request, reply, body })
    if (answer !== undefined) send(reply, 200, answer)
  }

  const hasSession = (header = ''): boolean => header.split(/;\s*/).some((part) => { const [name, value = ''] = part.split('=', 2); return name === cookie && sessions.has(value) })
  const parse = <Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> => {
    const parsed = schema.safeParse(body)
    if (!parsed.success) { const issue = parsed.error.issues[0]; throw new Refused(422, `${issue?.path.join('.') || 'This'}: ${issue?.message ?? 'does not fit'}`) }
    return parsed.data
  }
  const after = (): unknown => { guard.look(); status.refresh(); return { reasons: guard.decision.reasons, wish: guard.files.wish, stopped: guard.files.stopped } }

  const ROUTES: Record<string, { readonly open?: true | 'secret'; act(call: Call): unknown }> = {
    'POST /api/tickets': { open: 'secret', act() {
      const now = ports.wall()
      for (const [ticket, until] of tickets) if (until < now) tickets.delete(ticket)
      const ticket = randomBytes(24).toString('base64url')
      tickets.set(ticket, now + TICKET_MS)
      return { url: `${origin}/#ticket=${ticket}` }
    } },
    'POST /api/session': { open: true, act({ reply, body }) {
      const ticket = (body as { ticket?: unknown } | null)?.ticket
      const until = typeof ticket === 'string' ? tickets.get(ticket) : undefined
      if (typeof ticket === 'string') tickets.delete(ticket)
      if (until === undefined || until < ports.wall()) throw new Refused(401, 'This link was used before, or is older than a minute. Open the screen again by: lumaris agent gui')
      const session = randomBytes(24).toString('base64url')
      sessions.add(session)
      for (const oldest of sessions) { if (sessions.size <= SESSIONS_MAX) break; sessions.delete(oldest) }
      reply.setHeader('set-cookie', `${cookie}=${session}; Path=/; HttpOnly; SameSite=Strict`)
      return {}
    } },
    'GET /api/status': { act: () => status.now },
    'GET /api/live': { act: ({ request, reply }) => { stream(request, reply) } },
    'GET /api/log': { act: () => ({ lines: redactAll(ports.lines(), ports.secrets()) }) },
    'POST /api/pause': { async act({ body }) {
      const asked = parse(PauseRequest, body), now = ports.wall()
      const until = 'forMs' in asked ? now + asked.forMs : 'until' in asked ? (asked.until === 'tomorrow' ? tomorrowAt(ports.timeZone, now, TOMORROW_MINUTE) : asked.until) : null
      await writeWish(dataDir, { pause: { until: until === null ? null : Math.round(until) } })
      return after()
    } },
    'POST /api/resume': { async act() { setStopped(dataDir, false); await writeWish(dataDir, { pause: null }); return after() } },
    'POST /api/stop-all': { act() { setStopped(dataDir, true); return after() } },
    'PUT /api/settings': { async act({ body }) { await changeSettings(dataDir, parse(OwnerSettings, body), ports.usual); guard.look(); status.refresh(); return { settings: guard.files.settings } } },
    'POST /api/settings/leave': { async act() { await leaveToMarket(dataDir); guard.look(); status.refresh(); return { settings: guard.files.settings } } },
    'POST /api/settings/mend': { async act() { await setAside(dataDir); return after() } },
    'POST /api/self-test': { act: () => (testing ??= ports.selfTest().finally(() => { testing = null })).then((lines) => ({ lines })) },
    'POST /api/service': { async act({ body }) {
      const { on } = parse(ServiceRequest, body)
      if (!ports.service) throw new Refused(409, 'This agent was not started in a way that the system could start it.')
      return ports.service(on).catch((error: unknown) => { throw error instanceof AgentStopped ? new Refused(409, error.message) : new Refused(409, `systemd says: ${saysOf(error)}`.slice(0, 500)) })
    } },
    'POST /api/reconnect': { act() { ports.again(); return {} } },
    'GET /api/diagnostics': { act({ reply }) {
      reply.setHeader('content-disposition', `attachment; filename="lumaris-diagnostic-${new Date(ports.wall()).toISOString().slice(0, 19).replaceAll(':', '-')}.json"`)
      const { jobs, ...rest } = status.now
      return redactAll({ made: new Date(ports.wall()).toISOString(), system: { platform: platform(), release: release(), arch: process.arch, node: process.version }, status: { ...rest, jobs: jobs.map(({ program: _buyers, ...job }) => job) }, log: ports.lines().map((line) => ({ ...line, at: new Date(line.at).toISOString() })) }, ports.secrets())
    } },
  }

  function stream(request: IncomingMessage, reply: ServerResponse): void {
    if (live.size >= LIVE_MAX) throw new Refused(429, 'Too many windows show this screen; close some.')
    live.add(reply)
    reply.writeHead(200, { ...GUARDS, 'content-type': 'text/event-stream' })
    const say = (event: string, data: unknown): void => { reply.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) }
    say('history', status.samples)
    say('status', status.now)
    // A window that does not read gets nothing more until it has; it then misses seconds, not its memory.
    const off = status.onChange((second) => { if (reply.writableNeedDrain) return; say('status', status.now); if (second) say('sample', status.samples.at(-1)) })
    const over = (): void => { off(); live.delete(reply) }
    request.on('close', over)
    reply.on('close', over)
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(codeOf(error) === 'EADDRINUSE' ? new AgentStopped(`Something listens on 127.0.0.1:${ports.port} already; choose another --gui-port, or none: --no-gui.`) : error))
    server.listen(ports.port, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  host = `127.0.0.1:${port}`
  origin = `http://${host}`
  // Cookies know no ports: another agent's screen on this machine has a name of its own.
  cookie = `lumaris_${port}`
  const door: GuiDoor = { url: origin, pid: process.pid, secret }
  await writeAtomic(join(dataDir, GUI_FILE), `${JSON.stringify(door)}\n`)
  log.info({ url: origin }, 'the owner’s screen is open; lumaris agent gui shows it')
  return {
    url: origin,
    async close() {
      await rm(join(dataDir, GUI_FILE), { force: true })
      for (const reply of live) reply.end()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function send(reply: ServerResponse, status: number, value: unknown): void {
  reply.writeHead(status, { ...GUARDS, 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))
}
const same = (a: string, b: string): boolean => { const one = Buffer.from(a), other = Buffer.from(b); return one.length === other.length && timingSafeEqual(one, other) }

async function readBody(request: IncomingMessage): Promise<unknown> {
  let size = 0
  const chunks: Buffer[] = []
  for await (const chunk of request) { size += (chunk as Buffer).length; if (size > BODY_MAX) throw new Refused(413, 'That is too much.'); chunks.push(chunk as Buffer) }
  if (size === 0) return {}
  // A form of somebody's page can send text, but not this type without asking first.
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new Refused(415, 'Send JSON.')
  try { return JSON.parse(Buffer.concat(chunks).toString()) } catch { throw new Refused(400, 'The body is not valid JSON.') }
}

/** Read once: the page, its script (as the TypeScript it is, without the types), and uPlot as npm has it. Nothing comes from elsewhere. */
function pageFiles(): Map<string, { readonly type: string; readonly text: string }> {
  const of = (name: string): string => readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8')
  const uplot = (name: string): string => readFileSync(join(fileURLToPath(import.meta.resolve('uplot')), '..', name), 'utf8')
  const script = 'text/javascript; charset=utf-8', style = 'text/css; charset=utf-8'
  const code = (name: string): { type: string; text: string } => ({ type: script, text: stripTypeScriptTypes(of(name)) })
  return new Map([
    ['/', { type: 'text/html; charset=utf-8', text: of('index.html') }], ['/page.css', { type: style, text: of('page.css') }], ['/icon.svg', { type: 'image/svg+xml', text: of('icon.svg') }],
    ...['page', 'plot', 'week', 'words'].map((name) => [`/${name}.js`, code(`${name}.ts`)] as const),
    // The same module that the market's page of a node is made with; it imports nothing.
    ['/week-hours.js', { type: script, text: stripTypeScriptTypes(readFileSync(fileURLToPath(import.meta.resolve('@lumaris/protocol/week-hours')), 'utf8')) }],
    ['/uplot.js', { type: script, text: uplot('uPlot.esm.js') }], ['/uplot.css', { type: style, text: uplot('uPlot.min.css') }],
  ])
}
