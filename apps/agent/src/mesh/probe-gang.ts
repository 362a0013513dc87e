// Can sandboxes of this driver be given the network of a gang here? One is, and looks.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gangAddress } from '@lumaris/protocol'
import type { IsolationDriver } from '../drivers/driver.ts'
import { runToEnd } from '../drivers/probe.ts'
import { MESH_MTU } from './mesh.ts'
import { openTun, tunLacks } from './tun.ts'
import type { Tun } from './tun.ts'

const MIB = 1024 * 1024
const LIMITS = { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: 16 * MIB, outputBytes: MIB, wallMs: 20_000, openFiles: 256 }

/** Null when it can; else what stands in the way. */
export async function gangLacks(driver: Pick<IsolationDriver, 'start'>, scratch: string): Promise<string | null> {
  const lacks = tunLacks()
  if (lacks) return lacks
  const workDir = mkdtempSync(join(tmpdir(), 'lumaris-probe-'))
  let tun: Tun | null = null
  try {
    const { out, end, err } = await runToEnd(driver, {
      attemptId: 'probe_gang', runtime: 'native', command: ['/bin/cat', '/proc/net/fib_trie', '/proc/net/dev'], env: {}, workDir, limits: LIMITS,
      network: { async attach(pid) { tun = await openTun({ pid, address: gangAddress(0), mtu: MESH_MTU, scratch, onPacket: () => undefined, onLost: () => undefined }) } },
    })
    // Its own address, and no interface but loopback and the one that was made.
    const devices = [...(out.split('Inter-').at(-1) ?? '').matchAll(/^ *([^ :|]+):/gm)].map(([, name]) => name)
    if (end.cause === 'exit' && end.code === 0 && out.includes(gangAddress(0)) && devices.length === 2) return null
    return end.detail ?? (err.split('\n')[0] || `the sandbox has the interfaces ${devices.join(', ')}`)
  } catch (error) { return (error as Error).message } finally {
    await (tun as Tun | null)?.close()
    rmSync(workDir, { recursive: true, force: true })
  }
}
