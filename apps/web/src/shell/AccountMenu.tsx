import { Button, Menu, Text } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import type { User } from '@lumaris/protocol'
import { signOut } from '../session/session.ts'
import { Icon } from '../ui/Icon.tsx'

export function AccountMenu({ user, byKey }: { user: User; byKey: boolean }) {
  const router = useRouter()
  const leave = async (): Promise<void> => { await signOut(); await router.navigate({ to: '/' }) }
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><Button variant="default" size="sm" rightSection={<Icon name="down" />} maw={{ base: 120, sm: 180 }}>{user.name}</Button></Menu.Target>
      <Menu.Dropdown>
        <Text size="sm" px="sm" py={4} c="dimmed">{user.email}<br />{user.roles.join(', ')}{byKey ? ' · signed in by key, for this tab' : ''}</Text>
        <Menu.Item onClick={() => void leave()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
