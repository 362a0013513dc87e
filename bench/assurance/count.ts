// What is counted of a market, whichever way it is run.
export const BANDS = [0, 50, 100, 200, 400] as const
export type Counts = {
  tasks: number; wrong: number; undecided: number
  /** Per band of what the first owner had delivered: tasks, and results that were asked for. */
  readonly bands: { tasks: number; copies: number }[]
  cheats: number; /** Of the cheats: found out, and so unpaid. */ caught: number
  /** Pending earnings that were forfeited for it, in prices of a wrong result; read from the ledger. */
  forfeited: number
  /** Results of those who are not like the honest ones, all of them, right ones too; and how many of these were paid. */
  delivered: number; paid: number
  /** When a cheat was found out: its accepted results of the last day, and how many of them were lies. */
  lately: number; liesLately: number
}
export const newCounts = (): Counts => ({ tasks: 0, wrong: 0, undecided: 0, bands: BANDS.map(() => ({ tasks: 0, copies: 0 })), cheats: 0, caught: 0, forfeited: 0, delivered: 0, paid: 0, lately: 0, liesLately: 0 })
export function countTask(counts: Counts, delivered: number, copies: number, wrong: boolean): void {
  counts.tasks++
  if (wrong) counts.wrong++
  const band = counts.bands[BANDS.findLastIndex((from) => delivered >= from)] as { tasks: number; copies: number }
  band.tasks++
  band.copies += copies
}
export function sumOf(all: readonly Counts[]): Counts {
  const sum = newCounts()
  for (const one of all) {
    for (const key of ['tasks', 'wrong', 'undecided', 'cheats', 'caught', 'forfeited', 'delivered', 'paid', 'lately', 'liesLately'] as const) sum[key] += one[key]
    one.bands.forEach(({ tasks, copies }, i) => { const band = sum.bands[i] as { tasks: number; copies: number }; band.tasks += tasks; band.copies += copies })
  }
  return sum
}
/** Results asked for per accepted one, where the first owner had delivered so many before. */
export function overheadFrom(counts: Counts, from: number): number {
  const bands = counts.bands.filter((_, i) => (BANDS[i] as number) >= from), tasks = bands.reduce((sum, band) => sum + band.tasks, 0)
  return tasks === 0 ? 0 : bands.reduce((sum, band) => sum + band.copies, 0) / tasks
}
