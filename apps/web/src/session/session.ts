// Who is signed in in this tab. The access token lives in memory only. The refresh token must survive a reload, and the interface has no cookie
// route that could keep it out of reach of scripts: so it lies in sessionStorage, which ends with the tab and which no other site can read. The page's
// policy admits no foreign script. What is absent: staying signed in over a closed tab; it needs that cookie route.
import type { Tokens, User } from '@lumaris/protocol'
import { createClient, isLumarisError } from '@lumaris/sdk'
import type { Client } from '@lumaris/sdk'

export type SessionState =
  | { readonly kind: 'out'; readonly because?: string }
  | { readonly kind: 'in'; readonly user: User; readonly client: Client; /** Signed in with a key instead of a password. */ readonly byKey: boolean }
type Stored = { readonly refreshToken: string } | { readonly key: string }
/** A tab that was duplicated holds the same refresh token, and one of two that use it looks like a thief: they tell one another what came of it. */
type News = { readonly was: string; readonly tokens: Tokens }

const STORED = 'lumaris-session'
/** Renewed this long before the end, so that no request starts with a token that dies on the way. */
const MARGIN_MS = 15_000

export const anonymous = createClient({ url: location.origin, onRequest: ({ status }) => heard(status !== null) })
let state: SessionState = { kind: 'out' }
const listeners = new Set<() => void>()
export const session = {
  get: (): SessionState => state,
  subscribe(listener: () => void): () => void { listeners.add(listener); return () => { listeners.delete(listener) } },
}
function become(next: SessionState): void { state = next; for (const listener of listeners) listener() }

// Whether the market answers at all, seen from every request there is.
let reachable = true
const reachListeners = new Set<() => void>()
export const reach = {
  get: (): boolean => reachable,
  subscribe(listener: () => void): () => void { reachListeners.add(listener); return () => { reachListeners.delete(listener) } },
}
function heard(now: boolean): void { if (now !== reachable) { reachable = now; for (const listener of reachListeners) listener() } }

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('lumaris-session')
let tokens: (Tokens & { readonly until: number }) | null = null
let renewing: Promise<string> | null = null

function keep(fresh: Tokens): string {
  tokens = { ...fresh, until: Date.now() + fresh.expiresInMs - MARGIN_MS }
  sessionStorage.setItem(STORED, JSON.stringify({ refreshToken: fresh.refreshToken } satisfies Stored))
  return fresh.accessToken
}
if (channel) channel.onmessage = ({ data }: MessageEvent<News>) => { if (tokens?.refreshToken === data.was) keep(data.tokens) }

/** One renewal at a time, however many requests ask for it. */
function renew(): Promise<string> {
  if (tokens && Date.now() < tokens.until) return Promise.resolve(tokens.accessToken)
  renewing ??= rotate().finally(() => { renewing = null })
  return renewing
}
async function rotate(): Promise<string> {
  const was = tokens?.refreshToken ?? ''
  try {
    const fresh = await anonymous.api.refresh({ body: { refreshToken: was } })
    channel?.postMessage({ was, tokens: fresh } satisfies News)
    return keep(fresh)
  } catch (error) {
    if (isLumarisError(error) && error.status === 401) forget('Your session has ended. Sign in again.')
    throw error
  }
}

const clientOf = (token: string | (() => string | undefined), renewing_?: () => Promise<string>): Client =>
  createClient({ url: location.origin, token, onRequest: ({ status }) => heard(status !== null), ...(renewing_ ? { renew: renewing_ } : {}) })

async function enter(client: Client, byKey: boolean): Promise<void> {
  become({ kind: 'in', user: await client.api.me(), client, byKey })
}
export async function signIn(email: string, password: string): Promise<void> {
  keep(await anonymous.api.login({ body: { email, password } }))
  await enter(clientOf(() => tokens?.accessToken, renew), false)
}
export async function signInWithKey(key: string): Promise<void> {
  await enter(clientOf(key), true)
  sessionStorage.setItem(STORED, JSON.stringify({ key } satisfies Stored))
}
export async function signUp(body: { email: string; password: string; name: string; roles: ('buyer' | 'seller')[] }): Promise<void> {
  await anonymous.api.register({ body })
  await signIn(body.email, body.password)
}
export async function signOut(): Promise<void> {
  // The page forgets in any case; a server that cannot be reached ends the session by its age.
  if (state.kind === 'in' && !state.byKey) await state.client.api.logout().catch(() => undefined)
  forget()
}
function forget(because?: string): void {
  tokens = null
  sessionStorage.removeItem(STORED)
  become({ kind: 'out', ...(because ? { because } : {}) })
}

/** Goes on where the tab was before a reload. */
export async function resume(): Promise<void> {
  const stored = JSON.parse(sessionStorage.getItem(STORED) ?? 'null') as Stored | null
  if (!stored) return
  try {
    if ('key' in stored) return await signInWithKey(stored.key)
    tokens = { accessToken: '', refreshToken: stored.refreshToken, expiresInMs: 0, user: '' as Tokens['user'], until: 0 }
    await renew()
    await enter(clientOf(() => tokens?.accessToken, renew), false)
  } catch (error) {
    if (isLumarisError(error) && error.status === 401) forget('Your session has ended. Sign in again.')
    else become({ kind: 'out', because: 'The market did not answer. Reload the page to try again.' })
  }
}
