// For tests: an agent with its screen, a market beside it, and a machine made of files. Everything is gone when the test is over.
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeDriver } from '@lumaris/testkit'
import { GIB } from '@lumaris/protocol'
import type { OwnerSettingsInput } from '@lumaris/protocol'
import { onTestFinished } from 'vitest'
import { startAgent } from '../agent.ts'
import type { RunningAgent } from '../agent.ts'
import { writeSettings } from '../owner/files.ts'
import { startTinyMarket } from '../tiny-market.ts'
import { GUI_FILE } from './door-file.ts'
import type { GuiDoor } from './door-file.ts'

export type Got = { readonly status: number; readonly headers: Record<string, string | string[] | undefined>; readonly text: string }
export async function aScreen(settings: OwnerSettingsInput = {}, more: { readonly drivers?: boolean; readonly systemd?: boolean } = {}) {
  const market = await startTinyMarket()
  const dir = await mkdtemp(join(tmpdir(), 'lumaris-gui-'))
  const dataDir = join(dir, 'data'), driver = createFakeDriver()
  await writeSettings(dataDir, settings)
  const put = (path: string, text: string): void => { mkdirSync(join(dir, path, '..'), { recursive: true }); writeFileSync(join(dir, path), text) }
  put('sys/class/thermal/thermal_zone0/temp', '56000\n')
  if (more.systemd !== false) mkdirSync(join(dir, 'run/systemd/system'), { recursive: true })
  /** As systemd answers: what is enabled is enabled. */
  let enabled = false
  const systemctl = async (_program: string, args: readonly string[]): Promise<string> => { if (args.includes('enable')) enabled = true; if (args.includes('disable')) enabled = false; return args.includes('is-enabled') ? (enabled ? 'enabled\n' : 'disabled\n') : '' }
  const start = (): Promise<RunningAgent> => startAgent({
    server: market.url, dataDir, token: market.token('north'), name: 'north', prices: { cpuHour: '360000000' }, capacity: { cpuMillis: 8_000, memoryBytes: 8 * GIB, diskBytes: 100 * GIB, gpus: 0 }, drivers: more.drivers === false ? [] : [driver], settings: { heartbeatMs: 200, tickMs: 100, sealMs: 50 },
    owner: { roots: { sys: join(dir, 'sys'), proc: '/proc', dev: join(dir, 'dev'), loginctl: join(dir, 'none') }, timeZone: 'Europe/Berlin' }, gui: {},
    service: { argv: ['/opt/node', '/opt/main.ts', '--data', dataDir], uid: 1000, home: join(dir, 'home'), root: dir, run: systemctl },
  })
  const agent = await start()
  await agent.ready
  let closed = false
  onTestFinished(async () => { await agent.stop(); if (!closed) await market.close(); await rm(dir, { recursive: true, force: true }) })
  const door = JSON.parse(await readFile(join(dataDir, GUI_FILE), 'utf8')) as GuiDoor
  const host = new URL(door.url).host
  /** As bare as a request can be: what a browser adds by itself is added by the test, or not. */
  const ask = (method: string, path: string, options: { headers?: Record<string, string>; body?: unknown } = {}): Promise<Got> => new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : typeof options.body === 'string' ? options.body : JSON.stringify(options.body)
    const sent = request(`${door.url}${path}`, { method, agent: false, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers } }, (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; if (text.includes('\n\n') && reply.headers['content-type'] === 'text/event-stream') reply.destroy() })
      reply.on('close', () => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
  const owner = { authorization: `Bearer ${door.secret}` }
  const ticket = async (): Promise<string> => (JSON.parse((await ask('POST', '/api/tickets', { headers: owner })).text) as { url: string }).url
  /** Signed in as a browser is: its cookie. */
  async function signIn(): Promise<string> {
    const reply = await ask('POST', '/api/session', { headers: { origin: door.url }, body: { ticket: (await ticket()).split('ticket=')[1] } })
    return String(reply.headers['set-cookie']).split(';')[0] ?? ''
  }
  return { market, agent, dir, dataDir, door, host, ask, owner, ticket, signIn, put, closeMarket: async () => { closed = true; await market.close() } }
}
