// When work may run on a node's machine, and how much of it. Asked here, decided there: what its owner has set on the machine wins, and stands here as
// that; the agent says what it honours.
import './limits.css'
import { useState } from 'react'
import type { ReactNode } from 'react'
import { Alert, Button, Checkbox, Group, NumberInput, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Node, NodeSettings, OwnerAsked } from '@lumaris/protocol'
import { always, copyOf, settingsText } from '@lumaris/protocol/week-hours'
import { nodeSettingsQuery } from '../queries.ts'
import { useMay, useSession } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Loaded, Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { askOf, limitsOf } from './limits.ts'
import type { Limits } from './limits.ts'
import { WeekGrid } from './WeekGrid.tsx'

const HERE = 'Set on the machine'
const NAMES: Readonly<Record<string, string>> = {
  'share.cpuPercent': 'processor', 'share.cores': 'cores', 'share.memoryPercent': 'memory', 'share.diskPercent': 'disk', hours: 'hours', 'pauseWhen.inUse': 'use of the machine', 'pauseWhen.terminals': 'terminals', 'pauseWhen.idleMs': 'time without use', 'share.upKiBs': 'upload', 'share.downKiBs': 'download', 'pauseWhen.metered': 'metered network',
  'pauseWhen.onBattery': 'battery', 'pauseWhen.batteryBelowPercent': 'charge', 'pauseWhen.otherCpuPercent': 'other programs', 'pauseWhen.hotterThanCelsius': 'heat', freezeMs: 'handing back',
}
const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone
const asksAnything = (asked: OwnerAsked): boolean => Object.values(asked).some((part) => part === null || typeof part === 'number' || (typeof part === 'object' && Object.keys(part).length > 0))

export function HoursAndLimits({ node }: { node: Node }) {
  const { client } = useSession(), settings = useQuery(nodeSettingsQuery(client, node.id))
  return <Panel title="Hours and limits" id="hours"><Loaded query={settings} lines={6}>{(found) => <Form node={node} settings={found} />}</Loaded></Panel>
}

