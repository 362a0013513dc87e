// How the market is, for everybody: what is wrong now, and what was.
import { Alert, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Incident } from '@lumaris/protocol'
import { incidentsQuery } from '../queries.ts'
import { plural, visible } from '../ui/format.ts'
import { Empty, Loaded, Moment, Page, Panel, Status, CopyId } from '../ui/parts.tsx'
import { SEVERITY } from '../ui/states.ts'

export function MarketStatus() {
  const all = useQuery(incidentsQuery(undefined))
  return (
    <Page title="Status of the market" intro="Told by its operators. What the market measures itself stands on the front page.">
      <Loaded query={all}>{({ data }) => {
        const open = data.filter((one) => one.state === 'open'), past = data.filter((one) => one.state === 'resolved')
        return (
          <Stack gap="lg">
            {open.length === 0 ? <Alert color="green" title="✓ No known incident">Nothing is known to be wrong just now.</Alert> : open.map((one) => <IncidentPanel key={one.id} incident={one} />)}
            <Panel title="Before" id="past">{past.length === 0 ? <Empty title="Nothing yet">What was resolved stands here.</Empty> : <Stack gap="md">{past.map((one) => <div key={one.id}><Head incident={one} /><Updates incident={one} /></div>)}</Stack>}</Panel>
          </Stack>
        )
      }}</Loaded>
    </Page>
  )
}
export function IncidentPanel({ incident, actions }: { incident: Incident; actions?: React.ReactNode }) {
  return <div data-row><Panel title={visible(incident.title)} id={incident.id} actions={actions}><Head incident={incident} bare /><Updates incident={incident} /></Panel></div>
}
const about = ({ regions, nodes }: Incident): string => [regions.length > 0 ? `${regions.length === 1 ? 'region' : 'regions'} ${regions.map(visible).join(', ')}` : '', nodes.length > 0 ? plural(nodes.length, 'node') : ''].filter(Boolean).join('; ') || 'the whole market'
export function Head({ incident, bare }: { incident: Incident; bare?: boolean }) {
  return (
    <Group gap="sm">
      {!bare && <Text fw={600}>{visible(incident.title)}</Text>}<Status look={SEVERITY[incident.severity]} />
      <Text size="sm" c="dimmed">Concerns {about(incident)}. {incident.resolvedAt === undefined ? 'Open since' : 'Opened'} <Moment at={incident.openedAt} />{incident.resolvedAt === undefined ? '' : <>, resolved <Moment at={incident.resolvedAt} /></>}.</Text><CopyId id={incident.id} what="incident id" />
    </Group>
  )
}
/** Newest first: whoever comes wants to know how it stands. */
const Updates = ({ incident }: { incident: Incident }) => <ol className="timeline" reversed>{incident.updates.toReversed().map((one) => <li key={one.at + one.text}><Text size="sm" c="dimmed" component="div"><Moment at={one.at} /> · {SEVERITY[one.severity].word.toLowerCase()}</Text><p>{visible(one.text)}</p></li>)}</ol>
