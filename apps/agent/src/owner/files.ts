// What the owner wants, in three files of the data directory: the settings, the last wish (pause until …), and the kill switch, a file whose being there
// stops everything. Files and nothing else: the screen, the command line and an editor all write them, the agent notices within a quarter of a second,
// and a restart finds them again.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { OwnerSettings, OwnerWish } from '@lumaris/protocol'
import type { OwnerSettingsInput } from '@lumaris/protocol'
import { writeAtomic } from '../files.ts'
import { AgentStopped, codeOf } from '../log.ts'

export const SETTINGS_FILE = 'owner.json', WISH_FILE = 'owner-wish.json', STOP_FILE = 'STOP'
export type OwnerFiles = { readonly settings: OwnerSettings; readonly wish: OwnerWish; readonly stopped: boolean; /** Why the settings on the disk are not those in force. */ readonly trouble: string | null }

/** Reads them once; settings that cannot be read are told in one sentence. */
export function readOwnerFiles(dataDir: string, defaults: OwnerSettingsInput = {}): OwnerFiles {
  return { settings: parse(join(dataDir, SETTINGS_FILE), OwnerSettings, defaults), wish: parse(join(dataDir, WISH_FILE), OwnerWish, {}), stopped: markOf(join(dataDir, STOP_FILE)) !== null, trouble: null }
}

/** Looks again whenever a file has changed. Settings that cannot be read any more change nothing, but are told. */
export function watchOwnerFiles(dataDir: string, defaults: OwnerSettingsInput = {}): { look(): OwnerFiles } {
  const marksNow = (): string => [SETTINGS_FILE, WISH_FILE, STOP_FILE].map((file) => markOf(join(dataDir, file)) ?? '-').join()
  let marks = marksNow()
  let known = readOwnerFiles(dataDir, defaults)
  return { look() {
    const now = marksNow()
    if (now === marks) return known
    marks = now
    try { known = readOwnerFiles(dataDir, defaults) } catch (error) { known = { ...known, stopped: markOf(join(dataDir, STOP_FILE)) !== null, trouble: (error as Error).message } }
    return known
  } }
}

export const writeSettings = (dataDir: string, settings: OwnerSettings): Promise<void> => write(dataDir, SETTINGS_FILE, OwnerSettings.parse(settings))
export const writeWish = (dataDir: string, wish: OwnerWish): Promise<void> => write(dataDir, WISH_FILE, OwnerWish.parse(wish))
/** In place and at once: nothing may stand between an owner and the end of everything. */
export function setStopped(dataDir: string, stopped: boolean): void {
  if (stopped) writeFileSync(join(dataDir, STOP_FILE), 'While this file is here, nothing of the market runs on this machine. Remove it, or: lumaris agent resume\n', { mode: 0o600 })
  else rmSync(join(dataDir, STOP_FILE), { force: true })
}

async function write(dataDir: string, name: string, value: unknown): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await writeAtomic(join(dataDir, name), `${JSON.stringify(value, null, 2)}\n`)
}

function parse<Schema extends z.ZodType>(path: string, schema: Schema, absent: unknown): z.infer<Schema> {
  let text: string | null = null
  try { text = readFileSync(path, 'utf8') } catch (error) { if (codeOf(error) !== 'ENOENT') throw error }
  let value: unknown = absent
  if (text !== null) try { value = JSON.parse(text) } catch { throw new AgentStopped(`${path} is not valid JSON; mend it, or remove it to go back to what is usual.`) }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new AgentStopped(`${path}: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'does not fit'}. Mend it, or remove it to go back to what is usual.`)
}

/** Changes with every way to write a file. */
function markOf(path: string): string | null {
  try { const { ino, mtimeNs, size } = statSync(path, { bigint: true }); return `${ino}.${mtimeNs}.${size}` } catch { return null /* not there, which is the usual state of each of them */ }
}
