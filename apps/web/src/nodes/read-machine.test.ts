import { expect, test } from 'vitest'
import type { NodeReadings } from '@lumaris/protocol'
import { plotsOf, since } from './read-machine.ts'

const GIB = 1024 ** 3
const some: NodeReadings = { everyMs: 10_000, machine: { cores: 8, memoryBytes: 16 * GIB, diskBytes: null }, at: [1, 2, 3], cpu: [10, 71, 34], jobsCpu: [0, 60, 30], memory: [50, 50, 51], disk: [null, null, null], inBytesS: [0, 2048, null], outBytesS: [null, null, null], celsius: [null, null, null] }
const offered = { cpuMillis: 4_000, memoryBytes: 8 * GIB, diskBytes: 1, gpus: 0 }
test('what a machine does not know is no plot, and every plot says itself', () => {
  const plots = plotsOf(some, offered)
  expect(plots.map(({ title, says }) => `${title}: ${says}`)).toEqual([
    'Processor: The whole machine: 34 % at last, 71 % at most. Work of this market: 30 % at last, 60 % at most. Offered: 50 % of 8 cores.',
    'Memory: In use: 51 % at last, 51 % at most, of 16 GiB. Offered: 8 GiB.',
    'Network: In: 2 KiB/s at last, 2 KiB/s at most. Out: not known.',
  ])
  expect(plots[0]?.lines[2]?.values).toEqual([50, 50, 50])
  expect(plotsOf({ ...some, machine: null }, offered)).toEqual([])
})
test('the last minutes of an hour', () => {
  expect(since(some, 2).cpu).toEqual([71, 34])
  expect(since(some, 0)).toBe(some)
  expect(since(some, 9).at).toEqual([])
})
