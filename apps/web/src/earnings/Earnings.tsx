import { Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { entriesQuery, walletQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { Credits, Figure, Figures, Loaded, Page, useNow } from '../ui/parts.tsx'
import { Movements, sellerAccounts } from '../wallet/Wallet.tsx'

const DAY = 86_400_000
export function Earnings() {
  const { client, user } = useSession()
  const wallet = useQuery({ ...walletQuery(client), refetchInterval: 5_000 })
  return (
    <Page title="Earnings" intro="Each attempt that ends is settled at once. What it earned waits for the dispute window, then it is yours to be paid out.">
      <Loaded query={wallet}>{(money) => <Figures><Recent /><Figure label="In the dispute window"><Credits of={money.pending} /></Figure><Figure label="Cleared"><Credits of={money.earned} /></Figure></Figures>}</Loaded>
      <Movements title="What was earned" mine={sellerAccounts(user.id)} isSeller />
      <Text size="sm" c="dimmed">This market pays in demo credits, which cannot be paid out.</Text>
    </Page>
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
