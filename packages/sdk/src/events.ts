// Server-sent events that go on where they stopped: a lost connection is opened again with Last-Event-ID, until the server says `end`.
import { createParser } from 'eventsource-parser'
import type { EventSourceMessage } from 'eventsource-parser'
import { LumarisError, unreachable } from './errors.ts'
import type { QueryValues, Transport } from './transport.ts'

/** The server writes a comment every 15 s: three missed ones, and the connection is dead without knowing it. */
const SILENCE_MS = 45_000
/** One event; a log record is at most 1 MiB of bytes in base64. */
const EVENT_MAX = 16 * 1024 * 1024

export type StreamOptions = { readonly path: string; readonly query?: QueryValues; readonly lastEventId?: string | undefined; readonly signal?: AbortSignal | undefined; readonly silenceMs?: number | undefined }

export async function* readEvents(transport: Transport, options: StreamOptions): AsyncGenerator<EventSourceMessage, void, undefined> {
  let last = options.lastEventId
  let failures = 0
  for (;;) {
    let lost: unknown
    try {
      for await (const event of oneConnection(transport, options, last)) {
        failures = 0
        if (event.event === 'end') return
        if (event.id !== undefined) last = event.id
        yield event
      }
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!(error instanceof LumarisError && error.retry)) throw error
      lost = error
    }
    if (++failures >= transport.retry.streamAttempts) throw new LumarisError('stream_lost', 'The event stream was lost', { cause: lost, retry: true })
    await transport.retry.wait(Math.min(transport.backoff(failures, lost), transport.retry.patienceMs), options.signal)
  }
}

async function* oneConnection(transport: Transport, options: StreamOptions, last: string | undefined): AsyncGenerator<EventSourceMessage, void, undefined> {
  const silent = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, silent.signal]) : silent.signal
  const response = await transport.open({
    method: 'GET', path: options.path, query: options.query, safe: true, signal,
    headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) },
  })
  if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) throw new LumarisError('bad_reply', 'The server sent something else than an event stream')
  const events: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => events.push(event), maxBufferSize: EVENT_MAX })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let timer: ReturnType<typeof setTimeout> | undefined
  const watch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => silent.abort(new LumarisError('timed_out', 'The event stream fell silent', { retry: true })), options.silenceMs ?? SILENCE_MS)
  }
  try {
    for (;;) {
      watch()
      const { done, value } = await reader.read().catch((error: unknown) => { signal.throwIfAborted(); throw unreachable(transport.origin, error) })
      clearTimeout(timer)
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      yield* events.splice(0)
    }
  } finally {
    clearTimeout(timer)
    // Ends the connection when the reader left early; on one that has ended or broken there is nothing left to cancel.
    await reader.cancel().catch(() => undefined)
  }
}
