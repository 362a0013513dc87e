// What is the same, and what strangers try: every hostile text is answered, in bounded time, and never taken for another one.
import { expect, test } from 'vitest'
import fc from 'fast-check'
import type { Compare } from '@lumaris/protocol'
import { areNear, areSame, decimalOf, parseJson } from './same.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const json = (a: string, b: string, more: { absolute?: number; relative?: number } = {}) => areSame({ kind: 'json', absolute: 0, relative: 0, ...more }, bytes(a), bytes(b))
const numbers = (a: string, b: string, more: { absolute?: number; relative?: number } = {}) => areSame({ kind: 'numbers', absolute: 0, relative: 0, ...more }, bytes(a), bytes(b))

test('JSON: the order of keys, spaces and the spelling of numbers and strings say nothing; all else does', () => {
  expect(json('{"a":1,"b":[true,null,"x"]}', ' { "b" : [ true, null, "\\u0078" ],\n "a" : 1.0e0 } ')).toBe(true)
  expect(json('[100, 0.5, -0, 1E2]', '[1e2, 5e-1, 0, 100.000]')).toBe(true)
  for (const [a, b] of [['[1,2]', '[2,1]'], ['{"a":1}', '{"a":"1"}'], ['{"a":1}', '{"a":1,"b":1}'], ['{"a":1}', '{"b":1}'], ['[1]', '{"0":1}'], ['null', 'false'], ['"a"', '"A"'], ['[]', '{}'], ['[[]]', '[]'], ['1', '-1']] as const) expect([a, b, json(a, b)]).toEqual([a, b, false])
})

test('JSON: numbers that a double cannot tell apart are told apart', () => {
  expect(json('9007199254740993', '9007199254740992')).toBe(false)
  expect(json('0.1', '0.1000000000000000055')).toBe(false)
  expect(json('1e400', '1e401')).toBe(false)
  expect(json('1e400', '10e399')).toBe(true)
  expect(json('1e-400', '0')).toBe(false)
})

test('a tolerance is absolute, relative or both, and none unless it is said', () => {
  expect(json('{"x":1.0000001}', '{"x":1}')).toBe(false)
  expect(json('{"x":1.0000001}', '{"x":1}', { relative: 1e-6 })).toBe(true)
  expect(json('{"x":0.0000001}', '{"x":0}', { relative: 1e-6 })).toBe(false)
  expect(json('{"x":0.0000001}', '{"x":0}', { absolute: 1e-6 })).toBe(true)
  expect(numbers('mean 3.14159 of 10 runs\n', 'mean 3.14160 of 10 runs\n', { relative: 1e-5 })).toBe(true)
  expect(numbers('mean 3.14159 of 10 runs\n', 'mean 3.24160 of 10 runs\n', { relative: 1e-5 })).toBe(false)
  expect(numbers('mean 3.1', 'MEAN 3.1', { relative: 1 })).toBe(false)
  expect(numbers('1,2,3', '1,2', { relative: 1 })).toBe(false)
  expect(numbers('-0.001 +2 .5 3. 1e5', '0.001 2.0 0.5 3 100000', { absolute: 0.01 })).toBe(true)
  expect(numbers('nan inf', 'nan inf')).toBe(true)
  expect(numbers('nan', '0', { absolute: 1e300 })).toBe(false)
  expect(areNear('1e999', '2e999', { absolute: 1e300, relative: 1 })).toBe(false)
})

test('what only looks like a number is text: names, hashes, hexadecimal', () => {
  for (const [a, b] of [['run12', 'run13'], ['3fa9', '4fa9'], ['0x10', '0x11'], ['v1_2', 'v1_3'], ['10px', '11px']] as const) expect([a, numbers(a, b, { relative: 1, absolute: 100 })]).toEqual([a, false])
})

test('one spelling for each number', () => {
  expect(['1', '1.0', '10e-1', '0.1e1', '+1', '001'].map(decimalOf)).toEqual(Array.from({ length: 6 }, () => '1e0'))
  expect(['0', '-0', '0.000', '0e9'].map(decimalOf)).toEqual(['0', '0', '0', '0'])
  expect(decimalOf('-12.50')).toBe('-125e-1')
})

test('JSON as JSON.parse reads it, and nothing that it does not', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const text = JSON.stringify(value)
    return parseJson(text) !== null && json(text, JSON.stringify(value, null, 3), { relative: 0 })
  }), { numRuns: 300 })
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:0123.eE+-tfn\\u ')), maxLength: 12 }), (text) => {
    let reads = true
    try { JSON.parse(text) } catch { reads = false }
    return reads === (parseJson(text) !== null) || /"[^"]*"\s*:[^]*"[^"]*"\s*:/.test(text) // a key twice is ours to refuse
  }), { numRuns: 3000 })
  for (const bad of ['', ' ', '{', '[1,]', '{"a":1,}', '{"a"}', '[1 2]', '01', '1.', '+1', '.5', 'NaN', '"\n"', '"\\x"', '"', '[]]', '1 1', '{"a":1,"a":2}', "{'a':1}", '\uFEFF1x']) expect([bad, parseJson(bad)]).toEqual([bad, null])
  expect(json('{"__proto__":{"x":1}}', '{}')).toBe(false)
  expect(json('{"__proto__":1,"constructor":2}', '{"constructor":2,"__proto__":1}')).toBe(true)
})

test('hostile texts are refused quickly, and are not the same as anything, not even as themselves', () => {
  const many = 500_000, hostile = ['['.repeat(many), '{"a":'.repeat(many / 5), `[${'[],'.repeat(1_100_000)}[]]`, '9'.repeat(many), `1e${'9'.repeat(many)}`, `"${'\\'.repeat(many)}`, '-'.repeat(many), ' '.repeat(many), `[${'1e99999999999,'.repeat(9)}1]`]
  const from = performance.now()
  for (const text of hostile) expect([text.slice(0, 9), json(text, text)]).toEqual([text.slice(0, 9), false])
  expect(areSame({ kind: 'json', absolute: 0, relative: 0 }, new Uint8Array([0xff, 0xfe, 0x31]), new Uint8Array([0xff, 0xfe, 0x31]))).toBe(false)
  expect(performance.now() - from).toBeLessThan(20_000)
})

test('numbers in hostile text: one pass, whatever stands there', () => {
  const from = performance.now(), compare: Compare = { kind: 'numbers', absolute: 1, relative: 1 }
  for (const text of ['9'.repeat(500_000), '+'.repeat(500_000), '1.'.repeat(250_000), '1e'.repeat(250_000), `${'9'.repeat(399)} `.repeat(5000), '1 '.repeat(250_000)]) {
    expect([text.slice(0, 9), areSame(compare, bytes(text), bytes(text))]).toEqual([text.slice(0, 9), true])
    expect([text.slice(0, 9), areSame(compare, bytes(text), bytes(`${text}x`))]).toEqual([text.slice(0, 9), false])
  }
  expect(performance.now() - from).toBeLessThan(20_000)
})

test('bytes are bytes', () => {
  expect(areSame({ kind: 'bytes' }, bytes('a'), bytes('a'))).toBe(true)
  expect(areSame({ kind: 'bytes' }, bytes('a'), bytes('b'))).toBe(false)
})
