// The parts of the queue of waiting work (fair-queue.ts): in a class its members, one for each buyer; of a member its lines, one for each kind of work;
// in a line its entries.
import type { Heap } from '../../heap.ts'
import type { Buyer } from './fair.ts'
import type { InTurn } from './in-turn.ts'
import { ageingKey } from './key.ts'
import type { Sized } from './key.ts'

export type Entry<Item> = { readonly item: Item; readonly since: number; readonly dueAt: number }
export type Line<Item> = { readonly member: Member<Item>; readonly kind: string; readonly sized: Sized; readonly cost: number; readonly entries: InTurn<Entry<Item>>; dueKey: number }
export type Member<Item> = {
  readonly buyer: Buyer; readonly class: Class<Item>; readonly lines: Map<string, Line<Item>>; markKey: number
  /** The line with the lowest ageing key, as it was when last looked. */
  best: Line<Item> | null; bestKey: number; bestAt: number
}
export type Promised<Item> = { readonly entry: Entry<Item>; readonly line: Line<Item> }
export type Class<Item> = { readonly key: string; readonly members: Map<string, Member<Item>>; readonly marks: Heap<Member<Item>>; asleep: boolean; parked: boolean; inLane: number }

/** Keys grow so slowly that the best line of a member is looked for again only after this, or when one of its lines has another head. */
const LOOK_AGAIN_MS = 60_000

/** Finds the member's best line, if it may have changed. */
export function lookForBest<Item>(member: Member<Item>, now: number): void {
  if (member.best !== null && now < member.bestAt + LOOK_AGAIN_MS) return
  member.best = null
  member.bestAt = now
  for (const line of member.lines.values()) {
    const key = ageingKey(line.sized, now - (line.entries.head as Entry<Item>).since)
    if (member.best === null || key < member.bestKey) { member.best = line; member.bestKey = key }
  }
}
