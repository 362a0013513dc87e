// What a stranger sees. Every figure on it is asked of the market as it is now.
import { useState } from 'react'
import type { ReactNode } from 'react'
import { Anchor, Group, NumberInput, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { MarketSummary } from '@lumaris/protocol'
import { marketQuery } from '../queries.ts'
import { startOf } from '../shell/Shell.tsx'
import { useSessionState } from '../session/use-session.ts'
import { cores, credits, creditsText, plural, size } from '../ui/format.ts'
import { Empty, Figure, Figures, Loaded, Panel } from '../ui/parts.tsx'
import { Paused } from './Paused.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'

export function Front() {
  const market = useQuery(marketQuery), state = useSessionState()
  return (
    <Stack gap="xl">
      <div className="hero">
        <div>
          <p className="eyebrow">A marketplace for computing time</p>
          <h1 tabIndex={-1}>Compute at a price that holds</h1>
          <p className="lead">Your programs run on other people’s machines, behind walls. You see the most it can cost before it starts, and can recheck the bill when it has ended.</p>
          <Group>
            {state.kind === 'in' ? <ButtonLink size="md" to={startOf(state.user)}>To my screens</ButtonLink>
              : <><ButtonLink size="md" to="/sign-up">Sign up</ButtonLink><ButtonLink size="md" variant="default" to="/sign-in">Sign in</ButtonLink></>}
          </Group>
        </div>
        <div className="sides">
          <Side title="You have work" go={state.kind === 'in' ? null : <TextLink to="/sign-up" search={{ next: '/submit' }}>Run a job</TextLink>}>
            <li>One price that binds, before anything runs</li><li>Output as it comes, then results</li><li>{market.data && market.data.prices.length > 0 ? <>A core for an hour from <strong>{creditsText(cheapest(market.data))}</strong></> : 'What was not used comes back by itself'}</li>
          </Side>
          <Side title="You have a machine" go={state.kind === 'in' ? null : <TextLink to="/sign-up" search={{ next: '/nodes/join' }}>Rent it out</TextLink>}>
            <li>One line adds it</li><li>Your hours, your limits; pause it at any moment</li><li>Paid for every metered second</li>
          </Side>
        </div>
      </div>
      <Paused what="newJobs" /><Paused what="signUps" />
      <section aria-labelledby="now"><Title order={2} size="h3" mb="sm" id="now">The market now</Title><Loaded query={market}>{(now) => <Now market={now} />}</Loaded></section>
      <section aria-labelledby="prices"><Title order={2} size="h3" mb="sm" id="prices">Prices</Title><Loaded query={market}>{(now) => <Prices market={now} />}</Loaded></section>
      {market.data && market.data.prices.length > 0 && <Calculator market={market.data} />}
      <section aria-labelledby="how">
        <Title order={2} size="h3" mb="sm" id="how">How it works</Title>
        <ol className="cards plain-list">
          <li className="panel"><Title order={3} size="h5">A price that binds</Title><Text size="sm">A quote names the most that a job can ever cost. Submitting holds that sum; what was not used comes back by itself.</Text></li>
          <li className="panel"><Title order={3} size="h5">Work behind walls</Title><Text size="sm">Programs run in a sandbox: no files of the machine, only as much of it as was bought, and no network unless the job names hosts and the owner lets it out. A node tries each of its limits before it may offer them.</Text></li>
          <li className="panel"><Title order={3} size="h5">Failures cost you nothing</Title><Text size="sm">When a machine goes silent its work starts again elsewhere. What a node or the market spoiled is never billed.</Text></li>
          <li className="panel"><Title order={3} size="h5">A receipt for every attempt</Title><Text size="sm">Meter readings in a chain, signed by the node and by the market. Your browser recomputes the bill from them.</Text></li>
        </ol>
      </section>
      <section aria-labelledby="walls"><Title order={2} size="h3" mb="sm" id="walls">How work is kept apart</Title><Walls market={market.data} /></section>
      <section aria-labelledby="trust">
        <Title order={2} size="h3" mb="sm" id="trust">Why a result can be believed</Title>
        <ol className="cards plain-list">
          <li className="panel"><Title order={3} size="h5">What a node has shown</Title><Text size="sm">Each is believed as far as its record goes: how much of its work it ends, and whether its results hold. A job can ask for 80 % or 95 %, and sees what it costs.</Text></li>
          <li className="panel"><Title order={3} size="h5">Asked more than once</Title><Text size="sm">Copies run on machines of other owners and are compared. Or name a bound, such as one wrong result of ten thousand: the market asks on until it holds.</Text></li>
          <li className="panel"><Title order={3} size="h5">Lying does not pay</Title><Text size="sm">A wrong result is unpaid, and costs its seller more of what it has earned than lying could gain. Sellers can appeal, and a person decides.</Text></li>
        </ol>
        <Text size="sm" c="dimmed" mt="sm">What it does not promise: secrecy from a seller. Whoever runs a machine can read the memory of what runs on it. And a result that nobody compared is one machine’s word.</Text>
      </section>
      <Text size="sm">The same market from a terminal: <code>npx lumaris --help</code>, or over <Anchor href="/openapi.json" underline="always">its interface</Anchor>. How it is today: <TextLink to="/status" size="sm">status of the market</TextLink>.</Text>
    </Stack>
  )
}

const Side = ({ title, children, go }: { title: string; children: ReactNode; go: ReactNode }) => <section className="panel"><Title order={2} size="h4">{title}</Title><ul className="ticks">{children}</ul>{go}</section>
const cheapest = ({ prices }: MarketSummary): bigint => prices.map((line) => BigInt(line.cpuHour.least)).reduce((a, b) => (b < a ? b : a))

function Now({ market }: { market: MarketSummary }) {
  return (
    <Figures>
      <Figure label="Nodes online" hint={`of ${market.nodes.joined} that have joined`}>{market.nodes.online}</Figure>
      <Figure label="Cores free" hint={`of ${cores(market.offered.cpuMillis)}`}>{cores(market.free.cpuMillis).replace(/ cores?$/, '')}</Figure>
      <Figure label="Memory free" hint={`of ${size(market.offered.memoryBytes)}`}>{size(market.free.memoryBytes)}</Figure>
      <Figure label="Jobs under way" hint={`${plural(market.attempts.live, 'part')} on nodes`}>{market.jobs.live}</Figure>
    </Figures>
  )
}

const WALLS = [
  ['language', 'A language runtime (Deno)', 'JavaScript, TypeScript and Python', 'The runtime itself gives the program nothing but its own folder.'],
  ['namespace', 'Namespaces (bubblewrap)', 'programs of the machine', 'A view of the machine with nothing in it, a user of its own, and a filter for what it may ask of the machine’s kernel.'],
  ['kernel', 'A kernel of its own (gVisor)', 'programs of the machine', 'Another kernel answers the program; the machine’s own does not hear it.'],
  ['vm', 'A virtual machine', 'programs of its own image', 'A machine of its own: kernel, files and disk.'],
] as const
/** Weakest first. How many nodes have each as their strongest is counted as of now. */
function Walls({ market }: { market: MarketSummary | undefined }) {
  const nodes = (level: string): number => (market?.prices ?? []).reduce((sum, line) => sum + (line.level === level ? line.nodes : 0), 0)
  return <>
    <ol className="cards plain-list">{WALLS.map(([level, name, runs, says]) => <li key={level} className="panel"><Title order={3} size="h5">{name}</Title><Text size="sm">{says} Runs {runs}.</Text>{market && <Text size="sm" c="dimmed" mt={4}>The strongest wall of {plural(nodes(level), 'node')} now</Text>}</li>)}</ol>
    <Text size="sm" c="dimmed" mt="sm">From weak to strong. A job names the least that it wants, and gets the weakest that is strong enough, because walls cost start time. On each machine they are attacked before they are offered: a limit that was not seen to hold is not sold.</Text>
  </>
}

const LEVEL_SAYS = { language: 'language runtime (Deno)', namespace: 'namespaces (bubblewrap)', kernel: 'own kernel interface (gVisor)', vm: 'virtual machine' } as const
export function Prices({ market }: { market: MarketSummary }) {
  if (market.prices.length === 0) return <Empty title="No node takes work just now">Prices appear as soon as one does.</Empty>
  const spread = (one: { least: string; median: string; most: string }): string => (one.least === one.most ? credits(one.median) : `${credits(one.least)} – ${credits(one.most)}`)
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Prices">
      <table className="table">
        <thead><tr><th>Strongest wall</th><th>Region</th><th className="right">Nodes</th><th className="right">Core, 1 hour</th><th className="right">GiB memory, 1 hour</th><th className="right">GPU, 1 hour</th></tr></thead>
        <tbody>{market.prices.map((line) => <tr key={line.level + line.region}><td>{LEVEL_SAYS[line.level]}</td><td>{line.region}</td><td className="right">{line.nodes}</td><td className="right number">{spread(line.cpuHour)}</td><td className="right number">{spread(line.memoryGibHour)}</td><td className="right number">{line.gpuHour ? spread(line.gpuHour) : '–'}</td></tr>)}</tbody>
      </table>
      <Text size="sm" c="dimmed" mt={4}>In credits, billed for the time a part runs. The market keeps {market.feeBasisPoints / 100} % of a bill.</Text>
    </div>
  )
}

