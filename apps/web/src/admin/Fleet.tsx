import { Suspense, useState } from 'react'
import { Button, Group, NativeSelect, Stack, Switch, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { NodeState } from '@lumaris/protocol'
import type { Fleet as Counted, Node } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { cores, percent, plural, size, visible } from '../ui/format.ts'
import { Command, Empty, Listed, Loaded, Moment, Page, Panel, Status, CopyId } from '../ui/parts.tsx'
import { NODE } from '../ui/states.ts'
import { part } from '../ui/part.ts'
import { TextLink } from '../shell/links.tsx'
import { WithReason } from './WithReason.tsx'
import { fleetQuery, marketNodesQuery } from './queries.ts'
import type { Wanted } from './queries.ts'

/** The shapes of the world are large, and nobody needs them who wants the table. */
const WorldMap = part(async () => (await import('./WorldMap.tsx')).WorldMap)
const ENDS = { 'least-0.99': 'at least 99 %', 'least-0.9': 'at least 90 %', 'most-0.9': 'at most 90 %', 'most-0.5': 'at most 50 %' } as const
const CORES = [1, 4, 16, 64] as const
const route = getRouteApi('/inside/fleet')
type Search = ReturnType<typeof route.useSearch>

/** What the address asks for, as the market is asked. */
function wantedOf({ q, region, version, state, ends, free }: Search): Wanted {
  const [end, share] = (ends ?? '').split('-')
  return { q, region: region?.split(','), version: version === undefined ? undefined : [version], state: state === undefined ? undefined : [state], ...(end === 'least' ? { leastCompletion: Number(share) } : end === 'most' ? { mostCompletion: Number(share) } : {}), freeCpuMillis: free === undefined ? undefined : free * 1000 }
}

export function Fleet() {
  const client = useClient(), search = route.useSearch(), navigate = route.useNavigate()
  const wanted = wantedOf(search), { region: _anywhere, ...everywhere } = wanted, chosen = wanted.region ?? []
  // The map shows the regions that are not chosen too, or there would be nothing else to choose.
  const fleet = useQuery(fleetQuery(client, everywhere)), nodes = useInfiniteQuery(marketNodesQuery(client, wanted))
  const set = (more: Partial<Search>): void => void navigate({ search: (old) => ({ ...old, ...more }), replace: true, resetScroll: false })
  const filtered = Object.values(search).some((value) => value !== undefined)
  const [table, setTable] = useState(false)
  const options = (all: string, list: readonly string[], now: string | undefined): { value: string; label: string }[] => [{ value: '', label: all }, ...[...new Set([...(now === undefined || list.includes(now) ? [] : [now]), ...list])].map((value) => ({ value, label: visible(value).replaceAll(',', ', ') }))]
  const pick = (key: keyof Search) => (event: React.ChangeEvent<HTMLSelectElement>): void => set({ [key]: event.currentTarget.value || undefined })
  return (
    <Page title="Nodes of the market" intro="Every machine of every seller. What is done to one here asks for a reason, and stands in the log.">
      <Group align="flex-end">
        <TextInput label="A part of the name, or an id" data-filter value={search.q ?? ''} onChange={(event) => set({ q: event.currentTarget.value || undefined })} />
        <NativeSelect label="Region" value={search.region ?? ''} onChange={pick('region')} data={options('all', fleet.data?.regions.map((one) => one.region) ?? [], search.region)} />
        <NativeSelect label="Agent" value={search.version ?? ''} onChange={pick('version')} data={options('any version', fleet.data?.versions.map((one) => one.version) ?? [], search.version)} />
        <NativeSelect label="State" value={search.state ?? ''} onChange={pick('state')} data={[{ value: '', label: 'all but retired' }, ...NodeState.options.map((value) => ({ value, label: NODE[value].word }))]} />
        <NativeSelect label="Ends its work" value={search.ends ?? ''} onChange={pick('ends')} data={[{ value: '', label: 'any share' }, ...Object.entries(ENDS).map(([value, label]) => ({ value, label }))]} />
        <NativeSelect label="Free" value={String(search.free ?? '')} onChange={(event) => set({ free: event.currentTarget.value === '' ? undefined : (Number(event.currentTarget.value) as (typeof CORES)[number]) })} data={[{ value: '', label: 'any room' }, ...CORES.map((value) => ({ value: String(value), label: `${cores(value * 1000)} or more` }))]} />
        {filtered && <Button variant="default" onClick={() => void navigate({ search: {}, replace: true })}>Show all</Button>}
      </Group>
      <Panel title="Where they are" id="where" actions={<Switch label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />}>
        <Loaded query={fleet} lines={8}>{(data) => (data.nodes === 0 ? <Empty title={filtered ? 'No node fits this filter' : 'No machine has joined this market'} /> : (
          <Stack gap="sm">
            {table ? <Regions fleet={data} /> : <Suspense fallback={<div aria-busy="true" className="waiting" />}><WorldMap regions={data.regions} chosen={chosen} choose={(regions) => set({ region: regions.length === 0 ? undefined : regions.join(',') })} /></Suspense>}
            <Text size="sm" c="dimmed" role="status">{data.left ? `The ${plural(data.regions.length, 'largest region')} are shown; ${plural(data.left.nodes, 'node')} of ${plural(data.left.regions, 'smaller one')} are not.` : `All ${plural(data.nodes, 'node')} are counted, none is left out.`}</Text>
          </Stack>))}</Loaded>
      </Panel>
      <Panel title="The nodes" id="the-nodes"><Listed query={nodes} lines={6} more="More" none={<Empty title={filtered ? 'No node fits this filter' : 'No machine has joined this market'}>{filtered ? '' : 'Sellers add theirs with one line.'}</Empty>}>{(list) => <Rows nodes={list} />}</Listed></Panel>
      <Command line={`npx lumaris --as admin admin nodes${search.region ? search.region.split(',').map((one) => ` --region ${one}`).join('') : ''}${search.state ? ` --state ${search.state}` : ''}`} />
    </Page>
  )
}

function Regions({ fleet }: { fleet: Counted }) {
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Nodes by region"><table className="table"><thead><tr><th>Region</th><th className="right">Nodes</th><th>States</th><th className="right">Free</th><th className="right">Runs</th></tr></thead>
      <tbody>{fleet.regions.map((one) => <tr key={one.region}><td>{visible(one.region)}</td><td className="right number">{one.nodes}</td><td>{Object.entries(one.states).map(([state, count]) => `${count} ${NODE[state as NodeState].word.toLowerCase()}`).join(', ')}</td><td className="right number">{roomText(one.freeCpuMillis, one.cpuMillis)}</td><td className="right number">{one.running}</td></tr>)}</tbody></table></div>
  )
}
const roomText = (free: number, all: number): string => `${(free / 1000).toLocaleString('en')} of ${cores(all)}`

