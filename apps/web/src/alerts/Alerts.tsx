import { useEffect, useState } from 'react'
import { Button, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { ALERT_WORDS, formatCredits, parseCredits } from '@lumaris/protocol'
import type { Alert, AlertId, AlertKind, AlertSettings } from '@lumaris/protocol'
import { alertSettingsQuery, alertsQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Empty, Listed, Loaded, Moment, Page, Panel, Refusal, Rests, Status } from '../ui/parts.tsx'
import type { Look } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'

const look = (kind: AlertKind, sign: string, says: string): Look => ({ word: ALERT_WORDS[kind], colour: 'orange', sign, says })
const KIND: Readonly<Record<AlertKind, Look>> = {
  budget: look('budget', '◔', 'What your jobs came to this month has reached a step of its budget.'), node_offline: look('node_offline', '✗', 'A node of yours has not been heard of for a while.'),
  appeal_decided: look('appeal_decided', '⚖', 'An operator has looked at your word against an ending that lowered a node’s record.'),
  node_unreliable: look('node_unreliable', '!', 'A node of yours is believed to end less of its work than you want.'), payout_failed: look('payout_failed', '⊘', 'The provider could not carry it. The money is available again.'), agent_too_old: look('agent_too_old', '↑', 'This market asks for a newer agent.'),
  job_retried: look('job_retried', '↻', 'An operator has tried a job of yours again that no node could end.'),
  invited: look('invited', '+', 'Somebody invites you to work for an account.'), member: look('member', '+', 'Somebody works for your account now.'), topup_limit: look('topup_limit', '!', 'Your wallet is low, and was not topped up by itself.'),
  mail_off: look('mail_off', '⊘', 'Alerts cannot be mailed to you any more.'),
}

export function AlertsScreen() {
  const { client } = useSession(), settings = useQuery(alertSettingsQuery(client))
  return (
    <Page title="Alerts" intro={<>What you are told without asking: here, and at <TextLink to="/webhooks">addresses of yours</TextLink> that want <code>alert.raised</code>. This market sends no mail.</>}>
      <Inbox />
      <Panel title="When you are told" id="when"><Loaded query={settings}>{(now) => <When key={JSON.stringify(now)} settings={now} />}</Loaded></Panel>
      <Command line="npx lumaris alerts" />
    </Page>
  )
}

function Inbox() {
  const { client } = useSession(), { no } = useMay(), queries = useQueryClient(), found = useInfiniteQuery(alertsQuery(client)), { busy, error, run } = useWork()
  const newest = found.data?.pages[0]?.data[0], unread = found.data?.pages[0]?.unread ?? 0
  const read = (upTo: AlertId): Promise<void> => run(async () => { await client.api.readAlerts({ body: { upTo } }); void queries.invalidateQueries({ queryKey: ['alerts'] }) })
  // The title of the tab says it where the screen is not seen.
  useEffect(() => { document.title = `${unread > 0 ? `(${unread}) ` : ''}Alerts · Lumaris` }, [unread])
  return (
    <Panel title={unread === 0 ? 'Nothing new' : `${unread} new`} id="inbox" actions={newest && <Button size="xs" variant="default" loading={busy} {...no('readAlerts', unread === 0 ? 'All are read' : undefined)} onClick={() => void read(newest.id)}>Mark all as read</Button>}>
      {error !== null && <Refusal error={error} />}
      <Listed query={found} none={<Empty title="No alerts yet">They stand here when a budget is reached, a node goes silent, a payout comes back or an agent is too old.</Empty>}>{(list) => (
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Alerts"><table className="table">
            <thead><tr><th>When</th><th>About</th><th>What</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.id}><td><Moment at={one.at} /></td><td><Status look={KIND[one.kind]} /></td><td className="wide-cell">{one.readAt === undefined ? <strong><span className="for-readers">New: </span>{visible(one.says)}</strong> : visible(one.says)} <Where of={one} /></td></tr>)}</tbody>
          </table></div>)}</Listed>
    </Panel>
  )
}
function Where({ of: { kind, subject } }: { of: Alert }) {
  if (kind === 'invited' || kind === 'member') return <TextLink to="/members" size="sm">Members</TextLink>
  if (kind === 'topup_limit') return <TextLink to="/wallet" size="sm">The wallet</TextLink>
  if (kind === 'budget') return <TextLink to="/wallet" size="sm">What was spent</TextLink>
  if (kind === 'payout_failed') return <TextLink to="/earnings" size="sm">Payouts</TextLink>
  if (kind === 'job_retried') return <TextLink to="/jobs/$job" params={{ job: subject }} size="sm">The new job</TextLink>
  return <TextLink to="/nodes/$node" params={{ node: subject }} size="sm">The node</TextLink>
}

