// `lumaris up`: a whole market in one process, to try: server, a buyer with credits, and three sellers who share this machine.
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { GIB, MIB } from '@lumaris/protocol'
import { createClient } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, parseCount } from '../parse.ts'
import { mailOf } from '../mail-settings.ts'
import { profileFiles, writeProfile } from '../profile.ts'
import type { Identity } from '../profile.ts'

export type UpOptions = { port: number; host: string; data?: string; database?: string; agents: number; logLevel: string; trustProxy?: string; localWebhooks?: boolean }
export type Market = { readonly url: string; readonly keys: { readonly buyer: string; readonly seller: string; readonly admin: string }; readonly profile: string; readonly nodes: readonly { name: string; nodeId: string }[]; stop(): Promise<void> }

export function define(command: Command, withContext: WithContext): void {
  command
    .option('-p, --port <port>', 'where to listen', parseCount, 7070)
    .option('--host <host>', 'on which address', asIs, '127.0.0.1')
    .option('--data <folder>', 'where everything is kept (.lumaris of the checkout)', asIs)
    .option('--database <url>', 'a PostgreSQL instead of the built-in SQLite', asIs)
    .option('--agents <count>', 'how many sellers, up to 3', parseCount, 3)
    .option('--trust-proxy <blocks>', 'proxies in front of it, such as 10.0.0.0/8: callers are then known by what these say', asIs)
    .option('--local-webhooks', 'webhooks may reach this very machine, also without TLS: to try them at home')
    .option('--log-level <level>', 'how much server and agents tell', asIs, 'warn')
    .addHelpText('before', 'Examples:\n  lumaris up\n  lumaris up --port 8080 --agents 1 --data /tmp/market\n')
    .action(withContext(up))
}

async function up(context: Context, options: UpOptions): Promise<void> {
  const progress = context.progress()
  const { promise: asked, resolve: leave } = Promise.withResolvers<void>()
  let times = 0
  const stopListening = context.io.onInterrupt(() => { if (++times > 1) context.io.exitNow(130); else leave() })
  try {
    const market = await startMarket(context, options, (text) => progress.phase(text))
    progress.clear()
    await context.showThing({ url: market.url, profile: market.profile, nodes: market.nodes }, [['market', market.url], ['nodes', market.nodes.map((node) => node.name).join(', ')], ['profile', market.profile]])
    context.note('\nTry it, in another terminal:\n  lumaris run -- echo hello\n  lumaris wallet\n  lumaris --as admin nodes\nCtrl-C stops it; what happened is kept.')
    await asked
    progress.phase('Stopping')
    await market.stop()
  } finally { progress.stop(); stopListening() }
}

/** What a demo seller asks for an hour, in micro-credits: not all the same, so that there is something to choose. */
const PRICES = [{ cpuHour: '200000', memoryGibHour: '40000', spotPercent: 40 }, { cpuHour: '240000', memoryGibHour: '30000', spotPercent: 30 }, { cpuHour: '180000', memoryGibHour: '60000', start: '20', spotPercent: 50 }]

/** Whoever tries the market sits at this very machine, and wants to see it work. */
const DEMO_OWNER = { defaults: { pauseWhen: { inUse: false, onBattery: false, hotterThanCelsius: null } } } as const

export async function startMarket(context: Context, options: UpOptions, tell: (text: string) => void): Promise<Market> {
  const file = profileFiles(context.io.env).checkout
  const dataDir = options.data ?? join(dirname(file), 'market')
  tell('Starting the server')
  const [{ startServer, createLog, seedDemo }, { startAgent, findDrivers }] = await Promise.all([import('@lumaris/server'), import('@lumaris/agent')])
  const log = createLog(options.logLevel, 'server')
  const server = await startServer({ dataDir: join(dataDir, 'server'), host: options.host, port: options.port, databaseUrl: options.database, trustProxy: options.trustProxy, webhooks: { loopback: options.localWebhooks ?? false }, mail: await mailOf(context.io.env), log })
  const stops: (() => Promise<unknown>)[] = [() => server.stop()]
  const stop = async (): Promise<void> => { for (const one of stops.splice(0).toReversed()) await one() }
  try {
    const demo = await seedDemo(server.app)
    const identities: Record<string, Identity> = { buyer: { url: server.url, token: demo.buyer.key }, admin: { url: server.url, token: demo.admin.key } }
    for (const seller of demo.sellers) identities[seller.name] = { url: server.url, token: seller.key }
    writeProfile(file, { current: 'buyer', identities })

    const sellers = demo.sellers.slice(0, options.agents)
    const share = { cpuMillis: Math.max(1000, Math.floor((cpus().length * 1000) / Math.max(1, sellers.length))), memoryBytes: Math.max(512 * MIB, Math.floor((totalmem() * 0.5) / Math.max(1, sellers.length))), diskBytes: 4 * GIB, gpus: 0 }
    tell('Trying what this machine can isolate')
    // One look at the machine for all three: they share it, and one pool of user ids keeps their sandboxes apart. What an earlier market left
    // running is ended here, once, and not by each agent for itself.
    const found = (await findDrivers({ dataDir })).filter(({ report }) => report.usable)
    for (const { driver } of found) { await driver.reap(); stops.push(async () => driver.close?.()) }
    const drivers = found.map(({ driver, report }) => ({ ...driver, probe: async () => report, reap: async () => 0, close: async () => undefined }))
    const agents = await Promise.all(sellers.map(async (seller, i) => {
      tell(`Starting the agent of ${seller.name}`)
      const name = `node-${seller.name}`
      const { token } = await createClient({ url: server.url, token: seller.key }).api.createEnrolment({ body: { name } })
      const agent = await startAgent({ server: server.url, dataDir: join(dataDir, `agent-${seller.name}`), token, name, prices: PRICES[i % PRICES.length] ?? {}, capacity: share, drivers, log: log.child({ agent: name }), owner: DEMO_OWNER, gui: {} })
      stops.push(() => agent.stop())
      await agent.ready
      return { name, nodeId: agent.nodeId }
    }))
    return { url: server.url, keys: { buyer: demo.buyer.key, seller: demo.sellers[0]?.key ?? '', admin: demo.admin.key }, profile: file, nodes: agents, stop }
  } catch (error) { await stop(); throw error }
}
