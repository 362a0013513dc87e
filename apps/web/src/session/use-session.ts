import type { RouteName, User } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { rest, whyNot } from './may.ts'
import type { Rest } from './may.ts'
import { useStore } from '../ui/store.ts'
import { reach, session } from './session.ts'
import type { Reach, SessionState } from './session.ts'

export const useSessionState = (): SessionState => useStore(session)
export const useReach = (): Reach => useStore(reach)

type In = Extract<SessionState, { kind: 'in' }>
export function useSession(): In {
  const state = useSessionState()
  const last = state.kind === 'in' ? state : lastSeen
  if (!last) throw new Error('This screen needs somebody who is signed in')
  lastSeen = last
  return last
}
// Between the end of a session and the change of the screen one more drawing may happen.
let lastSeen: In | null = null
/** Oneself, whoever one acts for. */
export const useSelf = (): { readonly user: User; readonly client: Client } => { const now = useSession(); return now.self ?? now }
export const useClient = (): Client => useSession().client
/** What rests for whoever is signed in, and why: `no` is spread over a button. */
export function useMay(): { readonly why: (name: RouteName) => string | undefined; readonly no: (name: RouteName, own?: string) => Rest } {
  const session = useSession(), why = (name: RouteName): string | undefined => whyNot(session, name)
  return { why, no: (name, own) => rest(why(name) ?? own) }
}
export const hasRole = (user: User, role: 'buyer' | 'seller' | 'admin'): boolean => user.roles.includes(role)
