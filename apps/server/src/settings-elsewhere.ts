// What operators have set, at a replica that is not the writer: one that was replaced serves requests on, and its memory is of before. The tables have every version as soon as it
// is committed, so what must be right at once (may this person sign up) is read there with each request; rates, which are asked with every request, follow within seconds.
import type { SettingValues } from '@lumaris/protocol'
import type { SettingsRow } from '@lumaris/domain'
import type { Database } from './database/database.ts'
import type { Engine } from './engine/engine.ts'
import { plainRow } from './store/load.ts'

export type Operating = Partial<SettingValues> | undefined
/** So long a replica counts requests by older rates. */
export const LOOK_MS = 2_000

/** The newest version as the tables have it; undefined: nobody has set anything. */
export async function readOperating(db: Database): Promise<Operating> {
  const [row] = await db.query<{ doc: string }>('SELECT doc FROM settings_versions ORDER BY version DESC LIMIT 1')
  return row && plainRow<SettingsRow>(row).values
}

/** The writer's own are in its memory; `look` is for who is not. */
export function createOperating(engine: Pick<Engine, 'ready' | 'state'>, db: Database): { readonly now: () => Operating; readonly look: () => Promise<void> } {
  let read: Operating, isRead = false
  return {
    now: () => (engine.ready || !isRead ? engine.state.operating?.values : read),
    look: async () => {
      if (engine.ready) { isRead = false; return }
      read = await readOperating(db)
      isRead = true
    },
  }
}
