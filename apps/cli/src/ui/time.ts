const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR

/** `850 ms`, `3.2 s`, `4 min 5 s`, `2 h 10 min`, `3 d 4 h`: two units at most. */
export function durationText(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59.95 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  const two = (unit: number, name: string, next: number, nextName: string): string => {
    const total = Math.round(ms / next), per = unit / next
    return `${Math.floor(total / per)} ${name}${total % per > 0 ? ` ${total % per} ${nextName}` : ''}`
  }
  if (ms < HOUR) return two(MINUTE, 'min', SECOND, 's')
  if (ms < DAY) return two(HOUR, 'h', MINUTE, 'min')
  return two(DAY, 'd', HOUR, 'h')
}
export const stamp = (at: number | undefined): string => (at === undefined ? '' : new Date(at).toISOString())
export function agoText(at: number | undefined, now: number): string {
  if (at === undefined) return ''
  const ms = now - at
  if (ms < 2 * SECOND) return 'now'
  const [unit, name] = ms < MINUTE ? [SECOND, 's'] : ms < HOUR ? [MINUTE, 'min'] : ms < 2 * DAY ? [HOUR, 'h'] : [DAY, 'd']
  return `${Math.floor(ms / unit)} ${name} ago`
}

const KIB = 1024
/** `0 B`, `12.0 KiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < KIB || unit === 'TiB') return unit === 'B' ? `${value} B` : `${value.toFixed(1)} ${unit}`
    value /= KIB
  }
  return `${bytes} B`
}
