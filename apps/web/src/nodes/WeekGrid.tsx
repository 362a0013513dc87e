// The hours of a week as a grid of switches: arrows move, space changes, a press on a day's name changes the whole day, and a drag paints. What a cell is
// and where a key leads is the same module that the screen on the machine is made with.
import { Fragment, useEffect, useRef, useState } from 'react'
import type { KeyboardEvent, PointerEvent } from 'react'
import { DAY_NAMES, WEEK, cellLabel, cellsOf, flipDay, paint, step } from '@lumaris/protocol/week-hours'
import type { At, Week } from '@lumaris/protocol/week-hours'

/** As in limits.css. */
const NARROW = '(max-width: 48rem)'
const placeOf = (target: EventTarget | null): At | null => {
  const { day, hour } = (target instanceof HTMLElement ? target.dataset : {}) as { day?: At['day']; hour?: string }
  return day === undefined || hour === undefined ? null : { day, hour: Number(hour) }
}
export function WeekGrid({ week, change, disabled, label }: { week: Week; change: (week: Week) => void; disabled: boolean; label: string }) {
  const root = useRef<HTMLDivElement>(null), brush = useRef<boolean | null>(null), [at, setAt] = useState<At>({ day: 'mon', hour: 0 })
  useEffect(() => {
    const lift = (): void => { brush.current = null }
    addEventListener('pointerup', lift)
    return () => removeEventListener('pointerup', lift)
  }, [])
  const go = (to: At): void => { setAt(to); root.current?.querySelector<HTMLElement>(`[data-day="${to.day}"][data-hour="${to.hour}"]`)?.focus() }
  const draw = ({ day, hour }: At): void => { if (brush.current !== null) { const next = paint(week, day, hour, brush.current); if (next !== week) change(next) } }
  const keyed = (event: KeyboardEvent): void => {
    const from = placeOf(event.target), to = from && step(from, event.key, matchMedia(NARROW).matches)
    if (!to) return
    event.preventDefault()
    go(to)
  }
  const pressed = (event: PointerEvent): void => {
    const place = placeOf(event.target)
    if (!place || disabled) return
    // A finger would otherwise keep every move to the cell that it touched first.
    if (event.target instanceof Element && event.target.hasPointerCapture(event.pointerId)) event.target.releasePointerCapture(event.pointerId)
    brush.current = cellsOf(week[place.day])[place.hour] !== true
    draw(place)
    go(place)
  }
  return (
    <div ref={root} className="week-grid" role="group" aria-label={label} onKeyDown={keyed} onPointerDown={pressed} onPointerMove={(event) => { const place = brush.current === null ? null : placeOf(document.elementFromPoint(event.clientX, event.clientY)); if (place) draw(place) }}>
      <span />{Array.from({ length: 24 }, (_, hour) => <span key={hour} aria-hidden>{String(hour).padStart(2, '0')}</span>)}
      {WEEK.map((day) => (
        <Fragment key={day}>
          <button type="button" disabled={disabled} aria-label={`${DAY_NAMES[day].slice(0, 3)}: all of ${DAY_NAMES[day]}`} onClick={() => change(flipDay(week, day))}>{DAY_NAMES[day].slice(0, 3)}</button>
          {cellsOf(week[day]).map((cell, hour) => <button key={hour} type="button" className="cell" disabled={disabled} data-day={day} data-hour={hour} aria-label={cellLabel(day, hour)} aria-pressed={cell} tabIndex={at.day === day && at.hour === hour ? 0 : -1}
            onClick={(event) => { if (event.detail === 0) change(paint(week, day, hour, cell !== true)) /* of the keyboard */ }} />)}
        </Fragment>))}
    </div>
  )
}
