import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Job, NoReason } from '@lumaris/protocol'
import { explainQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { credits, creditsText, duration, percent, plural, visible } from '../ui/format.ts'
import { Command, Loaded, Panel } from '../ui/parts.tsx'
import { REASON } from '../ui/states.ts'

export function Why({ job }: { job: Job }) {
  const client = useClient()
  const why = useQuery(explainQuery(client, job.id, job.endedAt === undefined))
  return (
    <Loaded query={why}>{(found) => (
      <Stack>
        <Text>{found.summary}</Text>
        {found.waiting && <Panel title={`${plural(found.waiting.tasks, 'part')} ${found.waiting.tasks === 1 ? 'waits' : 'wait'}`} id="waiting">
          {found.waiting.nodes.length > 0 && <ul className="details">{found.waiting.nodes.map((node) => <li key={node.node}>{visible(node.says)}</li>)}</ul>}
          {found.waiting.changes.length > 0 && <><Text fw={600} size="sm" mt="sm">What would help</Text><ul className="details">{found.waiting.changes.map((change) => <li key={change.change}>{change.change}: then {plural(change.nodes, 'node')} could{change.startsInMs === undefined ? '' : change.startsInMs === 0 ? ', at once' : `, in about ${duration(change.startsInMs)}`}, for likely {creditsText(change.likely)} a try</li>)}</ul></>}
        </Panel>}
        {found.placed.length > 0 && <div className="scroll-box" tabIndex={0} role="region" aria-label="Placements"><table className="table">
          <thead><tr><th>Node</th><th className="right">Price there</th><th className="right">Risk added</th><th className="right">Load added</th><th className="right">Believed to end</th><th>Others</th></tr></thead>
          <tbody>{found.placed.map(({ attempt, nodeName, decision }) => <tr key={attempt}><td>{visible(nodeName)}</td><td className="right number">{credits(decision.terms.price)}</td><td className="right number">{credits(decision.terms.risk)}</td><td className="right number">{credits(decision.terms.load)}</td><td className="right number">{decision.completes === undefined ? '–' : percent(decision.completes)}</td>
            <td>{plural(decision.candidates, 'node')} could take it{decision.runnerUp ? `; the next would have cost ${credits(decision.runnerUp.total)} in expectation` : ''}{Object.keys(decision.refused).length > 0 && `; not taken: ${(Object.entries(decision.refused) as [NoReason, number][]).map(([reason, count]) => `${plural(count, 'node')} (${REASON[reason]})`).join(', ')}`}</td></tr>)}</tbody>
        </table><Text size="sm" c="dimmed" mt={4}>In credits, as expected when the part was placed. The lowest sum was taken.</Text></div>}
        <Command line={`npx lumaris explain ${job.id}`} />
      </Stack>)}</Loaded>
  )
}
