import { useState } from 'react'
import { Alert, Button, Group, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Node } from '@lumaris/protocol'
import { sumOf } from '../earnings/stack-days.ts'
import { nodesEarningsQuery, nodesQuery } from '../queries.ts'
import { hasRole, useSession } from '../session/use-session.ts'
import { cores, credits, percent, plural, size, visible } from '../ui/format.ts'
import { Confirm, Empty, Loaded, Moment, Page, Refusal, Status } from '../ui/parts.tsx'
import { NODE } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { VirtualRows } from '../ui/VirtualRows.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'

const route = getRouteApi('/inside/nodes')
export function Nodes() {
  const { client, user } = useSession()
  const { q = '' } = route.useSearch(), navigate = route.useNavigate()
  const nodes = useQuery(nodesQuery(client)), queries = useQueryClient()
  const today = useQuery({ ...nodesEarningsQuery(client, 1), enabled: hasRole(user, 'seller') }), earned = new Map(today.data?.nodes.map((node) => [node.node, sumOf(node.days)]))
  const { error, run } = useWork(), [draining, setDraining] = useState(false)
  const seller = hasRole(user, 'seller')
  const all = (what: 'pauseNode' | 'resumeNode' | 'drainNode', which: readonly Node[]): Promise<void> => run(async () => {
    try { for (const node of which) await client.api[what]({ params: { node: node.id } }) } finally { void queries.invalidateQueries({ queryKey: ['nodes'] }) }
  })
  const wanted = q.toLowerCase(), shown = (nodes.data ?? []).filter((node) => wanted === '' || node.name.includes(wanted) || node.state === wanted || node.region.includes(wanted))
  const open = shown.filter((node) => node.owner === user.id && (node.state === 'online' || node.state === 'suspect')), paused = shown.filter((node) => node.owner === user.id && (node.state === 'paused' || node.state === 'draining'))
  return (
    <Page title={hasRole(user, 'admin') && !seller ? 'All nodes' : 'Nodes'} actions={seller && <>
      <Button variant="default" disabled={open.length === 0} title={open.length === 0 ? 'None of these takes work' : undefined} onClick={() => void all('pauseNode', open)}>Pause {open.length > 0 ? plural(open.length, 'node') : 'all'}</Button>
      <Button variant="default" disabled={paused.length === 0} title={paused.length === 0 ? 'None of these is paused' : undefined} onClick={() => void all('resumeNode', paused)}>Resume {paused.length > 0 ? plural(paused.length, 'node') : 'all'}</Button>
      <Button variant="default" disabled={open.length === 0} title={open.length === 0 ? 'None of these takes work' : 'What can be moved goes to other nodes'} onClick={() => setDraining(true)}>Drain {open.length > 0 ? plural(open.length, 'node') : 'all'}…</Button>
      <ButtonLink to="/nodes/join">Add a node</ButtonLink>
    </>}>
      {error !== null && <Refusal error={error} />}
      <Confirm opened={draining} close={() => setDraining(false)} title={`Drain ${plural(open.length, 'node')}?`} yes="Drain" act={() => all('drainNode', open)}><Text size="sm">{open.slice(0, 10).map((node) => visible(node.name)).join(', ')}{open.length > 10 ? ` and ${open.length - 10} more` : ''}: no new work. What can be moved goes to other nodes with what it has done; the rest runs to its end and is paid. They can be resumed at any time.</Text></Confirm>
      <Loaded query={nodes} lines={6}>{(list) => (list.length === 0 ? <Empty title="No nodes yet">{seller ? <>A node is a machine of yours that runs the agent. <TextLink to="/nodes/join">Add one with one line.</TextLink></> : 'No machine has joined this market.'}</Empty> : (
        <>
          <Group align="flex-end"><TextInput label="Name, state or region" data-filter value={q} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: { q: value === '' ? undefined : value }, replace: true }) }} /><Text size="sm" c="dimmed" role="status">{plural(shown.length, 'node')}{shown.length < list.length ? ` of ${list.length}` : ''}</Text></Group>
          {shown.length === 0 ? <Empty title="No node fits this filter" /> : <VirtualRows rows={shown} keyOf={(node) => node.id} columns={8} label="Nodes"
            head={<tr><th>Node</th><th className="w-state">State</th><th className="w-parts hide-narrow">In use</th><th className="right w-time hide-narrow">Parts</th><th className="right w-money hide-narrow">Core hour</th>{seller && <th className="right w-money hide-narrow">Earned today</th>}<th className="right w-parts hide-narrow">Ends its work</th><th className="right w-time">Seen</th></tr>}
            row={(node) => <>
              <td><TextLink to="/nodes/$node" params={{ node: node.id }}>{visible(node.name)}</TextLink></td><td><Status look={NODE[node.state]} /></td><td className="hide-narrow number">{inUse(node)}</td><td className="right number hide-narrow">{node.running}</td>
              <td className="right number hide-narrow">{credits(node.prices.cpuHour)}</td>{seller && <td className="right number hide-narrow" title="Since midnight UTC, after the fee">{today.data ? credits(earned.get(node.id) ?? 0n) : '…'}</td>}<td className="right number hide-narrow" title="What it has shown: a lower bound">≥ {percent(node.reliability)}</td><td className="right">{node.lastSeenAt === undefined ? 'never' : <Moment at={node.lastSeenAt} />}</td>
            </>} />}
        </>))}</Loaded>
      {seller && <Alert color="indigo" title="What a buyer’s work can and cannot do on your machine"><Text size="sm">It runs behind the walls that your node has tried itself: no network, none of your files or processes, and only the cores, memory and disk that were bought. Pausing stops new work at once.</Text></Alert>}
    </Page>
  )
}
const inUse = (node: Node): string => `${(node.reserved.cpuMillis / 1000).toLocaleString('en')} of ${cores(node.capacity.cpuMillis)}`
export const capacityLine = (node: Node): string => `${cores(node.capacity.cpuMillis)}, ${size(node.capacity.memoryBytes)} memory, ${size(node.capacity.diskBytes)} disk${node.capacity.gpus > 0 ? `, ${plural(node.capacity.gpus, 'GPU')}` : ''}`
