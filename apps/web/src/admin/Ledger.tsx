import { useEffect, useRef, useState } from 'react'
import { Alert, Button, Group, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { account } from '@lumaris/protocol'
import type { Entry, Posting, Reversal } from '@lumaris/protocol'
import { findEntriesQuery, ledgerQuery, reversalsQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { credits, creditsText, signed, visible } from '../ui/format.ts'
import { Command, Empty, Facts, Listed, Loaded, Moment, Page, Panel, Status, CopyId } from '../ui/parts.tsx'
import { REVERSAL } from '../ui/states.ts'
import { KIND } from '../wallet/Wallet.tsx'
import { TextLink } from '../shell/links.tsx'
import { WithReason } from './WithReason.tsx'
import { Holds, SignedFile } from './Holds.tsx'
import { accountsQuery } from './queries.ts'

export function Ledger() {
  const { client } = useSession()
  const ledger = useQuery(ledgerQuery(client))
  return (
    <Page title="Ledger" intro={<>Double entry, asked of the tables themselves: nothing is edited, ever. What was wrong is reversed by another entry, and it takes two admins. What the bank says of it: <TextLink to="/reconciliation">reconciliation</TextLink>.</>} actions={<><SignedFile /><Button variant="default" loading={ledger.isFetching} onClick={() => void ledger.refetch()}>Audit again</Button></>}>
      <Loaded query={ledger}>{(found) => (found.balanced ? <Alert color="green" title="✓ The ledger balances">Everything sums to zero, and every check below holds.</Alert> : <Alert color="red" role="alert" title="✗ The ledger does not balance"><ul className="details">{found.problems.map((problem) => <li key={problem}>{visible(problem)}</li>)}</ul></Alert>)}</Loaded>
      <Reversals />
      <Entries />
      <Holds />
      <Loaded query={ledger}>{(found) => (
        <div className="two">
          <Panel title="What is checked" id="checked"><ul className="details">
            <li>All accounts together hold zero.</li><li>No account is below zero but those that stand for the world outside.</li><li>Every balance is the sum of its postings.</li><li>No job that has ended holds money in escrow.</li><li>Every open job holds its cap less its cost, and nothing else.</li><li>Every job costs what its settled attempts were billed.</li><li>Every payout on its way holds its amount, and no other does.</li>
          </ul><Text size="sm" c="dimmed" mt="xs">The database itself refuses a change or a deletion of a posting, and a balance below zero.</Text></Panel>
          <Panel title="Trial balance" id="balance"><Facts of={[['Sum of all accounts', creditsText(found.sum)], ['Accounts', found.accounts.toLocaleString('en')], ['Postings', found.postings.toLocaleString('en')], ['Audited', <Moment at={ledger.dataUpdatedAt} />]]} />
            <div className="scroll-box use" tabIndex={0} role="region" aria-label="Trial balance"><table className="table"><thead><tr><th>Accounts</th><th className="right">How many</th><th className="right">Hold</th></tr></thead><tbody>{found.classes.map((one) => <tr key={one.class} title={`${creditsText(one.in)} came in, ${creditsText(one.out)} went out`}><td><TextLink to="/ledger" search={{ of: one.class }} size="sm" title="Its accounts">{one.class}</TextLink></td><td className="right number">{one.accounts.toLocaleString('en')}</td><td className="right number">{one.balance.startsWith('-') ? signed(BigInt(one.balance)) : credits(one.balance)}</td></tr>)}</tbody></table></div></Panel>
        </div>)}</Loaded>
      <Accounts />
      <Command line="npx lumaris --as admin ledger show" />
      <Command line="npx lumaris --as admin admin reversals" />
    </Page>
  )
}

function Reversals() {
  const { client, user } = useSession(), queries = useQueryClient()
  const found = useInfiniteQuery(reversalsQuery(client))
  const [doing, setDoing] = useState<{ reversal: Reversal; what: 'approve' | 'reject' } | null>(null)
  const act = async (reason: string): Promise<void> => {
    if (!doing) return
    const params = { reversal: doing.reversal.id }
    await (doing.what === 'approve' ? client.api.approveReversal({ params, body: { reason } }) : client.api.rejectReversal({ params, body: { reason } }))
    void queries.invalidateQueries({ queryKey: ['admin'] })
  }
  const waits = found.data?.pages.flatMap((page) => page.data).filter((one) => one.state === 'proposed').length ?? 0
  return (
    <Panel title={waits === 0 ? 'Reversals' : `Reversals (${waits} wait${waits === 1 ? 's' : ''} for a second admin)`} id="reversals">
      <Listed query={found} none={<Empty title="Nothing was ever reversed">Find a wrong entry below and propose its reversal; another admin approves it.</Empty>}>{(list) => <>
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Reversals"><table className="table">
              <thead><tr><th>State</th><th>Moves</th><th>Why</th><th>Proposed</th><th><span className="for-readers">Actions</span></th></tr></thead>
              <tbody>{list.map((one) => { const mine = one.proposedBy === user.id; return (
                <tr key={one.id}><td><Status look={REVERSAL[one.state]} />{one.state === 'proposed' && <Text size="sm" c="dimmed">until <Moment at={one.expiresAt} /></Text>}</td><td className="wide-cell"><Moves of={one.postings} /><Text size="xs" c="dimmed">reverses <code>{visible(one.entry)}</code><CopyId id={one.entry} what="name of the entry" /></Text></td><td className="wide-cell">{visible(one.reason)}</td><td><Moment at={one.proposedAt} /> by {mine ? 'you' : <Admin id={one.proposedBy} />}{one.decidedBy !== undefined && <><br />{one.state === 'done' ? 'approved' : one.state} by {one.decidedBy === user.id ? 'you' : <Admin id={one.decidedBy} />}</>}</td>
                  <td className="right">{one.state === 'proposed' && <Group gap={6} justify="flex-end" wrap="nowrap"><Button size="compact-sm" disabled={mine} title={mine ? 'Nobody approves what he proposed himself' : undefined} onClick={() => setDoing({ reversal: one, what: 'approve' })}>Approve…</Button><Button size="compact-sm" variant="default" onClick={() => setDoing({ reversal: one, what: 'reject' })}>{mine ? 'Take back…' : 'Reject…'}</Button></Group>}</td></tr>) })}</tbody>
            </table></div>
          </>}</Listed>
      <WithReason opened={doing !== null} close={() => setDoing(null)} title={doing?.what === 'approve' ? 'Approve this reversal?' : 'Reject this reversal?'} yes={doing?.what === 'approve' ? 'Approve: make the entry' : 'Reject'} dangerous={doing?.what === 'approve'} act={act}>
        {doing && <>{doing.what === 'approve' ? 'This moves money, and cannot be taken back:' : 'Nothing moves. It could be proposed again:'}<Moves of={doing.reversal.postings} /></>}
      </WithReason>
    </Panel>
  )
}
const Admin = ({ id }: { id: string }) => <TextLink to="/users/$user" params={{ user: id }} size="sm" title={id}>another admin</TextLink>
const Moves = ({ of }: { of: readonly Posting[] }) => <ul className="moves">{of.map((one, i) => <li key={i}><strong className="number">{credits(one.amount)}</strong> <code>{visible(one.from)}</code> → <code>{visible(one.to)}</code></li>)}</ul>

const REVERSIBLE: readonly Entry['kind'][] = ['topup', 'settle', 'displace']
const route = getRouteApi('/inside/ledger')
function Entries() {
  const { client } = useSession(), queries = useQueryClient()
  const { account: name, job } = route.useSearch(), navigate = route.useNavigate()
  const found = useInfiniteQuery(findEntriesQuery(client, { account: name, job }))
  const [wrong, setWrong] = useState<Entry | null>(null)
  const look = (text: string): void => {
    const asked = text.trim()
    void navigate({ search: asked === '' ? {} : asked.startsWith('job_') ? { job: asked } : { account: asked.startsWith('usr_') ? account.available(asked as Parameters<typeof account.available>[0]) : asked }, replace: true })
  }
  const shown = job ?? name ?? ''
  return (
    <Panel title="Entries" id="entries">
      <TextInput mb="sm" maw={560} label="Of a job, a user or an account" description="An id, or the name of an account such as seller:usr_…:available. Empty: what came in from outside, and went out" data-filter key={shown} defaultValue={shown} onKeyDown={(event) => { if (event.key === 'Enter') look(event.currentTarget.value) }} onBlur={(event) => { if (event.currentTarget.value.trim() !== shown) look(event.currentTarget.value) }} />
      <Listed query={found} lines={6} none={<Empty title="No entry names this" />}>{(list) => <>
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Entries"><table className="table">
              <thead><tr><th>When</th><th>What</th><th>Moved</th><th><span className="for-readers">Actions</span></th></tr></thead>
              <tbody>{list.map((entry) => { const can = REVERSIBLE.includes(entry.kind); return (
                <tr key={entry.id}><td><Moment at={entry.at} /></td><td>{KIND[entry.kind]}{entry.job && <><br /><span className="id"><TextLink to="/jobs/$job" params={{ job: entry.job }} search={{ tab: 'cost' }} size="sm"><code>…{entry.job.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={entry.job} what="job id" /></span></>}</td><td className="wide-cell"><Moves of={entry.postings} /></td>
                  <td className="right"><Button size="compact-sm" variant="default" disabled={!can} title={can ? undefined : 'Only top-ups, and what was paid for an attempt, are reversed'} onClick={() => setWrong(entry)}>Reverse…</Button></td></tr>) })}</tbody>
            </table></div>
          </>}</Listed>
      <WithReason opened={wrong !== null} close={() => setWrong(null)} title="Propose to reverse this entry?" yes="Propose it" act={async (reason) => { if (wrong) await client.api.proposeReversal({ body: { entry: wrong.id, reason } }); void queries.invalidateQueries({ queryKey: ['admin', 'reversals'] }) }}>
        {wrong && <>It moved:<Moves of={wrong.postings} />The reverse goes from there back to {wrong.kind === 'topup' ? 'where it came from' : 'the buyer'}, once another admin approves. Nothing moves now.</>}
      </WithReason>
    </Panel>
  )
}

/** From a line of the trial balance to the accounts behind it, and from those to their entries. */
function Accounts() {
  const { of } = route.useSearch()
  return of === undefined ? null : <AccountsOf key={of} of={of} />
}
function AccountsOf({ of }: { of: string }) {
  const { client } = useSession(), navigate = route.useNavigate(), found = useInfiniteQuery(accountsQuery(client, of)), panel = useRef<HTMLDivElement>(null)
  useEffect(() => { panel.current?.scrollIntoView({ block: 'nearest' }) }, [])
  return (
    <div ref={panel}><Panel title={`Accounts: ${of}`} id="accounts" actions={<Button size="compact-sm" variant="default" onClick={() => void navigate({ search: (now) => ({ ...now, of: undefined }), replace: true, resetScroll: false })}>Close</Button>}>
      <Listed query={found} lines={4} more="More" none={<Empty title="None of them holds anything" />}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Accounts"><table className="table"><thead><tr><th>Account</th><th className="right">Holds, credits</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.account}><td><span className="id"><TextLink to="/ledger" search={{ account: one.account }} size="sm"><code>{visible(one.account)}</code></TextLink><CopyId id={one.account} what="account" /></span></td><td className="right number">{one.balance.startsWith('-') ? signed(BigInt(one.balance)) : credits(one.balance)}</td></tr>)}</tbody></table></div>
        </>}</Listed>
      <div className="use"><Command line={`npx lumaris --as admin ledger accounts ${of}`} /></div>
    </Panel></div>
  )
}
