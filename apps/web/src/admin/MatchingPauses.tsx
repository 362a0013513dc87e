// What operators let nothing new start of: a pause, and its end. Everybody reads its sentence, on a line over every screen and beside work that waits.
import { useState } from 'react'
import { Button, Checkbox, Group, Modal, MultiSelect, Stack, TagsInput, Text, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { LEVELS, matchingScopeText } from '@lumaris/protocol'
import type { AdminMatchingPause, Level, MatchingScope } from '@lumaris/protocol'
import { marketQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Empty, Id, Loaded, Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { WithReason } from './WithReason.tsx'
import { matchingPausesQuery } from './queries.ts'

export function MatchingPauses() {
  const client = useClient(), queries = useQueryClient(), found = useQuery(matchingPausesQuery(client))
  const [making, setMaking] = useState(false), [ending, setEnding] = useState<AdminMatchingPause | null>(null)
  const again = (): void => { void queries.invalidateQueries({ queryKey: ['admin'] }); void queries.invalidateQueries({ queryKey: ['market'] }) }
  return (
    <Panel title="Matching" id="matching" actions={<Button size="compact-sm" variant="default" onClick={() => setMaking(true)}>Pause matching…</Button>}>
      <Loaded query={found} lines={1}>{({ data }) => (data.length === 0 ? <Empty title="Work starts as nodes have room">A pause lets nothing new start, in the whole market or in a class of it. What runs goes on, what waits keeps its place and its hold.</Empty> : (
        <ul className="plain-list">{data.map((one) => (
          <li key={one.id}><Group justify="space-between" align="flex-start" gap="sm"><div className="page-title">
            <Text fw={600}>‖ Nothing new starts of {visible(matchingScopeText(one.scope))}, since <Moment at={one.since} /></Text>
            <Text size="sm">Everybody reads: {visible(one.says)}</Text><Text size="sm" c="dimmed">In the log: {visible(one.reason)}</Text><Id id={one.id} what="pause id" />
          </div><Button size="compact-sm" onClick={() => setEnding(one)}>Let it start again…<span className="for-readers"> {visible(matchingScopeText(one.scope))}</span></Button></Group></li>))}</ul>))}</Loaded>
      <Modal opened={making} onClose={() => setMaking(false)} title="Pause matching">{making && <Make close={() => setMaking(false)} made={again} />}</Modal>
      <WithReason opened={ending !== null} close={() => setEnding(null)} title={`Let ${ending ? visible(matchingScopeText(ending.scope)) : ''} start again?`} yes="Let it start" act={async (reason) => { if (ending) await client.api.resumeMatching({ params: { pause: ending.id }, body: { reason } }); again() }}>What waits is given to nodes at once, those first who have waited longest.</WithReason>
    </Panel>
  )
}

const SCOPE = /^\/scope/
function Make({ close, made }: { close: () => void; made: () => void }) {
  const client = useClient(), market = useQuery(marketQuery), { busy, error, submit } = useWork()
  const [regions, setRegions] = useState<string[]>([]), [levels, setLevels] = useState<string[]>([]), [gpus, setGpus] = useState(false), [says, setSays] = useState(''), [reason, setReason] = useState('')
  const scope: MatchingScope = { ...(regions.length > 0 ? { regions } : {}), ...(levels.length > 0 ? { levels: levels as Level[] } : {}), ...(gpus ? { gpus } : {}) }
  const fields = errorsBy(error), inScope = [...fields].find(([pointer]) => SCOPE.test(pointer))?.[1], beside = fields.has('/says') || fields.has('/reason') || inScope !== undefined
  const pause = async (): Promise<void> => { await client.api.pauseMatching({ body: { scope, says: says.trim(), reason: reason.trim() } }); made(); close() }
  return (
    <form onSubmit={(event) => submit(event, pause)} noValidate><Stack>
      <TagsInput label="Only in these regions" description="All that you name must hold; nothing named is the whole market" value={regions} onChange={setRegions} data={[...new Set(market.data?.prices.map((line) => line.region))]} error={inScope} />
      <MultiSelect label="Only behind isolation of these levels" description="Of the drivers that would run it; a node that has another one uses that" value={levels} onChange={setLevels} data={[...LEVELS]} />
      <Checkbox label="Only work that asks for GPUs" checked={gpus} onChange={(event) => setGpus(event.currentTarget.checked)} />
      <Textarea label="What everybody reads" description="On every screen, and beside work that waits" data-autofocus autosize minRows={2} value={says} onChange={(event) => setSays(event.currentTarget.value)} error={fields.get('/says')} />
      <Textarea label="Reason" description="It stands in the log of admin actions, with your name" autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} error={fields.get('/reason')} />
      <Text size="sm" role="status">Nothing new will start of <strong>{visible(matchingScopeText(scope))}</strong>. What runs goes on; what waits keeps its place, its hold and its time to find a node; quotes bind until the time they name. Deadlines do not wait.</Text>
      <Command line={`npx lumaris --as admin admin pause${regions.map((one) => ` --region ${one}`).join('')}${levels.map((one) => ` --level ${one}`).join('')}${gpus ? ' --gpus' : ''} --says '…' --reason '…'`} />
      {error !== null && !beside && <Refusal error={error} />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" color="red" loading={busy}>Pause it</Button></Group>
    </Stack></form>
  )
}
