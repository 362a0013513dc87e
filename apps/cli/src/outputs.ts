// Brings result files home. They come from a stranger's machine, so their names are not trusted: nothing lands outside of the target, nothing goes
// through a link, nothing that is there is replaced unless asked, and nothing comes that was not asked for.
import { createHash } from 'node:crypto'
import { createReadStream, lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { RelativePath, isWanted, placesOf } from '@lumaris/protocol'
import type { Results } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { isLumarisError } from '@lumaris/sdk'
import { sizeText } from './ui/time.ts'
import type { Progress } from './ui/progress.ts'

export type SaveOptions = {
  readonly directory: string; readonly overwrite: boolean; readonly progress: Progress; readonly signal?: AbortSignal | undefined
  /** What the job was asked to bring back. */
  readonly patterns: readonly string[]
  /** Files that went up with the job: those that come back unchanged are not results. */
  readonly inputs?: readonly { readonly path: string; readonly blob: string }[] | undefined
}
export type Saved = { readonly saved: string[]; readonly same: string[]; readonly left: { readonly path: string; readonly why: string; readonly conflict: boolean }[] }

export async function saveResults(client: Client, results: Results, options: SaveOptions): Promise<Saved> {
  const outcome: Saved = { saved: [], same: [], left: [] }
  mkdirSync(options.directory, { recursive: true })
  const root = realpathSync(options.directory)
  const inputs = new Map(options.inputs?.map((input) => [input.path, input.blob]))
  for (const { path, place, blob, size } of placesOf(results)) {
    if (inputs.get(path) === blob) continue
    const leave = (why: string, conflict = false): void => { outcome.left.push({ path: place, why, conflict }) }
    const no = refusedName(path, options.patterns) ?? makeParent(root, place)
    if (no) { leave(no); continue }
    const target = join(root, place)
    if (await isSame(target, blob)) { outcome.same.push(place); continue }
    options.progress.phase(`Fetching ${place} (${sizeText(size)})`)
    try {
      await client.download(blob, target, { overwrite: options.overwrite && isPlain(target), signal: options.signal, onProgress: (done, total) => options.progress.at(done, total) })
      outcome.saved.push(place)
    } catch (error) {
      if (!isLumarisError(error, 'file_exists')) throw error
      leave(inputs.has(path) ? 'it would replace an input' : 'there is one already', true)
    }
  }
  options.progress.clear()
  return outcome
}

function refusedName(path: string, patterns: readonly string[]): string | null {
  if (!RelativePath.safeParse(path).success) return 'its name leads out of the folder'
  if (isWanted(path, patterns)) return null
  return path.split('/').some((part) => part.startsWith('.')) ? 'it is a hidden file that nobody asked for by name' : 'nobody asked for it'
}

/** Makes the folders of a place, and says no where one of them is a link or a file. */
function makeParent(root: string, place: string): string | null {
  let directory = root
  for (const part of dirname(place).split('/').filter((one) => one !== '.')) {
    directory = join(directory, part)
    try { mkdirSync(directory) } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (!lstatSync(directory).isDirectory()) return `${part} is not a folder here`
    }
  }
  return directory === root || directory.startsWith(root.endsWith(sep) ? root : root + sep) ? null : 'its name leads out of the folder'
}
const isPlain = (path: string): boolean => { try { return lstatSync(path).isFile() } catch { return true } } // nothing there: nothing to spare

async function isSame(path: string, blob: string): Promise<boolean> {
  try {
    if (!lstatSync(path).isFile()) return false
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    return hash.digest('hex') === blob
  } catch { return false } // not there, or not readable: the download will say
}
