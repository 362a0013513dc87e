// Whatever an admin does to others needs a reason, which stands in the log for ever. A failure keeps the dialog open.
import { useState } from 'react'
import type { ReactNode } from 'react'
import { Button, Group, Modal, NativeSelect, Stack, Text, Textarea } from '@mantine/core'
import { errorsBy } from '../ui/field-errors.ts'
import { Refusal } from '../ui/parts.tsx'
import { done } from '../ui/say.ts'
import { useWork } from '../ui/use-work.ts'
import { toFill } from './incident-words.ts'
import type { Words } from './incident-words.ts'

type Asked = { title: string; children?: ReactNode; yes: string; label?: string; dangerous?: boolean; /** What has to be said first, where something has. */ missing?: string | undefined; /** To begin with. */ words?: readonly Words[]; act: (reason: string) => Promise<unknown> }
export function WithReason({ opened, close, ...asked }: Asked & { opened: boolean; close: () => void }) {
  return <Modal opened={opened} onClose={close} title={asked.title}>{opened && <Form close={close} {...asked} />}</Modal>
}
/** Sentences to begin with: one fills the field, which can be changed. */
export const Begin = ({ words, take }: { words: readonly Words[]; take: (one: Words) => void }) => <NativeSelect label="Begin with" value="" onChange={(event) => { const one = words.find(({ name }) => name === event.currentTarget.value); if (one) take(one) }} data={[{ value: '', label: 'own words' }, ...words.map(({ name }) => ({ value: name, label: name }))]} />
function Form({ close, children, yes, label = 'Reason', dangerous, missing, words, act }: Asked & { close: () => void }) {
  const [reason, setReason] = useState(''), { busy, error, submit } = useWork()
  const blank = words ? toFill(reason) : null, lacks = missing ?? (blank === null ? undefined : `Fill in ${blank} first`)
  const fields = errorsBy(error), own = fields.get('/reason') ?? fields.get('/text')
  return (
    <form onSubmit={(event) => submit(event, async () => { await act(reason.trim()); done(`${yes}: done`); close() })} noValidate><Stack>
      {children && <Text size="sm" component="div">{children}</Text>}
      {words && <Begin words={words} take={(one) => setReason(one.text)} />}
      <Textarea label={label} description={label === 'Reason' ? 'It stands in the log of admin actions, with your name' : 'Everybody sees it'} autosize minRows={2} data-autofocus value={reason} onChange={(event) => setReason(event.currentTarget.value)} error={own} />
      {error !== null && !own && <Refusal error={error} />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={lacks !== undefined} title={lacks} {...(dangerous ? { color: 'red' } : {})}>{yes}</Button></Group>
    </Stack></form>
  )
}
