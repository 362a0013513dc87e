#!/usr/bin/env node
// lumaris agent, as a process of its own: options → startAgent → signals. Its log is JSON lines on stdout; what ends it is one sentence on stderr.
import { homedir, hostname } from 'node:os'
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { DriverId, GIB, GpuModel, MIB, PriceSheet, parseCredits } from '@lumaris/protocol'
import type { Capacity, PriceName } from '@lumaris/protocol'
import { startAgent } from './agent.ts'
import type { AgentConfig } from './agent.ts'
import type { AgentDriver } from './attempts.ts'
import type { ContainerSettings } from './drivers/container.ts'
import { RUNTIMES } from './drivers/container-runtimes.ts'
import { AGENT_VERSION } from './enrol.ts'
import { AgentStopped } from './log.ts'
import type { Log } from './log.ts'
import { serviceArgv } from './service.ts'

const USAGE = `Runs this machine as a node of a market.

  --server URL         where the market is                     (LUMARIS_SERVER)
  --token TOKEN        join token, the first time              (LUMARIS_TOKEN)
  --data DIR           key, journal and work directories       (~/.lumaris/agent)
  --name NAME          of the node, the first time             (the host's name)
  --region NAME        --label KEY=VALUE (repeatable)
  --cpus N             cores to offer, such as 1.5             (all)
  --memory SIZE        such as 4GiB                            (7/8)
  --disk SIZE          such as 20GiB                           (9/10 of what is free)
  --gpus N             graphics cards to offer                 (those that containers can be given)
  --gpu-model NAME     what they are, such as nvidia-h200      (as found)
  --gpu-memory SIZE    memory of each of them                  (as found)
  --gpu-kind KIND      which to offer where there are several: nvidia-h200, or of a divided one nvidia-h200/1g.18gb
  --cpu-hour CREDITS   --memory-gib-hour --gpu-hour --disk-gib-hour --out-gib --start: the price sheet, the first time
  --spot-percent 1-100 take interruptible work too, from so many hundredths of these prices
  --driver-module FILE drivers of your own: a module with a default export of a list of them
  --driver ID          only this isolation driver (repeatable)
  --registry HOST      where jobs may take images from (repeatable)         (docker.io, ghcr.io, quay.io and other public ones)
  --registry-auth FILE your credentials for them, as docker's config.json   (none: only what everybody may read)
  --image-cache SIZE   what images may take on the disk                     (20GiB)
  --container-socket FILE      the engine to use, or "own" for a podman of the agent's own  (Docker or Podman where one runs, else its own)
  --container-runtime NAME     runc, crun or runsc
  --egress             jobs may connect to the public hosts that they name, from this machine’s address  (none may)
  --egress-limit SIZE  the most that one try may move, both ways               (10GiB)
  --gang-port PORT     a TCP port where other agents reach jobs of several nodes directly, sealed  (all over the market's relay)
  --gui-port PORT      the owner's screen on 127.0.0.1         (any free port)
  --no-gui             without it
  --log-level LEVEL    debug, info, warn, error                (info)
`
const options = {
  server: { type: 'string' }, token: { type: 'string' }, data: { type: 'string' }, name: { type: 'string' }, region: { type: 'string' }, label: { type: 'string', multiple: true },
  cpus: { type: 'string' }, memory: { type: 'string' }, disk: { type: 'string' }, gpus: { type: 'string' }, 'gpu-model': { type: 'string' }, 'gpu-memory': { type: 'string' }, 'gpu-kind': { type: 'string' }, driver: { type: 'string', multiple: true }, 'gui-port': { type: 'string' }, 'gang-port': { type: 'string' }, egress: { type: 'boolean' }, 'egress-limit': { type: 'string' }, 'no-gui': { type: 'boolean' }, 'log-level': { type: 'string' }, 'driver-module': { type: 'string' },
  registry: { type: 'string', multiple: true }, 'registry-auth': { type: 'string' }, 'image-cache': { type: 'string' }, 'container-socket': { type: 'string' }, 'container-runtime': { type: 'string' },
  'cpu-hour': { type: 'string' }, 'memory-gib-hour': { type: 'string' }, 'gpu-hour': { type: 'string' }, 'disk-gib-hour': { type: 'string' }, 'out-gib': { type: 'string' }, 'spot-percent': { type: 'string' }, start: { type: 'string' },
  help: { type: 'boolean' }, version: { type: 'boolean' },
} as const
type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']
const PRICES = { 'cpu-hour': 'cpuHour', 'memory-gib-hour': 'memoryGibHour', 'gpu-hour': 'gpuHour', 'disk-gib-hour': 'diskGibHour', 'out-gib': 'outGib', start: 'start' } as const satisfies Record<string, PriceName>

