// Who a seller is to a tax office: what stands on the statements, and the form that says it.
import { useState } from 'react'
import { Button, Checkbox, Group, NativeSelect, Stack, Text, TextInput, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { COUNTRIES } from '@lumaris/protocol'
import type { PutTaxDetails, TaxDetails as Details } from '@lumaris/protocol'
import { countryName } from '@lumaris/sdk'
import { useClient, useMay } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { Confirm, Moment, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const BY_NAME = COUNTRIES.map((value) => ({ value, label: countryName(value) })).toSorted((a, b) => a.label.localeCompare(b.label, 'en'))

export function TaxDetails({ found }: { found: Details | undefined }) {
  const client = useClient(), { no } = useMay(), queries = useQueryClient(), { busy, error, submit } = useWork(), [forgetting, setForgetting] = useState(false), [isKept, setKept] = useState(false)
  const [name, setName] = useState(found?.name ?? ''), [address, setAddress] = useState(found?.address ?? ''), [country, setCountry] = useState(found?.country ?? ''), [inBusiness, setInBusiness] = useState(found ? found.taxNumber !== null : true), [number, setNumber] = useState(found?.taxNumber ?? '')
  const asked: PutTaxDetails = { name: name.trim(), address: address.trim(), country, taxNumber: inBusiness ? number.trim() : null }, fields = errorsBy(error)
  const why = asked.name === '' ? 'Say your name' : asked.address === '' ? 'Say your address' : country === '' ? 'Choose a country' : asked.taxNumber === '' ? 'Say your tax number, or that you are not in business' : undefined
  const isSame = found !== undefined && found.name === asked.name && found.address === asked.address && found.country === country && found.taxNumber === asked.taxNumber
  const fresh = (): Promise<void> => queries.invalidateQueries({ queryKey: ['statement'] })
  const keep = async (): Promise<void> => {
    if (why !== undefined) return
    await client.api.setTaxDetails({ body: asked })
    await fresh()
    setKept(true)
  }
  const forget = async (): Promise<void> => {
    await client.api.dropTaxDetails()
    for (const set of [setName, setAddress, setCountry, setNumber]) set('')
    setKept(false)
    await fresh()
  }
  const changing = <Value,>(set: (value: Value) => void) => (value: Value): void => { setKept(false); set(value) }
  return (
    <Panel title="Your details for statements" id="tax"><form onSubmit={(event) => submit(event, keep)} noValidate><Stack gap="sm" maw={560}>
      <Text size="sm">{found ? <>You gave them <Moment at={found.setAt} />. They stand on every statement, those of past years too.</> : 'Without them a statement shows the name of your account. You can change or take them back at any time.'}</Text>
      <TextInput label="Full name, or name of the business" autoComplete="name" value={name} onChange={(event) => changing(setName)(event.currentTarget.value)} error={fields.get('/name')} />
      <Textarea label="Address" description="As on a letter, without the country" autoComplete="street-address" autosize minRows={2} maxRows={8} value={address} onChange={(event) => changing(setAddress)(event.currentTarget.value)} error={fields.get('/address')} />
      <NativeSelect label="Country" autoComplete="country" value={country} onChange={(event) => changing(setCountry)(event.currentTarget.value)} data={[{ value: '', label: 'Choose one' }, ...BY_NAME]} error={fields.get('/country')} />
      <Checkbox label="I am not in business: no tax number" checked={!inBusiness} onChange={(event) => changing(setInBusiness)(!event.currentTarget.checked)} />
      {inBusiness && <TextInput label="Tax number" description="VAT, GST, or whatever your country calls it. Its form is looked at, and no register is asked" autoComplete="off" value={number} onChange={(event) => changing(setNumber)(event.currentTarget.value)} error={fields.get('/taxNumber')} />}
      {error !== null && fields.size === 0 && <Refusal error={error} />}
      <Group gap="sm"><Button type="submit" variant="default" loading={busy} {...no('setTaxDetails', why ?? (isSame ? 'Nothing was changed' : undefined))}>{found ? 'Change them' : 'Keep them'}</Button>{found && <Button variant="subtle" {...no('dropTaxDetails')} onClick={() => setForgetting(true)}>Forget them…</Button>}<Text size="sm" role="status">{isKept ? 'They stand on your statements now.' : ''}</Text></Group>
      <Text size="sm" c="dimmed">Kept sealed. Buyers, other sellers and people who work for your account never see them; an admin only while looking at your account as you do, which is written down for you.</Text>
      <Confirm opened={forgetting} close={() => setForgetting(false)} title="Forget your details?" yes="Forget them" act={forget}><Text size="sm">Statements show the name of your account instead, those of past years too. Documents that you have saved stay as they are.</Text></Confirm>
    </Stack></form></Panel>
  )
}
