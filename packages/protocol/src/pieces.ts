// Where an input may be cut after it was sent: the buyer names the points, borders of its records, and the hash of what lies between two of them, so that the
// market cuts without reading a byte, and whoever fetches a range can check every byte of it.
import type { ByteRange, InputFile, InputPiece, JobSpec, TaskSpec } from './job-spec.ts'

/** Points in one file: should one node get all of it, they fit into a frame of its socket (1 MiB), a hundred bytes each. */
export const PIECES_MAX = 8_192

type Divided = InputFile & { from: number; to: number; pieces: InputPiece[] }
const isDivided = (file: InputFile): file is Divided => file.pieces !== undefined
/** The input of a task that may be cut; null for one that stays whole. */
export const dividedInput = ({ inputs }: Pick<TaskSpec, 'inputs'>): Divided | null => inputs?.find(isDivided) ?? null

/** The same file over a part of its range; both ends are points of it. */
export function narrowed({ pieces, ...file }: Divided, { from, to }: ByteRange): InputFile {
  return { ...file, from, to, pieces: pieces.slice(pieceAfter(pieces, from), pieceAfter(pieces, to - 1) + 1) }
}
/** The piece in which this byte lies. */
export function pieceAfter(pieces: readonly InputPiece[], at: number): number {
  let low = 0, high = pieces.length - 1
  while (low < high) { const middle = (low + high) >> 1; if ((pieces[middle] as { to: number }).to > at) high = middle; else low = middle + 1 }
  return low
}

/** The most tasks that a job may come to have. */
export const partsMax = ({ divide, tasks }: { readonly divide?: JobSpec['divide']; readonly tasks: readonly unknown[] }): number => divide?.most ?? tasks.length
