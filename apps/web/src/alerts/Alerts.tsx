import { useEffect, useState } from 'react'
import { Button, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { formatCredits, parseCredits } from '@lumaris/protocol'
import type { Alert, AlertId, AlertSettings } from '@lumaris/protocol'
import { alertSettingsQuery, alertsQuery } from '../queries.ts'
import { hasRole, useMay, useSession } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Command, Empty, Listed, Loaded, Moment, Page, Panel, Refusal, Rests, Status } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'
import { ByMail } from './ByMail.tsx'
import { KIND } from './kinds.ts'

export function AlertsScreen() {
  const { client } = useSession(), settings = useQuery(alertSettingsQuery(client))
  return (
    <Page title="Alerts" intro={<>What you are told without asking: here, and at <TextLink to="/webhooks">addresses of yours</TextLink> that want <code>alert.raised</code>, and by mail if you like.</>}>
      <Inbox />
      <Panel title="When you are told" id="when"><Loaded query={settings}>{(now) => <When key={JSON.stringify(now)} settings={now} />}</Loaded></Panel>
      <ByMail />
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
  if (kind === 'mail_off') return null // it is on this very screen
  if (kind === 'job_retried') return <TextLink to="/jobs/$job" params={{ job: subject }} size="sm">The new job</TextLink>
  return <TextLink to="/nodes/$node" params={{ node: subject }} search={kind === 'appeal_decided' || kind === 'node_unreliable' ? { tab: 'record' } : kind === 'node_offline' ? { tab: 'events' } : {}} size="sm">The node</TextLink>
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
