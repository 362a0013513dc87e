import { Suspense, useEffect, useState } from 'react'
import type { ComponentType, ReactNode } from 'react'
import { ActionIcon, Button, Drawer, Kbd, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { Link, Outlet, useLocation } from '@tanstack/react-router'
import type { User } from '@lumaris/protocol'
import { useLive } from '../live.ts'
import { useRefresh } from '../pace.ts'
import { proving } from '../session/session.ts'
import { hasRole, useReach, useSession, useSessionState } from '../session/use-session.ts'
import { ago } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { useNow } from '../ui/parts.tsx'
import { useDone, useSaid } from '../ui/say.ts'
import { part } from '../ui/part.ts'
import { useStore } from '../ui/store.ts'
import type { PaletteProps } from './Palette.tsx'
import { Shortcuts } from './Shortcuts.tsx'
import { AccountName, ButtonLink, TextLink } from './links.tsx'

/** After the first page: what is wrong is asked of the market, and need not be there before anything else. */
const IncidentBanner = part(async () => (await import('./IncidentBanner.tsx')).IncidentBanner)

/** A field, which the first page can do without. */
const Pickers = part(async () => (await import('./Refresh.tsx')).Pickers), PaceLine = part(async () => (await import('./Refresh.tsx')).PaceLine)

/** Of admins who see what somebody else sees. */
const Viewing = part(async () => (await import('./Viewing.tsx')).Viewing)

/** Seldom there. */
const PauseBanner = part(async () => (await import('./PauseBanner.tsx')).PauseBanner)

/** Of who acts for somebody else's account. */
const Acting = part(async () => (await import('./Acting.tsx')).Acting)

/** What makes menus float is large, and nobody needs it before he is signed in. */
const AccountMenu = part(async () => (await import('./AccountMenu.tsx')).AccountMenu)

/** Asked of few, and seldom. */
const ProveAgain = part(async () => (await import('./ProveAgain.tsx')).ProveAgain)

export type Place = { readonly to: '/home' | '/submit' | '/templates' | '/jobs' | '/schedules' | '/wallet' | '/keys' | '/webhooks' | '/account' | '/nodes' | '/nodes/join' | '/earnings' | '/market' | '/fleet' | '/queue' | '/revenue' | '/ledger' | '/reconciliation' | '/users' | '/incidents' | '/appeals' | '/actions' | '/settings' | '/alerts' | '/members'; readonly name: string }
const places = (user: User): readonly (readonly [string, readonly Place[]])[] => [
  ...(hasRole(user, 'buyer') ? [['Buy', [{ to: '/home', name: 'Home' }, { to: '/submit', name: 'New job' }, { to: '/templates', name: 'Templates' }, { to: '/jobs', name: 'Jobs' }, { to: '/schedules', name: 'Schedules' }, { to: '/wallet', name: 'Wallet' }]] as const] : []),
  ...(hasRole(user, 'seller') ? [['Sell', [{ to: '/nodes', name: 'Nodes' }, { to: '/nodes/join', name: 'Add a node' }, { to: '/earnings', name: 'Earnings' }]] as const] : []),
  ...(hasRole(user, 'admin') ? [['Run the market', [{ to: '/market', name: 'Overview' }, { to: '/fleet', name: hasRole(user, 'seller') ? 'All nodes' : 'Nodes' }, ...(hasRole(user, 'buyer') ? [] : [{ to: '/jobs', name: 'Jobs' } as const, { to: '/schedules', name: 'Schedules' } as const]), { to: '/queue', name: 'Queue' }, { to: '/revenue', name: 'Revenue' }, { to: '/ledger', name: 'Ledger' }, { to: '/reconciliation', name: 'Reconciliation' }, { to: '/users', name: 'Users' }, { to: '/incidents', name: 'Incidents' }, { to: '/appeals', name: 'Appeals' }, { to: '/actions', name: 'Log' }, { to: '/settings', name: 'Settings' }]] as const] : []),
  ['Account', [{ to: '/account', name: 'Sign-in' }, { to: '/keys', name: 'API keys' }, { to: '/webhooks', name: 'Webhooks' }, { to: '/members', name: 'Members' }, { to: '/alerts', name: 'Alerts' }]],
]
export const startOf = (user: User): '/home' | '/nodes' | '/market' => (hasRole(user, 'buyer') ? '/home' : hasRole(user, 'seller') ? '/nodes' : '/market')

export function Shell() {
  const state = useSessionState()
  const path = useLocation({ select: (location) => location.pathname })
  const inside = state.kind === 'in' && !['/', '/sign-in', '/sign-up', '/forgot-password', '/reset-password', '/status'].includes(path)
  useRefresh()
  const [open, setOpen] = useState(false), [wantsMenu, setWantsMenu] = useState(false)
  return (
    <div className={inside ? 'shell' : 'shell wide'}>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>('#main')?.focus() }}>Skip to the content</a>
      <header className="top">
        {inside && <ActionIcon className="only-narrow" variant="default" size="lg" aria-label="Menu" aria-expanded={open} onClick={() => setOpen(true)}><Icon name="menu" /></ActionIcon>}
        <Link to={state.kind === 'in' ? startOf(state.user) : '/'} className="brand" aria-label="Lumaris"><img src="/icon.svg" alt="" width={26} height={26} /><span>Lumaris</span></Link>
        <span className="grow" />
        {inside && <Find />}
        <Colours />
        {state.kind === 'in' ? <Suspense fallback={<Button variant="default" size="sm" rightSection={<Icon name="down" />} maw={220} aria-busy onClick={() => setWantsMenu(true)}><AccountName name={state.user.name} /></Button>}><AccountMenu isWanted={wantsMenu} came={() => setWantsMenu(false)} user={state.self?.user ?? state.user} byKey={state.byKey} /></Suspense> : <><ButtonLink to="/sign-in" variant="default" size="sm">Sign in</ButtonLink><ButtonLink to="/sign-up" size="sm" className="only-wide">Sign up</ButtonLink></>}
      </header>
      <div className="silence"><Silence /><Suspense><PaceLine /></Suspense><Suspense><IncidentBanner /></Suspense><Suspense><PauseBanner /></Suspense>{state.kind === 'in' && state.view && <Suspense><Viewing view={state.view} /></Suspense>}{state.kind === 'in' && state.acting && <Suspense><Acting account={state.acting} /></Suspense>}</div>
      {inside && <nav className="side" aria-label="Screens"><div className="side-inner"><Places user={state.user} /><Suspense><Pickers /></Suspense></div></nav>}
      {inside && <Drawer opened={open} onClose={() => setOpen(false)} title="Lumaris" size="16rem" closeButtonProps={{ 'aria-label': 'Close' }}><nav aria-label="Screens"><Places user={state.user} onGo={() => setOpen(false)} /></nav><Suspense><Pickers /></Suspense></Drawer>}
      {inside && <Inside />}
      <main className="main" id="main" tabIndex={-1}>{inside && <Crumbs path={path} user={state.user} />}<Outlet />{['/', '/status'].includes(path) && <footer className="pickers"><Suspense><Pickers /></Suspense></footer>}</main>
    </div>
  )
}
/** From one thing back to the list of its kind. */
function Crumbs({ path, user }: { path: string; user: User }) {
  const [, kind, one] = path.split('/'), parent = one === undefined || one === '' ? undefined : places(user).flatMap(([, list]) => list).find(({ to }) => to === (kind === 'nodes' && !hasRole(user, 'seller') ? '/fleet' : `/${kind}`))
  return parent ? <nav aria-label="Breadcrumbs" className="crumbs"><TextLink to={parent.to} size="sm">{parent.name}</TextLink> <span aria-hidden>›</span></nav> : null
}
function Inside() {
  const { user } = useSession()
  useLive()
  const isAsked = useStore(proving), done = useDone()
  return <><Shortcuts user={user} /><div role="status" className="for-readers" id="said">{useSaid()}</div>{done && <div className="toast" aria-hidden>✓ {done}</div>}{isAsked && <Suspense><ProveAgain /></Suspense>}</>
}

