import { useState } from 'react'
import { Alert, Badge, Button, Checkbox, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Delivery, NewWebhook, Webhook, WebhookEvent } from '@lumaris/protocol'
import { deliveriesQuery, webhooksQuery } from '../queries.ts'
import { useMay, useSession } from '../session/use-session.ts'
import { joinWords } from '../submit/words.ts'
import { beside } from '../ui/field-errors.ts'
import { ago, plural, visible } from '../ui/format.ts'
import { Command, Confirm, Empty, Id, Loaded, Moment, Page, Panel, Refusal, Status, useNow, CopyId } from '../ui/parts.tsx'
import type { Look } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'

const EVENTS: Readonly<Record<WebhookEvent, string>> = {
  'job.ended': 'A job has ended', 'alert.raised': 'An alert is raised for me', 'job.running': 'An attempt of a job runs', 'job.submitted': 'A job was submitted', 'job.ready': 'The parents of a job have completed', 'job.paused': 'A job was paused', 'job.resumed': 'A paused job goes on', 'job.moved': 'A job is moved', 'job.plan': 'A job with a plan becomes firm, or interruptible again', 'job.copy': 'A late part is begun a second time', 'standing.met': 'A standing request is met', 'job.settled': 'An attempt was billed', 'job.attempt': 'Every step of an attempt', 'job.task': 'A part has ended',
  'job.fallback': 'A job took a step of its fallback', 'job.displaced': 'Interruptible work was paid for its place', 'job.cancelling': 'A job is being cancelled',
}
const STATE: Readonly<Record<Delivery['state'], Look>> = {
  waiting: { word: 'Waiting', colour: 'gray', sign: '◷', says: 'It is sent as soon as it is due, and what came before it of the same job is through.' },
  delivered: { word: 'Delivered', colour: 'green', sign: '✓', says: 'The address answered that it has it.' },
  failed: { word: 'Given up', colour: 'red', sign: '✗', says: 'It is not tried again by itself.' },
}

const route = getRouteApi('/inside/webhooks')
export function Webhooks() {
  const { client } = useSession(), { hook: open } = route.useSearch(), navigate = route.useNavigate()
  const { no, why } = useMay(), hooks = useQuery({ ...webhooksQuery(client), enabled: why('listWebhooks') === undefined }), queries = useQueryClient()
  const [making, setMaking] = useState(false), [removing, setRemoving] = useState<Webhook | null>(null), [shown, setShown] = useState<NewWebhook | null>(null)
  const again = (): void => void queries.invalidateQueries({ queryKey: ['webhooks'] })
  return (
    <Page title="Webhooks" intro="Addresses of yours that are told what happens to your jobs. Messages are signed as the Standard Webhooks have it, and sent until the address has answered, for a day." actions={<Button {...no('createWebhook')} onClick={() => setMaking(true)}>Add a webhook</Button>}>
      {shown && <Alert color="green" role="status" title="The webhook is there" withCloseButton closeButtonLabel="Close" onClose={() => setShown(null)}><Text size="sm" mb="xs">This is the secret of its signatures, shown this once. With it your program checks that a message is from this market.</Text><Command line={shown.secret} /></Alert>}
      {why('listWebhooks') !== undefined ? <Panel><Empty title="Its webhooks are not shown to you">{why('listWebhooks')}</Empty></Panel> : <Loaded query={hooks}>{({ data }) => (data.length === 0 ? <Panel><Empty title="No webhooks yet">Add one, and an address of yours hears when a job ends. <code>npx lumaris webhook add</code> does the same.</Empty></Panel>
        : <>{data.map((hook) => <div key={hook.id} data-row><One hook={hook} opened={open === hook.id} toggle={() => void navigate({ search: open === hook.id ? {} : { hook: hook.id }, replace: true })} remove={() => setRemoving(hook)} again={again} /></div>)}</>)}</Loaded>}
      <Command line="npx lumaris webhook list" />
      <Modal opened={making} onClose={() => setMaking(false)} title="Add a webhook">{making && <Make close={() => setMaking(false)} made={(hook) => { setShown(hook); setMaking(false); again() }} />}</Modal>
      <Confirm opened={removing !== null} close={() => setRemoving(null)} title="Remove this webhook?" yes="Remove" typed={removing ? new URL(removing.url).host : undefined} act={async () => { if (removing) await client.api.removeWebhook({ params: { webhook: removing.id } }); again() }}><Text size="sm">{visible(removing?.url ?? '')} is told nothing more; what still waits for it is dropped, and the list of what was sent goes too, with the secret of its signatures.</Text><Command line={`npx lumaris webhook remove ${removing?.id ?? ''}`} /></Confirm>
    </Page>
  )
}

