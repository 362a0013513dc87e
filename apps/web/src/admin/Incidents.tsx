import { useState } from 'react'
import { Button, Group, Modal, NativeSelect, Stack, TagsInput, Text, TextInput, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Incident, NodeId, Severity } from '@lumaris/protocol'
import { Head, IncidentPanel } from '../front/MarketStatus.tsx'
import { incidentsQuery, marketQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Empty, Loaded, Page, Panel, Refusal } from '../ui/parts.tsx'
import { SEVERITIES, SEVERITY } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'
import { Begin, WithReason } from './WithReason.tsx'
import { FURTHER, OPENING, OVER, toFill } from './incident-words.ts'

export function Incidents() {
  const client = useClient(), queries = useQueryClient()
  const all = useQuery(incidentsQuery(undefined))
  const [making, setMaking] = useState(false), [doing, setDoing] = useState<{ incident: Incident; what: 'update' | 'resolve' } | null>(null)
  const again = (): void => void queries.invalidateQueries({ queryKey: ['incidents'] })
  const act = async (text: string): Promise<void> => {
    if (!doing) return
    const params = { incident: doing.incident.id }
    if (doing.what === 'update') await client.api.updateIncident({ params, body: { text } })
    else await client.api.resolveIncident({ params, body: { text } })
    again()
  }
  return (
    <Page title="Incidents" intro={<>What you write here, everybody sees: on <TextLink to="/status">the status page</TextLink>, and as a line on every screen while it is open.</>} actions={<Button onClick={() => setMaking(true)}>Open an incident</Button>}>
      <Loaded query={all}>{({ data }) => {
        const open = data.filter((one) => one.state === 'open'), past = data.filter((one) => one.state === 'resolved')
        return (
          <Stack gap="lg">
            {open.length === 0 && <Empty title="No incident is open">When something is wrong, say so before buyers and sellers ask.</Empty>}
            {open.map((one) => <IncidentPanel key={one.id} incident={one} actions={<Group gap="xs"><Button size="compact-sm" variant="default" onClick={() => setDoing({ incident: one, what: 'update' })}>Tell more<span className="for-readers"> about {visible(one.title)}</span></Button><Button size="compact-sm" onClick={() => setDoing({ incident: one, what: 'resolve' })}>Resolve<span className="for-readers"> {visible(one.title)}</span></Button></Group>} />)}
            {past.length > 0 && <Panel title="Resolved" id="resolved"><Stack gap="sm">{past.map((one) => <div key={one.id}><Head incident={one} /></div>)}</Stack></Panel>}
          </Stack>
        )
      }}</Loaded>
      <Command line="npx lumaris --as admin admin incident open 'Jobs wait' --severity major --text 'A switch is broken.'" />
      <Modal opened={making} onClose={() => setMaking(false)} title="Open an incident">{making && <Open close={() => setMaking(false)} made={again} />}</Modal>
      <WithReason opened={doing !== null} close={() => setDoing(null)} words={doing?.what === 'resolve' ? OVER : FURTHER} title={doing ? `${doing.what === 'update' ? 'Tell more about' : 'Resolve'} “${visible(doing.incident.title)}”` : ''} label="What do you tell everybody?" yes={doing?.what === 'update' ? 'Tell it' : 'It is resolved'} act={act} />
    </Page>
  )
}

function Open({ close, made }: { close: () => void; made: () => void }) {
  const client = useClient()
  const market = useQuery(marketQuery)
  const [title, setTitle] = useState(''), [severity, setSeverity] = useState<Severity>('minor'), [text, setText] = useState(''), [regions, setRegions] = useState<string[]>([]), [nodes, setNodes] = useState<string[]>([])
  const { busy, error, submit } = useWork()
  const open = async (): Promise<void> => { await client.api.openIncident({ body: { title: title.trim(), severity, text: text.trim(), regions, nodes: nodes as NodeId[] } }); made(); close() }
  const blank = toFill(`${title} ${text}`)
  const fields = errorsBy(error), node = [...fields].find(([pointer]) => pointer.startsWith('/nodes'))?.[1]
  return (
    <form onSubmit={(event) => submit(event, open)} noValidate><Stack>
      <TextInput label="Title" data-autofocus value={title} onChange={(event) => setTitle(event.currentTarget.value)} error={fields.get('/title')} />
      <NativeSelect label="Severity" description={SEVERITY[severity].says} value={severity} onChange={(event) => setSeverity(event.currentTarget.value as Severity)} data={SEVERITIES.map((value) => ({ value, label: SEVERITY[value].word }))} />
      <Begin words={OPENING[severity]} take={(one) => { setText(one.text); if (one.title !== undefined && (title === '' || Object.values(OPENING).flat().some((other) => other.title === title))) setTitle(one.title) }} />
      <Textarea label="What is known" autosize minRows={3} value={text} onChange={(event) => setText(event.currentTarget.value)} error={fields.get('/text')} />
      <TagsInput label="Regions" description="Both empty: the whole market" value={regions} onChange={setRegions} data={[...new Set(market.data?.prices.map((line) => line.region))]} />
      <TagsInput label="Nodes, by id" value={nodes} onChange={setNodes} error={node} />
      {error !== null && fields.size === 0 && <Refusal error={error} />}
      <Text size="sm" c="dimmed">Everybody sees all of this, but not who wrote it.</Text>
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={blank !== null} title={blank === null ? undefined : `Fill in ${blank} first`}>Tell everybody</Button></Group>
    </Stack></form>
  )
}
