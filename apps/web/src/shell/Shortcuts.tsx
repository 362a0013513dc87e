// Keys for those who like them. They rest while somebody types, and one switch turns them off (WCAG 2.1.4).
import { useEffect, useState } from 'react'
import { Kbd, Modal, Switch } from '@mantine/core'
import { useRouter } from '@tanstack/react-router'
import type { User } from '@lumaris/protocol'
import { hasRole } from '../session/use-session.ts'
import { goToRow } from '../ui/row-keys.ts'
import { turnTimes } from '../ui/times.ts'

const OFF = 'lumaris-no-keys'
/** The second key must follow the first within this time. */
const SECOND_MS = 1_500
type Go = readonly [key: string, to: '/home' | '/jobs' | '/submit' | '/templates' | '/schedules' | '/wallet' | '/nodes' | '/earnings' | '/market' | '/ledger' | '/users' | '/incidents' | '/actions' | '/queue' | '/fleet' | '/keys' | '/webhooks' | '/account' | '/members' | '/alerts' | '/revenue' | '/appeals' | '/settings', says: string]
const goes = (user: User): readonly Go[] => [
  ...(hasRole(user, 'buyer') ? [['h', '/home', 'Home'], ['n', '/submit', 'New job'], ['t', '/templates', 'Templates'], ['r', '/schedules', 'Schedules'], ['w', '/wallet', 'Wallet']] as const : []), ...(hasRole(user, 'buyer') || hasRole(user, 'admin') ? [['j', '/jobs', 'Jobs']] as const : []),
  ...(hasRole(user, 'seller') || hasRole(user, 'admin') ? [['s', '/nodes', 'Nodes']] as const : []), ...(hasRole(user, 'seller') ? [['e', '/earnings', 'Earnings']] as const : []),
  ...(hasRole(user, 'admin') ? [['m', '/market', 'Overview'], ['f', '/fleet', 'Nodes of the market'], ['q', '/queue', 'Queue'], ['l', '/ledger', 'Ledger'], ['u', '/users', 'Users'], ['i', '/incidents', 'Incidents'], ['a', '/actions', 'Log of admin actions'], ['v', '/revenue', 'Revenue'], ['c', '/appeals', 'Appeals'], ['x', '/settings', 'Settings']] as const : []), ['k', '/keys', 'API keys'], ...(hasRole(user, 'buyer') ? [['b', '/webhooks', 'Webhooks']] as const : []), ['o', '/members', 'Members'], ['d', '/alerts', 'Alerts'], ['p', '/account', 'Sign-in'],
]

/** Opens the list from elsewhere: who has turned single keys off could not come back to it by one. */
export const showKeys = (): void => void document.dispatchEvent(new Event('lumaris-keys'))
export function Shortcuts({ user }: { user: User }) {
  const router = useRouter()
  const [help, setHelp] = useState(false), [off, setOff] = useState(() => localStorage.getItem(OFF) !== null)
  useEffect(() => {
    let since = -SECOND_MS // not zero: in the first moments of a page every key would be a second one
    const pressed = (event: KeyboardEvent): void => {
      if (off || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
      if (event.target instanceof HTMLElement && event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], [role=menu]')) return
      const go = performance.now() - since < SECOND_MS ? goes(user).find(([key]) => key === event.key) : undefined
      since = event.key === 'g' ? performance.now() : -SECOND_MS
      if (go) { event.preventDefault(); void router.navigate({ to: go[1] }) }
      else if (event.key === 'j' || event.key === 'k') { if (goToRow(event.key === 'j' ? 1 : -1)) event.preventDefault() }
      else if (event.key === 't') turnTimes()
      else if (event.key === '?') { event.preventDefault(); setHelp(true) }
      else if (event.key === '/') { const filter = document.querySelector<HTMLElement>('[data-filter]'); if (filter) { event.preventDefault(); filter.focus() } }
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [off, user, router])
  useEffect(() => {
    const show = (): void => setHelp(true)
    document.addEventListener('lumaris-keys', show)
    return () => document.removeEventListener('lumaris-keys', show)
  }, [])
  const turn = (to: boolean): void => { setOff(to); if (to) localStorage.setItem(OFF, '1'); else localStorage.removeItem(OFF) }
  return (
    <Modal opened={help} onClose={() => setHelp(false)} title="Keys">
      <table className="table"><tbody>
        {goes(user).map(([key, , says]) => <tr key={key}><td className="number"><Kbd>g</Kbd> then <Kbd>{key}</Kbd></td><td>{says}</td></tr>)}
        <tr><td className="number"><Kbd>Ctrl</Kbd> <Kbd>K</Kbd></td><td>Find a screen or a job</td></tr><tr><td className="number"><Kbd>j</Kbd> <Kbd>k</Kbd></td><td>To the next row of a list, and back; <Kbd>Enter</Kbd> opens it</td></tr><tr><td><Kbd>/</Kbd></td><td>To the filter, where a screen has one</td></tr><tr><td><Kbd>t</Kbd></td><td>Times exactly, in UTC; again: how long ago</td></tr><tr><td><Kbd>?</Kbd></td><td>This list</td></tr><tr><td><Kbd>Esc</Kbd></td><td>Close a dialog</td></tr>
      </tbody></table>
      <Switch mt="md" label="Single keys do something" checked={!off} onChange={(event) => turn(!event.currentTarget.checked)} />
    </Modal>
  )
}
