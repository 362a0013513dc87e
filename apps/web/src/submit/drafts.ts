// Forms that were begun, kept in this browser and nowhere else: a reload, the way back and a second tab find them by `?draft=`. Values of secrets are never written, nor files, which a
// browser gives only to the page where they were chosen.
import { EMPTY } from './draft.ts'
import type { Draft } from './draft.ts'

export type Kept = { readonly id: string; readonly name: string; readonly savedAt: number; readonly draft: Draft }
/** The oldest goes when there are more; one larger than this is not kept. */
export const DRAFTS_MAX = 20, DRAFT_CHARS_MAX = 300_000
type Store = Pick<Storage, 'getItem' | 'setItem'>
export const placeOf = (user: string): string => `lumaris.drafts.${user}`

export function listDrafts(store: Store, user: string): Kept[] {
  try {
    const found: unknown = JSON.parse(store.getItem(placeOf(user)) ?? '[]')
    // What an older page has written lacks fields of this one.
    return Array.isArray(found) ? (found as Kept[]).filter((one) => typeof one?.id === 'string' && typeof one.draft === 'object' && one.draft !== null).map((one) => ({ ...one, draft: { ...EMPTY, ...one.draft, files: [] } })) : []
  } catch { return [] } // unreadable, or a browser that keeps nothing: then there are none
}
const put = (store: Store, user: string, all: readonly Kept[]): boolean => { try { store.setItem(placeOf(user), JSON.stringify(all)); return true } catch { return false } } // full, or switched off: the form works without
/** What may lie in a browser. */
export const storable = (draft: Draft): Draft => ({ ...draft, files: [], lost: [...new Set([...draft.lost, ...draft.files.map((file) => file.name)])], env: draft.env.map((one) => (one.secret ? { ...one, value: '' } : one)) })
/** False when this browser does not keep it. */
export function saveDraft(store: Store, user: string, id: string, draft: Draft, now: number): boolean {
  const kept: Kept = { id, name: draft.name.trim(), savedAt: now, draft: storable(draft) }
  return JSON.stringify(kept).length <= DRAFT_CHARS_MAX && put(store, user, [kept, ...listDrafts(store, user).filter((one) => one.id !== id)].slice(0, DRAFTS_MAX))
}
export const dropDraft = (store: Store, user: string, id: string): boolean => put(store, user, listDrafts(store, user).filter((one) => one.id !== id))
