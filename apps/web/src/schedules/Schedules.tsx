// Jobs at the times of a clock: when they come next, what became of the last ones, and what they may still cost.
import { Suspense, useState } from 'react'
import { Badge, Button, Group, Modal, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Firing, Schedule } from '@lumaris/protocol'
import { jobQuery, schedulesQuery } from '../queries.ts'
import { useClient, useMay, useSession } from '../session/use-session.ts'
import { credits, creditsText, visible } from '../ui/format.ts'
import { Bar, Command, Confirm, CopyId, Empty, Facts, Id, Loaded, Moment, Page, Panel, Refusal, Status } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import type { Look } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { part } from '../ui/part.ts'
import { TextLink } from '../shell/links.tsx'
import { MakeSchedule } from './MakeSchedule.tsx'

/** Asked for by few. */
const WithReason = part(async () => (await import('../admin/WithReason.tsx')).WithReason)

const route = getRouteApi('/inside/schedules')
const STATE: Readonly<Record<Schedule['state'], Look>> = {
  active: { word: 'Active', colour: 'green', sign: '●', says: 'It submits a job at each of its times.' }, paused: { word: 'Paused', colour: 'orange', sign: '‖', says: 'Its times pass, and nothing is submitted.' }, removed: { word: 'Ended', colour: 'gray', sign: '⊘', says: 'It submits nothing more.' },
}
const nameOf = (one: Schedule): string => visible(one.name ?? one.spec.command.join(' '))

export function Schedules() {
  const { client, user } = useSession(), { from } = route.useSearch(), navigate = route.useNavigate()
  const schedules = useQuery(schedulesQuery(client)), queries = useQueryClient()
  const [removing, setRemoving] = useState<Schedule | null>(null)
  const again = (): void => void queries.invalidateQueries({ queryKey: ['schedules'] })
  const close = (): void => void navigate({ search: {}, replace: true })
  return (
    <Page title="Schedules" intro="A job again and again, at the times you set. The market’s clock fires them; nothing of yours has to run.">
      <Loaded query={schedules} lines={6}>{(list) => (list.length === 0
        ? <Panel><Empty title="No schedules yet">Open a job that does what you want and press “Repeat…”: <TextLink to="/jobs">your jobs</TextLink>.</Empty></Panel>
        : <>{list.map((one) => <div key={one.id} data-row><One schedule={one} again={again} remove={() => setRemoving(one)} /></div>)}</>)}</Loaded>
      <Command line="npx lumaris schedule list" />
      <Modal opened={from !== undefined} onClose={close} title="Repeat this job" size="lg">{from !== undefined && <Repeat job={from} close={close} made={() => { again(); close() }} />}</Modal>
      {removing !== null && removing.buyer !== user.id && <Suspense><WithReason opened close={() => setRemoving(null)} title={`End “${nameOf(removing)}”?`} yes="End the schedule" dangerous act={async (reason) => { await client.api.removeSchedule({ params: { schedule: removing.id }, body: { reason } }); again() }}>Nothing more is submitted by it. Jobs that it has made go on. It is somebody else’s, and cannot be taken back.</WithReason></Suspense>}
      <Confirm opened={removing !== null && removing.buyer === user.id} close={() => setRemoving(null)} title={`End “${removing ? nameOf(removing) : ''}”?`} yes="End the schedule" act={async () => { if (removing) await client.api.removeSchedule({ params: { schedule: removing.id } }); again() }}><Text size="sm">Nothing more is submitted by it. Jobs that it has made go on. It cannot be taken back, but made anew.</Text><Command line={`npx lumaris schedule remove ${removing?.id ?? ''}`} /></Confirm>
    </Page>
  )
}
function Repeat({ job, close, made }: { job: string; close: () => void; made: () => void }) {
  const found = useQuery(jobQuery(useClient(), job))
  return <Loaded query={found}>{(one) => <MakeSchedule job={one} close={close} made={made} />}</Loaded>
}

