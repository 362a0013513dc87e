// Chance that nobody can foresee and a replay finds again: digests under the market's secret key (`TurnPorts.keyed`).
import type { UserId } from '@lumaris/protocol'
import type { AttemptRow } from '../rows.ts'
import type { MarketState } from '../state.ts'
import type { Turn } from '../turn.ts'
import { isDoubted } from './enough.ts'
import { recordOf } from './records.ts'

const DIGITS = 13 // 52 bits: as many as a number holds exactly
const fraction = (hex: string): number => Number.parseInt(hex.slice(0, DIGITS), 16) / 16 ** DIGITS

/** Whether this result is checked. The digest is in it: it was committed before the draw could be made, and another one would have drawn anew. */
export const drawOf = (turn: Pick<Turn, 'keyed'>, attempt: Pick<AttemptRow, 'id' | 'digest'>): number => fraction(turn.keyed(`check ${attempt.id} ${attempt.digest ?? ''}`))

/** Whether what two agree on is given to a third: both had committed before this draw could be made. */
export const drawAgainOf = (turn: Pick<Turn, 'keyed'>, both: readonly Pick<AttemptRow, 'id' | 'digest'>[]): number => fraction(turn.keyed(`again ${both.map(({ id, digest }) => `${id} ${digest ?? ''}`).join(' ')}`))

/** An eighth of the owners, three of them at least, are asked first for a check: enough to find one with room, too few for a partner to be among them often. */
const DRAWN = 1 / 8, DRAWN_LEAST = 3
/** The word of somebody who was found wrong and has not made up for it says little, and a wrong one of them costs two more results: drawn an eighth as often, so that the way back stays open. */
const DOUBTED = 1 / 8
/** Who may check: drawn by the key for each slot, because by price alone a cheat's partner could always be the cheapest. */
export function drawCheckers(turn: Pick<Turn, 'keyed'>, state: MarketState, slot: string): (owner: UserId) => boolean {
  const owners = new Set<UserId>()
  for (const node of state.nodes.values()) if (node.will !== 'retired' && node.will !== 'banned') owners.add(node.owner)
  const share = Math.max(DRAWN, DRAWN_LEAST / Math.max(1, owners.size))
  const digest = turn.keyed(`checker ${slot}`), [a, b] = [0, 8].map((from) => Number.parseInt(digest.slice(from, from + 8), 16) | 0) as [number, number]
  return (owner) => { const drawn = mixed(owner, a, b); return drawn < share && (drawn < share * DOUBTED || !isDoubted(recordOf(state, owner))) }
}
/** One digest for each owner and slot would cost milliseconds in a large market; the two words that start this are secret, and seen by nobody. */
function mixed(text: string, a: number, b: number): number {
  let x = a
  for (let i = 0; i < text.length; i++) { x = Math.imul(x ^ text.charCodeAt(i), 0x01000193); x ^= x >>> 15 }
  x = Math.imul(x ^ b, 0x85ebca6b); x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35); x ^= x >>> 16
  return (x >>> 0) / 2 ** 32
}
