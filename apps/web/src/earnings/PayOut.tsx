import { useState } from 'react'
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { formatCredits, parseCredits } from '@lumaris/protocol'
import type { SellerEarnings } from '@lumaris/protocol'
import { useClient, useMay } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { creditsText } from '../ui/format.ts'
import { Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

/** One press is one payout, however often its answer is lost: the key is made before the first try, and a new one when the words change. */
export function PayOut({ money }: { money: SellerEarnings }) {
  const client = useClient(), { no } = useMay(), queries = useQueryClient()
  const available = BigInt(money.available), minimum = BigInt(money.minimum)
  const [amount, setAmount] = useState(''), [destination, setDestination] = useState(''), [key, setKey] = useState(() => crypto.randomUUID())
  const { busy, error, submit } = useWork(), [done, setDone] = useState<string | null>(null)
  if (money.providers.length === 0) return <Text size="sm">No provider pays out on this market just now.</Text>
  const typed = amount.trim(), micros = typed === '' ? available : parseCredits(typed)
  const wrong = micros === null ? 'An amount such as 12.5' : typed !== '' && micros < minimum ? `At least ${creditsText(minimum)}` : typed !== '' && micros > available ? `At most ${creditsText(available)} have cleared` : undefined
  const why = available < minimum ? `At least ${creditsText(minimum)} are paid out, and ${available === 0n ? 'nothing has' : `${creditsText(available)} have`} cleared` : destination.trim() === '' ? 'Say where to' : wrong
  const pay = async (): Promise<void> => {
    if (why !== undefined || micros === null) return
    setDone(null)
    const payout = await client.api.requestPayout({ body: { amount: micros.toString(), destination: destination.trim() } }, { key })
    setDone(`${creditsText(payout.amount)} are on their way to ${payout.destination}.`)
    setAmount('')
    setKey(crypto.randomUUID())
    for (const queryKey of [['earnings'], ['payouts'], ['entries'], ['wallet']]) void queries.invalidateQueries({ queryKey })
  }
  const fields = errorsBy(error)
  return (
    <form onSubmit={(event) => submit(event, pay)} noValidate><Stack gap="sm">
      <TextInput label="Credits" inputMode="decimal" placeholder={formatCredits(available)} description={`Empty: all that has cleared. At least ${creditsText(minimum)}`} value={amount} onChange={(event) => { setAmount(event.currentTarget.value); setKey(crypto.randomUUID()) }} error={wrong ?? fields.get('/amount')} />
      <TextInput label="To the demo account" description="Any name. “closed” stands for an account that takes no money" value={destination} onChange={(event) => { setDestination(event.currentTarget.value); setKey(crypto.randomUUID()) }} error={fields.get('/destination')} />
      {error !== null && fields.size === 0 && <Refusal error={error} />}
      <div role="status" className="small">{done}</div>
      <Group gap="sm"><Button type="submit" loading={busy} {...no('requestPayout', why)}>Pay out</Button>{available < minimum && <Text size="sm" c="dimmed">{why}.</Text>}</Group>
      <Text size="sm" c="dimmed">This market pays by its demo provider only: it keeps a book, and moves no money.</Text>
    </Stack></form>
  )
}
