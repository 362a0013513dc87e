import { expect, test } from 'vitest'
import { blockOf, callerOf, listOf } from './address-block.ts'

test('addresses of one customer are one block; those that say nothing are none', () => {
  expect(blockOf('203.0.113.7')).toBe('203.0.113.0/24')
  expect(blockOf('::ffff:203.0.113.200')).toBe('203.0.113.0/24')
  expect(blockOf('2001:db8:1:2::3')).toBe('2001:db8:1::/48')
  expect(blockOf('2001:0db8:0001:ffff:1:2:3:4')).toBe('2001:db8:1::/48')
  expect(blockOf('2001:db8::1')).toBe('2001:db8:0::/48')
  for (const quiet of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.1.1', '100.64.1.1', 'fe80::1', 'fd00::1', '0.0.0.0', '::', '', 'unknown', '203.0.113.7.8', '<script>']) expect(blockOf(quiet)).toBeUndefined()
})

test('the header of somebody who is no trusted proxy counts for nothing, nor what stands in front of the last stranger', () => {
  const from = (remoteAddress: string, header: string | undefined, trusted: string | null) => callerOf({ headers: header === undefined ? {} : { 'x-forwarded-for': header }, socket: { remoteAddress } }, trusted === null ? null : listOf(trusted))
  expect(from('203.0.113.7', '198.51.100.1', null)).toBe('203.0.113.7')
  expect(from('203.0.113.7', '198.51.100.1', 'loopback')).toBe('203.0.113.7')
  expect(from('::ffff:127.0.0.1', '198.51.100.1', 'loopback')).toBe('198.51.100.1')
  expect(from('127.0.0.1', '192.0.2.9, 198.51.100.1', 'loopback')).toBe('198.51.100.1')
  expect(from('127.0.0.1', '192.0.2.9, 198.51.100.1, 10.0.0.1', 'loopback, 10.0.0.0/8')).toBe('198.51.100.1')
  expect(from('127.0.0.1', 'nonsense', 'loopback')).toBe('127.0.0.1')
  expect(from('127.0.0.1', undefined, 'loopback')).toBe('127.0.0.1')
  expect(from('203.0.113.7', '198.51.100.1', 'nonsense, 300.1.1.1/8, 1.2.3.4/99')).toBe('203.0.113.7')
})
