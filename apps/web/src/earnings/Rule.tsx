// What is paid out without asking each time: when it comes next, what it did last, and why it stands still if it does.
import { useState } from 'react'
import { Alert, Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { DAYS, formatCredits, parseCredits, dayText } from '@lumaris/protocol'
import type { Day, SellerEarnings, StandingPayout } from '@lumaris/protocol'
import { payoutRuleQuery } from '../queries.ts'
import { useClient, useMay } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { creditsText, visible } from '../ui/format.ts'
import { Command, Loaded, Moment, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const DAY: Readonly<Record<Day, string>> = { mon: 'Monday', tue: 'Tuesday', wed: 'Wednesday', thu: 'Thursday', fri: 'Friday', sat: 'Saturday', sun: 'Sunday' }

export function Rule({ money }: { money: SellerEarnings }) {
  const rule = useQuery(payoutRuleQuery(useClient()))
  return <Loaded query={rule}>{(found) => <Form key={found ? `${found.setAt}` : 'none'} money={money} found={found} />}</Loaded>
}

function Form({ money, found }: { money: SellerEarnings; found: StandingPayout | null }) {
  const client = useClient(), { no } = useMay(), queries = useQueryClient(), { busy, error, run, submit } = useWork()
  const before = found?.rule.when
  const [kind, setKind] = useState<'weekly' | 'cleared'>(before?.kind ?? 'weekly'), [day, setDay] = useState<Day>(before?.kind === 'weekly' ? before.day : 'mon'), [amount, setAmount] = useState(before?.kind === 'cleared' ? formatCredits(BigInt(before.amount)) : ''), [destination, setDestination] = useState(found?.rule.destination ?? '')
  if (money.providers.length === 0) return <Text size="sm">No provider pays out on this market just now.</Text>
  const micros = parseCredits(amount.trim()), wrong = kind === 'cleared' && amount.trim() !== '' && micros === null ? 'An amount such as 12.5' : undefined
  const why = destination.trim() === '' ? 'Say where to' : kind === 'cleared' && (micros === null || amount.trim() === '') ? 'Say from how much' : undefined, fields = errorsBy(error)
  const keep = (now: StandingPayout | null): void => { queries.setQueryData(payoutRuleQuery(client).queryKey, now) }
  const set = async (): Promise<void> => { if (why === undefined) keep(await client.api.setPayoutRule({ body: { when: kind === 'weekly' ? { kind, day } : { kind, amount: String(micros) }, destination: destination.trim() } })) }
  return (
    <form onSubmit={(event) => submit(event, set)} noValidate><Stack gap="sm">
      <State of={found} />
      <NativeSelect label="Pay out all that has cleared" value={kind} onChange={(event) => setKind(event.currentTarget.value as 'weekly' | 'cleared')} data={[{ value: 'weekly', label: 'each week, on one day' }, { value: 'cleared', label: 'as soon as it comes to so much' }]} />
      {kind === 'weekly' ? <NativeSelect label="On" description={`At 00:00 UTC; less than ${creditsText(money.minimum)} waits for the next week`} value={day} onChange={(event) => setDay(event.currentTarget.value as Day)} data={DAYS.map((value) => ({ value, label: DAY[value] }))} />
        : <TextInput label="From so many credits" inputMode="decimal" description={`At least ${creditsText(money.minimum)}`} value={amount} onChange={(event) => setAmount(event.currentTarget.value)} error={wrong ?? fields.get('/when/amount')} />}
      <TextInput label="To this demo account" value={destination} onChange={(event) => setDestination(event.currentTarget.value)} error={fields.get('/destination')} />
      {error !== null && fields.size === 0 && <Refusal error={error} />}
      <Group gap="sm"><Button type="submit" variant="default" loading={busy} {...no('setPayoutRule', why)}>{found ? 'Change the rule' : 'Set the rule'}</Button>{found && <Button variant="subtle" loading={busy} {...no('dropPayoutRule')} onClick={() => void run(async () => { await client.api.dropPayoutRule(); keep(null) })}>Take it back</Button>}</Group>
      <Command line={`npx lumaris payout rule ${kind === 'weekly' ? `--weekly ${day}` : `--above ${amount.trim() === '' ? '10' : amount.trim()}`} --to "${destination.trim() === '' ? 'my account' : visible(destination.trim())}"`} />
    </Stack></form>
  )
}
function State({ of }: { of: StandingPayout | null }) {
  if (!of) return <Text size="sm">No rule: only what you ask for is paid out, so there is no next date.</Text>
  const { rule: { when, destination }, state, reason, nextAt, last } = of
  return (
    <div role="status"><Stack gap="xs">
      {state === 'stopped' ? <Alert color="orange" title="The rule is stopped">Its last payout came back: {visible(reason ?? '')}. The money is available again. Set the rule with an account that takes money, or take it back.</Alert>
        : <Text size="sm">{when.kind === 'weekly' ? <>Each {DAY[when.day]}, next <strong>{dayText(nextAt ?? 0)}</strong></> : <>As soon as {creditsText(when.amount)} have cleared</>}, to {visible(destination)}.</Text>}
      {last && <Text size="sm" c="dimmed">Last <Moment at={last.at} />: {last.payout ? `${creditsText(last.amount)} were asked for.` : `nothing, only ${creditsText(last.amount)} had cleared.`}</Text>}
    </Stack></div>
  )
}
