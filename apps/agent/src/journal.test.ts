import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createAgentState, restoreAgent } from '@lumaris/domain'
import type { JournalRecord } from '@lumaris/domain'
import type { AttemptId, JobDispatch, JobStatusMessage, NodeId } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { MARK, frameOf, readJournal } from './journal-frames.ts'
import { createLiveRecords } from './journal-live.ts'
import { openJournal } from './journal.ts'
import type { JournalFile, JournalOptions } from './journal.ts'
import type { Log } from './log.ts'

const attempt = (n: number): AttemptId => `att_${String(n).padStart(26, '0')}` as AttemptId
const accept = (n: number): JournalRecord => ({ type: 'accept', order: { attempt_id: attempt(n), job_id: `job ${n}`, resources: {} } as unknown as JobDispatch })
const result = (n: number, seq: number | null = 1): JournalRecord => ({
  type: 'result', message: { type: 'job_status', attempt_id: attempt(n), status: 'succeeded', ...(seq === null ? {} : { final: { tick: { seq, usage: { runMs: seq } }, hash: `hash ${n} ${seq}` } }) } as unknown as JobStatusMessage,
})
const forget = (n: number): JournalRecord => ({ type: 'forget', attempt: attempt(n) })
const sealed = (...leaves: [number, number][]): JournalRecord => ({ type: 'sealed', leaves: leaves.map(([n, seq]) => [attempt(n), seq] as const) })
const start = (n: number): JournalRecord => ({ type: 'start', attempt: attempt(n) })
const aLife = (): JournalRecord[] => [accept(1), start(1), accept(2), result(1), sealed([1, 1]), forget(1), start(2), result(2)]

function restored(records: readonly JournalRecord[]) {
  const state = createAgentState('nod_1' as NodeId, { cpuMillis: 1, memoryBytes: 1, diskBytes: 1, gpus: 0 })
  restoreAgent(state, records)
  return { attempts: Object.fromEntries(state.attempts), unsealed: state.unsealed.toSorted((a, b) => (`${a.attempt_id}${a.seq}` < `${b.attempt_id}${b.seq}` ? -1 : 1)) }
}
const fileOf = (records: readonly JournalRecord[]): Buffer => Buffer.concat([MARK, ...records.map(frameOf)])

async function setup() {
  const dir = await mkdtemp(join(tmpdir(), 'lumaris-journal-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const lines: string[] = []
  const note = (_: object, says: string): void => { lines.push(says) }
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const path = join(dir, 'journal')
  const open = (more: JournalOptions = {}) => openJournal(path, { log, ...more })
  const write = async (records: readonly JournalRecord[]): Promise<void> => {
    const { journal } = await open()
    await journal.append(records)
    await journal.close()
  }
  return { dir, path, lines, open, write }
}

test('what was appended is there again', async () => {
  const { open, write } = await setup()
  await write(aLife().slice(0, 3))
  await write(aLife().slice(3))
  const { journal, records } = await open()
  await journal.close()
  expect(records).toEqual(aLife())
})

test('cut at every byte, it opens with the records that were whole, and goes on from there', () => {
  const records = aLife(), whole = fileOf(records)
  const ends = records.map((_, index) => fileOf(records.slice(0, index + 1)).length)
  for (let length = 0; length < whole.length; length++) {
    const read = readJournal(whole.subarray(0, length))
    const complete = ends.filter((end) => end <= length).length
    expect(read.damagedAt).toBe(null)
    expect(read.records).toEqual(records.slice(0, complete))
    expect(read.end).toBe(length < MARK.length ? 0 : (ends[complete - 1] ?? MARK.length))
  }
})

test('with any byte changed, it is either set aside or has lost its last record; never a wrong record', () => {
  const records = aLife(), whole = fileOf(records)
  const last = fileOf(records.slice(0, -1)).length
  for (let at = 0; at < whole.length; at++) {
    for (const bit of [1, 2, 128]) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] as number) ^ bit
      const read = readJournal(changed)
      if (at < last) expect({ at, damaged: read.damagedAt !== null, records: read.records }).toEqual({ at, damaged: true, records: [] })
      else expect({ at, damaged: read.damagedAt, records: read.records }).toEqual({ at, damaged: null, records: records.slice(0, -1) })
    }
  }
})

test('a torn tail is cut off the file, and new records follow the whole ones', async () => {
  const { path, lines, open, write } = await setup()
  await write(aLife())
  const whole = await readFile(path)
  await writeFile(path, whole.subarray(0, whole.length - 3))
  await write([forget(2)])
  const { journal, records } = await open()
  await journal.close()
  expect(records).toEqual([...aLife().slice(0, -1), forget(2)])
  expect(lines).toEqual(['the journal ended in the middle of a record, which was cut'])
})

