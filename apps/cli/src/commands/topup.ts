import type { Command } from 'commander'
import { formatCredits } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs, parseAmount } from '../parse.ts'
import { walletFacts } from './wallet.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<credits>', 'such as 10 or 0.5', parseAmount).option('--key <key>', 'names this top-up: said again with the same key, it happens once', asIs)
    .addHelpText('before', 'Examples:\n  lumaris topup 10\n').action(withContext(topup))
}

async function topup(context: Context, credits: bigint, options: { key?: string }): Promise<void> {
  const wallet = await (await context.client()).topup(formatCredits(credits), options)
  await context.showThing(wallet, walletFacts(wallet))
}
