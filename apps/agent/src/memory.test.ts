import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { MEMORY_CHUNK_BYTES, canonical, memoryText } from '@lumaris/protocol'
import type { AttemptId, JobDispatch, MemoryManifest, NodeId } from '@lumaris/protocol'
import type { Blobs } from './blobs.ts'
import { newIdentity } from './identity.ts'
import { fetchMemory, seal, storeMemory } from './memory.ts'

const hash = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
const ATTEMPT = `att_${'0'.repeat(26)}` as AttemptId, NODE = `nod_${'0'.repeat(26)}` as NodeId
type Resume = NonNullable<JobDispatch['resume']>

/** A store that gives back exactly what is under a name, true or not: the check of hashes on the way is tested with blobs.ts. */
function aStore() {
  const blobs = new Map<string, Buffer>()
  const store: Blobs = {
    async fetchTo({ sha256, path }) { const bytes = blobs.get(sha256); if (!bytes) throw new Error('no such blob'); await writeFile(path, bytes); return sha256 },
    async store({ sha256, open }) { const parts: Buffer[] = []; for await (const part of await open(0)) parts.push(part as Buffer); blobs.set(sha256, Buffer.concat(parts)) },
  }
  return { blobs, store }
}
async function aMemory(files: Record<string, Buffer> = { 'checkpoint.img': randomBytes(3 * MEMORY_CHUNK_BYTES / 2) }) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-memory-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  for (const name of ['memory', 'work', 'work/deep']) mkdirSync(join(dir, name))
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, 'memory', name), bytes)
  writeFileSync(join(dir, 'work/deep/log.txt'), 'as it was')
  writeFileSync(join(dir, 'work/empty'), '')
  const { blobs, store } = aStore(), node = newIdentity(), until = new AbortController().signal
  const checkpoint = { driver: 'gvisor' as const, maker: 'runsc 1 systrap x64', files: Object.entries(files).map(([path, bytes]) => ({ path, size: bytes.length, sha256: hash(bytes) })) }
  const { saved, lock } = await storeMemory({ attempt: ATTEMPT, node: NODE, checkpoint, memory: join(dir, 'memory'), work: join(dir, 'work') }, node, store, until)
  const resume: Resume = { number: 1, kind: 'memory', runMs: 5, ...saved, memory: { ...lock, node: NODE, publicKey: node.publicKey, attempt: ATTEMPT } }
  let tries = 0
  const fetch = async (order: Resume = resume) => {
    const to = join(dir, `to${tries++}`)
    mkdirSync(join(to, 'work'), { recursive: true })
    return { to, found: await fetchMemory(order, join(to, 'memory'), join(to, 'work'), store, until, 2 ** 30) }
  }
  const list = (): MemoryManifest => JSON.parse(blobs.get(resume.manifest)?.toString() ?? '') as MemoryManifest
  /** As if the market had been given this list instead. */
  const withList = (value: unknown): Resume => { const text = canonical(value); blobs.set(hash(text), Buffer.from(text)); return { ...resume, manifest: hash(text) as Resume['manifest'], manifestSize: text.length, ...(typeof value === 'object' && value && 'size' in value ? { size: value.size as number } : {}) } }
  return { dir, blobs, node, resume, checkpoint, files, fetch, list, withList, lock }
}

test('what one node took another has again, file by file, with the files of the program', async () => {
  const { fetch, files, checkpoint, blobs } = await aMemory()
  const { to, found } = await fetch()
  expect(found).toEqual(checkpoint)
  for (const [name, bytes] of Object.entries(files)) expect(readFileSync(join(to, 'memory', name)).equals(bytes)).toBe(true)
  expect(readFileSync(join(to, 'work/deep/log.txt'), 'utf8')).toBe('as it was')
  expect(readFileSync(join(to, 'work/empty'), 'utf8')).toBe('')
  expect(readdirSync(to).toSorted()).toEqual(['memory', 'work'])
  expect(blobs.size).toBe(3) // two pieces and the list
})
test('the blobs alone say nothing: not a word of it, and the same memory twice has not one piece in common', async () => {
  const same = { 'checkpoint.img': Buffer.alloc(100_000, 'a word of the program ') }
  const one = await aMemory(same), other = await aMemory(same)
  for (const bytes of one.blobs.values()) expect(bytes.includes('a word of the program') || bytes.includes('log.txt') || bytes.includes('as it was')).toBe(false)
  expect([...one.blobs.keys()].filter((name) => other.blobs.has(name))).toEqual([])
})
test('memories of all sizes around a piece come back whole', async () => {
  for (const size of [0, 1, MEMORY_CHUNK_BYTES - 1, MEMORY_CHUNK_BYTES, MEMORY_CHUNK_BYTES + 1]) {
    const { fetch, files } = await aMemory({ 'checkpoint.img': randomBytes(size) })
    const { to } = await fetch()
    expect(hash(readFileSync(join(to, 'memory/checkpoint.img')))).toBe(hash(files['checkpoint.img'] as Buffer))
  }
})

