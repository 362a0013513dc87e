// The one opening in a sandbox's network: a listener on its own loopback whose other side is here. No interface, no route, no forwarding: nothing else of
// the machine's network can be seen from inside, and nobody outside can see the listener.
import { spawn } from 'node:child_process'
import type { Server } from 'node:net'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { EGRESS_PORT } from '@lumaris/protocol'
import { SAFE_PATH, inPath } from '../drivers/stage.ts'
import { netnsOf } from '../mesh/netns.ts'

const HELPER = fileURLToPath(new URL('./door-helper.mjs', import.meta.url))
/** A start of Node on a busy machine. */
const OPEN_MS = 15_000
/** A channel that was never opened is never closed. */
const LATE_MS = 1_000

/** What stands in the way of doors on this machine, and the command that would change it; or null. */
export function doorLacks(): { readonly reason: string; readonly hint: string } | null {
  if (process.platform !== 'linux') return { reason: 'it needs Linux', hint: 'offer it from a machine with Linux' }
  // The owner of a namespace may enter it too, but bubblewrap hides the one that it made for him under a second.
  if (process.getuid?.() !== 0) return { reason: 'the agent must enter the networks of its sandboxes', hint: 'run the agent as root' }
  return inPath('nsenter') === null ? { reason: 'nsenter (util-linux) is not installed', hint: 'apt-get install -y util-linux' } : null
}

/** `raise`: the namespace is new, and its loopback not up yet. */
export async function openDoor(pid: number, { raise = false } = {}): Promise<Server> {
  const nsenter = inPath('nsenter')
  if (nsenter === null) throw new Error('nsenter is not installed')
  const netns = netnsOf(pid)
  const up = raise ? ['/bin/sh', '-c', 'ip link set lo up && exec "$@"', 'sh'] : []
  const child = spawn(nsenter, [`--net=${netns}`, '--', ...up, process.execPath, HELPER, String(EGRESS_PORT)], { cwd: '/', env: { PATH: `${SAFE_PATH}:/usr/sbin:/sbin` }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'], timeout: OPEN_MS, killSignal: 'SIGKILL' })
  let says = '', door: Server | null = null
  ;(child.stderr as Readable).on('data', (chunk: Buffer) => { says = (says + chunk.toString('latin1')).slice(-500) })
  // The word may be read after the end was seen; a channel that is closed has none left.
  const ended = new Promise<void>((resolve) => { child.on('error', (error) => { says = error.message; resolve() }); child.on('close', () => resolve()) })
  const told = new Promise<void>((resolve) => { child.on('message', (_word, handle) => { door = handle as Server; resolve() }); child.on('disconnect', () => setImmediate(resolve)) })
  await Promise.all([ended, Promise.race([told, ended.then(() => new Promise((resolve) => { setTimeout(resolve, LATE_MS).unref() }))])])
  if (!door) throw new Error(`the way out of the sandbox could not be made: ${says.trim().split('\n').at(-1) || `it ended (${child.signalCode ?? child.exitCode})`}`)
  return door
}
