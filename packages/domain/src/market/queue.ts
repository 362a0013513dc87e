// Who waits. Slots that need the same thing (the same class) stand in one line, first come first served within a priority; a line whose head
// found no place is asleep until some node gains room. So a million jobs that fit nowhere cost nothing, whatever else happens.
//
// Entries are dropped lazily: an entry counts only while its slot is still pending under the same fence.
import type { Instant, JobId } from '@lumaris/protocol'
import { Heap } from '../heap.ts'

/** One step of priority is worth this much waiting: priority 1 overtakes 10 by nine minutes, so the last one is served too. */
export const PRIORITY_STEP_MS = 60_000

export type Waiting = { readonly job: JobId; readonly task: number; readonly slot: number; readonly fence: number }
type Line = { readonly key: string; readonly heap: Heap<Waiting>; asleep: boolean }

export class WaitingQueue {
  #lines = new Map<string, Line>()
  #awake = new Set<Line>()

  /** Sorted by the time of waiting, moved by priority. */
  add(classKey: string, waiting: Waiting, since: Instant, priority: number): void {
    let line = this.#lines.get(classKey)
    if (!line) { line = { key: classKey, heap: new Heap(), asleep: false }; this.#lines.set(classKey, line); this.#awake.add(line) }
    line.heap.push(since + priority * PRIORITY_STEP_MS, waiting)
  }

  get lines(): number { return this.#lines.size }
  get awake(): number { return this.#awake.size }

  /** The lines as they stand, the longest waiting first. An entry that no longer counts may stand in front. */
  table(): { readonly head: Waiting; readonly since: Instant; readonly waiting: number; readonly asleep: boolean }[] {
    const lines = []
    for (const { heap, asleep } of this.#lines.values()) { const head = heap.peek(); if (head) lines.push({ head, since: heap.peekKey() ?? 0, waiting: heap.size, asleep }) }
    return lines.sort((a, b) => a.since - b.since)
  }

  /** Some node gained room, or changed its terms: everyone may look again. */
  wake(): void {
    if (this.#awake.size === this.#lines.size) return
    for (const line of this.#lines.values()) if (line.asleep) { line.asleep = false; this.#awake.add(line) }
  }

  /**
   * Offers waiting slots to `place`, the longest waiting first over all lines that are awake. `place` answers `placed`, `gone` (the entry no
   * longer counts) or `no_room`, which puts its whole line to sleep. Stops after `most` placements or when all lines sleep.
   */
  serve(place: (waiting: Waiting, classKey: string) => 'placed' | 'gone' | 'no_room', most: number): number {
    const order = new Heap<Line>()
    for (const line of this.#awake) order.push(line.heap.peekKey() ?? 0, line)
    let placed = 0
    while (placed < most) {
      const line = order.pop()
      if (!line) break
      const since = line.heap.peekKey()
      const head = line.heap.pop()
      if (!head || since === undefined) { this.#lines.delete(line.key); this.#awake.delete(line); continue }
      const answer = place(head, line.key)
      if (answer === 'no_room') {
        line.heap.push(since, head)
        line.asleep = true
        this.#awake.delete(line)
        continue
      }
      if (answer === 'placed') placed++
      order.push(line.heap.peekKey() ?? 0, line)
    }
    return placed
  }
}
