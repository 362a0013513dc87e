import { z } from 'zod'
import { IncidentId, Instant, NodeId } from './ids.ts'

// What is wrong with the market, told to everybody. Who wrote it stands in the log of admin actions, not here.

/** Shown to strangers: no control characters, and no marks that turn the direction of writing. */
export const plain = (min: number, max: number) => z.string().trim().min(min).max(max).regex(/^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/, 'no control characters')
/** Why somebody does something: it stands in the log for ever. */
export const Reason = plain(3, 500)

export const Severity = z.enum(['minor', 'major', 'critical']).meta({ id: 'Severity' })
export type Severity = z.infer<typeof Severity>
export const OpenIncident = z.strictObject({
  title: plain(3, 120), severity: Severity, text: plain(3, 2_000),
  /** What it is about; both empty: the whole market. */
  regions: z.array(z.string().min(1).max(40)).max(50).default([]), nodes: z.array(NodeId).max(200).default([]),
}).meta({ id: 'OpenIncident' })
export const UpdateIncident = z.strictObject({ text: plain(3, 2_000), severity: Severity.optional() }).meta({ id: 'UpdateIncident' })
export const ResolveIncident = z.strictObject({ text: plain(3, 2_000) }).meta({ id: 'ResolveIncident' })
export const Incident = z.object({
  id: IncidentId, title: z.string(), severity: Severity, state: z.enum(['open', 'resolved']), regions: z.array(z.string()), nodes: z.array(NodeId), openedAt: Instant, resolvedAt: Instant.optional(),
  /** The first is what it was opened with; newest last. */
  updates: z.array(z.object({ at: Instant, text: z.string(), severity: Severity })),
}).meta({ id: 'Incident' })
export type Incident = z.infer<typeof Incident>
