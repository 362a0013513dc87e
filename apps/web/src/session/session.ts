// Who is signed in in this tab. The access token lives in memory only; what renews it lies in a cookie that no script can read (see
// apps/server/src/http/browser-sessions.ts), so a reload and a second tab go on by themselves. Whoever signs in with an API key instead keeps
// it in sessionStorage, which ends with the tab: there is no cookie for keys, because a session must not outlive the key it came from.
import type { Account, BrowserTokens, User } from '@lumaris/protocol'
import { createClient, isLumarisError } from '@lumaris/sdk'
import type { Client, Seen } from '@lumaris/sdk'

export type SessionState =
  | { readonly kind: 'out'; readonly because?: string }
  | { readonly kind: 'in'; readonly user: User; readonly client: Client; /** Signed in with a key instead of a password. */ readonly byKey: boolean; /** An admin who sees what this user sees. */ readonly view?: View; /** The account that one acts for; `user` is it then, and `self` oneself. */ readonly acting?: Account; readonly self?: { readonly user: User; readonly client: Client } }
export type View = { readonly id: string; readonly token: string; readonly expiresAt: number }

const KEY = 'lumaris-key', VIEW = 'lumaris-view', ACTING = 'lumaris-acting', HINT = 'lumaris-has-session'
const ENDED = 'Your session has ended. Sign in again.'

// Whether the market answers, seen from every request there is; and when it last did.
export type Reach = { readonly ok: boolean; readonly at: number }
let reachNow: Reach = { ok: true, at: Date.now() }
const reachListeners = new Set<() => void>(), openListeners = new Set<() => void>()
export const reach = {
  get: (): Reach => reachNow,
  subscribe: (listener: () => void): (() => void) => { reachListeners.add(listener); return () => { reachListeners.delete(listener) } },
  /** Told each time the stream of events is opened, also after a gap. */
  onStream(listener: () => void): () => void { openListeners.add(listener); return () => { openListeners.delete(listener) } },
}
function heard({ url, status }: Seen): void {
  const before = reachNow
  reachNow = status === null ? { ok: false, at: before.at } : { ok: true, at: Date.now() }
  if (before.ok !== reachNow.ok) for (const listener of reachListeners) listener()
  if (status === 200 && new URL(url).pathname === '/v1/events') for (const listener of openListeners) listener()
}

export const anonymous = createClient({ url: location.origin, onRequest: heard })
let state: SessionState = { kind: 'out' }
const listeners = new Set<() => void>()
export const session = {
  get: (): SessionState => state,
  subscribe: (listener: () => void): (() => void) => { listeners.add(listener); return () => { listeners.delete(listener) } },
}
function become(next: SessionState): void { state = next; for (const listener of listeners) listener() }

let token: string | undefined
let renewing: Promise<string> | null = null
/** One renewal at a time, however many requests ask for it. */
const renew = (): Promise<string> => (renewing ??= keep(anonymous.api.renewBrowserSession()).catch((error: unknown) => {
  if (isLumarisError(error) && error.status === 401) forget(ENDED)
  throw error
}).finally(() => { renewing = null }))
async function keep(asked: Promise<BrowserTokens>): Promise<string> {
  token = (await asked).accessToken
  localStorage.setItem(HINT, '1')
  return token
}

async function enter(client: Client, byKey: boolean, view?: View): Promise<void> { become({ kind: 'in', user: await client.api.me(), client, byKey, ...(view ? { view } : {}) }) }
const enterByCookie = (): Promise<void> => enter(createClient({ url: location.origin, token: () => token, renew, prove: askToProve, onRequest: heard }), false)

// What admins change asks for a sign-in that is not long ago. Whichever screen asked, the page asks for the password in one place (shell/ProveAgain.tsx) and
// then sends the same request again; requests that come meanwhile wait for the same answer.
let asking: { readonly answered: Promise<boolean>; readonly answer: (proved: boolean) => void } | null = null
const askListeners = new Set<() => void>()
const tellAsked = (): void => { for (const listener of askListeners) listener() }
export const proving = {
  get: (): boolean => asking !== null,
  subscribe: (listener: () => void): (() => void) => { askListeners.add(listener); return () => { askListeners.delete(listener) } },
  answer(proved: boolean): void { asking?.answer(proved); asking = null; tellAsked() },
}
function askToProve(): Promise<boolean> {
  if (!asking) { const { promise, resolve } = Promise.withResolvers<boolean>(); asking = { answered: promise, answer: resolve }; tellAsked() }
  return asking.answered
}

