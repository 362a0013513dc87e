import { expect, test } from 'vitest'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { readSpot, upUntil } from './spot-zones.ts'

function withZones(files: Readonly<Record<string, string>>, then: (traces: string) => void): void {
  const traces = mkdtempSync(join(tmpdir(), 'lumaris-spot-'))
  try {
    mkdirSync(join(traces, 'set'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(traces, 'set', name), name.endsWith('.gz') ? gzipSync(text) : text)
    then(traces)
  } finally { rmSync(traces, { recursive: true, force: true }) }
}
const zone = (data: unknown, gap: unknown = 60): string => JSON.stringify({ metadata: { gap_seconds: gap }, data })

test('a zone with n places becomes n of them, packed or not; the other reading turns each around', () => {
  withZones({ 'b.json.gz': zone([0, 2, 1]), 'a.json': zone([1, 0]) }, (traces) => {
    const set = readSpot(traces, 'set')
    expect(set.gapMs).toBe(60_000)
    expect(set.places.map(({ name, site, up }) => [name, site, [...up]])).toEqual([['a#0', 'a', [1, 0]], ['b#0', 'b', [0, 1, 1]], ['b#1', 'b', [0, 1, 0]]])
    expect(readSpot(traces, 'set', true).places.map(({ up }) => [...up])).toEqual([[0, 1], [1, 0, 0], [1, 0, 1]])
  })
})

test.each([
  ['not JSON', '{', /is not JSON/], ['without steps', zone([]), /has no data/], ['with half a place', zone([1, 0.5]), /step 1 is "0.5", not a count/], ['with steps of no time', zone([1], 0), /gap_seconds/],
])('a zone that is %s stops the run and says where', (_, text, complaint) => {
  withZones({ 'a.json': text }, (traces) => { expect(() => readSpot(traces, 'set')).toThrow(complaint) })
})
test('zones of different steps are not mixed, and a folder without zones is no set', () => {
  withZones({ 'a.json': zone([1]), 'b.json': zone([1], 30) }, (traces) => { expect(() => readSpot(traces, 'set')).toThrow(/steps of 30 s beside others of 60 s/) })
  withZones({}, (traces) => { expect(() => readSpot(traces, 'set')).toThrow(/no zones/); expect(() => readSpot(traces, 'none')).toThrow(/--traces/) })
})

test('until when a place stays up is the next step at which it is down, or the end', () => {
  expect([...upUntil(Uint8Array.from([1, 1, 0, 1, 0, 0, 1, 1]))]).toEqual([2, 2, 2, 4, 4, 5, 8, 8])
})
