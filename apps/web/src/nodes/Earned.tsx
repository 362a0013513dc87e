// What one node earned, for its seller. The other nodes, and paying it out, are on the page of earnings.
import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { dayText } from '@lumaris/protocol'
import type { Node } from '@lumaris/protocol'
import { nodesEarningsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { sumOf } from '../earnings/stack-days.ts'
import { creditsText } from '../ui/format.ts'
import { Facts, Loaded, Panel } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'

const DAYS = 30
export function Earned({ node }: { node: Node }) {
  const found = useQuery(nodesEarningsQuery(useClient(), DAYS)), today = dayText(Date.now())
  return (
    <Panel title="What it earned" id="earned"><Loaded query={found}>{({ nodes }) => {
      const own = nodes.find((one) => one.node === node.id), days = own?.days ?? []
      return <>
        <Facts wide of={[['Today (UTC)', creditsText(sumOf(days.filter(({ day }) => day === today)))], [`In ${DAYS} days`, creditsText(sumOf(days))], ['In the dispute window', creditsText(own?.pending ?? '0')], ['Cleared, in all', creditsText(own?.cleared ?? '0')]]} />
        <Text size="sm" mt="sm"><TextLink to="/earnings" size="sm">All nodes, and paying out</TextLink>. After the market’s fee.</Text>
      </>
    }}</Loaded></Panel>
  )
}