const MINUTE = 60_000
function When({ settings }: { settings: AlertSettings }) {
  const { client, user } = useSession(), { no, why } = useMay(), queries = useQueryClient(), { busy, error, submit } = useWork()
  const [budget, setBudget] = useState(settings.monthlyBudget === null ? '' : formatCredits(BigInt(settings.monthlyBudget))), [minutes, setMinutes] = useState<number | string>(settings.offlineMs === null ? '' : settings.offlineMs / MINUTE), [percent, setPercent] = useState<number | string>(settings.completionBelow === null ? '' : Math.round(settings.completionBelow * 100))
  const micros = budget.trim() === '' ? null : parseCredits(budget.trim()), wrong = budget.trim() !== '' && micros === null
  const asked: AlertSettings = { monthlyBudget: micros?.toString() ?? null, offlineMs: typeof minutes === 'number' ? Math.round(minutes * MINUTE) : null, completionBelow: typeof percent === 'number' ? percent / 100 : null }
  const isSame = JSON.stringify(asked) === JSON.stringify({ monthlyBudget: settings.monthlyBudget, offlineMs: settings.offlineMs, completionBelow: settings.completionBelow }), { at, isLeft } = beside(error, [...(hasRole(user, 'buyer') ? ['/monthlyBudget'] : []), ...(hasRole(user, 'seller') ? ['/offlineMs', '/completionBelow'] : [])])
  const save = async (): Promise<void> => {
    if (wrong) return
    queries.setQueryData(['alert-settings'], await client.api.setAlertSettings({ body: asked }))
    void queries.invalidateQueries({ queryKey: ['entries'] })
  }
  return (
    <Rests why={why('setAlertSettings')}><form onSubmit={(event) => submit(event, save)} noValidate><Stack gap="md" maw={520}>
      {hasRole(user, 'buyer') && <TextInput label="Budget of a calendar month, in credits" description="You are told at 50, 80 and 100 %. It stops nothing. Empty: none" inputMode="decimal" value={budget} onChange={(event) => setBudget(event.currentTarget.value)} error={wrong ? 'An amount such as 50' : at('/monthlyBudget')} />}
      {hasRole(user, 'seller') && <>
        <NumberInput label="A node was not heard of for so many minutes" description="Empty: you are never told" min={1} max={43_200} value={minutes} onChange={setMinutes} error={at('/offlineMs')} />
        <NumberInput label="A node is believed to end less than so many % of its work" description="Asked when something ended badly by its fault, and after five endings. Empty: you are never told" min={1} max={99} allowDecimal={false} value={percent} onChange={setPercent} error={at('/completionBelow')} />
        <Text size="sm" c="dimmed">Payouts that come back and agents that are too old are always told.</Text>
      </>}
      {isLeft && <Refusal error={error} />}
      <Group><Button type="submit" variant="default" loading={busy} {...no('setAlertSettings', isSame ? 'Nothing was changed' : wrong ? 'The budget is no amount' : undefined)}>Keep these</Button></Group>
    </Stack></form></Rests>
  )
}
