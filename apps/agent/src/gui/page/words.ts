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
