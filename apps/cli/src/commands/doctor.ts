// Everything that usually is the matter, asked in the order in which one depends on the other; what depends on a failure is not asked.
import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../failures.ts'
import { clean } from '../ui/clean.ts'
import { amountOf } from '../ui/money.ts'
import { durationText } from '../ui/time.ts'
import { imagesPath } from './images.ts'

type Finding = { readonly check: string; readonly ok: boolean; /** Not here, and nothing is wrong with that. */ readonly absent?: true; readonly says: string; readonly hint?: string }

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris doctor\n  lumaris doctor --node        and what this machine could isolate, tried for real\n').option('--node', 'try what this machine can isolate as a node (some seconds; half a minute where machines are started)').action(withContext(doctor))
}

async function doctor(context: Context, options: { node?: true }): Promise<void> {
  const findings: Finding[] = []
  for await (const finding of findingsOf(context, options.node === true)) {
    findings.push(finding)
    if (context.flags.json || context.flags.jsonLines) continue
    await context.write(`${finding.absent ? context.colours.yellow('ABSENT') : finding.ok ? context.colours.green('PASSED') : context.colours.red('FAILED')}  ${finding.check}: ${clean(finding.says)}\n`)
    if ((!finding.ok || finding.absent) && finding.hint) context.note(`        hint: ${clean(finding.hint)}`)
  }
  if (context.flags.json || context.flags.jsonLines) await context.write(`${JSON.stringify({ ok: findings.every((one) => one.ok), findings })}\n`)
  if (findings.some((one) => !one.ok)) context.exitCode = EXIT.failed
}

async function* findingsOf(context: Context, node: boolean): AsyncGenerator<Finding> {
  yield* examine(context)
  if (!node) return
  const { examineNode } = await import('@lumaris/agent')
  for (const { check, state, says, hint } of await examineNode({ images: imagesPath() })) yield { check, ok: state !== 'fails', ...(state === 'absent' ? { absent: true } : {}), says, ...(hint === undefined ? {} : { hint }) }
}

const NODE_MAJOR = 24
/** Above this, time stamps confuse people; nothing else depends on clocks that agree. */
const SKEW_MS = 30_000

async function* examine(context: Context): AsyncGenerator<Finding> {
  const major = Number(process.versions.node.split('.')[0])
  yield { check: 'Node', ok: major >= NODE_MAJOR, says: process.versions.node, hint: `Install Node ${NODE_MAJOR} or newer.` }
  const { url, token, from } = context.settings
  yield { check: 'address', ok: true, says: `${url} (from ${from.url})` }
  let skew: number | null = null
  const client = await context.client({
    retry: { attempts: 1 }, fetch: async (input, init) => {
      const response = await fetch(input, init)
      const at = Date.parse(response.headers.get('date') ?? '')
      if (!Number.isNaN(at)) skew = at - context.io.now()
      return response
    },
  })
  const attempt = async (check: string, ask: () => Promise<string>): Promise<Finding> => {
    try { return { check, ok: true, says: await ask() } } catch (error) { return { check, ok: false, says: (error as Error).message, hint: (error as { hint?: string }).hint ?? '' } }
  }
  const alive = await attempt('server', async () => `answers, version ${(await client.api.healthz()).version}`)
  yield alive
  if (!alive.ok) return
  yield await attempt('ready', async () => { const { status, reason } = await client.api.readyz(); if (status !== 'ready') throw new Error(reason ?? status); return 'takes work' })
  if (skew !== null) yield { check: 'clock', ok: Math.abs(skew) < SKEW_MS, says: Math.abs(skew) < SKEW_MS ? 'agrees with the server' : `differs by ${durationText(Math.abs(skew))}`, hint: 'Set this machine’s clock by a time server.' }
  yield { check: 'key', ok: token !== undefined, says: token === undefined ? 'none' : `from ${from.token}`, hint: 'Sign in: lumaris login.' }
  if (token === undefined) return
  let roles: readonly string[] = []
  const known = await attempt('who', async () => { const me = await client.api.me(); roles = me.roles; return `${me.name} (${me.roles.join(', ')})` })
  yield known
  if (!known.ok) return
  yield await attempt('wallet', async () => `${amountOf((await client.wallet()).available)} credits available`)
  if (roles.includes('seller') || roles.includes('admin')) yield await attempt('nodes', async () => {
    let online = 0, all = 0
    for await (const node of client.nodes()) { if (node.state === 'retired') continue; all++; if (node.state === 'online') online++ }
    return `${online} of ${all} online`
  })
  if (roles.includes('buyer')) yield await attempt('work', async () => { const quote = await client.quote({ command: ['true'] }); return `${quote.nodesFree} of ${quote.nodes} nodes are free for a small job` })
}
