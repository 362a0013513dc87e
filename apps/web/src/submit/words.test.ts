import { expect, test } from 'vitest'
import { joinWords, splitWords } from './words.ts'

test.each([
  ['', []], ['  ', []], ['echo hello', ['echo', 'hello']], [`sh -c 'echo "a b"; ls'`, ['sh', '-c', 'echo "a b"; ls']], [`a "b c" d\\ e ''`, ['a', 'b c', 'd e', '']],
  ['"a\\"b" \'c\\d\' $HOME *', ['a"b', 'c\\d', '$HOME', '*']], ['x"y"z', ['xyz']], ['a\\', ['a\\']],
])('%j is the words %j', (text, words) => expect(splitWords(text)).toEqual(words))
test('an open quote is no command', () => { expect(splitWords(`echo 'a`)).toBeNull(); expect(splitWords('echo "a')).toBeNull() })
test.each([[['echo', 'a b', '', "it's", '$x', 'ü', '-n', '\\']]])('words come back as they were: %j', (words) => expect(splitWords(joinWords(words))).toEqual(words))
