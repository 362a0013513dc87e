import { useSyncExternalStore } from 'react'
import type { User } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { reach, session } from './session.ts'
import type { Reach, SessionState } from './session.ts'

export const useSessionState = (): SessionState => useSyncExternalStore(session.subscribe, session.get)
export const useReach = (): Reach => useSyncExternalStore(reach.subscribe, reach.get)

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
export const hasRole = (user: User, role: 'buyer' | 'seller' | 'admin'): boolean => user.roles.includes(role)
