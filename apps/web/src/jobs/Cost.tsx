// What was billed and why, and the receipts, rechecked here: the page asks for the receipt, and nothing else of the market, and computes the rest by itself.
import { useState } from 'react'
import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import type { Attempt, Job } from '@lumaris/protocol'
import { verifyReceipt } from '@lumaris/sdk'
import type { Client, Verdict } from '@lumaris/sdk'
import { useClient } from '../session/use-session.ts'
import { credits, creditsText, duration, plural, visible } from '../ui/format.ts'
import { Command, Empty, Facts, Refusal, InPages } from '../ui/parts.tsx'
import { bearsText, causeText } from '../ui/states.ts'
import { useWork } from '../ui/use-work.ts'
import { saveAs } from './save.ts'

type Checked = { readonly verdict: Verdict } | { readonly error: unknown }
async function check(client: Client, attempt: string): Promise<Checked> {
  try { return { verdict: await verifyReceipt(await client.receipt(attempt)) } } catch (error) { return { error } }
}

export function Cost({ job, attempts }: { job: Job; attempts: readonly Attempt[] }) {
  const client = useClient()
  const [checked, setChecked] = useState<ReadonlyMap<string, Checked>>(new Map()), [busy, setBusy] = useState(false)
  const settled = attempts.filter((one) => one.billed !== undefined && one.startedAt !== undefined)
  const checkAll = async (): Promise<void> => {
    setBusy(true)
    for (const attempt of settled) { const found = await check(client, attempt.id); setChecked((now) => new Map([...now, [attempt.id, found]])) }
    setBusy(false)
  }
  const verdicts = [...checked.values()], good = verdicts.filter((one) => 'verdict' in one && one.verdict.ok).length
  return (
    <Stack>
      <Facts of={[['Held at most', creditsText(job.cap)], ['Billed', creditsText(job.cost)], ['Of it, for places taken', job.displaced === undefined ? null : creditsText(job.displaced)], ['Came back', job.endedAt === undefined ? null : creditsText(job.refunded)]]} />
      {settled.length === 0 ? <Empty title="Nothing is settled yet">An attempt is settled when it has ended.</Empty> : (
        <>
          <Group gap="sm"><Button onClick={() => void checkAll()} loading={busy}>Check {plural(settled.length, 'receipt')} here</Button><Text size="sm" c="dimmed">Terms, meter readings, signatures and sums are recomputed in this browser.</Text></Group>
          <div role="status">{!busy && checked.size > 0 && (good === settled.length ? <Alert color="green" title={`${plural(good, 'receipt')} hold${good === 1 ? 's' : ''}`}>Each is signed by its node and by the market, and the bill follows from it.</Alert> : <Alert color="orange" title={`${good} of ${plural(settled.length, 'receipt')} hold`}>See below what does not. A last tick is sealed within a minute of its end: until then it cannot be checked.</Alert>)}</div>
          <InPages of={settled}>{(rows) => <div className="scroll-box" tabIndex={0} role="region" aria-label="Attempts and what they cost"><table className="table">
            <thead><tr><th>Part</th><th>Node</th><th>Ended</th><th className="right">Ran</th><th className="right">Core hour, credits</th><th className="right">Billed, credits</th><th>Receipt</th></tr></thead>
            <tbody>{rows.map((attempt) => <Row key={attempt.id} attempt={attempt} client={client} checked={checked.get(attempt.id)} />)}</tbody>
          </table></div>}</InPages>
          <InPages of={settled.filter((one) => checked.has(one.id))}>{(rows) => rows.map((one) => <Details key={one.id} attempt={one} checked={checked.get(one.id) as Checked} />)}</InPages>
          <Command line={`npx lumaris receipt verify ${job.id}`} />
        </>)}
    </Stack>
  )
}
function Row({ attempt, client, checked }: { attempt: Attempt; client: Client; checked: Checked | undefined }) {
  const { error, run } = useWork()
  const save = (): Promise<void> => run(async () => saveAs(new Blob([JSON.stringify(await client.receipt(attempt.id), null, 2)], { type: 'application/json' }), `receipt-${attempt.id}.json`))
  const part = Number(attempt.task.split('.')[1]) + 1
  return (
    <tr>
      <td className="number">{part}</td><td>{visible(attempt.nodeName)}</td><td>{attempt.cause ? `${causeText(attempt.cause)} (${bearsText(attempt.cause)})` : ''}</td><td className="right number">{duration(attempt.usage.runMs)}</td><td className="right number">{credits(attempt.prices.cpuHour)}</td><td className="right number">{credits(attempt.billed ?? '0')}</td>
      <td><Group gap="xs" wrap="nowrap">{checked && <span>{'verdict' in checked && checked.verdict.ok ? '✓ holds' : '✗ does not hold'}</span>}<Button size="compact-xs" variant="default" onClick={() => void save()}>Save<span className="for-readers"> the receipt of part {part} on {visible(attempt.nodeName)}</span></Button></Group>{error !== null && <Refusal error={error} />}</td>
    </tr>
  )
}
function Details({ attempt, checked }: { attempt: Attempt; checked: Checked }) {
  return (
    <details className="panel" open={!('verdict' in checked) || !checked.verdict.ok}>
      <summary>Part {Number(attempt.task.split('.')[1]) + 1} on {visible(attempt.nodeName)}: {'verdict' in checked ? (checked.verdict.ok ? 'the receipt holds' : 'the receipt does not hold') : 'the receipt could not be fetched'}</summary>
      {'verdict' in checked ? <ul className="checks">{checked.verdict.checks.map((one, i) => <li key={i}>{one.ok ? '✓' : '✗'} {visible(one.says)}</li>)}</ul> : <Refusal error={checked.error} />}
    </details>
  )
}
