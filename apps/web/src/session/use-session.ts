import { useSyncExternalStore } from 'react'
import type { User } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { reach, session } from './session.ts'
import type { SessionState } from './session.ts'

export const useSessionState = (): SessionState => useSyncExternalStore(session.subscribe, session.get)
export const useReachable = (): boolean => useSyncExternalStore(reach.subscribe, reach.get)

/** For screens behind the door: the router lets nobody in without a session, and takes the screen away when it ends. */
export function useSession(): { readonly user: User; readonly client: Client; readonly byKey: boolean } {
  const state = useSessionState()
  const last = state.kind === 'in' ? state : lastSeen
  if (!last) throw new Error('This screen needs somebody who is signed in')
  lastSeen = last
  return last
}
// Between the end of a session and the change of the screen one more drawing may happen.
let lastSeen: Extract<SessionState, { kind: 'in' }> | null = null
export const useClient = (): Client => useSession().client
