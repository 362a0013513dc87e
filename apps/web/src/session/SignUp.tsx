import { useState } from 'react'
import { Button, Checkbox, Stack, Text, TextInput } from '@mantine/core'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { startOf } from '../shell/Shell.tsx'
import { Paused } from '../front/Paused.tsx'
import { Password } from '../ui/fields.tsx'
import { beside } from '../ui/field-errors.ts'
import { Page, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { session, signUp } from './session.ts'
import { TextLink } from '../shell/links.tsx'

const route = getRouteApi('/sign-up')
export function SignUp() {
  const { next } = route.useSearch()
  const router = useRouter()
  const [form, setForm] = useState({ name: '', email: '', password: '' }), [roles, setRoles] = useState<string[]>([next?.startsWith('/nodes') ? 'seller' : 'buyer'])
  const { busy, error, submit } = useWork()
  const set = (field: keyof typeof form) => (event: { currentTarget: HTMLInputElement }): void => { const { value } = event.currentTarget; setForm((now) => ({ ...now, [field]: value })) }
  async function join(): Promise<void> {
    await signUp({ ...form, roles: roles as ('buyer' | 'seller')[] })
    const now = session.get()
    if (now.kind === 'in') await router.navigate({ href: next ?? startOf(now.user), replace: true })
  }
  const { at, isLeft } = beside(error, ['/name', '/email', '/password', '/roles'], { weak_password: '/password', email_taken: '/email' })
  return (
    <div className="door"><Page title="Sign up">
      <Paused what="signUps" />
      <form onSubmit={(event) => submit(event, join)} noValidate><Stack maw={420} w="100%">
        {isLeft && <Refusal error={error} />}
        <TextInput label="Name" autoComplete="name" required value={form.name} onChange={set('name')} error={at('/name')} />
        <TextInput label="E-mail" type="email" autoComplete="username" required value={form.email} onChange={set('email')} error={at('/email')} />
        <Password label="Password" description="At least 10 characters that are not a common password" autoComplete="new-password" required value={form.password} onChange={set('password')} error={at('/password')} />
        <Checkbox.Group label="I want to" value={roles} onChange={setRoles} error={at('/roles')}><Stack gap="xs" mt={6}><Checkbox value="buyer" label="Buy: run jobs on other people’s machines" /><Checkbox value="seller" label="Sell: offer my machines" /></Stack></Checkbox.Group>
        <Button type="submit" loading={busy}>Make the account</Button>
        <Text size="sm">Have one? <TextLink to="/sign-in">Sign in</TextLink></Text>
      </Stack></form>
    </Page></div>
  )
}
