import { expect, test } from 'vitest'
import { parsePipeline } from './order-steps.ts'

const step = (name: string, ...needs: unknown[]) => ({ name, command: ['x'], needs })
const named = (...steps: unknown[]): string[] => parsePipeline({ steps }).steps.map((one) => one.name)

test('steps come after those they need, and else as they stand in the file', () => {
  expect(named(step('c', 'a', { step: 'b', inputs: [{ from: '*' }] }), step('b', 'a'), step('a'), step('z'))).toEqual(['a', 'b', 'c', 'z'])
})
test.each([
  [[step('a', 'b'), step('b', 'c'), step('c', 'a')], 'The steps "a" → "b" → "c" → "a" need one another in a circle'], [[step('x', 'b'), step('b', 'c'), step('c', 'b')], '"b" → "c" → "b"'], [[step('a', 'a')], 'Step "a" needs itself'],
  [[step('a', 'fetsh'), step('fetch')], 'Step "a" needs "fetsh", and no step is called that'], [[step('a'), step('a')], 'Two steps are called "a"'], [[step('a'), step('b', 'a', { step: 'a' })], 'Step "b" needs "a" twice'],
  [[{ name: 'a', command: [] }], 'Step "a": command'], [[step('a'), { name: 'b', command: ['x'], colour: 'red' }], 'Step "b": '], [[{ command: ['x'] }], 'Step 1: name'], [[step('../a')], 'Step "../a": name'], [[{ ...step('a'), after: [] }], 'Step "a": '],
  [Array.from({ length: 101 }, (_one, i) => step(`s${i}`)), '101 steps are more than the 100'], [[], 'steps'],
])('%j is refused, and the step named', (steps, says) => expect(() => parsePipeline({ steps })).toThrow(says))
test.each([null, [], 'x', { steps: 'a' }, { steps: [step('a')], extra: 1 }])('%j is no pipeline', (value) => expect(() => parsePipeline(value)).toThrow())
test('a hundred steps in a chain that stands in the wrong order', () => {
  const steps = Array.from({ length: 100 }, (_one, i) => step(`s${i}`, ...(i < 99 ? [`s${i + 1}`] : [])))
  expect(named(...steps)).toEqual(steps.map((one) => one.name).toReversed())
})
