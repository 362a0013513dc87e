import { z } from 'zod'

// Outgoing connections of a job: to the hosts that its spec names, through a proxy of the agent's, and nowhere else. Names only: an address would
// say nothing about who answers there, and a name is checked again each time it is resolved. docs/isolation.md says what stands behind it.

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
// The last label begins with a letter: what looks like an address in any of its spellings (decimal, octal, 0x…) is no name.
const NAME = `(?:${LABEL}\\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?`
/** A whole name in lower case, as it is asked for: no address, no trailing dot, other alphabets as `xn--…`. */
export const HOST_NAME = new RegExp(`^(?=.{1,253}$)${NAME}$`)
const RULE_HOST = new RegExp(`^(?=.{1,253}$)(?:\\*\\.)?${NAME}$`)
/** Where programs in the sandbox find the proxy, on the sandbox's own loopback. */
export const EGRESS_PORT = 3128
export const EGRESS_RULES_MAX = 100

export const EgressRule = z.strictObject({
  host: z.string().regex(RULE_HOST, 'a name in lower case such as example.org, or *.example.org for every name with one more label; no address, no * elsewhere'),
  /** Never 25: nobody lends his address to send mail from. */
  port: z.number().int().min(1).max(65_535).refine((port) => port !== 25, 'port 25 is open to nobody').default(443),
}).meta({ id: 'EgressRule' })
export type EgressRule = z.infer<typeof EgressRule>

export const JobNetwork = z.strictObject({
  /** Outgoing connections may go there. Only nodes whose owners allow it take the job. */
  egress: z.array(EgressRule).min(1).max(EGRESS_RULES_MAX),
}).meta({ id: 'JobNetwork' })
export type JobNetwork = z.infer<typeof JobNetwork>
