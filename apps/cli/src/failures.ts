// Every failure a person can meet, as an exit code and three lines: what failed, why, what to do next.
import { LumarisError } from '@lumaris/sdk'
import { clean } from './ui/clean.ts'
import type { Colours } from './ui/colours.ts'
import { creditsOf } from './ui/money.ts'

export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, loginNeeded: 4, forbidden: 5, conflict: 6, noFunds: 7, timeout: 8, jobFailed: 9, interrupted: 130 } as const
export const EXIT_HELP = `Exit codes:
  0 ok   1 failed   2 usage   3 not found   4 sign in first   5 not allowed   6 conflict   7 not enough credits
  8 timed out   9 the job failed   130 interrupted.   \`run\` ends with the exit code of the program itself.`

/** A failure of the command line's own, with the hint it deserves. */
export class CliError extends Error {
  readonly exitCode: number
  readonly hint: string
  constructor(message: string, hint: string, exitCode: number = EXIT.failed, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
    this.hint = hint
  }
}

const BY_CODE: Readonly<Record<string, number>> = {
  idempotency_conflict: EXIT.conflict, file_exists: EXIT.conflict, cannot_split: EXIT.usage, bad_pipeline: EXIT.usage, not_a_map: EXIT.usage, parts_failed: EXIT.jobFailed, reduce_failed: EXIT.jobFailed, timed_out: EXIT.timeout, insufficient_funds: EXIT.noFunds, invalid_request: EXIT.usage, malformed_json: EXIT.usage,
}
const BY_STATUS: Readonly<Record<number, number>> = { 401: EXIT.loginNeeded, 402: EXIT.noFunds, 403: EXIT.forbidden, 404: EXIT.notFound, 409: EXIT.conflict }

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode
  if (error instanceof LumarisError) return BY_CODE[error.code] ?? BY_STATUS[error.status ?? 0] ?? EXIT.failed
  if (error instanceof Error && error.name === 'AbortError') return EXIT.interrupted
  return EXIT.failed
}

export function renderFailure(error: unknown, options: { colours: Colours; verbose?: boolean | undefined }): string {
  const { red, dim } = options.colours
  const line = (text: string): string => `  ${clean(text)}\n`
  const message = error instanceof Error ? error.message : String(error)
  let text = `${red('error:')} ${clean(message)}\n`
  if (error instanceof LumarisError) {
    for (const { pointer, message: says } of error.errors ?? []) text += line(`${pointer || '/'}: ${says}`)
    for (const [name, value] of Object.entries(error.detail ?? {})) text += name === 'problems' && Array.isArray(value) ? (value as { line?: unknown; says?: unknown }[]).map((one) => line(`line ${String(one.line)}: ${String(one.says)}`)).join('') : line(`${name}: ${detailText(name, value)}`)
    if (error.hint) text += `${dim('hint:')} ${clean(error.hint)}\n`
    if (error.requestId) text += `${dim('request:')} ${clean(error.requestId)}\n`
  } else {
    const hint = hintOf(error)
    if (hint) text += `${dim('hint:')} ${clean(hint)}\n`
  }
  if (options.verbose) for (let at: unknown = error; at instanceof Error; at = at.cause) text += `${(at.stack ?? at.message).split('\n').map(line).join('')}`
  return text
}

/** The same as the server's problem document where it sent one. */
export function failureJson(error: unknown): Record<string, unknown> {
  if (error instanceof LumarisError) {
    const { code, message, status, hint, retry, requestId, detail, errors } = error
    return { code, title: message, status, hint, retry, requestId, detail, errors }
  }
  if (error instanceof CliError) return { code: error.exitCode === EXIT.usage ? 'usage' : 'cli_failed', title: error.message, hint: error.hint, retry: false }
  return { code: 'cli_failed', title: error instanceof Error ? error.message : String(error), hint: hintOf(error), retry: false }
}

/** For failures of this machine, by the name that the system gives them. */
const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Something listens there already: stop it, or choose another --port.', EACCES: 'You lack the right to that file or port.', ENOSPC: 'The disk is full: make room, then try again.', EROFS: 'That folder cannot be written to: choose another one.',
}
/** By their own name: the server is loaded only where a command starts one, so its classes are not known here. */
const NAMED_HINTS: Readonly<Record<string, string>> = { DatabaseError: 'Look at --data and --database.' }
const hintOf = (error: unknown): string => (error instanceof CliError ? error.hint : (SYSTEM_HINTS[(error as { code?: string } | null)?.code ?? ''] ?? NAMED_HINTS[(error as { name?: string } | null)?.name ?? ''] ?? ''))

const MONEY = new Set(['needed', 'available', 'cap', 'amount', 'atLeast', 'missing', 'min', 'max'])
function detailText(name: string, value: unknown): string {
  if (MONEY.has(name) && typeof value === 'string' && /^-?\d{1,18}$/.test(value)) return creditsOf(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
