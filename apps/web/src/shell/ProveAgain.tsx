import { useState } from 'react'
import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { isLumarisError } from '@lumaris/sdk'
import { factorQuery } from '../queries.ts'
import { proving } from '../session/session.ts'
import { useClient } from '../session/use-session.ts'
import { Code, Password } from '../ui/fields.tsx'
import { beside } from '../ui/field-errors.ts'
import { Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

/** Over whatever was being done; what was typed there stays, and goes on by itself afterwards. */
export function ProveAgain() {
  return <Modal opened onClose={() => proving.answer(false)} title="Is it still you?" zIndex={400}><Form /></Modal>
}
function Form() {
  const client = useClient(), factor = useQuery(factorQuery(client))
  const [password, setPassword] = useState(''), [code, setCode] = useState(''), [wanted, setWanted] = useState(false), { busy, error, submit } = useWork()
  const asksCode = wanted || factor.data?.on === true, { at, isLeft } = beside(error, ['/password', ...(asksCode ? ['/code'] : [])], { invalid_credentials: '/password', second_factor_wrong: '/code' })
  const prove = async (): Promise<void> => {
    try { await client.api.proveSession({ body: { password, ...(asksCode ? { code } : {}) } }) } catch (failure) {
      if (isLumarisError(failure, 'second_factor_needed')) return setWanted(true)
      setCode('')
      throw failure
    }
    proving.answer(true)
  }
  return (
    <form onSubmit={(event) => submit(event, prove)}><Stack>
      <Text size="sm">It is a while since you signed in, and this changes something of others. After this you are not asked for a quarter of an hour.</Text>
      <Password label="Your password" autoComplete="current-password" data-autofocus required value={password} onChange={(event) => setPassword(event.currentTarget.value)} error={at('/password')} />
      {asksCode && <Code description="The six digits that your app shows now, or one of your recovery codes" value={code} onChange={(event) => setCode(event.currentTarget.value)} error={at('/code')} />}
      {isLeft && <Refusal error={error} />}
      <Group justify="flex-end"><Button variant="default" onClick={() => proving.answer(false)}>Leave it</Button><Button type="submit" loading={busy}>It is me</Button></Group>
    </Stack></form>
  )
}
