import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ASSURED_COPIES_MAX, Assurance } from '@lumaris/protocol'
import { checkShare, enough, errorOf, isProven, riskOf } from './enough.ts'

const record = fc.record({ valid: fc.integer({ min: 0, max: 5000 }), wrong: fc.integer({ min: 0, max: 4 }) })
const bound = fc.constantFrom(...Assurance.options)
const groups = fc.array(fc.array(record, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }).map((all) => all.toSorted((a, b) => b.length - a.length))

test('whatever was shown, what is enough keeps the bound; it always ends; and two owners are never enough against somebody else, or at the tighter bounds', () => {
  fc.assert(fc.property(groups, bound, fc.double({ min: 0, max: 1, noNaN: true }), (all, asked, draw) => {
    const answer = enough(all, asked, draw), [lead = []] = all, copies = all.flat().length
    if (answer === 'more') expect(copies).toBeLessThan(ASSURED_COPIES_MAX[asked])
    if (answer !== 'enough') return
    expect(riskOf(lead, asked)).toBeLessThanOrEqual(Number(asked))
    if (all.length > 1 || asked !== '1e-2') expect(lead.length).toBeGreaterThanOrEqual(3)
    for (const other of all.slice(1)) expect(other.length).toBeLessThan(lead.length)
    if (lead.length === 1) { expect(isProven(lead[0]!)).toBe(true); expect(draw).toBeGreaterThanOrEqual(checkShare(lead[0]!)) }
  }), { numRuns: 2000 })
})

test('no way to pair a group up, and let each pair lie together, gives more than the risk says', () => {
  const worst = (errors: readonly number[]): number => {
    const [first, ...rest] = errors
    if (first === undefined) return 1
    const alone = errors.length % 2 === 1 ? [first * worst(rest)] : [] // only one may be left over
    return Math.max(...alone, ...rest.map((other, i) => Math.min(first, other) * worst(rest.filter((_, j) => j !== i))))
  }
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 7 }), (group) => {
    const errors = group.map(errorOf)
    expect(riskOf(group, '1e-4')).toBeGreaterThanOrEqual(worst(errors) * (1 - 1e-12))
  }))
})

test('one more right result is never worse, one wrong one never better', () => {
  fc.assert(fc.property(record, ({ valid, wrong }) => {
    expect(errorOf({ valid: valid + 1, wrong })).toBeLessThanOrEqual(errorOf({ valid, wrong }))
    expect(checkShare({ valid: valid + 1, wrong })).toBeLessThanOrEqual(checkShare({ valid, wrong }))
    expect(errorOf({ valid: 0, wrong: wrong + 1 })).toBeGreaterThanOrEqual(errorOf({ valid, wrong }))
    expect(checkShare({ valid: 0, wrong: wrong + 1 })).toBe(1)
  }))
})
