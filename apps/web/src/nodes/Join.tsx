// A machine becomes a node: one line to run there, and this page sees it arrive.
import { useEffect, useState } from 'react'
import { Alert, Anchor, Button, Group, Stack, Tabs, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { parseCredits } from '@lumaris/protocol'
import type { Enrolment, Node } from '@lumaris/protocol'
import { marketQuery, nodesQuery, readingsQuery } from '../queries.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { credits, creditsText, duration, size, visible } from '../ui/format.ts'
import { Command, Page, Panel, Refusal, useNow } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { joinWords } from '../submit/words.ts'
import { capacityLine } from './Nodes.tsx'
import './nodes.css'
import { ButtonLink } from '../shell/links.tsx'

/** Silence of this length deserves help. */
const HELP_MS = 60_000
/** Asked often while somebody watches for it. */
const LOOK_MS = 1_000

export function Join() {
  const client = useClient(), { no } = useMay()
  const market = useQuery(marketQuery)
  const [name, setName] = useState('my-node'), [price, setPrice] = useState(''), { busy, error, run, submit } = useWork()
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
              <Group><Button type="submit" loading={busy} {...no('createEnrolment')}>{made ? 'Make another line' : 'Make the line'}</Button></Group>
            </Stack></form>
          </Panel>
          {made && <Line key={made.enrolment.id} made={made} busy={busy} renew={() => void run(make)} />}
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

type System = 'linux' | 'macos' | 'windows'
const SYSTEMS: Readonly<Record<System, string>> = { linux: 'Linux', macos: 'macOS', windows: 'Windows' }
/** What to do before the line, where it does not run as it is; and which walls there are. Said of what was tried, and of nothing else. */
const FIRST: Readonly<Record<System, { says: string; lines: readonly string[]; walls: string }>> = {
  linux: { says: 'In a checkout of Lumaris, with Node 20 or newer, git and npm. It installs what is missing, and runs until you stop it.', lines: [], walls: 'Deno needs nothing else. With bubblewrap installed it takes any program too; as root also gVisor; with Docker or Podman, containers; with /dev/kvm on x86-64, virtual machines. It offers what it has seen hold.' },
  macos: { says: 'The agent is made for Linux, and offers nothing on macOS itself. Run it in a Linux machine on your Mac, such as Lima makes:', lines: ['brew install lima', 'limactl start --name=lumaris template://debian-12', 'limactl shell lumaris'], walls: 'In that machine it is as on Linux: Deno, and bubblewrap once it is installed there. It sees the cores and memory that you give the machine, and nothing of the Mac: not whether you use it, nor its battery. This way was not tried by us.' },
  windows: { says: 'The agent is made for Linux, and offers nothing on Windows itself. Run it in WSL 2. In a PowerShell of an administrator, then after a restart in the window of Debian:', lines: ['wsl --install -d Debian', 'sudo apt update && sudo apt install -y git npm bubblewrap'], walls: 'In WSL 2 it is as on Linux: Deno and bubblewrap; virtual machines only where WSL has /dev/kvm. It sees nothing of Windows: not whether you use the machine, nor its battery. This way was not tried by us.' },
}

function Line({ made, renew, busy }: { made: { enrolment: Enrolment; known: readonly string[]; at: number; price: string }; renew: () => void; busy: boolean }) {
  const [system, setSystem] = useState<System>('linux'), { says, lines, walls } = FIRST[system]
  const client = useClient()
  const nodes = useQuery({ ...nodesQuery(client), refetchInterval: LOOK_MS })
  const now = useNow(1_000)
  const { enrolment } = made
  const arrived: Node | undefined = nodes.data?.find((node) => !made.known.includes(node.id) && node.enrolledAt >= made.at - 60_000)
  const name = enrolment.name ?? 'my-node'
  const line = `LUMARIS_TOKEN=${enrolment.token} node tools/run.mjs apps/agent/src/main.ts ${joinWords(['--server', location.origin, '--name', name])} --data ~/.lumaris/${name} --cpu-hour ${made.price}`
  const readings = useQuery({ ...readingsQuery(client, arrived?.id ?? '', 'hour'), enabled: arrived !== undefined, refetchInterval: (query) => (query.state.data?.machine ? false : LOOK_MS) }), rate = arrived && readings.data?.machine?.hashBytesS
  const isOnline = arrived !== undefined && arrived.state !== 'pending', isListed = isOnline && arrived.drivers.length > 0 && arrived.state === 'online'
  useEffect(() => { if (isListed) document.querySelector<HTMLElement>('#arrived')?.focus() }, [isListed])
  const left = enrolment.expiresAt - now
  return (
    <>
      <Panel title="2. Run this on the machine" id="line">
        <Tabs value={system} onChange={(value) => setSystem((value ?? 'linux') as System)} mb="sm">
          <Tabs.List aria-label="Its system" className="tabs">{(Object.entries(SYSTEMS) as [System, string][]).map(([key, title]) => <Tabs.Tab key={key} value={key}>{title}</Tabs.Tab>)}</Tabs.List>
          {(Object.keys(SYSTEMS) as System[]).map((key) => <Tabs.Panel key={key} value={key} pt="sm">{key === system && <Stack gap="xs"><Text size="sm">{says}</Text>{lines.map((one) => <Command key={one} line={one} />)}{lines.length > 0 && <Text size="sm">Then there, in a checkout of Lumaris:</Text>}</Stack>}</Tabs.Panel>)}
        </Tabs>
        <Command line={line} />
        <Text size="sm" mt="xs">{walls}</Text>
        <Group gap="sm" mt="xs" align="center"><Text size="sm" flex={1} {...(left > 0 || arrived ? { c: 'dimmed' } : { fw: 600 })}>{arrived ? 'The token is used up.' : left > 0 ? `The token in it works once, for ${duration(Math.max(1_000, Math.round(left / 1_000) * 1_000))} more. It reaches the agent by its environment, where others on the machine do not see it.` : 'The token in it has expired.'}</Text>{!arrived && <Button size="xs" variant={left > 0 ? 'default' : 'filled'} loading={busy} onClick={renew}>New line</Button>}</Group>
      </Panel>
      <section className={isListed ? 'panel green-panel' : 'panel'} aria-labelledby="arrival">
        <Text fw={600} id="arrival" mb="xs">3. {isListed ? 'It is there' : 'Waiting for it'}</Text>
        <div role="status"><ul className="checks">
          <li className={arrived ? 'reached' : undefined}>{arrived ? '✓' : '◷'} {arrived ? `${visible(arrived.name)} has enrolled` : 'It has not called yet'}</li>
          <li className={isOnline ? 'reached' : undefined}>{isOnline ? '✓' : '○'} Connected</li>
          <li className={rate === undefined ? undefined : 'reached'}>{rate === undefined ? '○' : '✓'} Benchmarked{rate !== undefined && `: ${size(rate)}/s of SHA-256 on one core`}</li>
          <li className={isListed ? 'reached' : undefined}>{isListed ? '✓' : '○'} Listed{isListed && arrived ? `: ${capacityLine(arrived)}; ${arrived.drivers.map((driver) => `${driver.id} (${driver.level})`).join(', ')}` : ''}</li>
        </ul></div>
        {arrived && isOnline && arrived.drivers.length === 0 && <Alert color="orange" mt="xs" title="No sandbox holds on this machine">The agent found none that it could prove. On Linux, install bubblewrap, then start it again.</Alert>}
        {isListed && arrived && <ButtonLink id="arrived" mt="sm" to="/nodes/$node" params={{ node: arrived.id }}>Open {visible(arrived.name)}</ButtonLink>}
        {!arrived && now - made.at > HELP_MS && <Alert color="orange" mt="xs" title="Nothing yet after a minute"><ul className="details"><li>Does the machine reach <Anchor href={location.origin} underline="always">{location.origin}</Anchor>?</li><li>What does the last line of the agent say? It names what is wrong.</li><li>Is its clock right? A token of 15 minutes does not survive a clock that is far off.</li></ul></Alert>}
      </section>
    </>
  )
}
