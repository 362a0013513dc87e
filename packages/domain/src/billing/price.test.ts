import { test, expect } from 'vitest'
import fc from 'fast-check'
import { GIB, PriceSheet, Resources } from '@lumaris/protocol'
import { feeOf, priceOf } from './price.ts'

const sheet = PriceSheet.parse({ start: '100', cpuHour: '3600000', memoryGibHour: '1800000', outGib: '1073741824' })
const two = Resources.parse({ cpuMillis: 2000, memoryBytes: GIB })

test('a second of two cores and one GiB costs the start fee and a 3600th of the hourly prices', () => {
  expect(priceOf(sheet, two, { runMs: 1000, outBytes: 0 })).toBe(100n + 2000n + 500n)
})
test('bytes out are charged by the GiB, to the byte', () => {
  expect(priceOf(sheet, two, { runMs: 0, outBytes: 7 })).toBe(107n)
})
test('a part of a micro-credit is not billed', () => {
  expect(priceOf(PriceSheet.parse({ cpuHour: '1' }), two, { runMs: 3_599_999, outBytes: 0 })).toBe(1n)
})
test('longer never costs less, and two halves never cost more than the whole', () => {
  fc.assert(fc.property(fc.nat(10_000_000), fc.nat(10_000_000), (a, b) => {
    const one = priceOf({ ...sheet, start: '0' }, two, { runMs: a, outBytes: 0 }), other = priceOf({ ...sheet, start: '0' }, two, { runMs: b, outBytes: 0 })
    const both = priceOf({ ...sheet, start: '0' }, two, { runMs: a + b, outBytes: 0 })
    expect(both).toBeGreaterThanOrEqual(one + other)
    expect(both - one - other).toBeLessThanOrEqual(1n)
  }))
})
test('the fee is rounded down, for the seller', () => {
  expect(feeOf(199n, 500)).toBe(9n)
})
