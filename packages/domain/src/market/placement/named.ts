// Hardware that much of the typical work names is kept for it: work that would run anywhere goes elsewhere first. Without this, an engine that fills nodes up takes
// the scarce ones for whoever comes first, and what names them is refused while others stand idle (openb lists with many named GPUs, bench/matching/packing.ts).
import type { Typical } from './view.ts'

export const HARDWARE_MAX = 32
const MOST = 1000

/** Per hardware, how many thousandths of it typical work would ask for by name if it asked for as much as there is; `supply` is GPUs by hardware. */
export function namedOf(typical: readonly Typical[], supply: Float64Array): Int32Array {
  const named = new Float64Array(HARDWARE_MAX), out = new Int32Array(HARDWARE_MAX)
  let asked = 0, all = 0
  for (let h = 0; h < HARDWARE_MAX; h++) all += supply[h] as number
  for (const { share, gpus, gpuMillis, hardware } of typical) {
    const amount = share * gpus * gpuMillis
    asked += amount
    if (hardware === 0 || amount === 0) continue
    let could = 0
    for (let h = 0; h < HARDWARE_MAX; h++) if ((hardware & (1 << h)) !== 0) could += supply[h] as number
    // Who names several takes of each as there is of it.
    for (let h = 0; h < HARDWARE_MAX; h++) if ((hardware & (1 << h)) !== 0 && could > 0) named[h] = (named[h] as number) + (amount * (supply[h] as number)) / could
  }
  for (let h = 0; h < HARDWARE_MAX; h++) if (asked > 0 && (supply[h] as number) > 0) out[h] = Math.min(MOST, Math.round((1000 * (named[h] as number) * all) / (asked * (supply[h] as number))))
  return out
}
