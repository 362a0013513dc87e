import { expect, test } from 'vitest'
import { parseAmount, parseDeadline, parseCores, parseCount, parseDuration, parseEgress, parseGpuShare, parsePair, parseSize, parseWhere } from './parse.ts'

test.each([['512MiB', 512 * 1024 ** 2], ['512m', 512 * 1024 ** 2], ['2GB', 2e9], ['2GiB', 2 * 1024 ** 3], ['1.5g', 1.5 * 1024 ** 3], ['4096', 4096], ['10 kB', 10_000], ['1TiB', 1024 ** 4], ['0', 0]])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))
test.each(['', '12zz', '-1', '1e9', 'GiB', '1.', '0x10', '1 2', '9999999999TiB', 'NaN'])('%o is no size', (text) => expect(() => parseSize(text)).toThrow(`"${text}" is not a size. Write it such as 512MiB, 2GB or 1.5GiB.`))

test.each([['90s', 90_000], ['10m', 600_000], ['10min', 600_000], ['1h30m', 5_400_000], ['1h 30m', 5_400_000], ['1.5h', 5_400_000], ['250ms', 250], ['2d', 172_800_000]])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms))
test.each(['', '10', '10x', '-1s', '1h30', 'm', '1mm', '1 year'])('%o is no duration', (text) => expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration. Write it such as 90s, 10m or 1h30m.`))

test('a time to be done by: the next such hour, a while from now, or a date', () => {
  const now = new Date(2026, 10, 21, 17, 30).getTime()
  expect(parseDeadline('18:00')(now)).toBe(new Date(2026, 10, 21, 18, 0).getTime())
  expect(parseDeadline('17:30')(now)).toBe(new Date(2026, 10, 22, 17, 30).getTime())
  expect(parseDeadline('2h30m')(now)).toBe(now + 9_000_000)
  expect(parseDeadline('2027-01-31T18:00Z')(now)).toBe(Date.UTC(2027, 0, 31, 18))
  for (const wrong of ['', 'noon', '25:00', '2027-13-01', '10']) expect(() => parseDeadline(wrong)).toThrow('is not a time')
})

test.each([['2', 2000], ['0.5', 500], ['1.125', 1125]])('%s cores are %d thousandths', (text, millis) => expect(parseCores(text)).toBe(millis))
test.each(['0', '-1', 'two', '1.1234', ''])('%o is no number of cores', (text) => expect(() => parseCores(text)).toThrow('is not a number of cores'))
test.each(['1.5', '-1', 'x', ''])('%o is no count', (text) => expect(() => parseCount(text)).toThrow('is not a whole number'))

test.each([['1/7', 142], ['3/7', 428], ['0.25', 250], ['1', 1000], ['4/4', 1000]])('%s of a card is %d thousandths', (text, share) => expect(parseGpuShare(text)).toBe(share))
test.each(['0', '2', '0/7', '8/7', '1/0', '0.1234', 'half', ''])('%o is no share of a card', (text) => expect(() => parseGpuShare(text)).toThrow('is not a share of a card'))

test('credits are read to the micro-credit, and no finer', () => {
  expect([parseAmount('12.5'), parseAmount('0.000001')]).toEqual([12_500_000n, 1n])
  for (const wrong of ['0.0000001', '1e3', '-1', 'many']) expect(() => parseAmount(wrong)).toThrow('is not an amount of credits')
})
test('a pair is split at its first equals sign', () => {
  expect(parsePair('A=b=c')).toEqual(['A', 'b=c'])
  for (const wrong of ['A', '=b', '']) expect(() => parsePair(wrong)).toThrow('NAME=VALUE')
})

test.each([
  ['zone=a, b', { label: 'zone', op: 'in', values: ['a', 'b'] }], ['zone!=a', { label: 'zone', op: 'not_in', values: ['a'] }], ['disk.gbps>=2.5', { label: 'disk.gbps', op: 'at_least', value: 2.5 }],
  ['ping<=20', { label: 'ping', op: 'at_most', value: 20 }], ['fast', { label: 'fast', op: 'exists' }], ['!shared', { label: 'shared', op: 'absent' }],
])('%s is a condition on a label', (text, term) => expect(parseWhere(text)).toEqual(term))
test.each([
  ['example.org', { host: 'example.org', port: 443 }], ['*.Example.org:8443', { host: '*.example.org', port: 8443 }], ['münchen.example', { host: 'xn--mnchen-3ya.example', port: 443 }], ['*.bücher.example:80', { host: '*.xn--bcher-kva.example', port: 80 }],
])('%s is a host to connect to', (text, rule) => expect(parseEgress(text)).toEqual(rule))
test.each(['', 'localhost', '127.0.0.1', '2130706433', '１２７.0.0.1', '[::1]:80', 'example.org:25', 'example.org:0', 'example.org:', 'https://example.org', 'example.org/x', 'u@example.org', '*.org', '*'])('%o is no host to connect to', (text) => expect(() => parseEgress(text)).toThrow('is not a host to connect to'))
test.each(['', 'Zone=a', 'a>=', 'a>=x', '!a=b', '=b', 'a b'])('%o is no condition', (text) => expect(() => parseWhere(text)).toThrow('is not a condition'))
