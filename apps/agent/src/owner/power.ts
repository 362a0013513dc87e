// Battery and temperature, as Linux shows them in /sys. What is not there is null: a desktop has no battery, a container no thermometer.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const text = (path: string): string | null => { try { return readFileSync(path, 'utf8').trim() } catch { return null /* not every driver has every file, and some only say EAGAIN */ } }
const names = (dir: string): string[] => { try { return readdirSync(dir) } catch { return [] } } // no such class of devices here

export function readPower(sys: string): { readonly onBattery: boolean | null; readonly batteryPercent: number | null } {
  const dir = join(sys, 'class/power_supply')
  let mains: boolean | null = null, discharging = false
  const levels: number[] = []
  for (const name of names(dir)) {
    const of = (file: string): string | null => text(join(dir, name, file))
    const type = of('type')
    if (type === 'Mains' || type === 'USB') { const online = of('online'); if (online !== null) mains = mains === true || online === '1' }
    // The battery of a mouse says Device; what runs the machine says System, or nothing.
    if (type !== 'Battery' || of('scope') === 'Device') continue
    const capacity = of('capacity')
    if (capacity !== null && /^\d+$/.test(capacity)) levels.push(Math.min(100, Number(capacity)))
    if (of('status') === 'Discharging') discharging = true
  }
  if (levels.length === 0) return { onBattery: discharging ? true : null, batteryPercent: null }
  return { onBattery: discharging || mains === false, batteryPercent: Math.round(levels.reduce((sum, level) => sum + level, 0) / levels.length) }
}

/** Sensors that are broken or not wired say 0, -273 or some thousand degrees. */
const COLD = 1, HOT = 150
/** The hottest of all sensors, in °C. */
export function readCelsius(sys: string): number | null {
  const found: number[] = []
  const take = (path: string): void => { const milli = Number(text(path) ?? Number.NaN); if (milli >= COLD * 1000 && milli <= HOT * 1000) found.push(milli / 1000) }
  for (const zone of names(join(sys, 'class/thermal'))) if (zone.startsWith('thermal_zone')) take(join(sys, 'class/thermal', zone, 'temp'))
  // Many AMD machines have no thermal zone for the processor, but a hardware monitor.
  for (const monitor of names(join(sys, 'class/hwmon'))) {
    if (!/^(coretemp|k10temp|zenpower|cpu_thermal)$/.test(text(join(sys, 'class/hwmon', monitor, 'name')) ?? '')) continue
    for (const file of names(join(sys, 'class/hwmon', monitor))) if (/^temp\d+_input$/.test(file)) take(join(sys, 'class/hwmon', monitor, file))
  }
  return found.length === 0 ? null : Math.max(...found)
}
