import '../ui/stack.css'
import { useState } from 'react'
import { Group, NativeSelect, SegmentedControl, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Spend } from '@lumaris/protocol'
import { spendQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { credits, creditsText, plural, visible } from '../ui/format.ts'
import { Act, Bar, Command, Empty, Loaded, Panel, useNow } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { MonthLine } from './MonthLine.tsx'
import { saveCsv } from '../jobs/save.ts'
import { everyDay, shareOf, splitDays } from './spend-days.ts'

const route = getRouteApi('/inside/wallet')
const CSV = { day: 'Days', name: 'Jobs', template: 'Templates' } as const
/** What was billed, by day, by the name of the job or by the template it was made from. */
export function Spending() {
  const { client } = useSession(), { days = 30, by = 'day' } = route.useSearch(), navigate = route.useNavigate()
  const spend = useQuery(spendQuery(client, days)), [table, setTable] = useState(false)
  return (
    <Panel title="Spent" id="spent">
      <Group mb="md" align="flex-end">
        <NativeSelect label="Time" value={String(days)} onChange={(event) => { const value = Number(event.currentTarget.value); void navigate({ search: (now) => ({ ...now, days: value === 30 ? undefined : (value as 7 | 90 | 365) }), replace: true, resetScroll: false }) }} data={[{ value: '7', label: 'the last 7 days' }, { value: '30', label: 'the last 30 days' }, { value: '90', label: 'the last 90 days' }, { value: '365', label: 'the last year' }]} />
        <SegmentedControl aria-label="By" value={by} onChange={(value) => void navigate({ search: (now) => ({ ...now, by: value === 'day' ? undefined : (value as 'name' | 'template') }), replace: true, resetScroll: false })} data={[{ value: 'day', label: 'By day' }, { value: 'name', label: 'By job' }, { value: 'template', label: 'By template' }]} />
        <Switch mb={9} label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />
        <Act label={`${CSV[by]} as CSV`} says={by === 'day' ? 'Every day of this time, for a spreadsheet' : 'Of this time, for a spreadsheet'} act={() => saveCsv(client.csv('spend', { days, by }), `lumaris-spent-by-${by}-${days}-days.csv`)} />
      </Group>
      {spend.data?.month && <Month month={spend.data.month} />}
      <Loaded query={spend} lines={5}>{(data) => (data.total === '0' ? <Empty title="Nothing was billed in this time">Bills stand here from the moment an attempt is settled.</Empty> : by === 'day' ? <Days spend={data} table={table} /> : <Lines spend={data} by={by} table={table} />)}</Loaded>
      <Command line={`npx lumaris spend${by === 'day' ? '' : ` --by ${by}`}${days === 30 ? '' : ` --days ${days}`}`} />
    </Panel>
  )
}

/** This month beside its budget, and where it would end if it went on as it has so far. */
function Month({ month: { name, spent, budget, forecast } }: { month: NonNullable<Spend['month']> }) {
  const of = budget === undefined ? null : BigInt(budget), end = forecast === undefined ? '' : ` If it goes on as it has so far this month, it comes to about ${creditsText(forecast)}${of !== null && BigInt(forecast) > of ? `: ${creditsText(BigInt(forecast) - of)} more than the budget` : ''}.`
  return (
    <Stack gap={4} mb="md">
      {of === null || of === 0n ? <Text size="sm">{name} (UTC) so far: {creditsText(spent)}.{end}</Text> : <Bar share={Number((BigInt(spent) * 1000n) / of) / 1000} says={`${name} (UTC) so far: ${credits(spent)} of a budget of ${creditsText(of)}.${end}`} />}
      <Text size="sm"><TextLink to="/alerts" size="sm">{of === null ? 'Set a budget' : 'Change the budget'}</TextLink>: you are told at 50, 80 and 100 %. It stops nothing.</Text>
      <MonthLine month={{ name, spent, ...(budget === undefined ? {} : { budget }), ...(forecast === undefined ? {} : { forecast }) }} />
    </Stack>)
}

function Days({ spend, table }: { spend: Spend; table: boolean }) {
  const now = useNow(60_000), days = everyDay(spend.days, spend.since, now), most = days.reduce((found, one) => (one.cost > found.cost ? one : found), days[0] ?? { day: '', cost: 0n })
  const says = `${creditsText(spend.total)} in ${plural(days.length, 'day')}; most on ${most.day}: ${creditsText(most.cost)}`
  if (table) return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Spent by day"><table className="table data">
      <thead><tr><th>Day (UTC)</th><th className="right">Credits</th><th className="right">Jobs</th></tr></thead>
      <tbody>{spend.days.toReversed().map((one) => <tr key={one.day}><td className="number">{one.day}</td><td className="right number">{credits(one.cost)}</td><td className="right number">{one.jobs}</td></tr>)}</tbody>
    </table></div>)
  return (
    <Stack gap={4}>
      <Text size="sm">{says}.</Text>
      <div className="spend" role="img" aria-label={`Credits spent by day: ${says}`}>{days.map((one) => <span key={one.day} className={one.cost === 0n ? 'none' : undefined} title={`${one.day}: ${creditsText(one.cost)}`} ref={(element) => { if (element) element.style.height = `${shareOf(one.cost, most.cost) * 100}%` }} />)}</div>
      <div className="ends"><span>{days[0]?.day}</span><span className="hide-narrow">credits a day (UTC), at most {credits(most.cost)}</span><span>{days.at(-1)?.day}</span></div>
    </Stack>
  )
}

