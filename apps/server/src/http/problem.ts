// The one place that knows status codes: a refusal becomes problem+json here, and nowhere else.
import { REFUSALS } from '@lumaris/protocol'
import type { Problem, Refusal } from '@lumaris/protocol'
import type { FastifyReply } from 'fastify'
import type { ZodError } from 'zod'

/** Thrown by a handler for an expected no. */
export class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.refusal)
    this.refusal = refusal
  }
}

const RETRY_AFTER_SECONDS = 1

export function problemOf(refusal: Refusal, requestId: string, errors?: Problem['errors']): Problem {
  const kind = REFUSALS[refusal.refusal]
  return {
    type: `urn:lumaris:refusal:${refusal.refusal}`, title: kind.title, status: kind.status, code: refusal.refusal, hint: kind.hint, retry: kind.retry, requestId,
    ...(refusal.detail ? { detail: refusal.detail } : {}), ...(errors ? { errors } : {}),
  }
}

export async function sendRefusal(reply: FastifyReply, refusal: Refusal, errors?: Problem['errors']): Promise<FastifyReply> {
  const problem = problemOf(refusal, String(reply.request.id), errors)
  if (problem.retry) {
    const ms = typeof refusal.detail?.['retryAfterMs'] === 'number' ? refusal.detail['retryAfterMs'] : RETRY_AFTER_SECONDS * 1000
    void reply.header('retry-after', String(Math.max(1, Math.ceil(ms / 1000))))
  }
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer')
  return reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem))
}

/** A schema's complaints as JSON pointers; at most this many, so that a hostile body cannot make a large reply. */
const ERRORS_MAX = 20
export function zodErrors(error: ZodError, base: string): NonNullable<Problem['errors']> {
  return error.issues.slice(0, ERRORS_MAX).map((issue) => ({ pointer: `${base}${issue.path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`, message: issue.message }))
}
