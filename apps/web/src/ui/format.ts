// How money, times and sizes are written, once; and strangers' text as text.
import { GIB, MIB, formatCredits, formatDuration as duration } from '@lumaris/protocol'

export { duration }

export const credits = (micros: string | bigint): string => formatCredits(BigInt(micros))
export const creditsText = (micros: string | bigint): string => `${credits(micros)} credits`
/** A movement: its sign stands in the text, not only in its colour. */
export const signed = (micros: bigint): string => (micros > 0n ? `+${formatCredits(micros)}` : micros < 0n ? `−${formatCredits(-micros)}` : formatCredits(0n))

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR
export function ago(at: number, now: number): string {
  const ms = now - at
  if (ms < -2 * SECOND) return `in ${duration(-ms)}`
  if (ms < 5 * SECOND) return 'just now'
  const [unit, name] = ms < MINUTE ? [SECOND, 's'] : ms < HOUR ? [MINUTE, 'min'] : ms < 2 * DAY ? [HOUR, 'h'] : [DAY, 'd']
  return `${Math.floor(ms / unit)} ${name} ago`
}
export function size(bytes: number): string {
  if (bytes >= GIB) return `${trim(bytes / GIB)} GiB`
  if (bytes >= MIB) return `${trim(bytes / MIB)} MiB`
  return bytes >= 1024 ? `${trim(bytes / 1024)} KiB` : `${bytes} B`
}
const trim = (value: number): string => (value >= 100 ? value.toFixed(0) : String(Math.round(value * 10) / 10))
export const cores = (millis: number): string => (millis === 1000 ? '1 core' : `${trim(millis / 1000)} cores`)
export const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`
export const plural = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString('en')} ${count === 1 ? one : many}`

/** Text that others wrote, as what it is: control characters (an escape that would colour a terminal) and marks that turn the direction of writing become signs one can see. */
export const visible = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (sign) => `<U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}>`)
