// When nothing fits, or nothing has room: a wish to be told. Nothing is held and nothing promised by it.
import { useState } from 'react'
import { Badge, Button, Group, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { JobSpecInput, Standing } from '@lumaris/protocol'
import { standingQuery } from '../queries.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { cores, plural, size, visible } from '../ui/format.ts'
import { Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

export function TellMe({ spec }: { spec: JobSpecInput }) {
  const client = useClient(), queries = useQueryClient()
  const [asked, setAsked] = useState(false), { busy, error, run } = useWork()
  const ask = (): Promise<void> => run(async () => { await client.api.createStanding({ body: { spec } }); setAsked(true); void queries.invalidateQueries({ queryKey: ['standing'] }) })
  return (
    <>
      <Button mt="xs" size="xs" variant="default" loading={busy} disabled={asked} onClick={() => void ask()}>{asked ? 'It will stand on your home screen' : 'Tell me when a node has room for it'}</Button>
      {error !== null && <Refusal error={error} />}
    </>
  )
}

const STATE: Readonly<Record<Standing['state'], readonly [word: string, colour: string]>> = { open: ['Waiting', 'gray'], met: ['There is room', 'green'], expired: ['Expired', 'orange'], dropped: ['Taken back', 'gray'] }
/** On the home screen: what was asked for, and what came of it. */
export function Told() {
  const client = useClient(), queries = useQueryClient()
  const wishes = useQuery(standingQuery(client))
  const { error, run } = useWork(), { no } = useMay()
  const shown = (wishes.data ?? []).filter((one) => one.state === 'open' || one.state === 'met')
  if (shown.length === 0) return null
  const drop = (standing: string): Promise<void> => run(async () => { try { await client.api.dropStanding({ params: { standing } }) } finally { void queries.invalidateQueries({ queryKey: ['standing'] }) } })
  return (
    <Panel title="You asked to be told" id="told">
      {error !== null && <Refusal error={error} />}
      <ul className="plain-list" role="list">{shown.map((one) => {
        const [word, colour] = STATE[one.state]
        return (
          <li key={one.id} data-row><Group gap="sm" py={6}>
            <Badge color={colour}>{word}</Badge><Text size="sm" flex={1} miw={160}>{visible(one.spec.name ?? one.spec.command.join(' '))}: {cores(one.spec.resources.cpuMillis)}, {size(one.spec.resources.memoryBytes)}{one.found !== undefined ? `; ${plural(one.found, 'node')} had room` : ''} {one.metAt !== undefined && <Moment at={one.metAt} />}</Text>
            {one.state === 'open' && <Button size="compact-sm" variant="default" {...no('dropStanding')} onClick={() => void drop(one.id)}>Take it back<span className="for-readers">: {visible(one.spec.name ?? one.spec.command.join(' '))}</span></Button>}
          </Group></li>)
      })}</ul>
      <Text size="sm" c="dimmed">Nothing is held for it: whoever submits first has the room.</Text>
    </Panel>
  )
}
