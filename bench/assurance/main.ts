// `npm run bench:assurance`: is the bound that was bought kept, what does it cost, and does a cheat pay? Seeded markets with cheating sellers.
//   node tools/run.mjs bench/assurance/main.ts [--quick] [--markets] [--out FILE.json]      --markets: without the tighter bounds, which take most of the time
// Prints Markdown, writes JSON. Exit code 1 when something broke; a missed target is a figure, no failure.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Assurance } from '@lumaris/protocol'
import { percentIn, runLine, targetTable, titled } from '../figures.ts'
import { describeCommit, describeMachine } from '../peers/report.ts'
import { BANDS, overheadFrom, sumOf } from './count.ts'
import type { Counts } from './count.ts'
import { runMarket } from './market.ts'
import { runRule } from './rule.ts'
import { KINDS, ODD } from './sellers.ts'
import type { Kind } from './sellers.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, markets: { type: 'boolean', default: false }, out: { type: 'string' } } })
const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'assurance.json'))
const { quick } = values

/** Seeds 1 and 2 were looked at when the parameters were chosen; these were not. With each goes how long turncoats and pairs behave first. */
const SEEDS = [{ seed: 42, goodFirst: 60 }, { seed: 43, goodFirst: 120 }, { seed: 44, goodFirst: 200 }, { seed: 45, goodFirst: 60 }, { seed: 46, goodFirst: 120 }] as const
/** Where one in a hundred cheats a market has a handful of lies: five of them, so that a row says more than whether the one or two that were likely to be found were. */
const SHARES = [{ share: 0.01, sellers: 100, seeds: quick ? 1 : 5 }, { share: 0.05, sellers: 40, seeds: 3 }, { share: 0.2, sellers: 50, seeds: 3 }] as const
const ROUNDS = quick ? 60 : 500, TIGHT = { '1e-4': quick ? 2_000 : 100_000, '1e-6': quick ? 2_000 : 300_000 } as const
const OVERHEAD_MAX = 1.15, FROM = 50
/** What honest work costs a seller, as a share of what it is paid: what a cheat saves. */
const COSTS = [0.5, 1] as const

type Row = { readonly share: number; readonly kind: Kind; readonly seed: number; readonly counts: Counts }
const percent = percentIn(2), times = (x: number): string => (x === 0 ? '–' : `${x.toFixed(3)}×`)
const wrongOf = ({ wrong, tasks }: Counts): number => wrong / Math.max(1, tasks)
/** The upper end of 95 %, when so many of so many were wrong: Poisson's, by the normal approximation to its cube root. */
const upTo = ({ wrong, tasks }: Counts): number => ((wrong + 1) * (1 - 1 / (9 * (wrong + 1)) + 1.6449 / (3 * Math.sqrt(wrong + 1))) ** 3) / Math.max(1, tasks)
/**
 * What one cheat gains over honest work, in prices of one result. Undetected it is paid and saves the cost; found out it saves the cost and loses the pay, and
 * what was forfeited of its pending earnings (as the ledger has it; `bond: false` leaves that out, for what the bond is worth).
 */
const gainOf = ({ cheats, caught, forfeited }: Counts, cost: number, bond: boolean): number => cost - (caught + (bond ? forfeited : 0)) / Math.max(1, cheats)

