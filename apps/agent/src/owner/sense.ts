// Everything the machine shows of its owner and its state, behind one port: tests point it at directories of their own.
import { createInputWatch } from './inputs.ts'
import type { InputRoots, InputWatch, Which } from './inputs.ts'
import { createLoadMeter } from './load.ts'
import type { Load } from './load.ts'
import { readCelsius, readPower } from './power.ts'
import { watchMetered } from './metered.ts'
import type { OwnerReadings } from '@lumaris/domain'

export type SenseRoots = InputRoots & { readonly sys: string; /** Asked whether the network is metered. */ readonly busctl: string }
export const MACHINE: SenseRoots = { proc: '/proc', sys: '/sys', dev: '/dev', loginctl: 'loginctl', busctl: 'busctl' }
export interface Sense {
  /** Quick things each time, slow ones now and then. */
  read(now: number, wall: number, which: Which): OwnerReadings
  readonly load: Load
  readonly inputs: Pick<InputWatch, 'devices' | 'unreadable'>
  close(): void
}
const LOAD_MS = 1_000, POWER_MS = 1_000

export function createSense(roots: SenseRoots, oursMs: () => number): Sense {
  const inputs = createInputWatch(roots), load = createLoadMeter(roots.proc, oursMs), metered = watchMetered(roots.busctl)
  let loadAt = -Infinity, powerAt = -Infinity
  let power: ReturnType<typeof readPower> = { onBattery: null, batteryPercent: null }, celsius: number | null = null
  return {
    inputs, get load() { return load.last },
    read(now, wall, which) {
      if (now - loadAt >= LOAD_MS) { loadAt = now; load.read() }
      if (now - powerAt >= POWER_MS) { powerAt = now; power = readPower(roots.sys); celsius = readCelsius(roots.sys) }
      return { idleMs: inputs.idleMs(now, wall, which), otherCpuPercent: load.last.otherPercent, ...power, celsius, metered: metered(now) }
    },
    close: () => inputs.close(),
  }
}
