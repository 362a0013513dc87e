// What the server does without being asked: whether each loop ran lately, and what waits for it.
import { Badge, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { BACKLOGS, LOOPS } from '@lumaris/protocol'
import type { BackgroundWork } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { duration, plural, visible } from '../ui/format.ts'
import { Command, Loaded, Moment, Panel } from '../ui/parts.tsx'
import { backgroundQuery } from './queries.ts'

type Loop = BackgroundWork['loops'][number]
export function Background() {
  const found = useQuery(backgroundQuery(useClient()))
  return (
    <Panel title="What the server does by itself" id="background"><Loaded query={found} lines={8}>{({ loops, backlogs, commits, startedAt }) => {
      const late = loops.filter((one) => one.late).length
      return (
        <Stack gap="sm">
          <Text size="sm" role="status">{late === 0 ? '✓ All of it runs' : `✗ ${plural(late, 'loop')} late or failing: the log of the server says more`}. {plural(commits.commits, 'commit')} of {plural(commits.commands, 'command')} since <Moment at={startedAt} />{commits.meanMs !== undefined && `, ${commits.meanMs} ms each in the mean`}{commits.reloads > 0 && `; loaded again ${plural(commits.reloads, 'time')} after a failure`}.</Text>
          <div className="two">
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Loops"><table className="table"><thead><tr><th>What</th><th>State</th><th>Last went well</th><th className="right">Every</th><th className="right">Failed</th></tr></thead>
              <tbody>{loops.map((one) => <tr key={one.name}><td>{LOOPS[one.name]}{one.problem !== undefined && one.failedAt !== undefined && <Text size="xs" c="dimmed"><Moment at={one.failedAt} />: {visible(one.problem)}</Text>}</td><td><State of={one} /></td><td>{one.lastAt === undefined ? '–' : <Moment at={one.lastAt} />}</td><td className="right number">{one.everyMs === null ? 'as needed' : duration(one.everyMs)}</td><td className="right number">{one.failures} of {one.runs.toLocaleString('en')}</td></tr>)}</tbody></table></div>
            <div className="scroll-box" tabIndex={0} role="region" aria-label="What waits for it"><table className="table"><thead><tr><th>What waits</th><th className="right">How much</th><th>The oldest since</th></tr></thead>
              <tbody>{backlogs.map((one) => <tr key={one.what}><td>{BACKLOGS[one.what]}</td><td className="right number">{one.waiting.toLocaleString('en')}</td><td>{one.oldestAt === undefined ? '–' : <Moment at={one.oldestAt} />}</td></tr>)}</tbody></table></div>
          </div>
          <Command line="npx lumaris --as admin admin background" />
        </Stack>)
    }}</Loaded></Panel>
  )
}
const State = ({ of: { late, lastAt, everyMs } }: { of: Loop }) => (late ? <Badge color="red" leftSection={<span aria-hidden>✗</span>} title="It should have run by now, or its last run failed">Late</Badge>
  : lastAt === undefined ? <Badge color="gray" leftSection={<span aria-hidden>◷</span>} title={everyMs === null ? 'There was nothing to do since this server was started' : 'Its first time has not come since this server was started'}>Not yet</Badge>
  : <Badge color="green" leftSection={<span aria-hidden>✓</span>} title="It ran when it should have">Runs</Badge>)
