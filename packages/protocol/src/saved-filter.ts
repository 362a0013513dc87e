// A filter of a list under a name, kept for its user, so that it is there on another device too.
import { z } from 'zod'
import { Instant } from './ids.ts'
import { JobState } from './job.ts'

/** Of one user. */
export const FILTERS_MAX = 50
export const FilterName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/, 'letters, digits, dot, dash and underscore, at most 40').meta({ id: 'FilterName' })
export const PutFilter = z.strictObject({ state: JobState.optional(), /** A part of a name or an id. */ q: z.string().min(1).max(200).optional() }).refine(({ state, q }) => state !== undefined || q !== undefined, 'a filter has a state, words or both').meta({ id: 'PutFilter' })
export type PutFilter = z.infer<typeof PutFilter>
export const SavedFilter = z.object({ name: FilterName, state: JobState.optional(), q: z.string().optional(), savedAt: Instant }).meta({ id: 'SavedFilter' })
export type SavedFilter = z.infer<typeof SavedFilter>
