import { Button, Group, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { ActionName } from '@lumaris/protocol'
import type { AdminAction } from '@lumaris/protocol'
import { actionsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { creditsText, visible } from '../ui/format.ts'
import { saveCsv } from '../jobs/save.ts'
import { Act, Command, Empty, Listed, Moment, Page, CopyId } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'

export const ACTION: Readonly<Record<ActionName, string>> = {
  'reversal.propose': 'Proposed a reversal', 'reversal.approve': 'Approved a reversal', 'reversal.reject': 'Rejected a reversal', 'incident.open': 'Opened an incident', 'incident.update': 'Told more of an incident', 'incident.resolve': 'Resolved an incident',
  'appeal.accept': 'Accepted an appeal', 'appeal.refuse': 'Refused an appeal', 'statement.hand-in': 'Handed in a statement', 'statement.withdraw': 'Withdrew a statement', 'mismatch.link': 'Linked a line with an entry', 'mismatch.aside': 'Set a mismatch aside', 'mismatch.reopen': 'Opened a mismatch again', 'user.suspend': 'Suspended a user', 'user.unsuspend': 'Ended a suspension', 'user.roles': 'Changed roles', 'user.deposit': 'Booked a deposit', 'session.end': 'Ended a session', 'node.pause': 'Paused a node', 'node.drain': 'Emptied a node', 'node.resume': 'Resumed a node', 'node.price': 'Priced a node', 'node.cordon': 'Cordoned a node', 'node.uncordon': 'Let a node work again', 'node.ban': 'Banned a node', 'node.unban': 'Lifted a ban', 'job.cancel': 'Cancelled a job', 'job.pause': 'Paused a job', 'job.resume': 'Let a job go on', 'job.move': 'Moved a job', 'job.retry': 'Tried a job again', 'schedule.pause': 'Paused a schedule', 'schedule.resume': 'Resumed a schedule', 'schedule.remove': 'Ended a schedule', 'standing.drop': 'Took a standing request back', 'settings.change': 'Changed settings', 'matching.pause': 'Paused matching', 'matching.resume': 'Resumed matching', 'user.impersonate': 'Saw what a user sees', 'delivery.retry': 'Sent a message again',
}
const route = getRouteApi('/inside/actions')
export function Actions() {
  const client = useClient()
  const { action, by, subject } = route.useSearch(), navigate = route.useNavigate()
  const found = useInfiniteQuery(actionsQuery(client, { action, by, subject }))
  const filtered = action !== undefined || by !== undefined || subject !== undefined
  const set = (more: { action?: ActionName | undefined; by?: string | undefined; subject?: string | undefined }): void => void navigate({ search: (old) => ({ ...old, ...more }), replace: true })
  return (
    <Page title="Log of admin actions" intro="Who did what, when and why. Written in the same commit as what was done; nothing in it can be changed or taken out." actions={<><Act label="As CSV" says="All that fit this filter" act={() => saveCsv(client.csv('actions', { action, by, subject }), 'lumaris-admin-actions.csv')} /><Act label="As JSON lines" says="All that fit this filter" act={() => saveCsv(client.csv('actions', { action, by, subject, format: 'jsonl' }), 'lumaris-admin-actions.jsonl')} /></>}>
      <Group align="flex-end">
        <NativeSelect label="What was done" value={action ?? ''} onChange={(event) => set({ action: event.currentTarget.value === '' ? undefined : (event.currentTarget.value as ActionName) })} data={[{ value: '', label: 'anything' }, ...ActionName.options.map((value) => ({ value, label: ACTION[value] }))]} />
        <TextInput label="To what, by its id" data-filter key={subject ?? ''} defaultValue={subject ?? ''} onKeyDown={(event) => { if (event.key === 'Enter') set({ subject: event.currentTarget.value.trim() || undefined }) }} onBlur={(event) => set({ subject: event.currentTarget.value.trim() || undefined })} />
        {filtered && <Button variant="default" onClick={() => set({ action: undefined, by: undefined, subject: undefined })}>Show all</Button>}
      </Group>
      <Listed query={found} lines={6} none={<Empty title={filtered ? 'Nothing fits this filter' : 'No admin has done anything yet'}>{filtered ? '' : 'Reversals, incidents, suspensions, roles, and what admins do to nodes and jobs of others.'}</Empty>}>{(list) => <>
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Admin actions"><table className="table">
              <thead><tr><th>When</th><th>Who</th><th>What</th><th>To</th><th>Why</th><th>What changed</th><th>From</th></tr></thead>
              <tbody>{list.map((one) => (
                <tr key={one.id}><td><Moment at={one.at} /></td><td><TextLink to="/users/$user" params={{ user: one.by }} size="sm">{visible(one.byName) || one.by}</TextLink></td><td>{ACTION[one.action]}</td><td><span className="id"><Subject of={one} /><CopyId id={one.subject} what="id" /></span></td><td className="wide-cell">{one.reason === '' ? '–' : visible(one.reason)}</td><td className="wide-cell"><Changes of={one} /></td><td>{one.from === undefined ? '–' : <><span className="number">{one.from}</span><br /><span className="id"><code title={one.request}>…{one.request?.slice(-6)}</code>{one.request !== undefined && <CopyId id={one.request} what="request" />}</span></>}</td></tr>))}</tbody>
            </table></div>
          </>}</Listed>
      <Command line={`npx lumaris --as admin admin log${subject === undefined ? '' : ` --subject ${subject}`}`} />
    </Page>
  )
}
const short = (id: string): React.ReactNode => <code>{id.slice(0, 4)}…{id.slice(-6)}</code>
function Subject({ of: { subject } }: { of: AdminAction }) {
  if (subject.startsWith('usr_')) return <TextLink to="/users/$user" params={{ user: subject }} size="sm">{short(subject)}</TextLink>
  if (subject.startsWith('nod_')) return <TextLink to="/nodes/$node" params={{ node: subject }} size="sm">{short(subject)}</TextLink>
  if (subject.startsWith('job_')) return <TextLink to="/jobs/$job" params={{ job: subject }} size="sm">{short(subject)}</TextLink>
  if (subject.startsWith('settings ')) return <TextLink to="/settings" size="sm">{subject.replace('settings', 'version')}</TextLink>
  return <span title={subject}>{short(subject)}</span>
}
/** Only what differs; where there was nothing before, what is now. */
function Changes({ of: { before, after } }: { of: Pick<AdminAction, 'before' | 'after'> }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])], changed = names.filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]))
  if (names.length === 0) return <>–</>
  return <pre className="changes">{visible((changed.length > 0 ? changed : names).map((name) => `${name}: ${[before, after].filter((side) => side && name in side).map((side) => textOf(side?.[name])).join(' → ')}`).join('\n'))}</pre>
}
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  const { from, to, amount } = value as { from?: unknown; to?: unknown; amount?: unknown }
  return typeof amount === 'string' && /^\d+$/.test(amount) ? `${creditsText(amount)} ${String(from)} → ${String(to)}` : Object.entries(value).map(([name, inner]) => `${name} ${textOf(inner)}`).join(' ')
}
