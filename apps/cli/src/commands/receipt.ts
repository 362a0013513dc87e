import { readFileSync } from 'node:fs'
import { text as readAll } from 'node:stream/consumers'
import type { Command } from 'commander'
import { verifyReceipt } from '@lumaris/sdk'
import { PRICE_NAMES } from '@lumaris/protocol'
import type { Receipt } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { clean } from '../ui/clean.ts'
import { durationText, sizeText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris receipt show att_01jcd3k8w9e5r7t2y4u6p8a0sd --json > receipt.json\n  lumaris receipt verify receipt.json\n')
  command.command('show').summary('what was agreed, metered and billed').description('What was agreed, metered and billed.').argument('<attempt|job>', 'its id').action(withContext(show))
  command.command('verify').summary('recompute everything, without the market').description('Recomputes terms, chain, seals, signatures and bill, without asking the market for anything but the receipt.')
    .argument('<file|attempt|job>', 'a file, - for standard input, or an id')
    .option('--platform-key <key>', 'the key of the market, known from elsewhere', asIs)
    .action(withContext(verify))
}

/** An attempt by its id, or all attempts of a job that count. */
async function receiptsOf(context: Context, id: string): Promise<Receipt[]> {
  const client = await context.client()
  if (id.startsWith('att_')) return [await client.receipt(id)]
  const receipts: Receipt[] = []
  for await (const attempt of client.attempts(id)) if (attempt.startedAt !== undefined) receipts.push(await client.receipt(attempt.id))
  if (receipts.length === 0) throw new CliError('No attempt of this job has run', `lumaris job ${clean(id)} shows where it is.`, EXIT.notFound)
  return receipts
}

async function show(context: Context, id: string): Promise<void> {
  const receipts = await receiptsOf(context, id)
  for (const receipt of receipts) {
    const { terms, ticks, bill } = receipt
    const usage = ticks.at(-1)?.tick.usage
    const { prices } = terms
    await context.showThing(receipt, [
      ['attempt', terms.attempt], ['job', terms.job], ['node', terms.node], ['driver', `${terms.driver} (${terms.level})`],
      ['reserved', `${terms.resources.cpuMillis / 1000} cores, ${sizeText(terms.resources.memoryBytes)} memory, ${sizeText(terms.resources.diskBytes)} disk${terms.resources.gpus > 0 ? `, ${terms.resources.gpus} GPUs` : ''}`],
      ['prices', PRICE_NAMES.filter((name) => prices[name] !== '0').map((name) => `${name} ${amountOf(prices[name])}`).join(', ') || 'free'],
      ['ran', usage && durationText(usage.runMs)], ['cpu time', usage && durationText(usage.cpuMs)], ['sent out', usage && sizeText(usage.outBytes)], ...(usage?.egressInBytes === undefined ? [] : [['connections', `${sizeText(usage.egressInBytes)} in, ${sizeText(usage.egressOutBytes ?? 0)} out; not billed`] as const]),
      ['ticks', `${ticks.length}, ${ticks.filter((one) => one.seal).length} sealed`], ['ended', receipt.cause], ['bill', bill && creditsOf(bill.amount)], ['seller gets', bill && creditsOf(bill.sellerGets)], ['fee', bill && creditsOf(bill.fee)],
      ['at', stamp(receipt.endedAt)],
    ])
    if (receipts.length > 1 && receipt !== receipts.at(-1) && !context.flags.json && !context.flags.jsonLines) await context.write('\n')
  }
}

async function verify(context: Context, what: string, options: { platformKey?: string }): Promise<void> {
  const receipts: unknown[] = /^(att|job)_[0-9a-z]{26}$/.test(what) ? await receiptsOf(context, what) : [await readReceipt(context, what)]
  let allRight = true
  for (const receipt of receipts) {
    const verdict = await verifyReceipt(receipt, options)
    allRight &&= verdict.ok
    if (context.flags.json || context.flags.jsonLines) { await context.write(`${JSON.stringify({ ...verdict, computed: verdict.computed?.toString() ?? null })}\n`); continue }
    for (const check of verdict.checks) await context.write(`${check.ok ? context.colours.green('ok    ') : context.colours.red('FAILED')}  ${clean(check.says)}\n`)
    await context.write(verdict.ok ? context.colours.bold('The receipt is right.\n') : context.colours.red('The receipt is not right.\n'))
  }
  if (!allRight) context.exitCode = EXIT.failed
}

async function readReceipt(context: Context, file: string): Promise<unknown> {
  try { return JSON.parse(file === '-' ? await readAll(context.io.stdin) : readFileSync(file, 'utf8')) } catch (cause) { throw new CliError(`Cannot read a receipt from ${file}: ${(cause as Error).message}`, 'Save one with: lumaris receipt show ATTEMPT --json > receipt.json', EXIT.usage, cause) }
}
