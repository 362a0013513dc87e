// What is said to Firecracker over its socket, as one table: every request that the driver makes and no other, each with what may stand in it. The names and
// shapes are those of its own description (OpenAPI, v1.17), of which this is the part in use. `firecracker-api.test.ts` lays the table beside that file, where it is at hand.
import { constants, closeSync, fstatSync, openSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { GONE } from './machine-channel.ts'

/** Below the machine's own root. */
const Path = z.string().regex(/^\/[a-z0-9.-]+$/)
const Drive = z.strictObject({ drive_id: z.enum(['root', 'work']), is_root_device: z.boolean(), is_read_only: z.boolean(), path_on_host: Path, cache_type: z.literal('Unsafe'), io_engine: z.literal('Sync') })
export const REQUESTS = {
  size: { method: 'PUT', path: '/machine-config', before: true, body: z.strictObject({ vcpu_count: z.number().int().min(1).max(32).refine((count) => count === 1 || count % 2 === 0), mem_size_mib: z.number().int().positive(), smt: z.literal(false), track_dirty_pages: z.literal(false) }) },
  kernel: { method: 'PUT', path: '/boot-source', before: true, body: z.strictObject({ kernel_image_path: Path, initrd_path: Path, boot_args: z.string().max(2_000) }) },
  root: { method: 'PUT', path: '/drives/root', before: true, body: Drive },
  work: { method: 'PUT', path: '/drives/work', before: true, body: Drive },
  line: { method: 'PUT', path: '/vsock', before: true, body: z.strictObject({ guest_cid: z.number().int().min(3), uds_path: Path }) },
  boot: { method: 'PUT', path: '/actions', before: true, body: z.strictObject({ action_type: z.literal('InstanceStart') }) },
  load: { method: 'PUT', path: '/snapshot/load', before: true, body: z.strictObject({ snapshot_path: Path, mem_backend: z.strictObject({ backend_type: z.literal('File'), backend_path: Path }), resume_vm: z.boolean() }) },
  state: { method: 'PATCH', path: '/vm', before: false, body: z.strictObject({ state: z.enum(['Paused', 'Resumed']) }) },
  take: { method: 'PUT', path: '/snapshot/create', before: false, body: z.strictObject({ snapshot_type: z.literal('Full'), snapshot_path: Path, mem_file_path: Path }) },
} as const
export type RequestName = keyof typeof REQUESTS
/** GET / */
export const InstanceInfo = z.object({ id: z.string().max(64), state: z.enum(['Not started', 'Running', 'Paused']), vmm_version: z.string().max(100), app_name: z.string().max(100) })

const Fault = z.object({ fault_message: z.string() })

const ANSWER_MAX = 64 * 1024, WORDS_MAX = 300
const O_PATH = 0o10000000

/**
 * A socket that somebody else made, where he could have put another: opened without following a link, looked at, and only then spoken to, by way of what was
 * opened. Null while there is none.
 */
export function openSocket(path: string, uid: number): { readonly path: string; close(): void } | null {
  let fd: number
  try { fd = openSync(path, O_PATH | constants.O_NOFOLLOW) } catch (error) { if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null; throw error }
  const stat = fstatSync(fd)
  if (!stat.isSocket() || stat.uid !== uid) { closeSync(fd); throw new Error('a socket of the machine was exchanged') }
  return { path: `/proc/self/fd/${fd}`, close() { closeSync(fd) } }
}

export type Api = {
  /** Resolves when it answers. */
  up(): Promise<z.infer<typeof InstanceInfo>>
  ask<N extends RequestName>(name: N, body: z.input<(typeof REQUESTS)[N]['body']>, ms?: number): Promise<void>
  close(): void
}
const ASK_MS = 10_000, LOOK_MS = 5, LAST_MS = 1_000

/** `over`: its process has ended, so nobody need wait for it. */
export function openApi(socketPath: string, uid: number, over: AbortSignal): Api {
  let socket: ReturnType<typeof openSocket> = null
  const send = (method: string, path: string, body: unknown, ms: number): Promise<{ status: number; text: string }> => new Promise((resolve, reject) => {
    if (socket === null) { reject(new Error(GONE)); return }
    const text = body === undefined ? undefined : JSON.stringify(body)
    const asked = request({ socketPath: socket.path, method, path, agent: false, timeout: ms, headers: { accept: 'application/json', ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) } }, (answer) => {
      let said = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => { said += chunk; if (said.length > ANSWER_MAX) asked.destroy(new Error('it said too much')) })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: said })).on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`it took more than ${ms} ms`)))
    // Whose end cut it off may be known a moment later.
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') { reject(over.aborted ? new Error(GONE) : error); return }
      delay(LAST_MS, undefined, { signal: over }).then(() => reject(error), () => reject(new Error(GONE)))
    })
    asked.end(text)
  })
  return {
    async up() {
      for (; ; await delay(LOOK_MS)) {
        if (over.aborted) throw new Error(GONE)
        socket ??= openSocket(socketPath, uid)
        if (socket === null) continue
        const answer = await send('GET', '/', undefined, ASK_MS).catch((error: NodeJS.ErrnoException) => { if (error.code === 'ECONNREFUSED') return null /* bound, and not listening yet */; throw error })
        if (answer) return InstanceInfo.parse(JSON.parse(answer.text))
      }
    },
    async ask(name, body, ms = ASK_MS) {
      const { method, path, body: shape } = REQUESTS[name]
      const { status, text } = await send(method, path, shape.parse(body), ms)
      if (status === 204) return
      let fault = ''
      try { fault = Fault.parse(JSON.parse(text)).fault_message } catch { /* not in its own words */ }
      throw new Error(`Firecracker answered ${status} to ${method} ${path}${fault ? `: ${fault.slice(0, WORDS_MAX)}` : ''}`)
    },
    close() { socket?.close(); socket = null },
  }
}

const GREETING_MAX = 64
/** To a port inside: a word and its answer, then what is said there. Null while nobody inside listens. */
export async function callInside(path: string, port: number, uid: number): Promise<Socket | null> {
  const at = openSocket(path, uid)
  if (at === null) return null
  const socket = connect(at.path)
  try {
    return await new Promise<Socket | null>((resolve, reject) => {
      let said = ''
      const hear = (): void => {
        for (let byte = socket.read(1) as Buffer | null; byte !== null; byte = socket.read(1) as Buffer | null) {
          said += byte.toString('latin1')
          if (said.endsWith('\n')) { socket.off('readable', hear).off('close', gone); if (/^OK \d{1,10}\n$/.test(said)) resolve(socket); else reject(new Error('Firecracker did not let us in')); return }
          if (said.length > GREETING_MAX) { reject(new Error('Firecracker did not let us in')); return }
        }
      }
      const gone = (): void => resolve(null)
      socket.on('error', () => undefined /* `close` says so */).once('close', gone).on('readable', hear)
      socket.once('connect', () => socket.write(`CONNECT ${port}\n`))
    })
  } catch (error) { socket.destroy(); throw error } finally { at.close() }
}
