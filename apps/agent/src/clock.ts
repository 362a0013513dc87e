// The clock leases and run times are measured on. It must count the time a laptop sleeps, or a lease would outlive its market; Node's own
// monotonic clock stops then. The system's uptime goes on, but is coarse (10 ms) and costs a file read (5 µs, measured), so it is read only
// a few times a second, and whenever the wall clock has moved away from the monotonic one, which is what waking up looks like.
import { uptime } from 'node:os'

export interface Clock {
  /** Milliseconds; never behind the system's uptime, never backwards. */
  now(): number
  /** For people and for order. */
  wall(): number
}

export type ClockSources = { readonly uptimeMs: () => number; readonly monotonicMs: () => number; readonly wallMs: () => number }
const SYSTEM: ClockSources = { uptimeMs: () => uptime() * 1000, monotonicMs: () => performance.now(), wallMs: () => Date.now() }

const READ_EVERY_MS = 250
/** Wall and monotonic clock part by less than this in 250 ms, however the wall clock is being corrected. */
const DRIFT_MS = 5

export function createClock(sources: ClockSources = SYSTEM): Clock {
  let offset = -Infinity
  let readAt = -Infinity
  let readWall = 0
  return {
    wall: sources.wallMs,
    now() {
      const monotonic = sources.monotonicMs(), wall = sources.wallMs()
      const passed = monotonic - readAt
      if (passed > READ_EVERY_MS || Math.abs(wall - readWall - passed) > DRIFT_MS) {
        // Only ever forwards: the coarse value is at or below the true one, so the largest difference seen is the best.
        offset = Math.max(offset, sources.uptimeMs() - monotonic)
        readAt = monotonic
        readWall = wall
      }
      return monotonic + offset
    },
  }
}
