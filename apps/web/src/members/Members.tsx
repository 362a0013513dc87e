import { useState } from 'react'
import { Alert, Badge, Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { MEMBER_ROLES, MEMBER_SAYS, formatCredits, parseCredits } from '@lumaris/protocol'
import type { Account, Member, MemberRole, NewInvitation } from '@lumaris/protocol'
import { accountsQuery, invitationsQuery, memberActsQuery, membersQuery } from '../queries.ts'
import { actForAccount } from '../session/session.ts'
import { useMay, useSelf, useSession } from '../session/use-session.ts'
import { joinWords } from '../submit/words.ts'
import { beside } from '../ui/field-errors.ts'
import { creditsText, visible } from '../ui/format.ts'
import { Act, Bar, Command, Confirm, CopyId, Empty, Listed, Loaded, Moment, Page, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

export function MembersScreen() {
  const { acting, view } = useSession(), manages = !acting || acting.role === 'manager'
  return (
    <Page title="Members" intro={acting ? <>People who work for {visible(acting.name)}</> : 'Several people can work for one account: each signs in as himself, and acts for it within his role.'}>
      {manages ? <><People /><Invited /><Acts /></> : <Alert color="blue" title={`You are a ${acting.role} here`}>Whoever manages the account sees its members. Your role {MEMBER_SAYS[acting.role]}.</Alert>}
      {!acting && !view && <Accounts />}
      <Command line="npx lumaris members list" />
    </Page>
  )
}

function People() {
  const { client, acting } = useSession(), { no } = useMay(), queries = useQueryClient(), members = useQuery(membersQuery(client))
  const [inviting, setInviting] = useState(false), [link, setLink] = useState<NewInvitation | null>(null), [changing, setChanging] = useState<Member | null>(null), [removing, setRemoving] = useState<Member | null>(null)
  const again = (): void => { for (const key of ['members', 'invitations', 'keys', 'webhooks']) void queries.invalidateQueries({ queryKey: [key] }) }
  const above = (member: Member): string | undefined => (acting && member.role === 'manager' ? 'The owner decides on managers' : undefined)
  return (
    <Panel title="Who works here" id="people" actions={<Button size="xs" {...no('inviteMember')} onClick={() => setInviting(true)}>Invite somebody</Button>}>
      {link && (
        <Alert color="green" role="status" mb="md" title={`${visible(link.email)} is invited`} withCloseButton closeButtonLabel="Close" onClose={() => setLink(null)}>
          <Text size="sm" mb="xs">Hand this link over yourself: invitations are not mailed. It is shown this once, works once, for that address, until <Moment at={link.expiresAt} />.</Text>
          <Command line={new URL(link.path, location.origin).href} />
        </Alert>)}
      <Loaded query={members}>{({ data }) => (data.length === 0 ? <Empty title="Nobody works here but the owner">Invite whoever should see jobs, run them, or look after keys and budgets.</Empty> : (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Members"><table className="table">
          <thead><tr><th>Who</th><th>Role</th><th>Used this month</th><th>Since</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{data.map((one) => (
            <tr key={one.user}><td>{visible(one.name)}<Text size="sm" c="dimmed">{visible(one.email)}</Text></td><td><Badge color="gray" title={MEMBER_SAYS[one.role]}>{one.role}</Badge></td><td className="wide-cell"><Used of={one} /></td><td><Moment at={one.since} /></td>
              <td className="right"><Group gap={6} justify="flex-end" wrap="nowrap">
                <Button size="compact-sm" variant="default" {...no('changeMember', above(one))} onClick={() => setChanging(one)}>Change…<span className="for-readers"> {visible(one.name)}</span></Button>
                <Button size="compact-sm" variant="default" {...no('removeMember', above(one))} onClick={() => setRemoving(one)}>Remove<span className="for-readers"> {visible(one.name)}</span></Button>
              </Group></td></tr>))}</tbody>
        </table></div>))}</Loaded>
      <Modal opened={inviting} onClose={() => setInviting(false)} title="Invite somebody">{inviting && <Terms yes="Make the link" close={() => setInviting(false)} act={async (terms, email) => { setLink(await client.api.inviteMember({ body: { email, ...terms } })); setInviting(false); again() }} />}</Modal>
      <Modal opened={changing !== null} onClose={() => setChanging(null)} title={`What ${visible(changing?.name ?? '')} may do`}>{changing && <Terms of={changing} yes="Change it" close={() => setChanging(null)} act={async (terms) => { await client.api.changeMember({ params: { user: changing.user }, body: terms }); setChanging(null); again() }} />}</Modal>
      <Confirm opened={removing !== null} close={() => setRemoving(null)} title={`Remove ${visible(removing?.name ?? '')}?`} yes="Remove" act={async () => { if (removing) await client.api.removeMember({ params: { user: removing.user } }); again() }}><Text size="sm">What they do for this account ends at once: open pages, keys, webhooks and invitations that they made for it. Jobs that run go on; their schedules fire no more.</Text></Confirm>
    </Panel>
  )
}

function Used({ of: { monthlyLimit, usedThisMonth } }: { of: Pick<Member, 'monthlyLimit' | 'usedThisMonth'> }) {
  if (monthlyLimit === null) return <span className="number">{creditsText(usedThisMonth)}</span>
  const share = BigInt(monthlyLimit) === 0n ? 1 : Number((BigInt(usedThisMonth) * 1000n) / BigInt(monthlyLimit)) / 1000
  return <Bar share={share} says={`${formatCredits(BigInt(usedThisMonth))} of ${creditsText(monthlyLimit)}`} />
}

type MemberTerms = { role: MemberRole; monthlyLimit: string | null }
function Terms({ of, yes, close, act }: { of?: Member; yes: string; close: () => void; act: (terms: MemberTerms, email: string) => Promise<unknown> }) {
  const { acting } = useSession(), { busy, error, submit } = useWork()
  const [email, setEmail] = useState(''), [role, setRole] = useState<MemberRole>(of?.role ?? 'submitter'), [limit, setLimit] = useState(of?.monthlyLimit ? formatCredits(BigInt(of.monthlyLimit)) : '')
  const micros = limit.trim() === '' ? null : parseCredits(limit.trim()), wrong = role === 'submitter' && limit.trim() !== '' && micros === null
  const { at, isLeft } = beside(error, ['/email', '/role', ...(role === 'submitter' ? ['/monthlyLimit'] : [])], { already_member: '/email', own_account: '/email', not_below_you: '/role' }), given = MEMBER_ROLES.filter((one) => !acting || one !== 'manager')
  return (
    <form onSubmit={(event) => submit(event, () => act({ role, monthlyLimit: role === 'submitter' ? (micros?.toString() ?? null) : null }, email).then(() => undefined))} noValidate><Stack>
      {!of && <TextInput label="E-mail" description="The link works for this address only" type="email" autoComplete="off" data-autofocus required value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={at('/email')} />}
      <NativeSelect label="Role" description={`A ${role} ${MEMBER_SAYS[role]}.`} value={role} onChange={(event) => setRole(event.currentTarget.value as MemberRole)} data={given.map((one) => ({ value: one, label: one }))} error={at('/role')} />
      {role === 'submitter' && <TextInput label="Limit of a month, credits" description="What their jobs may be held for or cost, by calendar month (UTC). Empty: what the account has." inputMode="decimal" value={limit} onChange={(event) => setLimit(event.currentTarget.value)} error={wrong ? 'An amount such as 50' : at('/monthlyLimit')} />}
      <Text size="sm" c="dimmed">Never theirs: adding credits, payouts, nodes, and how the owner signs in.</Text>
      {isLeft && <Refusal error={error} />}
      {!of && <Command line={`npx lumaris members invite ${email.trim() === '' ? 'E-MAIL' : joinWords([email.trim()])} --role ${role}${role === 'submitter' && micros !== null ? ` --limit ${formatCredits(micros)}` : ''}`} />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={wrong} title={wrong ? 'The limit is no amount' : undefined}>{yes}</Button></Group>
    </Stack></form>
  )
}

function Invited() {
  const { client, acting } = useSession(), { why } = useMay(), queries = useQueryClient(), open = useQuery(invitationsQuery(client))
  return (
    <Panel title="Invited" id="invited">
      <Loaded query={open} lines={2}>{({ data }) => (data.length === 0 ? <Empty title="No invitation is open" /> : (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Invited"><table className="table">
          <thead><tr><th>Whom</th><th>As</th><th>By</th><th>Until</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{data.map((one) => { const no = why('revokeInvitation') ?? (acting && one.role === 'manager' ? 'The owner decides on managers' : undefined); return (
            <tr key={one.id}><td>{visible(one.email)}</td><td>{one.role}{one.monthlyLimit === null ? '' : `, up to ${creditsText(one.monthlyLimit)} a month`}</td><td>{visible(one.byName)}</td><td><Moment at={one.expiresAt} /></td>
              <td className="right">{no ? <Button size="compact-sm" variant="default" disabled title={no}>Take back</Button> : <Act label={<>Take back<span className="for-readers"> {visible(one.email)}</span></>} act={async () => { await client.api.revokeInvitation({ params: { invitation: one.id } }); await queries.invalidateQueries({ queryKey: ['invitations'] }) }} />}</td></tr>) })}</tbody>
        </table></div>))}</Loaded>
    </Panel>
  )
}

/** What a route is called, where people would not know it. */
const DID: Readonly<Record<string, string>> = { submitJob: 'Submitted a job', cancelJob: 'Cancelled a job', pauseJob: 'Paused a job', resumeJob: 'Let a job go on', moveJob: 'Moved a job', recordMerged: 'Recorded a merged result', createSchedule: 'Made a schedule', pauseSchedule: 'Paused a schedule', resumeSchedule: 'Resumed a schedule', removeSchedule: 'Removed a schedule', putTemplate: 'Kept a template', removeTemplate: 'Removed a template', createStanding: 'Asked to be told of room', dropStanding: 'Took a standing request back', createKey: 'Made an API key', revokeKey: 'Revoked an API key', createWebhook: 'Added a webhook', removeWebhook: 'Removed a webhook', enableWebhook: 'Turned a webhook on', testWebhook: 'Tried a webhook', resendDelivery: 'Sent a message again', setAlertSettings: 'Changed budget or alerts', inviteMember: 'Invited somebody', revokeInvitation: 'Took an invitation back', changeMember: 'Changed a member', removeMember: 'Removed a member' }
function Acts() {
  const { client } = useSession(), found = useInfiniteQuery(memberActsQuery(client))
  return (
    <Panel title="What members did" id="acts">
      <Listed query={found} none={<Empty title="No member has changed anything yet">Every change that a member makes for this account stands here, with who it was.</Empty>}>{(list) => (
          <div className="scroll-box" tabIndex={0} role="region" aria-label="What members did"><table className="table">
            <thead><tr><th>When</th><th>Who</th><th>What</th><th>To</th><th>From</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.id}><td><Moment at={one.at} /></td><td>{visible(one.byName)}</td><td>{DID[one.route] ?? one.route}{one.isOpen && <Text size="sm" c="dimmed">begun: it is under way, or the market stopped before it saw the end</Text>}</td><td>{one.subject === undefined ? '' : <span className="id"><code title={visible(one.subject)}>{one.subject.length > 14 ? `…${visible(one.subject.slice(-8))}` : visible(one.subject)}</code><CopyId id={one.subject} what="id" /></span>}</td><td className="number">{one.from}</td></tr>)}</tbody>
          </table></div>)}</Listed>
    </Panel>
  )
}

