// Checks a receipt from the receipt alone: nothing is asked of the market, and nothing of its code is used. The price formula and the way up the
// tree are written here a second time on purpose: a recheck by the same lines would repeat their mistakes.
//
// What holds it together: the hash of the terms begins the chain; each tick carries the hash of the one before; the node has signed a tree whose
// leaf is the last tick, and the market has signed the same root. So neither prices nor times nor the result can be changed later by either side.
import { CAUSES, GIB, Receipt, canonical, formatCredits, sealText } from '@lumaris/protocol'
import type { SealedTick } from '@lumaris/protocol'
import { hashText } from './hash.ts'
import { verifySignature } from './signature.ts'

export type CheckName = 'shape' | 'names' | 'terms' | 'hashes' | 'chain' | 'totals' | 'end' | 'sealed' | 'tree' | 'node-signature' | 'platform-signature' | 'platform-key' | 'cause' | 'bill' | 'split' | 'cap'
export type Check = { readonly name: CheckName; readonly ok: boolean; readonly says: string }
export type Verdict = { readonly ok: boolean; readonly checks: readonly Check[]; /** In micro-credits, as computed here; null when it could not be. */ readonly computed: bigint | null }

/**
 * Recomputes everything a receipt claims. `platformKey` is the key of the market as you know it from elsewhere; without it the receipt's own is
 * used, which shows only that one market signed all of it.
 *
 * @example
 * const { ok, checks } = await verifyReceipt(await client.receipt(attempt))
 * for (const check of checks) console.log(check.ok ? 'ok    ' : 'FAILED', check.says)
 */
