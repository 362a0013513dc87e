// The results of the parts into one file, for merges that need no program. Each result counts exactly once, in the order of the parts:
//
//   a folder beside the target → what is merged so far, and a journal of how far → the whole, hashed → moved to its place in one step
//
// Whoever is killed on the way starts again from the journal; a folder that somebody else is using is refused. Node only.
import type { Merge } from '@lumaris/protocol'
import { createHasher, nodeModule } from '../hash.ts'
import { NOTHING, addPart, ending } from '../split/ordered.ts'
import type { Memory, OrderedKind } from '../split/ordered.ts'
import { TABLE_OPS, byKey, combine, createTable, groupText, headText, keyText } from '../split/tables.ts'
import type { Group, TableOp } from '../split/tables.ts'
import { MergeError, recordsOf, textOf } from '../split/values.ts'
import { LumarisError } from '../errors.ts'
import { WIDTH, mergeSorted } from './sorted.ts'

type Fs = typeof import('node:fs/promises')
type File = import('node:fs/promises').FileHandle
export type BuiltInMerge = Exclude<Merge, { kind: 'none' } | { kind: 'reduce' }>
export const isBuiltIn = (merge: Merge): merge is BuiltInMerge => merge.kind !== 'none' && merge.kind !== 'reduce'

export type MergeSource = { readonly parts: number; /** The result of a part, from its first byte. */ open(part: number): AsyncIterable<Uint8Array>; /** The SHA-256 of each result, in order: what the journal is a journal of. */ readonly hashes: readonly string[] }
export type MergeFileOptions = { readonly target: string; readonly overwrite?: boolean | undefined; readonly signal?: AbortSignal | undefined; readonly onProgress?: ((parts: number) => void) | undefined; /** Keys of a table held at one time; more go to disk. */ readonly keysMax?: number | undefined; readonly journalBytes?: number | undefined }
export type Merged = { readonly path: string; readonly sha256: string; readonly size: number }

const KEYS_MAX = 200_000
/** The journal is written when so much was added since: each time both files are flushed. */
const JOURNAL_BYTES = 16 * 1024 * 1024
const WRITE_BYTES = 256 * 1024

export function nodeFs(): Fs {
  const fs = nodeModule<Fs>('node:fs/promises')
  if (!fs) throw new TypeError('only Node merges into a file')
  return fs
}

export async function mergeToFile(merge: BuiltInMerge, source: MergeSource, options: MergeFileOptions): Promise<Merged> {
  const fs = nodeFs(), folder = `${options.target}.merging`
  if (!options.overwrite && (await exists(fs, options.target))) throw new LumarisError('file_exists', `${options.target} exists already`)
  await fs.mkdir(folder, { recursive: true })
  const unlock = await lock(fs, folder)
  try {
    const out = `${folder}/out`
    if (merge.kind === 'sort') await mergeSort(fs, merge, source, folder, out, options)
    else if (isTable(merge)) await mergeTable(fs, merge.kind, merge.by, source, folder, out, options)
    else await mergeInOrder(fs, merge.kind, merge.kind === 'csv' ? merge.delimiter : undefined, source, folder, out, options)
    const { sha256, size } = await hashFile(fs, out)
    // `link` refuses an existing name in one step, where a look beforehand could be overtaken.
    if (options.overwrite) await fs.rename(out, options.target)
    else await fs.link(out, options.target).catch((error: NodeJS.ErrnoException) => { throw error.code === 'EEXIST' ? new LumarisError('file_exists', `${options.target} exists already`, { cause: error }) : error })
    await fs.rm(folder, { recursive: true, force: true })
    return { path: options.target, sha256, size }
  } finally { await unlock() }
}
const isTable = (merge: BuiltInMerge): merge is Extract<BuiltInMerge, { kind: TableOp }> => (TABLE_OPS as readonly string[]).includes(merge.kind)
const exists = (fs: Fs, path: string): Promise<boolean> => fs.access(path).then(() => true, () => false) // whatever keeps us from seeing it, `link` will say

