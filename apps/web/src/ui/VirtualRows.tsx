// A long table of which only what is seen is laid out: rows of one height, two gaps for the rest. The next page is asked for when its end comes near.
import { useEffect, useRef, useState } from 'react'
import type { ReactNode } from 'react'

/** In CSS: `.rows tbody tr.row`, `.rows.two-lines tbody tr.row`. */
const ROW_PX = 46.4, TWO_LINES_PX = 64
const AROUND = 12

export function VirtualRows<T>({ rows, row, head, label, more, keyOf, columns, twoLines = false }: { rows: readonly T[]; row: (item: T) => ReactNode; head: ReactNode; label: string; more?: (() => void) | undefined; keyOf: (item: T) => string; columns: number; /** What has no column stands under the name. */ twoLines?: boolean }) {
  const box = useRef<HTMLDivElement>(null), rowPx = twoLines ? TWO_LINES_PX : ROW_PX
  const [seen, setSeen] = useState({ top: 0, height: 900 })
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = (): void => setSeen({ top: element.scrollTop, height: element.clientHeight })
    const observer = new ResizeObserver(look)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => { observer.disconnect(); element.removeEventListener('scroll', look) }
  }, [])
  const first = Math.max(0, Math.floor(seen.top / rowPx) - AROUND), last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / rowPx) + AROUND)
  useEffect(() => { if (more && last >= rows.length - AROUND) more() }, [last, rows.length, more])
  const gap = (count: number) => (count > 0 ? <tr className="gap" aria-hidden><td colSpan={columns} ref={(cell) => { if (cell) cell.style.height = `${count * rowPx}px` }} /></tr> : null)
  return (
    <div className={twoLines ? 'rows two-lines' : 'rows'} ref={box} tabIndex={0} role="region" aria-label={label}>
      <table className="table" aria-rowcount={rows.length}>
        <thead>{head}</thead>
        <tbody>
          {gap(first)}
          {rows.slice(first, last).map((item, i) => <tr key={keyOf(item)} className="row" aria-rowindex={first + i + 1}>{row(item)}</tr>)}
          {gap(rows.length - last)}
        </tbody>
      </table>
    </div>
  )
}
