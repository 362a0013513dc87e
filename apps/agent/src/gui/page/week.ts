// The hours of a week as a grid of switches: arrows move, space changes, a press on a day's name changes the whole day, and a drag paints. Hours that an
// owner has written by hand to the minute are shown as half filled, and stay as they are until that day is touched.
import { DAY_NAMES, WEEK, cellLabel, cellsOf, flipDay, never, paint, step } from './week-hours.js'
import type { At, Week } from './week-hours.js'

type Day = At['day']

export interface WeekGrid { set(week: Week): void; get(): Week }
export function createWeek(root: HTMLElement, changed: () => void): WeekGrid {
  let week: Week = never()
  const cells = new Map<Day, HTMLButtonElement[]>()
  const narrow = matchMedia('(max-width: 640px)')
  let painting: boolean | null = null

  const corner = document.createElement('span')
  corner.className = 'hour'
  root.append(corner)
  for (let hour = 0; hour < 24; hour++) {
    const head = document.createElement('span')
    head.className = 'hour'
    head.textContent = String(hour).padStart(2, '0')
    head.ariaHidden = 'true'
    root.append(head)
  }
  for (const day of WEEK) {
    const name = button('day', `${DAY_NAMES[day]}, all day`)
    name.textContent = DAY_NAMES[day].slice(0, 3)
    name.addEventListener('click', () => change(flipDay(week, day)))
    root.append(name)
    cells.set(day, Array.from({ length: 24 }, (_, hour) => {
      const cell = button('cell', cellLabel(day, hour))
      cell.tabIndex = -1
      cell.dataset['day'] = day
      cell.dataset['hour'] = String(hour)
      root.append(cell)
      return cell
    }))
  }
  const first = cells.get('mon')?.[0]
  if (first) first.tabIndex = 0

  root.addEventListener('keydown', (event) => {
    const at = whereOf(event.target)
    if (!at) return
    const to = step(at, event.key, narrow.matches)
    if (!to) return
    event.preventDefault()
    focus(to.day, to.hour)
  })
  root.addEventListener('click', (event) => { const at = whereOf(event.target); if (at && event.detail === 0) flip(at.day, at.hour) }) // of the keyboard
  root.addEventListener('pointerdown', (event) => {
    const at = whereOf(event.target)
    if (!at) return
    painting = cellsOf(week[at.day])[at.hour] !== true
    brush(at.day, at.hour)
    focus(at.day, at.hour)
  })
  root.addEventListener('pointermove', (event) => { if (painting === null) return; const at = whereOf(document.elementFromPoint(event.clientX, event.clientY)); if (at) brush(at.day, at.hour) })
  addEventListener('pointerup', () => { painting = null })

  function focus(day: Day, hour: number): void {
    for (const all of cells.values()) for (const cell of all) cell.tabIndex = -1
    const cell = cells.get(day)?.[hour]
    if (cell) { cell.tabIndex = 0; cell.focus() }
  }
  const flip = (day: Day, hour: number): void => { painting = cellsOf(week[day])[hour] !== true; brush(day, hour); painting = null }
  function brush(day: Day, hour: number): void {
    if (painting === null) return
    const next = paint(week, day, hour, painting)
    if (next !== week) change(next)
  }
  function change(next: Week): void {
    week = next
    show()
    changed()
  }
  function show(): void { for (const day of WEEK) cellsOf(week[day]).forEach((cell, hour) => { const one = cells.get(day)?.[hour]; if (one) one.ariaPressed = String(cell) }) }
  show()
  return { set(next) { week = next; show() }, get: () => week }
}

function button(name: string, label: string): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.className = name
  made.ariaLabel = label
  return made
}
const whereOf = (target: EventTarget | null): At | null => {
  const { day, hour } = (target instanceof HTMLElement ? target.dataset : {}) as { day?: Day; hour?: string }
  return day === undefined || hour === undefined ? null : { day, hour: Number(hour) }
}
