// What each driver can do on this very machine, for `lumaris doctor --node`: the same look and the same canaries as at an agent's start, in a directory of
// its own, and everything taken down again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DriverId } from '@lumaris/protocol'
import type { ContainerSettings } from './container.ts'
import { findDrivers, scratchOf } from './find-drivers.ts'

export type DriverFinding = { readonly driver: DriverId; readonly state: 'works' | 'fails' | 'absent'; readonly says: string; readonly hint?: string }

export async function examineNode(settings: { readonly only?: readonly DriverId[]; readonly containers?: ContainerSettings; readonly images?: string } = {}): Promise<DriverFinding[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lumaris-doctor-'))
  const findings: DriverFinding[] = []
  try {
    const found = await findDrivers({ ...settings, dataDir, absent: (driver, { reason, hint }) => findings.push({ driver, state: 'absent', says: reason, hint }) })
    for (const { driver, report } of found) {
      const by = (proof: string): string => Object.entries(report.limits).filter(([, held]) => held === proof).map(([name]) => name).join(', ')
      const limits = [['held by the kernel', by('hard')], ['watched', by('soft')], ['not limited', by('none')]].filter(([, names]) => names !== '').map(([how, names]) => `${how}: ${names}`).join('; ')
      const means = report.evidence['engine'] ?? report.evidence['walls'] ?? report.evidence['qemu']
      findings.push(report.usable ? { driver: driver.id, state: 'works', says: `level ${report.level}, runs ${report.runtimes.join(', ')}${means === undefined ? '' : ` (${means})`}; ${limits}` } : { driver: driver.id, state: 'fails', says: report.reason ?? 'its canaries were not stopped', hint: report.reason?.includes('crun:') ? 'apt-get install -y runc' : `start the agent with --driver ${driver.id} --log-level debug: its log says more` })
      await driver.reap()
      await driver.close?.()
    }
  } finally {
    for (const dir of [scratchOf(dataDir), dataDir]) rmSync(dir, { recursive: true, force: true })
  }
  return findings
}
