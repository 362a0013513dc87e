// A job as one stream: its history, and what its attempts write, in the order of arrival.
import { JobEvent, routes } from '@lumaris/protocol'
import type { Attempt } from '@lumaris/protocol'
import { LumarisError } from './errors.ts'
import { readEvents } from './events.ts'
import { createChannel } from './channel.ts'
import type { Channel } from './channel.ts'
import type { Transport } from './transport.ts'

export type LogStream = 'stdout' | 'stderr'
export type LogPiece = { readonly stream: LogStream; readonly offset: number; readonly at: number; readonly bytes: Uint8Array<ArrayBuffer> }
export type Followed = { readonly kind: 'event'; readonly event: JobEvent } | ({ readonly kind: 'log'; readonly attempt: string; readonly task: number } & LogPiece)

export type WatchOptions = { readonly after?: number | undefined; readonly signal?: AbortSignal | undefined }
/** How far output was read. Kept up to date while it is read, so that whoever stops goes on with it: nothing twice, and nothing left out. */
export type LogPosition = { cursor?: string | undefined; stdout: number; stderr: number }
export type LogOptions = { readonly signal?: AbortSignal | undefined; /** False: what is there now, and no more. */ readonly follow?: boolean | undefined; /** Where to begin; without one, at the first byte. */ readonly position?: LogPosition | undefined }

export async function* watchJob(transport: Transport, job: string, options: WatchOptions = {}): AsyncGenerator<JobEvent, void, undefined> {
  let seen = options.after ?? 0
  const path = routes.jobEvents.path.replace(':job', encodeURIComponent(job))
  for await (const message of readEvents(transport, { path, query: { after: seen }, lastEventId: seen > 0 ? String(seen) : undefined, signal: options.signal })) {
    const event = parsed(JobEvent, message.data)
    if (event.version <= seen) continue // said again after a reconnect
    seen = event.version
    yield event
  }
}

export async function* readLogs(transport: Transport, attempt: string, options: LogOptions = {}): AsyncGenerator<LogPiece, void, undefined> {
  const path = routes.attemptLogs.path.replace(':attempt', encodeURIComponent(attempt))
  const next: LogPosition = options.position ?? { stdout: 0, stderr: 0 }
  const fresh = (record: { stream: LogStream; offset: number; data: string; at: number }): LogPiece | null => {
    const bytes = bytesOf(record.data)
    const known = Math.max(0, next[record.stream] - record.offset)
    if (known >= bytes.length) return null
    next[record.stream] = record.offset + bytes.length
    return { stream: record.stream, offset: record.offset + known, at: record.at, bytes: bytes.subarray(known) }
  }
  if (options.follow === false) {
    for (let { cursor } = next; ;) {
      const page = await transport.send({ method: 'GET', path, query: { cursor }, signal: options.signal, safe: true }, async (response) => (await response.json()) as { data: unknown; nextCursor: unknown })
      const records = Array.isArray(page.data) ? page.data.map((one) => checked(routes.attemptLogs.reply, one)) : []
      for (const record of records) { const piece = fresh(record); if (piece) yield piece }
      if (records.length === 0 || typeof page.nextCursor !== 'string' || page.nextCursor === cursor) return
      next.cursor = cursor = page.nextCursor
    }
  }
  for await (const message of readEvents(transport, { path, lastEventId: next.cursor, signal: options.signal })) {
    const piece = fresh(parsed(routes.attemptLogs.reply, message.data))
    if (message.id !== undefined) next.cursor = message.id
    if (piece) yield piece
  }
}

export type FollowOptions = { readonly signal?: AbortSignal | undefined; /** Whose output to follow; all, unless told. Asked once per attempt. */ readonly wants?: ((attempt: Attempt) => boolean) | undefined; readonly lingerMs?: number | undefined }

/** Output followed at one time: each is a connection. The others wait, and miss nothing: output is kept from its first byte. */
const FOLLOWED_MAX = 16
/** After the end of the job, output that still arrives is waited for; silence of this length means that none will. */
const LINGER_MS = 5_000

/** The last item is always the event `ended`, after all output. */
export async function* followJob(transport: Transport, job: string, getAttempt: (id: string, signal: AbortSignal) => Promise<Attempt>, options: FollowOptions = {}): AsyncGenerator<Followed, void, undefined> {
  const channel = createChannel<Followed>()
  const leaving = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, leaving.signal]) : leaving.signal
  const producing = produce(transport, job, channel, signal, getAttempt, options).then(() => { channel.end() }, (error: unknown) => { channel.fail(error) })
  try {
    yield* channel.items()
  } finally {
    leaving.abort()
    channel.end()
    await producing
  }
}

async function produce(transport: Transport, job: string, channel: Channel<Followed>, signal: AbortSignal, getAttempt: (id: string, signal: AbortSignal) => Promise<Attempt>, options: FollowOptions): Promise<void> {
  const seen = new Set<string>()
  const waiting: (() => Promise<void>)[] = []
  const running = new Set<Promise<void>>()
  const linger = new AbortController()
  const logSignal = AbortSignal.any([signal, linger.signal])
  let lastNews = 0, failure: { error: unknown } | null = null, fail: (error: unknown) => void = () => undefined
  const failed = new Promise<never>((_resolve, reject) => { fail = (error) => { failure ??= { error }; reject(error as Error) } })
  failed.catch(() => undefined) // thrown to the reader below, once

  const follow = async (attempt: string, task: number): Promise<void> => {
    if (options.wants && !options.wants(await getAttempt(attempt, logSignal))) return
    for await (const piece of readLogs(transport, attempt, { signal: logSignal })) {
      lastNews = performance.now()
      await channel.push({ kind: 'log', attempt, task, ...piece })
    }
  }
  const fill = (): void => {
    while (running.size < FOLLOWED_MAX && waiting.length > 0) {
      const one = (waiting.shift() as () => Promise<void>)().catch((error: unknown) => { if (!logSignal.aborted) fail(error) }).finally(() => { running.delete(one); fill() })
      running.add(one)
    }
  }
  let ended: JobEvent | null = null
  const events = watchJob(transport, job, { signal })
  for (;;) {
    const step = await Promise.race([events.next(), failed])
    if (step.done) break
    const event = step.value
    if (event.type === 'ended') { ended = event; break }
    await channel.push({ kind: 'event', event })
    // Nothing is written before an attempt runs, and most of what is offered and not taken never does.
    if (event.type === 'attempt' && event.attempt && event.state !== 'offered' && !seen.has(event.attempt)) {
      seen.add(event.attempt)
      const { attempt, task = 0 } = event
      waiting.push(() => follow(attempt, task))
      fill()
    }
  }
  const lingerMs = options.lingerMs ?? LINGER_MS
  lastNews = performance.now()
  const watchdog = setInterval(() => { if (performance.now() - lastNews > lingerMs) linger.abort() }, Math.max(10, lingerMs / 10))
  try {
    while (running.size > 0) await Promise.race([Promise.all(running), failed])
  } finally { clearInterval(watchdog) }
  if (failure) throw (failure as { error: unknown }).error
  signal.throwIfAborted()
  if (ended) await channel.push({ kind: 'event', event: ended })
}

type Schema<T> = { safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error } }
export function checked<T>(schema: Schema<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new LumarisError('bad_reply', 'The server’s answer does not fit what was asked', { cause: result.error })
}
function parsed<T>(schema: Schema<T>, text: string): T {
  let value: unknown
  try { value = JSON.parse(text) } catch (cause) { throw new LumarisError('bad_reply', 'The server sent an event that is not JSON', { cause }) }
  return checked(schema, value)
}
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
