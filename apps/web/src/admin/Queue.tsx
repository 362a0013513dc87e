import { useState } from 'react'
import { Badge, Button, Stack, Switch, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import type { DeadDelivery, DeadJob, MarketQueue, Standing } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { duration, plural, visible } from '../ui/format.ts'
import { Bar, Command, Empty, Figure, Figures, Listed, Loaded, Moment, Page, Panel, CopyId } from '../ui/parts.tsx'
import { REASON } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { Background } from './Background.tsx'
import { MatchingPauses } from './MatchingPauses.tsx'
import { WithReason } from './WithReason.tsx'
import { allStandingQuery, deadDeliveriesQuery, deadJobsQuery, queueQuery } from './queries.ts'

export function Queue() {
  const client = useClient(), queue = useQuery(queueQuery(client))
  const [table, setTable] = useState(false)
  return (
    <Page title="The queue" intro="What waits in the whole market, for how long and why; and what was given up.">
      <Loaded query={queue}>{({ waiting, looked }) => <Stack gap="xs">
        <Figures>
          <Figure label="In line for a node">{waiting.inLine.toLocaleString('en')}</Figure><Figure label="For the next sale" hint="interruptible work">{waiting.forSale.toLocaleString('en')}</Figure><Figure label="After a failure" hint="until their pause is over">{waiting.afterFailure.toLocaleString('en')}</Figure>
          <Figure label="Held" hint="paused by their buyers">{waiting.held.toLocaleString('en')}</Figure><Figure label="After other jobs">{waiting.afterOthers.toLocaleString('en')}</Figure>
        </Figures>
        {looked && <Text size="sm" c="dimmed" role="status">Only {plural(looked.slots, 'seat')} of {looked.jobs.toLocaleString('en')} of {plural(looked.ofJobs, 'job')} were looked at for these figures and the ages: the oldest.</Text>}
      </Stack>}</Loaded>
      <MatchingPauses />
      <div className="two">
        <Panel title="Why" id="why"><Loaded query={queue}>{(now) => <Reasons queue={now} />}</Loaded></Panel>
        <Panel title="For how long" id="ages" actions={<Switch label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />}><Loaded query={queue}>{(now) => <Ages queue={now} table={table} />}</Loaded></Panel>
      </div>
      <Panel title="By what is asked for" id="classes"><Loaded query={queue}>{(now) => <Classes queue={now} />}</Loaded></Panel>
      <Background />
      <StandingRequests />
      <DeadDeliveries />
      <DeadJobs />
      <Command line="npx lumaris --as admin queue" />
    </Page>
  )
}

function Reasons({ queue: { reasons, asked } }: { queue: MarketQueue }) {
  if (reasons.length === 0) return <Empty title="Nobody waits for a node" />
  const most = reasons[0]?.waiting ?? 1
  return <Stack gap="sm">
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Reasons"><table className="table"><thead><tr><th className="right">Waiting</th><th>Because</th><th className="fill"><span className="for-readers">Share of the largest</span></th></tr></thead>
      <tbody>{reasons.map((one) => <tr key={one.reason}><td className="right number">{one.waiting.toLocaleString('en')}</td><td>{one.reason in REASON ? REASON[one.reason as keyof typeof REASON] : visible(one.says)}</td><td><Bar share={one.waiting / most} says="" /></td></tr>)}</tbody></table></div>
    {asked.nodes < asked.of && <Text size="sm" c="dimmed">{asked.nodes.toLocaleString('en')} of {plural(asked.of, 'node')} were asked, evenly spread.</Text>}
  </Stack>
}

const AGE = (upToMs: number | null, i: number, all: MarketQueue['ages']): string => (upToMs === null ? `over ${whole(all[i - 1]?.upToMs ?? 0)}` : `up to ${whole(upToMs)}`)
const whole = (ms: number): string => duration(ms).replace('.0', '')
function Ages({ queue: { ages }, table }: { queue: MarketQueue; table: boolean }) {
  const total = ages.reduce((sum, one) => sum + one.waiting, 0), most = Math.max(1, ...ages.map((one) => one.waiting))
  const says = total === 0 ? 'nobody waits' : ages.flatMap((one, i) => (one.waiting > 0 ? [`${one.waiting} ${AGE(one.upToMs, i, ages)}`] : [])).join(', ')
  if (table) return <div className="scroll-box" tabIndex={0} role="region" aria-label="Waiting by age"><table className="table"><thead><tr><th>Waits</th><th className="right">How many</th></tr></thead><tbody>{ages.map((one, i) => <tr key={one.upToMs}><td>{AGE(one.upToMs, i, ages)}</td><td className="right number">{one.waiting.toLocaleString('en')}</td></tr>)}</tbody></table></div>
  return <Stack gap={4}>
    <Text size="sm">{says[0]?.toUpperCase()}{says.slice(1)}.</Text>
    <div className="spend" role="img" aria-label={`How long work waits: ${says}`}>{ages.map((one, i) => <span key={one.upToMs} className={one.waiting === 0 ? 'none' : undefined} title={`${AGE(one.upToMs, i, ages)}: ${one.waiting}`} ref={(element) => { if (element) element.style.height = `${(one.waiting / most) * 100}%` }} />)}</div>
    <div className="ends"><span>{AGE(ages[0]?.upToMs ?? null, 0, ages)}</span><span>{AGE(null, ages.length - 1, ages)}</span></div>
  </Stack>
}

function Classes({ queue: { classes, left } }: { queue: MarketQueue }) {
  if (classes.length === 0) return <Empty title="Nobody waits">Work that finds no node stands here, with the reason.</Empty>
  return <Stack gap="sm">
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Waiting work"><table className="table"><thead><tr><th>Asks for</th><th className="right">Waiting</th><th className="right">Buyers</th><th>The longest since</th><th>Nodes say</th><th>First job</th></tr></thead>
      <tbody>{classes.map((one) => <tr key={one.job + one.need}><td className="wide-cell">{visible(one.need)} {one.asleep && <Badge size="sm" color="gray" title="No node could take it when it was last asked about">asleep</Badge>}</td><td className="right number">{one.waiting.toLocaleString('en')}</td><td className="right number">{one.buyers}</td><td><Moment at={one.oldestAt} /></td>
        <td className="wide-cell">{one.reasons === undefined ? '' : one.reasons.length === 0 ? 'It is next in line.' : <ul className="details">{one.reasons.map((reason) => <li key={reason.reason}>{plural(reason.nodes, 'node')}: {REASON[reason.reason]}</li>)}</ul>}</td><td><span className="id"><TextLink to="/jobs/$job" params={{ job: one.job }} search={{ tab: 'why' }} size="sm"><code>…{one.job.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={one.job} what="job id" /></span></td></tr>)}</tbody></table></div>
    {left > 0 && <Text size="sm" c="dimmed">And {plural(left, 'smaller class', 'smaller classes')}.</Text>}
  </Stack>
}

function StandingRequests() {
  const client = useClient(), queries = useQueryClient(), found = useInfiniteQuery(allStandingQuery(client))
  const [dropping, setDropping] = useState<Standing | null>(null)
  return (
    <Panel title="Standing requests" id="standing">
      <Listed query={found} only={(one) => one.state === 'open'} none={found.hasNextPage ? <Empty title="None of the newest is still open" /> : <Empty title="Nobody waits for nodes to appear">Buyers ask to be told when nodes with room for a job are there.</Empty>}>{(list) => (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Standing requests"><table className="table"><thead><tr><th>Since</th><th className="right">Nodes wanted</th><th className="right">Cores each</th><th>Until</th><th>Whose</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{list.map((one) => <tr key={one.id}><td><Moment at={one.createdAt} /></td><td className="right number">{one.nodes}</td><td className="right number">{one.spec.resources.cpuMillis / 1000}</td><td><Moment at={one.expiresAt} /></td><td><TextLink to="/users/$user" params={{ user: one.buyer }} size="sm">its buyer</TextLink></td>
            <td className="right"><Button size="compact-sm" variant="default" onClick={() => setDropping(one)}>Take back…<span className="for-readers"> {one.id}</span></Button></td></tr>)}</tbody></table></div>)}</Listed>
      <WithReason opened={dropping !== null} close={() => setDropping(null)} title="Take this request back?" yes="Take it back" act={async (reason) => { if (dropping) await client.api.dropStanding({ params: { standing: dropping.id }, body: { reason } }); void queries.invalidateQueries({ queryKey: ['admin'] }) }}>Its buyer is not told of such nodes any more, and may ask again.</WithReason>
    </Panel>
  )
}

