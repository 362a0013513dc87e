// What every button and form does that begins work: once at a time, its failure kept until the next try. `busy` alone would not stop a second press: it
// is told with the next drawing, and two presses come before that.
import { useRef, useState } from 'react'
import type { FormEvent } from 'react'

export type Work = {
  readonly busy: boolean; readonly error: unknown
  /** Never rejects: a failure is kept, and shown by whoever shows `error`. */
  readonly run: (work: () => Promise<unknown>) => Promise<void>
  /** The same for a form: the page stays where it is. */
  readonly submit: (event: FormEvent, work: () => Promise<unknown>) => void
  readonly forget: () => void
}
export function useWork(): Work {
  const [busy, setBusy] = useState(false), [error, setError] = useState<unknown>(null)
  const going = useRef(false)
  const run = async (work: () => Promise<unknown>): Promise<void> => {
    if (going.current) return
    going.current = true
    setBusy(true)
    setError(null)
    try { await work() } catch (failure) { setError(failure) } finally { going.current = false; setBusy(false) }
  }
  return { busy, error, run, submit: (event, work) => { event.preventDefault(); void run(work) }, forget: () => setError(null) }
}