/** The other way round: whose accounts one works for oneself. */
function Accounts() {
  const { client } = useSelf(), queries = useQueryClient(), router = useRouter(), accounts = useQuery(accountsQuery(client)), { error, run } = useWork()
  const [leaving, setLeaving] = useState<Account | null>(null)
  const act = (account: Account): Promise<void> => run(async () => { await actForAccount(account.account); await router.navigate({ to: '/home' }) })
  return (
    <Panel title="Accounts you work for" id="accounts">
      {error !== null && <Refusal error={error} />}
      <Loaded query={accounts} lines={2}>{({ data }) => (data.length === 0 ? <Empty title="None but your own">Whoever invites you hands you a link.</Empty> : (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Accounts you work for"><table className="table">
          <thead><tr><th>Account</th><th>Your role</th><th>Used this month</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{data.map((one) => <tr key={one.account}><td>{visible(one.name)}<Text size="sm" c="dimmed">{visible(one.email)}</Text></td><td><Badge color="gray" title={MEMBER_SAYS[one.role]}>{one.role}</Badge></td><td className="wide-cell"><Used of={one} /></td>
            <td className="right"><Group gap={6} justify="flex-end" wrap="nowrap"><Button size="compact-sm" onClick={() => void act(one)}>Act for<span className="for-readers"> {visible(one.name)}</span></Button><Button size="compact-sm" variant="default" onClick={() => setLeaving(one)}>Leave<span className="for-readers"> {visible(one.name)}</span></Button></Group></td></tr>)}</tbody>
        </table></div>))}</Loaded>
      <Confirm opened={leaving !== null} close={() => setLeaving(null)} title={`Work for ${visible(leaving?.name ?? '')} no more?`} yes="Leave" act={async () => { if (leaving) await client.api.leaveAccount({ params: { account: leaving.account } }); await queries.invalidateQueries({ queryKey: ['accounts'] }) }}><Text size="sm">Keys and webhooks that you made for it end with it. To come back you must be invited again.</Text></Confirm>
    </Panel>
  )
}
