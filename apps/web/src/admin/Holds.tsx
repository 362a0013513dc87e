import { useState } from 'react'
import { Button, NativeSelect, Stack } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { saveAs } from '../jobs/save.ts'
import { useClient } from '../session/use-session.ts'
import { credits, visible } from '../ui/format.ts'
import { Act, Empty, Loaded, Moment, Panel, Status, Command, CopyId } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { holdsQuery } from './queries.ts'

const HOUR_MS = 3_600_000
const AGES: readonly (readonly [ms: number, says: string])[] = [[0, 'any time'], [HOUR_MS, 'an hour'], [24 * HOUR_MS, 'a day'], [7 * 24 * HOUR_MS, 'a week']]

/** What is held for jobs that have not ended: of an old one somebody's money is out of reach. */
export function Holds() {
  const client = useClient(), [older, setOlder] = useState(24 * HOUR_MS), found = useInfiniteQuery(holdsQuery(client, older))
  return (
    <Panel title="Holds" id="holds" actions={<NativeSelect aria-label="Held for longer than" size="xs" value={String(older)} onChange={(event) => setOlder(Number(event.currentTarget.value))} data={AGES.map(([ms, says]) => ({ value: String(ms), label: `older than ${says}` }))} />}>
      <Loaded query={found}>{({ pages }) => { const list = pages.flatMap((page) => page.data); return list.length === 0 ? <Empty title="Nothing is held for that long" /> : (
        <Stack gap="sm">
          <div className="scroll-box" tabIndex={0} role="region" aria-label="Holds"><table className="table"><thead><tr><th>Job</th><th>State</th><th>Since</th><th className="right">Held</th><th className="right">Cap</th><th>Buyer</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.job}><td><TextLink to="/jobs/$job" params={{ job: one.job }} size="sm">{visible(one.name ?? `…${one.job.slice(-8)}`)}</TextLink><CopyId id={one.job} what="job id" /></td><td><Status look={JOB[one.state]} /></td><td><Moment at={one.since} /></td><td className="right number">{credits(one.held)}</td><td className="right number">{credits(one.cap)}</td><td><TextLink to="/users/$user" params={{ user: one.buyer }} size="sm">its buyer</TextLink></td></tr>)}</tbody></table></div>
          {found.hasNextPage && <div><Button variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>Newer ones</Button></div>}
        </Stack>) }}</Loaded>
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
