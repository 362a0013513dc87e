import { test, expect } from 'vitest'
import fc from 'fast-check'
import { Profile } from './profile.ts'

const demand = fc.record({ from: fc.nat(20), length: fc.integer({ min: 1, max: 12 }), amounts: fc.tuple(fc.nat(4), fc.nat(6)) })
const TOTAL = [4, 6]

/** The obviously right one: a row per moment. */
const moments = () => Array.from({ length: 60 }, () => [...TOTAL])

test('what is free, what fits and when is what counting moment by moment says', () => {
  fc.assert(fc.property(fc.array(demand, { maxLength: 12 }), demand, fc.nat(20), (jobs, asked, given) => {
    const profile = new Profile(TOTAL), slow = moments()
    const fits = (from: number, length: number, amounts: readonly number[]) => Array.from({ length }, (_, i) => from + i).every((t) => amounts.every((a, r) => (slow[t]?.[r] ?? 0) >= a))
    const change = (from: number, to: number, amounts: readonly number[], sign: number) => { for (let t = from; t < to; t++) amounts.forEach((a, r) => { (slow[t] as number[])[r] = (slow[t]?.[r] ?? 0) + sign * a }) }
    for (const { from, length, amounts } of jobs) {
      expect(profile.fits(from, { amounts, limitMs: length })).toBe(fits(from, length, amounts))
      if (!fits(from, length, amounts)) continue
      profile.take(from, from + length, amounts); change(from, from + length, amounts, -1)
      const back = from + Math.min(given, length)
      profile.give(back, from + length, amounts); change(back, from + length, amounts, 1)
    }
    for (let t = 0; t < 60; t++) expect(profile.free(t)).toEqual(slow[t])
    let first = asked.from
    while (!fits(first, asked.length, asked.amounts)) first++
    expect(profile.earliest(asked.from, { amounts: asked.amounts, limitMs: asked.length })).toBe(first)
  }))
})

test('the profile is as long as what runs, not as its history', () => {
  const profile = new Profile([8])
  for (let t = 0; t < 1_000; t++) { profile.advance(t); profile.take(t, t + 5, [1]); profile.give(t, t + 5, [1]) }
  expect(profile.steps).toBe(1)
})

test('who never fits is never expected', () => {
  expect(new Profile([4, 6]).earliest(3, { amounts: [5, 1], limitMs: 1 })).toBe(Infinity)
})

test('taking what is not there is a bug, not a debt', () => {
  expect(() => new Profile([4]).take(0, 1, [5])).toThrow('would be free')
})
