// What a stranger sees. Every figure on it is asked of the market as it is now.
import { useState } from 'react'
import { Anchor, Group, NumberInput, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { MarketSummary } from '@lumaris/protocol'
import { marketQuery } from '../queries.ts'
import { startOf } from '../shell/Shell.tsx'
import { useSessionState } from '../session/use-session.ts'
import { cores, credits, creditsText, size } from '../ui/format.ts'
import { Empty, Figure, Figures, Loaded, Panel } from '../ui/parts.tsx'
import { Paused } from './Paused.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'

export function Front() {
  const market = useQuery(marketQuery), state = useSessionState()
  return (
    <Stack gap="xl">
      <div className="hero">
        <h1 tabIndex={-1}>Compute at a price that holds</h1>
        <p className="lead">Hand over work and get one capped price, live progress, results, and a bill that you can recheck yourself. Or offer a machine, stay in control of it, and be paid for every metered second.</p>
        <Group>
          {state.kind === 'in' ? <ButtonLink size="md" to={startOf(state.user)}>To my screens</ButtonLink>
            : <><ButtonLink size="md" to="/sign-up">Sign up</ButtonLink><ButtonLink size="md" variant="default" to="/sign-in">Sign in</ButtonLink></>}
        </Group>
      </div>
      <Paused what="newJobs" /><Paused what="signUps" />
      <section aria-labelledby="now"><Title order={2} size="h3" mb="sm" id="now">The market now</Title><Loaded query={market}>{(now) => <Now market={now} />}</Loaded></section>
      <section aria-labelledby="prices"><Title order={2} size="h3" mb="sm" id="prices">Prices</Title><Loaded query={market}>{(now) => <Prices market={now} />}</Loaded></section>
      {market.data && market.data.prices.length > 0 && <Calculator market={market.data} />}
      <section aria-labelledby="how">
        <Title order={2} size="h3" mb="sm" id="how">How it works</Title>
        <ol className="steps">
          <li className="panel"><Title order={3} size="h5">A price that binds</Title><Text size="sm">A quote names the most that a job can ever cost. Submitting holds that sum; what was not used comes back by itself.</Text></li>
          <li className="panel"><Title order={3} size="h5">Work behind walls</Title><Text size="sm">Programs run in a sandbox: no network, no files of the machine, and only as much of it as was bought. A node tries each of its limits before it may offer them.</Text></li>
          <li className="panel"><Title order={3} size="h5">Failures cost you nothing</Title><Text size="sm">When a machine goes silent its work starts again elsewhere. What a node or the market spoiled is never billed.</Text></li>
          <li className="panel"><Title order={3} size="h5">A receipt for every attempt</Title><Text size="sm">Meter readings in a chain, signed by the node and by the market. Your browser recomputes the bill from them.</Text></li>
        </ol>
        <Text size="sm" c="dimmed" mt="sm">What it does not promise: secrecy from a seller. Whoever runs a machine can read the memory of what runs on it.</Text>
      </section>
      <Text size="sm">The same market from a terminal: <code>npx lumaris --help</code>, or over <Anchor href="/openapi.json" underline="always">its interface</Anchor>. How it is today: <TextLink to="/status" size="sm">status of the market</TextLink>.</Text>
    </Stack>
  )
}

function Now({ market }: { market: MarketSummary }) {
  return (
    <Figures>
      <Figure label="Nodes online" hint={`of ${market.nodes.joined} that have joined`}>{market.nodes.online}</Figure>
      <Figure label="Cores free" hint={`of ${cores(market.offered.cpuMillis)}`}>{cores(market.free.cpuMillis).replace(/ cores?$/, '')}</Figure>
      <Figure label="Memory free" hint={`of ${size(market.offered.memoryBytes)}`}>{size(market.free.memoryBytes)}</Figure>
      <Figure label="Jobs under way" hint={`${market.attempts.live} parts on nodes`}>{market.jobs.live}</Figure>
    </Figures>
  )
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
  const worth = [count, hours, use].every((value) => typeof value === 'number' && Number.isFinite(value) && value >= 0) ? (median * BigInt(Math.round(Number(count) * 100)) * BigInt(Math.round(Number(hours) * 100)) * BigInt(Math.round(Number(use) * 100)) * BigInt(10_000 - market.feeBasisPoints)) / 1_000_000_000_000n : null
  return (
    <Panel title="What could my machine earn?" id="calculator">
      <Group align="flex-end">
        <NumberInput label="Cores offered" value={count} onChange={setCount} min={0} max={4096} w={140} hideControls />
        <NumberInput label="Hours a day" value={hours} onChange={setHours} min={0} max={24} w={140} hideControls />
        <NumberInput label="Of that in use, %" value={use} onChange={setUse} min={0} max={100} w={150} hideControls />
      </Group>
      <Text mt="sm" aria-live="polite">{worth === null ? 'Fill in three numbers.' : <>Estimate: <strong>{creditsText(worth)}</strong> a day</>}</Text>
      <Text size="sm" c="dimmed">Assumes the median price of a core today ({creditsText(median)} an hour), the market’s share taken off, memory not counted, power not taken off. Nobody promises that a machine is in use.</Text>
    </Panel>
  )
}
