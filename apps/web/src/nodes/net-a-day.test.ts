import { expect, test } from 'vitest'
import { netADay } from './net-a-day.ts'

const day = { cpuHour: 200_000n, memoryGibHour: 40_000n, cpuMillis: 4_000, memoryMib: 8 * 1024, hours: 24, usePercent: 50, watts: 40, creditsPerKwh: 0.3, feeBasisPoints: 500 }
test('four cores at 0.2 and eight GiB at 0.04, half a day in use, less the fee and 480 Wh', () => {
  // (0.8 + 0.32) × 12 h × 95 % = 12.768; 40 W × 12 h × 0.3 = 0.144
  expect(netADay(day)).toEqual({ earned: 12_768_000n, power: 144_000n, net: 12_624_000n })
})
test('where power costs more than is earned, it says so', () => expect(netADay({ ...day, cpuHour: 0n, memoryGibHour: 0n })).toMatchObject({ earned: 0n, net: -144_000n }))
test('parts of hours, watts and credits count', () => expect(netADay({ ...day, hours: 0.5, usePercent: 100, watts: 0.5, creditsPerKwh: 1 }).power).toBe(250n))
