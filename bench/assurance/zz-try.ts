import { runMarket } from './market.ts'
import { overheadFrom, sumOf } from './count.ts'
const seeds = (process.argv[2] ?? '1,2').split(',').map(Number), kinds = (process.argv[3] ?? 'random,turncoats').split(',')
for (const share of [0.05, 0.2]) for (const kind of kinds) {
  const all = seeds.map((seed, i) => runMarket({ sellers: share === 0.05 ? 40 : 50, share, kind: kind as never, bound: '1e-2', rounds: 500, goodFirst: [60, 120, 200][i % 3]!, seed }))
  const c = sumOf(all)
  console.log(share, kind, 'overhead', overheadFrom(c, 50).toFixed(3), 'wrong', all.map((o) => (100 * o.wrong / o.tasks).toFixed(2)).join(' '), 'cheats', c.cheats, 'caught', c.caught, 'forf/caught', (c.forfeited / c.caught).toFixed(1), 'gain100', (1 - (c.caught + c.forfeited) / c.cheats).toFixed(2))
}
