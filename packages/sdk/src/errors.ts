import { REFUSALS, Problem } from '@lumaris/protocol'
import type { RefusalCode } from '@lumaris/protocol'

/** What can go wrong on this side of the wire; everything else is a refusal of the server. */
export const CLIENT_FAULTS = {
  unreachable: 'Check the address, and that the server runs there.',
  timed_out: 'The server did not answer in time. Try again; with the same id or key it happens at most once.',
  bad_reply: 'Client and server may be of different versions.',
  stream_lost: 'The connection was lost again and again. Try again later; nothing on the server has changed.',
  blob_corrupt: 'The bytes that came are not the ones that were asked for. Nothing was kept.',
  file_exists: 'Move it away, or choose another place.',
  cannot_split: 'The input cannot be split like this. Nothing was sent, and nothing spent.',
  cannot_merge: 'The results are kept on the market: merge them in another way, or fetch them with lumaris results.',
  bad_pipeline: 'Nothing was submitted: correct the file, and run it again.',
  not_a_map: 'Name a job that was made by lumaris map.',
  parts_failed: 'lumaris logs shows what they said; lumaris retry repeats them, and only them.',
  reduce_failed: 'lumaris logs shows what it said; lumaris retry runs it again.',
} as const
export type ClientFault = keyof typeof CLIENT_FAULTS
// An older client meets codes it does not know: they stay strings, and what is known is still offered by the editor.
export type ErrorCode = RefusalCode | ClientFault | (string & {})

type Facts = {
  status?: number | undefined; hint?: string | undefined; retry?: boolean | undefined; requestId?: string | undefined
  detail?: Problem['detail']; errors?: Problem['errors']; retryAfterMs?: number | undefined; cause?: unknown
}

/** Every failure of this client, told apart by `code`. `retry` says whether the same request may succeed later. */
export class LumarisError extends Error {
  override readonly name = 'LumarisError'
  readonly code: ErrorCode
  readonly status: number | undefined
  readonly hint: string
  readonly retry: boolean
  readonly requestId: string | undefined
  readonly detail: Record<string, unknown> | undefined
  readonly errors: readonly { pointer: string; message: string }[] | undefined
  readonly retryAfterMs: number | undefined
  constructor(code: ErrorCode, message: string, facts: Facts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    this.status = facts.status
    this.hint = facts.hint ?? hintOf(code)
    this.retry = facts.retry ?? false
    this.requestId = facts.requestId
    this.detail = facts.detail
    this.errors = facts.errors
    this.retryAfterMs = facts.retryAfterMs
  }
}

export const isLumarisError = (error: unknown, code?: ErrorCode): error is LumarisError => error instanceof LumarisError && (code === undefined || error.code === code)

const hintOf = (code: string): string => (CLIENT_FAULTS as Record<string, string>)[code] ?? (REFUSALS as Record<string, { hint: string }>)[code]?.hint ?? ''

// Read loosely: a newer server may use a code that this client does not know yet.
const LooseProblem = Problem.partial().extend({ code: Problem.shape.type, title: Problem.shape.title })

/** The error behind a reply that is not a success: problem+json where the server sent it, the bare status where something between us did. */
export async function errorOf(response: Response): Promise<LumarisError> {
  const retryAfterMs = retryAfter(response.headers.get('retry-after'))
  const text = await response.text().catch(() => '')
  const problem = LooseProblem.safeParse(jsonOf(text))
  if (problem.success) {
    const { code, title, ...facts } = problem.data
    return new LumarisError(code, title, { ...facts, status: response.status, retryAfterMs })
  }
  const { status } = response
  const requestId = response.headers.get('x-request-id') ?? undefined
  // No body of ours (a proxy, or a reply to HEAD): the status has to do.
  const code = status === 404 ? 'not_found' : status === 401 ? 'unauthenticated' : status === 403 ? 'forbidden' : status === 429 ? 'rate_limited' : status >= 500 ? 'unavailable' : 'bad_reply'
  return new LumarisError(code, `The server answered ${status}${response.statusText ? ` ${response.statusText}` : ''}`, { status, requestId, retryAfterMs, retry: status === 429 || status >= 500 })
}

function jsonOf(text: string): unknown {
  try { return JSON.parse(text) } catch { return undefined } // not JSON: the caller falls back on the status
}

function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

/** What a failed `fetch` means: it only says "fetch failed", and its causes tell why. */
export function unreachable(origin: string, error: unknown): LumarisError {
  let why = ''
  for (let at: unknown = error; at instanceof Error; at = at.cause) why = WHY[(at as { code?: string }).code ?? ''] ?? (why || (at.cause ? '' : at.message))
  return new LumarisError('unreachable', `Cannot reach ${origin}${why ? `: ${why}` : ''}`, { cause: error, retry: true })
}
const WHY: Record<string, string> = {
  ECONNREFUSED: 'nothing answers there', ENOTFOUND: 'no such host', EAI_AGAIN: 'the name could not be looked up', ECONNRESET: 'the connection was cut', UND_ERR_SOCKET: 'the connection was cut',
  ETIMEDOUT: 'it does not answer', UND_ERR_CONNECT_TIMEOUT: 'it does not answer', CERT_HAS_EXPIRED: 'its certificate has expired', DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
}
