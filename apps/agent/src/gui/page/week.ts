// The hours of a week as a grid of switches: arrows move, space changes, a press on a day's name changes the whole day, and a drag paints. Hours that an
// owner has written by hand to the minute are shown as half filled, and stay as they are until that day is touched.
import { DAYS, LONG } from './words.js'
import type { Day, Week } from './words.js'

type Cell = boolean | 'mixed'
const hh = (hour: number): string => String(hour).padStart(2, '0')
const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))

export interface WeekGrid { set(week: Week): void; get(): Week }
export function createWeek(root: HTMLElement, changed: () => void): WeekGrid {
  let week: Week = empty()
  const cells = new Map<Day, HTMLButtonElement[]>()
  const narrow = matchMedia('(max-width: 640px)')
  let painting: boolean | null = null

  const corner = document.createElement('span')
  corner.className = 'hour'
  root.append(corner)
  for (let hour = 0; hour < 24; hour++) {
    const head = document.createElement('span')
    head.className = 'hour'
    head.textContent = hh(hour)
    head.ariaHidden = 'true'
    root.append(head)
  }
  for (const day of DAYS) {
    const name = button('day', `${LONG[day]}, all day`)
    name.textContent = LONG[day].slice(0, 3)
    name.addEventListener('click', () => { const on = cellsOf(week[day]).every((cell) => cell === true); change(day, Array.from({ length: 24 }, () => !on)) })
    root.append(name)
    cells.set(day, Array.from({ length: 24 }, (_, hour) => {
      const cell = button('cell', `${LONG[day]} ${hh(hour)}:00 to ${hh(hour + 1)}:00`)
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
    const step: readonly [days: number, hours: number] | undefined = ({ ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -24], End: [0, 24] } as const)[event.key]
    if (!step) return
    event.preventDefault()
    const turned = narrow.matches && event.key.startsWith('Arrow')
    const days = turned ? step[1] : step[0], hours = turned ? step[0] : step[1]
    focus(DAYS[Math.min(6, Math.max(0, DAYS.indexOf(at.day) + days))] as Day, Math.min(23, Math.max(0, at.hour + hours)))
  })
  root.addEventListener('click', (event) => { const at = whereOf(event.target); if (at && event.detail === 0) flip(at.day, at.hour) }) // of the keyboard
  root.addEventListener('pointerdown', (event) => {
    const at = whereOf(event.target)
    if (!at) return
    painting = cellsOf(week[at.day])[at.hour] !== true
    paint(at.day, at.hour)
    focus(at.day, at.hour)
  })
  root.addEventListener('pointermove', (event) => { if (painting === null) return; const at = whereOf(document.elementFromPoint(event.clientX, event.clientY)); if (at) paint(at.day, at.hour) })
  addEventListener('pointerup', () => { painting = null })

  function focus(day: Day, hour: number): void {
    for (const all of cells.values()) for (const cell of all) cell.tabIndex = -1
    const cell = cells.get(day)?.[hour]
    if (cell) { cell.tabIndex = 0; cell.focus() }
  }
  const flip = (day: Day, hour: number): void => { painting = cellsOf(week[day])[hour] !== true; paint(day, hour); painting = null }
  function paint(day: Day, hour: number): void {
    const now = cellsOf(week[day])
    if (painting === null || now[hour] === painting) return
    change(day, now.map((cell, i) => (i === hour ? painting === true : cell !== false)))
  }
  function change(day: Day, open: boolean[]): void {
    week = { ...week, [day]: rangesOf(open) }
    show()
    changed()
  }
  function show(): void { for (const day of DAYS) cellsOf(week[day]).forEach((cell, hour) => { const one = cells.get(day)?.[hour]; if (one) one.ariaPressed = String(cell) }) }
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
const whereOf = (target: EventTarget | null): { day: Day; hour: number } | null => {
  const { day, hour } = (target instanceof HTMLElement ? target.dataset : {}) as { day?: Day; hour?: string }
  return day === undefined || hour === undefined ? null : { day, hour: Number(hour) }
}
export const empty = (): Week => ({ mon: [], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] })

function cellsOf(ranges: readonly string[]): Cell[] {
  const covered = Array.from({ length: 24 }, () => 0)
  for (const range of ranges) {
    const from = minuteOf(range.slice(0, 5)), to = minuteOf(range.slice(6))
    for (let hour = 0; hour < 24; hour++) covered[hour] = (covered[hour] ?? 0) + Math.max(0, Math.min(to, (hour + 1) * 60) - Math.max(from, hour * 60))
  }
  return covered.map((minutes) => (minutes >= 60 ? true : minutes > 0 ? 'mixed' : false))
}
function rangesOf(open: readonly boolean[]): string[] {
  const ranges: string[] = []
  for (let hour = 0; hour < 24; hour++) {
    if (!open[hour]) continue
    let end = hour
    while (end < 24 && open[end]) end++
    ranges.push(`${hh(hour)}:00-${hh(end)}:00`)
    hour = end
  }
  return ranges
}