export function configOf(argv: readonly string[], env: NodeJS.ProcessEnv): AgentConfig & { logLevel: keyof Log; driverModule: string | null } {
  let values: Values
  try { values = parseArgs({ args: [...argv], options }).values } catch (error) { throw new AgentStopped(`${(error as Error).message.split('. ')[0]}. See --help.`, { cause: error }) }
  const server = values.server ?? env.LUMARIS_SERVER
  if (server === undefined) throw new AgentStopped('Which market? Give --server URL. See --help.')
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) throw new AgentStopped(`--server must be an address such as https://market.example, not "${server}".`)
  const token = values.token ?? env.LUMARIS_TOKEN
  const driverIds = values.driver?.map((id) => {
    const known = DriverId.safeParse(id)
    if (!known.success) throw new AgentStopped(`--driver ${id} is none of ${DriverId.options.join(', ')}.`)
    return known.data
  })
  const guiPort = Number(values['gui-port'] ?? 0)
  if (!/^\d{1,5}$/.test(values['gui-port'] ?? '0') || guiPort > 65_535) throw new AgentStopped(`--gui-port must be a port from 0 to 65535, not "${values['gui-port']}".`)
  const gangPort = values['gang-port']
  if (gangPort !== undefined && (!/^\d{1,5}$/.test(gangPort) || Number(gangPort) > 65_535)) throw new AgentStopped(`--gang-port must be a port from 0 to 65535, not "${gangPort}".`)
  const egressBytes = sizeOf('egress-limit', values['egress-limit'])
  if (egressBytes !== undefined && !values.egress) throw new AgentStopped('--egress-limit is for --egress: without it no job may connect anywhere.')
  const prices: Partial<PriceSheet> = {}
  for (const [flag, field] of Object.entries(PRICES) as [keyof typeof PRICES, PriceName][]) {
    const text = values[flag]
    if (text === undefined) continue
    const micros = parseCredits(text)
    if (micros === null) throw new AgentStopped(`--${flag} must be credits such as 0.5, not "${text}".`)
    prices[field] = micros.toString()
  }
  const spot = values['spot-percent']
  if (spot !== undefined) {
    const percent = PriceSheet.shape.spotPercent.safeParse(Number(spot))
    if (!percent.success || percent.data === undefined) throw new AgentStopped(`--spot-percent must be a whole number from 1 to 100, not "${spot}".`)
    prices.spotPercent = percent.data
  }
  return {
    server, dataDir: values.data ?? join(homedir(), '.lumaris', 'agent'), name: values.name ?? nameFrom(hostname()), prices, shares: sharesOf(values), ...containersOf(values), logLevel: levelOf(values['log-level'] ?? 'info'), driverModule: values['driver-module'] ?? null,
    owner: {}, ...(values['no-gui'] ? {} : { gui: { port: guiPort } }),
    ...(gangPort === undefined ? {} : { gangPort: Number(gangPort) }), ...(values.egress ? { egress: egressBytes === undefined ? {} : { limits: { bytes: egressBytes } } } : {}),
    ...(token === undefined ? {} : { token }), ...(values.region === undefined ? {} : { region: values.region }), ...(driverIds ? { driverIds } : {}),
    labels: Object.fromEntries((values.label ?? []).map((label) => {
      const at = label.indexOf('=')
      if (at < 1) throw new AgentStopped(`--label must be KEY=VALUE, not "${label}".`)
      return [label.slice(0, at), label.slice(at + 1)]
    })),
  }
}

function containersOf(values: Values): { containers?: ContainerSettings } {
  const { registry: registries, 'registry-auth': registryAuth, 'container-socket': socket, 'container-runtime': name, 'gpu-kind': gpuKind } = values
  const runtime = RUNTIMES.find((one) => one === name)
  if (name !== undefined && !runtime) throw new AgentStopped(`--container-runtime must be one of ${RUNTIMES.join(', ')}, not "${name}".`)
  const odd = registries?.find((host) => !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/.test(host))
  if (odd !== undefined) throw new AgentStopped(`--registry must be a host such as docker.io or registry.example:5000, not "${odd}".`)
  if (socket !== undefined && socket !== 'own' && !isAbsolute(socket)) throw new AgentStopped(`--container-socket must be the whole path of a socket, or own, not "${socket}".`)
  if (registryAuth !== undefined && !existsSync(registryAuth)) throw new AgentStopped(`--registry-auth: there is no file ${registryAuth}.`)
  const imageCacheBytes = sizeOf('image-cache', values['image-cache'])
  const containers: ContainerSettings = { ...(registries ? { registries } : {}), ...(registryAuth === undefined ? {} : { registryAuth: resolve(registryAuth) }), ...(imageCacheBytes === undefined ? {} : { imageCacheBytes }), ...(socket === undefined ? {} : { socket: socket === 'own' ? null : socket }), ...(runtime ? { runtime } : {}), ...(gpuKind === undefined ? {} : { gpuKind }) }
  return Object.keys(containers).length > 0 ? { containers } : {}
}

