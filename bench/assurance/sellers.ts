// Who sells in these markets, and how they cheat. A cheat knows the rule, what it has shown and, from the slot's number, whether it is asked first or for a
// check; it does not know whether its result will be checked, or by whom.
import type { Chance } from '../../packages/testkit/src/virtual-chance.ts'

export const KINDS = ['random', 'pairs', 'turncoats', 'one lie for all'] as const
/** Honest, and of one kind of machine on which one program in twenty answers differently than on all others. */
export const ODD = 'odd machines'
export type Kind = (typeof KINDS)[number] | typeof ODD
const ODD_PROGRAMS = 20
export type Seller = {
  readonly name: string; readonly kind: Kind | 'honest'; readonly pair: number | null
  /** Results it has delivered; and how many it delivers before it cheats. */
  done: number; honestUntil: number
}
export type TaskSoFar = { readonly number: number; readonly answers: readonly { readonly seller: Seller; readonly answer: string }[] }
export const RIGHT = 'right'

/** How often those cheat who do not always. */
const RATE = { random: 0.3, pairs: 0.5, lazy: 0.3 }
/** A turncoat, and a pair, earn a name first (how long differs from market to market); after being caught they earn one again. */
const GOOD_AGAIN = 160

export function sellersOf(count: number, share: number, kind: Kind, goodFirst: number): Seller[] {
  const wanted = Math.max(1, Math.round(count * share)), cheats = kind === 'pairs' ? wanted + (wanted % 2) : wanted
  return Array.from({ length: count }, (_, i): Seller => ({
    name: `seller-${i}`, kind: i < cheats ? kind : 'honest', pair: i < cheats && kind === 'pairs' ? Math.floor(i / 2) : null, done: 0, honestUntil: kind === 'pairs' || kind === 'turncoats' ? goodFirst : 0,
  }))
}

export function answerOf(seller: Seller, task: TaskSoFar, chance: Chance): string {
  const first = task.answers.length === 0, ready = seller.done++ >= seller.honestUntil
  switch (seller.kind) {
    case 'honest': return RIGHT
    case 'random': return ready && chance.happens(RATE.random) ? `a lie of ${seller.name}` : RIGHT
    case 'one lie for all': return ready && chance.happens(RATE.lazy) ? 'empty' : RIGHT
    case 'odd machines': return task.number % ODD_PROGRAMS === 0 ? 'odd' : RIGHT
    case 'turncoats': return first && ready ? `a lie of ${seller.name}` : RIGHT
    case 'pairs': {
      const partner = task.answers.find(({ seller: other }) => other.pair === seller.pair)
      if (partner) return partner.answer
      return first && ready && chance.happens(RATE.pairs) ? `a lie of pair ${seller.pair}` : RIGHT
    }
  }
}
export function caught(seller: Seller): void { if (seller.kind === 'pairs' || seller.kind === 'turncoats') seller.honestUntil = seller.done + GOOD_AGAIN }