/** One process at a time; the mark of one that has died is no obstacle. */
async function lock(fs: Fs, folder: string): Promise<() => Promise<void>> {
  const file = `${folder}/lock`, process = (globalThis as { process?: { pid: number; kill(pid: number, signal: 0): boolean } }).process
  for (let tries = 0; ; tries++) {
    try {
      await fs.writeFile(file, String(process?.pid ?? 0), { flag: 'wx' })
      return () => fs.rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 2) throw error
      const owner = Number(await fs.readFile(file, 'utf8').catch(() => '0')) // gone meanwhile: the next try tells
      let alive = owner > 0
      try { if (alive) process?.kill(owner, 0) } catch (gone) { alive = (gone as NodeJS.ErrnoException).code === 'EPERM' }
      if (alive) throw new LumarisError('file_exists', `Process ${owner} is merging into this place`, { hint: 'Wait for it, end it, or choose another output.' })
      await fs.rm(file, { force: true })
    }
  }
}

/** Small pieces gathered into writes worth their call. */
function writer(file: File, at: number) {
  let held: Uint8Array[] = [], heldBytes = 0, place = at
  const flush = async (): Promise<void> => {
    const all = held
    held = []
    heldBytes = 0
    for (const bytes of all) for (let from = 0; from < bytes.length;) { const { bytesWritten } = await file.write(bytes, from, bytes.length - from, place); from += bytesWritten; place += bytesWritten }
  }
  return {
    async add(bytes: Uint8Array): Promise<void> { held.push(bytes.slice()); heldBytes += bytes.length; if (heldBytes >= WRITE_BYTES) await flush() },
    flush, get at() { return place + heldBytes },
  }
}

type Journal = { readonly kind: string; readonly hashes: string; readonly part: number; readonly bytes: number; readonly memory: Memory }
async function mergeInOrder(fs: Fs, kind: OrderedKind, delimiter: string | undefined, source: MergeSource, folder: string, out: string, options: MergeFileOptions): Promise<void> {
  const journal = `${folder}/journal.json`
  const hashes = await hashOfTexts(source.hashes)
  let { part, bytes, memory } = await readJournal(fs, journal, kind, hashes, out)
  const file = await fs.open(out, bytes === 0 ? 'w' : 'r+')
  try {
    await file.truncate(bytes)
    const to = writer(file, bytes)
    const keep = async (): Promise<void> => {
      await to.flush()
      await file.datasync()
      await fs.writeFile(`${journal}.new`, JSON.stringify({ kind, hashes, part, bytes: to.at, memory } satisfies Journal), { flush: true })
      await fs.rename(`${journal}.new`, journal)
      bytes = to.at
    }
    options.onProgress?.(part)
    for (; part < source.parts;) {
      options.signal?.throwIfAborted()
      memory = await named(part, () => addPart(kind, source.open(part), memory, (bytes) => to.add(bytes), delimiter))
      part++
      options.onProgress?.(part)
      if (to.at - bytes >= (options.journalBytes ?? JOURNAL_BYTES)) await keep()
    }
    await to.add(ending(kind, memory))
    await to.flush()
    await file.sync()
  } finally { await file.close() }
}
const named = <T>(part: number, work: () => Promise<T>): Promise<T> => work().catch((error: unknown) => { throw error instanceof MergeError ? new MergeError(`The result of part ${part} cannot be merged: ${error.message}`) : error })

/** Where an earlier run came to; the beginning when there was none, or it merged something else. */
async function readJournal(fs: Fs, path: string, kind: string, hashes: string, out: string): Promise<{ part: number; bytes: number; memory: Memory }> {
  const beginning = { part: 0, bytes: 0, memory: NOTHING }
  try {
    const read = JSON.parse(await fs.readFile(path, 'utf8')) as Journal
    return read.kind === kind && read.hashes === hashes && (await fs.stat(out)).size >= read.bytes ? read : beginning
  } catch { return beginning } // none, or torn: the journal only saves work
}

