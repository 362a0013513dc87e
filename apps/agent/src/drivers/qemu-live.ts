// A running machine goes to another QEMU, piece by piece, while its program runs. Its disk is mirrored first (disk-copy.ts); then its memory is sent, once, and
// it stands still for what has changed meanwhile. Both ways out are sockets in the machine's own directory, with the agent behind them.
//
//   mirror the disk → stop, begin, go on → memory → hold the line, stop → the end of it, and what has changed → end the mirror → last pages, devices
//
// It is stopped by this file, never by QEMU, for two reasons. The line to the inside must be silent then: bytes on their way could be neither here nor there. And
// QEMU's software processor loses pages when it runs while QEMU looks which have changed (seen with 7.2.22 on a busy machine: in three of six
// moves the kernel died of old stacks on the other side). So it stands still whenever QEMU looks: at the beginning, and before the pass can be over. The pass cannot run away meanwhile: QEMU
// writes, this reads, and what it reads is reckoned as if each page had been empty (nine bytes). From then on QEMU is asked nothing: it answers nothing while it writes the end.
import { chownSync, chmodSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { serveDiskCopy } from './disk-copy.ts'
import type { Departure } from './driver.ts'
import { within } from './machine-driver.ts'
import type { openMonitor } from './qemu-monitor.ts'

const MIB = 1024 * 1024
/** What QEMU may have sent and nobody has reckoned: its buffer, the socket's room and what is read ahead, 300 KiB, all of empty pages: 140 MiB; and some more. */
const NEAR = 192 * MIB
const PAGE = 4096, EMPTY_PAGE_BYTES = 9
/** QEMU ends a pass when what is left takes no longer than this: far less than NEAR, at which it stands still already. */
const STANDS_MS = 50
const STEP_MS = 30_000, UNDO_MS = 10_000, LOOK_MS = 20

type Monitor = ReturnType<typeof openMonitor>
type Migration = { readonly status?: string; readonly 'error-desc'?: string; readonly ram?: { readonly remaining?: number; readonly 'dirty-sync-count'?: number } }

/** Resolves when everything has been given to `to`: the machine stands still, and can go on here (`cont`). When it rejects, it runs on. */
export async function leaveLive({ monitor, inside, uid, diskBytes, to, hold }: { readonly monitor: Monitor; readonly inside: string; readonly uid: number; readonly diskBytes: number; readonly to: Departure; readonly hold: () => Promise<void> }): Promise<void> {
  const doors = { memory: await openDoor(inside, 'leave', uid), disk: await openDoor(inside, 'copy', uid) }
  const broken = Promise.withResolvers<never>()
  broken.promise.catch(() => undefined /* whoever waits for something is told */)
  const stop = (): void => broken.reject(to.until.reason as Error)
  to.until.addEventListener('abort', stop)
  if (to.until.aborted) stop()
  const unless = <T>(what: Promise<T>): Promise<T> => Promise.race([what, broken.promise])
  try {
    await unless(copyDisk(monitor, doors.disk, diskBytes, to, broken.reject))
    await monitor.ask('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }, { capability: 'pause-before-switchover', state: true }] })
    await monitor.ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 40, 'downtime-limit': STANDS_MS })
    const stopped = monitor.next('MIGRATION', (data) => data?.status === 'pre-switchover' || isOver(data?.status))
    await monitor.ask('stop')
    await monitor.ask('migrate', { uri: 'unix:/run/leave' })
    const socket = await unless(within(STEP_MS, doors.memory.client)), still = { stands: false }
    const sent = passMemory(socket, monitor, to, hold, still)
    sent.catch(broken.reject)
    if ((await unless(stopped))?.status !== 'pre-switchover') throw new Error(`QEMU could not send the memory of the machine: ${(await monitor.ask('query-migrate') as Migration)['error-desc'] ?? 'it does not say why'}`)
    if (!still.stands) throw new Error('QEMU stopped the machine before its line was silent')
    await unless(endCopy(monitor, false))
    const over = monitor.next('MIGRATION', (data) => isOver(data?.status))
    await monitor.ask('migrate-continue', { state: 'pre-switchover' })
    if ((await unless(within(STEP_MS, over)))?.status !== 'completed') throw new Error('QEMU could not send the last of the memory of the machine')
    await unless(within(STEP_MS, sent))
  } catch (error) {
    for (const door of Object.values(doors)) door.close()
    await undo(monitor)
    throw error
  } finally {
    to.until.removeEventListener('abort', stop)
    for (const door of Object.values(doors)) door.close()
  }
}
const isOver = (status: string | undefined): boolean => status === 'completed' || status === 'failed' || status === 'cancelled'

