import { expect, test } from 'vitest'
import type { Receipt } from '@lumaris/protocol'
import { readingsOf } from './readings.ts'

const tick = (runMs: number, cpuMs: number, memoryPeakBytes = 10) => ({ tick: { usage: { runMs, cpuMs, memoryPeakBytes, diskBytes: 0, outBytes: 0 } } })
test('running totals become what was used between two of them', () => {
  expect(readingsOf([tick(1000, 500), tick(3000, 2500, 20), tick(3000, 2500, 20), tick(4000, 2500, 20)] as Receipt['ticks'])).toEqual([
    { atMs: 1000, cpu: 0.5, memoryPeakBytes: 10 }, { atMs: 3000, cpu: 1, memoryPeakBytes: 20 }, { atMs: 4000, cpu: 0, memoryPeakBytes: 20 },
  ])
})
