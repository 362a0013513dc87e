// Lines over time, drawn by uPlot on a canvas: said in one sentence, because a canvas says nothing, and shown as a table by whoever uses this. The one
// place that loads uPlot, itself loaded when a screen first plots something.
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { Text } from '@mantine/core'

export type Line = { readonly label: string; /** A variable of the style sheet. */ readonly colour: string; readonly values: readonly (number | null)[]; readonly area?: boolean; /** A bound and no measurement. */ readonly bound?: boolean }
export type PlotProps = { readonly title: string; readonly says: string; /** In ms. */ readonly at: readonly number[]; readonly lines: readonly Line[]; /** The top of the scale; without it the lines say, and it is never below `least`. */ readonly most?: number; readonly least?: number; readonly write: (value: number) => string; /** From when to when, in ms. */ readonly from: number; readonly until: number }
const HEIGHT = 170
/** Fewer than these are points too: one alone has no line. */
const POINTS = 12
const LONG_MS = 2 * 86_400_000
const timeText = (seconds: number, spanMs: number): string => new Date(seconds * 1000).toLocaleString('en-GB', spanMs > LONG_MS ? { weekday: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' })

const dataOf = ({ at, lines }: PlotProps): uPlot.AlignedData => [at.map((one) => one / 1000), ...lines.map((line) => line.values as number[])]
export function Plot(props: PlotProps) {
  const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), shown = useRef(props)
  shown.current = props
  const { title, says, lines, from, until } = props
  // What cannot change in a plot that stands: its lines, and how they look.
  const kind = lines.map(({ label, colour, area, bound }) => [label, colour, area, bound].join()).join(';')
  useEffect(() => {
    const element = box.current
    if (!element) return
    const make = (): void => {
      plot.current?.destroy()
      const look = getComputedStyle(element), colour = (name: string): string => look.getPropertyValue(name).trim()
      const axis = { stroke: colour('--mantine-color-dimmed'), grid: { stroke: colour('--page-line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' }
      const { most, least } = shown.current
      plot.current = new uPlot({
        width: Math.max(160, element.clientWidth), height: HEIGHT, pxAlign: 0, cursor: { show: false }, legend: { show: false },
        // A little room over the largest, and never a scale of nothing.
        scales: { x: { time: true }, y: { range: (_plot, _lowest, largest) => [0, most ?? Math.max(least ?? 1, (largest ?? 0) * 1.1)] } },
        axes: [{ ...axis, space: 70, size: 28, gap: 6, values: (_plot, splits) => splits.map((value) => timeText(value, shown.current.until - shown.current.from)) }, { ...axis, size: 64, space: 34, values: (_plot, splits) => splits.map((value) => shown.current.write(value)) }],
        series: [{}, ...shown.current.lines.map((line): uPlot.Series => ({ label: line.label, stroke: colour(line.colour), width: line.bound ? 1.5 : 2, points: { size: 5, show: () => line.bound !== true && shown.current.at.length < POINTS }, ...(line.bound ? { dash: [6, 5] } : {}), ...(line.area ? { fill: `color-mix(in srgb, ${colour(line.colour)} 16%, transparent)` } : {}) }))],
      }, dataOf(shown.current), element)
      plot.current.setScale('x', { min: shown.current.from / 1000, max: shown.current.until / 1000 })
    }
    make()
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(160, element.clientWidth), height: HEIGHT }))
    resized.observe(element)
    // Colours are read once, when a canvas is drawn: another scheme means drawing anew.
    const recoloured = new MutationObserver(make)
    recoloured.observe(document.documentElement, { attributes: true, attributeFilter: ['data-mantine-color-scheme'] })
    return () => { resized.disconnect(); recoloured.disconnect(); plot.current?.destroy(); plot.current = null }
  }, [kind])
  useEffect(() => {
    plot.current?.batch(() => { plot.current?.setData(dataOf(shown.current), false); plot.current?.setScale('x', { min: from / 1000, max: until / 1000 }) })
  }, [props.at, lines, from, until])
  return (
    <div className="plot">
      <Text size="sm" fw={600}>{title}</Text>
      <div ref={box} role="img" aria-label={`${title}. ${says}`} />
      <div className="plot-key" aria-hidden>{lines.map((line) => <span key={line.label} className={line.bound ? 'bound' : undefined} ref={(element) => element?.style.setProperty('--key', `var(${line.colour})`)}>{line.label}</span>)}</div>
    </div>
  )
}
