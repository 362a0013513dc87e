// What changes on the screen by itself is said to who does not see it: politely, the latest only, and not more often than one can listen.
import { useEffect, useRef } from 'react'
import { createStore, useStore } from './store.ts'

const EVERY_MS = 5_000
const said = createStore('')
let next: string | null = null, last = Number.NEGATIVE_INFINITY, timer: ReturnType<typeof setTimeout> | undefined
function speak(): void {
  timer = undefined
  if (next === null) return
  const text = next
  next = null
  last = performance.now()
  said.set(text)
}
export function say(text: string): void {
  next = text
  timer ??= setTimeout(speak, Math.max(0, last + EVERY_MS - performance.now()))
}
export const useSaid = (): string => useStore(said)
/** Says it when it changes; what stands there at first is read with the page. */
export function useSay(text: string): void {
  const before = useRef(text)
  useEffect(() => { if (before.current !== text) { before.current = text; say(text) } }, [text])
}

// What somebody has just done is shown at once, too, and goes by itself: whoever cannot see it is told by the line above.
const SHOWN_MS = 6_000
const shown = createStore('')
let hides: ReturnType<typeof setTimeout> | undefined
/** An act that went well: `Cancel the job: done`. */
export function done(text: string): void {
  say(text)
  shown.set(text)
  clearTimeout(hides)
  hides = setTimeout(() => shown.set(''), SHOWN_MS)
}
export const useDone = (): string => useStore(shown)
