// What each node earned, day by day, and where its money is: in the dispute window or cleared. A payout is of all nodes together.
import './by-node.css'
import '../ui/stack.css'
import { useState } from 'react'
import { Group, NativeSelect, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { NodesEarnings } from '@lumaris/protocol'
import { nodesEarningsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { credits, creditsText, plural, visible } from '../ui/format.ts'
import { Empty, Loaded, Panel, useNow } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { OTHERS, ranOf, stacked, sumOf } from './stack-days.ts'

export function ByNode() {
  const client = useClient(), [days, setDays] = useState(30), [table, setTable] = useState(false)
  const earnings = useQuery(nodesEarningsQuery(client, days))
  return (
    <Panel title="By node" id="by-node" actions={<Group gap="sm">
      <Switch label="Days as a table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />
      <NativeSelect size="xs" aria-label="Time" value={String(days)} onChange={(event) => setDays(Number(event.currentTarget.value))} data={[{ value: '1', label: 'today (UTC)' }, { value: '7', label: 'the last 7 days' }, { value: '30', label: 'the last 30 days' }, { value: '90', label: 'the last 90 days' }]} />
    </Group>}>
      <Loaded query={earnings} lines={5}>{(found) => (found.nodes.length === 0 ? <Empty title="No node has earned anything yet">Each attempt that ends well stands here from the moment it is settled.</Empty> : <Shown of={found} table={table} />)}</Loaded>
    </Panel>
  )
}
function Shown({ of, table }: { of: NodesEarnings; table: boolean }) {
  const now = useNow(60_000), { names, days, most } = stacked(of, now), total = of.nodes.reduce((sum, node) => sum + sumOf(node.days), 0n)
  const says = `${creditsText(total)} in ${plural(days.length, 'day')}, after the fee`
  return (
    <Stack gap="sm">
      <Text size="sm">{says}.</Text>
      {table ? (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Earned by day"><table className="table data">
          <thead><tr><th>Day (UTC)</th>{names.map((name) => <th key={name} className="right">{visible(name)}</th>)}</tr></thead>
          <tbody>{days.filter((one) => one.parts.some((part) => part > 0n)).toReversed().map((one) => <tr key={one.day}><td className="number">{one.day}</td>{one.parts.map((part, i) => <td key={names[i]} className="right number">{credits(part)}</td>)}</tr>)}</tbody>
        </table></div>
      ) : <>
        <div className="stack" role="img" aria-label={`Credits earned by day and node: ${says}`}>{days.map((one) => <span key={one.day} title={`${one.day}: ${creditsText(one.parts.reduce((sum, part) => sum + part, 0n))}`}>{one.parts.map((part, i) => part > 0n && <span key={names[i]} className={`of-${i}`} ref={(element) => { if (element) element.style.height = `${Number((part * 10_000n) / most) / 100}%` }} />)}</span>)}</div>
        <div className="ends"><span>{days[0]?.day}</span><span className="hide-narrow">credits a day (UTC), at most {credits(most)}</span><span>{days.at(-1)?.day}</span></div>
        {names.length > 1 && <ul className="stack-names">{names.map((name, i) => <li key={name}><span className={`of-${i}`} aria-hidden />{visible(name)}</li>)}</ul>}
      </>}
      <div className="scroll-box" tabIndex={0} role="region" aria-label="Earned by node"><table className="table">
        <thead><tr><th>Node</th><th className="right">In this time, credits</th><th className="right">An hour of work</th><th className="right">Pending</th><th className="right">Cleared, in all</th></tr></thead>
        <tbody>{of.nodes.map((node) => <tr key={node.node}><td><TextLink to="/nodes/$node" params={{ node: node.node }} search={{ tab: 'price' }}>{visible(node.name)}</TextLink></td><td className="right number">{credits(sumOf(node.days))}</td><td className="right number">{perHour(node.days)}</td><td className="right number">{credits(node.pending)}</td><td className="right number">{credits(node.cleared)}</td></tr>)}</tbody>
      </table></div>
      <Text size="sm" c="dimmed">Pending waits for the end of the dispute window; then it is cleared, and free to be paid out with all the rest{names.includes(OTHERS) ? '. The bars tell the five apart that earned most' : ''}.</Text>
    </Stack>
  )
}
/** What an hour in which a program ran brought, after the fee; programs that ran at the same time count one by one. */
function perHour(days: NodesEarnings['nodes'][number]['days']): string {
  const ran = ranOf(days)
  return ran === 0n ? '–' : credits((sumOf(days) * 3_600_000n) / ran)
}
