import { useState } from 'react'
import { Button, Stack, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { parseCredits } from '@lumaris/protocol'
import type { PersonDetail } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { visible } from '../ui/format.ts'
import { WithReason } from './WithReason.tsx'

/** Money that came in outside of the market. The reference of the payment makes it happen once, however often it is said, and by whomever. */
export function Deposit({ person }: { person: PersonDetail }) {
  const client = useClient(), queries = useQueryClient()
  const [opened, setOpened] = useState(false), [amount, setAmount] = useState(''), [reference, setReference] = useState('')
  const micros = parseCredits(amount.trim()), isAmount = micros !== null && micros > 0n, name = visible(person.name)
  const book = async (reason: string): Promise<void> => {
    const now = await client.api.bookDeposit({ params: { user: person.id }, body: { amount: String(micros), reference: reference.trim(), reason } })
    queries.setQueryData(['admin', 'person', person.id], now)
    void queries.invalidateQueries({ queryKey: ['admin', 'entries'] })
    setAmount('')
    setReference('')
  }
  return <>
    <Button size="xs" variant="default" onClick={() => setOpened(true)}>Book a deposit…</Button>
    <WithReason opened={opened} close={() => setOpened(false)} title={`Book a deposit for ${name}?`} yes="Book it" act={book} missing={isAmount ? (reference.trim() === '' ? 'Name the payment first' : undefined) : 'Say how much first'}>
      <Stack gap="sm">
        Credits that {name} has paid for outside of the market. A payment is booked once; a wrong one is reversed by two admins.
        <TextInput label="Credits" inputMode="decimal" value={amount} onChange={(event) => setAmount(event.currentTarget.value)} error={amount.trim() !== '' && !isAmount ? 'An amount such as 250 or 12.5' : undefined} />
        <TextInput label="Reference of the payment" description="Letters, digits, and . _ / - between them" value={reference} onChange={(event) => setReference(event.currentTarget.value)} />
      </Stack>
    </WithReason>
  </>
}