export async function verifyReceipt(receipt: unknown, options: { readonly platformKey?: string | undefined } = {}): Promise<Verdict> {
  const checks: Check[] = []
  const check = (name: CheckName, ok: boolean, good: string, bad: string): boolean => { checks.push({ name, ok, says: ok ? good : bad }); return ok }
  const verdict = (computed: bigint | null): Verdict => ({ ok: checks.every((one) => one.ok), checks, computed })

  const parsed = Receipt.safeParse(receipt)
  if (!check('shape', parsed.success, 'It is a receipt, version 1.', `It is not a receipt: ${parsed.error?.issues[0]?.path.join('.') ?? ''} ${parsed.error?.issues[0]?.message ?? ''}.`) || !parsed.success) return verdict(null)
  const { terms, ticks, nodeKey, platformKey, cause, bill } = parsed.data
  // Hashes are taken of what was given, not of what was understood of it: a field that a newer version added was hashed too.
  const raw = receipt as { terms: unknown; ticks: { tick: unknown }[] }
  const counted = `${ticks.length} tick${ticks.length === 1 ? '' : 's'}`

  check('names', terms.task.startsWith(`${terms.job}.`) && terms.slot.startsWith(`${terms.task}.`) && ticks.every(({ tick }) => tick.attempt === terms.attempt),
    'Job, task and attempt are the same everywhere.', 'Parts of it belong to different jobs or attempts.')

  const hashes = await Promise.all(raw.ticks.map(({ tick }) => hashText(canonical(tick))))
  const firstPrev = ticks[0]?.tick.prev
  check('terms', firstPrev === undefined || firstPrev === await hashText(canonical(raw.terms)), 'The metering began from exactly these terms and prices.', 'The terms are not those the metering began with: a price or a resource was changed.')
  const wrong = ticks.findIndex(({ hash }, i) => hash !== hashes[i])
  check('hashes', wrong < 0, `Each of ${counted} has its own hash.`, `Tick ${wrong + 1} was changed: it does not have its hash.`)
  const broken = ticks.findIndex(({ tick }, i) => tick.seq !== i + 1 || (i > 0 && tick.prev !== ticks[i - 1]?.hash))
  check('chain', broken < 0, 'The ticks follow one another without a gap.', `The chain breaks at tick ${broken + 1}: one is missing, doubled or out of order.`)
  const shrinks = ticks.findIndex(({ tick }, i) => i > 0 && shrank(ticks[i - 1] as SealedTick, tick.usage))
  check('totals', shrinks < 0, 'The running totals only grow.', `A running total shrinks at tick ${shrinks + 1}.`)

  const final = ticks.at(-1)
  // A node that went silent leaves no final tick, and its last ticks unsealed: nobody pays for those.
  const counts = cause === 'succeeded' || cause === 'buyer_exit' || BigInt(bill?.amount ?? '0') > 0n
  // Interrupted, and billed for what its last checkpoint has kept: that tick counts then, and it need not be the last.
  const kept = counts && isInterrupted(cause) ? lastKept(ticks) : undefined
  check('end', ticks.every(({ tick }, i) => !tick.final || i === ticks.length - 1) && (!counts || kept !== undefined || final?.tick.final === true),
    kept ? 'It was interrupted, and the tick of its last checkpoint is here.' : final?.tick.final ? 'The last tick is the final one.' : cause === undefined ? 'The attempt is still running.' : 'It ended without a final tick, and nothing is billed.', 'The final tick is missing, or others come after it.')

  if (kept) check('sealed', kept.seal !== undefined, 'The tick of the last checkpoint is sealed, and with it all before it.', 'The tick of the last checkpoint has no seal yet: fetch the receipt again in a minute.')
  else if (counts) check('sealed', final?.seal !== undefined, 'The last tick is sealed, and with it all before it.', 'The last tick has no seal yet: fetch the receipt again in a minute.')
  const paths = await Promise.all(ticks.map(async ({ seal }, i) => seal === undefined || (await rootOf(hashes[i] as string, seal.index, seal.count, seal.path)) === seal.root))
  const astray = paths.indexOf(false)
  if (ticks.some(({ seal }) => seal !== undefined)) {
    check('tree', astray < 0, 'Each sealed tick leads to its signed root.', `Tick ${astray + 1} does not lead to the root of its seal.`)
    const seals = ticks.flatMap(({ seal }) => (seal ? [{ ...seal, text: sealText({ node: terms.node, ...seal }) }] : []))
    const signed = async (key: string, which: 'signature' | 'countersignature'): Promise<boolean> => (await Promise.all(seals.map((seal) => verifySignature(key, seal.text, seal[which])))).every(Boolean)
    check('node-signature', await signed(nodeKey, 'signature'), 'The node signed every seal.', 'A seal does not carry the signature of this node.')
    check('platform-signature', await signed(options.platformKey ?? platformKey, 'countersignature'), 'The market signed every seal.', 'A seal does not carry the signature of the market.')
  }
  if (options.platformKey !== undefined) check('platform-key', options.platformKey === platformKey, 'The market is the one whose key you gave.', 'The receipt names another market’s key than the one you gave.')

  if (cause !== undefined) {
    const exit = final?.tick.exitCode ?? null
    check('cause', cause === 'succeeded' ? exit === 0 : cause === 'buyer_exit' ? final !== undefined && exit !== 0 : true,
      `It ended because ${CAUSES[cause].says}.`, `It says that ${CAUSES[cause].says}, and the sealed exit code is ${exit ?? 'missing'}.`)
  }
  if (!bill) return verdict(null)
  const amount = BigInt(bill.amount)
  const computed = kept ? priceOfKept(parsed.data, kept) : priceOf(parsed.data)
  const shown = `${formatCredits(amount)} credits`
  // Less than the meter says is possible and said: the market bills no time it did not see itself, and none above the limits of the job.
  check('bill', amount <= computed, amount === computed ? `The bill is ${shown}, exactly what terms and ${kept ? 'its last checkpoint' : 'final tick'} give.` : `The bill is ${shown}, less than the ${formatCredits(computed)} that the meter gives: the market bills at most what it saw itself.`,
    `The bill is ${shown}, but terms and ${kept ? 'its last checkpoint' : 'final tick'} give ${formatCredits(computed)}.`)
  check('split', BigInt(bill.sellerGets) + BigInt(bill.fee) === amount, `The seller gets ${formatCredits(BigInt(bill.sellerGets))}, the market ${formatCredits(BigInt(bill.fee))}.`, 'What the seller and the market get is not what the buyer pays.')
  check('cap', amount <= BigInt(terms.attemptCap), `It stays below the agreed cap of ${formatCredits(BigInt(terms.attemptCap))}.`, `It is above the agreed cap of ${formatCredits(BigInt(terms.attemptCap))}.`)
  return verdict(computed)
}

