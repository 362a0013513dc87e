// Small file habits that several modules share.
import { chmod, lstat, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf } from './log.ts'

/** The whole file or the old one, never half of it, even through a power cut. */
export async function writeAtomic(path: string, text: string, mode = 0o600): Promise<void> {
  const draft = `${path}.new`
  await rm(draft, { force: true })
  const file = await open(draft, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally { await file.close() }
  await rename(draft, path)
  await syncDir(dirname(path))
}

/** A new name is only safe when its directory is. */
export async function syncDir(path: string): Promise<void> {
  if (process.platform === 'win32') return // directories cannot be opened there, and need not be
  const dir = await open(path, 'r')
  try { await dir.sync() } finally { await dir.close() }
}

/** Removes what a job left, also directories it has locked against us. Links are removed, never followed. */
export async function removeTree(path: string): Promise<void> {
  try { return await rm(path, { recursive: true, force: true, maxRetries: 2 }) } catch (error) {
    if (!['EACCES', 'EPERM'].includes(codeOf(error))) throw error
  }
  await unlock(path)
  await rm(path, { recursive: true, force: true, maxRetries: 2 })
}

async function unlock(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return
  await chmod(path, 0o700)
  for (const name of await readdir(path)) await unlock(join(path, name))
}
