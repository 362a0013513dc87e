// What a calendar month has come to, day by day and added up, beside its budget; and where it would end.
import { useState } from 'react'
import { Button, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { monthOf, dayText } from '@lumaris/protocol'
import type { Spend } from '@lumaris/protocol'
import { spendQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { credits, creditsText } from '../ui/format.ts'
import { useNow } from '../ui/parts.tsx'
import { addUp } from './spend-days.ts'

const WIDTH = 600, HEIGHT = 110, DAY_MS = 86_400_000
/** The longest month: what is shown above may be a shorter time. */
const DAYS = 31
export function MonthLine({ month: { spent, budget, forecast } }: { month: NonNullable<Spend['month']> }) {
  const spend = useQuery(spendQuery(useClient(), DAYS)), now = useNow(60_000), [table, setTable] = useState(false)
  if (!spend.data || spent === '0') return null
  const { from, to } = monthOf(now), days = addUp(spend.data.days, from, now), last = days.at(-1), total = last?.sum ?? 0n
  const most = [total, BigInt(budget ?? '0'), BigInt(forecast ?? '0')].reduce((a, b) => (a > b ? a : b)), length = (to - from) / DAY_MS
  if (most === 0n) return null
  const x = (day: number): number => (day / length) * WIDTH, y = (sum: string | bigint): number => HEIGHT - 4 - Number((BigInt(sum) * 10_000n) / most) / 10_000 * (HEIGHT - 12)
  // A day's bills stand at its end; today's, now.
  const so = (now - from) / DAY_MS, line = `M0 ${y(0n)}${days.map(({ sum }, i) => `L${x(Math.min(i + 1, so))} ${y(sum)}`).join('')}`
  const says = `${creditsText(total)} added up since the first${budget === undefined ? '' : `; the budget of ${creditsText(budget)} is the dashed line`}${forecast === undefined ? '' : `; ${creditsText(forecast)} at the end of the month if each day costs as much as the days so far did on average, the dotted line`}`
  return (
    <div className="use">
      <Group justify="space-between" gap="xs"><Text size="sm" fw={600}>This month, added up</Text><Button size="compact-xs" variant="default" aria-pressed={table} onClick={() => setTable(!table)}>{table ? 'Show as a chart' : 'Show as a table'}</Button></Group>
      {table ? (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="This month, added up"><table className="table data"><thead><tr><th>Day (UTC)</th><th className="right">Credits</th><th className="right">Since the first</th>{budget !== undefined && <th className="right">Of the budget</th>}</tr></thead>
          <tbody>{days.toReversed().map((one) => <tr key={one.day}><td className="number">{one.day}</td><td className="right number">{credits(one.cost)}</td><td className="right number">{credits(one.sum)}</td>{budget !== undefined && <td className="right number">{budget === '0' ? '–' : `${((one.sum * 100n) / BigInt(budget)).toLocaleString('en')} %`}</td>}</tr>)}</tbody></table></div>
      ) : <>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" className="chart" role="img" aria-label={`Credits of this month: ${says}`}>
          {budget !== undefined && <line x1="0" x2={WIDTH} y1={y(budget)} y2={y(budget)} className="limit" />}
          {forecast !== undefined && <line x1={x(so)} x2={WIDTH} y1={y(total)} y2={y(forecast)} className="foreseen" />}
          <path d={`${line}V${HEIGHT - 4}H0Z`} className="area" /><path d={line} className="line" />
        </svg>
        <div className="ends"><span>{days[0]?.day}</span><span className="hide-narrow">credits, at most {credits(most)}</span><span>{dayText(to - DAY_MS)}</span></div>
      </>}
      <Text size="sm" c="dimmed">The line is what was billed since the first{budget === undefined ? '' : ', the dashed one the budget'}{forecast === undefined ? '' : ', the dotted one where it goes if each day costs what the days so far did on average'}.</Text>
    </div>
  )
}
