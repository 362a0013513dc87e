import { useState, useSyncExternalStore } from 'react'
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Node } from '@lumaris/protocol'
import { sumOf } from '../earnings/stack-days.ts'
import { marketQuery, nodeLoadsQuery, nodesEarningsQuery, nodesQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { cores, credits, creditsText, percent, plural, size, visible } from '../ui/format.ts'
import { Command, Confirm, Empty, Facts, Loaded, Moment, Page, Refusal, Status } from '../ui/parts.tsx'
import { NODE } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { VirtualRows } from '../ui/VirtualRows.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'
import { Spark } from './Spark.tsx'
import { UPDATE_LINE, isOlder } from './versions.ts'
import './nodes.css'

/** Cards are all laid out; more of them nobody scrolls through. */
const CARDS = 200
/** As the style sheet has it. */
const NARROW = matchMedia('(max-width: 48rem)')
const onNarrow = (told: () => void): (() => void) => { NARROW.addEventListener('change', told); return () => NARROW.removeEventListener('change', told) }

const route = getRouteApi('/inside/nodes')
export function Nodes() {
  const { client, user } = useSession(), { no } = useMay()
  const { q = '' } = route.useSearch(), navigate = route.useNavigate()
  const nodes = useQuery(nodesQuery(client)), queries = useQueryClient()
  const today = useQuery({ ...nodesEarningsQuery(client, 1), enabled: hasRole(user, 'seller') }), earned = new Map(today.data?.nodes.map((node) => [node.node, sumOf(node.days)]))
  const { error, run } = useWork(), [draining, setDraining] = useState(false), [updating, setUpdating] = useState(false), narrow = useSyncExternalStore(onNarrow, () => NARROW.matches)
  const seller = hasRole(user, 'seller'), everybodys = hasRole(user, 'admin')
  const loads = useQuery({ ...nodeLoadsQuery(client), enabled: seller && !everybodys }), market = useQuery(marketQuery).data?.agents
  const all = (what: 'pauseNode' | 'resumeNode' | 'drainNode', which: readonly Node[]): Promise<void> => run(async () => {
    try { for (const node of which) await client.api[what]({ params: { node: node.id } }) } finally { void queries.invalidateQueries({ queryKey: ['nodes'] }) }
  })
  const wanted = q.toLowerCase(), shown = (nodes.data ?? []).filter((node) => node.state !== 'retired' || wanted === 'retired').filter((node) => wanted === '' || node.name.includes(wanted) || node.state === wanted || node.region.includes(wanted))
  const open = shown.filter((node) => node.owner === user.id && (node.state === 'online' || node.state === 'suspect')), paused = shown.filter((node) => node.owner === user.id && (node.state === 'paused' || node.state === 'draining'))
  const older = shown.filter((node) => node.owner === user.id && market !== undefined && isOlder(node.agentVersion, market.version))
  const version = (node: Node) => <>{visible(node.agentVersion)}{market && isOlder(node.agentVersion, market.oldest) ? <strong title={`This market asks for ${market.oldest} at least`}> too old</strong> : market && isOlder(node.agentVersion, market.version) ? <span title={`This market is of ${market.version}`}> older</span> : null}</>
  return (
    <Page title={hasRole(user, 'admin') && !seller ? 'All nodes' : 'Nodes'} actions={seller && <>
      <Button variant="default" {...no('pauseNode', open.length === 0 ? 'None of these takes work' : undefined)} onClick={() => void all('pauseNode', open)}>Pause {open.length > 0 ? plural(open.length, 'node') : 'all'}</Button>
      <Button variant="default" {...no('resumeNode', paused.length === 0 ? 'None of these is paused' : undefined)} onClick={() => void all('resumeNode', paused)}>Resume {paused.length > 0 ? plural(paused.length, 'node') : 'all'}</Button>
      <Button variant="default" title="What can be moved goes to other nodes" {...no('drainNode', open.length === 0 ? 'None of these takes work' : undefined)} onClick={() => setDraining(true)}>Drain {open.length > 0 ? plural(open.length, 'node') : 'all'}…</Button>
      {older.length > 0 && <Button variant="default" onClick={() => setUpdating(true)}>Update {plural(older.length, 'node')}…</Button>}
      <ButtonLink to="/nodes/join" {...no('createEnrolment')}>Add a node</ButtonLink>
    </>}>
      {error !== null && <Refusal error={error} />}
      <Confirm opened={draining} close={() => setDraining(false)} title={`Drain ${plural(open.length, 'node')}?`} yes="Drain" act={() => all('drainNode', open)}><Text size="sm">{open.slice(0, 10).map((node) => visible(node.name)).join(', ')}{open.length > 10 ? ` and ${open.length - 10} more` : ''}: no new work. What can be moved goes to other nodes with what it has done; the rest runs to its end and is paid. They can be resumed at any time.</Text></Confirm>
      <Modal opened={updating} onClose={() => setUpdating(false)} title={`Update ${plural(older.length, 'node')}`}><Stack>
        <Text size="sm">This market is of version {market?.version}; {older.slice(0, 10).map((node) => `${visible(node.name)} (${visible(node.agentVersion)})`).join(', ')}{older.length > 10 ? ` and ${older.length - 10} more` : ''} {older.length === 1 ? 'has' : 'have'} an older agent. Nobody can update it from here: a market that could change programs on your machine could change anything. On each, in its checkout of Lumaris:</Text>
        <Command line={UPDATE_LINE} />
        <Text size="sm">The last part is for an agent that starts with the system; another one is stopped with Ctrl-C and started again as before. Its node, key and work are kept. Drain it first if what runs there should not be given back.</Text>
      </Stack></Modal>
      <Loaded query={nodes} lines={6}>{(list) => (list.every((node) => node.state === 'retired') && wanted !== 'retired' ? <Empty title="No nodes yet">{seller ? <>A node is a machine of yours that runs the agent. <TextLink to="/nodes/join">Add one with one line.</TextLink></> : 'No machine has joined this market.'}</Empty> : (
        <>
          <Group align="flex-end"><TextInput label="Name, state or region" data-filter value={q} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: { q: value === '' ? undefined : value }, replace: true }) }} /><Text size="sm" c="dimmed" role="status">{plural(shown.length, 'node')}{shown.length < list.length ? ` of ${list.length}` : ''}</Text></Group>
          {shown.length === 0 ? <Empty title="No node fits this filter" /> : narrow ? (
            <ul className="node-cards">{shown.slice(0, CARDS).map((node) => (
              <li key={node.id} className="node-card">
                <div className="card-head"><TextLink to="/nodes/$node" params={{ node: node.id }}>{visible(node.name)}</TextLink><Status look={NODE[node.state]} /></div>
                {!everybodys && <Spark load={loads.data?.get(node.id)} name={visible(node.name)} />}
                <Facts of={[['Runs', `${plural(node.running, 'part')}, ${inUse(node)}`], ['Earned today', seller && (today.data ? creditsText(earned.get(node.id) ?? 0n) : '…')], ['Ends its work', `≥ ${percent(node.reliability)}`], ['Agent', version(node)], ['Seen', node.lastSeenAt === undefined ? 'never' : <Moment at={node.lastSeenAt} />]]} />
              </li>))}{shown.length > CARDS && <li><Text size="sm" c="dimmed">The first {CARDS} of {shown.length}: name what you look for.</Text></li>}</ul>
          ) : <VirtualRows rows={shown} keyOf={(node) => node.id} columns={8} label="Nodes"
            head={<tr><th>Node</th><th className="w-state">State</th>{!everybodys && <th className="w-load" title="Processor and memory in the last hour">CPU, memory</th>}<th className="right w-runs">Runs</th>{seller && <th className="right w-parts">Earned today</th>}<th className="right w-parts">Ends its work</th><th className="right w-time">Agent</th><th className="right w-time">Seen</th></tr>}
            row={(node) => <>
              <td><TextLink to="/nodes/$node" params={{ node: node.id }}>{visible(node.name)}</TextLink></td><td><Status look={NODE[node.state]} /></td>{!everybodys && <td><Spark load={loads.data?.get(node.id)} name={visible(node.name)} /></td>}
              <td className="right number" title={`${plural(node.running, 'part')}, ${inUse(node)}`}>{node.running}</td>{seller && <td className="right number" title="Since midnight UTC, after the fee">{today.data ? credits(earned.get(node.id) ?? 0n) : '…'}</td>}<td className="right number" title="What it has shown: a lower bound">≥ {percent(node.reliability)}</td>
              <td className="right number">{version(node)}</td><td className="right">{node.lastSeenAt === undefined ? 'never' : <Moment at={node.lastSeenAt} />}</td>
            </>} />}
        </>))}</Loaded>
      <Command line={`npx lumaris ${hasRole(user, 'admin') && !seller ? '--as admin ' : ''}nodes`} />
      {seller && <Alert color="indigo" title="What a buyer’s work can and cannot do on your machine"><Text size="sm">It runs behind the walls that your node has tried itself: no network, none of your files or processes, and only the cores, memory and disk that were bought. Pausing stops new work at once.</Text></Alert>}
    </Page>
  )
}
const inUse = (node: Node): string => `${(node.reserved.cpuMillis / 1000).toLocaleString('en')} of ${cores(node.capacity.cpuMillis)}`
export const capacityLine = (node: Node): string => `${cores(node.capacity.cpuMillis)}, ${size(node.capacity.memoryBytes)} memory, ${size(node.capacity.diskBytes)} disk${node.capacity.gpus > 0 ? `, ${plural(node.capacity.gpus, 'GPU')}` : ''}`
