import { useState } from 'react'
import { Alert, Badge, Button, Checkbox, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { MEMBER_SCOPES } from '@lumaris/protocol'
import type { Account, Key, NewKey, Scope, User } from '@lumaris/protocol'
import { keysQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { joinWords } from '../submit/words.ts'
import { beside } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Confirm, Empty, Loaded, Moment, Page, Panel, Refusal, CopyId } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const SCOPES: Readonly<Record<Scope, string>> = { 'jobs:read': 'See jobs, output and results', 'jobs:write': 'Submit and cancel jobs', 'wallet:read': 'See the wallet', 'wallet:write': 'Add credits', 'nodes:read': 'See nodes', 'nodes:write': 'Add, pause and price nodes', 'keys:write': 'Manage API keys', admin: 'Run the market' }
const scopesFor = ({ user, acting }: { user: User; acting?: Account }): Scope[] => (acting ? [...MEMBER_SCOPES[acting.role]] : [...(hasRole(user, 'buyer') ? (['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write'] as const) : (['wallet:read'] as const)), ...(hasRole(user, 'seller') || hasRole(user, 'admin') ? (['nodes:read', 'nodes:write'] as const) : []), 'keys:write', ...(hasRole(user, 'admin') ? (['admin'] as const) : [])])
const DAY = 86_400_000

export function Keys() {
  const { client } = useSession(), { no, why } = useMay()
  const keys = useQuery({ ...keysQuery(client), enabled: why('listKeys') === undefined })
  const [making, setMaking] = useState(false), [revoking, setRevoking] = useState<Key | null>(null), [shown, setShown] = useState<NewKey | null>(null)
  const queries = useQueryClient()
  const again = (): void => void queries.invalidateQueries({ queryKey: ['keys'] })
  return (
    <Page title="API keys" intro="For your programs and the command line. A key may do what you let it, and no more than you may." actions={<Button {...no('createKey')} onClick={() => setMaking(true)}>Make a key</Button>}>
      {shown && <Alert color="green" role="status" title={`The key “${visible(shown.label)}” is made`} withCloseButton closeButtonLabel="Close" onClose={() => setShown(null)}><Text size="sm" mb="xs">It is shown this once. What is kept here is only enough to recognise it.</Text><Command line={shown.secret} /></Alert>}
      <Panel>
        {why('listKeys') !== undefined ? <Empty title="Its keys are not shown to you">{why('listKeys')}</Empty> : <Loaded query={keys}>{({ data }) => (data.length === 0 ? <Empty title="No keys yet">Make one to use the market from a program: it is sent as <code>Authorization: Bearer</code>.</Empty> : (
          <div className="scroll-box" tabIndex={0} role="region" aria-label="API keys"><table className="table">
            <thead><tr><th>Name</th><th>Begins</th><th>May</th><th>Last used</th><th>Ends</th><th><span className="for-readers">Actions</span></th></tr></thead>
            <tbody>{data.map((key) => (
              <tr key={key.id}><td>{visible(key.label)}{key.madeBy && <Text size="sm" c="dimmed">made by {visible(key.madeBy.name)}</Text>}</td><td><code>{key.prefix}…</code><CopyId id={key.id} what="key id" /></td><td><Group gap={4}>{key.scopes.map((scope) => <Badge key={scope} size="sm" color="gray">{scope}</Badge>)}</Group></td><td>{key.lastUsedAt ? <Moment at={key.lastUsedAt} /> : 'never'}</td>
                <td>{key.revokedAt ? 'revoked' : key.expiresAt ? <Moment at={key.expiresAt} /> : 'never'}</td><td className="right"><Button size="compact-sm" variant="default" {...no('revokeKey', key.revokedAt === undefined ? undefined : 'It is revoked already')} onClick={() => setRevoking(key)}>Revoke<span className="for-readers"> {visible(key.label)}</span></Button></td></tr>))}</tbody>
          </table></div>))}</Loaded>}
      </Panel>
      <Command line="npx lumaris keys list" />
      <Modal opened={making} onClose={() => setMaking(false)} title="Make a key">{making && <Make close={() => setMaking(false)} made={(key) => { setShown(key); setMaking(false); again() }} />}</Modal>
      <Confirm opened={revoking !== null} close={() => setRevoking(null)} title={`Revoke “${visible(revoking?.label ?? '')}”?`} yes="Revoke" typed={revoking?.label} act={async () => { if (revoking) await client.api.revokeKey({ params: { key: revoking.id } }); again() }}><Text size="sm">Programs that use it are refused at once. It cannot be taken back, and its secret is kept nowhere.</Text><Command line={`npx lumaris keys revoke ${revoking?.id ?? ''}`} /></Confirm>
    </Page>
  )
}

function Make({ close, made }: { close: () => void; made: (key: NewKey) => void }) {
  const session = useSession(), { client } = session
  const [label, setLabel] = useState(''), [scopes, setScopes] = useState<string[]>(['jobs:read', 'jobs:write'].filter((scope) => scopesFor(session).includes(scope as Scope))), [days, setDays] = useState('90')
  const { busy, error, submit } = useWork()
  const make = async (): Promise<void> => made(await client.api.createKey({ body: { label, scopes: scopes as Scope[], ...(days === '' ? {} : { expiresInMs: Number(days) * DAY }) } }))
  const { at, isLeft } = beside(error, ['/label', '/scopes', '/expiresInMs'], { scope_not_allowed: '/scopes' })
  return (
    <form onSubmit={(event) => submit(event, make)} noValidate><Stack>
      <TextInput label="Name" description="Where it will be used" data-autofocus value={label} onChange={(event) => setLabel(event.currentTarget.value)} error={at('/label')} />
      <Checkbox.Group label="It may" value={scopes} onChange={setScopes} error={at('/scopes')}><Stack gap={8} mt={6}>{scopesFor(session).map((scope) => <Checkbox key={scope} value={scope} label={SCOPES[scope]} />)}</Stack></Checkbox.Group>
      <NativeSelect label="It ends" value={days} onChange={(event) => setDays(event.currentTarget.value)} data={[{ value: '7', label: 'after a week' }, { value: '90', label: 'after 90 days' }, { value: '365', label: 'after a year' }, { value: '', label: 'never' }]} error={at('/expiresInMs')} />
      {isLeft && <Refusal error={error} />}
      <Command line={`npx lumaris keys create ${label.trim() === '' ? 'NAME' : joinWords([label.trim()])}${scopes.map((scope) => ` --scope ${scope}`).join('')}${days === '' ? '' : ` --expires ${days}d`}`} />
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy}>Make the key</Button></Group>
    </Stack></form>
  )
}
