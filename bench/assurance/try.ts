import { runMarket } from './market.ts'
import { overheadFrom } from './count.ts'
const [rounds = '300', share = '0.2', bound = '1e-2', seed = '1'] = process.argv.slice(2)
for (const kind of ['random', 'pairs', 'turncoats', 'one lie for all'] as const) {
  const t = performance.now()
  const c = runMarket({ sellers: 50, share: Number(share), kind, bound: bound as '1e-2', rounds: Number(rounds), seed: Number(seed) })
  console.log(kind.padEnd(16), JSON.stringify({ ...c, bands: c.bands.map((b) => `${b.tasks}:${(b.copies / b.tasks).toFixed(2)}`).join(' ') }), 'wrong', (c.wrong / c.tasks).toFixed(4), 'over', overheadFrom(c, 50).toFixed(3), ((performance.now() - t) / 1000).toFixed(1))
}
