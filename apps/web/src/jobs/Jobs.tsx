import { useMemo } from 'react'
import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { JobState } from '@lumaris/protocol'
import { jobsQuery } from '../queries.ts'
import { hasRole, useSession } from '../session/use-session.ts'
import { plural } from '../ui/format.ts'
import { Empty, Loaded, Page } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { VirtualRows } from '../ui/VirtualRows.tsx'
import { JobCells, JobHead, jobName } from './JobRows.tsx'
import { ButtonLink } from '../shell/links.tsx'

const route = getRouteApi('/inside/jobs')
export function Jobs() {
  const { client, user } = useSession()
  const { state, q = '' } = route.useSearch(), navigate = route.useNavigate()
  const jobs = useInfiniteQuery(jobsQuery(client, state))
  const loaded = useMemo(() => jobs.data?.pages.flatMap((page) => page.data) ?? [], [jobs.data])
  const shown = useMemo(() => { const wanted = q.toLowerCase(); return wanted === '' ? loaded : loaded.filter((job) => job.id.includes(wanted) || jobName(job).toLowerCase().includes(wanted)) }, [loaded, q])
  const more = jobs.hasNextPage && !jobs.isFetchingNextPage ? () => void jobs.fetchNextPage() : undefined
  return (
    <Page title="Jobs" actions={hasRole(user, 'buyer') && <ButtonLink to="/submit">New job</ButtonLink>}>
      <Group align="flex-end">
        <NativeSelect label="State" value={state ?? ''} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (now) => ({ ...now, state: value === '' ? undefined : (value as JobState) }) }) }} data={[{ value: '', label: 'All' }, ...JobState.options.map((one) => ({ value: one, label: JOB[one].word }))]} />
        <TextInput label="Name or id" data-filter value={q} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (now) => ({ ...now, q: value === '' ? undefined : value }), replace: true }) }} />
        <Text size="sm" c="dimmed" role="status">{jobs.isSuccess ? `${plural(shown.length, 'job')}${q !== '' ? ` of ${plural(loaded.length, 'loaded job')}` : ''}${jobs.hasNextPage ? '; older ones load as you scroll' : ''}` : ''}</Text>
      </Group>
      <Loaded query={jobs} lines={8}>{() => (shown.length === 0
        ? <Empty title={state || q ? 'No job fits this filter' : 'No jobs yet'}>{state || q ? <Button variant="default" size="xs" onClick={() => void navigate({ search: {} })}>Show all</Button> : hasRole(user, 'buyer') ? 'They stand here from the moment you submit one.' : 'Nobody has submitted one.'}</Empty>
        : <VirtualRows rows={shown} keyOf={(job) => job.id} columns={5} label="Jobs" head={<JobHead />} row={(job) => <JobCells job={job} />} more={more} />)}</Loaded>
    </Page>
  )
}
