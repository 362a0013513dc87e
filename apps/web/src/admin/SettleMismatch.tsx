// What an operator does about a line of a statement or an entry of the books that stands alone: says that they are one payment, or books it.
import { useState } from 'react'
import { NativeSelect, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Mismatch } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { creditsText, signed, visible } from '../ui/format.ts'
import { WithReason } from './WithReason.tsx'
import { payersQuery } from './queries.ts'

type Asked = { one: Mismatch; close: () => void; changed: () => void }
const ANOTHER = 'another'
export function LinkIt({ one: { account, line, entry, suggestions }, close, changed }: Asked) {
  const client = useClient(), entries = suggestions.flatMap((other) => (other.entry ? [other.entry] : [])), lines = suggestions.flatMap((other) => (other.line ? [other.line] : []))
  const [chosen, setChosen] = useState(entry?.entry ?? entries[0]?.entry ?? ANOTHER), [typed, setTyped] = useState(''), [chosenLine, setChosenLine] = useState(line?.id ?? lines[0]?.id), name = chosen === ANOTHER ? typed.trim() : chosen
  const act = async (reason: string): Promise<void> => { if (chosenLine !== undefined) await client.api.linkLine({ body: { account, line: chosenLine, entry: name, reason } }); changed() }
  return (
    <WithReason opened close={close} title="Are they the same payment?" yes="Link them" act={act} missing={name === '' ? 'Name the entry first' : undefined}>
      <Stack gap="sm">
        A line of a statement and an entry of the ledger, linked by hand. Neither changes; the mismatch is settled, also where their amounts differ.
        {line ? <div><strong className="number">{signed(BigInt(line.amount))}</strong> of {line.day}, {line.reference === '' ? 'without a reference' : visible(line.reference)}</div> : <NativeSelect label="Line of a statement" value={chosenLine} onChange={(event) => setChosenLine(lines.find(({ id }) => id === event.currentTarget.value)?.id)} data={lines.map(({ id, amount, day, reference }) => ({ value: id, label: `${signed(BigInt(amount))} of ${day}, ${reference === '' ? 'no reference' : visible(reference)}` }))} />}
        {entry ? <div>The entry <code>{visible(entry.entry)}</code>, <strong className="number">{signed(BigInt(entry.amount))}</strong></div> : entries.length > 0 && <NativeSelect label="Entry of the ledger" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)} data={[...entries.map((other) => ({ value: other.entry, label: `${signed(BigInt(other.amount))} ${visible(other.entry)}` })), { value: ANOTHER, label: 'another one' }]} />}
        {!entry && chosen === ANOTHER && <TextInput label="Name of the entry" description="As the ledger has it, such as deposit:RF18 or payout:pay_…:paid" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />}
      </Stack>
    </WithReason>
  )
}

/** A deposit may have letters, digits and a few signs; banks put in spaces and more. Spaces make no difference to what is matched, other signs do. */
function referenceOf(text: string): { readonly reference: string; readonly isSame: boolean } {
  const whole = text.replaceAll(/\s+/g, ''), reference = whole.replaceAll(/[^A-Za-z0-9._/-]/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 100)
  return { reference, isSame: reference === whole }
}
export function BookIt({ one: { account, line }, close, changed }: Asked) {
  const client = useClient(), first = referenceOf(line?.reference ?? ''), [reference, setReference] = useState(first.reference), [part, setPart] = useState(''), [user, setUser] = useState<string | undefined>(), found = useQuery(payersQuery(client, part.trim())), people = found.data?.data ?? [], chosen = people.find(({ id }) => id === user) ?? people[0]
  const isSame = first.isSame && reference.trim() === first.reference
  const act = async (reason: string): Promise<void> => {
    if (!line || !chosen) return
    await client.api.bookDeposit({ params: { user: chosen.id }, body: { amount: line.amount, reference: reference.trim(), reason } })
    // Under another reference than the bank’s nothing would find them.
    if (!isSame) await client.api.linkLine({ body: { account, line: line.id, entry: `deposit:${reference.trim()}`, reason } })
    changed()
  }
  return (
    <WithReason opened close={close} title="Book this payment?" yes="Book it" act={act} missing={reference.trim() === '' ? 'Name the payment first' : !chosen ? 'Say whose it is first' : undefined}>
      <Stack gap="sm">
        {line && `${creditsText(line.amount)} came in on ${line.day}. They are added to a wallet by an entry of the ledger; a wrong one is reversed by two admins.`}
        <TextInput label="Whose it is" description="A part of the name or e-mail address, or an id" value={part} onChange={(event) => setPart(event.currentTarget.value)} error={part.trim() !== '' && found.isSuccess && people.length === 0 ? 'Nobody fits' : undefined} />
        {people.length > 0 && <NativeSelect label="User" value={chosen?.id} onChange={(event) => setUser(event.currentTarget.value)} data={people.map(({ id, name, email }) => ({ value: id, label: `${visible(name)}, ${visible(email)}` }))} />}
        <TextInput label="Reference of the payment" description={isSame ? 'As the statement has it: they will match' : 'Not as the statement has it: the line and the entry are linked, too'} value={reference} onChange={(event) => setReference(event.currentTarget.value)} />
      </Stack>
    </WithReason>
  )
}
