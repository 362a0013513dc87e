import { Suspense, useCallback, useState } from 'react'
import { Button, Group, Progress, Stack, Tabs, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { CAUSES } from '@lumaris/protocol'
import type { Attempt, Job, JobEvent, Task } from '@lumaris/protocol'
import { ATTEMPTS_MAX, PARTS_MAX, attemptsQuery, explainQuery, jobQuery, tasksQuery } from '../queries.ts'
import { hasRole, useClient, useMay, useSession } from '../session/use-session.ts'
import { cores, credits, creditsText, duration, plural, size, visible } from '../ui/format.ts'
import { Command, Confirm, CopyId, Facts, Id, Loaded, Moment, Page, Panel, InPages, Refusal, Status, useNow } from '../ui/parts.tsx'
import { useSay } from '../ui/say.ts'
import { useGathered } from '../ui/use-gathered.ts'
import { useTabInView } from '../ui/use-tab-in-view.ts'
import { useWork } from '../ui/use-work.ts'
import { ATTEMPT, JOB, TASK, bearsText, causeText } from '../ui/states.ts'
import { part } from '../ui/part.ts'
import { phasesOf, roleOf } from './attempt-words.ts'
import { Cost } from './Cost.tsx'
import { jobName } from './JobRows.tsx'
import { Logs } from './Logs.tsx'
import type { Linked, LogFilter } from './Logs.tsx'
import { TABS } from './tabs.ts'
import type { JobTab } from './tabs.ts'
import { Use } from './Use.tsx'
import { ResultFiles } from './ResultFiles.tsx'
import { Why } from './Why.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'

/** Asked for by few. */
const WithReason = part(async () => (await import('../admin/WithReason.tsx')).WithReason)
const CANCELLED = 'What runs is stopped. What ran until then is billed; the rest comes back. It is somebody else’s: its buyer sees the reason in the history of the job.'
const RETRIED = 'A new job of the same buyer is made of the same request. Its cap, the same, is held from their wallet anew; they are told at once, with your reason, and may cancel it.'
const JobDoings = part(async () => (await import('./JobDoings.tsx')).JobDoings)

const route = getRouteApi('/inside/jobs/$job')
export function JobScreen() {
  const { job: id } = route.useParams()
  const client = useClient()
  const job = useQuery(jobQuery(client, id))
  if (!job.data) return <Page title="Job"><Loaded query={job}>{() => null}</Loaded></Page>
  return <Shown key={id} job={job.data} />
}

function Shown({ job }: { job: Job }) {
  const { client, user } = useSession(), { no } = useMay(), queries = useQueryClient()
  const { tab, part, attempt: linkedAttempt, at, find, stream, level } = route.useSearch(), navigate = route.useNavigate(), to = useNavigate()
  const [cancelling, setCancelling] = useState(false), [again, setAgain] = useState(false), [holding, setHolding] = useState<boolean | null>(null), [doing, setDoing] = useState<'move' | 'keep' | null>(null), { error, run } = useWork()
  // What an admin does to somebody else's job needs a reason.
  const isTheirs = user.id !== job.buyer
  const holdNow = async (paused: boolean, reason?: string): Promise<unknown> => queries.setQueryData(['job', job.id], await (paused ? client.pause(job.id, { reason }) : client.resume(job.id, { reason })))
  const hold = (paused: boolean): void => { if (isTheirs) setHolding(paused); else void run(() => holdNow(paused)) }
  const live = job.state === 'queued' || job.state === 'running'
  const tasks = useQuery(tasksQuery(client, job.id, live)), attempts = useQuery(attemptsQuery(client, job.id, live))
  const now = useNow(1_000, live)
  useSay(`${jobName(job)}: ${JOB[job.state].word}${job.tasks.total > 1 ? `, ${job.tasks.done} of ${plural(job.tasks.total, 'part')} done` : ''}`)
  const goto = (to: { tab?: JobTab; part?: number | undefined } & Linked): void => void navigate({ search: (before) => ({ ...before, attempt: undefined, at: undefined, ...to }), replace: true, resetScroll: false })
  const keep = useCallback((filter: LogFilter): void => void navigate({ search: (before) => ({ ...before, ...filter }), replace: true, resetScroll: false }), [navigate])
  const shownTab = tab ?? 'parts', names = useTabInView(shownTab)
  return (
    <Page title={jobName(job)} intro={<Id id={job.id} what="job id" />} actions={<>
      {hasRole(user, 'buyer') && <ButtonLink variant="default" to="/submit" search={{ from: job.id }} {...no('submitJob')}>Run again…</ButtonLink>}
      {hasRole(user, 'buyer') && <><ButtonLink variant="default" to="/schedules" search={{ from: job.id }} {...no('createSchedule')}>Repeat…</ButtonLink><Button variant="default" {...no('putTemplate')} onClick={() => setDoing('keep')}>Keep as a template…</Button></>}
      {isTheirs && job.state === 'failed' && job.cause && CAUSES[job.cause].bears !== 'buyer' && <Button variant="default" title="A new job of the same buyer, with the same cap" onClick={() => setAgain(true)}>Try again…</Button>}
      {isTheirs && <ButtonLink variant="default" to="/ledger" search={{ job: job.id }}>Refund…</ButtonLink>}
      {live && <Button variant="default" title="To another node, with what it has done" {...no('moveJob', (attempts.data ?? []).some((one) => one.state === 'running') ? undefined : 'Nothing of it runs just now')} onClick={() => setDoing('move')}>Move…</Button>}
      {live && <Button variant="default" title={job.paused ? undefined : 'Nothing more of it starts; what runs may finish'} {...no('pauseJob')} onClick={() => hold(job.paused !== true)}>{job.paused ? 'Go on' : 'Pause'}</Button>}
      <Button variant="default" color="red" {...no('cancelJob', live ? undefined : 'It has already ended')} onClick={() => setCancelling(true)}>Cancel</Button>
    </>}>
      {error !== null && <Refusal error={error} />}
      <Panel>
        <Stack gap="sm">
          <Group gap="sm"><Status look={JOB[job.state]} /><Text size="sm">{JOB[job.state].says}{job.cause && job.state !== 'completed' ? ` The reason: ${causeText(job.cause)}.` : ''}{job.paused && live ? ' It is paused: nothing more of it starts.' : ''}{job.detail ? ` ${visible(job.detail)}.` : ''}{job.waitsFor && job.waitsFor.length > 0 ? ` It waits for ${job.waitsFor.length} other job${job.waitsFor.length === 1 ? '' : 's'} first.` : ''}{job.exitCode !== null && job.exitCode !== 0 ? ` Exit code ${job.exitCode}.` : ''}</Text></Group>
          <Phases job={job} attempts={attempts.data ?? []} now={now} />
          {job.state === 'queued' && !job.paused && !job.waitsFor?.length && <WaitsBecause job={job} />}
          {job.tasks.total > 1 && <div><Progress.Root aria-hidden><Progress.Section value={(100 * job.tasks.done) / job.tasks.total} color="green" /><Progress.Section value={(100 * job.tasks.failed) / job.tasks.total} color="red" /><Progress.Section value={(100 * job.tasks.running) / job.tasks.total} /></Progress.Root><Text size="sm" mt={4}>{job.tasks.done} of {plural(job.tasks.total, 'part')} done{job.tasks.running > 0 ? `, ${job.tasks.running} running` : ''}{job.tasks.queued > 0 && live ? `, ${job.tasks.queued} waiting` : ''}{job.tasks.failed > 0 ? `, ${job.tasks.failed} failed` : ''}{live && job.progress?.etaMs !== undefined ? `; about ${duration(job.progress.etaMs)} left` : ''}{job.progress?.copies ? `; ${plural(job.progress.copies, 'late part')} begun a second time` : ''}</Text></div>}
          <Facts wide of={[[live ? 'Cost so far' : 'Cost', `${creditsText(job.cost)} of at most ${credits(job.cap)}`], ['Came back', live ? null : creditsText(job.refunded)], ['Each part has', `${cores(job.spec.resources.cpuMillis)}, ${size(job.spec.resources.memoryBytes)} memory, ${size(job.spec.resources.diskBytes)} disk`], ['Buyer', isTheirs ? <TextLink to="/users/$user" params={{ user: job.buyer }} size="sm"><code>…{job.buyer.slice(-8)}</code></TextLink> : null], ['Submitted', <><Moment at={job.createdAt} />{job.submittedBy && <> by {visible(job.submittedBy.name)}</>}</>], ['Tries again', job.retries === undefined ? null : <TextLink to="/jobs/$job" params={{ job: job.retries }} size="sm"><code>…{job.retries.slice(-8)}</code></TextLink>]]} />
        </Stack>
      </Panel>
      <Tabs value={shownTab} onChange={(value) => goto({ tab: (value ?? 'parts') as JobTab })} keepMounted={false}>
        <Tabs.List ref={names} aria-label="About this job" className="tabs">{(Object.entries(TABS) as [JobTab, string][]).map(([key, name]) => <Tabs.Tab key={key} value={key}>{name}</Tabs.Tab>)}</Tabs.List>
        <div className="tab-body">
          <Tabs.Panel value="parts"><Loaded query={tasks}>{(list) => <Parts job={job} tasks={list} attempts={attempts.data ?? []} part={part} choose={(index) => goto({ part: index })} logs={(index) => goto({ part: index, tab: 'logs' })} now={now} />}</Loaded><Stack mt="md"><Command line={`npx lumaris job ${job.id}`} /></Stack></Tabs.Panel>
          <Tabs.Panel value="logs"><Loaded query={attempts}>{(list) => <Logs job={job} attempts={list} part={part} choose={(index) => goto({ part: index })} linked={{ attempt: linkedAttempt, at }} link={goto} filter={{ find, stream, level }} keep={keep} />}</Loaded></Tabs.Panel>
          <Tabs.Panel value="results"><ResultFiles job={job} attempts={attempts.data ?? []} /></Tabs.Panel>
          <Tabs.Panel value="cost"><Loaded query={attempts}>{(list) => <Cost job={job} attempts={list} />}</Loaded></Tabs.Panel>
          <Tabs.Panel value="why"><Why job={job} /></Tabs.Panel>
          <Tabs.Panel value="history"><History job={job} /></Tabs.Panel>
          <Tabs.Panel value="spec"><Stack><pre className="preview" tabIndex={0} aria-label="The request">{visible(JSON.stringify(job.spec, null, 2))}</pre><Command line={`npx lumaris job ${job.id}`} /></Stack></Tabs.Panel>
        </div>
      </Tabs>
      {doing && <Suspense><JobDoings doing={doing} job={job} attempts={attempts.data ?? []} close={() => setDoing(null)} /></Suspense>}
      {isTheirs && <Suspense>
        <WithReason opened={cancelling} close={() => setCancelling(false)} title={`Cancel “${jobName(job)}”?`} yes="Cancel the job" dangerous act={(reason) => client.cancel(job.id, { reason })}>{CANCELLED}</WithReason>
        <WithReason opened={again} close={() => setAgain(false)} title={`Try “${jobName(job)}” again?`} yes="Try it again" act={async (reason) => { const made = await client.api.retryJob({ params: { job: job.id }, body: { reason } }); await to({ to: '/jobs/$job', params: { job: made.id } }) }}>{RETRIED}</WithReason>
        <WithReason opened={holding !== null} close={() => setHolding(null)} title={`${holding ? 'Pause' : 'Let go on:'} “${jobName(job)}”?`} yes={holding ? 'Pause it' : 'Let it go on'} act={(reason) => holdNow(holding === true, reason)}>{holding ? 'Nothing more of it starts; what runs may finish.' : 'It is placed like any job that waits.'} It is somebody else’s: its buyer sees the reason in the history of the job.</WithReason>
      </Suspense>}
      <Confirm opened={cancelling && !isTheirs} close={() => setCancelling(false)} title={`Cancel “${jobName(job)}”?`} yes="Cancel the job" act={async () => { await client.cancel(job.id) }}>
        <Text size="sm">What runs is stopped. What ran until then is billed; the rest of the {creditsText(job.cap)} comes back. It cannot be taken back, but the job can be run again.</Text><Command line={`npx lumaris cancel ${job.id}`} />
      </Confirm>
    </Page>
  )
}

function Phases({ job, attempts, now }: { job: Job; attempts: readonly Attempt[]; now: number }) {
  const phases = phasesOf(job, attempts, now, attempts.length < ATTEMPTS_MAX), nodes = [...new Set(attempts.map(({ nodeName }) => nodeName))]
  const step = (name: string, reached: boolean, beside: string) => <li key={name} className={reached ? 'reached' : 'ahead'}><span aria-hidden>{reached ? '●' : '○'}</span>{name}{beside && <Text span size="sm" c="dimmed" fw={400} className="number">{beside}</Text>}</li>
  return (
    <ol className="phases" aria-label="Phases">
      {phases.map(({ name, reached, ms }) => step(name, reached, name === 'Matched' ? (nodes.length === 1 ? visible(nodes[0] ?? '') : nodes.length > 1 ? plural(nodes.length, 'node') : '') : ms === null ? '' : duration(ms)))}
      {step(job.endedAt === undefined ? 'Done' : JOB[job.state].word, job.endedAt !== undefined, '')}
    </ol>
  )
}
/** Why it waits, in words, while it does. */
function WaitsBecause({ job }: { job: Job }) {
  const why = useQuery(explainQuery(useClient(), job.id, true))
  return why.data?.waiting ? <Text size="sm">{visible(why.data.summary)} <TextLink to="/jobs/$job" params={{ job: job.id }} search={{ tab: 'why' }} size="sm">What would help</TextLink></Text> : null
}

/** Of a job that is cut while it runs, numbers of parts say nothing of what they are. */
export const partName = (job: Job, index: number): string => (job.spec.divide ? '' : visible(job.spec.tasks[index]?.args?.join(' ') ?? ''))

function Parts({ job, tasks: all, attempts, part, choose, logs, now }: { job: Job; tasks: readonly Task[]; attempts: readonly Attempt[]; part: number | undefined; choose: (index: number | undefined) => void; logs: (index: number) => void; now: number }) {
  const tasks = all.filter(({ state }) => state !== 'joined') // nothing is left of them
  const chosen = tasks.find((task) => task.index === (part ?? (tasks.length === 1 ? 0 : -1))), byTask = Map.groupBy(attempts, (one) => one.task)
  return (
    <Stack>
      {tasks.length > 1 && <ul className="grid-parts">{tasks.map((task) => {
        const look = TASK[task.state], its = byTask.get(task.id) ?? [], attempt = its.at(-1), role = attempt && roleOf(attempt, its, job.spec.copies)
        return <li key={task.id} data-row><button type="button" className={`part ${look.colour}`} aria-pressed={chosen === task} onClick={() => choose(chosen === task ? undefined : task.index)}><span aria-hidden>{look.sign}</span> {task.index + 1}. {look.word}<small>{attempt ? visible(attempt.nodeName) : 'no node yet'}{role && ` · ${role}`}</small></button></li>
      })}</ul>}
      {job.tasks.total > tasks.length && tasks.length >= PARTS_MAX && <Text size="sm" c="dimmed">The first {PARTS_MAX.toLocaleString('en')} of {job.tasks.total.toLocaleString('en')} parts. All of them: <code>npx lumaris job {job.id} --json</code></Text>}
      {chosen ? <Chosen job={job} task={chosen} attempts={byTask.get(chosen.id) ?? []} logs={() => logs(chosen.index)} now={now} /> : <Text size="sm" c="dimmed">Choose a part to see where it ran.</Text>}
    </Stack>
  )
}
function Chosen({ job, task, attempts, logs, now }: { job: Job; task: Task; attempts: readonly Attempt[]; logs: () => void; now: number }) {
  return (
    <Panel id="chosen" title={job.tasks.total > 1 ? <>Part {task.index + 1} {partName(job, task.index) && <code className="quiet">{partName(job, task.index)}</code>}</> : 'Where it ran'} actions={attempts.length > 0 && <Button size="xs" variant="default" onClick={logs}>Its output</Button>}>
      {attempts.length === 0 ? <Text size="sm">{task.state === 'queued' ? <>It waits for a node. <TextLink to="/jobs/$job" params={{ job: job.id }} search={{ tab: 'why' }} size="sm">Why?</TextLink></> : 'It was never placed.'}</Text> : (
        <InPages of={attempts}>{(rows) => <div className="scroll-box" tabIndex={0} role="region" aria-label="Attempts"><table className="table">
          <thead><tr><th>Node</th><th>State</th><th>Behind</th><th className="right">Ran</th><th className="right">CPU time</th><th className="right">Memory, most</th></tr></thead>
          <tbody>{rows.map((attempt) => (
            <tr key={attempt.id}>
              <td title={attempt.node}>{visible(attempt.nodeName)}<CopyId id={attempt.id} what="attempt id" />{roleOf(attempt, attempts, job.spec.copies) && <Text size="sm">{roleOf(attempt, attempts, job.spec.copies)}</Text>}{attempt.resumes && <Text size="sm" c="dimmed">went on from checkpoint {attempt.resumes.number}</Text>}{attempt.saved && <Text size="sm" c="dimmed">checkpoint {attempt.saved.number} at {duration(attempt.saved.runMs)}: {attempt.saved.kind === 'memory' ? 'its memory' : 'its files'}, {size(attempt.saved.size)}</Text>}</td>
              <td><Status look={ATTEMPT[attempt.state]} />{attempt.cause && <Text size="sm">{causeText(attempt.cause)}; {bearsText(attempt.cause)}</Text>}{attempt.detail && <Text size="sm" c="dimmed">{visible(attempt.detail)}</Text>}</td>
              <td>{attempt.driver} ({attempt.level})</td>
              <td className="right number">{attempt.endedAt === undefined && attempt.startedAt !== undefined ? duration(now - attempt.startedAt) : duration(attempt.usage.runMs)}</td>
              <td className="right number">{attempt.usage.cpuMs > 0 ? duration(attempt.usage.cpuMs) : '–'}</td><td className="right number">{attempt.usage.memoryPeakBytes > 0 ? size(attempt.usage.memoryPeakBytes) : '–'}</td>
            </tr>))}</tbody>
        </table></div>}</InPages>)}
      {attempts.filter((one) => one.startedAt !== undefined).slice(-1).map((one) => <Use key={one.id} attempt={one} />)}
    </Panel>
  )
}

const EVENT: Readonly<Record<JobEvent['type'], string>> = { submitted: 'Submitted', ready: 'Its parents have completed', fallback: 'A wish was given up', paused: 'Paused', resumed: 'Goes on', copy: 'Begun a second time', task: 'Part', attempt: 'Attempt', settled: 'Settled', displaced: 'Paid for a place', moved: 'Move', plan: 'Plan', cancelling: 'Is being cancelled', ended: 'Ended' }
/** Lines of a long history that are shown: its latest. */
const EVENTS_MAX = 10_000
function History({ job }: { job: Job }) {
  const client = useClient()
  const { items, error, again } = useGathered<JobEvent>((signal, last) => client.watch(job.id, { signal, after: last?.version }), [client, job.id])
  const shown = items.slice(-EVENTS_MAX).toReversed()
  return (
    <Stack>
      {error !== null && <Refusal error={error} retry={again} />}
      {items.length > EVENTS_MAX && <Text size="sm" c="dimmed">The latest {EVENTS_MAX.toLocaleString('en')} of {items.length.toLocaleString('en')} lines.</Text>}
      <InPages of={shown}>{(rows) => <div className="scroll-box" tabIndex={0} role="region" aria-label="History"><table className="table data">
        <thead><tr><th>When</th><th>What</th><th>Part</th><th>Node</th><th>State</th><th className="right">Credits</th></tr></thead>
        <tbody>{rows.map((event) => <tr key={event.version}><td><Moment at={event.at} /></td><td>{EVENT[event.type]}</td><td>{event.task === undefined ? '' : event.task + 1}</td><td>{visible(event.nodeName ?? '')}</td><td>{event.state}{event.by ? `, by ${visible(event.by)}` : ''}{event.reason ? `, by an admin: ${visible(event.reason)}` : ''}{event.cause ? `: ${causeText(event.cause)}` : ''}</td><td className="right number">{event.amount === undefined ? '' : credits(event.amount)}</td></tr>)}</tbody>
      </table></div>}</InPages>
    </Stack>
  )
}
