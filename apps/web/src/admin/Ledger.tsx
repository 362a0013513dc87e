import { Alert, Button, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ledgerQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { creditsText, visible } from '../ui/format.ts'
import { Facts, Loaded, Moment, Page, Panel } from '../ui/parts.tsx'

export function Ledger() {
  const client = useClient()
  const ledger = useQuery(ledgerQuery(client))
  return (
    <Page title="Ledger" intro="Double entry, asked of the tables themselves: nothing is edited, ever." actions={<Button variant="default" loading={ledger.isFetching} onClick={() => void ledger.refetch()}>Audit again</Button>}>
      <Loaded query={ledger}>{(found) => (
        <>
          {found.balanced ? <Alert color="green" title="✓ The ledger balances">Everything sums to zero, and every check below holds.</Alert> : <Alert color="red" role="alert" title="✗ The ledger does not balance"><ul className="details">{found.problems.map((problem) => <li key={problem}>{visible(problem)}</li>)}</ul></Alert>}
          <Panel title="Trial balance" id="balance"><Facts of={[['Sum of all accounts', creditsText(found.sum)], ['Accounts', found.accounts.toLocaleString('en')], ['Postings', found.postings.toLocaleString('en')], ['Audited', <Moment at={ledger.dataUpdatedAt} />]]} /></Panel>
          <Panel title="What is checked" id="checked"><ul className="details">
            <li>All accounts together hold zero.</li><li>No account is below zero but those that stand for the world outside.</li><li>Every balance is the sum of its postings.</li><li>No job that has ended holds money in escrow.</li><li>Every open job holds its cap less its cost, and nothing else.</li><li>Every job costs what its settled attempts were billed.</li>
          </ul><Text size="sm" c="dimmed" mt="xs">The database itself refuses a change or a deletion of a posting, and a balance below zero.</Text></Panel>
        </>)}</Loaded>
    </Page>
  )
}
