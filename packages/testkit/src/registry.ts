// A registry of OCI images on a loopback port: the read half of the distribution protocol (manifests and blobs, basic authentication), with images made
// here from files of this machine, so that engines fetch for real and nothing leaves it. It can be told to lose a blob, to change one, or to hold one
// back until the test has seen enough.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** What lies in a layer. Paths without a leading slash; directories on the way are made. */
export type LayerFile = { readonly path: string; readonly mode?: number } & ({ readonly bytes: Buffer | string } | { readonly target: string } | { readonly directory: true } | { readonly device: readonly ['c' | 'b', number, number] })
export type ImageConfig = { readonly Env?: readonly string[]; readonly User?: string; readonly Entrypoint?: readonly string[]; readonly Cmd?: readonly string[]; readonly Volumes?: Readonly<Record<string, object>>; readonly WorkingDir?: string; readonly Labels?: Readonly<Record<string, string>>; readonly Healthcheck?: object }
export type ImageParts = { readonly layers: readonly (readonly LayerFile[])[]; readonly config?: ImageConfig; readonly architecture?: string; readonly os?: string }
export interface TestRegistry {
  /** `127.0.0.1:port`, as it stands before the name of an image. */
  readonly host: string
  readonly requests: readonly string[]
  /** Gives back the name with its digest. */
  add(name: string, parts: ImageParts): string
  /** The digests of what an image is made of: configuration, then layers. */
  blobsOf(ref: string): readonly string[]
  lose(digest: string): void
  corrupt(digest: string): void
  /** Answers requests for it slowly and never wholly, until what it gives back is called. */
  hold(digest: string): () => void
  close(): Promise<void>
}

const OWN = process.arch === 'x64' ? 'amd64' : process.arch
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
/** A line of 1 MiB a second: engines tell their progress about once a second. */
const DRIP_BYTES = 104_858, DRIP_MS = 100
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

export async function startRegistry({ user }: { readonly user?: { readonly name: string; readonly password: string } } = {}): Promise<TestRegistry> {
  const blobs = new Map<string, Buffer>(), manifests = new Map<string, Buffer>()
  const held = new Map<string, Promise<void>>()
  const requests: string[] = []
  const wanted = user && `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`
  const server = createServer((request, reply) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    requests.push(`${request.method} ${path}`)
    const end = (status: number, code: string, headers: Record<string, string> = {}): void => { reply.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replace('_', ' ') }] })) }
    if (wanted !== undefined && request.headers.authorization !== wanted) return end(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' })
    if (path === '/v2/' || path === '/v2') return void reply.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    const [, kind, digest = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? []
    const bytes = (kind === 'manifests' ? manifests : blobs).get(digest)
    if (!bytes) return end(404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN')
    reply.writeHead(200, { 'content-type': kind === 'manifests' ? MANIFEST : 'application/octet-stream', 'content-length': bytes.length, 'docker-content-digest': digest })
    if (request.method === 'HEAD') return void reply.end()
    const gate = held.get(digest)
    if (!gate) return void reply.end(bytes)
    let sent = 0
    const drip = setInterval(() => { const next = Math.min(bytes.length >> 1, sent + DRIP_BYTES); reply.write(bytes.subarray(sent, next)); sent = next }, DRIP_MS)
    reply.on('close', () => clearInterval(drip))
    void gate.then(() => { clearInterval(drip); reply.end(bytes.subarray(sent)) })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const keep = (bytes: Buffer): { digest: string; size: number } => { const digest = digestOf(bytes); blobs.set(digest, bytes); return { digest, size: bytes.length } }
  const manifestOf = (ref: string) => JSON.parse((manifests.get(ref.slice(ref.indexOf('@') + 1)) as Buffer).toString('utf8')) as { config: { digest: string }; layers: { digest: string }[] }
  return {
    host, requests,
    add(name, { layers, config = {}, architecture = OWN, os = 'linux' }) {
      const tars = layers.map((files) => tarOf(files))
      const described = keep(Buffer.from(JSON.stringify({ architecture, os, config, rootfs: { type: 'layers', diff_ids: tars.map(digestOf) }, history: tars.map(() => ({ created: '2026-01-01T00:00:00Z' })) })))
      const manifest = Buffer.from(JSON.stringify({
        schemaVersion: 2, mediaType: MANIFEST, config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...described },
        layers: tars.map((tar) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...keep(gzipSync(tar, { level: 1 })) })),
      }))
      manifests.set(digestOf(manifest), manifest)
      return `${host}/${name}@${digestOf(manifest)}`
    },
    blobsOf: (ref) => { const { config, layers } = manifestOf(ref); return [config.digest, ...layers.map(({ digest }) => digest)] },
    lose(digest) { blobs.delete(digest); manifests.delete(digest) },
    corrupt(digest) {
      const manifest = manifests.get(digest), blob = blobs.get(digest)
      // Still a manifest, and another one; still an archive's length, and another archive.
      if (manifest) manifests.set(digest, Buffer.concat([manifest, Buffer.from('\n')]))
      if (blob) { const other = Buffer.from(blob); other[other.length - 1] = (other.at(-1) as number) ^ 1; blobs.set(digest, other) }
    },
    hold(digest) { const { promise, resolve } = Promise.withResolvers<void>(); held.set(digest, promise); return () => { held.delete(digest); resolve() } },
    close: () => new Promise<void>((resolve) => { for (const gate of held.keys()) held.delete(gate); server.close(() => resolve()); server.closeAllConnections() }),
  }
}

