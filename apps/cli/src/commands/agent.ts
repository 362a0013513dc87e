import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { Option } from 'commander'
import { DriverId, formatCredits } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { askSecret } from '../ask.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, collect } from '../parse.ts'
import { addPriceOptions, pricesOf } from '../price-options.ts'
import type { PriceOptions } from '../price-options.ts'
import { stamp } from '../ui/time.ts'
import { defineOwner, joinPath } from './agent-owner.ts'

type JoinOptions = PriceOptions & { name?: string; data: string; tokenStdin?: boolean; region?: string; label?: string[]; cpus?: string; memory?: string; disk?: string; gpus?: string; gpuModel?: string; gpuMemory?: string; gpuKind?: string; driver?: string[]; guiPort?: string; gangPort?: string; egress?: true; egressLimit?: string; gui: boolean; logLevel?: string }

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris agent join --cpus 4 --memory 8GiB --cpu-hour 0.02\n  lumaris agent token -q | ssh box lumaris --url https://market.example agent join --token-stdin\n  lumaris agent gui\n  lumaris agent pause --for 1h\n  lumaris agent settings --cpu 50 --hours "mon-fri 22:00-07:00; sat,sun all"\n  lumaris agent stop-all\n')
  command.command('token').summary('a join token for another machine; works once, for 15 minutes').description('A join token for another machine; works once, for 15 minutes.').option('--name <name>', 'of the node', asIs).action(withContext(token))
  const join = command.command('join').summary('run the agent here until it is stopped').description('Runs the agent here until it is stopped. The first time it enrols; later it goes on as the same node.')
    .option('--name <name>', 'of the node (the name of this machine)', asIs)
    .option('--data <folder>', 'its key, journal and work', asIs, joinPath())
    .option('--token-stdin', 'read the join token from standard input (else one is made for you)')
    .option('--cpus <cores>', 'cores to offer (all)', asIs).option('--memory <size>', 'memory to offer (7/8)', asIs).option('--disk <size>', 'disk to offer (9/10 of what is free)', asIs).option('--gpus <count>', 'graphics cards to offer (those that containers can be given)', asIs)
    .option('--gpu-model <model>', 'what they are, such as nvidia-h200 (as found)', asIs).option('--gpu-memory <size>', 'memory of each of them (as found)', asIs)
    .option('--gpu-kind <kind>', 'which of them where there are several, such as nvidia-h200 or nvidia-h200/1g.18gb', asIs)
    .option('--region <region>', 'where it stands', asIs).option('--label <name=value>', 'to be found by (repeatable)', collect(asIs))
    .addOption(new Option('--driver <driver>', 'only these ways to isolate (repeatable)').choices(DriverId.options).argParser(collect(asIs)))
    .option('--gang-port <port>', 'where agents with parts of the same gang reach this one directly, sealed (all over the market’s relay)', asIs)
    .option('--egress', 'jobs may connect to the public hosts that they name, from this machine’s address (none may)')
    .option('--egress-limit <size>', 'the most that one try may move, both ways (10GiB)', asIs)
    .option('--gui-port <port>', 'of the owner’s screen on this machine (any free port)', asIs).option('--no-gui', 'without that screen')
    .addOption(new Option('--log-level <level>', 'how much it tells').choices(['debug', 'info', 'warn', 'error']))
  addPriceOptions(join).action(withContext(runAgent))
  defineOwner(command, withContext)
}

async function token(context: Context, options: { name?: string }): Promise<void> {
  const enrolment = await (await context.client()).api.createEnrolment({ body: options })
  if (context.flags.quiet) return context.write(`${enrolment.token}\n`)
  await context.showThing(enrolment, [['token', enrolment.token], ['for', enrolment.name], ['until', stamp(enrolment.expiresAt)]])
}

/** The agent's own flags for the fields of a price sheet. */
const FLAGS: Readonly<Record<string, string>> = { cpuHour: 'cpu-hour', memoryGibHour: 'memory-gib-hour', gpuHour: 'gpu-hour', diskGibHour: 'disk-gib-hour', outGib: 'out-gib', start: 'start' }

/** The agent is a process of its own, so that it can be stopped, updated and limited as one. The join token goes to it by its environment. */
async function runAgent(context: Context, options: JoinOptions): Promise<void> {
  const { url, token: signedIn } = context.settings
  let joinToken: string | undefined
  if (options.tokenStdin) joinToken = await askSecret(context.io, 'Join token: ')
  else if (signedIn !== undefined) joinToken = (await (await context.client()).api.createEnrolment({ body: options.name === undefined ? {} : { name: options.name } })).token
  const flags: string[] = ['--server', url, '--data', options.data]
  for (const name of ['name', 'cpus', 'memory', 'disk', 'gpus', 'region'] as const) if (options[name] !== undefined) flags.push(`--${name}`, options[name])
  if (options.gpuModel !== undefined) flags.push('--gpu-model', options.gpuModel)
  if (options.gpuMemory !== undefined) flags.push('--gpu-memory', options.gpuMemory)
  if (options.gpuKind !== undefined) flags.push('--gpu-kind', options.gpuKind)
  for (const label of options.label ?? []) flags.push('--label', label)
  for (const driver of options.driver ?? []) flags.push('--driver', driver)
  const { spotPercent, ...prices } = pricesOf(options)
  for (const [field, micros] of Object.entries(prices)) flags.push(`--${FLAGS[field] ?? field}`, formatCredits(BigInt(micros)))
  if (spotPercent !== undefined) flags.push('--spot-percent', String(spotPercent))
  if (options.gangPort !== undefined) flags.push('--gang-port', options.gangPort)
  if (options.egress) flags.push('--egress')
  if (options.egressLimit !== undefined) flags.push('--egress-limit', options.egressLimit)
  if (options.guiPort !== undefined) flags.push('--gui-port', options.guiPort)
  if (!options.gui) flags.push('--no-gui')
  if (options.logLevel !== undefined) flags.push('--log-level', options.logLevel)
  const main = fileURLToPath(new URL('main.ts', import.meta.resolve('@lumaris/agent')))
  const { LUMARIS_TOKEN: _ours, ...env } = context.io.env
  const args = ['--disable-warning=ExperimentalWarning', '--optimize-for-size', main, ...flags], its = { ...env, ...(joinToken === undefined ? {} : { LUMARIS_TOKEN: joinToken }) }
  // A command that only waits for the agent would take 80 MiB of the seller's memory for it.
  context.io.become?.(process.execPath, [process.execPath, ...args], its)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env: its })
  // It hears Ctrl-C from the terminal itself; a signal sent to us alone is passed on.
  const stop = context.io.onInterrupt(() => { child.kill('SIGTERM') })
  const code = await new Promise<number>((resolve, reject) => { child.once('error', reject); child.once('exit', (exit, signal) => resolve(exit ?? (signal ? EXIT.interrupted : EXIT.failed))) }).finally(stop)
  if (code !== 0 && code !== EXIT.interrupted) throw new CliError('The agent ended', 'Its last line says why.', EXIT.failed)
  context.exitCode = code
}
