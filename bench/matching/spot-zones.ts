// The spot traces: per zone and step, how many of the asked places were to be had. Their README says so (1 = there was one); at least one simulator of the same
// group reads the one-place files the other way round, so the parts that use them also say what comes out under that reading.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { TraceError, readTrace } from './traces.ts'
import type { TraceFile } from './traces.ts'

/** One place in one zone: 1 where it was up. All steps are `gapMs` apart. */
export type Place = { readonly site: string; readonly name: string; readonly up: Uint8Array }
export type SpotSet = { readonly folder: string; readonly gapMs: number; readonly places: readonly Place[]; readonly inputs: readonly TraceFile[] }

/** Every file of the folder, whatever zones it holds; a zone with n places becomes n of them, the k-th up while more than k are to be had. */
export function readSpot(traces: string, folder: string, invert = false): SpotSet {
  let names: string[]
  try { names = readdirSync(join(traces, folder)).filter((name) => /\.json(\.gz)?$/.test(name)).map((name) => name.replace(/\.gz$/, '')).toSorted() } catch (error) {
    throw new TraceError(`${join(traces, folder)} is not there: give the folder of the traces with --traces`, { cause: error })
  }
  if (names.length === 0) throw new TraceError(`${folder}: no zones (*.json or *.json.gz)`)
  const inputs: TraceFile[] = [], places: Place[] = []
  let gapMs = 0
  for (const name of new Set(names)) {
    const trace = readTrace(traces, join(folder, name))
    const { gap, counts } = zone(trace)
    if (gapMs !== 0 && gap * 1000 !== gapMs) throw new TraceError(`${trace.file}: steps of ${gap} s beside others of ${gapMs / 1000} s`)
    gapMs = gap * 1000
    inputs.push(trace)
    const most = counts.reduce((a, b) => Math.max(a, b), 1)
    for (let k = 0; k < most; k++) places.push({ site: name.replace('.json', ''), name: `${name.replace('.json', '')}#${k}`, up: Uint8Array.from(counts, (count) => ((count > k) === invert ? 0 : 1)) })
  }
  return { folder, gapMs, places, inputs }
}

function zone(trace: TraceFile): { gap: number; counts: number[] } {
  let read: unknown
  try { read = JSON.parse(trace.lines.join('\n')) } catch (error) { throw new TraceError(`${trace.file}: is not JSON (${(error as Error).message})`, { cause: error }) }
  const { metadata, data } = (read ?? {}) as { metadata?: { gap_seconds?: unknown }; data?: unknown }
  const gap = metadata?.gap_seconds
  if (typeof gap !== 'number' || !(gap > 0)) throw new TraceError(`${trace.file}: metadata.gap_seconds is "${String(gap)}", not a number above 0`)
  if (!Array.isArray(data) || data.length === 0) throw new TraceError(`${trace.file}: has no data`)
  const wrong = data.findIndex((count) => !Number.isInteger(count) || count < 0)
  if (wrong >= 0) throw new TraceError(`${trace.file}: step ${wrong} is "${String(data[wrong])}", not a count`)
  return { gap, counts: data as number[] }
}

/** For every step, until which step (exclusive) the place stays up without a break; the step itself where it is down. */
export function upUntil(up: Uint8Array): Int32Array {
  const until = new Int32Array(up.length)
  for (let t = up.length - 1, end = up.length; t >= 0; t--) {
    if (up[t] === 0) end = t
    until[t] = end
  }
  return until
}