function One({ hook, opened, toggle, remove, again }: { hook: Webhook; opened: boolean; toggle: () => void; remove: () => void; again: () => void }) {
  const { client } = useSession(), params = { webhook: hook.id }, now = useNow(10_000), { no } = useMay()
  const { busy, error, run } = useWork(), [said, setSaid] = useState('')
  const doing = (act: () => Promise<unknown>, says: string): void => void run(async () => { await act(); setSaid(says); again() })
  const off = hook.disabledAt !== undefined
  return (
    <Panel title={<span className="hook-url">{visible(hook.url)}</span>} id={hook.id} actions={<Badge color={off ? 'red' : 'green'} leftSection={<span aria-hidden>{off ? '⊘' : '●'}</span>}>{off ? 'Off' : 'On'}</Badge>}>
      <Stack gap="sm">
        {off && <Alert color="red" title="The market has turned it off">{hook.disabledBecause} When the address is well again, turn it on; single messages can be sent again from the list.</Alert>}
        <Group gap={4}>{hook.events.map((event) => <Badge key={event} size="sm" color="gray" title={EVENTS[event]}>{event}</Badge>)}</Group>
        <Text size="sm" c="dimmed">{hook.waiting > 0 ? `${plural(hook.waiting, 'message')} waiting. ` : ''}{hook.lastDeliveredAt === undefined ? 'Nothing was delivered yet.' : `Last delivered ${ago(hook.lastDeliveredAt, now)}.`}</Text>
        <Group gap="xs">
          <Button size="xs" variant="default" loading={busy} {...no('testWebhook', off ? 'It is off: turn it on first' : undefined)} onClick={() => doing(() => client.api.testWebhook({ params }), 'A ping is on its way.')}>Send a test<span className="for-readers"> to {visible(hook.url)}</span></Button>
          {off && <Button size="xs" loading={busy} {...no('enableWebhook')} onClick={() => doing(() => client.api.enableWebhook({ params }), 'It is on.')}>Turn on</Button>}
          <Button size="xs" variant="default" aria-expanded={opened} onClick={toggle}>{opened ? 'Hide' : 'Show'} what was sent<span className="for-readers"> to {visible(hook.url)}</span></Button>
          <Button size="xs" variant="default" {...no('removeWebhook')} onClick={remove}>Remove<span className="for-readers"> {visible(hook.url)}</span></Button>
        </Group>
        <div role="status" className="small">{said}</div>
        {error !== null && <Refusal error={error} />}
        {opened && <Sent hook={hook} />}
        {opened && <Id id={hook.id} what="webhook id" />}
      </Stack>
    </Panel>
  )
}

function Sent({ hook }: { hook: Webhook }) {
  const { client } = useSession(), queries = useQueryClient(), sent = useQuery(deliveriesQuery(client, hook.id))
  const { busy, error, run } = useWork(), [which, setWhich] = useState(''), { no } = useMay(), off = hook.disabledAt !== undefined
  const resend = (delivery: string): void => void run(async () => {
    setWhich(delivery)
    await client.api.resendDelivery({ params: { webhook: hook.id, delivery } })
    await queries.invalidateQueries({ queryKey: ['webhooks'] })
  })
  return (
    <Loaded query={sent}>{({ data, nextCursor }) => (data.length === 0 ? <Empty title="Nothing was sent yet">Send a test to see what comes.</Empty> : <>
      {error !== null && <Refusal error={error} />}
      <div className="scroll-box" tabIndex={0} role="region" aria-label="What was sent"><table className="table">
        <thead><tr><th>What</th><th>About</th><th>State</th><th className="right">Tries</th><th>Answer</th><th>When</th><th><span className="for-readers">Actions</span></th></tr></thead>
        <tbody>{data.map((one) => (
          <tr key={one.id}><td>{one.type}</td><td>{one.subject.startsWith('job_') ? <span className="id"><TextLink to="/jobs/$job" params={{ job: one.subject }} size="sm"><code>…{one.subject.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={one.subject} what="job id" /></span> : one.type === 'ping' ? 'a test' : <span className="id"><code>…{one.subject.slice(-8)}</code><CopyId id={one.subject} what="id" /></span>}</td>
            <td><Status look={STATE[one.state]} /></td><td className="right number">{one.tries}</td><td>{one.problem === undefined ? (one.status ?? '') : visible(one.problem)}{one.nextTryAt !== undefined && <Text size="sm" c="dimmed">again <Moment at={one.nextTryAt} /></Text>}</td>
            <td><Moment at={one.lastTryAt ?? one.createdAt} /></td><td className="right"><Button size="compact-sm" variant="default" loading={busy && which === one.id} title="Under the same id, so that whoever has it already can tell" {...no('resendDelivery', off ? 'It is off: turn it on first' : undefined)} onClick={() => resend(one.id)}>Send again<span className="for-readers"> {one.type} {one.subject.slice(-8)}</span></Button></td></tr>))}</tbody>
      </table></div>
      {nextCursor !== null && <Text size="sm" c="dimmed" mt="xs">The newest {data.length}. All of them: <code>npx lumaris webhook deliveries {hook.id} -n 200</code></Text>}
    </>)}</Loaded>
  )
}

function Make({ close, made }: { close: () => void; made: (hook: NewWebhook) => void }) {
  const { client } = useSession()
  const [url, setUrl] = useState(''), [events, setEvents] = useState<string[]>(['job.ended'])
  const { busy, error, submit } = useWork()
  const make = async (): Promise<void> => made(await client.api.createWebhook({ body: { url: url.trim(), events: events as WebhookEvent[] } }))
  const { at, isLeft } = beside(error, ['/url', '/events'], { webhook_url_not_allowed: '/url' })
  return (
    <form onSubmit={(event) => submit(event, make)} noValidate><Stack>
      <TextInput label="Address" description="It begins with https:// and is reached from the internet" placeholder="https://ci.example.org/lumaris" type="url" data-autofocus value={url} onChange={(event) => setUrl(event.currentTarget.value)} error={at('/url')} />
      <Checkbox.Group label="Tell it when" value={events} onChange={setEvents} error={at('/events')}><Stack gap={8} mt={6}>{(Object.keys(EVENTS) as WebhookEvent[]).map((event) => <Checkbox key={event} value={event} label={EVENTS[event]} />)}</Stack></Checkbox.Group>
      {isLeft && <Refusal error={error} />}
      <Command line={`npx lumaris webhook add ${url.trim() === '' ? 'ADDRESS' : joinWords([url.trim()])}${events.map((event) => ` --event ${event}`).join('')}`} />
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy}>Add the webhook</Button></Group>
    </Stack></form>
  )
}
