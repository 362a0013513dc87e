import { expect, test } from 'vitest'
import { matches } from './match-path.ts'

test.each([
  ['out.txt', 'out.txt', true], ['out.txt', 'outxtxt', false], ['out.txt', 'a/out.txt', false],
  ['*', 'a.txt', true], ['*', 'a/b.txt', false], ['*.csv', 'a.csv', true], ['*.csv', 'a.csv.gz', false], ['a*c', 'ac', true], ['a*c', 'abbc', true],
  ['**', 'a', true], ['**', 'a/b/c', true], ['**/*.csv', 'a.csv', true], ['**/*.csv', 'x/y/a.csv', true], ['**/*.csv', 'x/a.txt', false],
  ['out/**', 'out/a', true], ['out/**', 'out/a/b', true], ['out/**', 'outer/a', false], ['out/**', 'out', false],
  ['a/**/z', 'a/z', true], ['a/**/z', 'a/b/c/z', true], ['a/**/z', 'a/bz', false], ['a/*/z', 'a/b/z', true], ['a/*/z', 'a/b/c/z', false],
  ['[a].txt', '[a].txt', true], ['[a].txt', 'a.txt', false], ['?.txt', 'a.txt', false], ['*', '*', true], ['a.*', 'a.', true], ['', 'a', false],
])('the pattern %s says of %s: %s', (pattern, path, wanted) => { expect(matches(pattern, path)).toBe(wanted) })

test('a pattern made to be slow is not', () => {
  expect(matches(`${'*a'.repeat(250)}b`, 'a'.repeat(512))).toBe(false)
  expect(matches(`${'**/'.repeat(170)}b`, 'a/'.repeat(255))).toBe(false)
})
