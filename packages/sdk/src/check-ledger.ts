// Checks a file of the ledger from the file alone: nothing is asked of the market, and none of its code is used. Each line is hashed anew and held against what it says of
// itself and of the line before; the sums are made a second time, on purpose, from the postings.
import { LedgerHead, LedgerLine, LedgerSeal, canonical, classOf, ledgerHeadText, ledgerLineText, ledgerSealText } from '@lumaris/protocol'
import type { LedgerBalance } from '@lumaris/protocol'
import { hashText } from './hash.ts'
import { verifySignature } from './signature.ts'

export type LedgerProblem = { /** Of the file, counted from one. */ readonly line: number; readonly says: string }
export type LedgerVerdict = {
  readonly ok: boolean; readonly problems: readonly LedgerProblem[]; /** There were more than are told. */ readonly more: boolean
  readonly entries: number; readonly postings: number; readonly seals: number; readonly from: number | null; readonly to: number | null; readonly platformKey: string | null
  /** What the classes of accounts held at the end, as added up here. */ readonly closing: readonly LedgerBalance[]
}

const PROBLEMS_MAX = 50

/**
 * Checks the lines of `lumaris ledger export`: that each is as the market wrote it, that none is missing, and that the sums are right. `platformKey` is the key of the
 * market as you know it from elsewhere; without it the file's own is used, which shows only that one market signed all of it.
 *
 * @example
 * const { ok, problems } = await checkLedgerFile(await readFile('ledger.jsonl', 'utf8').then((text) => text.split('\n')), { platformKey })
 * for (const { line, says } of problems) console.log(`line ${line}: ${says}`)
 */
export async function checkLedgerFile(lines: AsyncIterable<string> | Iterable<string>, options: { readonly platformKey?: string | undefined } = {}): Promise<LedgerVerdict> {
  const problems: LedgerProblem[] = [], sums = new Map<string, bigint>()
  let more = false, at = 0, entries = 0, postings = 0, seals = 0, prev = '', before = 0, sealedAt = 0, time = 0
  let head: LedgerHead | null = null, ended = false
  const problem = (says: string, line = at): void => { if (problems.length < PROBLEMS_MAX) problems.push({ line, says }); else more = true }
  const move = (name: string, by: bigint): void => { const key = classOf(name); sums.set(key, (sums.get(key) ?? 0n) + by) }
  for await (const text of lines) {
    at++
    if (text.trim() === '') continue
    if (ended) { problem('It stands behind the end of the file: it was added.'); break }
    let said: unknown
    try { said = JSON.parse(text) } catch { problem('It is no line of a ledger file: it is not JSON.'); continue }
    if (head === null) {
      const parsed = LedgerHead.safeParse(said)
      if (!parsed.success) { problem('It is not the head of a ledger file: the file begins with another line, or another version has made it.'); break }
      head = parsed.data
      prev = await hashText(ledgerHeadText(said))
      for (const { class: name, balance } of head.opening) sums.set(name, BigInt(balance))
      if (options.platformKey !== undefined && options.platformKey !== head.platformKey) problem('It names another market’s key than the one you gave.')
      before = sealedAt = at
      continue
    }
    const seal = LedgerSeal.safeParse(said)
    if (seal.success) {
      const { n, hash, closing, signature } = seal.data.seal
      if (n !== entries) problem(`The seal is for ${n} entries, and the last one before it is number ${entries}: ${n > entries ? 'lines are missing' : 'lines were added'}.`)
      else if (hash !== prev) problem('It was altered together with its hash: the market signed another one.', before)
      if (!(await verifySignature(options.platformKey ?? head.platformKey, ledgerSealText({ n, hash, closing }), signature))) problem(`The market did not sign this: of lines ${sealedAt} to ${at} one was altered, and everything behind it made anew.`)
      if (closing && canonical(balancesOf(sums)) !== canonical(balancesOf(new Map(closing.map((one) => [one.class, BigInt(one.balance)]))))) problem('What the accounts hold at the end is not what the entries come to.')
      seals++
      ended = closing !== undefined
      prev = hash
      before = sealedAt = at
      continue
    }
    const line = LedgerLine.safeParse(said)
    if (!line.success) { problem('It is neither an entry nor a seal of a ledger file.'); continue }
    const { n, entry, hash } = line.data
    if (n <= entries) { problem(`${entry.id}, number ${n}, stands here a second time or out of its order.`); continue }
    if (n > entries + 1) problem(`Before ${entry.id}, number ${n}, ${n === entries + 2 ? 'a line is' : `${n - entries - 1} lines are`} missing.`)
    // Who altered a line and gave it a new hash cannot hide it from the line behind, which names the old one.
    else if (line.data.prev !== prev) problem(before === 1 ? 'The head was altered: the first entry names another one.' : 'It was altered together with its hash: the line behind it names another one.', before)
    // Of what was given, not of what was understood of it: a field that a newer version added was hashed too.
    if (hash !== await hashText(ledgerLineText(line.data.prev, n, (said as { entry: unknown }).entry))) problem(`${entry.id}, number ${n}, was altered: it does not have its hash.`)
    if (entry.at < time || entry.at < head.from || entry.at >= head.to) problem(`${entry.id}, number ${n}, is not of its time: entries come in the order of time, inside of the span of the file.`)
    for (const { from, to, amount } of entry.postings) { postings++; move(from, -BigInt(amount)); move(to, BigInt(amount)) }
    entries = n
    prev = hash
    before = at
    time = Math.max(time, entry.at)
  }
  if (head === null && problems.length === 0) problem('The file is empty.', 1)
  if (head !== null && !ended) problem('The file ends before its last seal: lines at its end are missing.')
  const closing = balancesOf(sums), total = closing.reduce((sum, one) => sum + BigInt(one.balance), 0n)
  if (ended && total !== 0n) problem(`All accounts together hold ${total} micro-credits at the end, and not 0.`)
  return { ok: problems.length === 0, problems, more, entries, postings, seals, from: head?.from ?? null, to: head?.to ?? null, platformKey: head?.platformKey ?? null, closing }
}
const balancesOf = (sums: ReadonlyMap<string, bigint>): LedgerBalance[] => [...sums].filter(([, balance]) => balance !== 0n).map(([name, balance]) => ({ class: name, balance: balance.toString() })).toSorted((a, b) => (a.class < b.class ? -1 : 1))
