// The one line to the machine of a job, as frames (see images/guest/agent.py). Who speaks at the other end may be the job itself, risen to be the master of
// its machine: every frame is measured against what may come now, and nothing is built out of its words but bytes of output, one number, and plain files
// below one directory. Whatever does not fit ends the machine.
import { createWriteStream } from 'node:fs'
import type { WriteStream } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { z } from 'zod'
import { ENTRIES_MAX } from './collect-outputs.ts'

const HEADER = 5
/** The agent inside sends 64 KiB at most. */
const FRAME_MAX = 128 * 1024
const PATH_MAX = 512, DEPTH_MAX = 64
const NAME = /^[^\p{Cc}\\/]+$/u
const PIECE = 60 * 1024
const EXIT = z.object({ code: z.number().int().min(0).max(255), starved: z.boolean() })
const UNSTARTED = z.object({ errno: z.string().max(40), says: z.string().max(500) })

/** What everybody who waits for a machine is told when there is none any more. */
export const GONE = 'the machine ended'

export type ChannelEnd = { readonly code: number; readonly starved: boolean }
export type Channel = {
  readonly stdout: Readable; readonly stderr: Readable; readonly stdin: Writable
  /** The agent inside is up. Rejects when the line ends first. */
  readonly ready: Promise<void>
  /** How the program ended, once the machine has said so. */
  end(): ChannelEnd | null
  unstarted(): { readonly errno: string; readonly says: string } | null
  /** All files arrived whole. */
  complete(): boolean
  start(order: object): void
  wake(chance: Uint8Array, at: number): void
  /** What was held since `hold` flows again; for a machine that goes on elsewhere. */
  release(): void
  endProgram(): void
  /** Resolves when all that was sent has been read inside, and nothing more comes out. */
  hold(): Promise<void>
}
export type ChannelHooks = {
  /** Files are put here, which is emptied first. */
  readonly into: () => string; readonly bytesMax: number
  /** It broke the rules. */
  readonly broke: (why: string) => void
  readonly tooLarge: () => void
  /** The program has ended; its files come now. */
  readonly ended: () => void
  /** Everything has come. */
  readonly done: () => void
}

class Broken extends Error {}

export function openChannel(socket: Duplex, { into, bytesMax, broke, tooLarge, ended, done }: ChannelHooks): Channel {
  let rest: Buffer[] = [], restBytes = 0, over = false, started = false, taken = 0
  let exit: ChannelEnd | null = null, failed: { errno: string; says: string } | null = null, isComplete = false
  const up = Promise.withResolvers<void>(), held = { waiting: null as PromiseWithResolvers<void> | null }
  up.promise.catch(() => undefined /* whoever waits for it is told */)
  const files = receiver(into, bytesMax, tooLarge)

  // A frame that is half inside when the machine stands still would be neither here nor where it goes on. What was taken is counted anew there.
  const late: [string, Uint8Array][] = []
  let isHeld = false
  const send = (letter: string, payload: Uint8Array = Buffer.alloc(0)): void => {
    if (!socket.writable) return
    if (isHeld && letter === 'A') return
    if (isHeld && (letter === 'I' || letter === 'i')) { late.push([letter, payload]); return }
    const header = Buffer.alloc(HEADER)
    header.write(letter, 0, 'latin1'); header.writeUInt32LE(payload.length, 1)
    socket.write(Buffer.concat([header, payload]))
  }
  // What was pushed counts as taken when the stream asks for more: so a slow reader slows the program, and never the words about its end.
  const pushed = { O: 0, E: 0 }
  const stream = (letter: 'O' | 'E'): Readable => new Readable({ highWaterMark: 64 * 1024, read() { if (pushed[letter] === 0) return; taken += pushed[letter]; pushed[letter] = 0; const count = Buffer.alloc(8); count.writeBigUInt64LE(BigInt(taken)); send('A', count) } })
  const stdout = stream('O'), stderr = stream('E')
  const stdin = new Writable({
    write(chunk: Buffer, _encoding, next) { for (let at = 0; at < chunk.length; at += PIECE) send('I', chunk.subarray(at, at + PIECE)); next() },
    final(next) { send('i'); next() },
  })

  const hear = (letter: string, payload: Buffer): void | Promise<void> => {
    if (letter === 'R' && !started) { up.resolve(); return }
    if (letter === 'p' && held.waiting) { held.waiting.resolve(); held.waiting = null; return }
    if (!started) throw new Broken(`said ${JSON.stringify(letter)} before there was anything to say`)
    if (exit === null) {
      if ((letter === 'O' || letter === 'E') && payload.length > 0) { pushed[letter] += payload.length; (letter === 'O' ? stdout : stderr).push(payload); return }
      if (letter === 'N' && !failed) { failed = UNSTARTED.parse(JSON.parse(payload.toString())); return }
      if (letter === 'X') { exit = EXIT.parse(JSON.parse(payload.toString())); stdout.push(null); stderr.push(null); ended(); return }
    } else if (!isComplete) {
      if (letter === 'F') return files.begin(payload)
      if (letter === 'D' && payload.length > 0) return files.add(payload)
      if (letter === 'T') { tooLarge(); return }
      if (letter === 'Z') return files.close().then(() => { isComplete = true; done() })
    }
    throw new Broken(`said ${JSON.stringify(letter)} where that cannot be`)
  }
  const stop = (why: string): void => { if (over) return; over = true; rest = []; socket.resume(); broke(why) }
  let busy = false
  const work = async (): Promise<void> => {
    if (busy) return
    busy = true
    try {
      while (restBytes >= HEADER && !over) {
        if (rest.length > 1 && (rest[0] as Buffer).length < HEADER) rest = [Buffer.concat(rest)]
        const size = (rest[0] as Buffer).readUInt32LE(1)
        if (size > FRAME_MAX) throw new Broken(`announced ${size} bytes in one piece`)
        if (restBytes < HEADER + size) break
        if ((rest[0] as Buffer).length < HEADER + size) rest = [Buffer.concat(rest)]
        const first = rest[0] as Buffer
        const letter = String.fromCharCode(first[0] as number), payload = first.subarray(HEADER, HEADER + size)
        if (first.length > HEADER + size) rest[0] = first.subarray(HEADER + size); else rest.shift()
        restBytes -= HEADER + size
        const waits = hear(letter, payload)
        if (waits) await waits
      }
      if (!over) socket.resume()
    } catch (error) { stop(error instanceof Broken ? error.message : error instanceof z.ZodError || error instanceof SyntaxError ? 'gave a report that cannot be read' : (error as Error).message) } finally { busy = false }
  }
  socket.on('data', (chunk: Buffer) => {
    if (over) return
    rest.push(chunk); restBytes += chunk.length
    if (busy && restBytes > FRAME_MAX) socket.pause() // files are written slower than they come
    void work()
  })
  const close = (): void => {
    if (!stdout.readableEnded) stdout.push(null)
    if (!stderr.readableEnded) stderr.push(null)
    const gone = new Error(GONE)
    up.reject(gone); held.waiting?.reject(gone)
    files.abandon()
  }
  socket.on('error', () => undefined /* the machine is gone: `close` says so */)
  socket.once('end', close).once('close', close)

  return {
    stdout, stderr, stdin, ready: up.promise, end: () => exit, unstarted: () => failed, complete: () => isComplete,
    start(order) { started = true; send('S', Buffer.from(JSON.stringify(order))) },
    wake(chance, at) { const seconds = Buffer.alloc(8); seconds.writeDoubleLE(at / 1000); send('W', Buffer.concat([chance, seconds])) },
    release() {
      started = true; isHeld = false; taken = 0
      send('V')
      for (const [letter, payload] of late.splice(0)) send(letter, payload)
    },
    endProgram() { send('K') },
    hold() { held.waiting = Promise.withResolvers(); send('P'); isHeld = true; return held.waiting.promise },
  }
}