/** By the name of the job, or by the template it was made from: which days they cost what, and what they come to. */
function Lines({ spend, by, table }: { spend: Spend; by: 'name' | 'template'; table: boolean }) {
  const now = useNow(60_000), lines = by === 'name' ? spend.names.map(({ name, ...line }) => ({ key: name, ...line })) : spend.templates.map(({ template, ...line }) => ({ key: template, ...line }))
  const what = by === 'name' ? 'job' : 'template', none = by === 'name' ? 'without a name' : 'without a template', named = (key: string | null): string => (key === null ? none : visible(key))
  const largest = BigInt(lines[0]?.cost ?? '0'), rest = lines.reduce((left, one) => left - BigInt(one.cost), BigInt(spend.total))
  const { keys, hasOthers, days } = splitDays(lines, spend.days, spend.since, now), titles = [...keys.map(named), ...(hasOthers ? ['all others'] : [])], most = days.reduce((found, { cost }) => (cost > found ? cost : found), 1n)
  const says = `${creditsText(spend.total)} in ${plural(days.length, 'day')}${lines[0] ? `; most ${lines[0].key === null ? none : `on ${named(lines[0].key)}`}: ${creditsText(lines[0].cost)}` : ''}`
  return (
    <Stack gap="sm">
      <Text size="sm">{says}.</Text>
      {table ? (
        <div className="scroll-box" tabIndex={0} role="region" aria-label={`Spent by day and ${what}`}><table className="table data">
          <thead><tr><th>Day (UTC)</th>{titles.map((title) => <th key={title} className="right">{title}</th>)}</tr></thead>
          <tbody>{days.toReversed().map((one) => <tr key={one.day}><td className="number">{one.day}</td>{one.parts.map((part, i) => <td key={titles[i]} className="right number">{credits(part)}</td>)}</tr>)}</tbody>
        </table></div>
      ) : <div>
        <div className="stack" role="img" aria-label={`Credits spent by day and ${what}: ${says}`}>{days.map((one) => <span key={one.day} title={`${one.day}: ${creditsText(one.cost)}`}>{one.parts.map((part, i) => part > 0n && <span key={titles[i]} className={`of-${i}`} ref={(element) => { if (element) element.style.height = `${shareOf(part, most) * 100}%` }} />)}</span>)}</div>
        <div className="ends"><span>{days[0]?.day}</span><span className="hide-narrow">credits a day (UTC), at most {credits(most)}</span><span>{days.at(-1)?.day}</span></div>
        {titles.length > 1 && <ul className="stack-names">{titles.map((title, i) => <li key={title}><span className={`of-${i}`} aria-hidden />{title}</li>)}</ul>}
      </div>}
      <div className="scroll-box" tabIndex={0} role="region" aria-label={`Spent by ${what}`}><table className="table">
        <thead><tr><th>{by === 'name' ? 'Job' : 'Template'}</th><th className="right">Credits</th><th className="right">Jobs</th><th className="fill"><span className="for-readers">Share</span></th></tr></thead>
        <tbody>{lines.map((one) => <tr key={one.key ?? ''}><td>{one.key === null ? <span className="quiet">{none}</span> : visible(one.key)}</td><td className="right number">{credits(one.cost)}</td><td className="right number">{one.jobs}</td><td><Bar share={shareOf(BigInt(one.cost), largest)} says="" /></td></tr>)}
          {rest > 0n && <tr><td className="quiet">others</td><td className="right number">{credits(rest)}</td><td /><td /></tr>}</tbody>
      </table></div>
    </Stack>
  )
}