/** Tables start again after a crash: their size is that of their keys, not of the input. */
async function mergeTable(fs: Fs, op: TableOp, by: readonly string[], source: MergeSource, folder: string, out: string, options: MergeFileOptions): Promise<void> {
  const table = createTable(op, by)
  let runs: string[] = [], made = 0
  const spill = async (): Promise<void> => {
    if (table.size < (options.keysMax ?? KEYS_MAX)) return
    runs.push(await writeRun(fs, `${folder}/run-${made++}`, listed(table.drain())))
    if (runs.length < WIDTH) return
    const old = runs
    runs = [await writeRun(fs, `${folder}/run-${made++}`, mergeRuns(old.map((run) => readRun(fs, run)), op))]
    for (const run of old) await fs.rm(run)
  }
  for (let part = 0; part < source.parts; part++) {
    options.signal?.throwIfAborted()
    await named(part, () => table.read(source.open(part), spill))
    options.onProgress?.(part + 1)
  }
  const rest = table.drain(), shape = table.shape()
  const file = await fs.open(out, 'w')
  try {
    const to = writer(file, 0), text = new TextEncoder()
    await to.add(text.encode(headText(shape, by)))
    for await (const group of mergeRuns([...runs.map((run) => readRun(fs, run)), listed(rest)], op)) await to.add(text.encode(groupText(shape, by, group)))
    await to.flush()
    await file.sync()
  } finally { await file.close() }
}
async function* listed(groups: readonly Group[]): AsyncGenerator<Group, void, undefined> { yield* groups }
type Stored = [key: string[], values: ([string, number] | null)[]]
async function writeRun(fs: Fs, path: string, groups: AsyncIterable<Group>): Promise<string> {
  const file = await fs.open(path, 'w')
  try {
    const to = writer(file, 0), text = new TextEncoder()
    for await (const { key, values } of groups) await to.add(text.encode(`${JSON.stringify([key, Array.from(values, (value) => (value ? [value.units.toString(), value.scale] : null))])}\n`))
    await to.flush()
  } finally { await file.close() }
  return path
}
async function* readRun(fs: Fs, path: string): AsyncGenerator<Group, void, undefined> {
  for await (const line of recordsOf(fileBytes(fs, path), 'lines')) {
    const [key, values] = JSON.parse(textOf(line)) as Stored
    yield { key, values: values.map((value) => (value ? { units: BigInt(value[0]), scale: value[1] } : null)) }
  }
}
/** Groups of one key from several runs become one. */
async function* mergeRuns(runs: readonly AsyncGenerator<Group, void, undefined>[], op: TableOp): AsyncGenerator<Group, void, undefined> {
  const heads: (Group | null)[] = []
  for (const run of runs) heads.push((await run.next()).value ?? null)
  for (;;) {
    let least: Group | null = null
    for (const head of heads) if (head && (!least || byKey(head, least) < 0)) least = head
    if (!least) return
    const key = keyText(least.key)
    let all: Group | null = null
    for (let i = 0; i < heads.length; i++) {
      const head = heads[i]
      if (!head || keyText(head.key) !== key) continue
      all = all ? combine(op, all, head) : head
      heads[i] = (await (runs[i] as AsyncGenerator<Group>).next()).value as Group | undefined ?? null
    }
    yield all as Group
  }
}

/** In rounds, when there are more parts than can be read at one time. */
async function mergeSort(fs: Fs, merge: Extract<Merge, { kind: 'sort' }>, source: MergeSource, folder: string, out: string, options: MergeFileOptions): Promise<void> {
  let level = Array.from({ length: source.parts }, (_one, part) => ({ name: `the result of part ${part}`, open: () => source.open(part), file: '' }))
  for (let round = 0, made = 0; ; round++) {
    const groups = Array.from({ length: Math.max(1, Math.ceil(level.length / WIDTH)) }, (_one, i) => level.slice(i * WIDTH, (i + 1) * WIDTH))
    const next: typeof level = []
    for (const [i, group] of groups.entries()) {
      options.signal?.throwIfAborted()
      const path = groups.length === 1 ? out : `${folder}/run-${made++}`
      const file = await fs.open(path, 'w')
      try {
        const to = writer(file, 0)
        for await (const record of mergeSorted(group.map(({ name, open }) => ({ name, bytes: open() })), merge)) await to.add(record)
        await to.flush()
        await file.sync()
      } finally { await file.close() }
      for (const one of group) if (one.file !== '') await fs.rm(one.file)
      next.push({ name: `run ${i} of round ${round}`, open: () => fileBytes(fs, path), file: path })
      if (round === 0) options.onProgress?.(Math.min(source.parts, (i + 1) * WIDTH))
    }
    if (groups.length === 1) return
    level = next
  }
}

async function* fileBytes(fs: Fs, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await fs.open(path, 'r')
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(WRITE_BYTES), 0, WRITE_BYTES)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally { await file.close() }
}
async function hashFile(fs: Fs, path: string): Promise<{ sha256: string; size: number }> {
  const hasher = createHasher()
  let size = 0
  for await (const bytes of fileBytes(fs, path)) { hasher.add(bytes); size += bytes.length }
  return { sha256: await hasher.hex(), size }
}
async function hashOfTexts(texts: readonly string[]): Promise<string> {
  const hasher = createHasher()
  for (const text of texts) hasher.add(new TextEncoder().encode(`${text}\n`))
  return hasher.hex()
}
