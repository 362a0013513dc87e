// A line of a machine's last hour, small enough for a row: said in words, because a line says nothing. Drawn without what draws the plots.
import type { NodeLoad } from '@lumaris/protocol'
import './nodes.css'

const WIDE = 60, HIGH = 20
/** Runs of known minutes; a gap is a gap. */
function pathOf(values: readonly (number | null)[]): string {
  const from = WIDE - values.length
  let path = '', open = false
  values.forEach((value, i) => {
    if (value === null) { open = false; return }
    const x = from + i, y = (HIGH - (Math.min(100, value) / 100) * (HIGH - 2) - 1).toFixed(1)
    // A minute alone is a dot: a line of no length with round ends.
    path += open ? `L${x} ${y}` : `M${x} ${y}h0`
    open = true
  })
  return path
}
const last = (values: readonly (number | null)[]): string => { const value = values.findLast((one) => one !== null); return value === undefined || value === null ? '–' : `${Math.round(value)} %` }

export function Spark({ load, name }: { load: NodeLoad | undefined; name: string }) {
  if (!load || load.cpu.length === 0) return <span className="quiet" title="No readings since this market was started">–</span>
  const line = (what: 'cpu' | 'memory', title: string) => (
    <span className={`spark ${what}`} role="img" aria-label={`${title} of ${name} in the last hour: ${last(load[what])} at last, ${Math.round(Math.max(...load[what].map((one) => one ?? 0)))} % at most`} title={title}>
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" aria-hidden><path d={pathOf(load[what])} /></svg><small aria-hidden>{last(load[what])}</small>
    </span>
  )
  return <span className="sparks">{line('cpu', 'Processor')}{line('memory', 'Memory')}</span>
}