/** The same bytes for the same files: no times, no owners but root. */
export function tarOf(files: readonly LayerFile[]): Buffer {
  const parts: Buffer[] = [], made = new Set<string>()
  const header = (name: string, type: string, mode: number, size: number, target = '', device: readonly [number, number] = [0, 0]): void => {
    const block = Buffer.alloc(512)
    const octal = (value: number, digits: number, at: number): void => { block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1') }
    if (Buffer.byteLength(name) > 99 || Buffer.byteLength(target) > 99) throw new Error(`a path of at most 99 bytes, not ${name}`)
    block.write(name, 0)
    octal(mode, 7, 100); octal(0, 7, 108); octal(0, 7, 116); octal(size, 11, 124); octal(0, 11, 136)
    block.write('        ', 148)
    block.write(type, 156)
    block.write(target, 157)
    block.write('ustar\x0000', 257, 'latin1')
    octal(device[0], 7, 329); octal(device[1], 7, 337)
    block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    parts.push(block)
  }
  const directory = (path: string, mode = 0o755): void => {
    if (path === '' || made.has(path)) return
    directory(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    made.add(path)
    header(`${path}/`, '5', mode, 0)
  }
  for (const file of files) {
    if ('directory' in file) { directory(file.path, file.mode); continue }
    directory(file.path.slice(0, Math.max(0, file.path.lastIndexOf('/'))))
    if ('target' in file) header(file.path, '2', 0o777, 0, file.target)
    else if ('device' in file) header(file.path, file.device[0] === 'c' ? '3' : '4', file.mode ?? 0o666, 0, '', [file.device[1], file.device[2]])
    else {
      const bytes = Buffer.from(file.bytes)
      header(file.path, '0', file.mode ?? 0o644, bytes.length)
      parts.push(bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512))
    }
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

const APPLETS = ['sh', 'ls', 'cat', 'id', 'sleep', 'echo', 'mount', 'df', 'ps', 'kill', 'dd', 'mkdir', 'grep', 'env', 'test', 'true', 'stat', 'find', 'head', 'yes', 'ln', 'rm', 'mkfifo', 'wc']
/** BusyBox, if this machine has the static one: a shell and small tools in one file. */
export function busyboxFiles(): LayerFile[] | null {
  if (!existsSync('/bin/busybox') || !/statically linked|not a dynamic executable/.test(whatLdd('/bin/busybox'))) return null
  return [{ path: 'bin/busybox', mode: 0o755, bytes: readFileSync('/bin/busybox') }, ...APPLETS.map((name) => ({ path: `bin/${name}`, target: 'busybox' })), { path: 'tmp', directory: true, mode: 0o1777 }, { path: 'etc/passwd', bytes: 'root:x:0:0:root:/root:/bin/sh\n' }, { path: 'etc/shadow', mode: 0o600, bytes: 'root:*:1::::::\n' }]
}
const whatLdd = (file: string): string => { try { return execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }) } catch (error) { return String((error as { stdout?: string; stderr?: string }).stderr ?? '') + String((error as { stdout?: string }).stdout ?? '') } } // ldd fails on a static file, and says so

/** This machine's Python with its libraries, without tests and development files; null where there is none. */
export function pythonFiles(): LayerFile[] | null {
  if (!existsSync('/usr/bin/python3')) return null
  const program = realpathSync('/usr/bin/python3')
  const library = `/usr/lib/${/python3\.\d+$/.exec(program)?.[0] ?? ''}`
  if (!existsSync(join(library, 'os.py'))) return null
  const files: LayerFile[] = [{ path: program.slice(1), mode: 0o755, bytes: readFileSync(program) }, { path: 'usr/bin/python3', target: program }]
  const objects = [program]
  const walk = (dir: string): void => {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, entry.name)
      if (entry.isDirectory()) { if (!/^(test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|distutils|pydoc_data|config-.*)$/.test(entry.name)) walk(path) }
      else if (Buffer.byteLength(path) > 99 || /\.(opt-1|opt-2)\.pyc$/.test(entry.name)) continue
      else if (lstatSync(path).isSymbolicLink()) files.push({ path: path.slice(1), target: readlinkSync(path) })
      else { files.push({ path: path.slice(1), bytes: readFileSync(path) }); if (entry.name.endsWith('.so')) objects.push(path) }
    }
  }
  walk(library)
  const libraries = new Set(objects.flatMap((object) => [...whatLdd(object).matchAll(/(\/[^\s:]+\.so[^\s:]*)/g)].map((match) => match[1] as string)))
  for (const path of libraries) if (!objects.includes(path)) files.push({ path: path.slice(1), mode: 0o755, bytes: readFileSync(path) })
  return files
}
