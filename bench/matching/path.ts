// B10: what the market itself decides with. First how fast: a need comes, a node is found for it, over kept answers (market/candidates.ts), with the placement
// engine beside it on the same nodes and needs. Then what room that is kept free of interruptible work does on whole markets, small ones too.
import { join } from 'node:path'
import { DEFAULT_SETTINGS } from '../../packages/domain/src/state.ts'
import { mean, runApart } from '../figures.ts'
import { playMarket } from './headroom-market.ts'
import type { HeadroomResult } from './headroom-market.ts'
import type { Part, PartResult } from './part.ts'
import type { PathResult, PathRun } from './path-market.ts'

const SIZES = [1_000, 10_000, 100_000], CLASSES = [32, 256], DECISIONS = 20_000, SECONDS = 10, TIMEOUT_MS = 300_000
/** Of a market of its own size: beyond them the path would be worth replacing by the engine. */
const FLAT = 5
const HEADROOM = [{ nodes: 2, load: 0.3, seeds: 3 }, { nodes: 10, load: 0.3, seeds: 2 }, { nodes: 10, load: 0.6, seeds: 2 }, { nodes: 40, load: 0.6, seeds: 1 }] as const
const HOURS = 30

const child = (run: PathRun): PathResult => runApart(join(import.meta.dirname, 'path-market.ts'), '--expose-gc', run, { id: 'B10', timeoutMs: TIMEOUT_MS })

export const path: Part = {
  id: 'B10', title: 'The market’s own path', needs: [],
  // Nothing in it waits, but parts may.
  // oxlint-disable-next-line require-await
  async run({ quick, progress }): Promise<PartResult> {
    const whole = (value: number): string => Math.round(value).toLocaleString('en'), measured = CLASSES.flatMap((classes) => SIZES.slice(0, quick ? 2 : 3).map((nodes) => {
      const result = child({ nodes, classes, decisions: quick ? 2_000 : DECISIONS, seconds: SECONDS, seed: 1 })
      progress(`B10 ${nodes} nodes, ${classes} classes: ${Math.round(result.market.perCpuSecond)} decisions per CPU second, the engine ${Math.round(result.placement.perCpuSecond)}`)
      return { nodes, classes, result }
    }))
    const of = (nodes: number, classes: number): PathResult => (measured.find((one) => one.nodes === nodes && one.classes === classes) ?? measured[0])?.result as PathResult
    const headroom = HEADROOM.slice(0, quick ? 1 : HEADROOM.length).flatMap(({ nodes, load, seeds }) => [0, DEFAULT_SETTINGS.headroomMost].map((most) => {
      progress(`B10 headroom, ${nodes} nodes at ${load}, at most ${most}`)
      const all = Array.from({ length: seeds }, (_, i) => playMarket({ nodes, hours: HOURS, most, seed: 42 + i, load })), figure = (what: (one: HeadroomResult) => number): number => mean(all.map(what))
      return { nodes, load, most, waitS: figure((one) => one.firmMeanS), p99S: figure((one) => one.firmP99S), evictions: figure((one) => one.evictions), spotHours: figure((one) => one.spotHours) }
    }))
    const fewest = Math.min(...headroom.filter(({ most }) => most > 0).map((one, i) => 1 - one.evictions / Math.max(1, headroom[2 * i]?.evictions ?? 1)))
    return {
      id: 'B10', title: path.title, inputs: [],
      tables: [{
        title: 'A job ends, another is placed', columns: ['nodes', 'classes', 'path: decisions per CPU second', 'p50 µs', 'p99 µs', 'heap MB', 'engine: decisions per CPU second', 'p50 µs', 'p99 µs', 'heap MB', 'hash'],
        rows: measured.map(({ nodes, classes, result: { market, placement, hash } }) => [whole(nodes), classes, whole(market.perCpuSecond), ...[market.p50Us, market.p99Us, market.heapMb].map(whole), whole(placement.perCpuSecond), ...[placement.p50Us, placement.p99Us, placement.heapMb].map(whole), hash]),
      }, {
        title: 'Room kept free of interruptible work, on markets of four-core nodes', columns: ['nodes', 'firm load', 'kept at most', 'firm wait s (mean)', 'firm wait s (p99)', 'evictions', 'core-hours of interruptible work that ended'],
        rows: headroom.map(({ nodes, load, most, waitS, p99S, evictions, spotHours }) => [nodes, load, most, waitS.toFixed(1), whole(p99S), whole(evictions), whole(spotHours)]),
      }],
      targets: [
        { what: 'decisions per CPU second, 10,000 nodes over 1,000, 32 classes', must: `at least 1/${FLAT}`, measured: `${whole(of(10_000, 32).market.perCpuSecond)} over ${whole(of(1_000, 32).market.perCpuSecond)}`, met: of(10_000, 32).market.perCpuSecond * FLAT >= of(1_000, 32).market.perCpuSecond },
        { what: 'decisions per CPU second, 100,000 nodes over 10,000, 32 classes', must: `at least 1/${FLAT}`, measured: quick ? 'left out' : `${whole(of(100_000, 32).market.perCpuSecond)} over ${whole(of(10_000, 32).market.perCpuSecond)}`, met: quick || of(100_000, 32).market.perCpuSecond * FLAT >= of(10_000, 32).market.perCpuSecond },
        { what: 'fewer evictions with headroom, the worst market', must: '≥ 33 %', measured: `${(100 * fewest).toFixed(0)} %`, met: fewest >= 0.33 },
      ],
      notes: [
        'A decision of the path is `choose` and the reservation: which node, why, who is second, and how many were refused for which reason. The queue, the turn and the disk are not in it. Five milliseconds of the market’s time pass with each, so that answers are asked again as they would be in a market of two hundred placements a second.',
        'Times are by the clock, read before and after each decision in a pass of their own: on a machine that others use, they hold what others did meanwhile. Processor time would not, but it is counted in ticks of four milliseconds here.',
        'The engine samples in large markets and is exact in small ones; the path is exact, and says how many nodes were refused for which reason.',
        'The market with headroom is the whole market (`runTurn`), without agents: firm work of a core comes at random, twice as often by day as by night, half of it pays to take places; interruptible work of a core is always there. Thirty hours, the first six do not count.',
      ],
    }
  },
}
