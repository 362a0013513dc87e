// What the next day may bring, what that rests on, and why nothing is said where nothing can be.
import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { EarningsForecast } from '@lumaris/protocol'
import { forecastQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { credits, duration, plural, visible } from '../ui/format.ts'
import { Empty, Loaded, Moment, Panel } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'

type Of = EarningsForecast['nodes'][number]
const BASE: Readonly<Record<Of['from'], string>> = { week: 'in the last 7 days', joined: 'since it joined', changed: 'since its machine or what it offers changed' }

/** What is foreseen is not known to more than two places. */
function about(micros: string): string {
  const value = BigInt(micros), unit = 10n ** BigInt(Math.max(0, micros.length - 2))
  return credits(((value + unit / 2n) / unit) * unit)
}

export function Forecast() {
  const forecast = useQuery(forecastQuery(useClient()))
  return <Panel title="The next 24 hours" id="forecast"><Loaded query={forecast} lines={4}>{(found) => (found.nodes.length === 0 ? <Empty title="No nodes yet">What a node may earn stands here once it has worked for {duration(found.leastRanMs)}.</Empty> : <Shown of={found} />)}</Loaded></Panel>
}
function Shown({ of: { total, nodes, leastRanMs } }: { of: EarningsForecast }) {
  const counted = nodes.filter((one) => one.foreseen).length
  return (
    <Stack gap="sm">
      {total ? <Text size="sm" role="status">Estimate: <strong>{about(total.low)} to {about(total.high)} credits</strong>, around {about(total.middle)}, after the fee{counted < nodes.length && `, with ${counted} of ${plural(nodes.length, 'node')}`}.</Text>
        : <Text size="sm" role="status">Nothing can be said yet.</Text>}
      <div className="scroll-box" tabIndex={0} role="region" aria-label="Foreseen by node"><table className="table">
        <thead><tr><th>Node</th><th className="right">Credits in 24 hours</th><th>Rests on</th></tr></thead>
        <tbody>{nodes.map((one) => <tr key={one.node}><td><TextLink to="/nodes/$node" params={{ node: one.node }} search={{ tab: 'price' }}>{visible(one.name)}</TextLink></td><td className="right number">{one.foreseen ? `${about(one.foreseen.low)} to ${about(one.foreseen.high)}` : <span title={WHY[one.why ?? 'little_work']}>–</span>}</td><td className="wide-cell"><Base of={one} least={leastRanMs} /></td></tr>)}</tbody>
      </table></div>
      <Text size="sm" c="dimmed">Nobody promises it. Four times of five it lies between, if jobs come by chance as they came, one by one and as large, and at what they were paid; nodes are added up as if they rose and fell together. It begins anew when the cores, memory, cards or drivers of a node change.</Text>
    </Stack>
  )
}
const WHY: Readonly<Record<NonNullable<Of['why']>, string>> = { paused: 'It takes no new work now, so it earns nothing new', away: 'It is not there, so it earns nothing', little_work: 'Too little has run to say anything' }
function Base({ of, least }: { of: Of; least: number }) {
  const ran = of.jobs === 0 ? `no work that ended ${BASE[of.from]}` : `${plural(of.jobs, 'job')} that brought ${credits(of.earned)} ${BASE[of.from]}`
  return <Text size="sm">{of.why && of.why !== 'little_work' ? <>{WHY[of.why]}. It rests on nothing now.</> : <>{ran}{of.from !== 'week' && <> (<Moment at={of.since} />)</>}{of.why && (of.ranMs < least ? `; programs ran for ${duration(of.ranMs)} of the ${duration(least)} that it takes` : `; it takes ${duration(least)} of time, too`)}</>}</Text>
}
