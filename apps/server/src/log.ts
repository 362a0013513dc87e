import { pino } from 'pino'
import type { Logger } from 'pino'

export type Log = Logger
/** JSON lines on stderr: stdout belongs to whoever started us. What must never be read in a log is cut out here, once. */
export function createLog(level: string, name: string): Log {
  return pino({ name, level, redact: { paths: ['token', 'secret', 'password', 'authorization', '*.token', '*.secret', '*.password', 'req.headers.authorization'], censor: '[redacted]' } }, pino.destination({ dest: 2, sync: false }))
}
