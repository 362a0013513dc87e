import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { expect, test } from 'vitest'
import { GIB, PriceSheet, Resources, canonical, merklePath, merkleRoot, sealText } from '@lumaris/protocol'
import type { Receipt, SealedTick, Sha256, Terms, Tick, Usage } from '@lumaris/protocol'
import { verifyReceipt } from './verify-receipt.ts'
import type { CheckName } from './verify-receipt.ts'

const hash = (text: string): Sha256 => createHash('sha256').update(text).digest('hex') as Sha256
const ID = '0123456789abcdefghjkmnpqrs'
const keyPair = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { privateKey, raw: publicKey.export({ format: 'der', type: 'spki' }).subarray(12).toString('base64url') }
}
const node = keyPair(), platform = keyPair(), stranger = keyPair()
const signed = (key: KeyObject, text: string): string => sign(null, Buffer.from(text), key).toString('base64url')

const terms = {
  attempt: `att_${ID}`, job: `job_${ID}`, task: `job_${ID}.0`, slot: `job_${ID}.0.0`, fence: 1, node: `nod_${ID}`, driver: 'bwrap', level: 'namespace',
  resources: Resources.parse({ cpuMillis: 2000, memoryBytes: GIB, diskBytes: GIB }), attemptCap: '1000000',
  prices: PriceSheet.parse({ start: '100', cpuHour: '3600000', memoryGibHour: '1800000', diskGibHour: '360000', outGib: '1073741824' }),
} as unknown as Terms
const usage = (seconds: number): Usage => ({ runMs: seconds * 1000, cpuMs: seconds * 900, memoryPeakBytes: seconds * 1000, diskBytes: 0, outBytes: seconds })

type Recipe = { seconds?: number[]; seqs?: number[]; cap?: string; sealers?: { node?: typeof node; platform?: typeof node; forNode?: string } }
/** A receipt as the market makes it; three ticks in a tree with leaves of other attempts, so that paths have every shape. */
function aReceipt({ seconds = [15, 30, 40], seqs = [1, 2, 3], cap = terms.attemptCap, sealers = {} }: Recipe = {}): Receipt {
  const agreed = { ...structuredClone(terms), attemptCap: cap }
  const ticks: SealedTick[] = []
  let prev = hash(canonical(agreed))
  for (const [i, second] of seconds.entries()) {
    const final = i === seconds.length - 1
    const tick: Tick = { attempt: terms.attempt, seq: seqs[i] ?? 0, prev, at: 1000 * second, usage: usage(second), final, ...(final ? { exitCode: 0, resultDigest: hash('result') } : {}) }
    prev = hash(canonical(tick))
    ticks.push({ tick, hash: prev })
  }
  // Seven leaves: ours are the first, one in the middle, and the odd one at the end.
  const leaves = [ticks[0]?.hash, hash('a'), hash('b'), ticks[1]?.hash, hash('c'), hash('d'), ticks.at(-1)?.hash] as Sha256[]
  const root = merkleRoot(hash, leaves) as Sha256
  const text = sealText({ node: sealers.forNode ?? terms.node, session: 3, number: 9, root, count: leaves.length })
  for (const one of ticks) {
    const index = leaves.indexOf(one.hash)
    one.seal = { number: 9, session: 3, root, index, count: leaves.length, path: merklePath(hash, leaves, index) as Sha256[], signature: signed((sealers.node ?? node).privateKey, text), countersignature: signed((sealers.platform ?? platform).privateKey, text) }
  }
  // By hand: 100 to start; 40 s of 2 cores at 1000 a second each, a GiB of memory at 500, a GiB of disk at 100; 40 bytes out at 1 each.
  const amount = Math.min(100 + 40 * (2 * 1000 + 500 + 100) + 40, Number(cap))
  return { version: 1, terms: agreed, nodeKey: node.raw, platformKey: platform.raw, ticks, cause: 'succeeded', bill: { amount: String(amount), sellerGets: String(amount - 5207), fee: '5207' }, endedAt: 99 }
}
const failedChecks = async (receipt: unknown, options?: { platformKey: string }): Promise<CheckName[]> => (await verifyReceipt(receipt, options)).checks.filter((check) => !check.ok).map((check) => check.name)