/** Plain files below one directory of ours, and no byte more than was allowed. Nothing in it was made by anybody else, so no name can lead out of it. */
function receiver(into: () => string, bytesMax: number, tooLarge: () => void): { begin(header: Buffer): Promise<void>; add(data: Buffer): Promise<void>; close(): Promise<void>; abandon(): void } {
  let file: WriteStream | null = null, left = 0, bytes = 0, entries = 0, refused = false, emptied = false
  const empty = async (): Promise<void> => { if (emptied) return; emptied = true; for (const name of await readdir(into())) await rm(join(into(), name), { recursive: true, force: true }) }
  const closeFile = async (): Promise<void> => { const ending = file; file = null; if (!ending) return; ending.end(); await finished(ending) }
  return {
    async begin(header) {
      if (left > 0) throw new Broken('began a file inside another')
      if (header.length < 9) throw new Broken('named no file')
      if (refused) return
      await empty()
      const size = header.readBigUInt64LE(0), path = header.subarray(8).toString('utf8')
      bytes += Number(size)
      if (bytes > bytesMax || ++entries > ENTRIES_MAX) { refused = true; tooLarge(); return }
      left = Number(size)
      const names = path.split('/')
      if (names.some((name) => name === '' || name === '.' || name === '..')) throw new Broken('named a file outside of its directory')
      // A name that could not be said on the wire is left out, as everywhere.
      if (!Buffer.from(path).equals(header.subarray(8)) || names.some((name) => !NAME.test(name)) || header.length - 8 > PATH_MAX || names.length > DEPTH_MAX) return
      const target = join(into(), path)
      await mkdir(dirname(target), { recursive: true })
      const opening = createWriteStream(target, { mode: 0o600, flags: 'wx' })
      await new Promise<void>((resolve, reject) => opening.once('open', () => resolve()).once('error', () => reject(new Broken('named a file twice'))))
      file = opening
      if (left === 0) await closeFile()
    },
    async add(data) {
      if (refused) return
      if (data.length > left) throw new Broken('gave more of a file than it announced')
      left -= data.length
      if (file && !file.write(data)) { const to = file; await new Promise<void>((resolve, reject) => to.once('drain', resolve).once('error', reject)) }
      if (left === 0) await closeFile()
    },
    async close() { if (left > 0) throw new Broken('gave less of a file than it announced'); await empty() },
    abandon() { file?.destroy(); file = null },
  }
}
