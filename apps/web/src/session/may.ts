// What whoever is signed in may do, by the same table of routes that the market goes by: a button that would be refused rests, and says why, before it is pressed.
import { MEMBER_SAYS, MEMBER_SCOPES, routes } from '@lumaris/protocol'
import type { Account, RouteName } from '@lumaris/protocol'

/** Why not; undefined: he may, as far as the table knows. Of keys with few scopes the page knows nothing: there the market says no. */
export function whyNot({ view, acting }: { view?: object; acting?: Pick<Account, 'role'> }, name: RouteName): string | undefined {
  const { method, scope, members }: { method: string; scope?: (typeof MEMBER_SCOPES)['manager'][number]; members?: boolean } = routes[name]
  if (view && method !== 'GET') return 'You only look at what somebody else sees, and can change nothing'
  if (!acting) return undefined
  if (!(members ?? scope !== undefined)) return 'Only the owner of the account does this'
  return scope === undefined || MEMBER_SCOPES[acting.role].includes(scope) ? undefined : `Not as a ${acting.role} of this account: a ${acting.role} ${MEMBER_SAYS[acting.role]}`
}
/** Spread over a button. The reason that it brings itself (`It has ended`) comes after the one that no waiting changes. */
export type Rest = { readonly disabled?: true; readonly title?: string }
export const rest = (why: string | undefined): Rest => (why === undefined ? {} : { disabled: true, title: why })
