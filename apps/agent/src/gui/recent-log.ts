// The last lines of the agent's log, kept in memory for the owner's screen; they go on to where they went before.
import type { Log } from '../log.ts'
import { saysOf } from '../log.ts'

export type LogLine = { readonly at: number; readonly level: keyof Log; readonly says: string; readonly fields: string }
const LINES_MAX = 500, FIELDS_MAX = 500

const LEVELS = ['debug', 'info', 'warn', 'error'] as const satisfies readonly (keyof Log)[]
/** `usual`: what is told where the owner does not say how much. */
export function tapLog(to: Log, wall: () => number, usual: keyof Log = 'debug'): { readonly log: Log; readonly lines: () => readonly LogLine[]; /** At once; null: as usual. */ readonly level: (level: keyof Log | null) => void } {
  const lines: LogLine[] = []
  let asked: keyof Log | null = null
  const keep = (level: keyof Log) => (fields: object, says: string): void => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(asked ?? usual)) return
    to[level](fields, says)
    // What nobody asked for would push out what helps.
    if (level === 'debug' && asked !== 'debug') return
    lines.push({ at: wall(), level, says, fields: textOf(fields) })
    if (lines.length > LINES_MAX) lines.shift()
  }
  return { log: { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }, lines: () => lines, level: (level) => { asked = level } }
}
function textOf(fields: object): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${value instanceof Error ? saysOf(value) : typeof value === 'string' ? value : JSON.stringify(value)}`)
  return parts.join(' ').slice(0, FIELDS_MAX)
}
