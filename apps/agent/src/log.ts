/** What pino offers, and no more, so that tests can listen. */
export interface Log {
  debug(fields: object, says: string): void
  info(fields: object, says: string): void
  warn(fields: object, says: string): void
  error(fields: object, says: string): void
}
const nothing = (): void => undefined
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** An end of the agent that a person can do something about: printed as this one sentence, without a stack. */
export class AgentStopped extends Error {
  override readonly name = 'AgentStopped'
}
export const saysOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
/** The system's short name of what went wrong, such as ENOENT. */
export const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
