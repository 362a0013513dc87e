// How the market is and went, at one look: what an operator opens in the morning.
import { Suspense, useState } from 'react'
import { Stack, Switch, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { JobState } from '@lumaris/protocol'
import type { MarketOverview, NodeState } from '@lumaris/protocol'
import { JobRows } from '../jobs/JobRows.tsx'
import { jobsQuery, ledgerQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { duration, percent, plural, visible } from '../ui/format.ts'
import { CopyId, Credits, Empty, Figure, Figures, Loaded, Moment, Panel, Status } from '../ui/parts.tsx'
import { JOB, NODE } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { part } from '../ui/part.ts'
import { overviewQuery } from './queries.ts'

const Plot = part(async () => (await import('../ui/Plot.tsx')).Plot)
const NEWEST = 5

export function Overview() {
  const client = useClient(), overview = useQuery(overviewQuery(client)), jobs = useInfiniteQuery({ ...jobsQuery(client, undefined, NEWEST), refetchInterval: 10_000 }), [table, setTable] = useState(false)
  return <>
    <Loaded query={overview} lines={6}>{(now) => <FiguresOf now={now} />}</Loaded>
    <div className="two">
      <Panel title="Nodes and work, in the last day" id="history" actions={<Switch label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />}><Loaded query={overview} lines={6}>{(now) => <History now={now} table={table} />}</Loaded></Panel>
      <Panel title="By state" id="states"><Loaded query={overview}>{(now) => <States now={now} />}</Loaded></Panel>
    </div>
    <Panel title="The newest jobs" id="newest-jobs" actions={<TextLink to="/jobs" size="sm">All jobs</TextLink>}><Loaded query={jobs} lines={NEWEST}>{({ pages }) => { const list = (pages[0]?.data ?? []).slice(0, NEWEST); return list.length === 0 ? <Empty title="Nobody has submitted one" /> : <JobRows jobs={list} /> }}</Loaded></Panel>
    <Panel title="The newest nodes" id="newest-nodes" actions={<TextLink to="/fleet" size="sm">All nodes</TextLink>}><Loaded query={overview} lines={NEWEST}>{({ newest }) => (newest.length === 0 ? <Empty title="No machine has joined this market" /> : (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="The newest nodes"><table className="table"><thead><tr><th>Node</th><th>State</th><th>Whose</th><th>Joined</th></tr></thead>
          <tbody>{newest.map((one) => <tr key={one.node}><td><TextLink to="/nodes/$node" params={{ node: one.node }} size="sm">{visible(one.name)}</TextLink><CopyId id={one.node} what="node id" /></td><td><Status look={NODE[one.state]} /></td><td><TextLink to="/users/$user" params={{ user: one.owner }} size="sm">owner<span className="for-readers"> of {visible(one.name)}</span></TextLink></td><td><Moment at={one.enrolledAt} /></td></tr>)}</tbody></table></div>))}</Loaded></Panel>
  </>
}

/** Of jobs that came to an end by themselves: what their buyers or an admin cancelled says nothing. */
function successOf({ completed = 0, failed = 0, expired = 0 }: MarketOverview['jobs']['ended']): { share: number; of: number } | null {
  const of = completed + failed + expired
  return of === 0 ? null : { share: completed / of, of }
}
function FiguresOf({ now }: { now: MarketOverview }) {
  const ledger = useQuery(ledgerQuery(useClient())), { nodes, jobs, waits, money } = now, success = successOf(jobs.ended), drains = (nodes.draining ?? 0) + (nodes.paused ?? 0) + (nodes.cordoned ?? 0), gone = (nodes.lost ?? 0) + (nodes.suspect ?? 0) + (nodes.pending ?? 0)
  return (
    <Figures>
      <Figure label="Ledger" hint={<TextLink to="/ledger" size="sm">Audit</TextLink>}>{ledger.data === undefined ? '…' : ledger.data.balanced ? '✓ balanced' : '✗ not balanced'}</Figure>
      <Figure label="Payments that do not agree" hint={<TextLink to="/reconciliation" size="sm">{now.mismatches === 0 ? 'books and statements' : 'what differs'}</TextLink>}>{now.mismatches.toLocaleString('en')}</Figure>
      <Figure label="Open incidents" hint={<TextLink to="/incidents" size="sm">{now.incidents === 0 ? 'none is known' : 'what is told'}</TextLink>}>{now.incidents}</Figure>
      <Figure label="Nodes online" hint={`${drains} draining or held back, ${gone} offline`}>{nodes.online ?? 0}</Figure>
      <Figure label="Jobs that run" hint={`${plural(now.running, 'part')} run; ${plural(jobs.queued, 'job')} wait`}>{jobs.running}</Figure>
      <Figure label="Waited for a node" hint={waits ? `90 % at most ${duration(waits.p90Ms)}, 99 % ${duration(waits.p99Ms)}; the last ${plural(waits.starts, 'start')}` : 'fewer than five starts are remembered'}>{waits ? duration(waits.p50Ms) : '–'}</Figure>
      <Figure label="Completed, last 24 h" hint={success ? `of ${plural(success.of, 'job')} that were not cancelled` : 'no job has ended'}>{success ? percent(success.share) : '–'}</Figure>
      <Figure label="Volume, last 24 h" hint={plural(money.settled, 'attempt')}><Credits of={money.volume} /></Figure>
      <Figure label="Fees, last 24 h" hint={<TextLink to="/revenue" size="sm">By day, region, template</TextLink>}><Credits of={money.fees} /></Figure>
    </Figures>
  )
}

function History({ now: { history, from, at }, table }: { now: MarketOverview; table: boolean }) {
  const since = Math.max(from, history.at[0] ?? at)
  const most = Math.max(...history.running), says = `${history.online.at(-1) ?? 0} nodes online now, ${history.running.at(-1) ?? 0} parts run; at most ${most} ran`
  const rows = history.at.map((when, i) => [when, history.online[i] ?? 0, history.running[i] ?? 0] as const).toReversed()
  return <Stack gap={4}>
    <Text size="sm">{says[0]?.toUpperCase()}{says.slice(1)}.{since > from + history.everyMs && <> Since <Moment at={since} />.</>}</Text>
    {table ? <div className="scroll-box" tabIndex={0} role="region" aria-label="Nodes and work"><table className="table"><thead><tr><th>When</th><th className="right">Nodes online</th><th className="right">Parts that run</th></tr></thead><tbody>{rows.map(([when, online, running]) => <tr key={when}><td><Moment at={when} /></td><td className="right number">{online}</td><td className="right number">{running}</td></tr>)}</tbody></table></div>
      : <Suspense fallback={<div aria-busy="true" className="waiting" />}><Plot title="Nodes online, and parts that run" says={says} at={history.at} from={since} until={at} write={(value) => (Number.isInteger(value) ? String(value) : '')} lines={[{ label: 'Nodes online', colour: '--plot-one', values: history.online, area: true }, { label: 'Parts that run', colour: '--plot-two', values: history.running }]} /></Suspense>}
  </Stack>
}

function States({ now: { nodes, jobs } }: { now: MarketOverview }) {
  const all = { queued: jobs.queued, running: jobs.running, ...jobs.ended } as Partial<Record<JobState, number>>, states = Object.entries(nodes) as [NodeState, number][]
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="By state"><table className="table"><thead><tr><th>What</th><th>State</th><th className="right">How many</th></tr></thead>
      <tbody>
        {states.map(([state, count]) => <tr key={state}><td>Nodes</td><td><Status look={NODE[state]} /></td><td className="right number"><TextLink to="/fleet" search={{ state }} size="sm">{count}<span className="for-readers"> nodes: {NODE[state].word}</span></TextLink></td></tr>)}
        {JobState.options.map((state) => <tr key={state}><td>{state === 'queued' || state === 'running' ? 'Jobs, now' : 'Jobs, last 24 h'}</td><td><Status look={JOB[state]} /></td><td className="right number"><TextLink to="/jobs" search={{ state }} size="sm">{all[state] ?? 0}<span className="for-readers"> jobs: {JOB[state].word}</span></TextLink></td></tr>)}
      </tbody></table></div>
  )
}
