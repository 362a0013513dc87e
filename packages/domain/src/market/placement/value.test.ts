import { expect, test } from 'vitest'
import fc from 'fast-check'
import { Reference } from './reference.ts'
import { FragmentationValue, lossSteps, SHARES, sharesOf, takeTightest, takeWhole, V_UNIT } from './value.ts'
import type { Typical } from './view.ts'

const TYPICAL: readonly Typical[] = [
  { cpuMillis: 1000, gpus: 1, gpuMillis: 300, hardware: 0, share: 3 }, { cpuMillis: 4000, gpus: 1, gpuMillis: 1000, hardware: 2, share: 4 },
  { cpuMillis: 3000, gpus: 2, gpuMillis: 1000, hardware: 0, share: 1 }, { cpuMillis: 4000, gpus: 0, gpuMillis: 0, hardware: 0, share: 2 },
]
const devices = fc.array(fc.constantFrom(0, 0, 100, 300, 450, 700, 1000), { minLength: 8, maxLength: 8 }).map((list) => Int32Array.from(list).sort())

test('V is what its definition says, and a memo that has grown and been asked ten thousand times still says it', () => {
  const value = new FragmentationValue(TYPICAL), reference = new Reference({}, TYPICAL)
  for (let i = 0; i < 10_000; i++) value.value(i & 1, (i * 37) % 9000, Int32Array.of(0, 0, i % 7, i % 31, i % 97, i % 211, i % 401, 1000).sort())
  expect(value.entries).toBeGreaterThan(4096)
  fc.assert(fc.property(fc.nat(1), fc.nat(10_000), devices, (hardware, cpu, list) => {
    expect(value.value(hardware, cpu, list)).toBe(reference.value(hardware, cpu, [...list]))
  }), { numRuns: 500 })
})

test('taking from the fullest devices leaves what sorting would leave', () => {
  fc.assert(fc.property(devices, fc.integer({ min: 1, max: 8 }), fc.constantFrom(100, 300, 450, 1000), (list, gpus, milli) => {
    const left = new Int32Array(8), fit = [...list].filter((one) => one >= milli)
    const right = [...list].sort((a, b) => a - b)
    for (let taken = 0; taken < gpus && fit.length >= gpus; taken++) right[list.length - fit.length + taken] = (right[list.length - fit.length + taken] as number) - milli
    expect(takeTightest(list, left, gpus, milli)).toBe(fit.length >= gpus)
    if (fit.length >= gpus) expect([...left]).toEqual(right.sort((a, b) => a - b))
  }))
})

test('where devices are not divided, nothing is left of the smallest that would do', () => {
  fc.assert(fc.property(devices, fc.integer({ min: 1, max: 8 }), fc.constantFrom(100, 300, 450, 1000), (list, gpus, milli) => {
    const left = new Int32Array(8), first = list.findIndex((one) => one >= milli), fits = first >= 0 && list.length - first >= gpus
    expect(takeWhole(list, left, gpus, milli)).toBe(fits)
    if (fits) expect([...left]).toEqual([...list].map((one, i) => (i >= first && i < first + gpus ? 0 : one)).sort((a, b) => a - b))
  }))
  // Half of the work asks for a part, half for a whole: a part of a divided card is lost to the latter only, and one of an undivided card would be lost to nobody.
  const typical: Typical[] = [{ cpuMillis: 0, gpus: 1, gpuMillis: 140, hardware: 0, share: 1 }, { cpuMillis: 0, gpus: 1, gpuMillis: 1000, hardware: 0, share: 1 }], value = new FragmentationValue(typical, false)
  expect([142, 1000].map((device) => value.value(0, 0, Int32Array.of(0, 0, 0, 0, 0, 0, 0, device)) / V_UNIT)).toEqual([0.1 * 71 + 0.9 * 0.5 * 71, 0])
})

test('steps of loss are the whole hundredths that a sigmoid falls below one half', () => {
  for (const grew of [-9000, -4596, -1000, -41, -40, 0, 1, 39, 41, 500, 2000, 4596, 9000]) expect(lossSteps(grew)).toBe(50 - Math.trunc(100 / (1 + Math.exp(grew / 1000))))
})

test('shares of typical work add up, and V of an idle device that nobody can use is one unit for each thousandth', () => {
  expect(sharesOf(TYPICAL).reduce((sum, one) => sum + one, 0)).toBe(SHARES)
  expect(new FragmentationValue(TYPICAL).value(0, 0, Int32Array.of(0, 0, 0, 0, 0, 0, 0, 1000))).toBe(1000 * V_UNIT)
})
