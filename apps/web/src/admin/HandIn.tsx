// A statement is looked at before it is kept: what was read of it, and how the books would stand with it.
import { useRef, useState } from 'react'
import { Alert, Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { MISMATCHES, MismatchKind, STATEMENT_CHARS_MAX } from '@lumaris/protocol'
import type { DecimalMark, StatementPreview } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import { useClient, useMay } from '../session/use-session.ts'
import { DropFiles } from '../ui/DropFiles.tsx'
import { creditsText, plural, signed, size, visible } from '../ui/format.ts'
import { Facts, Loaded, Panel } from '../ui/parts.tsx'
import { WithReason } from './WithReason.tsx'
import { previewQuery } from './queries.ts'

type Chosen = { readonly name: string; readonly text: string; readonly bytes: number; /** Told apart without looking at the text. */ readonly nth: number }
const KNOWN = ['bank', 'demo']
let chosenSoFar = 0

export function HandIn({ accounts }: { accounts: readonly string[] }) {
  const [file, setFile] = useState<Chosen | null>(null), [problem, setProblem] = useState<string | null>(null), [account, setAccount] = useState('bank'), [decimal, setDecimal] = useState<'' | DecimalMark>(''), [from, setFrom] = useState(''), [to, setTo] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const take = async (chosen: File | undefined): Promise<void> => {
    if (!chosen) return
    setFile(null)
    setProblem(null)
    if (chosen.size > STATEMENT_CHARS_MAX * 4) { setProblem(`${chosen.name} has ${size(chosen.size)}: more than a statement may have. Hand it in in parts, a month at a time.`); return }
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await chosen.arrayBuffer())
      if (text.trim() === '') setProblem(`${chosen.name} is empty.`)
      else if (text.length > STATEMENT_CHARS_MAX) setProblem(`${chosen.name} has more than ${STATEMENT_CHARS_MAX.toLocaleString('en')} characters. Hand it in in parts, a month at a time.`)
      else setFile({ name: chosen.name, text, bytes: chosen.size, nth: ++chosenSoFar })
    } catch { setProblem(`${chosen.name} is not text in UTF-8. Save it as CSV in UTF-8.`) }
  }
  const leave = (): void => { setFile(null); setFrom(''); setTo(''); requestAnimationFrame(() => input.current?.focus()) }
  return (
    <Panel title="Hand in a statement" id="hand-in"><Stack gap="sm">
      <DropFiles id="statement-file" label="Statement" says="Choose it, or drop it here: CSV or JSON lines with date, reference and amount, and perhaps direction and id. One of the account’s own money is one credit. Nothing is kept before you say so." accept=".csv,.txt,.tsv,.json,.jsonl,text/csv" field={input} take={(files) => void take(files[0])} />
      <Group align="flex-end">
        <NativeSelect label="Account outside" value={account} onChange={(event) => setAccount(event.currentTarget.value)} data={[...new Set([...KNOWN, ...accounts])]} />
        <NativeSelect label="Decimals stand behind" value={decimal} onChange={(event) => setDecimal(event.currentTarget.value as '' | DecimalMark)} data={[{ value: '', label: 'a point; ask me when in doubt' }, { value: 'point', label: 'a point' }, { value: 'comma', label: 'a comma' }]} />
        <TextInput type="date" label="First day" value={from} onChange={(event) => setFrom(event.currentTarget.value)} /><TextInput type="date" label="Last day" value={to} onChange={(event) => setTo(event.currentTarget.value)} />
      </Group>
      <Text size="xs" c="dimmed">Without a first and a last day, those of its lines. What is booked on a day that a statement tells of should be on it.</Text>
      {problem !== null && <Alert color="red" role="alert" title="It cannot be read">{visible(problem)}</Alert>}
      {file && <Preview file={file} account={account} decimal={decimal || undefined} from={from || undefined} to={to || undefined} leave={leave} />}
    </Stack></Panel>
  )
}

