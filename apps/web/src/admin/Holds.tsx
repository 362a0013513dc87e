import { NativeSelect } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { saveAs } from '../jobs/save.ts'
import { useClient } from '../session/use-session.ts'
import { credits, visible } from '../ui/format.ts'
import { Act, Empty, Listed, Moment, Panel, Status, Command, CopyId } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { holdsQuery } from './queries.ts'

const HOUR_MS = 3_600_000
const AGES = { any: [0, 'any time'], hour: [HOUR_MS, 'an hour'], day: [24 * HOUR_MS, 'a day'], week: [7 * 24 * HOUR_MS, 'a week'] } as const
const route = getRouteApi('/inside/ledger')

/** What is held for jobs that have not ended: of an old one somebody's money is out of reach. */
export function Holds() {
  const client = useClient(), { older: age = 'day' } = route.useSearch(), navigate = route.useNavigate(), [older] = AGES[age], found = useInfiniteQuery(holdsQuery(client, older))
  return (
    <Panel title="Holds" id="holds" actions={<NativeSelect aria-label="Held for longer than" size="xs" value={age} onChange={(event) => { const value = event.currentTarget.value as keyof typeof AGES; void navigate({ search: (now) => ({ ...now, older: value === 'day' ? undefined : value }), replace: true, resetScroll: false }) }} data={Object.entries(AGES).map(([value, [, says]]) => ({ value, label: value === 'any' ? 'all of them' : `older than ${says}` }))} />}>
      <Listed query={found} more="Newer ones" none={<Empty title="Nothing is held for that long" />}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Holds"><table className="table"><thead><tr><th>Job</th><th>State</th><th>Since</th><th className="right">Held</th><th className="right">Cap</th><th>Buyer</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.job}><td><TextLink to="/jobs/$job" params={{ job: one.job }} size="sm">{visible(one.name ?? `…${one.job.slice(-8)}`)}</TextLink><CopyId id={one.job} what="job id" /></td><td><Status look={JOB[one.state]} /></td><td><Moment at={one.since} /></td><td className="right number">{credits(one.held)}</td><td className="right number">{credits(one.cap)}</td><td><TextLink to="/users/$user" params={{ user: one.buyer }} size="sm">its buyer</TextLink></td></tr>)}</tbody></table></div>
        </>}</Listed>
      <div className="use"><Command line={`npx lumaris --as admin ledger holds --older ${older / HOUR_MS}h`} /></div>
    </Panel>
  )
}

/** All entries as a file that can be checked without the market. */
export function SignedFile() {
  const client = useClient()
  const save = async (): Promise<void> => {
    let blob = new Blob([], { type: 'application/x-ndjson' })
    for await (const piece of client.operatorFile('ledger', { from: 0 })) blob = new Blob([blob, piece], { type: 'application/x-ndjson' })
    saveAs(blob, 'lumaris-ledger.jsonl')
  }
  return <Act label="As a signed file" says="Every entry, chained by hashes and signed by the market: lumaris ledger check tells whether one was altered" act={save} />
}
