/** A binary heap on numbers with a payload: the smallest key first, equal keys in order of arrival, so that a replay is exact. */
export class Heap<Item> {
  #keys: number[] = []
  #order: number[] = []
  #items: Item[] = []
  #next = 0

  get size(): number { return this.#items.length }
  peekKey(): number | undefined { return this.#keys[0] }
  peek(): Item | undefined { return this.#items[0] }

  push(key: number, item: Item): void {
    let at = this.#items.length
    this.#keys.push(key); this.#order.push(this.#next++); this.#items.push(item)
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#before(at, up)) break
      this.#swap(at, up)
      at = up
    }
  }

  pop(): Item | undefined {
    const top = this.#items[0]
    if (top === undefined) return undefined
    const last = this.#items.length - 1
    this.#swap(0, last)
    this.#keys.pop(); this.#order.pop(); this.#items.pop()
    for (let at = 0; ;) {
      const left = 2 * at + 1
      let least = at
      if (left < last && this.#before(left, least)) least = left
      if (left + 1 < last && this.#before(left + 1, least)) least = left + 1
      if (least === at) break
      this.#swap(at, least)
      at = least
    }
    return top
  }

  #before(a: number, b: number): boolean {
    const ka = this.#keys[a] as number, kb = this.#keys[b] as number
    return ka < kb || (ka === kb && (this.#order[a] as number) < (this.#order[b] as number))
  }
  #swap(a: number, b: number): void {
    for (const list of [this.#keys, this.#order, this.#items] as unknown[][]) { const held = list[a]; list[a] = list[b]; list[b] = held }
  }
}
