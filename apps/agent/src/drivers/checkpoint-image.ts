// The files that a checkpoint of memory consists of: out of where a sandbox left them, and in to where one wakes from them. Whoever wrote the first may have been
// broken out of, so they are read as a work directory is (collect-outputs.ts).
import { chownSync, createWriteStream, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { collectOutputs, plainFiles } from './collect-outputs.ts'
import type { Checkpoint } from './driver.ts'

export type Restore = { readonly from: string; readonly checkpoint: Checkpoint }
type Found = { readonly path: string; open(): unknown }
const copyFile = async (file: Found, into: string): Promise<void> => pipeline(await file.open() as NodeJS.ReadableStream, createWriteStream(join(into, file.path), { flags: 'wx', mode: 0o600 }))

/** What lies in `from`, copied into `into`; with another way to copy where files are mostly holes. */
export async function takeImage(from: string, bounds: { readonly bytesMax?: number; readonly entriesMax: number }, into: string, copy: (file: Found) => Promise<void> = (file) => copyFile(file, into)): Promise<Checkpoint['files']> {
  const files: Checkpoint['files'][number][] = []
  for await (const file of collectOutputs(from, bounds)) {
    await copy(file)
    files.push({ path: file.path, size: file.size, sha256: file.sha256 })
  }
  return files
}

/** Into a place that only the sandbox's user id can read; what was compared there is what is restored. */
export async function bringImage({ from, checkpoint }: Restore, image: string, uid: number): Promise<void> {
  mkdirSync(image, { mode: 0o700 })
  const missing = new Map(checkpoint.files.map((file) => [file.path, file]))
  for await (const file of plainFiles(from)) {
    if (!missing.has(file.path)) continue
    await copyFile(file, image)
  }
  for await (const file of collectOutputs(image)) if (missing.get(file.path)?.sha256 === file.sha256) missing.delete(file.path)
  if (missing.size > 0) throw new Error(`the checkpoint is not the one that was taken: ${[...missing.keys()].join(', ')} differs or is missing`)
  for (const name of readdirSync(image)) chownSync(join(image, name), uid, uid)
  chownSync(image, uid, uid)
}
