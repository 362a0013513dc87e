import { expect, test } from 'vitest'
import fc from 'fast-check'
import { createLink } from './link.ts'
import type { Link } from './link.ts'

type Message = { type: string; n: number }
/** One end, with what it wrote and what it was given; the owner confirms at once unless told otherwise. */
function end(options: { confirm?: boolean; unconfirmedMax?: number } = {}) {
  const wire: string[] = [], got: number[] = []
  const link: Link<Message> = createLink<Message, Message>({
    onPending: () => undefined, ...(options.unconfirmedMax ? { unconfirmedMax: options.unconfirmedMax } : {}),
    onMessage: (message, seq) => { got.push(message.n); if (options.confirm !== false) link.confirm(seq) },
  })
  return { link, wire, got, attach: (peerHas: number | null) => link.attach((frame) => wire.push(frame), peerHas) }
}
const message = (n: number): Message => ({ type: 'm', n })

test('L2: messages arrive in order, once, in one frame when they were sent together', () => {
  const a = end(), b = end()
  a.attach(0); b.attach(0)
  for (let n = 1; n <= 3; n++) a.link.send(message(n))
  a.link.flush()
  expect(a.wire).toHaveLength(1)
  expect(b.link.receive(a.wire[0] as string)).toBeNull()
  expect(b.link.receive(a.wire[0] as string)).toBeNull()
  expect(b.got).toEqual([1, 2, 3])
})
test('L3: what was not confirmed goes again on the next socket, under its old numbers', () => {
  const a = end(), b = end({ confirm: false })
  a.attach(0)
  a.link.send(message(1)); a.link.send(message(2))
  a.link.flush()
  a.link.detach()
  a.attach(b.link.received)
  a.link.flush()
  for (const frame of a.wire) b.link.receive(frame)
  expect(b.got).toEqual([1, 2])
  expect(a.link.unconfirmed).toBe(2)
})
test('L4, L5: a confirmation of the last covers all before it, and travels alone if nothing else goes', () => {
  const a = end(), b = end({ confirm: false })
  a.attach(0); b.attach(0)
  for (let n = 1; n <= 5; n++) a.link.send(message(n))
  a.link.flush()
  b.link.receive(a.wire[0] as string)
  b.link.flush()
  expect(b.wire).toEqual([])
  b.link.confirm(4)
  b.link.flush()
  expect(b.wire).toEqual(['{"ack":4}'])
  a.link.receive(b.wire[0] as string)
  expect(a.link.unconfirmed).toBe(1)
})
test('L6: a peer without memory is sent everything unconfirmed, and is heard from its own number one', () => {
  const a = end(), old = end()
  a.attach(0); old.attach(0)
  old.link.send(message(100)); old.link.flush()
  a.link.receive(old.wire[0] as string)
  a.link.send(message(1)); a.link.send(message(2)); a.link.flush()
  a.link.detach()
  const fresh = end()
  fresh.attach(null)
  a.attach(null)
  a.link.flush()
  fresh.link.receive(a.wire.at(-1) as string)
  expect(fresh.got).toEqual([1, 2])
  fresh.link.send(message(200)); fresh.link.flush()
  for (const frame of fresh.wire) expect(a.link.receive(frame)).toBeNull()
  expect(a.got).toEqual([100, 200])
})
test('L7: over the bound send says no, and after a confirmation yes again', () => {
  const a = end({ unconfirmedMax: 2 })
  a.attach(0)
  expect([a.link.send(message(1)), a.link.send(message(2)), a.link.send(message(3))]).toEqual([1, 2, null])
  a.link.flush()
  a.link.receive('{"ack":1}')
  expect(a.link.send(message(3))).toBe(3)
})
test('L8: what is no frame is said to be none, and changes nothing', () => {
  const a = end()
  a.attach(0)
  a.link.send(message(1)); a.link.flush()
  for (const bad of ['', '[]x', 'null', '{"ack":-1}', '{"ack":7}', '{"ack":"1"}', '{"m":1,"seq":1}', '{"m":[],"seq":0}', '{"m":[{}],"seq":1.5}']) expect(a.link.receive(bad), bad).toBe('malformed')
  expect(a.link.receive('{"seq":1,"m":[{"type":"m","n":1}]}')).toBeNull()
  expect(a.link.receive('{"seq":3,"m":[{"type":"m","n":3}]}')).toBe('gap')
  expect(a.got).toEqual([1])
  expect(a.link.unconfirmed).toBe(1)
})
test('L9: unknown keys of a frame are ignored', () => {
  const a = end()
  a.attach(0)
  expect(a.link.receive('{"seq":1,"m":[{"type":"m","n":9}],"later":true}')).toBeNull()
  expect(a.got).toEqual([9])
})
test('frames stay below their size', () => {
  const a = end()
  a.attach(0)
  for (let n = 0; n < 40; n++) a.link.send({ type: 'x'.repeat(50_000), n })
  a.link.flush()
  expect(a.wire.length).toBeGreaterThan(5)
  for (const frame of a.wire) expect(frame.length).toBeLessThan(400_000)
})
test('L2, L3: over sockets that break anywhere, with frames lost at their ends, everything arrives in order, once', () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.constant('send' as const), fc.constant('break' as const), fc.constant('deliver' as const), fc.constant('flush' as const)), { maxLength: 120 }), fc.infiniteStream(fc.nat(3)), (steps, chance) => {
    const a = end(), b = end()
    let sent = 0
    let toB: string[] = [], toA: string[] = []
    const connect = () => { toB = []; toA = []; const had = [a.link.received ?? 0, b.link.received ?? 0] as const; a.link.attach((frame) => toB.push(frame), had[1]); b.link.attach((frame) => toA.push(frame), had[0]) }
    const deliver = (count: number) => {
      for (const frame of toB.splice(0, count)) expect(b.link.receive(frame)).toBeNull()
      for (const frame of toA.splice(0, count)) expect(a.link.receive(frame)).toBeNull()
    }
    connect()
    for (const step of steps) {
      if (step === 'send') { sent++; a.link.send(message(sent)); b.link.send(message(-sent)) }
      if (step === 'flush') { a.link.flush(); b.link.flush() }
      if (step === 'deliver') deliver(chance.next().value ?? 1)
      if (step === 'break') { a.link.detach(); b.link.detach(); connect() }
    }
    for (let i = 0; i < 6; i++) { a.link.flush(); b.link.flush(); deliver(1_000) }
    expect(b.got).toEqual(Array.from({ length: sent }, (_, i) => i + 1))
    expect(a.got).toEqual(Array.from({ length: sent }, (_, i) => -(i + 1)))
    expect(a.link.unconfirmed + b.link.unconfirmed).toBe(0)
  }), { numRuns: 300 })
})
