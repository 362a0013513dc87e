import { expect, test } from 'vitest'
import { alertText, codeText, oneLine, unlinked } from './text.ts'

const ways = { publicUrl: 'https://market.example', offUrl: 'https://market.example/v1/mail-off/usr_1.x' }
const told = (says: string, more: object = {}) => ({ kind: 'node_offline' as const, subject: 'nod_1', says, at: Date.UTC(2026, 10, 22, 5, 12), ...more })

test('one alert: what, when, and where to look', () => {
  expect(alertText([told('quiet has not been heard of for 1 h.')], ways)).toEqual({
    subject: 'Node offline: quiet has not been heard of for 1 h.',
    text: 'Node offline (2026-11-22 05:12 UTC)\nquiet has not been heard of for 1 h.\nhttps://market.example/nodes/nod_1\n\n-- \nThis market mails you alerts because you have asked for it.\nWhich ones: https://market.example/alerts\nNo more of them: https://market.example/v1/mail-off/usr_1.x\n',
  })
})
test('many are one mail that says how many of what, and writes out no more than can be read', () => {
  const { subject, text } = alertText([...Array.from({ length: 998 }, (_, i) => told(`node-${i} is silent.`, { subject: `nod_${i}` })), told('It came back.', { kind: 'payout_failed' })], ways)
  expect(subject).toBe('999 alerts: 998 × Node offline, 1 × Payout came back')
  expect([text.match(/is silent\./g)?.length, text.includes('And 969 more: https://market.example/alerts'), text.length < 10_000]).toEqual([30, true, true])
})
test('what strangers write stays one line of words: no header, no line, no link, no other direction, no end', () => {
  for (const [bad, good] of [
    ['a\r\nBcc: victim@example.org\r\n\r\nhello', 'a Bcc: victim[at]example[.]org hello'], ['a\u2028b\u2029c\u0085d\u000be', 'a b c d e'], ['safe\u202egpj.exe\u2066', 'safe gpj[.]exe'], ['x\u200b\u200d\ufeff\u00ady', 'x y'],
    ['look at https://evil.example/a?b now', 'look at https[:]//evil[.]example/a?b now'], ['half \ud83d of a sign', 'half � of a sign'], ['version 0.1.0 costs 5.25. All is well.', 'version 0.1.0 costs 5.25. All is well.'],
  ] as const) {
    expect(oneLine(unlinked(bad), 600), JSON.stringify(bad)).toBe(good)
    const { subject, text } = alertText([told(bad)], ways)
    expect([subject, text.split('\n')[1]]).toEqual([`Node offline: ${good}`, good])
  }
  const { subject, text } = alertText([told('😀'.repeat(100_000), { subject: '../x\n?y' })], ways)
  expect([Array.from(subject).length, subject.at(-1), Array.from(text.split('\n')[1] ?? '').length, text.split('\n')[2]]).toEqual([120, '…', 600, 'https://market.example/nodes/..%2Fx%0A%3Fy'])
})
test('a code stands in the mail, and nothing of whoever asked for it', () => {
  expect(codeText('12345678', 1_800_000, ways).text).toMatch(/^1234 5678\n\nType this code at https:\/\/market\.example\/alerts within 30 min/)
})
