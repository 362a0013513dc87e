import { expect, test } from 'vitest'
import { EMPTY } from './draft.ts'
import { DRAFTS_MAX, DRAFT_CHARS_MAX, dropDraft, listDrafts, placeOf, saveDraft } from './drafts.ts'

function aStore(broken = false) {
  const map = new Map<string, string>()
  return { map, getItem: (key: string) => map.get(key) ?? null, setItem: (key: string, value: string) => { if (broken) throw new Error('full'); map.set(key, value) } }
}
test('kept, changed, listed with the newest first, and dropped; each user has their own', () => {
  const store = aStore()
  expect([saveDraft(store, 'ann', 'a', { ...EMPTY, name: 'first' }, 1), saveDraft(store, 'ann', 'b', EMPTY, 2), saveDraft(store, 'ann', 'a', { ...EMPTY, name: 'again' }, 3), saveDraft(store, 'bob', 'a', EMPTY, 4)]).toEqual([true, true, true, true])
  expect(listDrafts(store, 'ann').map(({ id, name, savedAt }) => [id, name, savedAt])).toEqual([['a', 'again', 3], ['b', '', 2]])
  dropDraft(store, 'ann', 'a')
  expect([listDrafts(store, 'ann').map(({ id }) => id), listDrafts(store, 'bob').length]).toEqual([['b'], 1])
})
test('values of secrets are never written, and files become names to choose again', () => {
  const store = aStore()
  saveDraft(store, 'ann', 'a', { ...EMPTY, files: [new File(['content of it'], 'data.csv')], lost: ['old.csv'], env: [{ name: 'TOKEN', value: 'hunter2-hunter2', secret: true }, { name: 'LEVEL', value: '3', secret: false }] }, 1)
  expect(store.map.get(placeOf('ann'))).not.toMatch(/hunter2|content of it/)
  expect(listDrafts(store, 'ann')[0]?.draft).toMatchObject({ files: [], lost: ['old.csv', 'data.csv'], env: [{ name: 'TOKEN', value: '', secret: true }, { name: 'LEVEL', value: '3' }] })
})
test('bounded; and what is unreadable, too large or not to be kept at all does no harm', () => {
  const store = aStore()
  for (let i = 0; i < DRAFTS_MAX + 5; i++) saveDraft(store, 'ann', `d${i}`, EMPTY, i)
  expect(listDrafts(store, 'ann')).toHaveLength(DRAFTS_MAX)
  expect(saveDraft(store, 'ann', 'large', { ...EMPTY, code: 'x'.repeat(DRAFT_CHARS_MAX) }, 1)).toBe(false)
  for (const text of ['nonsense', '{}', '[1]', '[{"id":"a"}]']) { store.map.set(placeOf('ann'), text); expect(listDrafts(store, 'ann')).toEqual([]) }
  store.map.set(placeOf('ann'), '[{"id":"old","name":"","savedAt":1,"draft":{"name":"of before"}}]')
  expect(listDrafts(store, 'ann')[0]?.draft).toEqual({ ...EMPTY, name: 'of before' })
  expect(saveDraft(aStore(true), 'ann', 'a', EMPTY, 1)).toBe(false)
})