function shrank(before: SealedTick, now: SealedTick['tick']['usage']): boolean {
  const then = before.tick.usage
  return now.runMs < then.runMs || now.cpuMs < then.cpuMs || now.memoryPeakBytes < then.memoryPeakBytes || now.outBytes < then.outBytes || (now.egressInBytes ?? 0) < (then.egressInBytes ?? 0) || (now.egressOutBytes ?? 0) < (then.egressOutBytes ?? 0)
}

/**
 * Σ start + cores · h · cpuHour + GiB · h · memoryGibHour + GPUs · h · gpuHour + GiB of disk · h · diskGibHour + GiB sent · outGib; one sum of
 * whole numbers over one denominator, divided once, down; nothing above the cap; nothing at all when the buyer does not bear the end.
 */
function priceOf({ terms, ticks, cause }: Receipt): bigint {
  const usage = ticks.at(-1)?.tick.usage
  return !usage || cause === undefined || CAUSES[cause].bears !== 'buyer' ? 0n : sumOf(terms, usage)
}
/** Made place for other work: who took the place pays for it, and not this buyer. */
const isInterrupted = (cause: Receipt['cause']): boolean => cause !== undefined && cause !== 'preempted' && CAUSES[cause].bears !== 'buyer'
const lastKept = (ticks: readonly SealedTick[]): SealedTick | undefined => ticks.findLast(({ tick }) => tick.checkpoint !== undefined && tick.checkpoint.runMs <= tick.usage.runMs)
/** Its time up to the checkpoint; neither the start nor output, which are paid once, to who ends the work. */
const priceOfKept = ({ terms }: Receipt, { tick }: SealedTick): bigint => sumOf({ ...terms, prices: { ...terms.prices, start: '0' } }, { runMs: tick.checkpoint?.runMs ?? 0, outBytes: 0 })

function sumOf(terms: Receipt['terms'], usage: { readonly runMs: number; readonly outBytes: number }): bigint {
  const gib = BigInt(GIB), msPerHour = 3_600_000n, millisPerCore = 1000n
  const { resources, prices } = terms
  const ms = BigInt(usage.runMs)
  const sent = BigInt(Math.min(usage.outBytes, resources.diskBytes))
  const over = gib * msPerHour * millisPerCore
  const perHour = BigInt(prices.cpuHour) * BigInt(resources.cpuMillis) * gib
    + (BigInt(prices.memoryGibHour) * BigInt(resources.memoryBytes) + BigInt(prices.diskGibHour) * BigInt(resources.diskBytes) + BigInt(prices.gpuHour) * BigInt(resources.gpus) * gib) * millisPerCore
  const whole = BigInt(prices.start) * over + perHour * ms + BigInt(prices.outGib) * sent * msPerHour * millisPerCore
  const price = whole / over
  const cap = BigInt(terms.attemptCap)
  return price < cap ? price : cap
}

/** Up the tree from a leaf. Null when the way is too short or too long for this place. */
async function rootOf(leaf: string, index: number, count: number, path: readonly string[]): Promise<string | null> {
  if (index < 0 || index >= count) return null
  const rest = [...path]
  let at = index, size = count, hash = leaf
  while (size > 1) {
    const isLeft = at % 2 === 0
    if (!(isLeft && at === size - 1)) { // the odd one out moves up as it is
      const sibling = rest.shift()
      if (sibling === undefined) return null
      hash = await hashText(isLeft ? `n${hash}${sibling}` : `n${sibling}${hash}`)
    }
    at = (at - (at % 2)) / 2
    size = Math.ceil(size / 2)
  }
  return rest.length === 0 ? hash : null
}
