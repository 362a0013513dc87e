// What is believed of a node, how that went, what lowered it, how it recovers; and its seller's word against one of those endings.
import { Suspense, useState } from 'react'
import { Button, Group, Modal, Stack, Switch, Text, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Node, NodeFault, NodeReputation } from '@lumaris/protocol'
import { nodeActivityQuery, reputationQuery } from '../queries.ts'
import { useClient, useMay, useSession } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { duration, percent, plural, visible } from '../ui/format.ts'
import { Command, CopyId, Facts, Loaded, Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'
import { part } from '../ui/part.ts'

/** It brings what draws plots. */
const Plot = part(async () => (await import('../ui/Plot.tsx')).Plot)
const NAMES = { completion: 'Ends its work', correctness: 'Results hold', timeliness: 'In time' } as const
const ASPECTS = ['completion', 'correctness', 'timeliness'] as const
const APPEAL = { open: 'You have appealed: nobody has decided yet', accepted: 'Your appeal was accepted: it counts no more', refused: 'Your appeal was refused' } as const

export function Reputation({ node }: { node: Node }) {
  const client = useClient(), found = useQuery(reputationQuery(client, node.id))
  return <Panel title="Reputation" id="reputation"><Loaded query={found} lines={6}>{(known) => <Shown node={node} found={known} />}</Loaded></Panel>
}

function Shown({ node, found }: { node: Node; found: NodeReputation }) {
  const { user, client } = useSession(), { no } = useMay(), events = useQuery(nodeActivityQuery(client, node.id)).data?.events, [against, setAgainst] = useState<NodeFault | null>(null), isOwner = user.id === node.owner
  const line = (belief: { mean: number; lower: number; evidence: number }): string => (belief.evidence === 0 ? `${percent(belief.mean)} expected; nothing shown yet` : `${percent(belief.mean)} expected, at least ${percent(belief.lower)} (from ${plural(Math.round(belief.evidence), 'ending')})`)
  return (
    <Stack gap="sm">
      <Facts of={[...ASPECTS.map((aspect) => [NAMES[aspect], line(found.reputation[aspect])] as const), ['There', found.up === undefined ? undefined : `${percent(found.up)} of the last day, or since it came`], ['Time it takes', found.speed && `${found.speed.factor.toFixed(2)} × what its buyers said (${plural(found.speed.runs, 'run')})`], ['Ended well', plural(node.succeeded, 'attempt')], ['Its fault', plural(node.failed, 'attempt')]]} />
      {found.trend.length > 0 && <Trend of={found.trend} />}
      {found.recovery.length > 0 && <div><Text size="sm" fw={600}>How it is believed more</Text><ul className="details">{found.recovery.map((one) => <li key={`${one.goal} ${one.aspect}`}>{visible(one.says)}</li>)}</ul></div>}
      {found.faults.length > 0 && <div><Text size="sm" fw={600}>What lowered it</Text><ul className="details">{found.faults.map((one) => (
        <li key={one.attempt}>
          <Moment at={one.at} />: {visible(one.says)}. {visible(one.whatToDo)} Attempt <code>…{one.attempt.slice(-8)}</code><CopyId id={one.attempt} what="attempt" /> still counts {percent(one.weight)}. {events?.some((event) => event.attempt === one.attempt) && <TextLink to="/nodes/$node" params={{ node: node.id }} search={(before) => ({ ...before, tab: 'events' as const })} hash={`event-${one.attempt}`} size="sm">In what happened</TextLink>}
          {one.appeal ? <Text size="sm" c="dimmed">{APPEAL[one.appeal.state]}{one.appeal.reason === undefined ? '' : `: ${visible(one.appeal.reason)}`}.</Text> : isOwner && <div><Button size="compact-sm" variant="default" {...no('appealFault')} onClick={() => setAgainst(one)}>Appeal…</Button></div>}
        </li>))}</ul></div>}
      {node.outlook && node.outlook.length > 0 && <Text size="sm">Believed to be there still: {node.outlook.map((one) => `after ${duration(one.afterMs)} ${percent(one.stays)}`).join(', ')}.</Text>}
      <Text size="sm" c="dimmed">“At least” is what has been shown, with 95 % confidence; it decides placement. It grows with every attempt that ends well, and falls when the node goes silent or fails; old ends count for less with time. A pause, or work that is handed back in time, costs nothing.</Text>
      <Command line={`npx lumaris node reputation ${node.id}`} />
      <Appeal node={node} fault={against} close={() => setAgainst(null)} />
    </Stack>
  )
}

function Trend({ of }: { of: NodeReputation['trend'] }) {
  const [table, setTable] = useState(false), at = of.map(({ day }) => Date.parse(day)), last = of.at(-1), first = of[0]
  if (!last || !first) return null
  const says = `${of.length === 1 ? `On ${last.day}` : `From ${first.day} to ${last.day}`}: ends its work, at least ${percent(first.completion)} at first and ${percent(last.completion)} at last; results hold ${percent(last.correctness)}; in time ${percent(last.timeliness)}`
  const colours = { completion: '--plot-one', correctness: '--plot-two', timeliness: '--mantine-color-dimmed' } as const
  return (
    <div>
      <Group justify="flex-end"><Switch size="xs" label="Trend as a table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} /></Group>
      {table ? (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Trend"><table className="table data">
          <thead><tr><th>Day (UTC)</th>{ASPECTS.map((aspect) => <th key={aspect} className="right">{NAMES[aspect]}</th>)}</tr></thead>
          <tbody>{of.toReversed().map((one) => <tr key={one.day}><td className="number">{one.day}</td>{ASPECTS.map((aspect) => <td key={aspect} className="right number">{percent(one[aspect])}</td>)}</tr>)}</tbody>
        </table></div>
      ) : <Suspense fallback={<div className="waiting" aria-busy="true" />}><Plot title="At least, by day" says={says} at={at} from={Math.min(at[0] ?? 0, (at.at(-1) ?? 0) - 6 * 86_400_000)} until={(at.at(-1) ?? 0) + 86_400_000} most={100} least={1} write={(value) => `${Math.round(value)} %`} lines={ASPECTS.map((aspect) => ({ label: NAMES[aspect], colour: colours[aspect], values: of.map((one) => one[aspect] * 100) }))} /></Suspense>}
    </div>
  )
}

function Appeal({ node, fault, close }: { node: Node; fault: NodeFault | null; close: () => void }) {
  const client = useClient(), queries = useQueryClient(), [text, setText] = useState(''), { busy, error, submit } = useWork(), own = errorsBy(error).get('/text')
  const send = async (): Promise<void> => {
    if (!fault) return
    await client.api.appealFault({ params: { attempt: fault.attempt }, body: { text: text.trim() } })
    setText('')
    void queries.invalidateQueries({ queryKey: ['node', node.id, 'reputation'] })
    close()
  }
  return (
    <Modal opened={fault !== null} onClose={close} title="Appeal against this ending">{fault && (
      <form onSubmit={(event) => submit(event, send)} noValidate><Stack>
        <Text size="sm"><Moment at={fault.at} />: {visible(fault.says)}. Say why it should not count: an operator reads it and decides, and tells you why. There is one appeal for each ending. Money that was forfeited is another matter: two operators decide on that.</Text>
        <Textarea label="Why it should not count" autosize minRows={3} maxRows={8} data-autofocus value={text} onChange={(event) => setText(event.currentTarget.value)} error={own} />
        {error !== null && own === undefined && <Refusal error={error} />}
        <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={text.trim().length < 3} title={text.trim().length < 3 ? 'Say why' : undefined}>Appeal</Button></Group>
      </Stack></form>)}
    </Modal>
  )
}
