// A line of waiting entries by due time, equal ones by arrival. Nearly all of them come in order, so it is an array that is read from the front: a heap
// for each of a million lines of one entry took a gigabyte.
const SLACK = 32

export class InTurn<Entry extends { readonly dueAt: number }> {
  #entries: (Entry | undefined)[] | null = null
  #first = 0

  get size(): number { return this.#entries === null ? 0 : this.#entries.length - this.#first }
  get head(): Entry | undefined { return this.#entries?.[this.#first] }

  push(entry: Entry): void {
    // A list made with its first entry has room for one; one that is pushed to has room for seventeen.
    if (this.#entries === null || this.size === 0) { this.#entries = [entry]; this.#first = 0; return }
    let at = this.#entries.length
    while (at > this.#first && (this.#entries[at - 1] as Entry).dueAt > entry.dueAt) at--
    if (at === this.#entries.length) this.#entries.push(entry)
    else this.#entries.splice(at, 0, entry)
  }

  shift(): Entry | undefined {
    const head = this.head
    if (!head || this.#entries === null) return undefined
    this.#entries[this.#first++] = undefined
    if (this.#first > SLACK && this.#first * 2 > this.#entries.length) { this.#entries.splice(0, this.#first); this.#first = 0 }
    return head
  }
}
