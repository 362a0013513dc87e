// A program's memory on its way to another node: one stream of its files (what the driver took, and the work directory), cut into pieces, each encrypted under
// a key that was drawn for this one snapshot. The pieces lie with the market as blobs, named by the hash of what is stored; the key goes through the market to
// the one node that is to go on, so the blobs alone say nothing. The list of the pieces is signed by the node that took it.
//
//   stream = length of the head (4 bytes) · head: path, size and hash of each file · the files one after the other
//   piece i = AES-256-GCM(key, nonce = i, also authenticated: attempt and i) · tag
//
// What is restored runs with whatever rights it says it has inside. So nothing of it is looked at before the signature was found to be that of the node which
// the market names, over the very attempt that is to go on; then each piece before it is decrypted; and the driver compares every file once more.
import { createCipheriv, createDecipheriv, createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MEMORY_CHUNK_BYTES, MEMORY_TAG_BYTES, MemoryManifest, RelativePath, canonical, memoryText } from '@lumaris/protocol'
import type { AttemptId, JobDispatch, MemoryLock, NodeId, Saved, Sha256 } from '@lumaris/protocol'
import { storeBytes } from './blobs.ts'
import type { Blobs } from './blobs.ts'
import { collectOutputs } from './drivers/collect-outputs.ts'
import type { Checkpoint } from './drivers/driver.ts'
import type { Identity } from './identity.ts'
import { sha256 } from './seal.ts'

export class MemoryRefused extends Error { override readonly name = 'MemoryRefused' }
type Part = { readonly path: string; readonly size: number; readonly sha256: string; readonly of: 'memory' | 'work' }
type Resume = NonNullable<JobDispatch['resume']>
export type Taken = { readonly attempt: AttemptId; readonly node: NodeId; readonly checkpoint: Checkpoint; /** Where its files are. */ readonly memory: string; readonly work: string }
const HEAD_BYTES_MAX = 16 * 1024 * 1024

const nonceOf = (index: number): Buffer => { const nonce = Buffer.alloc(12); nonce.writeUInt32BE(index, 8); return nonce }
const boundTo = (attempt: AttemptId, index: number): Buffer => Buffer.from(`lumaris-memory-piece:${attempt}:${index}`)
export function seal(plain: Buffer, key: Buffer, attempt: AttemptId, index: number): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index)).setAAD(boundTo(attempt, index))
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}
function unseal(piece: Buffer, key: Buffer, attempt: AttemptId, index: number): Buffer {
  const cipher = createDecipheriv('aes-256-gcm', key, nonceOf(index), { authTagLength: MEMORY_TAG_BYTES }).setAAD(boundTo(attempt, index)).setAuthTag(piece.subarray(-MEMORY_TAG_BYTES))
  return Buffer.concat([cipher.update(piece.subarray(0, -MEMORY_TAG_BYTES)), cipher.final()])
}

/** Encrypts and stores it, piece by piece: one of them is in memory at a time. */
export async function storeMemory({ attempt, node, checkpoint, memory, work }: Taken, identity: Identity, blobs: Blobs, until: AbortSignal): Promise<{ saved: Pick<Saved, 'manifest' | 'manifestSize' | 'size'>; lock: MemoryLock }> {
  const key = randomBytes(32), parts: Part[] = checkpoint.files.map((file) => ({ ...file, of: 'memory' as const }))
  for await (const { path, size, sha256: hash } of collectOutputs(work)) parts.push({ path, size, sha256: hash, of: 'work' })
  const head = Buffer.from(JSON.stringify(parts)), length = Buffer.alloc(4)
  if (head.length > HEAD_BYTES_MAX) throw new MemoryRefused('the names of its files are too long')
  length.writeUInt32BE(head.length)
  const chunks: MemoryManifest['chunks'] = []
  let waiting: Buffer[] = [length, head], bytes = length.length + head.length
  const flush = async (least: number): Promise<void> => {
    while (bytes >= least && bytes > 0) {
      const all = Buffer.concat(waiting), piece = seal(all.subarray(0, MEMORY_CHUNK_BYTES), key, attempt, chunks.length), blob = createHash('sha256').update(piece).digest('hex') as Sha256
      await storeBytes(blobs, blob, piece, until)
      chunks.push({ blob, size: piece.length })
      waiting = [all.subarray(MEMORY_CHUNK_BYTES)]
      bytes = Math.max(0, all.length - MEMORY_CHUNK_BYTES)
    }
  }
  for (const part of parts) {
    let sent = 0
    for await (const chunk of createReadStream(join(part.of === 'memory' ? memory : work, part.path), { highWaterMark: 1024 * 1024 })) {
      waiting.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      sent += (chunk as Buffer).length
      await flush(MEMORY_CHUNK_BYTES)
    }
    if (sent !== part.size) throw new MemoryRefused(`${part.path} has changed while it was read`)
  }
  await flush(0)
  const bare = { version: 1 as const, attempt, node, driver: checkpoint.driver, maker: checkpoint.maker, size: chunks.reduce((sum, { size }) => sum + size, 0), chunks }
  const text = canonical({ ...bare, signature: identity.sign(memoryText(bare)) }), said = Buffer.from(text), manifest = sha256(text) as Sha256
  await storeBytes(blobs, manifest, said, until)
  return { saved: { manifest, manifestSize: said.length, size: bare.size }, lock: { driver: checkpoint.driver, maker: checkpoint.maker, key: key.toString('base64url') } }
}

