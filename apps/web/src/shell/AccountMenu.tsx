import { Badge, Button, Menu, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import type { User } from '@lumaris/protocol'
import { unreadQuery } from '../queries.ts'
import { signOut } from '../session/session.ts'
import { useClient } from '../session/use-session.ts'
import { plural } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'

export function AccountMenu({ user, byKey }: { user: User; byKey: boolean }) {
  const router = useRouter(), unread = useQuery(unreadQuery(useClient())).data ?? 0
  const leave = async (): Promise<void> => { await signOut(); await router.navigate({ to: '/' }) }
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target><Button variant="default" size="sm" rightSection={<Icon name="down" />} maw={{ base: 120, sm: 180 }}>{user.name}{unread > 0 && <> <Badge size="sm" color="red" aria-label={`, ${plural(unread, 'new alert')}`}>{unread}</Badge></>}</Button></Menu.Target>
      <Menu.Dropdown>
        <Text size="sm" px="sm" py={4} c="dimmed">{user.email}<br />{user.roles.join(', ')}{byKey ? ' · signed in by key, for this tab' : ''}</Text>
        <Menu.Item onClick={() => void router.navigate({ to: '/alerts' })}>Alerts{unread > 0 ? ` (${unread} new)` : ''}</Menu.Item>
        <Menu.Item onClick={() => void leave()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
