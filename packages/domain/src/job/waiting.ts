import type { Instant } from '@lumaris/protocol'
import type { JobRow } from '../rows.ts'

/** It comes after jobs that have not completed: no node is asked. */
export const waitsForParents = ({ parents }: Pick<JobRow, 'parents'>): boolean => parents !== undefined && parents.readyAt === null
/** Since when it waits for a node: of what has parents, since the last of them completed. */
export const queuedSince = ({ parents, createdAt }: Pick<JobRow, 'parents' | 'createdAt'>): Instant => parents?.readyAt ?? createdAt
