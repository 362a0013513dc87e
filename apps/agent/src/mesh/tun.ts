// The interface of one sandbox: a helper process makes it (tun-helper.mjs says how, and why not here) and carries its packets. It is gone when the helper
// is gone, whoever ended it.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Duplex, Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { findDeno } from '../drivers/deno.ts'
import { SAFE_PATH } from '../drivers/stage.ts'
import { PACKET_MAX, createFrames, writeFrame } from './frames.ts'
import { netnsOf } from './netns.ts'

const HELPER = fileURLToPath(new URL('./tun-helper.mjs', import.meta.url))
const FLAGS = ['run', '--no-prompt', '--no-remote', '--no-npm', '--cached-only', '--no-config', '--no-lock', '--quiet', '--allow-ffi']
const NOBODY = '65534'
/** What of the peers' packets may wait for a sandbox that does not take them. */
const QUEUE_MAX = 8 * 1024 * 1024
/** Starting Deno twice on a busy machine. */
const UP_MS = 15_000
const GONE_MS = 2_000
export const TUN_DEVICE = '/dev/net/tun'

export type TunOptions = {
  readonly pid: number; readonly address: string; readonly mtu: number
  /** Of the agent: Deno keeps its cache there. */
  readonly scratch: string
  readonly device?: string
  readonly onPacket: (packet: Buffer) => void
  /** It has ended, and nobody here has asked for that. */
  readonly onLost: (why: string) => void
}
export type Tun = { readonly pid: number; /** False: the queue is full, the packet is lost. */ write(packet: Uint8Array): boolean; close(): Promise<void> }

/** What stands in the way of an interface on this machine, or null. */
export function tunLacks(): string | null { return process.platform !== 'linux' ? 'the network of a gang needs Linux' : findDeno() === null ? 'Deno is not installed' : null }

export async function openTun({ pid, address, mtu, scratch, device = TUN_DEVICE, onPacket, onLost }: TunOptions): Promise<Tun> {
  const deno = findDeno(), lacks = tunLacks()
  if (deno === null || lacks !== null) throw new Error(lacks ?? 'Deno is not installed')
  const netns = netnsOf(pid)
  mkdirSync(scratch, { recursive: true })
  const child = spawn(deno, [...FLAGS, HELPER, HELPER, netns, address, '255.255.255.0', String(mtu), device, NOBODY], { cwd: '/', env: { PATH: SAFE_PATH, DENO_DIR: scratch, DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
  const socket = child.stdio[3] as Duplex
  let says = '', isUp = false, closing = false
  const up = Promise.withResolvers<void>(), gone = Promise.withResolvers<void>()
  ;(child.stderr as Readable).on('data', (chunk: Buffer) => { says = (says + chunk.toString('latin1')).slice(-500) })
  const ended = (): void => {
    gone.resolve()
    socket.destroy()
    const why = says.trim().split('\n').at(-1) || `it ended (${child.signalCode ?? child.exitCode})`
    if (!isUp) up.reject(new Error(`the interface could not be made: ${why}`))
    else if (!closing) onLost(why)
  }
  child.on('error', (error) => { says = error.message; ended() })
  child.on('close', ended)
  socket.on('error', () => undefined /* its end is told by the process's */)
  const frames = createFrames(PACKET_MAX, (packet) => {
    if (packet.length === 0) { isUp = true; up.resolve() } else if (isUp && !closing) onPacket(packet)
  })
  socket.on('data', (chunk: Buffer) => { if (!frames.push(chunk)) child.kill('SIGKILL') })
  const late = setTimeout(() => { says = `not up after ${UP_MS} ms`; child.kill('SIGKILL') }, UP_MS)
  try { await up.promise } finally { clearTimeout(late) }
  return {
    pid: child.pid as number,
    write(packet) {
      if (closing || socket.destroyed || socket.writableLength > QUEUE_MAX) return false
      writeFrame(socket, [packet])
      return true
    },
    async close() {
      closing = true
      socket.destroy()
      const hard = setTimeout(() => child.kill('SIGKILL'), GONE_MS)
      await gone.promise
      clearTimeout(hard)
    },
  }
}
