// Several producers, one reader, in the order of arrival. A full channel makes producers wait, so a slow reader slows them instead of filling memory.
export type Channel<T> = {
  push(item: T): Promise<void>; items(): AsyncGenerator<T, void, undefined>
  end(): void; fail(error: unknown): void
}

export function createChannel<T>(capacity = 256): Channel<T> {
  const queue: T[] = []
  let over: { error?: unknown } | null = null
  let news = Promise.withResolvers<void>(), room = Promise.withResolvers<void>()
  const finish = (how: { error?: unknown }): void => { over ??= how; news.resolve(); room.resolve() }
  return {
    async push(item) {
      while (queue.length >= capacity && !over) await room.promise
      if (over) return
      queue.push(item)
      news.resolve()
    },
    end: () => finish({}),
    fail: (error) => finish({ error }),
    async *items() {
      for (;;) {
        while (queue.length > 0) {
          const item = queue.shift() as T
          room.resolve()
          room = Promise.withResolvers<void>()
          yield item
        }
        if (over) { if ('error' in over) throw (over as { error: unknown }).error; return }
        await news.promise
        news = Promise.withResolvers<void>()
      }
    },
  }
}
