import { expect, test } from 'vitest'
import { isWanted } from './wanted.ts'

test.each([
  ['out.txt', 'out.txt', true], ['out.txt', 'a/out.txt', false], ['*', 'a.txt', true], ['*', 'a/b.txt', false], ['*.csv', 'a.csv', true], ['*.csv', 'a.csv.gz', false], ['a*c', 'ac', true], ['a*c', 'abbc', true], ['a*a', 'a', false],
  ['a*b*c', 'axbxc', true], ['a*b*c', 'axc', false], ['**', 'a', true], ['**', 'a/b/c', true], ['**/*.csv', 'a.csv', true], ['**/*.csv', 'x/y/a.csv', true], ['out/**', 'out/a/b', true], ['out/**', 'outer/a', false], ['out/**', 'out', false],
  ['a/**/z', 'a/z', true], ['a/**/z', 'a/b/c/z', true], ['a/*/z', 'a/b/c/z', false],
  ['**', '.bashrc', false], ['**', '.git/hooks/x', false], ['**', 'a/.env', false], ['*', '.env', false], ['**/.env', 'a/.env', true], ['.config/*', '.config/a', true], ['.*', '.env', true], ['a/.env', 'b/.env', false],
])('the pattern %s asks for %s: %s', (pattern, path, wanted) => expect(isWanted(path, [pattern])).toBe(wanted))