function DeadDeliveries() {
  const client = useClient(), queries = useQueryClient(), found = useInfiniteQuery(deadDeliveriesQuery(client))
  const [again, setAgain] = useState<DeadDelivery | null>(null)
  return (
    <Panel title="Messages that were given up" id="messages">
      <Listed query={found} none={<Empty title="Every message went through">Messages to webhooks that could not be delivered for a day stand here for a week.</Empty>}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Messages that were given up"><table className="table"><thead><tr><th>What</th><th>Made</th><th className="right">Tries</th><th>Problem</th><th>Whose</th><th><span className="for-readers">Actions</span></th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.id}><td>{one.type}<br /><span className="id"><code>{one.subject.slice(0, 4)}…{one.subject.slice(-6)}</code><CopyId id={one.subject} what="id" /></span></td><td><Moment at={one.createdAt} /></td><td className="right number">{one.tries}</td><td className="wide-cell">{visible(one.problem ?? '–')}</td><td><TextLink to="/users/$user" params={{ user: one.owner }} size="sm">its owner</TextLink></td>
              <td className="right"><Button size="compact-sm" variant="default" disabled={one.off} title={one.off ? 'The webhook is turned off: its owner must turn it on first' : undefined} onClick={() => setAgain(one)}>Send again…<span className="for-readers"> {one.id}</span></Button></td></tr>)}</tbody></table></div>
        </>}</Listed>
      <WithReason opened={again !== null} close={() => setAgain(null)} title="Send this message again?" yes="Send it" act={async (reason) => { if (again) await client.api.retryDelivery({ params: { delivery: again.id }, body: { reason } }); void queries.invalidateQueries({ queryKey: ['admin'] }) }}>It is sent under the same id, so whoever had it after all can tell. Its day of tries begins anew.</WithReason>
    </Panel>
  )
}

