// What runs on a node and earns, its self-test, what happened to it, and its end. Loaded with the first node that is looked at.
import { useEffect, useState } from 'react'
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useLocation, useNavigate } from '@tanstack/react-router'
import { NODE_EVENTS } from '@lumaris/protocol'
import type { Node, NodeActivity, NodeEvent, NodeWork } from '@lumaris/protocol'
import { isTestOpen, nodeActivityQuery } from '../queries.ts'
import { useClient, useMay, useSession } from '../session/use-session.ts'
import { cores, credits, duration, plural, size, visible } from '../ui/format.ts'
import { Command, Empty, Loaded, Moment, Panel, Refusal, Status, useNow } from '../ui/parts.tsx'
import { ATTEMPT } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import './nodes.css'

/** Of the events, as many as one reads; the rest on demand. */
const SHOWN = 8

export function RunsNow({ node }: { node: Node }) {
  const activity = useQuery(nodeActivityQuery(useClient(), node.id))
  return <Panel title="Runs now" id="work"><Loaded query={activity}>{({ work }) => <Work work={work} />}</Loaded></Panel>
}
export function Happened({ node }: { node: Node }) {
  const { client, user } = useSession(), activity = useQuery(nodeActivityQuery(client, node.id))
  return (
    <div className="two">
      <Panel title="What happened" id="events"><Loaded query={activity}>{({ events }) => <Events events={events} />}</Loaded></Panel>
      <Panel title="Self-test" id="self-test"><Loaded query={activity}>{(found) => <Test node={node} activity={found} isOwner={node.owner === user.id} />}</Loaded></Panel>
    </div>
  )
}

function Work({ work }: { work: readonly NodeWork[] }) {
  if (work.length === 0) return <Empty title="Nothing runs here just now">Work comes when it fits this node and its price.</Empty>
  const perHour = work.reduce((sum, one) => sum + (one.state === 'running' ? BigInt(one.perHour) : 0n), 0n)
  return (
    <>
      <div className="scroll-box" tabIndex={0} role="region" aria-label="Work that runs here"><table className="table">
        <thead><tr><th>Program</th><th>State</th><th>Takes</th><th className="right">Ran</th><th className="right">At most</th><th className="right">An hour</th><th className="right">So far</th></tr></thead>
        <tbody>{work.map((one) => (
          <tr key={one.attempt}>
            <td>{visible(one.program)}<Text size="sm" c="dimmed">{one.driver} · {one.image === undefined ? one.runtime : visible(one.image)}</Text></td><td><Status look={ATTEMPT[one.state]} /></td>
            <td>{cores(one.cpuMillis)}, {size(one.memoryBytes)}{one.gpus > 0 && `, ${plural(one.gpus, 'GPU')}`}</td>
            <td className="right number">{one.startedAt === undefined ? '–' : duration(one.runMs)}</td><td className="right number" title="The longest that it may still run; it may end before">{duration(one.leftMs)} more</td>
            <td className="right number">{credits(one.perHour)}</td><td className="right number">{credits(one.earning)}</td>
          </tr>))}</tbody>
      </table></div>
      <Text size="sm" c="dimmed" mt="xs">It earns {credits(perHour)} credits an hour now, before the market’s fee. Times are as the meter was read last, every 15 s.</Text>
    </>
  )
}

function Events({ events }: { events: readonly NodeEvent[] }) {
  const { hash, state } = useLocation(), wanted = events.findIndex(({ attempt }) => attempt !== undefined && hash === `event-${attempt}`), isThere = wanted >= 0
  const [more, setAll] = useState(false), all = more || wanted >= SHOWN, shown = all ? events : events.slice(0, SHOWN)
  // Whoever comes by a link from what lowered the record stands at that event, also the second time.
  useEffect(() => { if (isThere) document.getElementById(hash)?.focus() }, [hash, isThere, state])
  if (events.length === 0) return <Empty title="Nothing yet">What happens to the node from now on stands here.</Empty>
  return (
    <>
      <ul className="events">{shown.map((event, i) => <li key={`${event.at} ${event.what} ${i}`} {...(event.attempt === undefined ? {} : { id: `event-${event.attempt}`, tabIndex: -1 })}><Moment at={event.at} /><span>{NODE_EVENTS[event.what]}{event.detail !== undefined && <>: {visible(event.detail)}</>}</span></li>)}</ul>
      <Group gap="sm" mt="xs">{events.length > SHOWN && <Button size="xs" variant="default" aria-expanded={all} onClick={() => setAll(!all)}>{all ? 'Show less' : `Show all ${events.length}`}</Button>}<Text size="sm" c="dimmed">Since this market was started.</Text></Group>
    </>
  )
}

