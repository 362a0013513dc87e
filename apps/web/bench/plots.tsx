// Four plots of a node's page with a moving window of points, for `npm run bench:web`: the components that the page uses, and nothing around them.
import '@mantine/core/styles.css'
import '../src/global.css'
import { useState } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { MantineProvider } from '@mantine/core'
import type { NodeReadings } from '@lumaris/protocol'
import { cssVariables, theme } from '../src/theme.ts'
import { Plot } from '../src/ui/Plot.tsx'
import { plotsOf } from '../src/nodes/read-machine.ts'

const POINTS = Number(new URLSearchParams(location.search).get('points') ?? '3600')
const wave = (i: number, k: number): number => Math.round((50 + 40 * Math.sin(i / (17 * k)) + 8 * Math.sin(i * k)) * 10) / 10
/** A second later: one point out, one in. */
function readingsAt(second: number): NodeReadings {
  const at = Array.from({ length: POINTS }, (_, i) => 1_800_000_000_000 + (second + i) * 1_000), column = (k: number, times = 1) => at.map((_, i) => wave(second + i, k) * times)
  return { everyMs: 1_000, machine: { cores: 8, memoryBytes: 2 ** 34, diskBytes: 2 ** 40 }, at, cpu: column(1), jobsCpu: column(2, 0.6), memory: column(3), disk: column(9), inBytesS: column(4, 1e5), outBytesS: column(5, 1e4), celsius: at.map(() => null) }
}
function Four() {
  const [second, setSecond] = useState(0)
  const readings = readingsAt(second), plots = plotsOf(readings, { cpuMillis: 6_000, memoryBytes: 2 ** 33, diskBytes: 1, gpus: 0 })
  // At once, effects and all: what it takes is then the time of this call and of the microtask in which uPlot draws.
  Object.assign(globalThis, { tick: () => flushSync(() => setSecond((now) => now + 1)) })
  return <div className="plots">{plots.map((one) => <Plot key={one.title} {...one} at={readings.at} from={readings.at[0] ?? 0} until={readings.at.at(-1) ?? 0} />)}</div>
}
createRoot(document.querySelector('#root') as HTMLElement).render(<MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="light"><Four /></MantineProvider>)
