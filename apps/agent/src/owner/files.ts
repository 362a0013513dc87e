// What the owner wants, in three files of the data directory: the settings, the last wish (pause until …), and the kill switch, a file whose being there
// stops everything; and a fourth, with the settings that were asked over the market, which hold where the first says nothing. Files and nothing else: the
// screen, the command line and an editor all write them, the agent notices within a quarter of a second, and a restart finds them again.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ownSettings, resolveSettings } from '@lumaris/domain'
import { OwnerAsked, OwnerSettings, OwnerWish } from '@lumaris/protocol'
import type { AskOwner, OwnerSettingsInput } from '@lumaris/protocol'
import { writeAtomic } from '../files.ts'
import { AgentStopped, codeOf } from '../log.ts'

export const SETTINGS_FILE = 'owner.json', WISH_FILE = 'owner-wish.json', STOP_FILE = 'STOP', ASKED_FILE = 'owner-asked.json'
/** What was last asked over the market. `refused`: it was not taken, and the settings beside it are those from before. */
const Asked = z.strictObject({ number: z.number().int().min(0), settings: OwnerAsked, refused: z.string().max(300).optional() })
export type Asked = z.infer<typeof Asked>
const NOTHING_ASKED: Asked = { number: 0, settings: {} }
export type OwnerFiles = { readonly settings: OwnerSettings; /** Set on this machine, by path. */ readonly local: readonly string[]; readonly asked: Asked; readonly wish: OwnerWish; readonly stopped: boolean; /** Why the settings on the disk are not those in force. */ readonly trouble: string | null }

/** Reads them once; settings that cannot be read are told in one sentence. `usual` holds under everything. */
export function readOwnerFiles(dataDir: string, usual: OwnerSettingsInput = {}): OwnerFiles {
  const asked = readAsked(dataDir)
  return { ...resolveSettings({ usual, asked: asked.settings, own: readOwn(dataDir) }), asked, wish: parse(join(dataDir, WISH_FILE), OwnerWish, {}), stopped: markOf(join(dataDir, STOP_FILE)) !== null, trouble: null }
}
/** As it stands in the file, checked, without what is usual. */
function readOwn(dataDir: string): OwnerSettingsInput {
  const path = join(dataDir, SETTINGS_FILE)
  parse(path, OwnerSettings, {})
  return (read(path) ?? {}) as OwnerSettingsInput
}
/** A file that cannot be read is as none: the market hears that its number is not here, and says it again. */
function readAsked(dataDir: string): Asked {
  try { return parse(join(dataDir, ASKED_FILE), Asked, NOTHING_ASKED) } catch { return NOTHING_ASKED }
}

/** Looks again whenever a file has changed. Settings that cannot be read any more change nothing, but are told. */
export function watchOwnerFiles(dataDir: string, defaults: OwnerSettingsInput = {}): { look(): OwnerFiles } {
  const marksNow = (): string => [SETTINGS_FILE, ASKED_FILE, WISH_FILE, STOP_FILE].map((file) => markOf(join(dataDir, file)) ?? '-').join()
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

/** As they are given: what is left out is not set on this machine. */
export function writeSettings(dataDir: string, settings: OwnerSettingsInput): Promise<void> {
  OwnerSettings.parse(settings)
  return write(dataDir, SETTINGS_FILE, settings)
}
/** All of them as somebody at this machine wants them: what was changed is set here from now on. */
export const changeSettings = (dataDir: string, wanted: OwnerSettings, usual: OwnerSettingsInput = {}): Promise<void> => writeSettings(dataDir, ownSettings(readOwn(dataDir), readOwnerFiles(dataDir, usual).settings, OwnerSettings.parse(wanted)))
/** What cannot be read is set aside under another name, so that what is usual holds and nothing is lost. */
export async function setAside(dataDir: string): Promise<void> {
  for (const [file, schema] of [[SETTINGS_FILE, OwnerSettings], [WISH_FILE, OwnerWish]] as const) {
    try { parse(join(dataDir, file), schema, {}) } catch { await rename(join(dataDir, file), join(dataDir, `${file}.broken`)) }
  }
}
/** Nothing is set here any more, but what cannot be asked from elsewhere. */
export function leaveToMarket(dataDir: string): Promise<void> {
  const { fromMarket, logLevel } = readOwn(dataDir)
  return writeSettings(dataDir, { ...(fromMarket === undefined ? {} : { fromMarket }), ...(logLevel === undefined ? {} : { logLevel }) })
}
/** Asked over the market. Looked at here too: what this agent would not take from its owner it takes from nobody. */
export async function takeAsked(dataDir: string, { number, settings }: Pick<AskOwner, 'number' | 'settings'>): Promise<Asked> {
  const before = readAsked(dataDir)
  if (before.number === number) return before
  const parsed = OwnerAsked.safeParse(settings), issue = parsed.error?.issues[0]
  const asked: Asked = parsed.success ? { number, settings: parsed.data } : { number, settings: before.settings, refused: `${issue?.path.join('.') || 'It'}: ${issue?.message ?? 'does not fit'}`.slice(0, 300) }
  await write(dataDir, ASKED_FILE, asked)
  return asked
}
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
  const parsed = schema.safeParse(read(path) ?? absent)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new AgentStopped(`${path}: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'does not fit'}. Mend it, or remove it to go back to what is usual.`)
}
/** Null: there is no such file. */
function read(path: string): unknown {
  let text: string
  try { text = readFileSync(path, 'utf8') } catch (error) { if (codeOf(error) === 'ENOENT') return null; throw error }
  try { return JSON.parse(text) as unknown } catch { throw new AgentStopped(`${path} is not valid JSON; mend it, or remove it to go back to what is usual.`) }
}

/** Changes with every way to write a file. */
function markOf(path: string): string | null {
  try { const { ino, mtimeNs, size } = statSync(path, { bigint: true }); return `${ino}.${mtimeNs}.${size}` } catch { return null /* not there, which is the usual state of each of them */ }
}
