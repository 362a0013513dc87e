// For programs of the owner on the same machine: where the running agent's screen is, and how to talk to it. Null when none runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OwnerStatus } from '@lumaris/protocol'
import { GUI_FILE } from '../gui/door-file.ts'
import type { GuiDoor } from '../gui/door-file.ts'

export interface OwnerDoor {
  readonly url: string
  status(): Promise<OwnerStatus>
  /** An address that opens the screen, once, within a minute. */
  ticket(): Promise<string>
}
const ANSWER_MS = 5_000

export async function ownerDoor(dataDir: string): Promise<OwnerDoor | null> {
  let door: GuiDoor
  try { door = JSON.parse(readFileSync(join(dataDir, GUI_FILE), 'utf8')) as GuiDoor } catch { return null /* it does not run, or without a screen */ }
  const ask = async (method: string, path: string): Promise<unknown> => {
    const reply = await fetch(`${door.url}${path}`, { method, headers: { authorization: `Bearer ${door.secret}` }, signal: AbortSignal.timeout(ANSWER_MS) })
    if (!reply.ok) throw new Error(`the agent answered ${reply.status}`)
    return reply.json()
  }
  const status = async (): Promise<OwnerStatus> => OwnerStatus.parse(await ask('GET', '/api/status'))
  // A file that a killed agent left leads nowhere, or to somebody else who has the port now and not the secret.
  try { await status() } catch { return null }
  return { url: door.url, status, ticket: async () => (await ask('POST', '/api/tickets') as { url: string }).url }
}
