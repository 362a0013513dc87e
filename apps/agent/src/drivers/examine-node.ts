// What each driver can do on this very machine, for `lumaris doctor --node`: the same look and the same canaries as at an agent's start, in a directory of
// its own, and everything taken down again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverId } from '@lumaris/protocol'
import type { ContainerSettings } from './container.ts'
import { findGpus, kindOf } from '../gpus/find-gpus.ts'
import type { FoundGpus } from '../gpus/find-gpus.ts'
import { doorLacks } from '../egress/door.ts'
import type { FoundDriver } from './find-drivers.ts'
import type { NoVaults, Vaults } from './vault.ts'
import { findDrivers, scratchOf } from './find-drivers.ts'

export type NodeFinding = { readonly check: string; readonly driver?: DriverId; readonly state: 'works' | 'fails' | 'absent'; readonly says: string; readonly hint?: string }

export async function examineNode(settings: { readonly only?: readonly DriverId[]; readonly containers?: ContainerSettings; readonly images?: string } = {}): Promise<NodeFinding[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-doctor-'))
  const findings: NodeFinding[] = []
  let vaults: Vaults | NoVaults | null = null, handsOut = false
  try {
    let cards: Promise<FoundGpus> | null = null
    const look = (): Promise<FoundGpus> => (cards ??= findGpus(undefined, settings.containers?.gpuKind))
    const found = await findDrivers({ ...settings, containers: { findGpus: look, ...settings.containers }, dataDir, egress: true, vaults: (found) => { vaults = found }, absent: (driver, { reason, hint }) => findings.push({ check: `driver ${driver}`, driver, state: 'absent', says: reason, hint }) })
    for (const { driver, report } of found) {
      const by = (proof: string): string => Object.entries(report.limits).filter(([, held]) => held === proof).map(([name]) => name).join(', ')
      const limits = [['held by the kernel', by('hard')], ['watched', by('soft')], ['not limited', by('none')]].filter(([, names]) => names !== '').map(([how, names]) => `${how}: ${names}`).join('; ')
      const means = report.evidence['engine'] ?? report.evidence['walls'] ?? report.evidence['qemu'] ?? report.evidence['firecracker']
      handsOut ||= driver.gpus !== undefined
      findings.push(report.usable ? { check: `driver ${driver.id}`, driver: driver.id, state: 'works', says: `level ${report.level}, runs ${report.runtimes.join(', ')}${means === undefined ? '' : ` (${means})`}; ${limits}` } : { check: `driver ${driver.id}`, driver: driver.id, state: 'fails', says: report.reason ?? 'its canaries were not stopped', hint: report.reason?.includes('crun:') ? 'apt-get install -y runc' : `start the agent with --driver ${driver.id} --log-level debug: its log says more` })
      await driver.reap()
      await driver.close?.()
    }
    if (!settings.only) findings.push(...(vaults ? [scratchFinding(vaults)] : []), egressFinding(found), ...cardFindings(await look(), handsOut))
  } finally {
    for (const dir of [scratchOf(dataDir), dataDir]) rmSync(dir, { recursive: true, force: true })
  }
  return findings
}

export const scratchFinding = (found: Vaults | NoVaults): NodeFinding => ('reason' in found ? { check: 'encrypted scratch', state: 'absent', says: found.reason, hint: found.hint } : { check: 'encrypted scratch', state: 'works', says: `what a job wrote was not to be found on the disk (${found.by})` })

/** Tried, and offered only when the owner says so. */
export function egressFinding(found: readonly FoundDriver[]): NodeFinding {
  const usable = found.filter(({ report }) => report.usable), able = usable.filter(({ report }) => report.egress).map(({ driver }) => driver.id)
  const not = usable.filter(({ report }) => !report.egress).map(({ driver, report }) => `${driver.id}: ${report.evidence['egress'] ?? 'not tried'}`), lacks = doorLacks(), check = 'outgoing connections'
  if (able.length > 0) return { check, state: 'works', says: `${able.join(', ')} can let jobs out to the hosts that they name, and nowhere else; offered only by lumaris agent join --egress${not.length > 0 ? ` (not by ${not.join('; ')})` : ''}` }
  return { check, state: 'absent', says: lacks?.reason ?? (not.join('; ') || 'no driver works here'), hint: lacks?.hint ?? 'apt-get install -y bubblewrap iproute2' }
}

/** One line for all of them, and one for each thing that stands between a card and a job. */
export function cardFindings({ gpus, problems }: FoundGpus, handsOut: boolean): NodeFinding[] {
  const check = 'graphics cards', [first] = gpus
  const memory = first?.memoryBytes ? ` of ${Math.round(first.memoryBytes / 2 ** 30)} GiB` : ''
  const what = first && `${kindOf(first)}${first.part ? ` (${first.part.share} thousandths of a card each)` : ''}`
  const found: NodeFinding[] = !first ? (problems.length > 0 ? [] : [{ check, state: 'absent', says: 'there are none' }])
    : handsOut ? [{ check, state: 'works', says: `${gpus.length} × ${what}${memory}, seen inside a container (${gpus.map(({ cdi }) => cdi.name).join(', ')})` }]
      : [{ check, state: 'absent', says: `${gpus.length} × ${what}${memory} are here, and no container of this node sees them: cards are given to jobs by podman with runc or crun`, hint: 'apt-get install -y --no-install-recommends podman runc, and start the agent with --container-socket own' }]
  return [...found, ...problems.map(({ says, hint }): NodeFinding => ({ check, state: 'absent', says, hint }))]
}
