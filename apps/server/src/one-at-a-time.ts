/** Asked for while one runs, one more follows it; `idle` waits for the end, and lets no other follow. */
export function oneAtATime(run: () => Promise<void>): { ask(): Promise<void>; idle(): Promise<void> } {
  let running: Promise<void> | null = null, again = false
  const go = async (): Promise<void> => { do { again = false; await run() } while (again) }
  const ask = (): Promise<void> => {
    if (running) { again = true; return running }
    return (running = go().finally(() => { running = null }))
  }
  return { ask, idle: async () => { again = false; await running } }
}
