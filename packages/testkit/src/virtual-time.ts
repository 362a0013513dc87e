// Time that passes only when told to: a heap of what is to happen. Things at the same moment happen in the order they were asked for.
export class VirtualTime {
  now = 0
  /** Things that have happened. */
  steps = 0
  #heap: { at: number; order: number; run: () => void }[] = []
  #order = 0

  after(ms: number, run: () => void): void { this.at(this.now + Math.max(0, ms), run) }

  at(at: number, run: () => void): void {
    const heap = this.#heap
    const item = { at, order: this.#order++, run }
    let index = heap.length
    heap.push(item)
    while (index > 0) {
      const up = (index - 1) >> 1, parent = heap[up] as typeof item
      if (parent.at < item.at || (parent.at === item.at && parent.order < item.order)) break
      heap[index] = parent
      index = up
    }
    heap[index] = item
  }

  /** When the next thing happens; undefined when nothing will. */
  get next(): number | undefined { return this.#heap[0]?.at }

  /** Lets the next thing happen. False when there is none. */
  step(): boolean {
    const heap = this.#heap
    const first = heap[0], last = heap.pop()
    if (!first || !last) return false
    if (heap.length > 0) {
      let index = 0
      for (;;) {
        let least = 2 * index + 1
        if (least >= heap.length) break
        const left = heap[least] as typeof last, right = heap[least + 1]
        if (right && (right.at < left.at || (right.at === left.at && right.order < left.order))) least++
        const child = heap[least] as typeof last
        if (last.at < child.at || (last.at === child.at && last.order < child.order)) break
        heap[index] = child
        index = least
      }
      heap[index] = last
    }
    this.now = first.at
    this.steps++
    first.run()
    return true
  }
}
