// How the machine of a node is and was, as its heartbeats tell. Loaded with the first node that is looked at: it brings the plots.
import { useState } from 'react'
import { Button, Group, NativeSelect, SegmentedControl, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Node, NodeReadings } from '@lumaris/protocol'
import { readingsQuery } from '../queries.ts'
import { useClient, useReach } from '../session/use-session.ts'
import { ago, duration } from '../ui/format.ts'
import { Empty, Loaded, Moment, Panel, useNow } from '../ui/parts.tsx'
import { Plot } from '../ui/Plot.tsx'
import { SPANS, plotsOf, since } from './read-machine.ts'
import type { Drawn, Span } from './read-machine.ts'

/** `live`: with each heartbeat. */
const REFRESH = { live: 10_000, minute: 60_000, off: false } as const
/** Rows of the table: enough to read. */
const ROWS = 60

export function Machine({ node, span, choose }: { node: Node; span: Span; choose: (span: Span) => void }) {
  const client = useClient(), [every, setEvery] = useState<keyof typeof REFRESH>('live'), [table, setTable] = useState(false)
  const readings = useQuery({ ...readingsQuery(client, node.id, SPANS[span].ask), refetchInterval: REFRESH[every] })
  return (
    <Panel title="The machine" id="machine" actions={<Group gap="xs">
      <SegmentedControl size="xs" aria-label="Time shown" value={span} onChange={(value) => choose(value as Span)} data={(Object.keys(SPANS) as Span[]).map((value) => ({ value, label: SPANS[value].name }))} />
      <NativeSelect size="xs" aria-label="Brought up to date" value={every} onChange={(event) => setEvery(event.currentTarget.value as keyof typeof REFRESH)} data={[{ value: 'live', label: 'Live' }, { value: 'minute', label: 'Every minute' }, { value: 'off', label: 'Not by itself' }]} />
      <Button size="xs" variant="default" loading={readings.isFetching && every === 'off'} onClick={() => void readings.refetch()}>Refresh</Button>
      <Button size="xs" variant="default" aria-pressed={table} onClick={() => setTable(!table)}>{table ? 'Show as charts' : 'Show as a table'}</Button>
    </Group>}>
      <Loaded query={readings} lines={8}>{(found) => <Shown node={node} readings={found} span={span} table={table} />}</Loaded>
      <Text size="sm" c="dimmed" mt="sm">Of the whole machine, as its agent reads it with each heartbeat. Kept for a week; the market writes it down every five minutes, so a crash may take the last ones.</Text>
    </Panel>
  )
}
function Shown({ node, readings, span, table }: { node: Node; readings: NodeReadings; span: Span; table: boolean }) {
  const now = useNow(10_000), { ok } = useReach()
  const last = readings.at.at(-1), until = Math.max(now, last ?? 0), from = until - SPANS[span].ms
  const shown = since(readings, from), plots = plotsOf(shown, node.capacity)
  if (last === undefined) return <Empty title="No readings yet">{node.connected ? 'The first come with its next heartbeat.' : 'They come with its heartbeats, and it is not connected.'}</Empty>
  if (plots.length === 0) return <Empty title={`No readings in the last ${SPANS[span].name}`}>The last one is <Moment at={last} />.</Empty>
  // A step of the day and of the week is told when half of it is over.
  const isOld = now - last > 3 * (readings.everyMs ?? 0) + 5_000
  return (
    <>
      <div role="status" className="small">{isOld || !ok ? `No word of this machine since ${ago(last, now)}: what is shown is as old.` : ''}</div>
      {table ? <Table readings={shown} plots={plots} /> : <div className="plots">{plots.map((one) => <Plot key={one.title} {...one} at={shown.at} from={from} until={until} />)}</div>}
      {readings.everyMs !== null && <Text size="sm" c="dimmed">{SPANS[span].ask === 'hour' ? `A reading every ${Math.round(readings.everyMs / 1000)} s.` : `Means over ${duration(readings.everyMs)}.`}</Text>}
    </>
  )
}
function Table({ readings, plots }: { readings: NodeReadings; plots: readonly Drawn[] }) {
  const columns = plots.flatMap((plot) => plot.lines.filter((line) => line.bound !== true).map((line) => ({ name: `${plot.title}: ${line.label}`, values: line.values, write: plot.write })))
  const first = Math.max(0, readings.at.length - ROWS), rows = readings.at.slice(first).map((at, i) => ({ at, i: first + i })).toReversed()
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Readings"><table className="table data">
      <thead><tr><th>When</th>{columns.map(({ name }) => <th key={name} className="right">{name}</th>)}</tr></thead>
      <tbody>{rows.map(({ at, i }) => <tr key={at}><td><Moment at={at} /></td>{columns.map(({ name, values, write }) => { const value = values[i] ?? null; return <td key={name} className="right number">{value === null ? '–' : write(value)}</td> })}</tr>)}</tbody>
    </table>{first > 0 && <Text size="sm" c="dimmed">The last {ROWS} of {readings.at.length}.</Text>}</div>
  )
}