function Form({ node, settings }: { node: Node; settings: NodeSettings }) {
  const { client, user } = useSession(), { no } = useMay(), queries = useQueryClient(), { busy, error, run, submit } = useWork()
  // Null: nothing was touched, and what comes from the machine is shown as it comes.
  const [draft, setDraft] = useState<Limits | null>(null)
  const { said } = settings, shown = limitsOf(settings), now = draft ?? shown, { hours } = now
  const isOwner = node.owner === user.id, whyClosed = isOwner ? (said?.from_market === false ? 'The machine takes no settings from elsewhere' : undefined) : 'Only its owner asks for this', closed = whyClosed !== undefined
  const isLocal = (path: string): boolean => said?.local.includes(path) ?? false
  const ask = async (body: OwnerAsked): Promise<void> => { queries.setQueryData(nodeSettingsQuery(client, node.id).queryKey, await client.api.askNodeSettings({ params: { node: node.id }, body })); setDraft(null) }
  const share = (more: Partial<Limits['share']>): void => setDraft({ ...now, share: { ...now.share, ...more } })
  const pause = (more: Partial<Limits['pauseWhen']>): void => setDraft({ ...now, pauseWhen: { ...now.pauseWhen, ...more } })
  const fields = errorsBy(error), full = said?.full ?? node.capacity
  /** What every field has: closed where the machine has its own word, and the market's complaint. */
  const of = (path: string): { disabled: boolean; description?: string; error?: string | undefined } => ({ disabled: closed || isLocal(path), ...(isLocal(path) ? { description: HERE } : {}), error: fields.get(`/${path.replace('.', '/')}`) })
  const percent = (name: 'cpuPercent' | 'memoryPercent' | 'diskPercent', label: string): ReactNode => <NumberInput label={label} min={1} max={100} allowDecimal={false} clampBehavior="strict" value={now.share[name]} onChange={(value) => { if (typeof value === 'number') share({ [name]: value }) }} {...of(`share.${name}`)} />
  const rate = (name: 'upKiBs' | 'downKiBs', label: string): ReactNode => <NumberInput label={label} min={8} max={100_000_000} allowDecimal={false} placeholder="all" value={now.share[name] ?? ''} onChange={(value) => share({ [name]: typeof value === 'number' ? value : null })} {...of(`share.${name}`)} />
  const limit = (name: 'otherCpuPercent' | 'hotterThanCelsius', label: string, usual: number, bounds: { min: number; max: number }): ReactNode => {
    const value = now.pauseWhen[name], { error: wrong, ...rest } = of(`pauseWhen.${name}`)
    return (
      <Group gap="xs" wrap="nowrap" align="center">
        <Checkbox label={label} checked={value !== null} onChange={(event) => pause({ [name]: event.currentTarget.checked ? usual : null })} {...rest} />
        {value !== null && <NumberInput aria-label={label} size="xs" w={80} {...bounds} allowDecimal={false} clampBehavior="strict" value={value} disabled={rest.disabled} error={wrong} onChange={(to) => { if (typeof to === 'number') pause({ [name]: to }) }} />}
      </Group>
    )
  }
  return (
    <form onSubmit={(event) => submit(event, () => ask(askOf(settings, shown, now)))} noValidate><Stack gap="md">
      <State node={node} settings={settings} />
      <div className="says" role="status">{settingsText(hours?.week ?? null, now.share, full.cpuMillis)}.</div>
      <SimpleGrid cols={{ base: 2, xs: 4 }} spacing="sm">
        {percent('cpuPercent', 'Processor, %')}
        <NumberInput label="Cores, at most" min={0.1} max={4096} decimalScale={1} placeholder="all" value={now.share.cores ?? ''} onChange={(value) => share({ cores: typeof value === 'number' ? value : null })} {...of('share.cores')} />
        {percent('memoryPercent', 'Memory, %')}{percent('diskPercent', 'Disk, %')}
        {rate('downKiBs', 'Download, KiB/s')}{rate('upKiBs', 'Upload, KiB/s')}
      </SimpleGrid>
      <Stack gap="xs" role="group" aria-label="Work stands still">
        <Text size="sm" fw={600}>Work stands still</Text>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm" verticalSpacing="xs">
          <Checkbox label="while somebody uses the machine" checked={now.pauseWhen.inUse} onChange={(event) => pause({ inUse: event.currentTarget.checked })} {...of('pauseWhen.inUse')} />
          <NumberInput label="and for so many minutes after" size="xs" maw={220} min={1} max={240} clampBehavior="strict" value={Math.round(now.pauseWhen.idleMs / 6_000) / 10} onChange={(value) => { if (typeof value === 'number') pause({ idleMs: Math.round(value * 60_000) }) }} {...of('pauseWhen.idleMs')} />
          <Checkbox label="while it runs on battery" checked={now.pauseWhen.onBattery} onChange={(event) => pause({ onBattery: event.currentTarget.checked })} {...of('pauseWhen.onBattery')} />
          {limit('hotterThanCelsius', 'while it is hotter than so many °C', 90, { min: 30, max: 120 })}
          <Checkbox label="no new work while the network is metered" checked={now.pauseWhen.metered} onChange={(event) => pause({ metered: event.currentTarget.checked })} {...of('pauseWhen.metered')} />
          {limit('otherCpuPercent', 'while other programs take more than so many %', 25, { min: 1, max: 100 })}
        </SimpleGrid>
      </Stack>
      <Stack gap="xs">
        <Checkbox label="Only at these hours" checked={hours !== null} onChange={(event) => setDraft({ ...now, hours: event.currentTarget.checked ? { timeZone: zone(), week: copyOf(always()) } : null })} {...of('hours')} />
        {hours && <>
          <WeekGrid week={hours.week} disabled={closed || isLocal('hours')} change={(week) => setDraft({ ...now, hours: { ...hours, week: copyOf(week) } })} label="Hours at which work may run. Arrow keys move, space changes." />
          <TextInput label="Time zone" maw={260} value={visible(hours.timeZone)} onChange={(event) => setDraft({ ...now, hours: { ...hours, timeZone: event.currentTarget.value } })} disabled={closed || isLocal('hours')} error={fields.get('/hours/timeZone')} />
        </>}
      </Stack>
      {error !== null && <Refusal error={error} />}
      {isOwner && <Group gap="sm">
        <Button type="submit" variant="default" loading={busy} {...no('askNodeSettings', whyClosed ?? (draft === null ? 'Nothing was changed' : undefined))}>Ask the machine for this</Button>
        {draft !== null && <Button variant="subtle" onClick={() => setDraft(null)}>Undo</Button>}
        {draft === null && settings.asked && asksAnything(settings.asked.settings) && <Button variant="subtle" {...no('askNodeSettings', whyClosed)} loading={busy} onClick={() => void run(() => ask({}))}>As usual again</Button>}
      </Group>}
      <Text size="sm" c="dimmed">{isOwner ? 'The machine takes it within seconds of hearing it. A smaller share holds from the next placement on; what runs keeps what it was promised. Outside the hours, what runs stands still and is handed back. What you set on the machine itself wins; there you also decide whether it takes anything from here:' : 'Whose machine it is decides this; whoever runs the market may only look.'}</Text>
      {isOwner && <Command line="npx lumaris agent settings" />}
    </Stack></form>
  )
}

function State({ node, settings: { asked, said } }: { node: Node; settings: NodeSettings }) {
  const waits = <>Asked <Moment at={asked?.at ?? 0} />. {node.connected ? 'Its agent has not confirmed it yet.' : 'It is not connected: its agent hears it at its next connection.'}</>
  if (!said) return <Text size="sm" role="status">{asked ? waits : 'Its agent has not said what it honours.'} {node.connected && 'If it stays so, the agent is older than these settings.'}</Text>
  if (!said.from_market) return <Alert color="orange" title="It takes nothing from here">Its owner has switched that off on the machine. Below is what holds there.</Alert>
  if (asked && asked.number !== said.number) return <Text size="sm" role="status">◷ {waits}</Text>
  if (said.refused !== undefined) return <Alert color="orange" title="The agent did not take what was asked">{visible(said.refused)}. What held before holds on.</Alert>
  const local = said.local.map((path) => NAMES[path] ?? visible(path))
  return <Text size="sm" role="status">✓ {asked ? <>Confirmed by its agent <Moment at={said.at} />.</> : <>As its agent said <Moment at={said.at} />.</>}{local.length > 0 && ` Set on the machine: ${local.join(', ')}.`}</Text>
}