function Calculator({ market }: { market: MarketSummary }) {
  const [count, setCount] = useState<number | string>(4), [hours, setHours] = useState<number | string>(8), [use, setUse] = useState<number | string>(50)
  const medians = market.prices.map((line) => BigInt(line.cpuHour.median)).toSorted((a, b) => (a < b ? -1 : 1))
  const median = medians[Math.floor((medians.length - 1) / 2)] ?? 0n
  const least = market.prices.reduce((found, { cpuHour }) => (BigInt(cpuHour.least) < found ? BigInt(cpuHour.least) : found), median), most = market.prices.reduce((found, { cpuHour }) => (BigInt(cpuHour.most) > found ? BigInt(cpuHour.most) : found), median)
  const isSet = [count, hours, use].every((value) => typeof value === 'number' && Number.isFinite(value) && value >= 0)
  const worth = (price: bigint): bigint => (price * BigInt(Math.round(Number(count) * 100)) * BigInt(Math.round(Number(hours) * 100)) * BigInt(Math.round(Number(use) * 100)) * BigInt(10_000 - market.feeBasisPoints)) / 1_000_000_000_000n
  return (
    <Panel title="What could my machine earn?" id="calculator">
      <Group align="flex-end">
        <NumberInput label="Cores offered" value={count} onChange={setCount} min={0} max={4096} w={140} hideControls />
        <NumberInput label="Hours a day" value={hours} onChange={setHours} min={0} max={24} w={140} hideControls />
        <NumberInput label="Of that in use, %" value={use} onChange={setUse} min={0} max={100} w={150} hideControls />
      </Group>
      <Text mt="sm" aria-live="polite">{isSet ? <>Estimate: <strong>{creditsText(worth(median))}</strong> a day{least < most && <>; {credits(worth(least))} to {creditsText(worth(most))} from the lowest price of today to the highest</>}</> : 'Fill in three numbers.'}</Text>
      <Text size="sm" c="dimmed">Assumes the median price of a core today ({creditsText(median)} an hour), the market’s share taken off, memory not counted, power not taken off. Nobody promises that a machine is in use.</Text>
    </Panel>
  )
}
