// A calendar year of a seller, month by month, as it can be printed and kept.
import './statement.css'
import { Button, Group, NativeSelect, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { TaxDetails as Details, YearStatement } from '@lumaris/protocol'
import { countryName, statementDocument, taxNumberText } from '@lumaris/sdk'
import { saveAs, saveCsv } from '../jobs/save.ts'
import { statementQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { credits, creditsText, visible } from '../ui/format.ts'
import { Act, Command, Facts, Loaded, Page, Panel } from '../ui/parts.tsx'
import { TaxDetails } from './TaxDetails.tsx'

const route = getRouteApi('/inside/earnings/statement')
const COLUMNS = [['gross', 'Earned'], ['fees', 'Fees'], ['lost', 'Lost'], ['net', 'Net'], ['cleared', 'Cleared'], ['paidOut', 'Paid out'], ['cameBack', 'Came back'], ['arrived', 'Arrived']] as const
const FIRST_YEAR = 2024

export function Statement() {
  const { client, user } = useSession(), now = new Date().getUTCFullYear(), { year = now } = route.useSearch(), navigate = route.useNavigate()
  const statement = useQuery(statementQuery(client, year))
  return (
    <Page title={`Statement of ${year}`} intro="Of your earnings, fees and payouts, from the entries of the ledger. A statement, and no tax form." actions={<div className="no-print"><Group gap="xs">
      <NativeSelect size="xs" aria-label="Year" value={String(year)} onChange={(event) => void navigate({ search: { year: Number(event.currentTarget.value) }, replace: true })} data={[...new Set([year, ...Array.from({ length: now - FIRST_YEAR + 1 }, (_, i) => now - i)])].toSorted((a, b) => b - a).map(String)} />
      <Button variant="default" disabled={!statement.data} title="One page with the same figures, to be kept: it opens anywhere, without this market" onClick={() => { if (statement.data) saveAs(new Blob([statementDocument(statement.data, location.host)], { type: 'text/html' }), `lumaris-statement-${year}.html`) }}>As a document</Button>
      <Act label="As CSV" says="The same lines, for a spreadsheet" act={() => saveCsv(client.csv('statement', { year }), `lumaris-statement-${year}.csv`)} />
      <Button variant="default" onClick={() => window.print()}>Print</Button>
    </Group></div>}>
      <Loaded query={statement} lines={8}>{(found) => <><Shown of={found} /><div className="no-print"><TaxDetails found={found.taxDetails} /></div></>}</Loaded>
      <div className="no-print"><Command line={`npx lumaris payout statement ${year}`} /></div>
      <Text size="sm" c="dimmed">Account <code>{user.id}</code>. Days and months are those of UTC.</Text>
    </Page>
  )
}
const Seller = ({ of }: { of: Details }) => (
  <div className="seller"><address>{[visible(of.name), ...visible(of.address).split('\n'), countryName(of.country)].join('\n')}</address><Text size="sm" c="dimmed">{taxNumberText(of.taxNumber)}</Text></div>
)
function Shown({ of }: { of: YearStatement }) {
  const at = new Date(of.at).toISOString().slice(0, 16).replace('T', ' '), is = (name: 'net' | 'paidOut' | 'cameBack'): bigint => BigInt(of.total[name])
  return (
    <Panel title={`${visible(of.name || 'Seller')}: ${of.open ? `1 January ${of.year} up to now` : `1 January to 31 December ${of.year}`}`} id="statement">
      {of.taxDetails && <Seller of={of.taxDetails} />}
      <Facts wide of={[['Pending and cleared before', creditsText(of.opening)], ['Net of the year', creditsText(of.total.net)], ['Asked to be paid out', creditsText(of.total.paidOut)], ['Of payouts, came back', creditsText(of.total.cameBack)], [of.open ? 'Pending and cleared now' : 'Pending and cleared at its end', creditsText(of.closing)], ['Arrived', creditsText(of.total.arrived)]]} />
      <Text size="sm" my="sm">{credits(of.opening)} + {credits(of.total.net)} − {credits(of.total.paidOut)} + {credits(of.total.cameBack)} = {credits(BigInt(of.opening) + is('net') - is('paidOut') + is('cameBack'))}</Text>
      <div className="scroll-box" tabIndex={0} role="region" aria-label="Month by month, in credits"><table className="table data statement">
        <thead><tr><th>Month</th>{COLUMNS.map(([name, label]) => <th key={name} className="right">{label}</th>)}</tr></thead>
        <tbody>{of.months.map((month) => <tr key={month.month}><th scope="row">{month.month}</th>{COLUMNS.map(([name]) => <td key={name} className="right number">{credits(month[name])}</td>)}</tr>)}</tbody>
        <tfoot><tr><th scope="row">{of.year}</th>{COLUMNS.map(([name]) => <td key={name} className="right number">{credits(of.total[name])}</td>)}</tr></tfoot>
      </table></div>
      <Text size="sm" c="dimmed" mt="sm">In credits of this market. Earned is what jobs paid for your work, before the fee; lost is what was reversed or forfeited afterwards; net is earned less fees less lost. Made {at} UTC.</Text>
    </Panel>
  )
}