type Doing = { readonly node: Node; readonly what: 'cordon' | 'empty' | 'uncordon' | 'ban' | 'unban' }
const HOUR_MS = 3_600_000
const DEADLINES: readonly (readonly [value: string, label: string])[] = [['', 'none: what runs there may end'], ['0', 'now'], [String(HOUR_MS / 4), 'in 15 minutes'], [String(HOUR_MS), 'in an hour'], [String(8 * HOUR_MS), 'in 8 hours'], [String(24 * HOUR_MS), 'in a day']]
const ASKED = {
  cordon: ['Keep new work from', 'Cordon', 'It gets nothing new, whatever its owner says, until you let it go. What runs there goes on, and is paid.'],
  empty: ['Empty', 'Empty it', 'It gets nothing new, and what can be moved goes elsewhere at once. What still runs at the deadline is ended: its buyer pays only for what a checkpoint has kept, it starts again elsewhere, and it does not count against the node.'],
  uncordon: ['Let', 'Let it work', 'It takes work again as its owner wants it.'],
  ban: ['Ban', 'Ban it', 'Out of the market now: what runs there is ended unpaid and goes elsewhere, and its agent is refused until the ban is lifted.'],
  unban: ['Lift the ban of', 'Lift the ban', 'Its agent may connect again; its owner must start it.'],
} as const

