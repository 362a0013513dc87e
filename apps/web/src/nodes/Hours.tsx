// When the owner lets work run, as the agent tells it. Looked at here and set there: whose machine it is decides on the machine.
import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { DAYS } from '@lumaris/protocol'
import type { Day, HoursSaid, Node } from '@lumaris/protocol'
import { readingsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { visible } from '../ui/format.ts'
import { Command, Loaded, Panel } from '../ui/parts.tsx'
import { openShares } from './open-shares.ts'

const NAME: Readonly<Record<Day, string>> = { mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday', fri: 'Friday', sat: 'Saturday', sun: 'Sunday' }
const rangesText = (ranges: readonly string[]): string => (ranges.length === 0 ? 'closed' : ranges.length === 1 && ranges[0] === '00:00-24:00' ? 'all day' : ranges.map((one) => visible(one).replace('-', ' to ')).join(', '))

export function Hours({ node }: { node: Node }) {
  const client = useClient(), readings = useQuery({ ...readingsQuery(client, node.id, 'hour'), refetchInterval: 10_000 })
  return (
    <Panel title="Hours" id="hours">
      <Loaded query={readings}>{({ hours }) => (hours === undefined ? <Text size="sm">Its agent has not said when it takes work.</Text> : hours === null ? <Text size="sm">It takes work at all hours.</Text> : <Week hours={hours} />)}</Loaded>
      <Text size="sm" c="dimmed" mt="sm" mb="xs">Set on the machine itself, on its owner’s own screen; a change shows here with its next heartbeat.</Text>
      <Command line="npx lumaris agent gui" />
    </Panel>
  )
}
function Week({ hours: { timeZone, week } }: { hours: HoursSaid }) {
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Hours of the week"><table className="week">
      <caption className="for-readers">When work may run, {visible(timeZone)} time</caption>
      <thead><tr><th><span className="for-readers">Day</span></th><th><span className="for-readers">Open</span><div className="week-cells head" aria-hidden>{[0, 6, 12, 18].map((hour) => <span key={hour}>{String(hour).padStart(2, '0')}</span>)}</div></th></tr></thead>
      <tbody>{DAYS.map((day) => (
        <tr key={day}><th scope="row" aria-label={NAME[day]}>{NAME[day].slice(0, 3)}</th>
          <td><div className="week-cells" aria-hidden>{openShares(week[day]).map((share, hour) => <span key={hour} className={share >= 1 ? 'open' : share > 0 ? 'partly' : undefined} />)}</div>{rangesText(week[day])}</td></tr>))}</tbody>
    </table><Text size="sm" c="dimmed">{visible(timeZone)} time.</Text></div>
  )
}
