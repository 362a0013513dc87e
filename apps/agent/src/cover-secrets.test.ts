import { expect, test } from 'vitest'
import { coverSecrets } from './cover-secrets.ts'

const covered = (values: string[], ...pieces: string[]): string => {
  const cover = coverSecrets(values)
  if (!cover) return pieces.join('')
  return Buffer.concat([...pieces.map((piece) => cover(Buffer.from(piece))), cover(null)]).toString()
}
test.each([
  ['nothing of it', ['plain ', 'text'], 'plain text'], ['the value', ['key=hunter2-hunter2!'], 'key=•••!'], ['twice', ['hunter2-hunter2hunter2-hunter2'], '••••••'],
  ['cut anywhere', 'a hunter2-hunter2 b'.split(''), 'a ••• b'], ['only its beginning', ['hunter2-', 'hunted'], 'hunter2-hunted'], ['its beginning at the end', ['so hunter2-h'], 'so hunter2-h'], ['a beginning within a beginning', ['hunter2-hunter2-', 'hunter2'], '•••-hunter2'],
])('%s', (_says, pieces, shown) => { expect(covered(['hunter2-hunter2'], ...pieces)).toBe(shown) })
test('one value inside of another: the longer one is covered whole, wherever it is cut', () => {
  for (let at = 0; at <= 12; at++) expect(covered(['abcdefgh', 'abcdefghijkl'], 'abcdefghijkl'.slice(0, at), 'abcdefghijkl'.slice(at))).toBe('•••')
  expect(covered(['abcdefgh', 'abcdefghijkl'], 'abcdefgh', 'ijkX')).toBe('•••ijkX')
})
test('other letters, bytes that are no text, and signs that mean something to a pattern', () => {
  expect(covered(['pässwörd•x'], 'pä', 'sswörd•x')).toBe('•••')
  expect(covered(['a.*(b)[c]$'], 'a.*(b)[c]$ axxx(b)')).toBe('••• axxx(b)')
  const cover = coverSecrets(['longenough'])
  expect(cover?.(Buffer.from([0xff, 0xfe, 0x00]))).toEqual(Buffer.from([0xff, 0xfe, 0x00]))
})
test('short values are left, and without any there is nothing to do', () => { expect(coverSecrets(['seven77', ''])).toBeUndefined() })
