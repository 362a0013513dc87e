import { useDeferredValue, useMemo, useState } from 'react'
import { Button, Checkbox, Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { JobState } from '@lumaris/protocol'
import type { Job } from '@lumaris/protocol'
import { jobsQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { joinWords } from '../submit/words.ts'
import { plural } from '../ui/format.ts'
import { Act, Command, Empty, Loaded, Page } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { VirtualRows } from '../ui/VirtualRows.tsx'
import { SavedFilters } from './SavedFilters.tsx'
import { CancelSeveral, RerunSeveral } from './Several.tsx'
import { JobCells, JobHead, canCancel, jobName } from './JobRows.tsx'
import { saveCsv } from './save.ts'
import { ButtonLink } from '../shell/links.tsx'
import { FindJobs, wantedJobs, wantedOptions } from '../admin/FindJobs.tsx'

/** Each name is made plain once, however often it is looked through. */
const names = new WeakMap<Job, string>()
function plainName(job: Job): string {
  let name = names.get(job)
  if (name === undefined) names.set(job, name = jobName(job).toLowerCase())
  return name
}

/** So often an admin's list is asked again, as long as it is not long. */
const ALL_MS = 10_000, PAGES_WATCHED = 3
const route = getRouteApi('/inside/jobs')
export function Jobs() {
  const { client, user } = useSession(), { no } = useMay(), isPhone = useMediaQuery('(max-width: 48rem)', undefined, { getInitialValueInEffect: false })
  const { state, q = '', of } = route.useSearch(), navigate = route.useNavigate()
  // Admins see everybody's, and have no stream of them.
  const isAdmin = hasRole(user, 'admin'), wanted = isAdmin && of !== undefined ? wantedJobs(of) : null
  const jobs = useInfiniteQuery({ ...jobsQuery(client, state, undefined, wanted ?? undefined), ...(isAdmin ? { refetchInterval: (query: { state: { data?: { pages: unknown[] } | undefined } }) => ((query.state.data?.pages.length ?? 0) > PAGES_WATCHED ? false : ALL_MS) } : {}) })
  const loaded = useMemo(() => jobs.data?.pages.flatMap((page) => page.data) ?? [], [jobs.data])
  // The letter first, then the list: a hundred thousand jobs are not looked through between two keys.
  const sought = useDeferredValue(q)
  const shown = useMemo(() => { const wanted = sought.toLowerCase(); return wanted === '' ? loaded : loaded.filter((job) => job.id.includes(wanted) || plainName(job).includes(wanted)) }, [loaded, sought])
  const more = jobs.hasNextPage && !jobs.isFetchingNextPage ? () => void jobs.fetchNextPage() : undefined
  // Chosen by id, with the job as it was then: a list that moves under one's hands does not change what was meant.
  const [chosen, setChosen] = useState<ReadonlyMap<string, Job>>(new Map()), [asking, setAsking] = useState<{ readonly what: 'cancel' | 'rerun'; readonly jobs: readonly Job[] } | null>(null)
  const chooseAll = (jobs: readonly Job[], on: boolean): void => setChosen((now) => { const next = new Map(now); for (const job of jobs) if (on) next.set(job.id, job); else next.delete(job.id); return next })
  const choose = (job: Job, on: boolean): void => chooseAll([job], on)
  const all = useMemo(() => shown.length > 0 && shown.every((job) => chosen.has(job.id)), [shown, chosen]), some = useMemo(() => chosen.size > 0 && shown.some((job) => chosen.has(job.id)), [shown, chosen])
  // What is done to them is what can be done to them as they are now, and the buttons say to how many.
  const anyChosen = chosen.size > 0, now = useMemo(() => new Map<string, Job>(anyChosen ? loaded.map((job) => [job.id, job]) : []), [anyChosen, loaded])
  const [toCancel, toRerun] = useMemo(() => { const list = [...chosen.values()].map((job) => now.get(job.id) ?? job); return [list.filter(canCancel), list.filter((job) => !canCancel(job) && job.buyer === user.id)] }, [chosen, now, user.id])
  const done = (): void => { setAsking(null); setChosen(new Map()) }
  const ids = useMemo(() => new Set(chosen.keys()), [chosen])
  return (
    <Page title="Jobs" actions={<><Act label="As CSV" says={state ? `All ${JOB[state].word.toLowerCase()} jobs${wanted ? ' of these' : ''}, for a spreadsheet` : wanted ? 'All of these jobs, for a spreadsheet' : 'All jobs, for a spreadsheet'} act={() => saveCsv(client.csv('jobs', { ...wanted, state }), 'lumaris-jobs.csv')} />{hasRole(user, 'buyer') && <ButtonLink to="/submit" {...no('submitJob')}>New job</ButtonLink>}</>}>
      <Group align="flex-end">
        <NativeSelect label="State" value={state ?? ''} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (now) => ({ ...now, state: value === '' ? undefined : (value as JobState) }) }) }} data={[{ value: '', label: 'All' }, ...JobState.options.map((one) => ({ value: one, label: JOB[one].word }))]} />
        <TextInput label="Name or id" data-filter value={q} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (now) => ({ ...now, q: value === '' ? undefined : value }), replace: true }) }} />
        {isAdmin && <FindJobs text={of ?? ''} look={(text) => void navigate({ search: (now) => ({ ...now, of: text }), replace: true })} />}
        <SavedFilters now={{ state, q: q === '' ? undefined : q }} choose={(to) => void navigate({ search: (now) => ({ of: now.of, state: to.state, q: to.q }) })} />
        <Text size="sm" c="dimmed" role="status">{jobs.isSuccess ? `${plural(shown.length, 'job')}${q !== '' ? ` of ${plural(loaded.length, 'loaded job')}` : ''}${jobs.hasNextPage ? '; older ones load as you scroll' : ''}` : ''}</Text>
      </Group>
      {chosen.size > 0 && <Group gap="xs"><Button color="red" variant="outline" size="sm" {...no('cancelJob', toCancel.length === 0 ? 'All that are chosen have ended' : undefined)} onClick={() => setAsking({ what: 'cancel', jobs: toCancel })}>Cancel {plural(toCancel.length, 'job')}</Button>{hasRole(user, 'buyer') && <Button variant="default" size="sm" {...no('submitJob', toRerun.length === 0 ? 'None that are chosen are yours and have ended' : undefined)} onClick={() => setAsking({ what: 'rerun', jobs: toRerun })}>Run {plural(toRerun.length, 'job')} again</Button>}<Text size="sm" c="dimmed">{plural(chosen.size, 'job')} chosen</Text><Button variant="default" size="sm" onClick={() => setChosen(new Map())}>Choose none</Button></Group>}
      <Loaded query={jobs} lines={8}>{() => (shown.length === 0
        ? <Empty title={state || q || of ? 'No job fits this filter' : 'No jobs yet'}>{state || q || of ? <Button variant="default" size="xs" onClick={() => void navigate({ search: {} })}>Show all</Button> : hasRole(user, 'buyer') ? 'They stand here from the moment you submit one.' : 'Nobody has submitted one.'}</Empty>
        : <VirtualRows twoLines={isPhone} rows={shown} keyOf={(job) => job.id} columns={isAdmin ? 8 : 7} label="Jobs" head={<JobHead buyers={isAdmin} all={<Checkbox size="sm" aria-label="Choose all that are loaded" checked={all} indeterminate={!all && some} onChange={(event) => { const on = event.currentTarget.checked; chooseAll(shown, on) }} />} />} row={(job) => <JobCells job={job} under={isPhone} buyers={isAdmin} choice={{ chosen: ids, choose }} />} more={more} />)}</Loaded>
      {asking && (asking.what === 'cancel' ? <CancelSeveral jobs={asking.jobs} close={done} /> : <RerunSeveral jobs={asking.jobs} close={done} />)}
      <Command line={`npx lumaris jobs${state === undefined ? '' : ` --state ${state}`}${q === '' ? '' : ` --search ${joinWords([q])}`}${wantedOptions(wanted)}`} />
    </Page>
  )
}
