// What an attempt used over its time, from the sealed ticks of its receipt: the same readings that its bill follows from.
import { useState } from 'react'
import { Button, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Attempt } from '@lumaris/protocol'
import { readingsOf } from './readings.ts'
import type { Reading } from './readings.ts'
import { receiptQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { duration, percent, size } from '../ui/format.ts'

const WIDTH = 600, HEIGHT = 110
export function Use({ attempt }: { attempt: Attempt }) {
  const client = useClient()
  const receipt = useQuery(receiptQuery(client, attempt.id, attempt.endedAt === undefined))
  const [table, setTable] = useState(false)
  const readings = receipt.data ? readingsOf(receipt.data.ticks) : []
  if (readings.length < 2 || !receipt.data) return null
  const limit = receipt.data.terms.resources.cpuMillis / 1000, most = Math.max(limit, ...readings.map((one) => one.cpu)), until = readings.at(-1)?.atMs ?? 1
  const last = readings.at(-1) as Reading, peak = Math.max(...readings.map((one) => one.cpu))
  const x = (ms: number): number => (ms / until) * WIDTH, y = (cpu: number): number => HEIGHT - 4 - (cpu / most) * (HEIGHT - 12)
  // A reading holds for the time since the one before it: steps, not slopes.
  const line = readings.map((one, i) => `${i === 0 ? `M0 ${y(one.cpu)}` : `V${y(one.cpu)}`}H${x(one.atMs)}`).join('')
  const says = `CPU ${percent(last.cpu)} of a core at the end, ${percent(peak)} at most, of ${percent(limit)} bought; memory ${size(last.memoryPeakBytes)} at most.`
  return (
    <div className="use">
      <Group justify="space-between" gap="xs"><Text size="sm" fw={600}>CPU over {duration(until)}, as metered</Text><Button size="compact-xs" variant="default" aria-pressed={table} onClick={() => setTable(!table)}>{table ? 'Show as a chart' : 'Show as a table'}</Button></Group>
      {table ? (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Readings"><table className="table data"><thead><tr><th>After</th><th className="right">CPU</th><th className="right">Memory, most so far</th></tr></thead><tbody>{readings.map((one) => <tr key={one.atMs}><td>{duration(one.atMs)}</td><td className="right number">{percent(one.cpu)}</td><td className="right number">{size(one.memoryPeakBytes)}</td></tr>)}</tbody></table></div>
      ) : (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" className="chart" role="img" aria-label={says}>
          <line x1="0" x2={WIDTH} y1={y(limit)} y2={y(limit)} className="limit" /><path d={`${line}V${HEIGHT - 4}H0Z`} className="area" /><path d={line} className="line" />
        </svg>)}
      <Text size="sm" c="dimmed">{says}</Text>
    </div>
  )
}