function One({ schedule, again, remove }: { schedule: Schedule; again: () => void; remove: () => void }) {
  const { client, user } = useSession(), params = { schedule: schedule.id }, { busy, error, run } = useWork(), [asking, setAsking] = useState(false), isTheirs = user.id !== schedule.buyer, { no } = useMay(), isPaused = schedule.state === 'paused'
  const holdNow = async (reason?: string): Promise<void> => { await (isPaused ? client.api.resumeSchedule : client.api.pauseSchedule)({ params, body: { reason } }); again() }
  const hold = (): void => { if (isTheirs) setAsking(true); else void run(() => holdNow()) }
  const isOver = schedule.state === 'removed', name = nameOf(schedule)
  return (
    <Panel title={name} id={schedule.id} actions={<Group gap="xs">
      <Button size="xs" variant="default" loading={busy} {...no('pauseSchedule', isOver ? 'It has ended' : undefined)} onClick={hold}>{schedule.state === 'paused' ? 'Go on' : 'Pause'}<span className="for-readers"> {name}</span></Button>
      <Button size="xs" variant="default" {...no('removeSchedule', isOver ? 'It has ended' : undefined)} onClick={remove}>End…<span className="for-readers"> {name}</span></Button>
    </Group>}>
      <Stack gap="sm">
        <Group gap="sm"><Status look={STATE[schedule.state]} /><Text size="sm">{STATE[schedule.state].says}</Text></Group>
        <Facts wide of={[['Times', <><code>{schedule.cron}</code> <Badge color="gray" size="sm">{visible(schedule.timeZone)}</Badge></>], ['Next', schedule.nextAt === undefined ? null : <Moment at={schedule.nextAt} />], ['Each at most', creditsText(schedule.cap)], ['While one runs', schedule.overlap === 'skip' ? 'the next is left out' : 'the next runs beside it'], ['Whose', isTheirs ? <TextLink to="/users/$user" params={{ user: schedule.buyer }} size="sm">its buyer</TextLink> : null], ['Running now', schedule.running.length === 0 ? null : schedule.running.map((job) => <ToJob key={job} job={job} />)]]} />
        {schedule.budget === undefined ? <Text size="sm">Spent and held so far: {creditsText(schedule.committed)}. It has no bound but your wallet.</Text>
          : <Bar share={Number(BigInt(schedule.committed) * 1000n / (BigInt(schedule.budget) || 1n)) / 1000} says={`${credits(schedule.committed)} of ${creditsText(schedule.budget)} spent or held`} />}
        {schedule.admin && <Text size="sm">An admin {schedule.admin.action === 'schedule.pause' ? 'paused' : 'resumed'} it <Moment at={schedule.admin.at} />: {visible(schedule.admin.reason)}</Text>}
        {error !== null && <Refusal error={error} />}
        {isTheirs && <Suspense><WithReason opened={asking} close={() => setAsking(false)} title={`${isPaused ? 'Let go on:' : 'Pause'} “${name}”?`} yes={isPaused ? 'Let it go on' : 'Pause it'} act={holdNow}>{isPaused ? 'It submits a job at its next time.' : 'Its times pass, and nothing is submitted.'} It is somebody else’s: its buyer reads the reason here.</WithReason></Suspense>}
        {schedule.firings.length === 0 ? <Text size="sm" c="dimmed">It has not fired yet.</Text> : <Firings of={schedule.firings} name={name} />}
        <Id id={schedule.id} what="schedule id" />
      </Stack>
    </Panel>
  )
}
const ToJob = ({ job }: { job: string }) => <span className="id"><TextLink to="/jobs/$job" params={{ job }} size="sm"><code>…{job.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={job} what="job id" /></span>
const Firings = ({ of, name }: { of: readonly Firing[]; name: string }) => (
  <div className="scroll-box" tabIndex={0} role="region" aria-label={`Last firings of ${name}`}><table className="table">
    <thead><tr><th>Due</th><th>What became of it</th><th>Job</th><th className="right">Cost, credits</th></tr></thead>
    <tbody>{of.slice(0, 10).map((one) => <tr key={one.due}><td><Moment at={one.due} /></td><td>{one.outcome === 'skipped' ? 'Left out: the one before still ran' : one.outcome === 'refused' ? `Refused: ${visible(one.detail ?? one.refused ?? '')}` : one.state ? JOB[one.state].word : 'Under way'}</td><td>{one.job && <ToJob job={one.job} />}</td><td className="right number">{one.cost === undefined ? '' : credits(one.cost)}</td></tr>)}</tbody>
  </table></div>
)
