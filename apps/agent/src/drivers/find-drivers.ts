// The drivers of this machine, strongest first, each with what it has just proved. Installed is not the same as working: where bubblewrap is there but
// may not make its namespaces (some distributions forbid that), Deno is tried without it.
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverId } from '@lumaris/protocol'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { createContainers } from './container.ts'
import type { ContainerSettings } from './container.ts'
import { createDenoDriver } from './deno.ts'
import type { IsolationDriver, ProbeReport } from './driver.ts'
import { createFirecrackerDriver } from './firecracker.ts'
import { createGvisorDriver } from './gvisor.ts'
import { createQemuDriver } from './qemu.ts'
import { createStages } from './stage.ts'
import { createVaults } from './vault.ts'
import type { NoVaults, Vaults } from './vault.ts'

export type FoundDriver = { readonly driver: IsolationDriver; readonly report: ProbeReport }
export type DriverConfig = {
  readonly dataDir: string; readonly only?: readonly DriverId[]
  /** A root file system for bubblewrap and gVisor instead of this machine's own directories. */
  readonly rootfs?: string
  /** Deno goes behind bubblewrap where that works, unless this is false. */
  readonly denoInsideBwrap?: boolean
  readonly containers?: ContainerSettings
  /** Told whether attempts can have encrypted scratch here, and how; and if not, why. */
  readonly vaults?: (found: Vaults | NoVaults) => void
  /** Where the machine for `qemu` and `firecracker` is kept: below the data directory, unless it is said otherwise. */
  readonly images?: string
  /** Try outgoing connections too: only where the owner wants to offer them. */
  readonly egress?: boolean
  /** Told of each driver that is not here at all: why, and the one command that would change it. */
  readonly absent?: (id: DriverId, why: { readonly reason: string; readonly hint: string }) => void
}

export async function findDrivers(config: DriverConfig): Promise<FoundDriver[]> {
  const owner = ownerOf(config.dataDir)
  const wanted = (id: DriverId): boolean => !config.only || config.only.includes(id)
  const scratch = scratchDirectory(config.dataDir)
  const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
  const rootfs = config.rootfs === undefined ? {} : { rootfs: config.rootfs }
  const wall = createWall({ scratch: join(scratch, 'wall'), stages, ...rootfs })
  const vaults = stages.limitsDisk && stages.dropsUser ? await createVaults({ dir: stages.vaultsDir }) : { reason: 'no disk with a size can be made for a job here', hint: 'run the agent as root on Linux, with e2fsprogs and loop devices' }
  config.vaults?.(vaults)
  const found: FoundDriver[] = []
  /** `private`: with a vault, nothing of a job lies in a file elsewhere. Engines write a container's variables and arguments down. */
  const add = async (driver: IsolationDriver | null, isPrivate = true): Promise<ProbeReport | null> => {
    const report = (await driver?.probe({ egress: config.egress === true })) ?? null
    if (driver && report) found.push({ driver: isPrivate && 'open' in vaults ? { ...driver, openVault: (id, bytes) => vaults.open(id, bytes) } : driver, report })
    return report
  }
  // A machine takes seconds to start, and its canaries as many; all of it has an end of its own. Who has built no image waits for nothing here.
  for (const [id, create] of [['firecracker', createFirecrackerDriver], ['qemu', createQemuDriver]] as const) {
    if (!wanted(id)) continue
    const machines = await create({ scratch: join(scratch, id), stages, images: config.images ?? join(config.dataDir, 'images') })
    if ('reason' in machines) config.absent?.(id, machines); else { const report = await add(machines, id === 'qemu'); if (!report?.usable) await machines.close?.() }
  }
  if (wanted('gvisor')) await add(await createGvisorDriver({ scratch: join(scratch, 'gvisor'), stages, ...rootfs }))
  if (wall && wanted('bwrap')) await add(createBwrapDriver(wall))
  else if (wanted('bwrap')) config.absent?.('bwrap', { reason: process.platform === 'linux' ? 'bubblewrap is not installed, or does not work on this machine' : 'bubblewrap is for Linux', hint: 'apt-get install -y bubblewrap' })
  if (wanted('container')) {
    const containers = await createContainers({ ...config.containers, dataDir: join(config.dataDir, 'container'), runDir: join(scratch, 'container'), stages, owner })
    if ('driver' in containers) { const report = await add(containers.driver, false); if (!report?.usable) await containers.driver.close?.() } else config.absent?.('container', containers)
  }
  if (!wanted('deno')) return found
  const make = (inside: typeof wall): IsolationDriver | null => createDenoDriver({ scratch: join(scratch, 'deno'), stages, wall: inside })
  // With a root file system of somebody's choice, whether Deno's libraries are in it is not ours to know.
  if (wall && config.denoInsideBwrap !== false && config.rootfs === undefined) {
    const report = await add(make(wall))
    if (report === null || report.usable) return found
    found.pop()
  }
  await add(make(null), false)
  return found
}

/** Control groups are named by the agent's directory: two agents on one machine keep apart, and each finds its own leftovers. */
const ownerOf = (dataDir: string): string => createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
export const scratchOf = (dataDir: string): string => (process.getuid?.() === 0 ? join(tmpdir(), `lumaris-${ownerOf(dataDir)}`) : join(dataDir, 'sandboxes'))

/**
 * Where sandboxes are set up. As root each runs under a user id of its own, which must be able to walk there; the data directory is closed to it. A
 * name in the common temporary directory can be taken by somebody else first, so it is used only if it is ours and a real directory.
 */
function scratchDirectory(dataDir: string): string {
  const dir = scratchOf(dataDir)
  if (process.getuid?.() !== 0) return dir
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const stat = lstatSync(dir)
  if (!stat.isDirectory() || stat.uid !== 0 || (stat.mode & 0o022) !== 0) throw new Error(`${dir} belongs to somebody else: remove it, or set TMPDIR to a directory of your own`)
  chmodSync(dir, 0o711)
  return dir
}