function Test({ node, activity, isOwner }: { node: Node; activity: NodeActivity; isOwner: boolean }) {
  const { client } = useSession(), { no } = useMay(), queries = useQueryClient(), { busy, error, run } = useWork(), now = useNow(1_000)
  const { asked, said } = activity.test, isOpen = isTestOpen(activity), waitMs = asked ? asked.againAt - now : 0
  const ask = (): Promise<void> => run(async () => { await client.api.testNode({ params: { node: node.id } }); await queries.invalidateQueries({ queryKey: ['node', node.id, 'activity'] }) })
  const state = !isOpen ? null : !node.connected ? 'It is not connected: its agent hears of it at its next connection.' : said === null || said.number < (asked?.number ?? 0) ? 'Its agent has not confirmed it yet. If it stays so, the agent is older than this.' : said.state === 'waiting' ? 'It waits until nothing runs there and nobody uses the machine.' : 'It tests now.'
  return (
    <Stack gap="sm">
      <Text size="sm">The agent tries every wall that it offers against its canaries, its disk and its way to the market. It waits until nothing runs there, and takes no work meanwhile.</Text>
      <div role="status">
        {state !== null ? <Text size="sm">◷ Asked <Moment at={asked?.at ?? 0} />. {state}</Text> : said?.state === 'given_up' ? <Text size="sm">It was not tested: work ran there all the time. Drain the node first.</Text> : said?.state === 'done' && said.at !== undefined ? (
          <><Text size="sm" fw={600}>{said.lines.every((line) => line.ok) ? '✓ All well' : '✗ Something is wrong'}, <Moment at={said.at} />{said.ms !== undefined && ` (took ${duration(said.ms)})`}</Text><ul className="checks">{said.lines.map((line) => <li key={line.check}>{line.ok ? '✓' : '✗'} {visible(line.check)}: {visible(line.says)}</li>)}</ul></>) : <Text size="sm" c="dimmed">None was asked for yet.</Text>}
      </div>
      {error !== null && <Refusal error={error} />}
      {isOwner && node.state !== 'retired' && <><Group><Button variant="default" loading={busy} {...no('testNode', isOpen ? 'One is on its way' : waitMs > 0 ? 'At most once a minute' : undefined)} onClick={() => void ask()}>{waitMs > 0 && !isOpen ? `Again in ${duration(Math.ceil(waitMs / 1_000) * 1_000)}` : 'Run self-test'}</Button></Group><Command line={`npx lumaris node self-test ${node.name}`} /></>}
    </Stack>
  )
}

export function Removal({ node }: { node: Node }) {
  const { client } = useSession(), { no } = useMay(), queries = useQueryClient(), navigate = useNavigate(), { busy, error, run } = useWork(), [opened, setOpened] = useState(false), [typed, setTyped] = useState('')
  const works = node.running > 0
  const drain = (): Promise<void> => run(async () => { queries.setQueryData(['node', node.id], await client.api.drainNode({ params: { node: node.id } })) })
  const remove = (): Promise<void> => run(async () => {
    await client.api.removeNode({ params: { node: node.id } })
    void queries.invalidateQueries({ queryKey: ['nodes'] })
    await navigate({ to: '/nodes' })
  })
  return (
    <Panel title="Remove it" id="remove">
      <Text size="sm" mb="sm">Out of this market for good. Its agent is sent away; what it earned, and its history, stay.</Text>
      <Button color="red" variant="outline" {...no('removeNode')} onClick={() => { setTyped(''); setOpened(true) }}>Remove {visible(node.name)}…</Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title={`Remove ${visible(node.name)} for good?`}>
        <form onSubmit={(event) => { event.preventDefault(); void remove() }}><Stack>
          {works ? <Alert color="orange" title={`${plural(node.running, 'part')} run${node.running === 1 ? 's' : ''} there`}>
            <Text size="sm">It can be removed when nothing runs there. {node.state === 'draining' ? 'It is being drained: this changes by itself when the last of it has ended.' : 'Drain it: it gets no new work, what can be moved goes elsewhere, and the rest runs to its end and is paid.'}</Text>
            {node.state !== 'draining' && <Button size="xs" variant="default" mt="xs" loading={busy} onClick={() => void drain()}>Drain it now</Button>}
          </Alert> : <Text size="sm">This cannot be taken back: the machine would join again as a new node, with nothing shown yet. The agent there ends by itself.</Text>}
          <TextInput label={`Type its name: ${visible(node.name)}`} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" data-autofocus />
          {error !== null && <Refusal error={error} />}
          <Command line={`npx lumaris node remove ${node.name}`} />
          <Group justify="flex-end"><Button variant="default" onClick={() => setOpened(false)}>Leave it</Button><Button type="submit" color="red" loading={busy} disabled={works || typed !== node.name} title={works ? 'Work runs there' : typed === node.name ? undefined : 'Type its name first'}>Remove it for good</Button></Group>
        </Stack></form>
      </Modal>
    </Panel>
  )
}
