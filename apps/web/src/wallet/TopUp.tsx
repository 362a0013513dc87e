import { useState } from 'react'
import { Button, Group, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { MICROS_PER_CREDIT, parseCredits } from '@lumaris/protocol'
import { useClient, useMay } from '../session/use-session.ts'
import { creditsText } from '../ui/format.ts'
import { beside } from '../ui/field-errors.ts'
import { Command, Refusal, Rests } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

/** Demo credits, the only ones this market knows. One press is one top-up, however often its answer is lost: the key is made before the first try. */
export function TopUp({ least }: { least?: bigint }) {
  const client = useClient(), { why } = useMay(), queries = useQueryClient()
  const [amount, setAmount] = useState(() => String(least === undefined ? 100n : (least + MICROS_PER_CREDIT - 1n) / MICROS_PER_CREDIT > 100n ? (least + MICROS_PER_CREDIT - 1n) / MICROS_PER_CREDIT : 100n))
  const [key, setKey] = useState(() => crypto.randomUUID()), { busy, error, submit } = useWork(), [done, setDone] = useState<string | null>(null)
  const micros = parseCredits(amount.trim()), { at, isLeft } = beside(error, ['/amount'], { amount_not_allowed: '/amount' })
  async function add(): Promise<void> {
    if (micros === null) return
    const wallet = await client.topup(amount.trim(), { key })
    queries.setQueryData(['wallet'], wallet)
    void queries.invalidateQueries({ queryKey: ['entries'] })
    setDone(`${creditsText(micros)} were added.`)
    setKey(crypto.randomUUID())
  }
  return (
    <Rests why={why('createTopup')}><form onSubmit={(event) => submit(event, add)}>
      <Group align="flex-end" gap="xs">
        <TextInput label="Demo credits to add" inputMode="decimal" value={amount} onChange={(event) => { setAmount(event.currentTarget.value); setKey(crypto.randomUUID()) }} w={180} error={micros === null ? 'An amount such as 12.5' : at('/amount')} />
        <Button type="submit" loading={busy} disabled={micros === null} title={micros === null ? 'That is no amount' : undefined} variant="default">Add credits</Button>
      </Group>
      <div role="status" className="small">{done}</div>
      {least === undefined && micros !== null && <div className="use"><Command line={`npx lumaris topup ${amount.trim()}`} /></div>}
      {isLeft && <Refusal error={error} />}
    </form></Rests>
  )
}
