import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { impersonationsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { plural, visible } from '../ui/format.ts'
import { Empty, Loaded, Moment, Panel } from '../ui/parts.tsx'

/** When admins saw what one sees oneself: who, why, how long, and what they opened. */
export function Looked() {
  const found = useQuery(impersonationsQuery(useClient()))
  return (
    <Panel title="When admins looked" id="looked">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">To help you, an admin may see what you see here for a quarter of an hour. They can change nothing meanwhile, and it is written down.</Text>
        <Loaded query={found}>{({ data }) => (data.length === 0 ? <Empty title="No admin has ever looked" /> : (
          <div className="scroll-box" tabIndex={0} role="region" aria-label="When admins looked"><table className="table">
            <thead><tr><th>When</th><th>Who</th><th>Why</th><th>What they opened</th></tr></thead>
            <tbody>{data.map((one) => <tr key={one.id}><td><Moment at={one.at} /></td><td>{visible(one.byName)}</td><td className="wide-cell">{visible(one.reason)}</td><td className="wide-cell">{one.reads.length === 0 ? 'nothing' : `${plural(one.reads.reduce((sum, { count }) => sum + count, 0), 'question')}: ${one.reads.map(({ route }) => route).join(', ')}`}</td></tr>)}</tbody>
          </table></div>))}</Loaded>
      </Stack>
    </Panel>
  )
}
