// What a node has shown of itself, for admins: its key, how it said hello, its last heartbeat word for word, and its last attempts.
import { Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Node, NodeEvidence } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, CopyId, Copy, Credits, Empty, Facts, Id, Loaded, Moment, Panel, Status } from '../ui/parts.tsx'
import { ATTEMPT, causeText } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { evidenceQuery } from './queries.ts'
import './look.css'

export function Evidence({ node }: { node: Node }) {
  const found = useQuery(evidenceQuery(useClient(), node.id))
  return <>
    <Panel title="Last attempts here" id="attempts" actions={<TextLink to="/jobs" search={{ of: node.id }} size="sm">Its jobs</TextLink>}><Loaded query={found}>{({ attempts }) => <Attempts of={attempts} />}</Loaded></Panel>
    <div className="two">
      <Panel title="What it has shown" id="shown"><Loaded query={found}>{({ key, hello, enrolledFrom, connectedFrom }) => (
        <Stack gap="sm">
          <Facts of={[['Key (Ed25519)', <Id id={key.publicKey} what="public key" />], ['Its SHA-256', <Id id={key.fingerprint} what="fingerprint" />], ['Enrolled from', enrolledFrom], ['Connected from', connectedFrom], ['Proved its key', hello ? <Moment at={hello.at} /> : null], ['Speaks', hello ? `protocol ${hello.protocol}, agent ${visible(hello.agentVersion)}` : null], ['This start of it', hello ? <Id id={hello.boot} what="boot id" /> : null]]} />
          <Text size="sm" c="dimmed">{hello ? 'It signs the market’s challenge with its key at each connection, and its meter readings while it works. The key does not run out.' : 'It has not connected since this market was started.'}</Text>
        </Stack>)}</Loaded></Panel>
      <Panel title="Last heartbeat, word for word" id="heartbeat"><Loaded query={found}>{({ heartbeat }) => (heartbeat === null ? <Empty title="None since this market was started" /> : <Heartbeat of={heartbeat} />)}</Loaded></Panel>
    </div>
    <Command line={`npx lumaris --as admin admin evidence ${node.id}`} />
  </>
}

function Heartbeat({ of: { at, attempts, message } }: { of: NonNullable<NodeEvidence['heartbeat']> }) {
  const text = JSON.stringify(message, null, 2)
  return <Stack gap="xs">
    <Text size="sm">It came <Moment at={at} /> and lists {plural(attempts, 'attempt')}{attempts > 20 ? ', of which the first twenty are here' : ''}. <Copy text={text} what="heartbeat" /></Text>
    <pre className="changes raw" tabIndex={0} role="region" aria-label="Heartbeat">{visible(text)}</pre>
  </Stack>
}

function Attempts({ of }: { of: NodeEvidence['attempts'] }) {
  if (of.length === 0) return <Empty title="Nothing has run here yet" />
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Last attempts"><table className="table"><thead><tr><th>Job</th><th>State</th><th>Ended by</th><th>Checked</th><th>Offered</th><th>Ended</th><th className="right">Billed</th></tr></thead>
      <tbody>{of.map((one) => <tr key={one.attempt}><td><TextLink to="/jobs/$job" params={{ job: one.job }} size="sm"><code>…{one.job.slice(-8)}</code></TextLink><CopyId id={one.attempt} what="attempt" /></td><td><Status look={ATTEMPT[one.state]} /></td><td>{one.cause === undefined ? '–' : causeText(one.cause)}</td><td>{one.others === 0 ? 'by nobody else' : `${one.state === 'valid' ? '✓ agreed' : '✗ differed'}, beside ${plural(one.others, 'other result')}`}</td><td><Moment at={one.offeredAt} /></td><td>{one.endedAt === undefined ? '–' : <Moment at={one.endedAt} />}</td><td className="right number">{one.billed === undefined ? '–' : <Credits of={one.billed} />}</td></tr>)}</tbody></table></div>
  )
}
