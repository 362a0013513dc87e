// What the server does without being asked, and whether it did it lately. Every pass of a loop goes through here, so that none can stand still unseen.
import type { BackgroundWork, LoopName } from '@lumaris/protocol'
import type { Log } from './log.ts'

type Loop = { everyMs: number | null; runs: number; failures: number; lastAt?: number; tookMs?: number; failedAt?: number; problem?: string }
/** One that is so many of its own times behind is late; and never because a busy machine took a second. */
const LATE_TIMES = 3, LATE_MS = 10_000
const PROBLEM_MAX = 300

export type Background = {
  readonly startedAt: number
  /** A loop that there is, and how often it runs by the clock; null: only when there is something to do. */
  expect(name: LoopName, everyMs: number | null): void
  /** One pass: what goes wrong is logged and kept, and the next pass tries again. */
  readonly pass: (name: LoopName, once: () => Promise<unknown>) => Promise<void>
  /** One that tells by itself that it went through. */
  ran(name: LoopName, tookMs: number): void
  loops(): BackgroundWork['loops']
}
export function createBackground({ now, log }: { readonly now: () => number; readonly log: Log }): Background {
  const startedAt = now(), known = new Map<LoopName, Loop>()
  const of = (name: LoopName): Loop => { let loop = known.get(name); if (!loop) known.set(name, loop = { everyMs: null, runs: 0, failures: 0 }); return loop }
  const ran = (name: LoopName, tookMs: number): void => { const loop = of(name); loop.runs++; loop.lastAt = now(); loop.tookMs = Math.round(tookMs * 10) / 10 }
  return {
    startedAt, ran,
    expect(name, everyMs) { of(name).everyMs = everyMs },
    async pass(name, once) {
      const began = performance.now()
      try { await once(); ran(name, performance.now() - began) } catch (error) {
        const loop = of(name)
        loop.runs++
        loop.failures++
        loop.failedAt = now()
        loop.problem = (error instanceof Error ? error.message : String(error)).slice(0, PROBLEM_MAX)
        log.error({ err: error, loop: name }, 'a pass failed; the next one tries again')
      }
    },
    loops: () => [...known].map(([name, { lastAt, failedAt, ...loop }]) => {
      const silentMs = now() - (lastAt ?? startedAt), late = (loop.everyMs !== null && silentMs > LATE_TIMES * loop.everyMs + LATE_MS) || (failedAt !== undefined && failedAt >= (lastAt ?? 0))
      return { name, ...loop, ...(lastAt === undefined ? {} : { lastAt }), ...(failedAt === undefined ? {} : { failedAt }), late }
    }),
  }
}
