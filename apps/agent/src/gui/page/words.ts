// Numbers, times and hours as people read them. One place, so that the same thing looks the same everywhere on the page.

/** Micro-credits, as the market writes them, in credits: as many decimals as a small sum needs. */
export function credits(micros: string): string {
  const value = BigInt(micros), whole = value / 1_000_000n, part = (value % 1_000_000n).toString().padStart(6, '0')
  const shown = whole >= 10n ? part.slice(0, 2) : part.replace(/0{1,4}$/, '')
  return `${whole.toLocaleString('en-GB')}.${shown}`
}
export function size(bytes: number): string {
  const gib = bytes / 2 ** 30
  return gib >= 1 ? `${gib.toFixed(gib >= 100 ? 0 : 1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`
}
export function duration(ms: number): string {
  const s = Math.floor(ms / 1000)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}
export const percent = (value: number): string => `${Math.round(value)} %`
/** `14:05`, `tomorrow 08:00`, `Mon 08:00`, `3 Dec 08:00`. */
export function moment(at: number, now: number): string {
  const then = new Date(at), time = then.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000)
  if (days === 0) return time
  if (days === 1) return `tomorrow ${time}`
  return `${days > 1 && days < 7 ? then.toLocaleDateString('en-GB', { weekday: 'short' }) : then.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`
}
const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0)

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = (typeof DAYS)[number]
export type Week = Record<Day, string[]>
const NAMES: Record<Day, string> = { mon: 'Mon', tue: 'Tue', wed: 'Wed', thu: 'Thu', fri: 'Fri', sat: 'Sat', sun: 'Sun' }
export const LONG: Record<Day, string> = { mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday', fri: 'Friday', sat: 'Saturday', sun: 'Sunday' }

/** `Mon–Fri 00:00–07:00 and 22:00–24:00; Sat, Sun all day`: days that are alike are one. */
export function hoursText(week: Week): string {
  const groups: { days: Day[]; text: string }[] = []
  for (const day of DAYS) {
    const text = week[day].length === 0 ? '' : week[day].length === 1 && week[day][0] === '00:00-24:00' ? 'all day' : week[day].map((range) => range.replace('-', '–')).join(' and ')
    if (text === '') continue
    const known = groups.find((group) => group.text === text)
    if (known) known.days.push(day); else groups.push({ days: [day], text })
  }
  if (groups.length === 0) return 'never'
  if (groups.length === 1 && groups[0]?.days.length === 7) return groups[0].text === 'all day' ? 'at all hours' : `every day ${groups[0].text}`
  return groups.map(({ days, text }) => `${daysText(days)} ${text}`).join('; ')
}
function daysText(days: readonly Day[]): string {
  const parts: string[] = []
  for (let i = 0; i < days.length;) {
    let end = i
    while (end + 1 < days.length && DAYS.indexOf(days[end + 1] as Day) === DAYS.indexOf(days[end] as Day) + 1) end++
    parts.push(end - i >= 2 ? `${NAMES[days[i] as Day]}–${NAMES[days[end] as Day]}` : days.slice(i, end + 1).map((day) => NAMES[day]).join(', '))
    i = end + 1
  }
  return parts.join(', ')
}
