import type { SealRow } from '../rows.ts'
import { emit } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** A seal whose root, leaves and signature the caller has checked; stored beside the ticks it covers. */
export type SealCommand = { readonly kind: 'seal'; readonly row: SealRow }
export const seal = (turn: Turn, command: SealCommand): void => emit(turn, { kind: 'seal', row: command.row })
