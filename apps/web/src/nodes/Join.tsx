// A machine becomes a node: one line to run there, and this page sees it arrive.
import { useEffect, useState } from 'react'
import { Alert, Anchor, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { parseCredits } from '@lumaris/protocol'
import type { Enrolment, Node } from '@lumaris/protocol'
import { marketQuery, nodesQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { credits, creditsText, duration, visible } from '../ui/format.ts'
import { Command, Page, Panel, Refusal, useNow } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { joinWords } from '../submit/words.ts'
import { capacityLine } from './Nodes.tsx'
import { ButtonLink } from '../shell/links.tsx'

/** Silence of this length deserves help. */
const HELP_MS = 60_000
/** Asked often while somebody watches for it. */
const LOOK_MS = 1_000

export function Join() {
  const client = useClient()
  const market = useQuery(marketQuery)
  const [name, setName] = useState('my-node'), [price, setPrice] = useState(''), { busy, error, submit } = useWork()
  const [made, setMade] = useState<{ enrolment: Enrolment; known: readonly string[]; at: number; price: string } | null>(null)
  const median = market.data?.prices[0]?.cpuHour.median
  const asked = price.trim() === '' ? (median === undefined ? '0.2' : credits(median)) : price.trim()
  const make = async (): Promise<void> => {
    if (parseCredits(asked) === null) return
    const known: string[] = []
    for await (const node of client.nodes()) known.push(node.id)
    setMade({ enrolment: await client.api.createEnrolment({ body: { name } }), known, at: Date.now(), price: asked })
  }
  const fields = errorsBy(error)
  return (
    <Page title="Add a node" intro="One line on the machine that you want to offer. This page sees it arrive.">
      <div className="two">
        <Stack>
          <Panel title="1. Its name and price" id="name">
            <form onSubmit={(event) => submit(event, make)} noValidate><Stack>
              <TextInput label="Name of the node" description="Lower-case letters, digits and dashes" value={name} onChange={(event) => setName(event.currentTarget.value)} error={fields.get('/name')} />
              <TextInput label="Credits for a core hour" inputMode="decimal" placeholder={asked} description={median === undefined ? 'You can change it at any time' : `The median on this market is ${creditsText(median)}. You can change yours at any time`} value={price} onChange={(event) => setPrice(event.currentTarget.value)} error={parseCredits(asked) === null ? 'An amount such as 0.2' : undefined} />
              {error !== null && fields.size === 0 && <Refusal error={error} />}
              <Group><Button type="submit" loading={busy}>{made ? 'Make another line' : 'Make the line'}</Button></Group>
            </Stack></form>
          </Panel>
          {made && <Line key={made.enrolment.id} made={made} />}
        </Stack>
        <Panel title="What it does, and what it cannot" id="does">
          <ul className="details">
            <li>The agent connects outwards to this market. It opens no port.</li>
            <li>It makes a key of its own, tries what this machine can isolate, and offers only walls that it has seen hold.</li>
            <li>Work has no network and sees none of your files. It gets the cores, memory and disk that were bought, and no more.</li>
            <li>You can pause it here at any time, or stop it there with Ctrl-C.</li>
            <li>It does not touch settings of the machine. Its key, journal and work lie in one directory, which you can delete.</li>
          </ul>
        </Panel>
      </div>
    </Page>
  )
}

function Line({ made }: { made: { enrolment: Enrolment; known: readonly string[]; at: number; price: string } }) {
  const client = useClient()
  const nodes = useQuery({ ...nodesQuery(client), refetchInterval: LOOK_MS })
  const now = useNow(1_000)
  const { enrolment } = made
  const arrived: Node | undefined = nodes.data?.find((node) => !made.known.includes(node.id) && node.enrolledAt >= made.at - 60_000)
  const name = enrolment.name ?? 'my-node'
  const line = `LUMARIS_TOKEN=${enrolment.token} node tools/run.mjs apps/agent/src/main.ts ${joinWords(['--server', location.origin, '--name', name])} --data ~/.lumaris/${name} --cpu-hour ${made.price}`
  const isOnline = arrived !== undefined && arrived.state !== 'pending', isListed = isOnline && arrived.drivers.length > 0 && arrived.state === 'online'
  useEffect(() => { if (isListed) document.querySelector<HTMLElement>('#arrived')?.focus() }, [isListed])
  const left = enrolment.expiresAt - now
  return (
    <>
      <Panel title="2. Run this on the machine" id="line">
        <Text size="sm" mb="xs">In a checkout of Lumaris, with Node 20 or newer. It installs what is missing, and runs until you stop it.</Text>
        <Command line={line} />
        <Text size="sm" c="dimmed" mt="xs">{arrived ? 'The token is used up.' : left > 0 ? `The token in it works once, for ${duration(Math.max(1_000, Math.round(left / 1_000) * 1_000))} more. It reaches the agent by its environment, where others on the machine do not see it.` : 'The token in it has expired: make another line.'}</Text>
      </Panel>
      <section className={isListed ? 'panel green-panel' : 'panel'} aria-labelledby="arrival">
        <Text fw={600} id="arrival" mb="xs">3. {isListed ? 'It is there' : 'Waiting for it'}</Text>
        <div role="status"><ul className="checks">
          <li>{arrived ? '✓' : '◷'} {arrived ? `${visible(arrived.name)} has enrolled` : 'It has not called yet'}</li>
          <li>{isOnline ? '✓' : '○'} Connected</li>
          <li>{isListed ? '✓' : '○'} Listed{isListed && arrived ? `: ${capacityLine(arrived)}; ${arrived.drivers.map((driver) => `${driver.id} (${driver.level})`).join(', ')}` : ''}</li>
        </ul></div>
        {arrived && isOnline && arrived.drivers.length === 0 && <Alert color="orange" mt="xs" title="No sandbox holds on this machine">The agent found none that it could prove. On Linux, install bubblewrap, then start it again.</Alert>}
        {isListed && arrived && <ButtonLink id="arrived" mt="sm" to="/nodes/$node" params={{ node: arrived.id }}>Open {visible(arrived.name)}</ButtonLink>}
        {!arrived && now - made.at > HELP_MS && <Alert color="orange" mt="xs" title="Nothing yet after a minute"><ul className="details"><li>Does the machine reach <Anchor href={location.origin} underline="always">{location.origin}</Anchor>?</li><li>What does the last line of the agent say? It names what is wrong.</li><li>Is its clock right? A token of 15 minutes does not survive a clock that is far off.</li></ul></Alert>}
      </section>
    </>
  )
}