const machine = describeMachine(), commit = describeCommit(), at = new Date().toISOString(), begun = performance.now()
const market: Row[] = []
const odd: Row[] = []
for (const { share, sellers, seeds } of SHARES) for (const kind of [...KINDS, ODD] as const) for (const { seed, goodFirst } of SEEDS.slice(0, kind === ODD ? 1 : seeds)) {
  process.stderr.write(`assurance: ${percent(share, 0)} ${kind}, seed ${seed}\n`);
  (kind === ODD ? odd : market).push({ share, kind, seed, counts: runMarket({ sellers, share, kind, bound: '1e-2', rounds: ROUNDS, goodFirst, seed }) })
}
const rule: (Row & { readonly bound: Assurance })[] = []
for (const bound of values.markets ? [] : (['1e-4', '1e-6'] as const)) for (const { share } of SHARES) for (const kind of KINDS) {
  process.stderr.write(`assurance: ${bound}, ${percent(share, 0)} ${kind}\n`)
  const { seed, goodFirst } = SEEDS[1]
  rule.push({ bound, share, kind, seed, counts: runRule({ sellers: 100, share, kind, bound, tasks: TIGHT[bound], goodFirst, seed }) })
}
/** Checks before a result counts, and the same draws made afterwards (ADR 35): at 1e-2, the rule alone. */
const when: (Row & { readonly afterwards: boolean })[] = []
for (const kind of KINDS) for (const afterwards of [false, true]) when.push({ share: 0.2, kind, seed: SEEDS[1].seed, afterwards, counts: runRule({ sellers: 50, share: 0.2, kind, bound: '1e-2', tasks: quick ? 2_000 : 40_000, goodFirst: SEEDS[1].goodFirst, seed: SEEDS[1].seed, afterwards }) })

