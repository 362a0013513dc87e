// What one part of `npm run bench:matching` is: it reads its traces, runs its policies side by side with fixed seeds, and says what was reached beside
// what must be reached. A miss is a row like any other.
import type { Target } from '../figures.ts'

export type PartOptions = {
  /** The folder given as --traces; null when none was given. Parts on synthetic input do without. */
  readonly traces: string | null
  /** A shortened run, to see that everything works; its figures are no results. */
  readonly quick: boolean
  readonly progress: (line: string) => void
}
export type Table = { readonly title: string; readonly columns: readonly string[]; readonly rows: readonly (readonly (string | number)[])[] }
export type { Target }
export type PartResult = {
  readonly id: `B${number}`; readonly title: string; readonly tables: readonly Table[]; readonly targets: readonly Target[]
  /** What a reader must know to believe the figures: deviations, what was tried for a miss. */
  readonly notes: readonly string[]
  /** Files that were read, with the hash of what was in them. */
  readonly inputs: readonly { readonly file: string; readonly sha256: string }[]
}
export type Part = { readonly id: PartResult['id']; readonly title: string; /** Folders and files below the traces folder that it reads. */ readonly needs: readonly string[]; run(options: PartOptions): Promise<PartResult> }
