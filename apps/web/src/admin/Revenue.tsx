import { Suspense, useState } from 'react'
import { Group, NativeSelect, SegmentedControl, Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { dayText } from '@lumaris/protocol'
import type { Revenue as Found, RevenueLine } from '@lumaris/protocol'
import { saveCsv } from '../jobs/save.ts'
import { useClient } from '../session/use-session.ts'
import { credits, creditsText, plural, visible } from '../ui/format.ts'
import { Act, Bar, Command, Credits, Empty, Figure, Figures, Loaded, Page, Panel, useNow } from '../ui/parts.tsx'
import { part } from '../ui/part.ts'
import { shareOf } from '../wallet/spend-days.ts'
import { revenueQuery } from './queries.ts'

const Plot = part(async () => (await import('../ui/Plot.tsx')).Plot)
const DAY_MS = 86_400_000, MICROS = 1_000_000
const DAYS = { 7: 'the last 7 days', 30: 'the last 30 days', 90: 'the last 90 days', 365: 'the last year' } as const
const route = getRouteApi('/inside/revenue')

export function Revenue() {
  const client = useClient(), { days = 30, by = 'day' } = route.useSearch(), navigate = route.useNavigate()
  const now = useNow(60_000), from = now - (now % DAY_MS) - (days - 1) * DAY_MS
  const found = useQuery(revenueQuery(client, from, by)), [table, setTable] = useState(false)
  return (
    <Page title="Revenue" intro="Summed from the entries of the ledger, to the micro-credit." actions={<Act label="As CSV" says={`By ${by}, for a spreadsheet`} act={() => saveCsv(client.operatorFile('revenue', { from, by }), `lumaris-revenue-by-${by}.csv`)} />}>
      <Group align="flex-end">
        <NativeSelect label="Time" value={String(days)} onChange={(event) => { const value = Number(event.currentTarget.value) as keyof typeof DAYS; void navigate({ search: (old) => ({ ...old, days: value === 30 ? undefined : value }), replace: true, resetScroll: false }) }} data={Object.entries(DAYS).map(([value, label]) => ({ value, label }))} />
        <SegmentedControl aria-label="By" value={by} onChange={(value) => void navigate({ search: (old) => ({ ...old, by: value === 'day' ? undefined : (value as 'region' | 'template') }), replace: true, resetScroll: false })} data={[{ value: 'day', label: 'By day' }, { value: 'region', label: 'By region' }, { value: 'template', label: 'By template' }]} />
        {by === 'day' && <Switch mb={9} label="Show as table" checked={table} onChange={(event) => setTable(event.currentTarget.checked)} />}
      </Group>
      <Loaded query={found} lines={6}>{(data) => (
        <Stack gap="lg">
          <Figures>
            <Figure label="Volume" hint={plural(data.total.settled, 'attempt')}><Credits of={data.total.volume} /></Figure>
            <Figure label="Fees" hint={data.takeBasisPoints === undefined ? 'of no volume' : `${data.takeBasisPoints / 100} % of the volume`}><Credits of={data.total.fees} /></Figure>
            <Figure label="Reversed" hint={`of it fees: ${creditsText(data.total.feesReversed)}`}><Credits of={data.total.reversed} /></Figure>
            <Figure label="Came back of caps" hint="was held, and never billed"><Credits of={data.total.returned} /></Figure>
            <Figure label="Due to sellers now" hint={<>{creditsText(data.due.pending)} more in the dispute window, {creditsText(data.due.onTheWay)} on its way</>}><Credits of={data.due.cleared} /></Figure>
          </Figures>
          <Panel title={by === 'day' ? 'By day (UTC)' : by === 'region' ? 'By region of the node' : 'By template'} id="lines">
            {data.lines.length === 0 ? <Empty title="Nothing was settled in this time">Attempts stand here from the moment they are paid for.</Empty> : by === 'day' && !table ? <Days found={data} until={now} /> : <Lines found={data} />}
          </Panel>
        </Stack>)}</Loaded>
      <Command line={`npx lumaris --as admin revenue --since ${days}d --by ${by}`} />
    </Page>
  )
}

function Days({ found, until }: { found: Found; until: number }) {
  const lines = new Map(found.lines.map((line) => [line.key, line])), at: number[] = []
  for (let day = found.from; day <= until; day += DAY_MS) at.push(day)
  const values = (of: (line: RevenueLine) => string): number[] => at.map((day) => { const line = lines.get(dayText(day)); return line ? Number(of(line)) / MICROS : 0 })
  const most = found.lines.reduce((top, line) => (BigInt(line.volume) > BigInt(top.volume) ? line : top))
  const says = `${creditsText(found.total.volume)} in ${plural(at.length, 'day')}, of it ${creditsText(found.total.fees)} fees; most on ${most.key}: ${creditsText(most.volume)}`
  return <Stack gap={4}><Text size="sm">{says}.</Text><Suspense fallback={<div aria-busy="true" className="waiting" />}><Plot title="Credits a day" says={says} at={at} from={found.from - DAY_MS / 4} until={Math.max(until, found.from + DAY_MS)} least={0.000001} write={(value) => value.toLocaleString('en', { maximumSignificantDigits: 3 })} lines={[{ label: 'Volume', colour: '--plot-one', values: values((line) => line.volume), area: true }, { label: 'Fees', colour: '--plot-two', values: values((line) => line.fees) }]} /></Suspense></Stack>
}

function Lines({ found }: { found: Found }) {
  const most = found.lines.reduce((top, line) => (BigInt(line.volume) > top ? BigInt(line.volume) : top), 0n), rows = found.by === 'day' ? found.lines.toReversed() : found.lines
  const none = found.by === 'template' ? 'without a template' : 'of no region: what came back of caps'
  return (
    <div className="scroll-box" tabIndex={0} role="region" aria-label={`Revenue by ${found.by}`}><table className={found.by === 'day' ? 'table data' : 'table'}>
      <thead><tr><th>{found.by === 'day' ? 'Day (UTC)' : found.by === 'region' ? 'Region' : 'Template'}</th><th className="right">Attempts</th><th className="right">Volume</th><th className="right">Fees</th><th className="right">Reversed</th><th className="right">Came back</th><th className="fill"><span className="for-readers">Share of the largest</span></th></tr></thead>
      <tbody>{rows.map((line) => <tr key={line.key ?? ''}><td>{line.key === null ? <span className="quiet">{none}</span> : visible(line.key)}</td><Sums of={line} /><td><Bar share={shareOf(BigInt(line.volume), most)} says="" /></td></tr>)}
        {found.others && <tr><td className="quiet">others</td><Sums of={found.others} /><td /></tr>}
        <tr><th>All</th><Sums of={found.total} /><td /></tr></tbody>
    </table></div>
  )
}
const Sums = ({ of }: { of: Found['total'] }) => <><td className="right number">{of.settled}</td><td className="right number">{credits(of.volume)}</td><td className="right number">{credits(of.fees)}</td><td className="right number">{credits(of.reversed)}</td><td className="right number">{credits(of.returned)}</td></>
