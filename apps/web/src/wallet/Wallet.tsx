import { Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { account } from '@lumaris/protocol'
import type { Entry, UserId } from '@lumaris/protocol'
import { entriesQuery, walletQuery } from '../queries.ts'
import { hasRole, useSession } from '../session/use-session.ts'
import { signed, visible } from '../ui/format.ts'
import { Act, Command, CopyId, Credits, Empty, Figure, Figures, Listed, Loaded, Moment, Page, Panel } from '../ui/parts.tsx'
import { causeText } from '../ui/states.ts'
import { saveCsv } from '../jobs/save.ts'
import { Spending } from './Spending.tsx'
import { AutoTopUp } from './AutoTopUp.tsx'
import { TopUp } from './TopUp.tsx'
import { TextLink } from '../shell/links.tsx'

export function WalletScreen() {
  const { client, user } = useSession()
  const wallet = useQuery(walletQuery(client))
  return (
    <Page title="Wallet" actions={<Act label="Movements as CSV" says="Every movement, for a spreadsheet" act={() => saveCsv(client.csv('entries'), 'lumaris-entries.csv')} />}>
      <Loaded query={wallet}>{(money) => <Figures><Figure label="Available"><Credits of={money.available} /></Figure><Figure label="Held for jobs" hint="comes back where it is not used"><Credits of={money.held} /></Figure><Figure label="Spent" hint="on all jobs so far"><Credits of={money.spent} /></Figure></Figures>}</Loaded>
      {hasRole(user, 'buyer') && <Panel title="Add credits" id="add"><TopUp /><Text size="sm" c="dimmed" mt="xs">This market knows demo credits only. No money is taken.</Text></Panel>}
      {hasRole(user, 'buyer') && <AutoTopUp />}
      {hasRole(user, 'buyer') && <Spending />}
      <Movements title="Every movement" mine={[account.available(user.id)]} />
      <Command line="npx lumaris wallet --history" />
    </Page>
  )
}

export const KIND: Readonly<Record<Entry['kind'], string>> = { topup: 'Credits added', hold: 'Held for a job', settle: 'An attempt settled', displace: 'Paid for a place taken', refund: 'Came back from a job', release: 'Earnings cleared', payout: 'Paid out', reversal: 'Reversed', forfeit: 'Forfeited for a wrong result' }
/** Why it came back. */
function Why({ of: { because } }: { of: Entry }) {
  if (!because) return null
  const says = because.reason !== undefined ? visible(because.reason) : because.state === 'completed' ? 'it cost less than its cap' : because.cause ? causeText(because.cause) : `it ended as ${because.state ?? 'it did'}`
  return <Text size="sm" c="dimmed">{says}</Text>
}
/** What an entry did to these accounts. */
const changeOf = (entry: Entry, mine: readonly string[]): bigint => entry.postings.reduce((sum, posting) => sum + (mine.includes(posting.to) ? BigInt(posting.amount) : 0n) - (mine.includes(posting.from) ? BigInt(posting.amount) : 0n), 0n)
export const sellerAccounts = (user: UserId): string[] => [account.pending(user), account.earned(user)]

export function Movements({ title, mine, isSeller }: { title: string; mine: readonly string[]; isSeller?: boolean }) {
  const { client } = useSession()
  const entries = useInfiniteQuery(entriesQuery(client))
  return (
    <Panel title={title} id="movements">
      <Listed query={entries} lines={6} only={(entry) => entry.postings.some((posting) => mine.includes(posting.from) || mine.includes(posting.to))} none={<Empty title="No money has moved yet" />}>{(list) => (
        <div className="scroll-box" tabIndex={0} role="region" aria-label={title}><table className="table">
          <thead><tr><th>When</th><th>What</th><th className="right">Credits</th>{!isSeller && <th>Job</th>}</tr></thead>
          <tbody>{list.map((entry) => { const change = changeOf(entry, mine); return (
            <tr key={entry.id}><td><Moment at={entry.at} /></td><td>{entry.kind === 'release' ? `${KIND.release}: free to be paid out` : entry.kind === 'payout' && change > 0n ? 'A payout came back' : KIND[entry.kind]}<Why of={entry} /></td><td className="right number">{change === 0n && entry.postings[0] ? `${signed(BigInt(entry.postings[0].amount)).slice(1)} cleared` : signed(change)}</td>
              {!isSeller && <td>{entry.job ? <span className="id"><TextLink to="/jobs/$job" params={{ job: entry.job }} search={{ tab: 'cost' }} size="sm"><code>…{entry.job.slice(-8)}</code><span className="for-readers"> job</span></TextLink><CopyId id={entry.job} what="job id" /></span> : ''}</td>}</tr>) })}</tbody>
        </table></div>)}</Listed>
    </Panel>
  )
}
