// Filters of the list of jobs that somebody has kept under a name: by the market, so that they are there on another device too.
import { useState } from 'react'
import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { JobState } from '@lumaris/protocol'
import { filtersQuery } from '../queries.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { visible } from '../ui/format.ts'
import { Command, Refusal } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { joinWords } from '../submit/words.ts'

type Filter = { readonly state?: JobState | undefined; readonly q?: string | undefined }
const wordsOf = ({ state, q }: Filter): string => [state ? JOB[state].word : '', q === undefined ? '' : `“${visible(q)}”`].filter(Boolean).join(', ')
export function SavedFilters({ now, choose }: { now: Filter; choose: (filter: Filter) => void }) {
  const client = useClient(), { no } = useMay(), queries = useQueryClient(), saved = useQuery(filtersQuery(client)), [naming, setNaming] = useState(false), { busy, error, run } = useWork()
  const list = saved.data?.data ?? [], chosen = list.find((one) => one.state === now.state && one.q === now.q), isNone = now.state === undefined && now.q === undefined
  const forget = (name: string): void => void run(async () => { await client.api.removeFilter({ params: { filter: name } }); await queries.invalidateQueries({ queryKey: ['filters'] }) })
  return <>
    {list.length > 0 && <NativeSelect label="Saved filter" value={chosen?.name ?? ''} onChange={(event) => { const one = list.find(({ name }) => name === event.currentTarget.value); choose(one ?? {}) }} data={[{ value: '', label: isNone ? 'none' : 'another one' }, ...list.map((one) => ({ value: one.name, label: `${one.name}: ${wordsOf(one)}` }))]} maw={260} />}
    {chosen ? <Button variant="default" loading={busy} {...no('removeFilter')} onClick={() => forget(chosen.name)}>Forget “{chosen.name}”</Button> : <Button variant="default" {...no('putFilter', isNone ? 'Choose a state or write something first' : undefined)} onClick={() => setNaming(true)}>Keep this filter…</Button>}
    {error !== null && <Refusal error={error} />}
    {saved.error !== null && <Refusal error={saved.error} retry={() => void saved.refetch()} />}
    <Modal opened={naming} onClose={() => setNaming(false)} title="Keep this filter">{naming && <Name filter={now} close={() => setNaming(false)} />}</Modal>
  </>
}
function Name({ filter: { state, q }, close }: { filter: Filter; close: () => void }) {
  const client = useClient(), queries = useQueryClient(), [name, setName] = useState(''), { busy, error, submit } = useWork()
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(name.trim())
  const keep = async (): Promise<void> => { await client.api.putFilter({ params: { filter: name.trim() }, body: { state, q } }); await queries.invalidateQueries({ queryKey: ['filters'] }); close() }
  return (
    <form onSubmit={(event) => submit(event, keep)} noValidate><Stack>
      <Text size="sm">{wordsOf({ state, q })}. It is there wherever you sign in.</Text>
      <TextInput label="Name" description="Letters, digits, dot, dash and underscore. One of this name is replaced" data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} spellCheck={false} />
      {error !== null && <Refusal error={error} title="It was not kept" />}
      <Command line={`npx lumaris filter save ${isName ? name.trim() : 'NAME'}${state === undefined ? '' : ` --state ${state}`}${q === undefined ? '' : ` --search ${joinWords([q])}`}`} />
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={!isName} title={isName ? undefined : 'Give it such a name'}>Keep it</Button></Group>
    </Stack></form>
  )
}
