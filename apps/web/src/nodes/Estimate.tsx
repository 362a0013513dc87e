// What the node could bring in, net of power: from its own prices and from the median of nodes like it, under assumptions that stand there and can be changed.
import { useState } from 'react'
import { Group, NumberInput, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { GIB } from '@lumaris/protocol'
import type { Node } from '@lumaris/protocol'
import { marketQuery } from '../queries.ts'
import { cores, credits, creditsText, plural, size } from '../ui/format.ts'
import { Facts, Panel } from '../ui/parts.tsx'
import { netADay } from './net-a-day.ts'

/** Nobody measures it here: a common desktop core at work. */
const WATTS_PER_CORE = 10
export function Estimate({ node }: { node: Node }) {
  const market = useQuery(marketQuery)
  const [hours, setHours] = useState<number | string>(24), [use, setUse] = useState<number | string>(50), [watts, setWatts] = useState<number | string>(() => Math.round((node.capacity.cpuMillis / 1000) * WATTS_PER_CORE)), [kwh, setKwh] = useState<number | string>(0.3)
  const like = market.data?.prices.find((line) => line.region === node.region && node.drivers.some((driver) => driver.level === line.level))
  const numbers = [hours, use, watts, kwh].map(Number), filled = [hours, use, watts, kwh].every((value) => typeof value === 'number' && Number.isFinite(value) && value >= 0)
  if (!market.data) return null
  const [h, u, w, k] = numbers as [number, number, number, number]
  const at = (cpuHour: string, memoryGibHour: string) => netADay({ cpuHour: BigInt(cpuHour), memoryGibHour: BigInt(memoryGibHour), cpuMillis: node.capacity.cpuMillis, memoryMib: Math.floor(node.capacity.memoryBytes / (GIB / 1024)), hours: h, usePercent: u, watts: w, creditsPerKwh: k, feeBasisPoints: market.data.feeBasisPoints })
  const mine = filled ? at(node.prices.cpuHour, node.prices.memoryGibHour) : null, median = filled && like ? at(like.cpuHour.median, like.memoryGibHour.median) : null
  return (
    <Panel title="Estimate for a day" id="estimate">
      <Group align="flex-end" gap="sm">
        <NumberInput label="Hours a day" value={hours} onChange={setHours} min={0} max={24} w={110} hideControls /><NumberInput label="In use, %" value={use} onChange={setUse} min={0} max={100} w={110} hideControls />
        <NumberInput label="Watts at work" value={watts} onChange={setWatts} min={0} max={100_000} w={120} hideControls /><NumberInput label="Credits a kWh" value={kwh} onChange={setKwh} min={0} max={1_000} decimalScale={6} w={120} hideControls />
      </Group>
      <div aria-live="polite" className="use">{mine === null ? <Text size="sm">Fill in four numbers.</Text> : (
        <Facts of={[['At your prices', <><strong>{credits(mine.net)}</strong> credits: {credits(mine.earned)} earned less {credits(mine.power)} for power</>], ['At the median', median && <>{creditsText(median.net)}{like && ` (${plural(like.nodes, 'node')} like it)`}</>]]} />)}</div>
      <Text size="sm" c="dimmed" mt="xs">Assumes that so much of {cores(node.capacity.cpuMillis)} and {size(node.capacity.memoryBytes)} is sold together, that the machine draws those watts while in use and nothing more than usual otherwise, and the market’s {market.data.feeBasisPoints / 100} % taken off. The watts are {WATTS_PER_CORE} a core until you fill in yours. Nobody promises that a machine is in use.</Text>
    </Panel>
  )
}
