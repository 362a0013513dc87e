import { test, expect } from 'vitest'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readSwf } from './swf.ts'
import type { Reading } from './swf.ts'
import { play } from './machine.ts'
import { easy, fifo, oursForeseeing } from './policies.ts'

const HEADER = '; Computer: a small one\n; MaxProcs: 8\n'
/** job, submit, wait, run, allocated, cpu, memory, requested processors, requested time, ... user, group */
const row = (id: number, submit: number, run: number, processors: number, requested: number, user = 1): string => `${id} ${submit} 0 ${run} ${processors} -1 -1 -1 ${requested} -1 1 ${user} 1 -1 1 -1 -1 -1`

function read(text: string, reading: Partial<Reading> = {}, packed = false) {
  const folder = mkdtempSync(join(tmpdir(), 'swf-'))
  try {
    writeFileSync(join(folder, packed ? 'a.swf.gz' : 'a.swf'), packed ? gzipSync(text) : text)
    return readSwf(folder, 'a.swf', { processors: null, runs: 'cut', ...reading })
  } finally { rmSync(folder, { recursive: true }) }
}

test('jobs come in order of submission, cut at what they asked for, and those that cannot count are left out', () => {
  const text = [HEADER + row(1, 50, 900, 2, 600), row(2, 10, 30, 8, 60), row(3, 60, 0, 1, 60), row(4, 60, 5, 9, 60), row(5, 60, 5, 1, -1)].join('\n')
  const { jobs, leftOut, processors } = read(text, {}, true)
  expect(jobs.map(({ id, run }) => [id, run])).toEqual([[2, 30], [1, 600]])
  expect([leftOut, processors]).toEqual([3, 8])
  expect(read(text, { runs: 'as logged' }).jobs.map(({ id, run }) => [id, run])).toEqual([[2, 30], [1, 900], [3, 1]])
})

test('a broken row stops the run, and says which file, which row and why', () => {
  expect(() => read(`${HEADER}${row(1, 10, 30, 8, 60)}\n2 20 0 30`)).toThrow('a.swf: row 4 has 4 fields, not 18')
  expect(() => read(HEADER + row(1, 10, 30, 8, 60).replace(' 30 ', ' soon '))).toThrow('a.swf: row 3, run time: "soon" is not a number')
  expect(() => read(HEADER + row(1, -5, 30, 8, 60))).toThrow('a.swf: row 3, submit time: "-5" is not a number of at least 0')
  expect(() => read(row(1, 10, 30, 8, 60))).toThrow('a.swf: the header has no MaxProcs')
  expect(() => read(HEADER + row(1, 10, 30, 8, -1))).toThrow('none of 1 rows is a job that ran')
})

test('the referee: nobody passes under FIFO, under EASY whoever delays no reservation does, and a run past its limit keeps its processors', () => {
  const { jobs } = read([HEADER + row(1, 0, 100, 6, 100), row(2, 1, 10, 4, 50), row(3, 2, 90, 2, 90), row(4, 3, 9, 2, 200)].join('\n'))
  const starts = (policy: Parameters<typeof play>[2], of = jobs) => play(of, 8, policy).runs.map(({ id, submit, wait }) => [id, submit + wait])
  expect(starts(fifo())).toEqual([[1, 0], [2, 100], [3, 100], [4, 100]])
  expect(starts(easy())).toEqual([[1, 0], [3, 2], [4, 92], [2, 100]])
  expect(starts(oursForeseeing(8)).map(([id]) => id as number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4])
  const late = read([HEADER + row(1, 0, 130, 8, 100), row(2, 105, 10, 4, 50)].join('\n'), { runs: 'as logged' })
  expect(starts(easy(), late.jobs)).toEqual([[1, 0], [2, 130]])
})
