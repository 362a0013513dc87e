import { Stack, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { SellerEarnings } from '@lumaris/protocol'
import { earningsQuery, entriesQuery, payoutsQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { credits, creditsText, duration, visible } from '../ui/format.ts'
import { Command, Credits, Empty, Figure, Figures, Listed, Loaded, Moment, Page, Panel, Status, useNow, Id } from '../ui/parts.tsx'
import { PAYOUT } from '../ui/states.ts'
import { Movements, sellerAccounts } from '../wallet/Wallet.tsx'
import { ByNode } from './ByNode.tsx'
import { Forecast } from './Forecast.tsx'
import { PayOut } from './PayOut.tsx'
import { Rule } from './Rule.tsx'
import { TextLink } from '../shell/links.tsx'

const DAY = 86_400_000
const thisYear = new Date().getUTCFullYear()
export function Earnings() {
  const { client, user } = useSession()
  const earnings = useQuery(earningsQuery(client))
  return (
    <Page title="Earnings" actions={<TextLink to="/earnings/statement" search={{ year: thisYear }}>Statement of a year</TextLink>} intro={`Each attempt that ends is settled at once. What it earned waits for the dispute window${earnings.data ? ` of ${duration(earnings.data.disputeMs)}` : ''}, then it is yours to be paid out.`}>
      <Loaded query={earnings}>{(money) => (
        <Figures>
          <Recent />
          <Figure label="In the dispute window" hint={<Next of={money} />}><Credits of={money.pending} /></Figure>
          <Figure label="Cleared" hint="free to be paid out"><Credits of={money.available} /></Figure>
          <Figure label="In all" hint="after the fee, since the first"><Credits of={BigInt(money.pending) + BigInt(money.available) + BigInt(money.onTheWay) + BigInt(money.paid)} /></Figure>
          <Figure label="Paid out" hint={money.onTheWay === '0' ? 'nothing on its way' : `${creditsText(money.onTheWay)} on their way`}><Credits of={money.paid} /></Figure>
        </Figures>)}</Loaded>
      {earnings.data && earnings.data.forfeits.length > 0 && <Forfeits of={earnings.data.forfeits} />}
      <Forecast />
      <ByNode />
      <div className="two">
        <Stack><Payouts /><Movements title="What was earned" mine={sellerAccounts(user.id)} isSeller /></Stack>
        <Stack>
          <Panel title="Pay out" id="pay-out"><Loaded query={earnings}>{(money) => <PayOut money={money} />}</Loaded></Panel>
          <Panel title="Without asking each time" id="rule"><Loaded query={earnings}>{(money) => <Rule money={money} />}</Loaded></Panel>
        </Stack>
      </div>
      <Command line="npx lumaris payout show" />
    </Page>
  )
}
/** The earliest of what is pending. A window that is over and not yet cleared waits for the node's last seal, or for the next pass of the market. */
function Next({ of: { nextClearing } }: { of: SellerEarnings }) {
  const now = useNow(10_000)
  if (!nextClearing) return <>nothing waits</>
  return nextClearing.at > now ? <>next: {credits(nextClearing.amount)}, <Moment at={nextClearing.at} /></> : <>next: {credits(nextClearing.amount)}, about to clear</>
}

function Forfeits({ of }: { of: SellerEarnings['forfeits'] }) {
  return (
    <Panel title="Forfeited" id="forfeits"><Stack gap="sm">{of.map((one) => (
      <div key={one.attempt}>
        <Text size="sm"><Moment at={one.at} />: {one.says}</Text>
        <Text size="sm" c="dimmed">{one.whatToDo} Attempt <Id id={one.attempt} what="attempt id" />.</Text>
      </div>))}</Stack></Panel>
  )
}

function Payouts() {
  const { client } = useSession()
  const payouts = useInfiniteQuery(payoutsQuery(client))
  return (
    <Panel title="Payouts" id="payouts"><Listed query={payouts} none={<Empty title="No payouts yet">What has cleared can be paid out at any time.</Empty>}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Payouts"><table className="table">
            <thead><tr><th>Asked for</th><th>State</th><th className="right">Credits</th><th>To</th><th>Reference</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.id}><td><Moment at={one.requestedAt} /></td><td><Status look={PAYOUT[one.state]} />{one.reason !== undefined && <Text size="sm">{visible(one.reason)}; the money is available again: ask again for another account</Text>}{one.byRule && <Text size="sm" c="dimmed">by your rule</Text>}</td><td className="right number">{credits(one.amount)}</td><td className="destination">{visible(one.destination)}</td><td>{one.reference === undefined ? '–' : <Id id={visible(one.reference)} what="reference" />}</td></tr>)}</tbody>
          </table></div>
        </>}</Listed></Panel>
  )
}
/** The last day, as far as the newest page of movements tells all of it. */
function Recent() {
  const { client, user } = useSession()
  const entries = useInfiniteQuery({ ...entriesQuery(client), refetchInterval: 5_000 })
  const now = useNow(10_000)
  const page = entries.data?.pages[0]
  if (!page) return null
  const mine = sellerAccounts(user.id), recent = page.data.filter((entry) => entry.kind === 'settle' && entry.at > now - DAY)
  if (recent.length === page.data.length && page.nextCursor !== null) return null
  const sum = recent.reduce((total, entry) => total + entry.postings.filter((posting) => mine.includes(posting.to)).reduce((part, posting) => part + BigInt(posting.amount), 0n), 0n)
  return <Figure label="Earned in the last 24 hours"><Credits of={sum} /></Figure>
}
