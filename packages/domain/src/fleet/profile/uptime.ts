// What can be said of a node from when it was up and down: how long it has been up, how much of the last day, how often it left, and how long it stayed
// the time before. A day of spells is kept exactly: an exponentially fading share was tried on the spot traces and forecasts worse (skill at 12 h 0.10, not 0.12).
import type { DurationMs, Instant, NodeId } from '@lumaris/protocol'
import { ln } from './powers.ts'

const HOUR_MS = 3_600_000
export const WINDOW_MS: DurationMs = 24 * HOUR_MS
/** Spells kept: a node that leaves more than 64 times a day loses the oldest, and looks a little worse for it. */
export const SPELLS_MAX = 64

export type UptimeRow = {
  readonly node: NodeId
  /** Nodes of one place and kind share the tables of their site: a zone, or a region and hardware class. */
  readonly site: string
  readonly up: boolean; readonly since: Instant; readonly firstSeen: Instant
  /** Times up that ended within the window, [from, to], oldest first. */
  readonly spells: readonly (readonly [Instant, Instant])[]
  /** Length of the last time up that ended; null before the first. */
  readonly lastMs: DurationMs | null
  /** When the next question per horizon is due (availability.ts); empty while it is down, and when it has just come up. */
  readonly askAt: readonly Instant[]
}

export const newUptime = (node: NodeId, site: string, now: Instant): UptimeRow =>
  ({ node, site, up: false, since: now, firstSeen: now, spells: [], lastMs: null, askAt: [] })

/** The node changed: a time up ends, or begins. */
export function changed(row: UptimeRow, up: boolean, now: Instant): UptimeRow {
  if (row.up === up) return row
  if (up) return { ...row, up, since: now }
  const spells = [...row.spells, [row.since, now] as const].filter(([, to]) => to > now - WINDOW_MS)
  return { ...row, up, since: now, spells: spells.slice(-SPELLS_MAX), lastMs: now - row.since, askAt: [] }
}

/** Ages are counted on a doubling scale that begins here: what happens within three minutes is noise of the heartbeats. */
const AGE_UNIT_MS = 200_000
const AGE_BINS = 13, SHARE_BINS = 5, END_BINS = 6
/** Without a last time up, and without a neighbour, these stand for "nothing known": near what the spot traces show in the middle. */
const LAST_UNKNOWN_MS = 16 * AGE_UNIT_MS, NEIGHBOURS_UNKNOWN = 0.6

const log2 = (x: number): number => ln(x) / Math.LN2
/** `features` for the linear part, centred; bins for the tables. */
export type Sight = { readonly features: readonly number[]; readonly age: number; readonly share: number; readonly ends: number }
export const FEATURES = 7

/**
 * What is seen of a node that is up, now. `neighbours` is the share of the other nodes of its pool that are up (null without others): places are taken back
 * together (92 % of joint interruptions of one type and zone within three minutes, arXiv 2604.16457), so a pool that empties is a warning.
 */
export function sightOf(row: UptimeRow, neighbours: number | null, now: Instant): Sight {
  const from = now - WINDOW_MS
  let upMs = now - Math.max(row.since, from), ends = 0
  for (const [start, end] of row.spells) if (end > from) { upMs += end - Math.max(start, from); ends++ }
  const known = Math.min(WINDOW_MS, now - row.firstSeen)
  const share = (upMs + HOUR_MS / 2) / (known + HOUR_MS) // half an hour of each is believed before anything is seen
  const age = log2((now - row.since + AGE_UNIT_MS) / AGE_UNIT_MS), left = log2(ends + 1)
  const last = log2(Math.max(1, (row.lastMs ?? LAST_UNKNOWN_MS) / AGE_UNIT_MS))
  const centred = age / 4 - 1.5
  return {
    features: [1, centred, centred * centred, share - 0.5, left - 1.5, last / 4 - 1.5, (neighbours ?? NEIGHBOURS_UNKNOWN) - NEIGHBOURS_UNKNOWN],
    age: Math.min(AGE_BINS - 1, Math.floor(age)), share: Math.max(0, Math.min(SHARE_BINS - 1, Math.floor(share * SHARE_BINS))), ends: Math.min(END_BINS - 1, Math.floor(left)),
  }
}
