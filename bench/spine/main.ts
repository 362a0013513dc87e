// `npm run bench:spine`: Lumaris on both databases and the queues it is compared with, one at a time, round after round in one run.
//   node tools/run.mjs bench/spine/main.ts [--quick] [--rounds N] [--only NAME]... [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FULL, QUICK } from '../peers/load.ts'
import type { Peer } from '../peers/load.ts'
import { PEERS, measureInRotation } from '../peers/peers.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { postgresMissing, postgresVersion, startPostgres, stopAll } from '../peers/servers.ts'
import { endChildren, measureSpine } from './measure.ts'
import type { SpineResult } from './measure.ts'

const NODES = 100
const details = new Map<string, SpineResult[]>()

function lumaris(name: string, onPostgres: boolean): Peer {
  return {
    name, versions: () => (onPostgres ? { lumaris: '0.1.0', postgresql: postgresVersion() } : { lumaris: '0.1.0', node: process.versions.node }),
    available: () => (onPostgres ? postgresMissing() : undefined),
    async run(load, progress = () => undefined) {
      const server = onPostgres ? await startPostgres() : null
      try {
        const { closedLoop, latency } = load
        const result = await measureSpine({ jobs: closedLoop.jobs, warmUp: closedLoop.warmUp, inFlight: closedLoop.inFlight, latencyJobs: latency.jobs, everyMs: latency.everyMs, nodes: NODES }, server?.url ?? '', progress)
        if (!result.balanced) throw new Error('the ledger does not balance')
        details.set(name, [...(details.get(name) ?? []), result])
        // A market has no drain of preloaded work without nodes and matching; it is left out rather than made up.
        return { closedLoopPerSecond: result.settledPerSecond, drainPerSecond: Number.NaN, latencyMsP50: result.startP50Ms, latencyMsP99: result.startP99Ms, rssMiB: result.serverRssMiB }
      } finally { await server?.stop() }
    },
  }
}

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, only: { type: 'string', multiple: true, default: [] }, out: { type: 'string' } } })
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'spine.json'))
let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => { if (stopping) return; stopping = true; endChildren(); void stopAll().finally(() => process.exit(130)) })

const all = [lumaris('lumaris-sqlite', false), lumaris('lumaris-postgres', true), ...PEERS]
const chosen = all.filter((peer) => values.only.length === 0 || values.only.includes(peer.name))
const load = values.quick ? QUICK : FULL
const machine = describeMachine(), commit = describeCommit()
const results = await measureInRotation(chosen, { load, rounds, progress: (line) => process.stderr.write(`spine: ${line}\n`) })
const at = new Date().toISOString()
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'spine', at, commit, machine, load, rounds, results, details: Object.fromEntries(details) }, null, 2)}\n`)
const figure = (value: number, digits = 0): string => (Number.isNaN(value) ? '–' : value.toFixed(digits))
process.stdout.write([
  `${at.slice(0, 10)}, commit ${commit}, medians of ${rounds}. ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.syncsPerSecond} synced writes/s, load average ${machine.loadAverage.toFixed(1)} before the run.`, '',
  `| system | closed loop, ${load.closedLoop.inFlight} in flight (jobs/s) | submit → start at ${1000 / load.latency.everyMs}/s, p50 / p99 (ms) | RSS (MiB) |`, '|---|---|---|---|',
  ...results.map(({ name, median, missing, failed }) => (median ? `| ${name} | ${figure(median.closedLoopPerSecond)} | ${figure(median.latencyMsP50, 1)} / ${figure(median.latencyMsP99, 1)} | ${figure(median.rssMiB)} |` : `| ${name} | ${missing ? `not measured: ${missing}` : `failed: ${(failed ?? '').split('\n')[0]}`} | | |`)),
  '', 'Lumaris: settled jobs through HTTP, matching over 100 nodes, WebSocket, meter, seals and ledger; RSS of its server. Peers: a no-op job through the queue alone; RSS of their process.', '',
].join('\n'))
