// Jobs to begin with: those that come with the market, and one's own. The search looks for words; it makes nothing up.
import { useState } from 'react'
import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Template, TemplateFigures } from '@lumaris/protocol'
import { templateFiguresQuery, templatesQuery } from '../queries.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { cores, creditsText, duration, plural, size, visible } from '../ui/format.ts'
import { Command, Confirm, Empty, Loaded, Moment, Page, Panel } from '../ui/parts.tsx'
import { TEMPLATES } from '../submit/templates.ts'
import { ButtonLink } from '../shell/links.tsx'
import { findTemplates } from './find-template.ts'

const route = getRouteApi('/inside/templates')
export function Templates() {
  const client = useClient(), { no } = useMay(), { q = '' } = route.useSearch(), navigate = route.useNavigate()
  const figures = useQuery(templateFiguresQuery(client)).data ?? [], own = useQuery(templatesQuery(client)), queries = useQueryClient(), [removing, setRemoving] = useState<Template | null>(null)
  const mine = findTemplates((own.data ?? []).map((template) => ({ template, name: template.name, says: template.spec.command.join(' '), tags: [template.spec.runtime, template.spec.name ?? '', ...Object.keys(template.parameters)] })), q)
  const built = findTemplates(TEMPLATES, q)
  return (
    <Page title="Templates" intro="Whole jobs to begin with. Look at the price before anything runs." actions={<ButtonLink variant="default" to="/submit" {...no('submitJob')}>Begin with nothing</ButtonLink>}>
      <TextInput label="What do you want to do?" description="It looks for your words in names, descriptions and tags. Nothing is made up for you." placeholder="draw a picture" data-filter maw={520} value={q} onChange={(event) => { const { value } = event.currentTarget; void navigate({ search: { q: value === '' ? undefined : value }, replace: true }) }} />
      <div role="status" className="small">{q === '' ? '' : `${plural(mine.length + built.length, 'template')} found`}</div>
      {own.isSuccess && built.length + mine.length === 0 && <Panel><Empty title="No template fits">Use other words, or <Button size="compact-sm" variant="default" onClick={() => void navigate({ search: {}, replace: true })}>show all</Button></Empty></Panel>}
      {built.length > 0 && <Panel title="With the market" id="built"><div className="cards">{built.map((one) => (
        <div key={one.id} className="panel card" data-row><Text fw={600} component="h3">{one.name}</Text><Text size="sm" c="dimmed">{one.says}</Text><Text size="sm">{plural((one.draft.parts ?? '').split('\n').filter(Boolean).length || 1, 'part')} of {cores(Number(one.draft.cores) * 1000)}, {one.draft.memoryMib} MiB memory</Text><Typically of={figures.find((found) => found.whose === 'market' && found.name === one.id)} /><Group gap={4}>{one.tags.map((tag) => <Badge key={tag} size="sm" color="gray">{tag}</Badge>)}</Group><ButtonLink size="xs" variant="default" to="/submit" search={{ template: one.id }} {...no('submitJob')}>Use<span className="for-readers"> {one.name}</span></ButtonLink></div>))}</div></Panel>}
      <Panel title="Yours" id="own"><Loaded query={own}>{(list) => (list.length === 0 ? <Empty title="None yet">Open a job that did well and press “Keep as a template…”. With parameters: <code>npx lumaris template save</code>.</Empty> : mine.length === 0 ? <Text size="sm" c="dimmed">None of yours fits these words.</Text> : (
        <div className="cards">{mine.map(({ template }) => <Own key={template.name} template={template} figures={figures.find((found) => found.whose === 'own' && found.name === template.name)} remove={() => setRemoving(template)} />)}</div>))}</Loaded></Panel>
      <Command line="npx lumaris template list" />
      <Confirm opened={removing !== null} close={() => setRemoving(null)} title={`Forget “${removing?.name ?? ''}”?`} yes="Forget it" typed={removing?.name} act={async () => { if (removing) await client.api.removeTemplate({ params: { template: removing.name } }); void queries.invalidateQueries({ queryKey: ['templates'] }) }}><Text size="sm">Jobs that were made of it stay. It cannot be taken back.</Text><Command line={`npx lumaris template remove ${removing?.name ?? ''}`} /></Confirm>
    </Page>
  )
}
/** Measured, or nothing. */
function Typically({ of }: { of: TemplateFigures | undefined }) {
  if (!of) return null
  return <Text size="sm"><strong>Typically {duration(of.p50Ms)}, {creditsText(of.p50)}</strong>; nine of ten within {duration(of.p90Ms)} and {creditsText(of.p90)}. <span className="small">Measured: {plural(of.jobs, 'job')}{of.whose === 'market' ? ' of all buyers' : ' of yours'}.</span></Text>
}
function Own({ template, figures, remove }: { template: Template; figures: TemplateFigures | undefined; remove: () => void }) {
  const { no } = useMay(), { spec, parameters } = template, names = Object.keys(parameters)
  return (
    <div className="panel card" data-row><Text fw={600} component="h3">{template.name}</Text>
      <Text size="sm" c="dimmed"><code>{visible(spec.command.join(' ')).slice(0, 120)}</code></Text>
      <Text size="sm">{plural(Math.max(1, spec.tasks.length), 'part')} of {cores(spec.resources.cpuMillis)}, {size(spec.resources.memoryBytes)} memory{names.length > 0 ? `; asks for ${names.join(', ')}` : ''}</Text>
      <Typically of={figures} />
      <Stack gap={6}><Text size="sm" c="dimmed">Kept <Moment at={template.savedAt} /></Text>
        <Group gap="xs"><ButtonLink size="xs" variant="default" to="/submit" search={{ saved: template.name }} {...no('submitJob')}>Use<span className="for-readers"> {template.name}</span></ButtonLink><Button size="xs" variant="default" {...no('removeTemplate')} onClick={remove}>Forget…<span className="for-readers"> {template.name}</span></Button></Group></Stack>
    </div>
  )
}
