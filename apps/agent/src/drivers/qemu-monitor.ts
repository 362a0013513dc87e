// QEMU's monitor (QMP) over a socket: one question at a time, and the events that somebody waits for. QEMU itself is trusted no more than the machine in it
// once that runs, so its words are only compared, never used.
import type { Duplex } from 'node:stream'
import { GONE } from './machine-channel.ts'

const LINE_MAX = 1024 * 1024
type Said = { readonly return?: unknown; readonly error?: { readonly desc?: string }; readonly event?: string; readonly data?: { readonly status?: string }; readonly QMP?: unknown }
export type Monitor = {
  /** Resolves when QEMU takes commands. */
  readonly up: Promise<void>
  ask(command: string, args?: object): Promise<unknown>
  /** The next event of that name that fits. */
  next(event: string, fits?: (data: Said['data']) => boolean): Promise<Said['data']>
}

export function openMonitor(socket: Duplex): Monitor {
  let rest = ''
  const answers: PromiseWithResolvers<unknown>[] = []
  const waiting = new Set<{ event: string; fits: (data: Said['data']) => boolean; resolve: (data: Said['data']) => void; reject: (error: Error) => void }>()
  let isOver = false
  const greeting = Promise.withResolvers<void>()
  const over = (): void => {
    isOver = true
    const gone = new Error(GONE)
    greeting.reject(gone)
    for (const one of answers.splice(0)) one.reject(gone)
    for (const one of waiting) one.reject(gone)
    waiting.clear()
  }
  const hear = (said: Said): void => {
    if (said.QMP !== undefined) greeting.resolve()
    else if (said.event !== undefined) { for (const one of waiting) if (one.event === said.event && one.fits(said.data)) { waiting.delete(one); one.resolve(said.data) } }
    else if (said.error) answers.shift()?.reject(new Error(String(said.error.desc)))
    else answers.shift()?.resolve(said.return)
  }
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_MAX) { rest = ''; socket.destroy(); return }
    for (const line of lines) try { hear(JSON.parse(line) as Said) } catch { socket.destroy(); return /* `close` tells who waits */ }
  })
  socket.on('error', () => undefined /* `close` says so */)
  socket.once('end', over).once('close', over)
  const ask = (command: string, args?: object): Promise<unknown> => {
    const answer = Promise.withResolvers<unknown>()
    if (isOver || !socket.writable) return Promise.reject(new Error(GONE))
    answers.push(answer)
    socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`)
    return answer.promise
  }
  const up = greeting.promise.then(async () => { await ask('qmp_capabilities') })
  up.catch(() => undefined /* whoever waits for it is told */)
  return {
    up, ask,
    next(event, fits = () => true) {
      const found = new Promise<Said['data']>((resolve, reject) => { if (isOver) reject(new Error(GONE)); else waiting.add({ event, fits, resolve, reject }) })
      found.catch(() => undefined /* as above */)
      return found
    },
  }
}
