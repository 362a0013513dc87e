import { z } from 'zod'
import { Instant, JobId, Sha256, UserId } from './ids.ts'
import { JobState } from './job.ts'
import { AccountClass, Entry } from './ledger.ts'
import { Amount, Money } from './money.ts'
import { canonical, PublicKey, Signature } from './receipt.ts'

// The ledger as a file that can be checked without the market: JSON lines. The head says of which market and span it is, and what the classes of accounts held before. Each entry
// carries the hash of the line before it (`prev`; the head's for the first) and a hash over that and itself, so the entries are a chain. Now and then comes a seal: the market's signature under the hash so far; the
// last one ends the file, with what the classes hold then. An altered line does not have its hash; the line behind one that was altered together with its hash names another one; and
// a chain that was made anew from there on lacks the signature of the next seal.

export const LedgerBalance = z.object({ class: AccountClass, balance: Money })
export type LedgerBalance = z.infer<typeof LedgerBalance>
export const LedgerHead = z.object({ ledger: z.literal(1), from: Instant, to: Instant, platformKey: PublicKey, opening: z.array(LedgerBalance) }).meta({ id: 'LedgerHead' })
export type LedgerHead = z.infer<typeof LedgerHead>
export const LedgerLine = z.object({ n: z.number().int().min(1), prev: Sha256, entry: Entry, hash: Sha256 }).meta({ id: 'LedgerLine' })
export type LedgerLine = z.infer<typeof LedgerLine>
export const LedgerSeal = z.object({ seal: z.object({ n: z.number().int().min(0), hash: Sha256, /** Of the last one. */ closing: z.array(LedgerBalance).optional(), signature: Signature }) }).meta({ id: 'LedgerSeal' })
export type LedgerSeal = z.infer<typeof LedgerSeal>

/** Entries between two seals: so near a chain that was made anew is told to begin. */
export const LEDGER_SEAL_EVERY = 1_000

/** What is hashed for the head, and for an entry behind what has this hash. */
export const ledgerHeadText = (head: unknown): string => canonical(head)
export const ledgerLineText = (prev: string, n: number, entry: unknown): string => `${prev}\n${canonical({ n, entry })}`
/** What a seal signs; the last one is told from the others, so that a file cannot be cut at one of them. */
export const ledgerSealText = ({ n, hash, closing }: { n: number; hash: string; closing?: readonly LedgerBalance[] | undefined }): string => `lumaris-ledger:${n}:${hash}:${closing === undefined ? 'goes on' : canonical(closing)}`

/** What is held for a job that has not ended. */
export const Hold = z.object({ job: JobId, buyer: UserId, name: z.string().optional(), state: JobState, since: Instant, held: Amount, cap: Amount }).meta({ id: 'Hold' })
export type Hold = z.infer<typeof Hold>
