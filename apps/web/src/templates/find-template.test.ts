import { expect, test } from 'vitest'
import { TEMPLATES } from '../submit/templates.ts'
import { findTemplates } from './find-template.ts'

const found = (asked: string): string[] => findTemplates(TEMPLATES, asked).map(({ id }) => id)
test.each([
  ['I want to draw a picture', ['fractal']], ['drawing pictures', ['fractal']], ['count primes in Python', ['primes']], ['run it in parallel', ['pi']], ['  ', TEMPLATES.map(({ id }) => id)], ['please do it for me', TEMPLATES.map(({ id }) => id)],
  ['train a neural network', []], ['javascript', ['pi', 'fractal']],
])('%j finds %j', (asked, ids) => expect(found(asked)).toEqual(ids))
test('a name is worth more than what is said besides', () => {
  const all = [{ name: 'Other', says: 'with a needle', tags: [] }, { name: 'Tagged', says: '', tags: ['needle'] }, { name: 'Needles', says: '', tags: [] }]
  expect(findTemplates(all, 'needle').map(({ name }) => name)).toEqual(['Needles', 'Tagged', 'Other'])
})
