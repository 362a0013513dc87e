// What a node takes of what it could run, and what the two sides see of each other. Loaded with the first node that is looked at.
import { useState } from 'react'
import { Button, Checkbox, Group, NativeSelect, SimpleGrid, Stack, Text, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { LEVELS, OPEN_POLICY } from '@lumaris/protocol'
import type { Level, Node, NodePolicy } from '@lumaris/protocol'
import { useMay, useSession } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { Command, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const WALLS: Readonly<Record<Level, string>> = { language: 'any wall that it offers', namespace: 'namespaces of Linux, or stronger', kernel: 'a kernel of its own, or stronger', vm: 'a virtual machine only' }
const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '')

/** As the form has it: lists as text, so that what is half typed stays. */
type Draft = { readonly drivers: readonly string[] | null; readonly minLevel: Level; readonly isListed: boolean; readonly images: string; readonly gangs: boolean; readonly egress: boolean; readonly gpus: boolean; readonly tags: string }
const draftOf = ({ drivers, minLevel = 'language', images, gangs, egress, gpus, refusedTags }: NodePolicy): Draft => ({ drivers: drivers ?? null, minLevel, isListed: images !== undefined, images: (images ?? []).join('\n'), gangs, egress, gpus, tags: refusedTags.join(', ') })
const policyOf = ({ drivers, minLevel, isListed, images, gangs, egress, gpus, tags }: Draft): NodePolicy =>
  ({ ...(drivers ? { drivers: drivers as NonNullable<NodePolicy['drivers']> } : {}), ...(minLevel === 'language' ? {} : { minLevel }), ...(isListed ? { images: words(images) } : {}), gangs, egress, gpus, refusedTags: words(tags) })

export function Policy({ node, changed }: { node: Node; changed: (node: Node) => void }) {
  const { client, user } = useSession(), { no } = useMay(), queries = useQueryClient(), { busy, error, submit } = useWork()
  const [draft, setDraft] = useState<Draft | null>(null), [isSaved, setSaved] = useState(false)
  const now = draft ?? draftOf(node.policy ?? OPEN_POLICY), isOwner = node.owner === user.id, closed = !isOwner, fields = errorsBy(error)
  const set = (more: Partial<Draft>): void => { setSaved(false); setDraft({ ...now, ...more }) }
  const save = async (): Promise<void> => {
    changed(await client.api.setNodePolicy({ params: { node: node.id }, body: policyOf(now) }))
    void queries.invalidateQueries({ queryKey: ['node', node.id, 'explain'] })
    setDraft(null)
    setSaved(true)
  }
  const offered = node.drivers.map(({ id }) => id), lets = node.drivers.some((driver) => driver.egress), joins = node.drivers.some((driver) => driver.gang)
  const tick = (id: string, on: boolean): void => { const next = offered.filter((one) => (one === id ? on : (now.drivers ?? offered).includes(one))); set({ drivers: next.length === offered.length ? null : next }) }
  const ofField = (path: string): string | undefined => [...fields].find(([pointer]) => pointer.startsWith(path))?.[1]
  const none = now.drivers?.length === 0
  return (
    <Panel title="What it takes" id="policy"><form onSubmit={(event) => submit(event, save)} noValidate><Stack gap="md">
      <Text size="sm" c="dimmed">A rule of the market: what you do not take is not placed here, and who asks why reads that its owner does not take it. It only takes away: what the machine itself does not offer is not sold, whatever stands here.</Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
        <Stack gap="xs" role="group" aria-label="Kinds of work">
          <Text size="sm" fw={600}>Kinds of work</Text>
          <Checkbox label="Gangs: ranks on several machines" description={joins ? 'They open a private network to machines of strangers' : 'No driver of it can join one'} checked={now.gangs} disabled={closed} onChange={(event) => set({ gangs: event.currentTarget.checked })} />
          <Checkbox label="Work that connects to hosts it names" description={lets ? 'Over your line, only to hosts in its description' : 'Switched off on the machine'} checked={now.egress} disabled={closed} onChange={(event) => set({ egress: event.currentTarget.checked })} />
          <Checkbox label="Work for its GPUs" description={node.capacity.gpus > 0 ? undefined : 'It has none'} checked={now.gpus} disabled={closed} onChange={(event) => set({ gpus: event.currentTarget.checked })} />
        </Stack>
        <Stack gap="xs" role="group" aria-label="Walls">
          <NativeSelect label="Behind walls of at least" value={now.minLevel} disabled={closed} onChange={(event) => set({ minLevel: event.currentTarget.value as Level })} data={LEVELS.map((value) => ({ value, label: WALLS[value] }))} />
          {offered.length > 1 && <><Text size="sm" fw={600}>With these of its drivers</Text><Group gap="md">{offered.map((id) => <Checkbox key={id} label={id} checked={(now.drivers ?? offered).includes(id)} disabled={closed} onChange={(event) => tick(id, event.currentTarget.checked)} />)}</Group></>}
          {none && <Text size="sm" c="red" role="alert">Without any driver it takes nothing: pause it instead.</Text>}
        </Stack>
      </SimpleGrid>
      <Stack gap="xs">
        <Checkbox label="Images only from a list" checked={now.isListed} disabled={closed} onChange={(event) => set({ isListed: event.currentTarget.checked })} />
        {now.isListed && <Textarea label="Registries, repositories or digests, one in a line" description="docker.io/library, ghcr.io/owner/name, or sha256:… Empty: no images at all" autosize minRows={2} maxRows={8} spellCheck={false} value={now.images} disabled={closed} error={ofField('/images')} onChange={(event) => set({ images: event.currentTarget.value })} />}
        <Textarea label="Tags that you do not take" description="Such as scraping, mining. Buyers put them there themselves: who gives none is not found by this" autosize minRows={1} maxRows={4} spellCheck={false} value={now.tags} disabled={closed} error={ofField('/refusedTags')} onChange={(event) => set({ tags: event.currentTarget.value })} />
      </Stack>
      {error !== null && fields.size === 0 && <Refusal error={error} />}
      {isOwner && <Group gap="sm">
        <Button type="submit" variant="default" loading={busy} {...no('setNodePolicy', draft === null ? 'Nothing was changed' : none ? 'It would take nothing' : undefined)}>Take only this</Button>
        {draft !== null && <Button variant="subtle" onClick={() => setDraft(null)}>Undo</Button>}
        <Text size="sm" role="status">{isSaved ? 'It holds from the next placement on; what runs may end.' : ''}</Text>
      </Group>}
      {isOwner && <Command line={`npx lumaris node policy ${node.id}`} />}
      <Seen />
    </Stack></form></Panel>
  )
}

const SEEN: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['What buyers see of it', ['its name, id and public key; that it has the region and the labels that they ask for', 'the driver, the wall and the prices that their work had here', 'why it was not taken for their work, in words such as “is not online”', 'what their own work used and printed, and when; and what a program can ask of its sandbox, such as the model of the processor', 'its address, if you have opened a port for gangs: the other ranks reach it there'],
    ['your name and e-mail address, which other nodes are yours, and what you earn', 'its readings (processor, temperature …), its hours and limits, and whether you sit at it', 'work of other buyers']],
  ['What it sees of buyers', ['the command, files, variables and results of what it runs: who is root on the machine can read them, and the memory of what runs', 'the hosts that the work may connect to, and its time and price limits', 'the ids of the job and of the attempt, which stand in your earnings too'],
    ['who the buyer is: no name, e-mail address or account', 'the buyer’s balance, and other jobs', 'with encrypted scratch: what was on the disk, once the work is over']],
]
const Seen = () => (
  <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">{SEEN.map(([title, yes, no]) => (
    <div key={title}>
      <Text size="sm" fw={600}>{title}</Text><ul className="details">{yes.map((one) => <li key={one}>{one}</li>)}</ul>
      <Text size="sm" fw={600} mt="xs">… and do{title.startsWith('What it') ? 'es' : ''} not see</Text><ul className="details">{no.map((one) => <li key={one}>{one}</li>)}</ul>
    </div>))}</SimpleGrid>
)
