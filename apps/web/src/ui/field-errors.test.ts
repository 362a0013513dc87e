import { expect, test } from 'vitest'
import { z } from 'zod'
import { LumarisError } from '@lumaris/sdk'
import { beside, inWords } from './field-errors.ts'

const refused = (facts: ConstructorParameters<typeof LumarisError>[2], code = 'invalid_request'): LumarisError => new LumarisError(code, 'No', { hint: 'Do otherwise', ...facts })
test('each complaint stands beside its field, also one about a part of it', () => {
  const { at, isLeft } = beside(refused({ errors: [{ pointer: '/label', message: 'too short' }, { pointer: '/scopes/0', message: 'no such scope' }] }), ['/label', '/scopes'])
  expect([at('/label'), at('/scopes'), at('/days'), isLeft]).toEqual(['too short', 'no such scope', undefined, false])
})
test('what stands beside no field is left, and shown as a whole', () => {
  const some = refused({ errors: [{ pointer: '/label', message: 'too short' }, { pointer: '/spec/after', message: 'unknown' }] })
  expect(beside(some, ['/label']).isLeft).toBe(true)
  expect(beside(some, ['/label', '/spec']).isLeft).toBe(false)
  expect(beside(refused({}), ['/label']).isLeft).toBe(true)
  expect(beside(new Error('broken'), ['/label']).isLeft).toBe(true)
  expect(beside(null, ['/label']).isLeft).toBe(false)
  // A place that only begins alike is another one.
  expect(beside(refused({ errors: [{ pointer: '/capacity', message: 'no' }] }), ['/cap']).isLeft).toBe(true)
})
test.each([
  [{ reason: 'it is inside' }, 'No: it is inside'], [{ min: '1', max: '5000000' }, 'No: at least 0.000001 credits, at most 5.00 credits'], [undefined, 'No. Do otherwise'],
] as const)('a refusal about one field, with %j, says %s', (detail, words) => {
  const { at, isLeft } = beside(refused({ detail }, 'amount_not_allowed'), ['/amount'], { amount_not_allowed: '/amount' })
  expect([at('/amount'), isLeft]).toEqual([words, false])
})

const said = (schema: z.ZodType, value: unknown): string => inWords(schema.safeParse(value).error?.issues[0]?.message ?? '')
test('what a schema says of lengths and sizes is said in words for people', () => {
  expect(said(z.string().min(1), '')).toBe('Fill this in')
  expect(said(z.string().min(3), 'no')).toBe('At least 3 characters')
  expect(said(z.string().max(3), 'long')).toBe('At most 3 characters')
  expect(said(z.number().int().min(50), 2)).toBe('At least 50')
  expect(said(z.number().max(5_000), 6_000)).toBe('At most 5000')
  expect(said(z.array(z.string()).min(1), [])).toBe('Choose one at least')
  expect(said(z.string().regex(/^a$/, 'an a, please'), 'b')).toBe('an a, please')
})
