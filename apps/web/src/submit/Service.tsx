// How a job is served, and what that costs: firm, interruptible, or by a deadline for at most a budget.
import { NumberInput, SegmentedControl, Stack, Text, TextInput, Textarea, Group } from '@mantine/core'
import { Panel } from '../ui/parts.tsx'
import type { Draft } from './draft.ts'

type Set = <Name extends keyof Draft>(name: Name, value: Draft[Name]) => void
type At = (...places: string[]) => string | undefined
const SAYS: Readonly<Record<Draft['service'], string>> = {
  firm: 'Placed as soon as there is room, at the node’s price, and nobody takes its place.',
  interruptible: 'Cheaper: it runs in what would stand empty. Firm work may take its place; then nothing of that try is billed, and it goes on from what was kept.',
  deadline: 'Interruptible and cheap as long as there is time, firm when its slack runs out. The chance to be done in time stands beside the price before you agree; nobody promises it.',
}
const HOUR = 3_600_000
/** As the field of the browser writes it, in the time of this machine. */
const two = (value: number): string => String(value).padStart(2, '0')
export const localTime = (at: number): string => { const day = new Date(at); return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}T${two(day.getHours())}:${two(day.getMinutes())}` }

export function Service({ draft, set, at }: { draft: Draft; set: Set; at: At }) {
  const choose = (service: Draft['service']): void => {
    set('service', service)
    // A day is a beginning that can be changed; what takes as long as it may is the cautious guess.
    if (service === 'deadline' && draft.by === null) set('by', Math.ceil((Date.now() + 24 * HOUR) / HOUR) * HOUR)
    if (service === 'deadline' && draft.expected === '') set('expected', draft.minutes)
  }
  return (
    <Panel title="How it is served" id="service"><Stack>
      <SegmentedControl aria-label="How it is served" value={draft.service} onChange={(value) => choose(value as Draft['service'])} data={[{ value: 'firm', label: 'Firm' }, { value: 'interruptible', label: 'Interruptible' }, { value: 'deadline', label: 'By a deadline' }]} fullWidth />
      <Text size="sm" c="dimmed">{SAYS[draft.service]}</Text>
      {draft.service === 'interruptible' && <TextInput label="Bid: most for an hour of one part" description="Credits; empty: what firm work pays" inputMode="decimal" maw={300} value={draft.bid} onChange={(event) => set('bid', event.currentTarget.value)} error={at('/spec/interruptible')} />}
      {draft.service === 'deadline' && <Group grow preventGrowOverflow={false} align="flex-start">
        <TextInput type="datetime-local" label="Done by" description="In the time of this machine" value={draft.by === null ? '' : localTime(draft.by)} onChange={(event) => { const { value } = event.currentTarget, time = value === '' ? null : new Date(value).getTime(); set('by', time !== null && Number.isNaN(time) ? null : time) }} error={at('/spec/deadline')} miw={190} />
        <TextInput label="For at most" description="Credits; empty: the market’s cap" inputMode="decimal" value={draft.budget} onChange={(event) => set('budget', event.currentTarget.value)} error={at('/cap')} miw={150} />
      </Group>}
      <Group grow preventGrowOverflow={false} align="flex-start">
        <NumberInput label="A part takes about, minutes" description={draft.service === 'deadline' ? 'On a usual node' : 'For the estimate; empty: not known'} value={draft.expected} onChange={(value) => set('expected', value)} min={0} error={at('/spec/expectedMs')} miw={190} />
        <Textarea className="code" label="Keep these files of a try" description="Patterns, one a line; an interrupted try goes on from them. Empty: it begins again" autosize minRows={1} maxRows={4} value={draft.keep} onChange={(event) => set('keep', event.currentTarget.value)} error={at('/spec/checkpoint')} spellCheck={false} miw={220} />
      </Group>
    </Stack></Panel>
  )
}

/** Only where graphics cards are asked for at all. */
export function Cards({ draft, set, at }: { draft: Draft; set: Set; at: At }) {
  return (
    <Group grow preventGrowOverflow={false} align="flex-start">
      <NumberInput label="Part of each card, %" description="Empty: whole cards. A part will do, if the hardware keeps it apart" min={0.1} max={100} decimalScale={1} value={draft.gpuPercent} onChange={(value) => set('gpuPercent', value)} error={at('/spec/resources/gpuShare')} miw={170} />
      <TextInput label="Models" description="Any of these, such as nvidia-h200; empty: any" value={draft.gpuModels} onChange={(event) => set('gpuModels', event.currentTarget.value)} error={at('/spec/resources/gpuModels')} miw={170} />
      <NumberInput label="Memory of each, GiB" description="At least; empty: any" min={0} value={draft.gpuGib} onChange={(value) => set('gpuGib', value)} error={at('/spec/resources/gpuMemoryBytes')} miw={150} />
    </Group>
  )
}
