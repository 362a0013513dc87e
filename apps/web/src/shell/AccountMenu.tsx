import { useEffect, useState } from 'react'
import { Badge, Button, Menu, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import type { User } from '@lumaris/protocol'
import { accountsQuery, unreadQuery } from '../queries.ts'
import { actForAccount, actForMyself, signOut } from '../session/session.ts'
import { useSelf, useSession } from '../session/use-session.ts'
import { showKeys } from './Shortcuts.tsx'
import { plural, visible } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { AccountName } from './links.tsx'

/** `isWanted`: it was pressed before it was here. */
export function AccountMenu({ user, byKey, isWanted, came }: { user: User; byKey: boolean; isWanted: boolean; came: () => void }) {
  const router = useRouter(), unread = useQuery(unreadQuery(useSession().client)).data ?? 0
  const { acting, view } = useSession(), self = useSelf(), [opened, setOpened] = useState(isWanted)
  useEffect(came, [])
  // Asked when the menu is first opened: most work for nobody else.
  const accounts = useQuery({ ...accountsQuery(self.client), enabled: opened && !view }).data?.data ?? []
  const act = async (account: string | null): Promise<void> => { await (account === null ? actForMyself() : actForAccount(account)); await router.navigate({ to: '/home' }) }
  const leave = async (): Promise<void> => { await signOut(); await router.navigate({ to: '/' }) }
  return (
    <Menu position="bottom-end" withinPortal defaultOpened={isWanted} onOpen={() => setOpened(true)}>
      <Menu.Target><Button variant="default" size="sm" rightSection={<Icon name="down" />} maw={220} px={{ base: 'xs', sm: 'md' }}><span className="short"><AccountName name={user.name} /></span>{unread > 0 && <Badge ml={6} flex="none" size="sm" color="red" aria-label={`, ${plural(unread, 'new alert')}`}>{unread}</Badge>}</Button></Menu.Target>
      <Menu.Dropdown>
        <Text size="sm" px="sm" py={4} c="dimmed">{user.email}<br />{user.roles.join(', ')}{byKey ? ' · signed in by key, for this tab' : ''}</Text>
        {acting && <Menu.Item onClick={() => void act(null)}>Act for yourself</Menu.Item>}
        {accounts.filter(({ account }) => account !== acting?.account).map((one) => <Menu.Item key={one.account} onClick={() => void act(one.account)}>Act for {visible(one.name)} ({one.role})</Menu.Item>)}
        {(acting || accounts.length > 0) && <Menu.Divider />}
        <Menu.Item onClick={() => void router.navigate({ to: '/alerts' })}>Alerts{unread > 0 ? ` (${unread} new)` : ''}</Menu.Item>
        <Menu.Item onClick={showKeys}>Keys…</Menu.Item>
        <Menu.Item onClick={() => void leave()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
