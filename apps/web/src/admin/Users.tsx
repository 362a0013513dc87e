import { Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { peopleQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { joinWords } from '../submit/words.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, CopyId, Empty, Listed, Moment, Page, Status } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'

export const SUSPENDED = { word: 'Suspended', colour: 'red', sign: '⊘', says: 'Cannot sign in or submit; their nodes get no new work. What runs may end.' } as const
const route = getRouteApi('/inside/users')
export function Users() {
  const client = useClient()
  const { q, suspended } = route.useSearch(), navigate = route.useNavigate()
  const found = useInfiniteQuery(peopleQuery(client, { q, suspended }))
  return (
    <Page title="Users">
      <Group align="flex-end">
        <TextInput label="A part of name or e-mail, or an id" data-filter value={q ?? ''} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (old) => ({ ...old, q: value === '' ? undefined : value }), replace: true }) }} />
        <NativeSelect label="State" value={suspended ?? ''} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: (old) => ({ ...old, suspended: value === '' ? undefined : (value as 'yes' | 'no') }), replace: true }) }} data={[{ value: '', label: 'all' }, { value: 'yes', label: 'suspended' }, { value: 'no', label: 'not suspended' }]} />
      </Group>
      <Listed query={found} lines={6} none={<Empty title="Nobody fits this filter" />}>{(list) => <>
            <Text size="sm" c="dimmed" role="status">{plural(list.length, 'user')}{found.hasNextPage ? ' so far' : ''}, newest first</Text>
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Users"><table className="table">
              <thead><tr><th>Name</th><th>State</th><th>E-mail</th><th>Roles</th><th>Since</th></tr></thead>
              <tbody>{list.map((one) => <tr key={one.id}><td><TextLink to="/users/$user" params={{ user: one.id }}>{visible(one.name)}</TextLink><CopyId id={one.id} what="user id" /></td><td>{one.suspended ? <Status look={SUSPENDED} /> : 'active'}</td><td>{visible(one.email)}</td><td>{one.roles.join(', ')}</td><td><Moment at={one.createdAt} /></td></tr>)}</tbody>
            </table></div>
          </>}</Listed>
      <Command line={`npx lumaris --as admin admin users${q === undefined ? '' : ` ${joinWords([q])}`}${suspended === 'yes' ? ' --suspended' : ''}`} />
    </Page>
  )
}
