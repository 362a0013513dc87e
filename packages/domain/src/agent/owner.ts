// The owner comes first. From what the owner wants and what the machine shows, this says whether strangers' work may run here just now, why not, when
// again, and what becomes of the work that is here: it runs, it stands still, or it is handed back.
//
// What the machine shows flickers, so a guard that has tripped lets go only well below its limit and after a calm while: `memory` is what it takes to
// know that, and how long the work has stood still. Wishes and hours do not flicker and are taken as they are.
import { MIB, PAUSE_REASONS } from '@lumaris/protocol'
import type { Instant, OwnerSettings, OwnerWish, PauseReason } from '@lumaris/protocol'
import { isOpenAt, nextChange } from './hours.ts'

export type OwnerReadings = {
  /** Since somebody last touched the machine; null: nothing here can tell. */
  readonly idleMs: number | null
  /** Of all cores, taken by what is not the market's. */
  readonly otherCpuPercent: number | null
  readonly onBattery: boolean | null; readonly batteryPercent: number | null; readonly celsius: number | null
  /** The system calls the network metered; null: it does not say. */
  readonly metered: boolean | null
}
export const NO_READINGS: OwnerReadings = { idleMs: null, otherCpuPercent: null, onBattery: null, batteryPercent: null, celsius: null, metered: null }
export type OwnerView = { readonly settings: OwnerSettings; readonly wish: OwnerWish; readonly stopped: boolean; readonly readings: OwnerReadings; readonly now: number; readonly wall: Instant }
type Guard = 'other_load' | 'battery_low' | 'too_hot'
export type OwnerMemory = { /** When each guard was last over its limit, for those that have tripped. */ readonly tripped: Readonly<Partial<Record<Guard, number>>>; /** On the clock that never jumps. */ readonly pausedSince: number | null }
export const NEW_OWNER_MEMORY: OwnerMemory = { tripped: {}, pausedSince: null }
export type OwnerDecision = {
  readonly work: boolean; readonly reasons: readonly PauseReason[]
  readonly attempts: 'run' | 'freeze' | 'hand_back'
  /** When work may run again, if nothing changes but time; null: nobody knows, or never by itself. */
  readonly nextAt: Instant | null
}

/** A tripped guard needs so long below its limit, and so far below it. */
export const CALM_MS = 30_000
const LOAD_BAND = 10, BATTERY_BAND = 5, HEAT_BAND = 5
const ORDER = Object.keys(PAUSE_REASONS) as PauseReason[]

export function decideOwner(memory: OwnerMemory, view: OwnerView): { memory: OwnerMemory; decision: OwnerDecision } {
  const { settings: { pauseWhen, hours, freezeMs }, wish, stopped, readings, now, wall } = view
  const tripped: Partial<Record<Guard, number>> = {}
  const watch = (guard: Guard, value: number | null, over: boolean, clear: boolean): void => {
    const since = memory.tripped[guard]
    if (value === null) return // a sensor that is gone holds nobody back
    if (over) tripped[guard] = now
    else if (since !== undefined && (!clear || now - since < CALM_MS)) tripped[guard] = clear ? since : now
  }
  const { otherCpuPercent: load, batteryBelowPercent: low, hotterThanCelsius: hot } = pauseWhen
  if (load !== null) watch('other_load', readings.otherCpuPercent, (readings.otherCpuPercent ?? 0) > load, (readings.otherCpuPercent ?? 0) <= Math.max(load - LOAD_BAND, load / 2))
  if (low !== null) watch('battery_low', readings.batteryPercent, (readings.batteryPercent ?? 100) < low, (readings.batteryPercent ?? 100) >= Math.min(100, low + BATTERY_BAND))
  if (hot !== null) watch('too_hot', readings.celsius, (readings.celsius ?? 0) > hot, (readings.celsius ?? 0) <= hot - HEAT_BAND)

  const holds: Record<PauseReason, boolean> = {
    stopped, paused: wish.pause !== null && (wish.pause.until === null || wall < wish.pause.until),
    in_use: (pauseWhen.inUse || pauseWhen.terminals) && readings.idleMs !== null && readings.idleMs < pauseWhen.idleMs,
    on_battery: pauseWhen.onBattery && readings.onBattery === true,
    battery_low: tripped.battery_low !== undefined, too_hot: tripped.too_hot !== undefined, other_load: tripped.other_load !== undefined,
    outside_hours: hours !== null && !isOpenAt(hours, wall), metered: pauseWhen.metered && readings.metered === true,
  }
  const reasons = ORDER.filter((reason) => holds[reason])
  const work = reasons.length === 0
  // What runs has its inputs already: it goes on over a metered network.
  const pausedSince = reasons.every((reason) => reason === 'metered') ? null : (memory.pausedSince ?? now)
  const attempts = pausedSince === null ? 'run' : stopped || now - pausedSince >= freezeMs ? 'hand_back' : 'freeze'
  return { memory: { tripped, pausedSince }, decision: { work, reasons, attempts, nextAt: work ? wall : nextAt(view, reasons) } }
}

/** Time alone ends a pause with an end, closed hours, and the wait after somebody has left. */
function nextAt({ settings: { hours, pauseWhen }, wish, readings, wall }: OwnerView, reasons: readonly PauseReason[]): Instant | null {
  let at = wall
  for (const reason of reasons) {
    if (reason === 'paused' && wish.pause?.until) at = Math.max(at, wish.pause.until)
    else if (reason === 'in_use') at = Math.max(at, wall + pauseWhen.idleMs - (readings.idleMs ?? 0))
    else if (reason !== 'outside_hours') return null
  }
  return hours === null || isOpenAt(hours, at) ? at : nextChange(hours, at, 'open')
}

/** The part of the node that is for rent: never more than it offers. */
export function shareOf<Full extends { readonly cpuMillis: number; readonly memoryBytes: number; readonly diskBytes: number }>(full: Full, { cpuPercent, memoryPercent, diskPercent, cores }: OwnerSettings['share']): Full {
  if (cpuPercent === 100 && memoryPercent === 100 && diskPercent === 100 && cores === null) return full
  const part = (bytes: number, percent: number): number => (percent === 100 ? bytes : Math.floor((bytes * percent) / 100 / MIB) * MIB)
  return { ...full, cpuMillis: Math.min(Math.floor((full.cpuMillis * cpuPercent) / 100), cores === null ? Infinity : Math.floor(cores * 1000)), memoryBytes: part(full.memoryBytes, memoryPercent), diskBytes: part(full.diskBytes, diskPercent) }
}
