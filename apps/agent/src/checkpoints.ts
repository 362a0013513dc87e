// Checkpoints of files: copied beside the work directory while the program stands still, then hashed and stored while it runs on. So it stands still for one
// copy on this machine's disk and not for a way over the network. A file that has not changed since the last checkpoint is neither copied nor stored again.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CHECKPOINT_FILES_MAX, CHECKPOINT_MANIFEST_BYTES_MAX, CheckpointManifest, canonical, matches } from '@lumaris/protocol'
import type { CheckpointSpec, ResultFile, Saved, Sha256 } from '@lumaris/protocol'
import { storeBytes } from './blobs.ts'
import type { Blobs } from './blobs.ts'
import { plainFiles } from './drivers/collect-outputs.ts'
import { sha256 } from './seal.ts'

/** What is not copied by then is too much for a program to stand still for: there is no checkpoint, and it runs on. 5 s are about 1 GiB on a slow disk. */
export const STANDSTILL_MS_MAX = 5_000
/** The clock of a file system moves in steps of some milliseconds: a file changed twice in one step would look unchanged. */
const CLOCK_STEP_NS = 100_000_000n

export class CheckpointRefused extends Error { override readonly name = 'CheckpointRefused' }

/** A file as it was at the last checkpoint, by its path. `mark` changes with every change of it. */
export type Known = Map<string, { readonly mark: string; readonly blob: Sha256; readonly size: number }>
export type Staged = { readonly path: string; readonly size: number; readonly mark: string; /** Null: it is known, and stored already. */ readonly copy: string | null }

/** While the program stands still. Nothing is followed out of `root`: it may hold anything (collect-outputs.ts). */
export async function stageFiles(root: string, into: string, { paths }: CheckpointSpec, known: Known, bounds: { readonly bytesMax: number; readonly until: AbortSignal }): Promise<Staged[]> {
  const staged: Staged[] = [], signal = AbortSignal.any([bounds.until, AbortSignal.timeout(STANDSTILL_MS_MAX)]), now = BigInt(Date.now()) * 1_000_000n
  await mkdir(into, { mode: 0o700 })
  for await (const file of plainFiles(root, { bytesMax: bounds.bytesMax })) {
    if (!paths.some((pattern) => matches(pattern, file.path))) continue
    signal.throwIfAborted()
    if (staged.length >= CHECKPOINT_FILES_MAX) throw new CheckpointRefused(`more files than one checkpoint can have (${CHECKPOINT_FILES_MAX}); pack them into one`)
    const { ino, mtimeNs, ctimeNs } = await lstat(join(root, file.path), { bigint: true })
    const mark = now - ctimeNs > CLOCK_STEP_NS ? `${ino} ${file.size} ${mtimeNs} ${ctimeNs}` : ''
    const old = known.get(file.path), same = mark !== '' && old?.mark === mark
    const copy = same ? null : join(into, String(staged.length))
    if (copy !== null) await pipeline(await file.open(), createWriteStream(copy, { mode: 0o600, flags: 'wx' }), { signal })
    staged.push({ path: file.path, size: file.size, mark, copy })
  }
  return staged
}

/** While the program runs on. Returns what there is to say of it. */
export async function storeFiles(staged: readonly Staged[], known: Known, blobs: Blobs, until: AbortSignal): Promise<Pick<Saved, 'manifest' | 'manifestSize' | 'size'>> {
  const files: ResultFile[] = []
  for (const { path, size, mark, copy } of staged) {
    const old = known.get(path)
    const blob = copy === null && old ? old.blob : await storeCopy(copy as string, size, blobs, until)
    known.set(path, { mark, blob, size })
    files.push({ path: path as ResultFile['path'], blob, size })
  }
  const text = canonical({ version: 1, files } satisfies CheckpointManifest), bytes = Buffer.from(text), manifest = sha256(text) as Sha256
  if (bytes.length > CHECKPOINT_MANIFEST_BYTES_MAX) throw new CheckpointRefused('the names of its files are too long for one checkpoint')
  await storeBytes(blobs, manifest, bytes, until)
  return { manifest, manifestSize: bytes.length, size: files.reduce((sum, file) => sum + file.size, 0) }
}

async function storeCopy(copy: string, size: number, blobs: Blobs, until: AbortSignal): Promise<Sha256> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(copy), hash, { signal: until })
  const blob = hash.digest('hex') as Sha256
  await blobs.store({ sha256: blob, size, open: (from) => createReadStream(copy, { start: from }) }, until)
  await rm(copy, { force: true })
  return blob
}

/** The files of a checkpoint over the inputs that lie there already; what is in the way of one of them gives way. Known, they need not be stored again. */
export async function layOver(root: string, { manifest, manifestSize, size }: Saved, blobs: Blobs, until: AbortSignal): Promise<void> {
  const list = `${root}.list`
  try {
    await blobs.fetchTo({ sha256: manifest, size: manifestSize, path: list }, until)
    const { files } = CheckpointManifest.parse(JSON.parse(await readFile(list, 'utf8')))
    if (files.reduce((sum, file) => sum + file.size, 0) !== size) throw new CheckpointRefused('the list of the checkpoint is not the one that was stored')
    for (const file of files) {
      const path = join(root, file.path)
      await makeWay(root, file.path)
      await mkdir(dirname(path), { recursive: true })
      await blobs.fetchTo({ sha256: file.blob, size: file.size, path }, until)
    }
  } finally { await rm(list, { force: true }) }
}

/** The program may have put a directory where an input was a file, or the other way round. */
async function makeWay(root: string, path: string): Promise<void> {
  const parts = path.split('/')
  for (let i = 1; i <= parts.length; i++) {
    const at = join(root, ...parts.slice(0, i)), stat = await lstat(at).catch(() => null /* nothing there */)
    if (stat && (i === parts.length || !stat.isDirectory())) await rm(at, { recursive: true })
  }
}
