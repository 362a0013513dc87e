// The contents page: every screen and its address. What a screen needs to be shown again (filters, pages) is in the address, checked here.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { z } from 'zod'
import { ActionName, JobState, MismatchKind, NodeState } from '@lumaris/protocol'
import { session } from './session/session.ts'
import { JOB_TABS } from './jobs/tabs.ts'
import { NODE_TABS } from './nodes/tabs.ts'
import { Shell } from './shell/Shell.tsx'
import { NotFound, Broken } from './shell/Trouble.tsx'

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Broken })

const front = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('./front/Front.tsx'), 'Front') })
/** Where to go on after signing in: an address of these screens, never one of elsewhere (`//other.example`). */
const next = z.object({ next: z.string().regex(/^\/(?![/\\])[^\u0000-\u001f\\]*$/).optional().catch(undefined) })
const signIn = createRoute({ getParentRoute: () => root, path: '/sign-in', validateSearch: next, component: lazyRouteComponent(() => import('./session/SignIn.tsx'), 'SignIn') })
const signUp = createRoute({ getParentRoute: () => root, path: '/sign-up', validateSearch: next, component: lazyRouteComponent(() => import('./session/SignUp.tsx'), 'SignUp') })
const forgot = createRoute({ getParentRoute: () => root, path: '/forgot-password', component: lazyRouteComponent(() => import('./session/ForgotPassword.tsx'), 'ForgotPassword') })
const reset = createRoute({ getParentRoute: () => root, path: '/reset-password', component: lazyRouteComponent(() => import('./session/ResetPassword.tsx'), 'ResetPassword') })

const status = createRoute({ getParentRoute: () => root, path: '/status', component: lazyRouteComponent(() => import('./front/MarketStatus.tsx'), 'MarketStatus') })

const invitation = createRoute({ getParentRoute: () => root, path: '/invitation', component: lazyRouteComponent(() => import('./members/Invitation.tsx'), 'InvitationScreen') })