test('damage in the middle sets the file aside and starts empty', async () => {
  const { dir, path, lines, open, write } = await setup()
  await write(aLife())
  const whole = await readFile(path)
  whole[40] = (whole[40] as number) ^ 1
  await writeFile(path, whole)
  const { journal, records } = await open()
  await journal.append([accept(9)])
  await journal.close()
  expect(records).toEqual([])
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('set aside')
  const aside = (await readdir(dir)).find((name) => name.startsWith('journal.damaged-'))
  expect(await readFile(join(dir, aside as string))).toEqual(whole)
  expect(readJournal(await readFile(path)).records).toEqual([accept(9)])
})

test('all who wait while the disk is busy share one flush', async () => {
  const { open } = await setup()
  const syncs: (() => void)[] = []
  const file: JournalFile = { write: () => Promise.resolve(), truncate: () => Promise.resolve(), close: () => Promise.resolve(), sync: () => new Promise((resolve) => { syncs.push(resolve) }) }
  const opening = open({ openFile: () => Promise.resolve(file) })
  await expect.poll(() => syncs.length).toBe(1)
  syncs.shift()?.()
  const { journal } = await opening
  const appends = Array.from({ length: 100 }, (_, index) => journal.append([accept(index)]))
  await expect.poll(() => syncs.length).toBe(1)
  syncs.shift()?.()
  await appends[0]
  await expect.poll(() => syncs.length).toBe(1)
  syncs.shift()?.()
  await Promise.all(appends.map((one) => one ?? Promise.resolve()))
  expect(syncs).toHaveLength(0)
  await journal.close()
})

test('a full disk keeps everybody waiting and says so; when there is room again, nothing is missing or doubled', async () => {
  const { open, path } = await setup()
  const troubles: (string | null)[] = []
  let full = false
  const waits: (() => void)[] = []
  const { journal } = await open({
    onTrouble: (says) => troubles.push(says), wait: () => new Promise((resolve) => { waits.push(resolve) }),
    async openFile(name) {
      const real = await import('node:fs/promises').then((fs) => fs.open(name, 'a+').then((file) => file.close()).then(() => fs.open(name, 'r+')))
      return {
        async write(bytes, position) {
          // As a full disk does: some of it arrives.
          await real.write(bytes, 0, full ? Math.floor(bytes.length / 2) : bytes.length, position)
          if (full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
        },
        truncate: (length) => real.truncate(length), sync: () => real.datasync(), close: () => real.close(),
      }
    },
  })
  await journal.append([accept(1)])
  full = true
  let claimed = false
  const held = journal.append([accept(2)])?.then(() => { claimed = true })
  await expect.poll(() => waits.length).toBe(1)
  expect(claimed).toBe(false)
  expect(journal.trouble).toBe('the disk is full')
  waits.shift()?.()
  await expect.poll(() => waits.length).toBe(1)
  full = false
  waits.shift()?.()
  await held
  await journal.append([accept(3)])
  await journal.close()
  expect(troubles).toEqual(['the disk is full', null])
  expect(readJournal(await readFile(path)).records).toEqual([accept(1), accept(2), accept(3)])
})

test('it is rewritten when it has grown, and restores to the same', async () => {
  const { open, path } = await setup()
  const { journal } = await open({ compactBytes: 4000 })
  for (let n = 0; n < 200; n++) await journal.append([accept(n), result(n), sealed([n, 1]), ...(n < 195 ? [forget(n)] : [])])
  await journal.close()
  const { bytes } = journal
  expect(bytes).toBeLessThan(10_000)
  expect((await stat(path)).size).toBe(bytes)
  const { journal: again, records } = await open()
  await again.close()
  expect(Object.keys(restored(records).attempts)).toEqual([195, 196, 197, 198, 199].map(attempt))
})

const aRecord = fc.oneof(
  fc.nat(4).map(accept), fc.nat(4).map(start), fc.tuple(fc.nat(4), fc.option(fc.integer({ min: 1, max: 3 }))).map(([n, seq]) => result(n, seq)), fc.nat(4).map(forget),
  fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 4 }).map((leaves) => sealed(...leaves)),
)
test('whatever was written, the shorter list restores to the same state, also with more written behind it', () => {
  fc.assert(fc.property(fc.array(aRecord, { maxLength: 30 }), fc.array(aRecord, { maxLength: 10 }), (before, after) => {
    const live = createLiveRecords()
    for (const record of before) live.add(record)
    expect(restored([...live.list(), ...after])).toEqual(restored([...before, ...after]))
    expect(live.list().length).toBeLessThanOrEqual(2 * 5 + 5 * 3 + 1)
  }), { numRuns: 2000 })
})
