// The drivers of this machine, strongest first, each with what it has just proved.
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverId } from '@lumaris/protocol'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { createCgroups } from './cgroup.ts'
import { createDenoDriver } from './deno.ts'
import type { IsolationDriver, ProbeReport } from './driver.ts'

export type FoundDriver = { readonly driver: IsolationDriver; readonly report: ProbeReport }
export type DriverConfig = { readonly dataDir: string; readonly only?: readonly DriverId[] }

export async function findDrivers(config: DriverConfig): Promise<FoundDriver[]> {
  // Control groups are named by the agent's directory: two agents on one machine keep apart, and each finds its own leftovers.
  const owner = createHash('sha256').update(config.dataDir).digest('hex').slice(0, 12)
  const wanted = (id: DriverId): boolean => !config.only || config.only.includes(id)
  const scratch = scratchDirectory(config.dataDir, owner)
  const wall = createWall({ scratch: join(scratch, 'wall'), owner })
  const drivers: IsolationDriver[] = []
  if (wall && wanted('bwrap')) drivers.push(createBwrapDriver(wall))
  const deno = wanted('deno') ? createDenoDriver({ scratch: join(scratch, 'deno'), wall, cgroups: wall ? null : createCgroups(owner) }) : null
  if (deno) drivers.push(deno)
  const found: FoundDriver[] = []
  for (const driver of drivers) found.push({ driver, report: await driver.probe() })
  return found
}

/**
 * Where sandboxes are set up. As root each runs under a user id of its own, which must be able to walk there; the data directory is closed to it. A
 * name in the common temporary directory can be taken by somebody else first, so it is used only if it is ours and a real directory.
 */
function scratchDirectory(dataDir: string, owner: string): string {
  if (process.getuid?.() !== 0) return join(dataDir, 'sandboxes')
  const dir = join(tmpdir(), `lumaris-${owner}`)
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const stat = lstatSync(dir)
  if (!stat.isDirectory() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) throw new Error(`${dir} belongs to somebody else: remove it, or set TMPDIR to a directory of your own`)
  chmodSync(dir, 0o711)
  return dir
}
