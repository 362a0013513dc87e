import { Badge, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { JobId, MarketTable, NodeState } from '@lumaris/protocol'
import { explainQuery, tableQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { cores, credits, percent, plural, size, visible } from '../ui/format.ts'
import { Command, Empty, Loaded, Moment, Page, Panel, Status, CopyId } from '../ui/parts.tsx'
import { NODE, REASON } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { Overview } from './Overview.tsx'

export function Market() {
  const client = useClient()
  const table = useQuery(tableQuery(client))
  return (
    <Page title="The market" intro="How it is and went; and below, the queue, the nodes and the last placements, as matching sees them just now.">
      <Overview />
      <Panel title="The queue" id="queue"><Loaded query={table}>{(now) => <Queue table={now} />}</Loaded></Panel>
      <Panel title="Nodes" id="nodes"><Loaded query={table}>{(now) => <NodeTable table={now} />}</Loaded></Panel>
      <Panel title="Last placements" id="decisions"><Loaded query={table}>{(now) => (now.decisions.length === 0 ? <Empty title="Nothing was placed since this market was started" /> : (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Last placements"><table className="table"><thead><tr><th>When</th><th>Asked for</th><th>Went to</th><th className="right">Expected cost, credits</th><th>Job</th></tr></thead>
          <tbody>{now.decisions.slice(0, 25).map((one, i) => <tr key={i}><td><Moment at={one.at} /></td><td>{visible(one.need)}</td><td>{visible(one.nodeName)}</td><td className="right number">{credits(one.total)}</td><td><ToJob job={one.job} /></td></tr>)}</tbody></table></div>))}</Loaded></Panel>
      <Command line="npx lumaris --as admin admin overview" />
      <Command line="npx lumaris --as admin market table" />
    </Page>
  )
}
const ToJob = ({ job }: { job: JobId }) => <span className="id"><TextLink to="/jobs/$job" params={{ job }} search={{ tab: 'why' }} size="sm"><code>…{job.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={job} what="job id" /></span>

/** Lines whose reasons are asked for; each is a question of its own. */
const EXPLAINED = 20
function Queue({ table }: { table: MarketTable }) {
  if (table.lines.length === 0) return <Empty title="Nobody waits">Work that finds no node stands here, with the reason.</Empty>
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Waiting work"><table className="table"><thead><tr><th>Asks for</th><th className="right">Parts</th><th>Waits since</th><th>Why</th><th>First job</th></tr></thead>
      <tbody>{table.lines.slice(0, 200).map((line, i) => <tr key={line.job + line.need}><td>{visible(line.need)} {line.asleep && <Badge size="sm" color="gray">asleep</Badge>}</td><td className="right number">{line.waiting}</td><td><Moment at={line.oldestAt} /></td><td>{i < EXPLAINED ? <Reason job={line.job} /> : ''}</td><td><ToJob job={line.job} /></td></tr>)}</tbody></table></div>
  )
}
function Reason({ job }: { job: JobId }) {
  const client = useClient()
  const why = useQuery(explainQuery(client, job, true))
  if (!why.data) return <span aria-busy={why.isPending}>{why.isError ? 'it has just gone' : '…'}</span>
  const counts = new Map<string, number>()
  for (const node of why.data.waiting?.nodes ?? []) { const says = REASON[node.reason]; counts.set(says, (counts.get(says) ?? 0) + 1) }
  return <><Text size="sm">{why.data.summary}</Text>{counts.size > 0 && <ul className="details">{[...counts].map(([says, count]) => <li key={says}>{plural(count, 'node')}: {says}</li>)}</ul>}</>
}
function NodeTable({ table }: { table: MarketTable }) {
  if (table.nodes.length === 0) return <Empty title="No node has joined" />
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Nodes"><table className="table"><thead><tr><th>Node</th><th>State</th><th>Region</th><th>Wall</th><th className="right">Free cores</th><th className="right">Free memory</th><th className="right">Core hour, credits</th><th className="right">Ends its work</th><th className="right">Runs</th></tr></thead>
      <tbody>{table.nodes.slice(0, 200).map((node) => <tr key={node.node}><td><TextLink to="/nodes/$node" params={{ node: node.node }} size="sm">{visible(node.name)}</TextLink></td><td><Status look={NODE[node.state as NodeState]} /></td><td>{visible(node.region)}</td><td>{node.level ?? '–'}</td><td className="right number">{cores(node.free.cpuMillis).replace(/ cores?$/, '')} of {cores(node.capacity.cpuMillis).replace(/ cores?$/, '')}</td><td className="right number">{size(node.free.memoryBytes)}</td><td className="right number">{credits(node.cpuHour)}</td><td className="right number">≥ {percent(node.reliability)}</td><td className="right number">{node.running}</td></tr>)}</tbody></table>
      {table.nodes.length > 200 && <Text size="sm" c="dimmed">The first 200 of {table.nodes.length}; <TextLink to="/nodes">all of them</TextLink>.</Text>}</div>
  )
}
