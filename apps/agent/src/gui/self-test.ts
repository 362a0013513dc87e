// The owner's "does it all work?": the real canaries of every driver that is offered, the market, the disk. Nothing here is remembered from before.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DriverId, SelfTestLine } from '@lumaris/protocol'
import type { AgentDriver } from '../attempts.ts'
import { saysOf } from '../log.ts'

const ANSWER_MS = 10_000
export async function selfTest({ drivers, server, dataDir }: { readonly drivers: ReadonlyMap<DriverId, AgentDriver>; readonly server: string; readonly dataDir: string }): Promise<SelfTestLine[]> {
  const lines: SelfTestLine[] = []
  const check = async (name: string, act: () => Promise<string>): Promise<void> => {
    try { lines.push({ check: name, ok: true, says: await act() }) } catch (error) { lines.push({ check: name, ok: false, says: saysOf(error) }) }
  }
  await check('Market', async () => {
    const began = performance.now()
    const reply = await fetch(new URL('/healthz', server), { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => { throw new Error(`${server} does not answer`) })
    await reply.body?.cancel()
    if (!reply.ok) throw new Error(`it answers with ${reply.status}`)
    return `answers in ${Math.round(performance.now() - began)} ms`
  })
  await check('Disk', async () => {
    const file = join(dataDir, 'self-test')
    try { await writeFile(file, 'can be written') } finally { await rm(file, { force: true }) }
    return 'can be written'
  })
  if (drivers.size === 0) lines.push({ check: 'Isolation', ok: false, says: 'no driver works here' })
  for (const driver of drivers.values()) await check(`Isolation by ${driver.id}`, async () => {
    const report = await driver.probe()
    if (!report.usable) throw new Error(report.reason ?? 'it does not work any more')
    const weak = Object.entries(report.limits).filter(([, proof]) => proof !== 'hard').map(([limit]) => limit)
    return weak.length === 0 ? 'every limit held against its canary' : `works; not kept by the kernel: ${weak.join(', ')}`
  })
  return lines
}
