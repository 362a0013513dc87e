// Screens and jobs by their names. It is a part of its own, loaded when it is first asked for.
import '@mantine/spotlight/styles.css'
import { useEffect, useState } from 'react'
import { Spotlight, createSpotlight } from '@mantine/spotlight'
import type { SpotlightActionData, SpotlightActionGroupData } from '@mantine/spotlight'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { jobName } from '../jobs/JobRows.tsx'
import { jobsQuery } from '../queries.ts'
import { signOut } from '../session/session.ts'
import { hasRole, useSession } from '../session/use-session.ts'
import { JOB } from '../ui/states.ts'
import type { Place } from './Shell.tsx'

const [store, spotlight] = createSpotlight()
/** Jobs that are shown while nothing is typed; typing looks through the newest page. */
const JOBS_SHOWN = 5

export type PaletteProps = { readonly screens: readonly (readonly [string, readonly Place[]])[]; /** Grows each time it is asked for. */ readonly opened: number }
export function Palette({ screens, opened }: PaletteProps) {
  const router = useRouter(), { client, user } = useSession(), [query, setQuery] = useState(''), [open, setOpen] = useState(true)
  const sees = hasRole(user, 'buyer') || hasRole(user, 'admin')
  const jobs = useInfiniteQuery({ ...jobsQuery(client, undefined), enabled: sees && open })
  useEffect(() => { setOpen(true); spotlight.open() }, [opened])
  const newest = jobs.data?.pages[0]?.data ?? []
  const shown = screens.map(([group, list]): SpotlightActionGroupData => ({ group, actions: list.map(({ to, name }): SpotlightActionData => ({ id: to, label: name, onClick: () => void router.navigate({ to }) })) }))
  const actions: SpotlightActionGroupData[] = [
    ...shown,
    ...(newest.length > 0 ? [{ group: 'Jobs', actions: (query.trim() === '' ? newest.slice(0, JOBS_SHOWN) : newest).map((job): SpotlightActionData => ({ id: job.id, label: jobName(job), description: `${JOB[job.state].word} · …${job.id.slice(-8)}`, keywords: job.id, onClick: () => void router.navigate({ to: '/jobs/$job', params: { job: job.id } }) })) }] : []),
    { group: 'Do', actions: [{ id: 'sign-out', label: 'Sign out', onClick: () => void signOut().then(() => router.navigate({ to: '/' })) }] },
  ]
  return <Spotlight store={store} shortcut={null} onSpotlightClose={() => setOpen(false)} query={query} onQueryChange={setQuery} actions={actions} limit={30} scrollable maxHeight={420} highlightQuery={false} nothingFound="Nothing has such a name" searchProps={{ placeholder: 'A screen, or a job by name or id', 'aria-label': 'Find' }} />
}
