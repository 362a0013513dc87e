// The market's books beside what a bank or a payment processor says: what agrees, what does not, and what an operator does about it. Nothing here changes the ledger.
import { useState } from 'react'
import { Button, Group, NativeSelect, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { MISMATCHES, MismatchKind } from '@lumaris/protocol'
import type { BookLine, Mismatch, Reconciliation as Found, Statement, StatementLine } from '@lumaris/protocol'
import { saveCsv } from '../jobs/save.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { credits, plural, signed, visible } from '../ui/format.ts'
import { Act, Command, CopyId, Empty, Figure, Figures, Listed, Loaded, Moment, Page, Panel, Status } from '../ui/parts.tsx'
import type { Look } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'
import { HandIn } from './HandIn.tsx'
import { BookIt, LinkIt } from './SettleMismatch.tsx'
import { WithReason } from './WithReason.tsx'
import { mismatchesQuery, reconciliationQuery, statementsQuery } from './queries.ts'

const LOOK: Readonly<Record<MismatchKind, Pick<Look, 'colour' | 'sign'>>> = { not_on_statement: { colour: 'orange', sign: '◧' }, not_in_books: { colour: 'indigo', sign: '◨' }, amount_differs: { colour: 'red', sign: '≠' }, twice: { colour: 'red', sign: '⧉' } }
const lookOf = (kind: MismatchKind): Look => ({ ...LOOK[kind], word: MISMATCHES[kind].name, says: MISMATCHES[kind].says })
const route = getRouteApi('/inside/reconciliation')

export function Reconciliation() {
  const client = useClient(), { account, kind, state } = route.useSearch(), navigate = route.useNavigate(), found = useQuery(reconciliationQuery(client))
  const set = (more: { account?: string | undefined; kind?: MismatchKind | undefined; state?: 'settled' | undefined }): void => void navigate({ search: (old) => ({ ...old, ...more }), replace: true, resetScroll: false })
  const names = found.data?.accounts.map((one) => one.account) ?? [], filter = { account, kind, state: state ?? 'open' } as const
  return (
    <Page title="Reconciliation" intro="The market’s books beside what a bank or a payment processor says. Nothing here changes the ledger: what is missing is booked, what is wrong is reversed." actions={<Act label="As CSV" says="All that fit the filter below" act={() => saveCsv(client.operatorFile('mismatches', filter), `lumaris-mismatches-${filter.state}.csv`)} />}>
      {names.length > 1 && <NativeSelect label="Account outside" maw={260} value={account ?? ''} onChange={(event) => set({ account: event.currentTarget.value || undefined })} data={[{ value: '', label: 'all of them' }, ...names]} />}
      <Loaded query={found}>{(now) => <FiguresOf now={now} account={account} />}</Loaded>
      <Panel title="What does not agree" id="mismatches" actions={<Group gap="xs">
        <NativeSelect aria-label="What" size="xs" value={kind ?? ''} onChange={(event) => set({ kind: (event.currentTarget.value || undefined) as MismatchKind | undefined })} data={[{ value: '', label: 'of every kind' }, ...MismatchKind.options.map((value) => ({ value, label: MISMATCHES[value].name }))]} />
        <NativeSelect aria-label="Open or settled" size="xs" value={state ?? 'open'} onChange={(event) => set({ state: event.currentTarget.value === 'settled' ? 'settled' : undefined })} data={[{ value: 'open', label: 'open' }, { value: 'settled', label: 'settled by hand' }]} /></Group>}>
        <Mismatches filter={filter} none={found.data !== undefined && found.data.accounts.length === 0 ? 'No statement was handed in yet' : state === 'settled' ? 'Nothing was settled by hand' : 'The books and the statements agree'} />
      </Panel>
      <HandIn accounts={names} />
      <Statements account={account} />
      <Command line="npx lumaris --as admin admin reconcile statement.csv --dry-run" />
    </Page>
  )
}

function FiguresOf({ now, account }: { now: Found; account: string | undefined }) {
  const of = now.accounts.filter((one) => account === undefined || one.account === account), sum = (value: (one: Found['accounts'][number]) => number): string => of.reduce((all, one) => all + value(one), 0).toLocaleString('en')
  const days = of.flatMap(({ account: name, covered }) => covered.map(({ from, to }) => `${of.length > 1 ? `${name}: ` : ''}${from === to ? from : `${from} to ${to}`}`))
  return <>
    <Figures>
      <Figure label="Agree" hint={`${sum((one) => one.settled)} settled by hand`}>{sum((one) => one.matched)}</Figure>
      <Figure label="In the books only" hint={`${sum((one) => one.awaiting)} more on days of no statement`}>{sum((one) => one.open.not_on_statement)}</Figure>
      <Figure label="On the statement only" hint="nothing of it is booked">{sum((one) => one.open.not_in_books)}</Figure>
      <Figure label="Differ, or twice" hint={`${sum((one) => one.open.amount_differs)} differ, ${sum((one) => one.open.twice)} twice`}>{sum((one) => one.open.amount_differs + one.open.twice)}</Figure>
    </Figures>
    <Text size="sm" c="dimmed">{days.length === 0 ? 'No statement tells of any day yet.' : `Statements tell of ${days.slice(0, 4).join(', ')}${days.length > 4 ? ` and ${plural(days.length - 4, 'more span')}` : ''} (UTC).`}</Text>
  </>
}

type Doing = { readonly what: 'link' | 'aside' | 'book' | 'reopen'; readonly one: Mismatch }
function Mismatches({ filter, none }: { filter: Parameters<typeof mismatchesQuery>[1]; none: string }) {
  const client = useClient(), queries = useQueryClient(), { no } = useMay(), found = useInfiniteQuery(mismatchesQuery(client, filter)), [doing, setDoing] = useState<Doing | null>(null)
  const changed = (): void => void queries.invalidateQueries({ queryKey: ['admin'] }), close = (): void => setDoing(null), one = doing?.one, canBook = ({ account, kind, line }: Mismatch): boolean => kind === 'not_in_books' && account === 'bank' && line !== undefined && !line.amount.startsWith('-')
  const settle = async (reason: string): Promise<void> => {
    if (!one) return
    if (doing.what === 'reopen') await client.api.reopenMismatch({ params: { settlement: one.settled?.id ?? '' }, body: { reason } })
    else await client.api.setMismatchAside({ body: { account: one.account, kind: one.kind, ...(one.line ? { line: one.line.id } : {}), ...(one.entry ? { entry: one.entry.entry } : {}), reason } })
    changed()
  }
  return <>
    <Listed query={found} lines={4} more="Newer ones" none={<Empty title={none}>{none.startsWith('No statement') ? 'Hand in the first one below: a CSV file of your bank or payment processor.' : ''}</Empty>}>{(list) => (
      <div className="scroll-box" tabIndex={0} role="region" aria-label="What does not agree"><table className="table">
        <thead><tr><th>What, since</th><th>On the statement, credits</th><th>In the books, credits</th><th>{filter.state === 'settled' ? 'Settled' : 'May be'}</th><th><span className="for-readers">Actions</span></th></tr></thead>
        <tbody>{list.map((each) => { const name = visible(each.line?.reference || each.entry?.references[0] || each.line?.day || ''), act = (what: Doing['what'], label: string, rest: object) => <Button size="compact-sm" variant="default" {...rest} onClick={() => setDoing({ what, one: each })}>{label}<span className="for-readers"> {name}</span></Button>; return (
          <tr key={`${each.account} ${each.kind} ${each.line?.id ?? ''} ${each.entry?.entry ?? ''}`}>
            <td><Status look={lookOf(each.kind)} /><Text size="sm" c="dimmed"><Moment at={each.since} />{filter.account === undefined && `, ${each.account}`}</Text></td>
            <td>{each.line ? <LineOf line={each.line} /> : <span className="quiet">nothing</span>}</td><td>{each.entry ? <EntryOf entry={each.entry} /> : <span className="quiet">nothing</span>}</td>
            <td>{each.settled ? <>{each.settled.how === 'linked' ? 'Linked' : 'Set aside'} by {visible(each.settled.byName)}, <Moment at={each.settled.at} /><Text size="sm">{visible(each.settled.reason)}</Text></> : each.suggestions.length > 0 ? <ul className="details">{each.suggestions.map((other) => <li key={other.entry?.entry ?? other.line?.id}>{other.entry ? <EntryOf entry={other.entry} /> : other.line && <LineOf line={other.line} />}</li>)}</ul> : each.beside !== undefined ? <>again beside <code>{visible(each.beside)}</code></> : <span className="quiet">–</span>}</td>
            <td className="right"><Group gap={6} justify="flex-end">{each.settled ? act('reopen', 'Open again…', no('reopenMismatch')) : <>{canBook(each) && act('book', 'Book it…', no('bookDeposit'))}{act('link', 'Link…', no('linkLine', each.line === undefined && each.suggestions.length === 0 ? 'No line of a statement looks like it: link from the line, when one comes' : undefined))}{act('aside', 'Set aside…', no('setMismatchAside'))}</>}</Group></td>
          </tr>) })}</tbody>
      </table></div>)}</Listed>
    <WithReason opened={doing?.what === 'aside' || doing?.what === 'reopen'} close={close} title={doing?.what === 'reopen' ? 'Open this mismatch again?' : 'Set this mismatch aside?'} yes={doing?.what === 'reopen' ? 'Open it again' : 'Set it aside'} act={settle}>{doing?.what === 'reopen' ? 'It counts as a mismatch again, if the books and the statements still do not agree on it.' : 'It needs nothing done. It opens again by itself if it becomes another mismatch: when its amount differs, say.'}</WithReason>
    {one && doing.what === 'link' && <LinkIt one={one} close={close} changed={changed} />}
    {one && doing.what === 'book' && <BookIt one={one} close={close} changed={changed} />}
  </>
}
const LineOf = ({ line }: { line: StatementLine }) => <><strong className="number">{signed(BigInt(line.amount))}</strong> {line.day}<br /><span className="id">{line.reference === '' ? <span className="quiet">no reference</span> : visible(line.reference)}<CopyId id={line.id} what="line" /></span></>
const EntryOf = ({ entry }: { entry: BookLine }) => <><strong className="number">{signed(BigInt(entry.amount))}</strong> <Moment at={entry.at} /><br /><span className="id"><code>{visible(entry.entry)}</code><CopyId id={entry.entry} what="name of the entry" /></span></>

function Statements({ account }: { account: string | undefined }) {
  const client = useClient(), queries = useQueryClient(), { no } = useMay(), found = useInfiniteQuery(statementsQuery(client, account)), [wrong, setWrong] = useState<Statement | null>(null)
  return (
    <Panel title="Statements that were handed in" id="statements">
      <Listed query={found} none={<Empty title="None was handed in" />}>{(list) => (
        <div className="scroll-box" tabIndex={0} role="region" aria-label="Statements that were handed in"><table className="table">
          <thead><tr><th>When</th><th>Account</th><th>Days</th><th className="right">Lines</th><th className="right">In, credits</th><th className="right">Out, credits</th><th>Why</th><th><span className="for-readers">Actions</span></th></tr></thead>
          <tbody>{list.map((one) => (
            <tr key={one.id}><td><Moment at={one.at} /><br /><TextLink to="/users/$user" params={{ user: one.by }} size="sm">{visible(one.byName)}</TextLink></td><td>{one.account}</td><td>{one.from === one.to ? one.from : `${one.from} to ${one.to}`}</td><td className="right number">{one.lines.toLocaleString('en')}{one.known > 0 && <Text size="xs" c="dimmed">{one.known.toLocaleString('en')} known before</Text>}</td><td className="right number">{credits(one.in)}</td><td className="right number">{credits(one.out)}</td>
              <td className="wide-cell">{visible(one.reason)}{one.name !== undefined && <Text size="xs" c="dimmed">{visible(one.name)}</Text>}{one.withdrawn && <Text size="sm">Withdrawn <Moment at={one.withdrawn.at} />: {visible(one.withdrawn.reason)}</Text>}</td>
              <td className="right"><Button size="compact-sm" variant="default" {...no('withdrawStatement', one.withdrawn ? 'It is withdrawn' : undefined)} onClick={() => setWrong(one)}>Withdraw…<span className="for-readers"> {one.account} {one.from}</span></Button></td></tr>))}</tbody>
        </table></div>)}</Listed>
      <WithReason opened={wrong !== null} close={() => setWrong(null)} title="Withdraw this statement?" yes="Withdraw it" dangerous act={async (reason) => { if (wrong) await client.api.withdrawStatement({ params: { statement: wrong.id }, body: { reason } }); void queries.invalidateQueries({ queryKey: ['admin'] }) }}>Its lines count no more, but for those that stand in another statement too. What was handed in, and that it was withdrawn, stays in the log.</WithReason>
    </Panel>
  )
}
