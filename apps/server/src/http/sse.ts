// Server-sent events: one stream per call, with ids to go on from. A comment line every quarter of a minute keeps proxies from closing it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../log.ts'

const HEARTBEAT_MS = 15_000
/** Bytes that may wait in a slow reader's socket before it is cut off; it comes back with Last-Event-ID. */
const BACKLOG_MAX = 4 * 1024 * 1024

export type ServerEvent = { readonly id: string; readonly event: string; readonly data: unknown }

export const wantsStream = (request: FastifyRequest): boolean => (request.headers.accept ?? '').includes('text/event-stream')
export const lastEventId = (request: FastifyRequest): string | undefined => {
  const header = request.headers['last-event-id']
  return typeof header === 'string' && header.length <= 100 ? header : undefined
}

/** Sends what the source yields until it ends or the reader goes; what comes together is written together. */
export async function sendEvents(log: Log, request: FastifyRequest, reply: FastifyReply, source: (signal: AbortSignal) => AsyncIterable<readonly ServerEvent[]>): Promise<void> {
  reply.hijack()
  const { raw } = reply
  const gone = new AbortController()
  raw.on('close', () => gone.abort())
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-request-id': String(request.id) })
  raw.write(': hello\n\n')
  const heartbeat = setInterval(() => raw.write(': still here\n\n'), HEARTBEAT_MS)
  try {
    for await (const events of source(gone.signal)) {
      if (gone.signal.aborted) break
      raw.write(events.map(({ id, event, data }) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`).join(''))
      if (raw.writableLength > BACKLOG_MAX) { raw.destroy(); break }
      if (raw.writableNeedDrain) await new Promise<void>((resolve) => { const go = (): void => { raw.off('drain', go); raw.off('close', go); resolve() }; raw.once('drain', go); raw.once('close', go) })
    }
    if (!gone.signal.aborted) raw.write('event: end\ndata: {}\n\n')
  } catch (error) {
    if (!gone.signal.aborted) log.error({ err: error, requestId: request.id }, 'an event stream broke')
  } finally {
    clearInterval(heartbeat)
    raw.end()
  }
}