/** The list, if it is what the market says it is. */
export function checkMemory(text: string, { manifest: hash, size, memory }: Resume): MemoryManifest {
  const no = (says: string): never => { throw new MemoryRefused(`the memory to go on from is not restored: ${says}`) }
  if (!memory) return no('the market names nobody who has taken it')
  if (sha256(text) !== hash) return no('its list is not the one that was stored')
  let said: unknown
  try { said = JSON.parse(text) } catch { return no('its list cannot be read') }
  const parsed = MemoryManifest.safeParse(said)
  if (!parsed.success) return no('its list is not one of a memory, or is not signed')
  const list = parsed.data
  if (list.attempt !== memory.attempt || list.node !== memory.node || list.driver !== memory.driver || list.maker !== memory.maker) return no('it was taken of another attempt, by another node, or by another driver')
  if (list.size !== size || list.chunks.reduce((sum, chunk) => sum + chunk.size, 0) !== size) return no('its list does not add up')
  if (!isSignedBy(memory.publicKey, memoryText(list), list.signature)) return no('it does not carry the signature of the node that is said to have taken it')
  return list
}
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try { return verify(null, Buffer.from(text), createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' }), Buffer.from(signature, 'base64url')) } catch { return false /* what is no key has signed nothing */ }
}

/** Brings it here: the memory into `memory`, the files into `work`, both empty. */
export async function fetchMemory(resume: Resume, memory: string, work: string, blobs: Blobs, until: AbortSignal, bytesMax: number): Promise<Checkpoint> {
  const lock = resume.memory, piece = `${memory}.piece`
  if (!lock) throw new MemoryRefused('the memory to go on from is not restored: the market names nobody who has taken it')
  if (resume.size > bytesMax) throw new MemoryRefused('the memory to go on from is not restored: it is larger than the job may be')
  await mkdir(memory, { mode: 0o700 })
  try {
    await blobs.fetchTo({ sha256: resume.manifest, size: resume.manifestSize, path: piece }, until)
    const list = checkMemory(await readFile(piece, 'utf8'), resume), key = Buffer.from(lock.key, 'base64url')
    const plain = createPlain(memory, work)
    try {
      for (const [index, { blob, size }] of list.chunks.entries()) {
        await blobs.fetchTo({ sha256: blob, size, path: piece }, until)
        const bytes = await readFile(piece)
        let open_: Buffer
        try { open_ = unseal(bytes, key, lock.attempt, index) } catch { throw new MemoryRefused('the memory to go on from is not restored: a piece of it does not belong there, or the key is another one') }
        await plain.write(open_)
      }
      return { driver: list.driver, maker: list.maker, files: await plain.end() }
    } finally { await plain.close() }
  } finally { await rm(piece, { force: true }) }
}

/** Takes the stream apart again. Its head was written by an agent that was checked; its names are looked at all the same. */
function createPlain(memory: string, work: string) {
  let rest: Buffer = Buffer.alloc(0), parts: Part[] | null = null, at = 0, left = 0, file: FileHandle | null = null, hash = createHash('sha256')
  const done: Checkpoint['files'][number][] = []
  async function next(): Promise<void> {
    const part = (parts as Part[])[at]
    if (!part) return
    const path = join(part.of === 'memory' ? memory : work, RelativePath.parse(part.path))
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    file = await open(path, 'wx', 0o755)
    left = part.size
    hash = createHash('sha256')
    if (left === 0) await over()
  }
  async function over(): Promise<void> {
    const part = (parts as Part[])[at++] as Part
    await file?.close()
    file = null
    if (hash.digest('hex') !== part.sha256) throw new MemoryRefused(`the memory to go on from is not restored: ${part.path} is not what it was`)
    if (part.of === 'memory') done.push({ path: part.path, size: part.size, sha256: part.sha256 })
    await next()
  }
  return {
    async write(bytes: Buffer): Promise<void> {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
      if (parts === null) {
        const length = rest.length < 4 ? Infinity : rest.readUInt32BE()
        if (length > HEAD_BYTES_MAX && length !== Infinity) throw new MemoryRefused('the memory to go on from is not restored: its head is too long')
        if (rest.length < 4 + length) return
        parts = JSON.parse(rest.toString('utf8', 4, 4 + length)) as Part[]
        rest = rest.subarray(4 + length)
        await next()
      }
      while (rest.length > 0) {
        if (file === null) throw new MemoryRefused('the memory to go on from is not restored: there is more of it than it says')
        const part = rest.subarray(0, left)
        await file.write(part)
        hash.update(part)
        left -= part.length
        rest = rest.subarray(part.length)
        if (left === 0) await over()
      }
    },
    async end(): Promise<Checkpoint['files']> {
      if (parts === null || at < parts.length) throw new MemoryRefused('the memory to go on from is not restored: there is less of it than it says')
      return done
    },
    async close(): Promise<void> { await file?.close() },
  }
}
