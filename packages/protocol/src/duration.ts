const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR

/** `850 ms`, `3.2 s`, `4 min 5 s`, `2 h 10 min`, `3 d 4 h`: two units at most. */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59.95 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  const two = (unit: number, name: string, next: number, nextName: string): string => {
    const total = Math.round(ms / next), per = unit / next
    return `${Math.floor(total / per)} ${name}${total % per > 0 ? ` ${total % per} ${nextName}` : ''}`
  }
  return ms < HOUR ? two(MINUTE, 'min', SECOND, 's') : ms < DAY ? two(HOUR, 'h', MINUTE, 'min') : two(DAY, 'd', HOUR, 'h')
}
