// The journal on paper: a mark, then frames of {length, CRC-32, JSON}. The CRC covers the length too, so that a changed length is noticed.
import { crc32 } from 'node:zlib'
import type { JournalRecord } from '@lumaris/domain'

export const MARK = Buffer.from('LUMJRN1\n')
const HEAD = 8
/** The largest report of result files is far below; a length above it is damage, not a record. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024

export function frameOf(record: JournalRecord): Buffer {
  const json = JSON.stringify(record)
  const length = Buffer.byteLength(json)
  const frame = Buffer.allocUnsafe(HEAD + length)
  frame.writeUInt32LE(length, 0)
  frame.write(json, HEAD)
  frame.writeUInt32LE(checkOf(frame), 4)
  return frame
}
const checkOf = (frame: Buffer): number => crc32(frame.subarray(HEAD), crc32(frame.subarray(0, 4)))

/** The record at this place, and where the next one begins; null when there is none, or not a whole one. */
function frameAt(bytes: Buffer, at: number): { record: JournalRecord; next: number } | null {
  if (at + HEAD > bytes.length) return null
  const length = bytes.readUInt32LE(at)
  const next = at + HEAD + length
  if (length < 2 || length > RECORD_BYTES_MAX || next > bytes.length) return null
  const frame = bytes.subarray(at, next)
  if (checkOf(frame) !== frame.readUInt32LE(4)) return null
  return { record: JSON.parse(frame.toString('utf8', HEAD)) as JournalRecord, next }
}

export type ReadJournal = { readonly records: JournalRecord[]; /** Where writing goes on. */ readonly end: number; /** Damage before the tail: not to be believed. */ readonly damagedAt: number | null }

/**
 * What a crash in the middle of a write leaves is an unfinished tail: it was never promised to anybody, and is cut. A broken record with a
 * whole one somewhere behind it was once complete: the disk or a person has changed it.
 */
export function readJournal(bytes: Buffer): ReadJournal {
  const records: JournalRecord[] = []
  if (!bytes.subarray(0, MARK.length).equals(MARK.subarray(0, bytes.length))) return { records, end: 0, damagedAt: 0 }
  let at = Math.min(MARK.length, bytes.length)
  for (let frame = frameAt(bytes, at); frame; frame = frameAt(bytes, at)) {
    records.push(frame.record)
    at = frame.next
  }
  for (let behind = at + 1; behind + HEAD < bytes.length; behind++) if (frameAt(bytes, behind)) return { records: [], end: 0, damagedAt: at }
  return { records, end: bytes.length < MARK.length ? 0 : at, damagedAt: null }
}