const grouped = SHARES.flatMap(({ share }) => KINDS.map((kind) => { const rows = market.filter((row) => row.share === share && row.kind === kind); return { share, kind, rows, all: sumOf(rows.map(({ counts }) => counts)) } }))
const worst = Math.max(...market.map(({ counts }) => wrongOf(counts))), overheads = grouped.map(({ all }) => overheadFrom(all, FROM)), overhead = Math.max(...overheads), meanOverhead = overheads.reduce((sum, one) => sum + one, 0) / overheads.length
/** Of each kind over all shares, because some groups have a handful of lies: a mean of six says nothing. */
const byKind = KINDS.map((kind) => sumOf(grouped.filter((group) => group.kind === kind).map(({ all }) => all)))
const dearest = (all: readonly Counts[], cost: number): number => Math.max(...all.filter(({ cheats }) => cheats > 0).map((one) => gainOf(one, cost, true)))
const tight = (bound: Assurance): Counts => sumOf(rule.filter((row) => row.bound === bound).map(({ counts }) => counts))
const targets = [
  { what: 'wrong results accepted at 1e-2, worst market', must: '≤ 1 %', measured: percent(worst), met: worst <= 0.01 },
  ...(values.markets ? [] : [{ what: 'wrong results accepted at 1e-4, all markets', must: '≤ 0.01 %', measured: `${tight('1e-4').wrong} of ${tight('1e-4').tasks} (95 %: ≤ ${upTo(tight('1e-4')).toExponential(1)})`, met: upTo(tight('1e-4')) <= 1e-4 },
  { what: 'wrong results accepted at 1e-6, all markets', must: '≤ 0.0001 %', measured: `${tight('1e-6').wrong} of ${tight('1e-6').tasks} (95 %: ≤ ${upTo(tight('1e-6')).toExponential(1)})`, met: upTo(tight('1e-6')) <= 1e-6 }]),
  { what: `results asked for per accepted one at 1e-2, sellers with ${FROM} results or more, dearest kind of market`, must: `≤ ${OVERHEAD_MAX}×`, measured: times(overhead), met: overhead <= OVERHEAD_MAX },
  { what: 'the same, mean of all kinds of markets', must: `≤ ${OVERHEAD_MAX}×`, measured: times(meanOverhead), met: meanOverhead <= OVERHEAD_MAX },
  ...COSTS.flatMap((cost) => ([['worst kind over all shares', byKind], ['worst row', grouped.map(({ all }) => all)]] as const).map(([which, all]) => ({ what: `gain of one cheat over honest work, ${which}; work costs ${percent(cost, 0)} of its price; as built`, must: '< 0', measured: dearest(all, cost).toFixed(2), met: dearest(all, cost) < 0 }))),
]
const text = [
  `${runLine(at, commit, machine)}, ${((performance.now() - begun) / 1000).toFixed(0)} s${quick ? ', shortened run: no results' : ''}.`, '',
  `**Targets**\n\n${targetTable(targets)}`,
  titled('Whole markets at 1e-2, sums over seeds', ['cheating sellers', 'kind', 'markets', 'tasks accepted', 'wrong', 'share', 'worst market', 'undecided', 'cheats', 'found out', `asked per accepted, from ${FROM} on`], grouped.map(({ share, kind, rows, all }) => [percent(share, 0), kind, rows.length, all.tasks, all.wrong, percent(wrongOf(all), 3), percent(Math.max(...rows.map(({ counts }) => wrongOf(counts))), 3), all.undecided, all.cheats, all.caught, times(overheadFrom(all, FROM))])),
  titled('Results asked for per accepted one at 1e-2, by what the first owner had delivered before', ['cheating sellers', 'kind', ...BANDS.map((from, i) => (BANDS[i + 1] === undefined ? `${from} and more` : `${from} to ${(BANDS[i + 1] as number) - 1}`))], grouped.map(({ share, kind, all }) => [percent(share, 0), kind, ...all.bands.map(({ tasks, copies }) => times(tasks === 0 ? 0 : copies / tasks))])),
  titled('What one cheat gains over honest work at 1e-2, in prices of a result', ['cheating sellers', 'kind', 'cheats', 'found out', 'forfeited each time, in prices', 'accepted of a cheat in the day before it was found, and lies among them', ...COSTS.flatMap((cost) => [`work costs ${percent(cost, 0)}, as built`, `${percent(cost, 0)}, were nothing forfeited`])], grouped.map(({ share, kind, all }) => [percent(share, 0), kind, all.cheats, all.caught, all.caught === 0 ? '–' : (all.forfeited / all.caught).toFixed(1), `${all.lately}, ${all.liesLately}`, ...COSTS.flatMap((cost) => [true, false].map((bond) => (all.cheats === 0 ? '–' : gainOf(all, cost, bond).toFixed(2))))])),
  titled(`Honest sellers on whose machines one program in twenty answers differently, all such machines alike, at 1e-2`, ['such sellers', 'tasks accepted', 'of them with the different answer', 'results of such sellers', 'different', 'of these found wrong', 'their results that were paid', 'forfeited for each hundred of their results, in prices'], odd.map(({ share, counts }) => [percent(share, 0), counts.tasks, counts.wrong, counts.delivered, counts.cheats, counts.caught, percent(counts.paid / Math.max(1, counts.delivered)), ((100 * counts.forfeited) / Math.max(1, counts.delivered)).toFixed(1)])),
  titled('The same draws before a result counts and afterwards, the rule alone, 1e-2, 20 % cheat', ['kind', 'drawn', 'tasks accepted', 'wrong', 'share', 'cheats', 'found out', 'asked per accepted'], when.map(({ kind, afterwards, counts }) => [kind, afterwards ? 'afterwards' : 'before', counts.tasks, counts.wrong, percent(wrongOf(counts), 3), counts.cheats, counts.caught, times(overheadFrom(counts, 0))])),
  ...(values.markets ? [] : [titled('The rule alone, tighter bounds', ['bound', 'cheating sellers', 'kind', 'tasks accepted', 'wrong', 'undecided or nobody to ask', 'cheats', 'found out', 'asked per accepted'], rule.map(({ bound, share, kind, counts }) => [bound, percent(share, 0), kind, counts.tasks, counts.wrong, counts.undecided, counts.cheats, counts.caught, times(overheadFrom(counts, 0))]))]),
].join('\n')
process.stdout.write(`${text}\n`)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, `${JSON.stringify({ what: 'assurance', at, commit, machine, quick, rounds: ROUNDS, seeds: SEEDS, targets, market, odd, when, rule }, null, 2)}\n`)
