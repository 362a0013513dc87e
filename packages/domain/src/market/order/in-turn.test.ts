import { test, expect } from 'vitest'
import fc from 'fast-check'
import { InTurn } from './in-turn.ts'

test('whatever comes and goes, the earliest due is at the head, equal ones by arrival', () => {
  fc.assert(fc.property(fc.array(fc.option(fc.nat(5)), { maxLength: 300 }), (steps) => {
    const line = new InTurn<{ dueAt: number; id: number }>()
    let slow: { dueAt: number; id: number }[] = []
    for (const [id, dueAt] of steps.entries()) {
      if (dueAt === null) expect(line.shift()).toEqual(slow.shift())
      else { line.push({ dueAt, id }); slow = [...slow, { dueAt, id }].sort((a, b) => a.dueAt - b.dueAt || a.id - b.id) }
      expect([line.size, line.head]).toEqual([slow.length, slow[0]])
    }
  }))
})

test('a long line that is served from the front stays right', () => {
  const line = new InTurn<{ dueAt: number }>()
  for (let i = 0; i < 200; i++) line.push({ dueAt: i })
  expect(Array.from({ length: 200 }, () => line.shift()?.dueAt)).toEqual(Array.from({ length: 200 }, (_, i) => i))
  expect(line.shift()).toBeUndefined()
})