function Rows({ nodes }: { nodes: readonly Node[] }) {
  const client = useClient(), queries = useQueryClient()
  const [doing, setDoing] = useState<Doing | null>(null), [within, setWithin] = useState('')
  const begin = (node: Node, what: Doing['what']) => (): void => { setWithin(''); setDoing({ node, what }) }
  const act = async (reason: string): Promise<void> => {
    if (!doing) return
    const params = { node: doing.node.id }
    if (doing.what === 'cordon' || doing.what === 'empty') await client.api.cordonNode({ params, body: { reason, ...(doing.what === 'empty' ? { drain: within === '' ? {} : { withinMs: Number(within) } } : {}) } })
    else await (doing.what === 'uncordon' ? client.api.uncordonNode : doing.what === 'ban' ? client.api.banNode : client.api.unbanNode)({ params, body: { reason } })
    void queries.invalidateQueries({ queryKey: ['admin'] })
  }
  const asked = doing && ASKED[doing.what]
  return <>
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Nodes"><table className="table">
      <thead><tr><th>Node</th><th>State</th><th>Region, agent</th><th>Whose</th><th className="right">Free</th><th className="right">Ends its work</th><th className="right">Runs</th><th><span className="for-readers">Actions</span></th></tr></thead>
      <tbody>{nodes.map((node) => { const banned = node.state === 'banned', what = <span className="for-readers"> {visible(node.name)}</span>; return (
        <tr key={node.id}><td><TextLink to="/nodes/$node" params={{ node: node.id }} size="sm" className="number">{visible(node.name)}</TextLink><CopyId id={node.id} what="node id" /></td>
          <td><Status look={NODE[node.state]} /><Text size="xs" c="dimmed">{node.lastSeenAt === undefined ? 'never seen' : <>seen <Moment at={node.lastSeenAt} /></>}</Text>{node.cordon && <Text size="sm" c="dimmed" maw={220}>{visible(node.cordon.reason)}{node.cordon.until !== undefined && <>; empty <Moment at={node.cordon.until} /></>}</Text>}</td>
          <td className="number">{visible(node.region)}<br /><Text span size="xs" c="dimmed">{visible(node.agentVersion)}</Text></td><td><TextLink to="/users/$user" params={{ user: node.owner }} size="sm">owner<span className="for-readers"> of {visible(node.name)}</span></TextLink></td><td className="right number">{roomText(node.capacity.cpuMillis - node.reserved.cpuMillis, node.capacity.cpuMillis)}<br /><Text span size="xs" c="dimmed">{size(Math.max(0, node.capacity.memoryBytes - node.reserved.memoryBytes))} memory</Text></td>
          <td className="right number" title="What it has shown: a lower bound">≥ {percent(node.reliability)}</td><td className="right number">{node.running}</td>
          <td className="right"><Group gap={6} justify="flex-end" wrap="nowrap">{node.state === 'retired' ? null : banned ? <Button size="compact-sm" variant="default" onClick={begin(node, 'unban')}>Lift the ban…{what}</Button> : <>
            {node.cordon ? <Button size="compact-sm" onClick={begin(node, 'uncordon')}>Let go…{what}</Button> : <Button size="compact-sm" variant="default" onClick={begin(node, 'cordon')}>Cordon…{what}</Button>}
            <Button size="compact-sm" variant="default" onClick={begin(node, 'empty')}>Empty…{what}</Button><Button size="compact-sm" variant="outline" color="red" onClick={begin(node, 'ban')}>Ban…{what}</Button></>}</Group></td></tr>) })}</tbody>
    </table></div>
    <WithReason opened={doing !== null} close={() => setDoing(null)} title={doing && asked ? `${asked[0]} ${visible(doing.node.name)}${doing.what === 'uncordon' ? ' take work again' : ''}?` : ''} yes={asked?.[1] ?? ''} dangerous={doing?.what === 'ban' || (doing?.what === 'empty' && within !== '')} act={act}>
      {asked && <Stack gap="sm"><div>{asked[2]}{doing.node.running > 0 && doing.what !== 'uncordon' ? ` ${plural(doing.node.running, 'part')} ${doing.node.running === 1 ? 'runs' : 'run'} there now.` : ''}</div>{doing.what === 'empty' && <NativeSelect label="Deadline" value={within} onChange={(event) => setWithin(event.currentTarget.value)} data={DEADLINES.map(([value, label]) => ({ value, label }))} />}</Stack>}
    </WithReason>
  </>
}