test('a receipt as the market makes it is right in every point', async () => {
  const verdict = await verifyReceipt(JSON.parse(JSON.stringify(aReceipt())), { platformKey: platform.raw })
  expect(verdict.checks.filter((check) => !check.ok)).toEqual([])
  expect(verdict.ok).toBe(true)
  expect(verdict.computed).toBe(104_140n)
  expect(verdict.checks.map((check) => check.name)).toEqual(['shape', 'names', 'terms', 'hashes', 'chain', 'totals', 'end', 'sealed', 'tree', 'node-signature', 'platform-signature', 'platform-key', 'cause', 'bill', 'split', 'cap'])
})
/** Interrupted after its second tick, which says that a checkpoint of 25 s was stored; billed for those alone, without the start and without output. */
function anInterrupted(more: { runMs?: number; cause?: Receipt['cause'] } = {}): Receipt {
  const receipt = aReceipt(), ticks = receipt.ticks.slice(0, 2), [first, second] = ticks as [SealedTick, SealedTick]
  second.tick = { ...second.tick, checkpoint: { number: 1, kind: 'files', runMs: more.runMs ?? 25_000, manifest: hash('list'), manifestSize: 9, size: 9 } }
  second.hash = hash(canonical(second.tick))
  const leaves = [first.hash, second.hash] as Sha256[], root = merkleRoot(hash, leaves) as Sha256, text = sealText({ node: terms.node, session: 3, number: 9, root, count: 2 })
  for (const [index, one] of ticks.entries()) one.seal = { number: 9, session: 3, root, index, count: 2, path: merklePath(hash, leaves, index) as Sha256[], signature: signed(node.privateKey, text), countersignature: signed(platform.privateKey, text) }
  const amount = 25 * (2 * 1000 + 500 + 100)
  return { ...receipt, ticks, cause: more.cause ?? 'seller_offline', bill: { amount: String(amount), sellerGets: String(amount - 3250), fee: '3250' } }
}
test('of interrupted work what its last checkpoint has kept can be rechecked, to the micro-credit', async () => {
  const verdict = await verifyReceipt(anInterrupted())
  expect(verdict.checks.filter((check) => !check.ok)).toEqual([])
  expect(verdict.computed).toBe(65_000n)
})
test('of interrupted work no more may be billed than was kept, nothing without a checkpoint, nothing that is not sealed, and nothing when another job pays for its place', async () => {
  const dearer = anInterrupted()
  expect(await failedChecks({ ...dearer, bill: { amount: '65001', sellerGets: '61751', fee: '3250' } })).toEqual(['bill'])
  expect(await failedChecks(anInterrupted({ runMs: 31_000 }))).toContain('bill') // more than the tick itself says that it ran
  const { checkpoint: _none, ...bare } = (dearer.ticks[1] as SealedTick).tick
  expect(await failedChecks({ ...dearer, ticks: [dearer.ticks[0], { ...dearer.ticks[1], tick: bare, hash: hash(canonical(bare)) }] })).toEqual(expect.arrayContaining(['end', 'bill']))
  const unsealed = anInterrupted(), { seal: _seal, ...last } = unsealed.ticks[1] as SealedTick
  expect(await failedChecks({ ...unsealed, ticks: [unsealed.ticks[0], last] })).toEqual(['sealed'])
  expect(await failedChecks(anInterrupted({ cause: 'preempted' }))).toContain('bill')
})
test('a single tick alone in its tree is right', async () => expect(await failedChecks(aReceipt({ seconds: [40] }))).toEqual([]))

