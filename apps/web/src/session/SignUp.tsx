import { useState } from 'react'
import { Button, Checkbox, Stack, Text, TextInput } from '@mantine/core'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { isLumarisError } from '@lumaris/sdk'
import { startOf } from '../shell/Shell.tsx'
import { Paused } from '../front/Paused.tsx'
import { Password } from '../ui/fields.tsx'
import { errorsBy } from '../ui/field-errors.ts'
import { Page, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { session, signUp } from './session.ts'
import { TextLink } from '../shell/links.tsx'

const route = getRouteApi('/sign-up')
export function SignUp() {
  const { next } = route.useSearch()
  const router = useRouter()
  const [form, setForm] = useState({ name: '', email: '', password: '' }), [roles, setRoles] = useState<string[]>(['buyer'])
  const { busy, error, submit } = useWork()
  const set = (field: keyof typeof form) => (event: { currentTarget: HTMLInputElement }): void => { const { value } = event.currentTarget; setForm((now) => ({ ...now, [field]: value })) }
  async function join(): Promise<void> {
    await signUp({ ...form, roles: roles as ('buyer' | 'seller')[] })
    const now = session.get()
    if (now.kind === 'in') await router.navigate({ href: next ?? startOf(now.user), replace: true })
  }
  const fields = errorsBy(error), code = isLumarisError(error) ? error.code : null
  const beside = code === 'weak_password' || code === 'email_taken'
  return (
    <Page title="Sign up">
      <Paused what="signUps" />
      <form onSubmit={(event) => submit(event, join)} noValidate><Stack maw={420} w="100%">
        {error !== null && !beside && fields.size === 0 && <Refusal error={error} />}
        <TextInput label="Name" autoComplete="name" required value={form.name} onChange={set('name')} error={fields.get('/name')} />
        <TextInput label="E-mail" type="email" autoComplete="username" required value={form.email} onChange={set('email')} error={fields.get('/email') ?? (code === 'email_taken' && isLumarisError(error) ? `${error.message}. ${error.hint}` : undefined)} />
        <Password label="Password" description="At least 10 characters that are not a common password" autoComplete="new-password" required value={form.password} onChange={set('password')}
          error={fields.get('/password') ?? (code === 'weak_password' && isLumarisError(error) ? `${error.message}. ${error.hint}` : undefined)} />
        <Checkbox.Group label="I want to" value={roles} onChange={setRoles} error={fields.get('/roles')}><Stack gap="xs" mt={6}><Checkbox value="buyer" label="Buy: run jobs on other people’s machines" /><Checkbox value="seller" label="Sell: offer my machines" /></Stack></Checkbox.Group>
        <Button type="submit" loading={busy}>Make the account</Button>
        <Text size="sm">Have one? <TextLink to="/sign-in">Sign in</TextLink></Text>
      </Stack></form>
    </Page>
  )
}
