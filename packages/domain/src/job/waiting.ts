import type { Instant } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'

/** It comes after jobs that have not completed: no node is asked. */
export const waitsForParents = ({ parents }: Pick<JobRow, 'parents'>): boolean => parents !== undefined && parents.readyAt === null
/** Nothing of it is offered: its parents have not completed, or its buyer has paused it. */
export const isHeld = (job: Pick<JobRow, 'parents' | 'paused'>): boolean => waitsForParents(job) || job.paused === true
/** Since when it waits for a node: of what has parents, since the last of them completed; of what was paused, since it was let go on. */
export const queuedSince = ({ parents, createdAt, resumedAt }: Pick<JobRow, 'parents' | 'createdAt' | 'resumedAt'>): Instant => Math.max(parents?.readyAt ?? createdAt, resumedAt ?? 0)