/** What finds screens and jobs by their names. It comes when it is first wanted. */
function Find() {
  const { user } = useSession()
  const [Palette, setPalette] = useState<ComponentType<PaletteProps> | null>(null), [opened, setOpened] = useState(0)
  const open = (): void => { setOpened((now) => now + 1); void import('./Palette.tsx').then((module) => setPalette(() => module.Palette)) }
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
      event.preventDefault() // the browser's own search field
      open()
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [])
  return <>
    <Button variant="default" size="sm" className="only-wide" rightSection={<Kbd size="xs">Ctrl K</Kbd>} onClick={open}>Find</Button>
    <ActionIcon className="only-narrow" variant="default" size="lg" aria-label="Find" onClick={open}><Icon name="find" /></ActionIcon>
    {Palette && <Palette screens={places(user)} opened={opened} />}
  </>
}

function Places({ user, onGo }: { user: User; onGo?: () => void }) {
  return places(user).map(([head, list]) => (
    <div key={head}>
      <div className="nav-head" id={`nav-${head.replace(/\W/g, '')}`}>{head}</div>
      <ul className="plain-list" aria-labelledby={`nav-${head.replace(/\W/g, '')}`}>
        {list.map(({ to, name }) => <li key={to}><Link to={to} className="nav" activeProps={{ className: 'nav active' }} activeOptions={{ exact: to === '/nodes' || to === '/home', includeSearch: false }} {...(onGo ? { onClick: onGo } : {})}>{name}</Link></li>)}
      </ul>
    </div>
  ))
}

function Colours(): ReactNode {
  const { setColorScheme } = useMantineColorScheme()
  const now = useComputedColorScheme('light')
  const next = now === 'dark' ? 'light' : 'dark'
  return <ActionIcon variant="default" size="lg" aria-label={`Use ${next} colours`} onClick={() => setColorScheme(next)}><Icon name={now === 'dark' ? 'sun' : 'moon'} /></ActionIcon>
}

/** Says so when the market does not answer, and how old what is shown is. */
function Silence() {
  const { ok, at } = useReach()
  const now = useNow(1_000, !ok)
  return <div role="status">{!ok && <div className="banner">Reconnecting. Last update {ago(at, now)}.</div>}</div>
}
