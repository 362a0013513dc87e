// What sellers say should not count against their nodes. Decided once, by an admin whose node it is not; the seller reads the reason.
import { useState } from 'react'
import { Button, Group, NativeSelect, Stack, Text } from '@mantine/core'
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { AppealCase, AppealState } from '@lumaris/protocol'
import { appealsQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { percent, visible } from '../ui/format.ts'
import { Command, Empty, Id, Listed, Moment, Page, Panel } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { WithReason } from './WithReason.tsx'

const route = getRouteApi('/inside/appeals')
const TITLE: Readonly<Record<AppealState, string>> = { open: 'Waiting for a decision', accepted: 'Accepted', refused: 'Refused' }

export function Appeals() {
  const { client, user } = useSession(), queries = useQueryClient(), { state = 'open' } = route.useSearch(), navigate = route.useNavigate(), found = useInfiniteQuery(appealsQuery(client, state))
  const [doing, setDoing] = useState<{ readonly one: AppealCase; readonly accept: boolean } | null>(null)
  const act = async (reason: string): Promise<void> => {
    if (!doing) return
    const call = { params: { attempt: doing.one.fault.attempt }, body: { reason } }
    if (doing.accept) await client.api.acceptAppeal(call)
    else await client.api.refuseAppeal(call)
    void queries.invalidateQueries({ queryKey: ['admin', 'appeals'] })
  }
  const changes = ({ completion, correctness }: AppealCase): string => [['ends its work', completion] as const, ['results hold', correctness] as const].flatMap(([what, one]) => (one ? [`${what}: at least ${percent(one.now)} now, ${percent(one.without)} without it`] : [])).join('; ')
  return (
    <Page title="Appeals" intro="What sellers say should not count against their nodes. Accepted, what the ending weighs is taken out of the record by a new entry; nothing is removed, and money that was forfeited is reversed in the ledger, by two." actions={<NativeSelect aria-label="Which" value={state} onChange={(event) => void navigate({ search: { state: event.currentTarget.value === 'open' ? undefined : (event.currentTarget.value as 'accepted' | 'refused') }, replace: true })} data={(['open', 'accepted', 'refused'] as const).map((value) => ({ value, label: TITLE[value] }))} />}>
      <Panel title={TITLE[state]} id="appeals"><Listed query={found} lines={5} more="More" none={<Empty title={state === 'open' ? 'Nobody waits for a decision' : `None was ${state}`}>Sellers appeal on the page of a node, under what lowered its reputation.</Empty>}>{(list) => (
        <Stack gap="lg">{list.map((one) => (
          <div key={one.fault.attempt} role="group" aria-label={`Appeal for ${visible(one.nodeName)}`}>
            <Text size="sm" fw={600}><TextLink to="/nodes/$node" params={{ node: one.fault.node }} search={{ tab: 'record' }}>{visible(one.nodeName)}</TextLink> of <TextLink to="/users/$user" params={{ user: one.owner }}>{visible(one.ownerName)}</TextLink>: {visible(one.fault.says)}, <Moment at={one.fault.at} /></Text>
            <Text size="sm">“{visible(one.appeal.text)}” <Text span size="sm" c="dimmed"><Moment at={one.appeal.at} /></Text></Text>
            <Text size="sm" c="dimmed">{changes(one)}{one.appeal.reason === undefined ? '' : `Because: ${visible(one.appeal.reason)}`}</Text>
            <Group gap="sm" mt={4}><Id id={one.fault.attempt} what="attempt" /><TextLink to="/jobs/$job" params={{ job: one.fault.job }} size="sm">Its job</TextLink>
              {state === 'open' && <><Button size="compact-sm" variant="default" disabled={one.owner === user.id} title={one.owner === user.id ? 'It is your own: ask another admin' : undefined} onClick={() => setDoing({ one, accept: true })}>Accept…</Button><Button size="compact-sm" variant="default" disabled={one.owner === user.id} title={one.owner === user.id ? 'It is your own: ask another admin' : undefined} onClick={() => setDoing({ one, accept: false })}>Refuse…</Button></>}</Group>
          </div>))}
        </Stack>)}</Listed></Panel>
      <WithReason opened={doing !== null} close={() => setDoing(null)} title={doing?.accept ? 'Accept the appeal?' : 'Refuse the appeal?'} yes={doing?.accept ? 'It does not count' : 'It counts'} act={act}>{doing?.accept ? 'What this ending weighs is taken out of the node’s record. Its seller reads the reason.' : 'Nothing changes. Its seller reads the reason, and cannot appeal against this ending again.'}</WithReason>
      <Command line="npx lumaris --as admin admin appeals" />
    </Page>
  )
}