type Tampering = [what: string, change: (receipt: Receipt) => void, caughtBy: CheckName]
const tick = (receipt: Receipt, i: number): SealedTick => receipt.ticks.at(i) as SealedTick
const seal = (receipt: Receipt, i: number) => tick(receipt, i).seal as NonNullable<SealedTick['seal']>
const rehash = (one: SealedTick): void => { one.hash = hash(canonical(one.tick)) }
const tamperings: Tampering[] = [
  ['a price was raised', (r) => { r.terms.prices.cpuHour = '7200000' }, 'terms'],
  ['more memory was reserved', (r) => { r.terms.resources.memoryBytes *= 2 }, 'terms'],
  ['the cap was raised', (r) => { r.terms.attemptCap = '9000000' }, 'terms'],
  ['a field was added to the terms', (r) => { (r.terms as Record<string, unknown>)['surcharge'] = '5' }, 'terms'],
  ['the time of the last tick was changed', (r) => { tick(r, -1).tick.usage.runMs += 1 }, 'hashes'],
  ['the exit code was changed', (r) => { tick(r, -1).tick.exitCode = 1 }, 'hashes'],
  ['the result was exchanged', (r) => { tick(r, -1).tick.resultDigest = hash('another') }, 'hashes'],
  ['a changed tick was given its new hash', (r) => { tick(r, -1).tick.usage.runMs = 1; rehash(tick(r, -1)) }, 'tree'],
  ['an earlier tick was changed and hashed again', (r) => { tick(r, 0).tick.usage.cpuMs = 1; rehash(tick(r, 0)) }, 'chain'],
  ['a tick was left out', (r) => { r.ticks.splice(1, 1) }, 'chain'],
  ['a tick was doubled', (r) => { r.ticks.splice(1, 0, structuredClone(tick(r, 1))) }, 'chain'],
  ['two ticks changed places', (r) => { r.ticks.splice(0, 2, tick(r, 1), tick(r, 0)) }, 'chain'],
  ['the final tick was cut off', (r) => { r.ticks.pop() }, 'end'],
  ['the seal of the last tick was taken away', (r) => { delete tick(r, -1).seal }, 'sealed'],
  ['a step of the path was changed', (r) => { seal(r, 0).path[0] = hash('x') }, 'tree'],
  ['a step of the path was left out', (r) => { seal(r, 0).path.pop() }, 'tree'],
  ['a step was added to the path', (r) => { seal(r, -1).path.push(hash('x')) }, 'tree'],
  ['the place in the tree was changed', (r) => { seal(r, 0).index = 1 }, 'tree'],
  ['the root was exchanged', (r) => { for (const one of r.ticks) if (one.seal) one.seal.root = hash('x') }, 'tree'],
  ['the number of the seal was changed', (r) => { seal(r, -1).number = 10 }, 'node-signature'],
  ['the session was changed', (r) => { seal(r, -1).session = 4 }, 'node-signature'],
  ['a bit of the node’s signature was turned', (r) => { seal(r, 0).signature = `${seal(r, 0).signature.startsWith('A') ? 'B' : 'A'}${seal(r, 0).signature.slice(1)}` }, 'node-signature'],
  ['the key of the node was exchanged', (r) => { r.nodeKey = stranger.raw }, 'node-signature'],
  ['the node’s signature was put in place of the market’s', (r) => { seal(r, 0).countersignature = seal(r, 0).signature }, 'platform-signature'],
  ['the key of the market was exchanged', (r) => { r.platformKey = stranger.raw }, 'platform-signature'],
  ['another node was named', (r) => { r.terms.node = r.terms.node.replace('0123', '3210') as Terms['node'] }, 'node-signature'],
  ['another attempt was named', (r) => { r.terms.attempt = r.terms.attempt.replace('0123', '3210') as Terms['attempt'] }, 'names'],
  ['the task of another job was named', (r) => { r.terms.job = r.terms.job.replace('0123', '3210') as Terms['job'] }, 'names'],
  ['the bill was raised', (r) => { r.bill = { amount: '104141', sellerGets: '98934', fee: '5207' } }, 'bill'],
  ['the parts are not the whole', (r) => { if (r.bill) r.bill.sellerGets = '104140' }, 'split'],
  ['a failure of the program was called a success', (r) => { r.cause = 'buyer_exit' }, 'cause'],
  ['the buyer pays for what the seller bears', (r) => { r.cause = 'seller_offline' }, 'bill'],
  ['it is of another version', (r) => { (r as { version: number }).version = 2 }, 'shape'],
]
test.each(tamperings)('it is caught that %s', async (_what, change, caughtBy) => {
  const receipt = aReceipt()
  change(receipt)
  expect(await failedChecks(receipt)).toContain(caughtBy)
})

test('a receipt made anew by a stranger is caught by the key of the market', async () => {
  const forged = { ...aReceipt({ sealers: { platform: stranger } }), platformKey: stranger.raw }
  expect(await failedChecks(forged)).toEqual([])
  expect(await failedChecks(forged, { platformKey: platform.raw })).toEqual(['platform-signature', 'platform-key'])
})
test('a seal made for another node does not count', async () => expect(await failedChecks(aReceipt({ sealers: { forNode: terms.node.replace('0123', '3210') } }))).toEqual(['node-signature', 'platform-signature']))
test('totals that shrink are caught, even under good signatures', async () => expect(await failedChecks(aReceipt({ seconds: [30, 15, 40] }))).toEqual(['totals']))
test('ticks that are not numbered one by one are caught, even under good signatures', async () => expect(await failedChecks(aReceipt({ seqs: [1, 3, 4] }))).toEqual(['chain']))
test('a bill that reached its cap is exactly the cap', async () => {
  const verdict = await verifyReceipt(aReceipt({ cap: '50000' }))
  expect([verdict.ok, verdict.computed]).toEqual([true, 50_000n])
})
test('a bill below the meter is right, and said', async () => {
  const receipt = { ...aReceipt(), bill: { amount: '1000', sellerGets: '950', fee: '50' } }
  expect((await verifyReceipt(receipt)).checks.find((check) => check.name === 'bill')).toMatchObject({ ok: true, says: expect.stringContaining('less than the 0.10414') })
})
test('nothing above the cap is ever right', async () => {
  const receipt = { ...aReceipt(), bill: { amount: '2000000', sellerGets: '2000000', fee: '0' } }
  expect(await failedChecks(receipt)).toEqual(['bill', 'cap'])
})
test('an attempt whose node went silent has no end and no bill, and that is right', async () => {
  const receipt = aReceipt()
  receipt.ticks.pop()
  for (const one of receipt.ticks) delete one.seal
  expect(await failedChecks({ ...receipt, cause: 'seller_offline', bill: { amount: '0', sellerGets: '0', fee: '0' } })).toEqual([])
})
test('something else altogether is no receipt', async () => {
  for (const other of [null, 7, 'receipt', [], {}]) expect(await failedChecks(other)).toEqual(['shape'])
})
