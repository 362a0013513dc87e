// `lumaris top`: the owner's screen in a terminal. p pauses and lets go, q leaves; leaving ends nothing but the view.
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { OwnerStatus } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs } from '../parse.ts'
import { factsOf, joinPath } from './agent-owner.ts'

const SECOND_MS = 1_000
export function define(command: Command, withContext: WithContext): void {
  command.option('--data <folder>', 'the agent’s own', asIs, joinPath()).option('--once', 'show it once and end').addHelpText('before', 'Examples:\n  lumaris top\n  lumaris top --json\n  lumaris top --json=lines      a line every second\n').action(withContext(top))
}

async function top(context: Context, options: { data: string; once?: boolean }): Promise<void> {
  const agent = await import('@lumaris/agent')
  const door = await agent.ownerDoor(options.data)
  if (!door) throw new CliError(`No agent runs in ${options.data}, or it runs without a screen`, 'Start one: lumaris agent join. One that runs elsewhere is named by --data.', EXIT.notFound)
  const { io, flags } = context
  const first = await door.status()
  const live = io.stdout.isTTY === true && !flags.json && !options.once
  if (!live && !flags.jsonLines) return context.showThing(first, factsOf(first))
  const { signal, stop } = context.interruptible()
  async function* seconds(): AsyncGenerator<OwnerStatus> {
    yield first
    while (!signal.aborted) {
      await delay(SECOND_MS, undefined, { signal }).catch(() => undefined /* asked to leave */)
      if (signal.aborted) return
      yield await door!.status()
    }
  }
  try {
    if (flags.jsonLines) { for await (const now of seconds()) { await context.write(`${JSON.stringify(now)}\n`); if (options.once) return } return }
    const { showTop } = await import('../ui/top.ts')
    await showTop({
      io, seconds: seconds(), signal,
      async toggle(now) {
        const paused = now.stopped || now.wish.pause !== null
        agent.setStopped(options.data, false)
        await agent.writeWish(options.data, { pause: paused ? null : { until: null } })
      },
    })
  } finally { stop() }
}
