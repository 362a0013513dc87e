// What a buyer does with a job besides running it: move what runs, repeat it, keep it as a template. Loaded when it is asked for.
import { useState } from 'react'
import { Alert, Button, Group, Modal, NativeSelect, Stack, Text, TextInput, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import type { Attempt, Job } from '@lumaris/protocol'
import { useClient, useSession } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'
import { jobName } from './JobRows.tsx'

type Doing = 'move' | 'keep'
export function JobDoings({ doing, job, attempts, close }: { doing: Doing; job: Job; attempts: readonly Attempt[]; close: () => void }) {
  return <Modal opened onClose={close} title={doing === 'move' ? `Move “${jobName(job)}”` : `Keep “${jobName(job)}” as a template`}>{doing === 'move' ? <Move job={job} attempts={attempts} close={close} /> : <Keep job={job} close={close} />}</Modal>
}
const partOf = (attempt: Attempt): number => Number(attempt.task.split('.')[1])
/** As `lumaris move`: its node stores what it has done, ends it, and it goes on elsewhere. */
function Move({ job, attempts, close }: { job: Job; attempts: readonly Attempt[]; close: () => void }) {
  const { client, user } = useSession(), queries = useQueryClient(), { busy, error, submit } = useWork()
  const [reason, setReason] = useState(''), isTheirs = user.id !== job.buyer, { at, isLeft } = beside(error, ['/to', '/task', ...(isTheirs ? ['/reason'] : [])])
  const [part, setPart] = useState(''), [to, setTo] = useState(''), runs = attempts.filter((one) => one.state === 'running'), node = to.trim()
  const wrong = node !== '' && !/^nod_[0-9a-z]{26}$/.test(node)
  const move = async (): Promise<void> => {
    if (wrong) return
    queries.setQueryData(['job', job.id], await client.move(job.id, { ...(node === '' ? {} : { to: node }), ...(part === '' ? {} : { task: Number(part) }), ...(isTheirs ? { reason: reason.trim() } : {}) }))
    void queries.invalidateQueries({ queryKey: ['job', job.id] })
    close()
  }
  return (
    <form onSubmit={(event) => submit(event, move)} noValidate><Stack>
      <Text size="sm">The node makes it stand still, stores what it has done, and ends it; then it goes on elsewhere. There are never two. What ran is billed up to there, and what comes after where it goes on.</Text>
      <NativeSelect label="What" value={part} onChange={(event) => setPart(event.currentTarget.value)} data={[{ value: '', label: runs.length === 1 ? 'what runs' : `all that runs: ${plural(runs.length, 'part')}` }, ...(runs.length > 1 ? runs.map((one) => ({ value: String(partOf(one)), label: `part ${partOf(one) + 1}, on ${visible(one.nodeName)}` })) : [])]} error={at('/task')} />
      <TextInput label="To the node" description="Its id. Empty: wherever there is room, but not where it is" placeholder="nod_…" value={to} onChange={(event) => setTo(event.currentTarget.value)} error={wrong ? 'The id of a node begins with nod_' : at('/to')} spellCheck={false} />
      {isTheirs && <Textarea label="Reason" description="It stands in the log of admin actions, and its buyer sees it" autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} error={at('/reason')} />}
      {isLeft && <Refusal error={error} title="It runs on where it is" />}
      <Command line={`npx lumaris move ${job.id}${node === '' ? '' : ` --to ${node}`}${part === '' ? '' : ` --task ${part}`}`} />
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={wrong || runs.length === 0} title={runs.length === 0 ? 'Nothing of it runs just now' : undefined}>Move it</Button></Group>
    </Stack></form>
  )
}
function Keep({ job, close }: { job: Job; close: () => void }) {
  const client = useClient(), queries = useQueryClient(), { busy, error, submit } = useWork()
  const [name, setName] = useState(() => (job.spec.name ?? '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '').slice(0, 60)), [kept, setKept] = useState(false)
  const keep = async (): Promise<void> => {
    const { after: _after, ...spec } = job.spec
    await client.api.putTemplate({ params: { template: name.trim() }, body: { spec, parameters: {} } })
    void queries.invalidateQueries({ queryKey: ['templates'] })
    setKept(true)
  }
  if (kept) return <Stack><Alert color="green" role="status" title="It is kept">It stands among <TextLink to="/templates" size="sm">your templates</TextLink>.</Alert><Group justify="flex-end"><Button variant="default" onClick={close}>Close</Button></Group></Stack>
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/.test(name.trim())
  return (
    <form onSubmit={(event) => submit(event, keep)} noValidate><Stack>
      <TextInput label="Name" description="Letters, digits, dot, dash and underscore. One of this name is replaced" data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} spellCheck={false} />
      <Text size="sm" c="dimmed">The request and its files as they are. Parameters are for a file: <code>npx lumaris template save</code>.</Text>
      {error !== null && <Refusal error={error} title="It was not kept" />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={!isName} title={isName ? undefined : 'Give it such a name'}>Keep it</Button></Group>
    </Stack></form>
  )
}
