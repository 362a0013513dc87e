// B8: the placement engine at ten thousand, a hundred thousand and a million nodes, with a million jobs waiting. Each size runs in a process of its own, so
// that memory is its own and no size profits from code warmed by another. Synthetic throughout: see scale-market.ts.
import { join } from 'node:path'
import { runApart } from '../figures.ts'
import type { Part, PartResult, Target } from './part.ts'
import type { ScaleResult, ScaleRun } from './scale-market.ts'

type Size = ScaleRun & { readonly perSecond: number }
const SIZES: readonly Size[] = [
  { nodes: 10_000, queued: 1_000_000, decisions: 400_000, scans: 200, exact: 400, seed: 43, perSecond: 250_000 },
  { nodes: 100_000, queued: 1_000_000, decisions: 300_000, scans: 60, exact: 200, seed: 43, perSecond: 100_000 },
  { nodes: 1_000_000, queued: 1_000_000, decisions: 200_000, scans: 10, exact: 60, seed: 43, perSecond: 50_000 },
]
const QUICK: readonly Size[] = SIZES.slice(0, 2).map((size) => ({ ...size, queued: 100_000, decisions: 50_000, scans: 10, exact: 50 }))
const REPLAYS = 3
const P99_US = 60, REGRET = 0.01, RSS_MB = 330
/** A million nodes take seconds to build and a scan of them tens of milliseconds; ten times that is a hang. */
const TIMEOUT_MS = 300_000

// Four megabytes for young objects: with the default, memory is a hundred megabytes more of garbage, and nothing is faster.
const child = (run: ScaleRun): ScaleResult => runApart(join(import.meta.dirname, 'scale-market.ts'), '--max-semi-space-size=4', run, { id: 'B8', timeoutMs: TIMEOUT_MS })

export const scale: Part = {
  id: 'B8', title: 'Scale: decisions a second, latency, memory, regret', needs: [],
  async run({ quick, progress }): Promise<PartResult> {
    const sizes = quick ? QUICK : SIZES
    const measured = sizes.map((size) => {
      const result = child(size)
      progress(`B8 ${size.nodes} nodes: ${Math.round(result.perSecond)} decisions/s`)
      return { size, result }
    })
    // The same seed again, shortened: only the decisions matter here. The hash is over every chosen node and every bit of its total.
    const replay: ScaleRun = { nodes: 10_000, queued: 100_000, decisions: 50_000, scans: 1, exact: 1, seed: 7 }
    const hashes = Array.from({ length: REPLAYS }, () => child(replay).hash)
    progress(`B8 replays: ${hashes.join(' ')}`)
    const whole = (value: number): string => Math.round(value).toLocaleString('en')
    const largest = measured[measured.length - 1] as (typeof measured)[number]
    const targets: Target[] = [
      ...measured.map(({ size, result }) => ({ what: `decisions per second of one core, ${whole(size.nodes)} nodes`, must: `≥ ${whole(size.perSecond)}`, measured: `${whole(result.perCpuSecond)} (${whole(result.perSecond)} by the clock)`, met: result.perCpuSecond >= size.perSecond })),
      ...measured.map(({ size, result }) => ({ what: `p99 of a decision, ${whole(size.nodes)} nodes`, must: `≤ ${P99_US} µs`, measured: `${result.p99Us.toFixed(1)} µs`, met: result.p99Us <= P99_US })),
      ...measured.map(({ size, result }) => ({ what: `mean regret against asking every node, ${whole(size.nodes)} nodes`, must: '≤ 1 %', measured: `${(100 * result.meanRegret).toFixed(2)} %`, met: result.meanRegret <= REGRET })),
      { what: `memory with ${whole(largest.size.nodes)} nodes and ${whole(largest.size.queued)} waiting jobs`, must: `≤ ${RSS_MB} MB`, measured: `${whole(largest.result.rssMb)} MB (highest ${whole(largest.result.peakMb)}), of which ${whole(largest.result.emptyMb)} MB before the market`, met: largest.result.rssMb <= RSS_MB },
      { what: `replay: ${REPLAYS} runs of one seed`, must: 'one hash', measured: [...new Set(hashes)].join(', '), met: new Set(hashes).size === 1 },
    ]
    return {
      id: 'B8', title: scale.title, inputs: [], targets,
      tables: [{
        title: 'Steady state: a job ends, a waiting one is placed',
        columns: ['nodes', 'pools', 'decisions per CPU second', 'decisions/s by the clock', 'full scan, decisions/s', 'p50 (µs)', 'p99 (µs)', 'worst (µs)', 'nodes that fit and were looked at', 'mean regret', 'worst regret', 'RSS (MB)', 'hash'],
        rows: measured.map(({ size, result }) => [
          whole(size.nodes), result.pools, whole(result.perCpuSecond), whole(result.perSecond), result.scanPerSecond >= 100 ? whole(result.scanPerSecond) : result.scanPerSecond.toFixed(1), result.p50Us.toFixed(1), result.p99Us.toFixed(1), whole(result.maxUs),
          result.candidates.toFixed(1), `${(100 * result.meanRegret).toFixed(2)} %`, `${(100 * result.worstRegret).toFixed(1)} %`, whole(result.rssMb), result.hash,
        ]),
      }],
      notes: [
        'A decision counts a release, the waking of classes, the search, the reservation and the terms of the score as data; no queueing policy, no events, no disk. Rates of the core are not rates of the system.',
        'A second of one core is processor time of all threads of the process, the collector’s too: on a machine that others use, the clock measures them.',
        'Regret is (chosen − best) / best in the score’s own currency; the best is found by asking every node of the same market at the same moment.',
        'The clock is read twice for each decision in the pass that measures latency, not in the one that measures the rate. The worst is mostly the collector of garbage and whatever else the machine did.',
        'Waiting jobs are 20 bytes each in columns: class line, since when, owner, run time. What a full queue keeps beside them is its own matter.',
        'How far to look was settled on seeds 5, 6 and 42 (mean regret 0.6, 0.8 and 0.1 % at 10,000 nodes); this is seed 43. Single decisions can be 10 to 20 % off: work without GPUs, bound to no region, that finds no node without idle GPUs near the cheapest price.',
        'Of the market, 60 % of the nodes have no GPU; 256 classes of need, half of them bound to one region; two thirds of the capacity in use.',
      ],
    }
  },
}
