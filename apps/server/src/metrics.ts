// Prometheus metrics. Labels are routes and states from closed lists, never ids: their number must not grow with use.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client'
import type { Engine } from './engine/engine.ts'

export type Metrics = { render(): Promise<string>; request(route: string, status: number, ms: number): void }

export function createMetrics(engine: () => Engine, sockets: () => number): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({ name: 'lumaris_http_request_seconds', help: 'HTTP requests by route and class of status', labelNames: ['route', 'status'], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10], registers: [registry] })
  const gauge = (name: string, help: string, value: () => number) => new Gauge({ name, help, registers: [registry], collect() { this.set(value()) } })
  gauge('lumaris_jobs_live', 'Jobs queued or running', () => engine().state.jobs.size)
  gauge('lumaris_attempts_live', 'Attempts in memory', () => engine().state.attempts.size)
  gauge('lumaris_queue_lines', 'Classes of waiting work', () => engine().state.queue.classes)
  gauge('lumaris_nodes', 'Enrolled nodes', () => engine().state.nodes.size)
  gauge('lumaris_nodes_connected', 'Agents connected to this process', sockets)
  gauge('lumaris_inbox', 'Commands that wait to be decided', () => engine().waiting)
  gauge('lumaris_writer_epoch', 'Epoch of this writer', () => engine().epoch)
  const total = (name: string, help: string, value: () => number) => new Counter({ name, help, registers: [registry], collect() { this.reset(); this.inc(value()) } })
  total('lumaris_commits_total', 'Commits of the engine', () => engine().stats.commits)
  total('lumaris_commands_total', 'Commands decided and committed', () => engine().stats.commands)
  total('lumaris_reloads_total', 'Times the state was loaded again after a failure', () => engine().stats.reloads)
  total('lumaris_commit_seconds_total', 'Time spent in commits', () => engine().stats.commitMs / 1000)
  return {
    render: () => registry.metrics(),
    request: (route, status, ms) => requests.observe({ route, status: `${Math.floor(status / 100)}xx` }, ms / 1000),
  }
}