const text = z.string().max(200).optional().catch(undefined)
const inside = createRoute({
  getParentRoute: () => root, id: 'inside',
  beforeLoad: ({ location }) => { if (session.get().kind !== 'in') throw redirect({ to: '/sign-in', search: { next: location.href } }) },
})
const screens = [
  createRoute({ getParentRoute: () => inside, path: '/home', component: lazyRouteComponent(() => import('./home/Home.tsx'), 'Home') }),
  createRoute({ getParentRoute: () => inside, path: '/submit', validateSearch: z.object({ from: z.string().max(100).optional().catch(undefined), template: z.string().max(40).optional().catch(undefined), saved: z.string().max(60).optional().catch(undefined), draft: z.string().max(40).optional().catch(undefined), step: z.enum(['where', 'limits', 'review']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./submit/Submit.tsx'), 'Submit') }),
  createRoute({ getParentRoute: () => inside, path: '/jobs', validateSearch: z.object({ state: JobState.optional().catch(undefined), q: text, of: text }), component: lazyRouteComponent(() => import('./jobs/Jobs.tsx'), 'Jobs') }),
  createRoute({ getParentRoute: () => inside, path: '/jobs/$job', validateSearch: z.object({ tab: z.enum(JOB_TABS).optional().catch(undefined), part: z.number().int().min(0).optional().catch(undefined), attempt: z.string().max(60).optional().catch(undefined), at: z.string().regex(/^(stdout|stderr):\d{1,15}$/).optional().catch(undefined), find: text, stream: z.enum(['stdout', 'stderr']).optional().catch(undefined), level: z.string().max(12).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./jobs/Job.tsx'), 'JobScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/schedules', validateSearch: z.object({ from: z.string().max(100).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./schedules/Schedules.tsx'), 'Schedules') }),
  createRoute({ getParentRoute: () => inside, path: '/templates', validateSearch: z.object({ q: text }), component: lazyRouteComponent(() => import('./templates/Templates.tsx'), 'Templates') }),
  createRoute({ getParentRoute: () => inside, path: '/wallet', validateSearch: z.object({ days: z.union([z.literal(7), z.literal(90), z.literal(365)]).optional().catch(undefined), by: z.enum(['name', 'template']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./wallet/Wallet.tsx'), 'WalletScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/keys', component: lazyRouteComponent(() => import('./keys/Keys.tsx'), 'Keys') }),
  createRoute({ getParentRoute: () => inside, path: '/webhooks', validateSearch: z.object({ hook: z.string().max(40).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./webhooks/Webhooks.tsx'), 'Webhooks') }),
  createRoute({ getParentRoute: () => inside, path: '/account', component: lazyRouteComponent(() => import('./account/Account.tsx'), 'AccountScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/device', validateSearch: z.object({ code: z.string().max(20).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./account/Device.tsx'), 'Device') }),
  createRoute({ getParentRoute: () => inside, path: '/nodes', validateSearch: z.object({ q: text }), component: lazyRouteComponent(() => import('./nodes/Nodes.tsx'), 'Nodes') }),
  createRoute({ getParentRoute: () => inside, path: '/nodes/join', component: lazyRouteComponent(() => import('./nodes/Join.tsx'), 'Join') }),
  createRoute({ getParentRoute: () => inside, path: '/nodes/$node', validateSearch: z.object({ tab: z.enum(NODE_TABS).optional().catch(undefined), span: z.enum(['minutes', 'day', 'week']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./nodes/Node.tsx'), 'NodeScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/earnings', component: lazyRouteComponent(() => import('./earnings/Earnings.tsx'), 'Earnings') }),
  createRoute({ getParentRoute: () => inside, path: '/earnings/statement', validateSearch: z.object({ year: z.number().int().min(2020).max(2200).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./earnings/Statement.tsx'), 'Statement') }),
  createRoute({ getParentRoute: () => inside, path: '/market', component: lazyRouteComponent(() => import('./admin/Market.tsx'), 'Market') }),
  createRoute({ getParentRoute: () => inside, path: '/fleet', validateSearch: z.object({ q: text, region: text, version: text, state: NodeState.optional().catch(undefined), ends: z.enum(['least-0.99', 'least-0.9', 'most-0.9', 'most-0.5']).optional().catch(undefined), free: z.literal([1, 4, 16, 64]).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Fleet.tsx'), 'Fleet') }),
  createRoute({ getParentRoute: () => inside, path: '/queue', component: lazyRouteComponent(() => import('./admin/Queue.tsx'), 'Queue') }),
  createRoute({ getParentRoute: () => inside, path: '/revenue', validateSearch: z.object({ days: z.literal([7, 90, 365]).optional().catch(undefined), by: z.enum(['region', 'template']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Revenue.tsx'), 'Revenue') }),
  createRoute({ getParentRoute: () => inside, path: '/ledger', validateSearch: z.object({ account: text, job: text, of: text, older: z.literal(['any', 'hour', 'week']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Ledger.tsx'), 'Ledger') }),
  createRoute({ getParentRoute: () => inside, path: '/reconciliation', validateSearch: z.object({ account: text, kind: MismatchKind.optional().catch(undefined), state: z.literal('settled').optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Reconciliation.tsx'), 'Reconciliation') }),
  createRoute({ getParentRoute: () => inside, path: '/users', validateSearch: z.object({ q: text, suspended: z.enum(['yes', 'no']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Users.tsx'), 'Users') }),
  createRoute({ getParentRoute: () => inside, path: '/users/$user', component: lazyRouteComponent(() => import('./admin/UserScreen.tsx'), 'UserScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/appeals', validateSearch: z.object({ state: z.enum(['accepted', 'refused']).optional().catch(undefined) }), component: lazyRouteComponent(() => import('./admin/Appeals.tsx'), 'Appeals') }),
  createRoute({ getParentRoute: () => inside, path: '/incidents', component: lazyRouteComponent(() => import('./admin/Incidents.tsx'), 'Incidents') }),
  createRoute({ getParentRoute: () => inside, path: '/actions', validateSearch: z.object({ action: ActionName.optional().catch(undefined), by: text, subject: text }), component: lazyRouteComponent(() => import('./admin/Actions.tsx'), 'Actions') }),
  createRoute({ getParentRoute: () => inside, path: '/settings', component: lazyRouteComponent(() => import('./admin/Settings.tsx'), 'SettingsScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/members', component: lazyRouteComponent(() => import('./members/Members.tsx'), 'MembersScreen') }),
  createRoute({ getParentRoute: () => inside, path: '/alerts', component: lazyRouteComponent(() => import('./alerts/Alerts.tsx'), 'AlertsScreen') }),
] as const

export const router = createRouter({ routeTree: root.addChildren([front, status, invitation, signIn, signUp, forgot, reset, inside.addChildren(screens)]), defaultPreload: 'intent', scrollRestoration: true })
declare module '@tanstack/react-router' { interface Register { router: typeof router } }