const stranger = newIdentity()
type Made = Awaited<ReturnType<typeof aMemory>>
const attacks: [what: string, order: (made: Made) => Resume, says: string][] = [
  ['is not signed', ({ list, withList }) => { const { signature: _gone, ...bare } = list(); return withList(bare) }, 'not signed'],
  ['is signed by another node than the market names', ({ list, withList }) => { const { signature: _gone, ...bare } = list(); return withList({ ...bare, signature: stranger.sign(memoryText(bare)) }) }, 'does not carry the signature'],
  ['has another piece in its list under the old signature', ({ list, withList }) => { const old = list(); return withList({ ...old, chunks: old.chunks.toReversed(), size: old.size }) }, 'does not carry the signature'],
  ['was signed for another attempt', ({ list, withList, node }) => { const { signature: _gone, ...bare } = list(), other = { ...bare, attempt: `att_${'1'.repeat(26)}` as AttemptId }; return withList({ ...other, signature: node.sign(memoryText(other)) }) }, 'another attempt'],
  ['says that another node has taken it', ({ list, withList, node }) => { const { signature: _gone, ...bare } = list(), other = { ...bare, node: `nod_${'1'.repeat(26)}` as NodeId }; return withList({ ...other, signature: node.sign(memoryText(other)) }) }, 'by another node'],
  ['was taken by another version of the driver', ({ list, withList, node }) => { const { signature: _gone, ...bare } = list(), other = { ...bare, maker: 'runsc 2' }; return withList({ ...other, signature: node.sign(memoryText(other)) }) }, 'by another driver'],
  ['is not the list whose hash the market knows', ({ blobs, resume, list }) => { blobs.set(resume.manifest, Buffer.from(canonical({ ...list(), version: 1, maker: 'x' }))); return resume }, 'not the one that was stored'],
  ['is no list at all', ({ blobs, resume }) => { blobs.set(hash('rubbish'), Buffer.from('rubbish')); return { ...resume, manifest: hash('rubbish') as Resume['manifest'] } }, 'cannot be read'],
  ['has a piece that was changed in the store', ({ blobs, resume, list }) => { const name = list().chunks[0]?.blob ?? '', bytes = Buffer.from(blobs.get(name) ?? ''); bytes[1000] = (bytes[1000] ?? 0) ^ 1; blobs.set(name, bytes); return resume }, 'does not belong there'],
  ['has its pieces exchanged in the store', ({ blobs, resume, list }) => { const [one, two] = list().chunks.map(({ blob }) => blob) as [string, string], first = blobs.get(one) as Buffer; blobs.set(one, blobs.get(two) as Buffer); blobs.set(two, first); return resume }, 'does not belong there'],
  ['comes with another key', ({ resume }) => ({ ...resume, memory: { ...(resume.memory as NonNullable<Resume['memory']>), key: randomBytes(32).toString('base64url') } }), 'does not belong there'],
  ['is named by the market without a node', ({ resume }) => { const { memory: _gone, ...bare } = resume; return bare }, 'names nobody'],
  ['is larger than the job may be', ({ resume }) => ({ ...resume, size: 2 ** 31 }), 'larger than the job may be'],
  ['comes with a public key that is none', ({ resume }) => ({ ...resume, memory: { ...(resume.memory as NonNullable<Resume['memory']>), publicKey: 'none' } }), 'does not carry the signature'],
  ['is larger than it says', ({ resume }) => ({ ...resume, size: resume.size - 1 }), 'does not add up'],
]
for (const [what, order, says] of attacks) {
  test(`a memory that ${what} is not restored, and nothing of it is left`, async () => {
    const made = await aMemory()
    const asked = order(made)
    await expect(made.fetch(asked)).rejects.toThrow(says)
    expect(existsSync(join(made.dir, 'to0/work/deep/log.txt'))).toBe(false)
  })
}
test('a name that leads out of the directories is not written, even when its piece has the right key', async () => {
  for (const path of ['../out', '/tmp/out', 'a/../../out']) {
    const made = await aMemory(), { list, withList, node, lock, blobs, fetch } = made
    const head = Buffer.from(JSON.stringify([{ path, size: 1, sha256: hash('x'), of: 'work' }])), length = Buffer.alloc(4)
    length.writeUInt32BE(head.length)
    const piece = seal(Buffer.concat([length, head, Buffer.from('x')]), Buffer.from(lock.key, 'base64url'), ATTEMPT, 0)
    blobs.set(hash(piece), piece)
    const { signature: _gone, ...bare } = list(), other = { ...bare, size: piece.length, chunks: [{ blob: hash(piece) as MemoryManifest['chunks'][number]['blob'], size: piece.length }] }
    await expect(fetch(withList({ ...other, signature: node.sign(memoryText(other)) }))).rejects.toThrow()
    expect(existsSync(join(made.dir, 'to0/out'))).toBe(false)
    expect(existsSync(join(made.dir, 'out'))).toBe(false)
  }
})