async function copyDisk(monitor: Monitor, door: Door, bytes: number, to: Departure, broke: (error: Error) => void): Promise<void> {
  door.client.then((socket) => serveDiskCopy(socket, { bytes, write: (at, data) => to.write(at, data), zero: (at, length) => to.zero(at, length) })).catch(broke)
  await monitor.ask('blockdev-add', { driver: 'nbd', 'node-name': 'copy', server: { type: 'unix', path: '/run/copy' } })
  const even = monitor.next('BLOCK_JOB_READY'), over = monitor.next('BLOCK_JOB_COMPLETED')
  await monitor.ask('blockdev-mirror', { 'job-id': 'copy', device: 'work', target: 'copy', sync: 'full' })
  await Promise.race([even, over.then(() => { throw new Error('QEMU could not copy the disk of the machine') })])
}
/** What has been written until now is there as well. */
async function endCopy(monitor: Monitor, force: boolean): Promise<void> {
  const over = Promise.race([monitor.next('BLOCK_JOB_COMPLETED'), monitor.next('BLOCK_JOB_CANCELLED')])
  await monitor.ask('block-job-cancel', { device: 'copy', force })
  await within(STEP_MS, over)
  await monitor.ask('blockdev-del', { 'node-name': 'copy' })
}

/** What QEMU writes goes on as it comes; meanwhile the machine is made to run, and to stand still before the pass can be over. */
async function passMemory(socket: Socket, monitor: Monitor, to: Departure, hold: () => Promise<void>, still: { stands: boolean }): Promise<void> {
  let allowed = 0, runs = false
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    allowed -= chunk.length
    if (!still.stands && allowed < 0) {
      const { ram } = await monitor.ask('query-migrate') as Migration, remaining = ram?.remaining ?? 0
      if (!runs && (ram?.['dirty-sync-count'] ?? 0) > 0) { runs = true; await monitor.ask('cont') }
      if (runs && remaining <= NEAR) {
        await hold()
        await monitor.ask('stop')
        still.stands = true
        to.stood()
      } else if (runs) allowed = (remaining - NEAR) / PAGE * EMPTY_PAGE_BYTES
    }
    await to.memory(chunk)
  }
}

/** Whatever had been begun is taken back, and the machine runs on. */
async function undo(monitor: Monitor): Promise<void> {
  const quietly = (command: string, args?: object): Promise<unknown> => monitor.ask(command, args).catch(() => null /* it was not there, or QEMU has ended */)
  await quietly('migrate_cancel')
  for (const end = performance.now() + UNDO_MS; performance.now() < end; await delay(LOOK_MS)) { const now = await quietly('query-migrate') as Migration | null; if (!now || now.status === undefined || now.status === 'none' || isOver(now.status)) break }
  await quietly('block-job-cancel', { device: 'copy', force: true })
  for (const end = performance.now() + UNDO_MS; performance.now() < end; await delay(LOOK_MS)) if (((await quietly('query-block-jobs') as unknown[] | null) ?? []).length === 0) break
  await quietly('blockdev-del', { 'node-name': 'copy' })
  const now = await quietly('query-status') as { readonly running?: boolean } | null
  if (now?.running === false) await quietly('cont')
}

type Door = { readonly client: Promise<Socket>; close(): void }
/** A socket in the machine's directory that QEMU may connect to, once. */
async function openDoor(inside: string, name: string, uid: number): Promise<Door> {
  const path = join(inside, name), client = Promise.withResolvers<Socket>()
  let socket: Socket | null = null
  client.promise.catch(() => undefined /* nobody came, and nobody waited */)
  const server = createServer((came) => { server.close(); socket = came; came.on('error', () => undefined /* its end says so */); client.resolve(came) })
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(path, () => resolve()) })
  chownSync(path, uid, uid)
  chmodSync(path, 0o600)
  return { client: client.promise, close() { client.reject(new Error('the way out was closed')); server.close(); socket?.destroy(); rmSync(path, { force: true }) } }
}