const RETRIED = 'A new job of the same buyer is made of the same request, with the same cap, which is held from their wallet anew. They are told at once, with your reason, and may cancel it.'
function DeadJobs() {
  const client = useClient(), queries = useQueryClient(), found = useInfiniteQuery(deadJobsQuery(client))
  const [again, setAgain] = useState<DeadJob | null>(null)
  return (
    <Panel title="Jobs that no node could end" id="jobs">
      <Listed query={found} none={<Empty title="None">Jobs that failed for good through no fault of their buyers stand here. What ran was not billed; you or their buyers can try them again.</Empty>}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Jobs that no node could end"><table className="table"><thead><tr><th>Job</th><th>Ended</th><th className="right">Tasks</th><th>Because</th><th>Buyer</th><th><span className="for-readers">Actions</span></th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.job}><td><TextLink to="/jobs/$job" params={{ job: one.job }} size="sm">{visible(one.name ?? `…${one.job.slice(-8)}`)}</TextLink><CopyId id={one.job} what="job id" /></td><td>{one.endedAt === undefined ? '–' : <Moment at={one.endedAt} />}</td><td className="right number">{one.tasksFailed}</td><td className="wide-cell">{visible(one.says)}{one.detail === undefined ? '' : `: ${visible(one.detail)}`}</td><td><TextLink to="/users/$user" params={{ user: one.buyer }} size="sm">its buyer</TextLink></td>
              <td className="right">{one.retriedAs === undefined ? <Button size="compact-sm" variant="default" onClick={() => setAgain(one)}>Try again…<span className="for-readers"> {visible(one.name ?? one.job)}</span></Button> : <TextLink to="/jobs/$job" params={{ job: one.retriedAs }} size="sm">Tried again</TextLink>}</td></tr>)}</tbody></table></div>
        </>}</Listed>
      <WithReason opened={again !== null} close={() => setAgain(null)} title={`Try “${again ? visible(again.name ?? again.job) : ''}” again?`} yes="Try it again" act={async (reason) => { if (again) await client.api.retryJob({ params: { job: again.job }, body: { reason } }); void queries.invalidateQueries({ queryKey: ['admin'] }) }}>{RETRIED}</WithReason>
    </Panel>
  )
}
