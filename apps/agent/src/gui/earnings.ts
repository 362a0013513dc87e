// What the market says this node has earned, asked once a minute; the last answer is kept on the disk with its time, so that an owner without a
// network still sees it. On the way the market's clock is seen, and how far ours is from it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Earnings } from '@lumaris/protocol'
import { dayStart } from '@lumaris/domain'
import { writeAtomic } from '../files.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'

export const EARNINGS_FILE = 'earnings.json'
const ASK_MS = 60_000, ANSWER_MS = 10_000
export type EarningsPorts = { readonly server: string; readonly dataDir: string; readonly timeZone: string; readonly token: () => string; readonly connected: () => boolean; readonly wall: () => number; readonly log: Log }
export interface EarningsWatch { readonly known: Earnings | null; /** Ours minus the market's, in ms; null: not seen yet. */ readonly skewMs: number | null; /** Something was settled: ask soon. */ stir(): void; close(): void }

export function watchEarnings({ server, dataDir, timeZone, token, connected, wall, log }: EarningsPorts): EarningsWatch {
  const file = join(dataDir, EARNINGS_FILE)
  let known = load(file), skewMs: number | null = null
  let timer: NodeJS.Timeout | null = null, closed = false
  const again = (ms: number): void => { if (closed) return; if (timer) clearTimeout(timer); timer = setTimeout(() => void ask().finally(() => again(ASK_MS)), ms); timer.unref() }
  const give = new AbortController()
  async function ask(): Promise<void> {
    if (!connected()) return
    try {
      const sent = wall()
      const reply = await fetch(new URL(`/v1/agent/earnings?since=${dayStart(timeZone, sent)}`, server), { headers: { authorization: `Bearer ${token()}` }, signal: AbortSignal.any([give.signal, AbortSignal.timeout(ANSWER_MS)]) })
      const theirs = Date.parse(reply.headers.get('date') ?? '')
      // Their clock in whole seconds, in the middle of the way there and back.
      if (!Number.isNaN(theirs)) skewMs = Math.round((sent + wall()) / 2 - theirs - 500)
      if (!reply.ok) { await reply.body?.cancel(); return } // an older market does not know the question
      known = Earnings.parse(await reply.json())
      await writeAtomic(file, JSON.stringify(known))
    } catch (error) { if (!closed) log.debug({ error: saysOf(error) }, 'the market was not asked about earnings; the last answer stays') }
  }
  again(1_000)
  return { get known() { return known }, get skewMs() { return skewMs }, stir() { again(1_500) }, close() { closed = true; give.abort(); if (timer) clearTimeout(timer) } }
}
function load(file: string): Earnings | null {
  try { const parsed = Earnings.safeParse(JSON.parse(readFileSync(file, 'utf8'))); return parsed.success ? parsed.data : null } catch { return null /* not asked yet, or half a file: the market knows it better */ }
}
