import { useState } from 'react'
import { Alert, Badge, Button, Checkbox, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { ALERT_WORDS, MailedKind, MAIL_CODE_VALID_MS } from '@lumaris/protocol'
import type { AlertMail } from '@lumaris/protocol'
import { alertMailQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { duration, plural, visible } from '../ui/format.ts'
import { Command, Empty, Facts, Loaded, Moment, Panel, Refusal, Rests } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { KIND } from './kinds.ts'

/** Whom each kind is about; of the others, both. */
const OF_BUYERS: ReadonlySet<MailedKind> = new Set<MailedKind>(['budget', 'job_retried', 'topup_limit']), OF_SELLERS: ReadonlySet<MailedKind> = new Set<MailedKind>(['node_offline', 'node_unreliable', 'payout_failed', 'agent_too_old', 'appeal_decided'])

export function ByMail() {
  const { client } = useSession(), { why } = useMay(), hidden = why('getAlertMail'), mail = useQuery({ ...alertMailQuery(client), enabled: hidden === undefined })
  const on = mail.data?.here === true && mail.data.on
  return (
    <Panel title="By mail" id="by-mail" actions={hidden === undefined && mail.data && <Badge color={on ? 'green' : 'gray'} leftSection={<span aria-hidden>{on ? '●' : '○'}</span>}>{on ? 'On' : 'Off'}</Badge>}>
      {hidden !== undefined ? <Empty title="Its mail is not shown to you">{hidden}. Alerts of your own account are mailed to you when you act for yourself.</Empty>
        : <Loaded query={mail}>{(now) => (now.here ? now.proved ? <Proved key={JSON.stringify([now.kinds, now.on])} mail={now} /> : <NotProved mail={now} /> : <Empty title="This market sends no mail">Its operator has given it no mail server. Alerts stand here, and go to webhooks.</Empty>)}</Loaded>}
    </Panel>
  )
}

/** What came back is what stands there now. */
function useKeep(): (now: AlertMail) => void {
  const queries = useQueryClient()
  return (now) => { queries.setQueryData(['alert-mail'], now) }
}
const OffBecause = ({ mail: { offBecause, offAt } }: { mail: AlertMail }) => offBecause !== undefined && <Alert color="orange" title="Mail was turned off">{visible(offBecause)}{offAt !== undefined && <> (<Moment at={offAt} />)</>}</Alert>
const Problem = ({ mail: { problem, waiting } }: { mail: AlertMail }) => problem !== undefined && <Alert color="orange" title={waiting > 0 ? 'The last try failed' : 'The last mail was not sent'}>{visible(problem)}. {waiting > 0 ? 'It is tried again for a day.' : ''}</Alert>

function NotProved({ mail }: { mail: AlertMail }) {
  const { client } = useSession(), { no, why } = useMay(), keep = useKeep(), sending = useWork(), proving = useWork(), [code, setCode] = useState(''), { at, isLeft } = beside(proving.error, ['/code'], { mail_code_wrong: '/code' })
  const send = (): void => void sending.run(async () => { keep(await client.api.sendAlertMailCode()); proving.forget() })
  return (
    <Rests why={why('sendAlertMailCode')}><Stack gap="md" maw={520}>
      <OffBecause mail={mail} />
      <Text size="sm">Alerts can be mailed to <strong>{visible(mail.address)}</strong>, with which you sign in. First show that you read what is sent there.</Text>
      {mail.code ? <form onSubmit={(event) => proving.submit(event, async () => keep(await client.api.proveAlertMail({ body: { code: code.trim() } })))} noValidate><Stack gap="sm">
        <Text size="sm" role="status">A code was sent <Moment at={mail.code.sentAt} />. It is good for {duration(MAIL_CODE_VALID_MS)}; look into the folder for spam, too.</Text>
        <TextInput label="Code" inputMode="numeric" autoComplete="one-time-code" maxLength={20} value={code} onChange={(event) => setCode(event.currentTarget.value)} error={at('/code')} />
        {isLeft && <Refusal error={proving.error} />}
        <Group><Button type="submit" loading={proving.busy} {...no('proveAlertMail', code.trim() === '' ? 'The code is not typed yet' : undefined)}>Turn mail on</Button><Button variant="default" loading={sending.busy} {...no('sendAlertMailCode')} onClick={send}>Send another</Button></Group>
      </Stack></form> : <div><Button loading={sending.busy} {...no('sendAlertMailCode')} onClick={send}>Send me a code</Button></div>}
      {mail.waiting > 0 && <Problem mail={mail} />}
      {sending.error !== null && <Refusal error={sending.error} />}
      <Command line={mail.code ? 'npx lumaris alerts mail on --code …' : 'npx lumaris alerts mail on'} />
    </Stack></Rests>
  )
}

function Proved({ mail }: { mail: AlertMail }) {
  const { client, user } = useSession(), { no, why } = useMay(), keep = useKeep(), turning = useWork(), keeping = useWork(), testing = useWork(), [said, setSaid] = useState('')
  const [all, setAll] = useState(mail.kinds === null), [kinds, setKinds] = useState<string[]>(mail.kinds ?? MailedKind.options), { at, isLeft } = beside(keeping.error, ['/kinds'])
  // Kinds of a role that one does not have stay as they are.
  const shown = MailedKind.options.filter((kind) => (hasRole(user, 'buyer') || !OF_BUYERS.has(kind)) && (hasRole(user, 'seller') || !OF_SELLERS.has(kind)))
  const asked = all ? null : MailedKind.options.filter((kind) => kinds.includes(kind)), isSame = JSON.stringify(asked) === JSON.stringify(mail.kinds === null ? null : MailedKind.options.filter((kind) => mail.kinds?.includes(kind))), none = asked?.length === 0
  const turn = (on: boolean): void => void turning.run(async () => keep(await client.api.setAlertMail({ body: { on } })))
  return (
    <Rests why={why('setAlertMail')}><Stack gap="md" maw={520}>
      <OffBecause mail={mail} />
      <Problem mail={mail} />
      <Facts of={[['Address', visible(mail.address)], ['Waiting', mail.waiting > 0 ? plural(mail.waiting, 'mail') : ''], ['Last sent', mail.lastSentAt === undefined ? '' : <Moment at={mail.lastSentAt} />]]} />
      <Group>
        {mail.on ? <Button variant="default" loading={turning.busy} {...no('setAlertMail')} onClick={() => turn(false)}>Turn mail off</Button> : <Button loading={turning.busy} {...no('setAlertMail')} onClick={() => turn(true)}>Turn mail on</Button>}
        <Button variant="default" loading={testing.busy} {...no('testAlertMail')} onClick={() => void testing.run(async () => { keep(await client.api.testAlertMail()); setSaid('A mail is on its way.') })}>Send a test mail</Button>
        <span role="status" className="small">{said}</span>
      </Group>
      {turning.error !== null && <Refusal error={turning.error} />}
      {testing.error !== null && <Refusal error={testing.error} />}
      <form onSubmit={(event) => keeping.submit(event, async () => keep(await client.api.setAlertMail({ body: { on: mail.on, kinds: asked } })))} noValidate><Stack gap="sm">
        <Checkbox label="Every kind of alert" description="Also kinds that come later" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
        {!all && <Checkbox.Group label="Only these" value={kinds} onChange={setKinds} error={at('/kinds')}><Stack gap="xs" mt="xs">{shown.map((kind) => <Checkbox key={kind} value={kind} label={ALERT_WORDS[kind]} description={KIND[kind].says} />)}</Stack></Checkbox.Group>}
        {isLeft && <Refusal error={keeping.error} />}
        <Group><Button type="submit" variant="default" loading={keeping.busy} {...no('setAlertMail', isSame ? 'Nothing was changed' : none ? 'Choose one kind at least, or turn mail off' : undefined)}>Mail me these</Button></Group>
      </Stack></form>
      <Command line={mail.on ? 'npx lumaris alerts mail off' : 'npx lumaris alerts mail on'} />
    </Stack></Rests>
  )
}
