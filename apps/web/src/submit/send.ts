// Handing a job in so that the truth about it is known whatever happens to the connection. The job's id is made here, before the first try: sending it
// again is the same job, and afterwards anybody can be asked whether there is one by that name.
import type { Job, JobSpecInput } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import type { Client } from '@lumaris/sdk'

export type Sent =
  | { readonly kind: 'accepted'; readonly job: Job; /** The answer was lost; the job was found by asking. */ readonly afterDoubt: boolean }
  | { readonly kind: 'refused'; readonly error: unknown }
  /** Asked, and there is no such job: nothing is held, and the same request may be sent again. */
  | { readonly kind: 'absent'; readonly error: unknown }
  /** Not even the question was answered. */
  | { readonly kind: 'unknown'; readonly error: unknown }

/** Whether a failure leaves open what became of the request. A refusal does not; a lost or broken answer does. */
const isDoubt = (error: unknown): boolean => !isLumarisError(error) || error.status === undefined || error.status >= 500

export async function sendJob(client: Client, request: { id: string; spec: JobSpecInput; quote?: string; cap?: string; secrets?: Readonly<Record<string, string>> | undefined }): Promise<Sent> {
  try {
    return { kind: 'accepted', job: await client.submit(request.spec, { id: request.id, quote: request.quote, cap: request.cap, secrets: request.secrets }), afterDoubt: false }
  } catch (error) {
    return isDoubt(error) ? askFor(client, request.id, error) : { kind: 'refused', error }
  }
}
export async function askFor(client: Client, id: string, error: unknown): Promise<Sent> {
  try { return { kind: 'accepted', job: await client.job(id), afterDoubt: true } } catch (failure) {
    return isLumarisError(failure, 'not_found') ? { kind: 'absent', error } : { kind: 'unknown', error: failure }
  }
}