// Tabs of one browser share the cookie, so they share who is signed in.
const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('lumaris-session')
if (tabs) tabs.onmessage = ({ data }: MessageEvent<'in' | 'out'>) => {
  if (state.kind === 'in' && state.byKey) return
  if (data === 'out') forget(); else void resume()
}

export async function signIn(email: string, password: string, code?: string): Promise<void> {
  await keep(anonymous.api.openBrowserSession({ body: { email, password, ...(code === undefined ? {} : { code }) } }))
  await enterByCookie()
  tabs?.postMessage('in')
}
export async function signInWithKey(key: string): Promise<void> {
  await enter(createClient({ url: location.origin, token: key, onRequest: heard }), true)
  sessionStorage.setItem(KEY, key)
}
/** For this tab; what one is signed in with oneself stays where it is. */
export async function viewAs({ id, token, expiresAt }: View): Promise<void> {
  await enter(createClient({ url: location.origin, token, onRequest: heard }), true, { id, token, expiresAt })
  sessionStorage.setItem(VIEW, JSON.stringify({ id, token, expiresAt }))
}
/** For this tab: what one does from now on is the account's, under one's own name. The screens are those of a buyer. */
export async function actForAccount(account: string): Promise<void> {
  const before = state
  if (before.kind !== 'in' || before.view) return
  const self = before.self ?? { user: before.user, client: before.client }, client = await self.client.actFor(account), { actingFor: acting } = await client.api.me()
  if (!acting) throw new Error('the market does not say for whom this token acts')
  become({ kind: 'in', user: { id: acting.account, name: acting.name, email: acting.email, roles: ['buyer'], createdAt: self.user.createdAt }, client, byKey: before.byKey, acting, self })
  sessionStorage.setItem(ACTING, account)
}
export async function actForMyself(): Promise<void> {
  sessionStorage.removeItem(ACTING)
  if (state.kind === 'in' && state.self) become({ kind: 'in', ...state.self, byKey: state.byKey })
}
/** After a reload. Whoever works there no more goes on as himself. */
async function actAgain(): Promise<void> {
  const account = sessionStorage.getItem(ACTING)
  if (account !== null) await actForAccount(account).catch(() => sessionStorage.removeItem(ACTING))
}
/** Back to oneself. That it is over is told as oneself: the token may say nothing. */
export async function stopViewing(): Promise<void> {
  const before = state, view = before.kind === 'in' ? before.view : undefined
  sessionStorage.removeItem(VIEW)
  await resume()
  if (state === before) forget(ENDED)
  if (view && state.kind === 'in') await state.client.api.endImpersonation({ params: { impersonation: view.id } }).catch(() => undefined) // it ends by itself soon
}
export async function signUp(body: { email: string; password: string; name: string; roles: ('buyer' | 'seller')[] }): Promise<void> {
  await anonymous.api.register({ body })
  await signIn(body.email, body.password)
}
export async function signOut(): Promise<void> {
  // The page forgets in any case; a server that cannot be reached ends the session by its age.
  if (state.kind === 'in' && !state.byKey) { await anonymous.api.endBrowserSession().catch(() => undefined); tabs?.postMessage('out') }
  forget()
}
/** The server said that whoever we are, we are not signed in any more. */
export const ended = (): void => { if (state.kind === 'in') { if (state.view) void stopViewing(); else if (state.acting) void actForMyself(); else forget(ENDED) } }
function forget(because?: string): void {
  proving.answer(false)
  token = undefined
  sessionStorage.removeItem(KEY)
  sessionStorage.removeItem(VIEW)
  sessionStorage.removeItem(ACTING)
  localStorage.removeItem(HINT)
  become({ kind: 'out', ...(because ? { because } : {}) })
}

/** Goes on where this browser was: by the key of the tab, else by the cookie. */
export async function resume(): Promise<void> {
  const view = sessionStorage.getItem(VIEW)
  if (view !== null) try { return await viewAs(JSON.parse(view) as View) } catch { sessionStorage.removeItem(VIEW) /* it is over: one is oneself again */ }
  const key = sessionStorage.getItem(KEY)
  if (key === null && localStorage.getItem(HINT) === null) return
  try {
    if (key !== null) await signInWithKey(key)
    else { await renew(); await enterByCookie() }
    await actAgain()
  } catch (error) {
    if (isLumarisError(error) && error.status === 401) forget(ENDED)
    else become({ kind: 'out', because: 'The market did not answer. Reload the page to try again.' })
  }
}
