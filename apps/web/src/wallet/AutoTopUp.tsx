import { useState } from 'react'
import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { formatCredits, parseCredits } from '@lumaris/protocol'
import type { AutoTopup, AutoTopupRun } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import { autoTopupQuery } from '../queries.ts'
import { rest } from '../session/may.ts'
import { useMay, useSession } from '../session/use-session.ts'
import { credits, creditsText } from '../ui/format.ts'
import { beside } from '../ui/field-errors.ts'
import { Act, Bar, Command, Empty, Loaded, Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

/** A wallet that tops itself up: its rule, how much of its month is used, and its last runs. */
export function AutoTopUp() {
  const { client } = useSession(), { why } = useMay(), queries = useQueryClient(), found = useQuery(autoTopupQuery(client)), [setting, setSetting] = useState(false)
  const keep = (now: AutoTopup): void => { queries.setQueryData(['wallet', 'auto'], now); setSetting(false); for (const key of ['wallet', 'entries']) void queries.invalidateQueries({ queryKey: [key] }) }
  return (
    <Panel title="Top up by itself" id="auto">
      <Loaded query={found} lines={2}>{(now) => (
        <Stack gap="sm">
          {now.rule ? <>
            <Group gap="xs"><Badge color="green" leftSection={<span aria-hidden>✓</span>}>On</Badge><Text size="sm">When less than {creditsText(now.rule.below)} are available, {creditsText(now.rule.add)} are added.</Text></Group>
            <Bar share={Number((BigInt(now.addedThisMonth) * 1000n) / (BigInt(now.rule.monthlyMost) || 1n)) / 1000} says={`${credits(now.addedThisMonth)} of at most ${creditsText(now.rule.monthlyMost)} this month (UTC)`} />
          </> : <Text size="sm">Off. You can let the market add credits whenever your wallet falls below a bound, up to so much a month.</Text>}
          {why('setAutoTopup') !== undefined ? <Group><Button variant="default" {...rest(why('setAutoTopup'))}>{now.rule ? 'Change it…' : 'Set it up…'}</Button><Text size="sm" c="dimmed">{why('setAutoTopup')}.</Text></Group>
            : setting ? <Rule now={now} close={() => setSetting(false)} kept={keep} />
              : <Group><Button variant="default" onClick={() => setSetting(true)}>{now.rule ? 'Change it…' : 'Set it up…'}</Button>{now.rule && <Act label="Turn it off" act={async () => keep(await client.setAutoTopup(null))} />}</Group>}
          {now.runs.length > 0 ? (
            <div className="scroll-box" tabIndex={0} role="region" aria-label="Top-ups by itself"><table className="table">
              <thead><tr><th>When</th><th className="right">Was available</th><th>What came of it</th></tr></thead>
              <tbody>{now.runs.map((run) => <tr key={`${run.at} ${run.available}`}><td><Moment at={run.at} /></td><td className="right number">{credits(run.available)}</td><td>{outcome(run)}</td></tr>)}</tbody>
            </table></div>) : now.rule && <Empty title="It has not been needed yet" />}
          <Command line="npx lumaris wallet auto-topup" />
        </Stack>)}</Loaded>
    </Panel>
  )
}
const outcome = (run: AutoTopupRun): string => ({ added: `${creditsText(run.amount)} added`, limit: 'Nothing: the most of this month was reached', refused: 'Nothing: this market gave no credits then' })[run.outcome]

function Rule({ now, close, kept }: { now: AutoTopup; close: () => void; kept: (now: AutoTopup) => void }) {
  const { client } = useSession(), { busy, error, submit } = useWork()
  const shown = (micros: string | undefined, first: string): string => (micros === undefined ? first : formatCredits(BigInt(micros)))
  const [form, setForm] = useState({ below: shown(now.rule?.below, '5'), add: shown(now.rule?.add, '20'), monthlyMost: shown(now.rule?.monthlyMost, '100') })
  const { at, isLeft } = beside(error, ['/below', '/add', '/monthlyMost'], isLumarisError(error) && typeof error.detail?.['field'] === 'string' ? { amount_not_allowed: `/${error.detail['field']}` } : {})
  const field = (name: keyof typeof form, label: string, description: string) => {
    return <TextInput label={label} description={description} inputMode="decimal" required value={form[name]} onChange={(event) => { const { value } = event.currentTarget; setForm((before) => ({ ...before, [name]: value })) }} error={parseCredits(form[name].trim()) === null ? 'An amount such as 12.5' : at(`/${name}`)} />
  }
  const wrong = Object.values(form).some((text) => parseCredits(text.trim()) === null)
  return (
    <form onSubmit={(event) => submit(event, async () => kept(await client.setAutoTopup({ below: form.below.trim(), add: form.add.trim(), monthlyMost: form.monthlyMost.trim() })))} noValidate><Stack gap="sm" maw={420}>
      {field('below', 'When less is available than, credits', 'If it is so already, credits are added now')}
      {field('add', 'Add, credits', 'Once for each time it falls below')}
      {field('monthlyMost', 'At most a month, credits', 'Of a calendar month (UTC); you are told when it is reached')}
      {isLeft && <Refusal error={error} />}
      <Group><Button type="submit" loading={busy} disabled={wrong} title={wrong ? 'One of the amounts is none' : undefined}>{now.rule ? 'Change it' : 'Turn it on'}</Button><Button variant="default" onClick={close}>Leave it</Button></Group>
    </Stack></form>
  )
}