function Preview({ file, leave, ...options }: { file: Chosen; account: string; decimal: DecimalMark | undefined; from: string | undefined; to: string | undefined; leave: () => void }) {
  const client = useClient(), queries = useQueryClient(), { no } = useMay(), [asking, setAsking] = useState(false), found = useQuery(previewQuery(client, file.nth, { text: file.text, ...options })), notRead = found.isError && isLumarisError(found.error) && found.error.code === 'statement_not_read' ? found.error : null
  const keep = async (reason: string): Promise<void> => {
    await client.api.handInStatement({ body: { ...options, text: file.text, name: file.name.slice(0, 200), reason } }, { timeoutMs: 120_000 })
    void queries.invalidateQueries({ queryKey: ['admin'] })
    leave()
  }
  const leaveOut = <Button variant="default" onClick={leave}>Leave it</Button>
  return (
    <section aria-label="What was read" className="panel"><Stack gap="sm">
      <Text fw={600}>{visible(file.name)}, {size(file.bytes)}</Text>
      {notRead ? <><NotRead detail={notRead.detail} /><Group>{leaveOut}</Group></> : <Loaded query={found} lines={5}>{(read) => <>
        <Facts wide of={[['Lines', `${read.lines.toLocaleString('en')}${read.known > 0 ? `, of them ${read.known.toLocaleString('en')} known from earlier statements` : ''}`], ['Days', read.from === read.to ? read.from : `${read.from} to ${read.to}`], ['Came in', creditsText(read.in)], ['Went out', creditsText(read.out)], ['Columns that were not read', read.ignored.map(visible).join(', ')], ['With it, payments that agree', read.would.matched.toLocaleString('en')], ['And that do not', wouldBe(read)]]} />
        {read.first.length > 0 && <div className="scroll-box" tabIndex={0} role="region" aria-label="The first lines, as they were read"><table className="table"><thead><tr><th>Day</th><th>Reference</th><th className="right">Credits</th></tr></thead>
          <tbody>{read.first.map((line) => <tr key={line.id}><td>{line.day}</td><td className="wide-cell">{line.reference === '' ? <span className="quiet">none</span> : visible(line.reference)}</td><td className="right number">{signed(BigInt(line.amount))}</td></tr>)}</tbody></table></div>}
        {read.lines > read.first.length && <Text size="sm" c="dimmed">And {plural(read.lines - read.first.length, 'more line')}.</Text>}
        <Group><Button {...no('handInStatement')} onClick={() => setAsking(true)}>Keep it…</Button>{leaveOut}</Group>
        <WithReason opened={asking} close={() => setAsking(false)} title="Keep this statement?" yes="Keep it" act={keep}>{plural(read.lines - read.known, 'new line')} of {visible(options.account)}, {read.from === read.to ? read.from : `${read.from} to ${read.to}`}. The ledger does not change. A wrong statement can be withdrawn.</WithReason>
      </>}</Loaded>}
    </Stack></section>
  )
}
const wouldBe = ({ would: { open } }: StatementPreview): string => MismatchKind.options.flatMap((kind) => (open[kind] > 0 ? [`${open[kind].toLocaleString('en')} ${MISMATCHES[kind].name.toLowerCase()}`] : [])).join(', ') || 'none'
/** Which lines, and what to change. */
function NotRead({ detail }: { detail: Record<string, unknown> | undefined }) {
  const problems = (Array.isArray(detail?.['problems']) ? detail['problems'] : []) as readonly { readonly line: number; readonly says: string }[], of = typeof detail?.['of'] === 'number' ? detail['of'] : problems.length
  return <Alert color="red" role="alert" title="It cannot be read as it is. Nothing of it was kept"><ul className="details">{problems.map(({ line, says }, i) => <li key={i}>Line {line}: {visible(says)}.</li>)}</ul>{of > problems.length && <Text size="sm">And {plural(of - problems.length, 'more line')}.</Text>}</Alert>
}
