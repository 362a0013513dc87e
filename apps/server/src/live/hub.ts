// Who listens to what, in this process; a topic is the id of a job, a buyer or a standing request. Handlers are called at once and must be quick; a slow one
// keeps its own bounded queue (follow-job.ts).
export type Hub = { subscribe(topic: string, handler: (event: unknown) => void): () => void; publish(topic: string, event: unknown): void; readonly topics: number }

export function createHub(): Hub {
  const topics = new Map<string, Set<(event: unknown) => void>>()
  return {
    subscribe(topic, handler) {
      const set = topics.get(topic) ?? new Set()
      topics.set(topic, set.add(handler))
      return () => { set.delete(handler); if (set.size === 0) topics.delete(topic) }
    },
    publish(topic, event) { for (const handler of topics.get(topic) ?? []) handler(event) },
    get topics() { return topics.size },
  }
}
