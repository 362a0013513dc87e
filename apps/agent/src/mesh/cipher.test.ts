import { expect, test } from 'vitest'
import type { AttemptId, MeshPeer } from '@lumaris/protocol'
import { createChannel, createWindow, makeMeshKeys, OVERHEAD, PACKET, pairKeys, PING } from './cipher.ts'

const id = (letter: string): AttemptId => `att_${letter.repeat(26)}` as AttemptId
const rank = (number: number, letter: string) => { const keys = makeMeshKeys(); return { ours: { rank: number, attemptId: id(letter), keys }, peer: { rank: number, attempt_id: id(letter), public_key: keys.publicKey, addresses: [] } satisfies MeshPeer } }
const pair = () => { const a = rank(0, 'a'), b = rank(1, 'b'); return { a, b, ab: createChannel(pairKeys(a.ours, b.peer)), ba: createChannel(pairKeys(b.ours, a.peer)) } }
const seal = (channel: ReturnType<typeof createChannel>, text: string, kind = PACKET): Buffer => Buffer.concat(channel.seal(kind, Buffer.from(text)))

test('what one seals the other opens, both ways, in any order, and no byte of it can be read', () => {
  const { ab, ba } = pair()
  const sealed = ['first', 'second', 'third'].map((text) => seal(ab, text))
  expect(sealed.map((one) => one.length)).toEqual([5, 6, 5].map((length) => length + OVERHEAD))
  expect(sealed.toReversed().map((one) => String(ba.open(one)?.packet))).toEqual(['third', 'second', 'first'])
  expect(Buffer.concat(sealed).includes('second')).toBe(false)
  expect(ab.open(seal(ba, '', PING))).toMatchObject({ kind: PING })
  expect(seal(ab, 'same').equals(seal(ab, 'same'))).toBe(false)
})
test('changed in any byte, cut short, or with another counter: no', () => {
  const { ab, ba } = pair()
  const sealed = seal(ab, 'a packet')
  for (let at = 0; at < sealed.length; at++) { const other = Buffer.from(sealed); other[at] = (other[at] as number) ^ 1; expect(ba.open(other), `byte ${at}`).toBeNull() }
  for (let length = 0; length < sealed.length; length++) expect(ba.open(sealed.subarray(0, length))).toBeNull()
  expect(String(ba.open(sealed)?.packet)).toBe('a packet') // none of that has used up its counter
})
test('a second time, sent back to its sender, or meant for another pair: no', () => {
  const { a, b, ab, ba } = pair()
  const c = rank(2, 'c'), sealed = seal(ab, 'once')
  expect(ab.open(sealed)).toBeNull()
  expect(createChannel(pairKeys(c.ours, a.peer)).open(sealed)).toBeNull()
  expect(createChannel(pairKeys(c.ours, b.peer)).open(sealed)).toBeNull()
  expect(ba.open(sealed)).not.toBeNull()
  expect(ba.open(sealed)).toBeNull()
})
test('the keys are of these two attempts: with another attempt, rank or key on either side there are others', () => {
  const { a, b } = pair()
  const made = pairKeys(a.ours, b.peer).send.toString('hex')
  expect(pairKeys(b.ours, a.peer).receive.toString('hex')).toBe(made)
  const others = [pairKeys({ ...a.ours, attemptId: id('x') }, b.peer), pairKeys(a.ours, { ...b.peer, attempt_id: id('x') }), pairKeys(a.ours, { ...b.peer, rank: 2 }), pairKeys(a.ours, { ...b.peer, public_key: makeMeshKeys().publicKey }), pairKeys(b.ours, a.peer)]
  for (const other of others) expect(other.send.toString('hex')).not.toBe(made)
  const { send, receive, proveSelf, provePeer } = pairKeys(a.ours, b.peer)
  expect(new Set([send, receive, proveSelf, provePeer].map((key) => key.toString('hex'))).size).toBe(4)
})
test('a public key that would make every secret the same is refused', () => {
  const { a, b } = pair()
  expect(() => pairKeys(a.ours, { ...b.peer, public_key: Buffer.alloc(32).toString('base64') })).toThrow()
  expect(() => pairKeys(a.ours, { ...b.peer, public_key: 'AA==' })).toThrow()
})
test('the window knows what has been, and takes what is older than it for having been', () => {
  const window = createWindow(64)
  for (const number of [1, 3, 40]) window.add(number)
  expect([1, 2, 3, 39, 40, 41].map((number) => window.has(number))).toEqual([true, false, true, false, true, false])
  window.add(104)
  expect([40, 41, 103, 104, 105].map((number) => window.has(number))).toEqual([true, false, false, true, false])
  window.add(1_000_000)
  expect([104, 999_936, 999_937, 999_999].map((number) => window.has(number))).toEqual([true, true, false, false])
})
