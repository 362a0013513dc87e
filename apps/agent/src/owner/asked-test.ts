// A self-test that the seller asks for over the market. It starts sandboxes and fills memory, so it waits until nothing runs here and nobody is to be given way
// to, and takes no work while it runs. What it was asked and found stands in a file: an agent that is started again goes on with it, and a market that is
// started again hears of it once more.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SELF_TEST_VALID_MS, SelfTestSaid } from '@lumaris/protocol'
import type { SelfTestLine } from '@lumaris/protocol'
import { writeAtomic } from '../files.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'

export const TEST_FILE = 'self-test.json'
const LOOK_MS = 250, LINES_MAX = 32
export type AskedTestPorts = {
  readonly dataDir: string; readonly now: () => number; readonly wall: () => number; readonly log: Log
  /** Nothing runs, and nobody is disturbed. */
  readonly quiet: () => boolean
  /** No new work while it holds. */
  readonly hold: (held: boolean) => void
  readonly test: () => Promise<SelfTestLine[]>
  /** Something new is to be told. */
  readonly tell: () => void
}
export interface AskedTest { ask(number: number): void; readonly said: SelfTestSaid; close(): Promise<void> }

export function createAskedTest({ dataDir, now, wall, log, quiet, hold, test, tell }: AskedTestPorts): AskedTest {
  const file = join(dataDir, TEST_FILE)
  let said = load(file), going: Promise<void> | null = null, closed = false, wake = (): void => undefined
  // One after the other: each is written to the same draft first.
  let written = Promise.resolve()
  const keep = (next: SelfTestSaid): Promise<void> => {
    said = next
    return (written = written.catch(() => undefined /* whoever wrote that was told */).then(() => writeAtomic(file, `${JSON.stringify(next)}\n`)).then(tell))
  }
  const pause = (): Promise<void> => new Promise((resolve) => { const timer = setTimeout(resolve, LOOK_MS); wake = () => { clearTimeout(timer); resolve() } })

  /** True: it is quiet, and stays so until it is let go. */
  async function wait(): Promise<boolean> {
    for (const until = now() + SELF_TEST_VALID_MS; !closed && now() < until; await pause()) {
      if (!quiet()) continue
      hold(true)
      // An offer may have been on its way: it is looked at again after what was queued before.
      await new Promise((resolve) => setImmediate(resolve))
      if (quiet()) return true
      hold(false)
    }
    return false
  }
  async function go(): Promise<void> {
    for (let number = 0; number !== said.number && !closed;) {
      number = said.number
      if (!await wait()) { if (!closed && number === said.number) await keep({ number, state: 'given_up', at: wall(), lines: [] }); continue }
      try {
        await keep({ number: said.number, state: 'running', lines: [] })
        const began = now(), lines = await test()
        log.info({ number: said.number, failed: lines.filter((line) => !line.ok).map((line) => line.check) }, 'the self-test that was asked over the market is done')
        number = said.number // what was asked while it ran has its answer too
        if (!closed) await keep({ number, state: 'done', at: wall(), ms: Math.round(now() - began), lines: lines.slice(0, LINES_MAX).map(({ check, ok, says }) => ({ check: check.slice(0, 80), ok, says: says.slice(0, 500) })) })
      } finally { hold(false) }
    }
  }
  const begin = (): void => { going ??= go().catch((error: unknown) => log.error({ error: saysOf(error) }, 'the self-test that was asked over the market broke')).finally(() => { going = null }) }
  if (said.state === 'waiting' || said.state === 'running') begin()
  return {
    ask(number) {
      if (number <= said.number) return
      keep({ number, state: 'waiting', lines: [] }).then(begin, (error: unknown) => log.error({ error: saysOf(error) }, 'a self-test that was asked over the market could not be kept'))
    },
    get said() { return said },
    async close() {
      closed = true
      wake()
      await written.catch(() => undefined /* whoever wrote it was told */)
      await going
    },
  }
}
function load(file: string): SelfTestSaid {
  const none: SelfTestSaid = { number: 0, state: 'done', lines: [] }
  try { return SelfTestSaid.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data ?? none } catch { return none /* none was asked yet */ }
}
