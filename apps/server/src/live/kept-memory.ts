// What is only in memory and would be missed after a restart: plots of nodes, what happened to them, how long jobs have waited. Files of V8's own form, one for each node, because a
// market of two thousand has 70 MB of it, and little of that changes in a minute. Whatever cannot be read is let go with a line in the log: it is no record.
import { mkdirSync, readFileSync } from 'node:fs'
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { NodeId } from '@lumaris/protocol'
import type { Log } from '../log.ts'
import type { KeptHistory, History } from './overview.ts'
import type { KeptNode, Readings } from './readings.ts'
import type { KeptWaits, RecentWaits } from './recent-waits.ts'

/** A form that is not this one is not read. */
const FORM = 1
/** What happened to a node is written so soon; loads when they are five minutes old. */
export const KEEP_EVERY_MS = 60_000
/** A week is the longest that a plot shows. */
const FORGET_MS = 8 * 86_400_000, FORGET_EVERY_MS = 3_600_000

export type KeptMemory = {
  readonly node: (node: NodeId) => KeptNode | null
  /** Into memory that has nothing yet. */
  recall(to: { readonly waits: RecentWaits; readonly history: History }): void
  /** `all`: also what is not due yet, before the end. */
  keep(of: { readonly readings: Readings; readonly waits: RecentWaits; readonly history: History }, all?: boolean): Promise<void>
}

export function createKeptMemory({ dir, now, log }: { readonly dir: string; readonly now: () => number; readonly log: Log }): KeptMemory {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const fileOf = (name: string): string => join(dir, `${name}.v8`)
  let swept = now()
  function read<T>(name: string): T | null {
    let bytes: Buffer
    try { bytes = readFileSync(fileOf(name)) } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ err: error, name }, 'what was kept cannot be read; it begins anew')
      return null
    }
    try {
      const { form, value } = deserialize(bytes) as { form: number; value: T }
      if (form === FORM) return value
    } catch (error) { log.warn({ err: error, name }, 'what was kept is damaged; it begins anew') }
    return null
  }
  async function write(name: string, value: unknown): Promise<void> {
    const file = fileOf(name), bytes = serialize({ form: FORM, value })
    await writeFile(`${file}.new`, bytes, { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
  async function forget(): Promise<void> {
    swept = now()
    for (const name of await readdir(dir)) {
      const file = join(dir, name), { mtimeMs } = await stat(file)
      if (mtimeMs < Date.now() - FORGET_MS) await rm(file)
    }
  }
  return {
    node: (node) => read<KeptNode>(NodeId.parse(node)),
    recall({ waits, history }) {
      const kept = read<{ waits: KeptWaits; history: KeptHistory }>('market')
      if (!kept) return
      waits.recall(kept.waits)
      history.recall(kept.history)
    },
    async keep({ readings, waits, history }, all = false) {
      await write('market', { waits: waits.kept(), history: history.kept() })
      // One after another: nobody waits for it, and a hundred at once would be felt by who does wait for the disk.
      for (const { node, kept } of readings.toKeep(all)) await write(node, kept)
      if (now() - swept >= FORGET_EVERY_MS) await forget()
    },
  }
}
