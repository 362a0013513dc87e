// Values of a job's secrets, between the request that brings them and the attempt that is given them. They lie sealed in the job's row, bound to its id, and go
// with its end. The hash that tells one request from another is made under a key of the server's: a plain one would let whoever reads the tables guess values.
import { createHmac } from 'node:crypto'
import { SecretValues, refuse } from '@lumaris/protocol'
import type { JobDispatch, JobSpec, Refusal } from '@lumaris/protocol'
import type { JobRow } from '@lumaris/domain'
import { createSeal } from './sealed.ts'

export type JobSecrets = {
  /** Null: the job has none. */
  close(job: string, spec: JobSpec, values: SecretValues | undefined): { sealed: string } | Refusal | null
  /** The order with its values; null when the job has ended meanwhile, and nothing of it may start any more. */
  give(order: JobDispatch, job: Pick<JobRow, 'id' | 'sealed'> | undefined): JobDispatch | null
  /** Of a request that holds values. */
  hash(text: string): string
}

export function createJobSecrets(keys: { readonly seal: Uint8Array; readonly hash: Uint8Array }, random: (size: number) => Buffer): JobSecrets {
  const seal = createSeal(keys.seal, random), of = (job: string): string => `secrets of ${job}`
  return {
    close(job, { secrets = [] }, values = {}) {
      const missing = secrets.filter((name) => !Object.hasOwn(values, name)), extra = Object.keys(values).find((name) => !secrets.includes(name))
      if (missing.length > 0) return refuse('secrets_missing', { secrets: missing })
      if (extra !== undefined) return refuse('impossible_request', { reason: `a value is sent for the secret ${extra}, and the job names no such secret: put its name into spec.secrets` })
      return secrets.length === 0 ? null : { sealed: seal.close(Buffer.from(JSON.stringify(values)), of(job)) }
    },
    give(order, job) {
      if (!order.secrets) return order
      if (job?.sealed === undefined) return null
      // What the market sets itself is never replaced.
      return { ...order, env: { ...SecretValues.parse(JSON.parse(seal.open(job.sealed, of(job.id)).toString())), ...order.env } }
    },
    hash: (text) => createHmac('sha256', keys.hash).update(text).digest('hex'),
  }
}
