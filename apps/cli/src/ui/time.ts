export { formatDuration as durationText } from '@lumaris/protocol'

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR
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
