// Where the tests of maps put what was merged, and how they name its bytes.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A file that is not there yet, in a folder that goes with the test. */
export function aPlace(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lumaris-split-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'out')
}
export const sha = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
