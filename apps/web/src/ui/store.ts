// A value that lives as long as the page, outside of what is drawn, and who wants to know when it changes.
import { useSyncExternalStore } from 'react'

export type Store<Value> = { readonly get: () => Value; readonly set: (next: Value) => void; readonly subscribe: (listener: () => void) => () => void }
export function createStore<Value>(value: Value): Store<Value> {
  const listeners = new Set<() => void>()
  return {
    get: () => value,
    set(next) { value = next; for (const listener of listeners) listener() },
    subscribe(listener) { listeners.add(listener); return () => { listeners.delete(listener) } },
  }
}
export const useStore = <Value>({ subscribe, get }: Pick<Store<Value>, 'subscribe' | 'get'>): Value => useSyncExternalStore(subscribe, get)
