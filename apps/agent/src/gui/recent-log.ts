// The last lines of the agent's log, kept in memory for the owner's screen; they go on to where they went before.
import type { Log } from '../log.ts'
import { saysOf } from '../log.ts'

export type LogLine = { readonly at: number; readonly level: keyof Log; readonly says: string; readonly fields: string }
const LINES_MAX = 500, FIELDS_MAX = 500

export function tapLog(to: Log, wall: () => number): { readonly log: Log; lines(): readonly LogLine[] } {
  const lines: LogLine[] = []
  const keep = (level: keyof Log) => (fields: object, says: string): void => {
    to[level](fields, says)
    if (level === 'debug') return
    lines.push({ at: wall(), level, says, fields: textOf(fields) })
    if (lines.length > LINES_MAX) lines.shift()
  }
  return { log: { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }, lines: () => lines }
}
function textOf(fields: object): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${value instanceof Error ? saysOf(value) : typeof value === 'string' ? value : JSON.stringify(value)}`)
  return parts.join(' ').slice(0, FIELDS_MAX)
}
