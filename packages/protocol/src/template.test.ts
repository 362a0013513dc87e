import { expect, test } from 'vitest'
import { PutTemplate, fillTemplate, templateProblem } from './template.ts'

const a = (parameters: object, spec: object = { command: ['train', '--rate={{rate}}'] }) => PutTemplate.parse({ spec, parameters })
const filled = (template: PutTemplate, values: Record<string, string>) => { const made = fillTemplate(template, values); return 'spec' in made ? made.spec : made.problem }

test('a value stays inside its argument, variable or name, whatever it holds', () => {
  const template = a({ rate: {}, file: { default: 'a.csv' } }, { name: 'train {{file}}', command: ['sh', '-c', 'x', '--rate={{rate}}', '{{file}}{{file}}'], env: { RATE: '{{rate}}' }, tasks: [{ args: ['{{rate}}'], env: { F: '{{file}}' } }] })
  expect(templateProblem(template)).toBeNull()
  expect(filled(template, { rate: '0.1; rm -rf / {{file}} $(x) $1 $&' })).toMatchObject({
    name: 'train a.csv', command: ['sh', '-c', 'x', '--rate=0.1; rm -rf / {{file}} $(x) $1 $&', 'a.csva.csv'], env: { RATE: '0.1; rm -rf / {{file}} $(x) $1 $&' }, tasks: [{ args: ['0.1; rm -rf / {{file}} $(x) $1 $&'], env: { F: 'a.csv' } }],
  })
})
test.each([
  [{ rate: {} }, {}, 'rate is missing'], [{ rate: { says: 'how fast it learns' } }, {}, 'how fast it learns'], [{ rate: {} }, { rate: '1', speed: '2' }, 'there is no parameter speed; it has rate'], [{ rate: { type: 'whole' } }, { rate: '1.5' }, 'rate must be a whole number, and "1.5" is none'],
  [{ rate: { type: 'number' } }, { rate: '1e5' }, 'rate must be a number'], [{ rate: { type: 'number' } }, { rate: '1\n2' }, 'rate must be a number'], [{ rate: { choices: ['1', '2'] } }, { rate: '3' }, 'rate must be one of 1, 2, and "3" is none of them'], [{ rate: {} }, { rate: 'a\u0000b' }, 'command.1: no NUL'], [{ rate: {} }, { constructor: 'x' }, 'there is no parameter constructor'],
])('%j with %j is refused by name', (parameters, values, says) => expect(filled(a(parameters), values as unknown as Record<string, string>)).toContain(says))
test('a name with control characters is no name', () => expect(filled(a({ rate: {} }, { name: '{{rate}}', command: ['x'] }), { rate: 'a\u202eb' })).toContain('name: no control characters'))
test.each([
  [{}, undefined, '{{rate}} stands in the job'], [{ rate: {}, other: {} }, undefined, 'the parameter other is used nowhere'], [{ rate: { default: 'x', type: 'number' } }, undefined, 'its default: rate must be a number'], [{ rate: { default: 'x', choices: ['y'] } }, undefined, 'its default: rate must be one of y'], [{ rate: { type: 'whole', choices: ['1.5'] } }, undefined, 'a choice: rate'],
  [{ rate: {} }, { command: ['{{rate}}'], outputs: ['{{rate}}/**'] }, 'where nothing is filled in'], [{ rate: {} }, { command: ['{{rate}}'], stdout: '{{rate}}' }, 'where nothing is filled in'],
])('%j is not kept', (parameters, spec, says) => expect(templateProblem(a(parameters, spec))).toContain(says))
test.each([[{ cpuMillis: '{{n}}' }], [{ memoryBytes: '{{n}}' }]])('no number of the job can be one: %j', (resources) => expect(PutTemplate.safeParse({ spec: { command: ['x', '{{n}}'], resources }, parameters: { n: { type: 'whole' } } }).success).toBe(false))
