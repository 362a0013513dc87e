import { expect, test } from 'vitest'
import { programOf } from './program.ts'

test('what a program says of itself becomes a few words, and stays text', () => {
  expect(programOf('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36')).toBe('Chrome on Linux')
  expect(programOf('Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1')).toBe('Safari on iPhone')
  expect(programOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0')).toBe('Firefox on Windows')
  expect(programOf('lumaris on box')).toBe('lumaris on box')
  expect(programOf('\u202eevil\u001b[31m')).toBe('<U+202E>evil<U+001B>[31m')
  expect(programOf(undefined)).toBe('a program without a name')
  expect(programOf('x'.repeat(200))).toHaveLength(40)
})
