import { useState } from 'react'
import { Button, Group, NativeSelect, SegmentedControl, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { Spend } from '@lumaris/protocol'
import { spendQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { credits, creditsText, plural, visible } from '../ui/format.ts'
import { Bar, Empty, Loaded, Panel, useNow } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { MonthLine } from './MonthLine.tsx'
import { saveAs } from '../jobs/save.ts'
import { daysCsv, everyDay, shareOf } from './spend-days.ts'

const route = getRouteApi('/inside/wallet')
/** What was billed, by day or by the name of the job. */
export function Spending() {
  const { client } = useSession(), { days = 30, by = 'day' } = route.useSearch(), navigate = route.useNavigate()
  const spend = useQuery(spendQuery(client, days)), [table, setTable] = useState(false)
  return (
    <Panel title="Spent" id="spent">
      <Group mb="md" align="flex-end">
        <NativeSelect label="Time" value={String(days)} onChange={(event) => { const value = Number(event.currentTarget.value); void navigate({ search: (now) => ({ ...now, days: value === 30 ? undefined : (value as 7 | 90 | 365) }), replace: true, resetScroll: false }) }} data={[{ value: '7', label: 'the last 7 days' }, { value: '30', label: 'the last 30 days' }, { value: '90', label: 'the last 90 days' }, { value: '365', label: 'the last year' }]} />
        <SegmentedControl aria-label="By" value={by} onChange={(value) => void navigate({ search: (now) => ({ ...now, by: value === 'name' ? 'name' : undefined }), replace: true, resetScroll: false })} data={[{ value: 'day', label: 'By day' }, { value: 'name', label: 'By job' }]} />
        {by === 'day' && <Switch mb={9} label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />}
        {spend.data && <Button variant="default" title="Every day of this time, for a spreadsheet" onClick={() => saveAs(new Blob([daysCsv(spend.data.days, spend.data.since, Date.now())], { type: 'text/csv' }), `lumaris-spent-${days}-days.csv`)}>Days as CSV</Button>}
      </Group>
      {spend.data?.month && <Month month={spend.data.month} />}
      <Loaded query={spend} lines={5}>{(data) => (data.total === '0' ? <Empty title="Nothing was billed in this time">Bills stand here from the moment an attempt is settled.</Empty> : by === 'name' ? <Names spend={data} /> : <Days spend={data} table={table} />)}</Loaded>
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

function Names({ spend }: { spend: Spend }) {
  const most = BigInt(spend.names[0]?.cost ?? '0'), named = spend.names.reduce((sum, one) => sum + BigInt(one.cost), 0n), rest = BigInt(spend.total) - named
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Spent by job"><table className="table">
      <thead><tr><th>Job</th><th className="right">Credits</th><th className="right">Jobs</th><th className="fill"><span className="for-readers">Share</span></th></tr></thead>
      <tbody>{spend.names.map((one) => <tr key={one.name ?? ''}><td>{one.name === null ? <span className="quiet">without a name</span> : visible(one.name)}</td><td className="right number">{credits(one.cost)}</td><td className="right number">{one.jobs}</td><td><Bar share={shareOf(BigInt(one.cost), most)} says="" /></td></tr>)}
        {rest > 0n && <tr><td className="quiet">others</td><td className="right number">{credits(rest)}</td><td /><td /></tr>}</tbody>
    </table></div>
  )
}
