// Before it starts: the chance that it ends in time, and what it will probably cost. The rule itself is played some times against what is believed of the nodes (how long they stay, whether
// they end their work, how often there was room), with draws from a fixed sequence: the same request gets the same answer, and a replay too.
import type { DurationMs } from '@lumaris/protocol'
import { exp, ln } from '../fleet/profile/powers.ts'
import { advise } from './course.ts'
import type { As, Course } from './course.ts'

/** Money as plain numbers: nothing is paid by it. `interruptible` and `firm` are what is believed of the nodes that would take it as that. */
export type Belief = {
  /** The chance that a try of the whole work ends on such a node. */ readonly ends: number
  /** The chance that there is room when it is looked for. */ readonly room: number
  /** Micro-credits for all of the work. */ readonly cost: number
}
export type Foreseen = { readonly chance: number; readonly cost: number }

/** Runs that are played: a chance in steps of half a hundredth, for about three milliseconds. */
const RUNS = 200, STEPS = 96
/** Of what changing over is reckoned to take: what starting takes, and what noticing takes that a place was lost. */
const START_SHARE = 1 / 16, NOTICE_SHARE = 1 / 2
/** How long it stays as it was found, with room or without: nothing is recorded of that, so the time of such work stands for it, between a minute and an hour. */
const roomKeptMs = (workMs: DurationMs): DurationMs => Math.min(3_600_000, Math.max(60_000, workMs))

/** Numbers from 0 to 1 that follow from where they begin (mulberry32). */
function sequence(from: number): () => number {
  let at = from >>> 0
  return () => {
    at = (at + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(at ^ (at >>> 15), at | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function foresee(course: Course, saveEveryMs: DurationMs | null, beliefs: Readonly<Record<As, Belief | null>>): Foreseen {
  let met = 0, cost = 0
  for (let run = 0; run < RUNS; run++) {
    const one = play(course, saveEveryMs, beliefs, sequence(run * 7919 + 1))
    met += one.met ? 1 : 0
    cost += one.cost
  }
  return { chance: met / RUNS, cost: Math.round(cost / RUNS) }
}

function play(course: Course, saveEveryMs: DurationMs | null, beliefs: Readonly<Record<As, Belief | null>>, draw: () => number): { met: boolean; cost: number } {
  const { from, deadline, workMs } = course, stepMs = Math.max(1, (deadline - from) / STEPS)
  // It looks once a step, so a step is part of what changing over takes.
  const looked: Course = { ...course, changeMs: course.changeMs + (course.resumable ? stepMs : stepMs / 2), patienceMs: Math.max(course.patienceMs, stepMs) }
  const lostIn = (belief: Belief | null): number => (belief ? 1 - exp((ln(Math.max(1e-6, Math.min(1, belief.ends))) * Math.min(stepMs, workMs)) / Math.max(1, workMs)) : 1)
  const losing = { interruptible: lostIn(beliefs.interruptible), firm: lostIn(beliefs.firm) }
  const priceOf = (kind: As): number => (beliefs[kind]?.cost ?? 0) / Math.max(1, workMs)
  const room = { interruptible: false, firm: false }
  let as: As = 'interruptible', awaySince = from, roomSince: number | null = null, runs = false, startingMs = 0, noticedAt = from, done = 0, saved = 0, cost = 0, askAgain = from
  for (let now = from; now < deadline; now += stepMs) {
    if (now >= askAgain) { for (const kind of ['interruptible', 'firm'] as const) room[kind] = draw() < (beliefs[kind]?.room ?? 0); roomSince = room.interruptible ? roomSince ?? now : null; askAgain = now + roomKeptMs(workMs) }
    if (runs && draw() < losing[as]) { done = saved; runs = false; awaySince = now; noticedAt = now + course.changeMs * NOTICE_SHARE }
    const next: As = advise(looked, { now, as, runs, awaySince, doneMs: done, savedMs: saved, room: () => roomSince }).as
    if (next !== as) {
      if (course.resumable) { cost += (done - saved) * priceOf(as); saved = done } else { done = 0; saved = 0 }
      as = next; awaySince = now; runs = false
    }
    if (!runs && room[as]) { runs = true; startingMs = Math.max(0, noticedAt - now) + course.changeMs * START_SHARE }
    if (!runs) continue
    done += Math.min(workMs - done, Math.max(0, stepMs - startingMs))
    startingMs = Math.max(0, startingMs - stepMs)
    // What is lost is not paid; what is stored is, at the price of where it ran.
    const stored = done >= workMs ? workMs : saveEveryMs === null ? saved : Math.max(saved, Math.floor(done / saveEveryMs) * saveEveryMs)
    cost += (stored - saved) * priceOf(as)
    saved = stored
    if (done >= workMs) return { met: true, cost }
  }
  return { met: false, cost }
}
