import { expect, test } from 'vitest'
import { credits, csvCell } from './csv.ts'

test('what a spreadsheet would take for a formula is text', () => {
  for (const bad of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '=HYPERLINK("http://evil.example","x")', '=1;2']) expect(csvCell(bad).replace(/^"/, ''), bad).toMatch(/^'/)
  expect(csvCell("=cmd|' /C calc'!A0")).toBe("'=cmd|' /C calc'!A0")
  for (const good of ['a name', 'x=1', '12.5', 'job_01']) expect(csvCell(good)).toBe(good)
  expect(csvCell(-5)).toBe('-5')
})
test('cells keep what is in them: commas, quotes, lines', () => {
  expect(csvCell('a,b')).toBe('"a,b"')
  expect(csvCell('say "x"')).toBe('"say ""x"""')
  expect(csvCell('two\r\nlines')).toBe('"two\r\nlines"')
  // Quotes cannot be used to begin another cell.
  expect(csvCell('x",=1+1,"')).toBe('"x"",=1+1,"""')
})
test('amounts are exact', () => {
  expect(['0', '1', '999999', '1000000', '123456789012345678'].map(credits)).toEqual(['0.000000', '0.000001', '0.999999', '1.000000', '123456789012.345678'])
})