function sharesOf(values: Values): Partial<Capacity> {
  const number = (flag: 'cpus' | 'gpus', pattern: RegExp): number | undefined => {
    const text = values[flag]
    if (text !== undefined && !pattern.test(text)) throw new AgentStopped(`--${flag} must be a number, not "${text}".`)
    return text === undefined ? undefined : Number(text)
  }
  const cpus = number('cpus', /^\d{1,4}(\.\d{1,3})?$/), gpus = number('gpus', /^\d{1,4}$/)
  const memoryBytes = sizeOf('memory', values.memory), diskBytes = sizeOf('disk', values.disk), gpuMemoryBytes = sizeOf('gpu-memory', values['gpu-memory'])
  const gpuModel = values['gpu-model']
  if (gpuModel !== undefined && !GpuModel.safeParse(gpuModel).success) throw new AgentStopped(`--gpu-model must be lower-case letters, digits, dots and dashes such as nvidia-h200, not "${gpuModel}".`)
  return {
    ...(cpus === undefined ? {} : { cpuMillis: Math.round(cpus * 1000) }), ...(gpus === undefined ? {} : { gpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(diskBytes === undefined ? {} : { diskBytes }), ...(gpuModel === undefined ? {} : { gpuModel }), ...(gpuMemoryBytes === undefined ? {} : { gpuMemoryBytes }),
  }
}

function levelOf(text: string): keyof Log {
  if (text !== 'debug' && text !== 'info' && text !== 'warn' && text !== 'error') throw new AgentStopped(`--log-level must be debug, info, warn or error, not "${text}".`)
  return text
}
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MIB, g: GIB, t: 1024 * GIB }
function sizeOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?(?:([kmgt])(?:i?b)?)?$/i.exec(text)
  const unit = UNITS[(match?.[2] ?? '').toLowerCase()]
  if (!match || unit === undefined) throw new AgentStopped(`--${flag} must be a size such as 512MiB or 4GiB, not "${text}".`)
  return Math.floor(Number(match[1]) * unit)
}
/** A host's name as a node's: what does not fit becomes a dash. */
export const nameFrom = (host: string): string => host.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 63).replace(/-+$/, '') || 'node'

async function main(): Promise<void> {
  const argv = process.argv.slice(2)
  if (argv.includes('--help')) { process.stdout.write(USAGE); return }
  if (argv.includes('--version')) { process.stdout.write(`${AGENT_VERSION}\n`); return }
  const { logLevel, driverModule, ...config } = configOf(argv, process.env)
  const log = pino({ level: 'debug', base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: (error: unknown) => (error instanceof Error ? pino.stdSerializers.err(error) : error) } })
  // Given by the seller on purpose; nothing that comes over the network can name a module.
  const own = driverModule === null ? {} : { drivers: ((await import(pathToFileURL(resolve(driverModule)).href)) as { default: AgentDriver[] }).default }
  const agent = await startAgent({ ...config, ...own, log, logLevel, service: { argv: serviceArgv({ execArgv: process.execArgv, args: argv, server: config.server, dataDir: config.dataDir }) } })
  // Asked a second time, it goes at once; the journal and the next start do the rest.
  let asked = false
  const leave = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(130)
    asked = true
    log.info({ signal }, 'asked to stop')
    void agent.stop()
  }
  process.on('SIGTERM', leave).on('SIGINT', leave)
  const says = await agent.ended
  if (says !== null) throw new AgentStopped(says)
}

if (import.meta.main) {
  main().then(() => process.exit(0), (error: unknown) => {
    process.stderr.write(error instanceof AgentStopped ? `${error.message}\n` : `${error instanceof Error ? (error.stack ?? error.message) : 'The agent broke.'}\n`)
    process.exit(1)
  })
}
