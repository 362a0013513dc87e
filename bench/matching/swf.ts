// The Standard Workload Format: one line per job, 18 numbers, -1 for unknown, comments after a semicolon.
// Read as in the studies we compare with: processors are the requested ones, else the allocated; jobs without a request, or wider than the machine,
// are left out and counted. They differ in runs beyond the requested time: some cut them, some play them as logged.
import { TraceError, cell, readTrace } from './traces.ts'
import type { TraceFile } from './traces.ts'

export type SwfJob = { readonly id: number; readonly submit: number; readonly run: number; readonly requested: number; readonly processors: number; readonly user: number; readonly group: number }
export type Swf = { readonly trace: TraceFile; readonly jobs: readonly SwfJob[]; readonly leftOut: number; readonly processors: number }

const FIELDS = 18

export type Reading = {
  /** Null: what the header says. */
  readonly processors: number | null
  /** `cut`: the run ends at the requested time, jobs that did not run are left out. `as logged`: runs may exceed it, and last a second at least. */
  readonly runs: 'cut' | 'as logged'
}

/** Jobs come back in order of submission, equal times in order of the file. */
export function readSwf(folder: string, name: string, { processors, runs }: Reading): Swf {
  const trace = readTrace(folder, name)
  const size = processors ?? sizeOf(trace)
  const jobs: SwfJob[] = []
  let rows = 0
  trace.lines.forEach((line, i) => {
    const text = line.trim()
    if (text === '' || text.startsWith(';')) return
    rows++
    const job = jobOf(trace.file, i + 1, text)
    const run = runs === 'cut' ? Math.min(job.run, job.requested) : Math.max(job.run, 1)
    if (run > 0 && job.requested > 0 && job.processors > 0 && job.processors <= size) jobs.push({ ...job, run })
  })
  if (jobs.length === 0) throw new TraceError(`${trace.file}: none of ${rows} rows is a job that ran, within ${size} processors`)
  return { trace, jobs: jobs.sort((a, b) => a.submit - b.submit || a.id - b.id), leftOut: rows - jobs.length, processors: size }
}

function jobOf(file: string, row: number, text: string): SwfJob {
  const fields = text.split(/\s+/)
  if (fields.length !== FIELDS) throw new TraceError(`${file}: row ${row} has ${fields.length} fields, not ${FIELDS}`)
  const field = (at: number, what: string, min = -1) => cell(file, row, what, fields[at], min)
  const requested = field(7, 'requested processors'), allocated = field(4, 'allocated processors')
  return {
    id: field(0, 'job number'), submit: field(1, 'submit time', 0), run: field(3, 'run time'), requested: field(8, 'requested time'),
    processors: requested > 0 ? requested : allocated, user: field(11, 'user'), group: field(12, 'group'),
  }
}

function sizeOf(trace: TraceFile): number {
  for (const line of trace.lines) {
    if (!line.startsWith(';')) break
    const size = /^;\s*MaxProcs:\s*(\d+)/.exec(line)?.[1]
    if (size) return Number(size)
  }
  throw new TraceError(`${trace.file}: the header has no MaxProcs`)
}
