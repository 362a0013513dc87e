// The machine that the drivers `qemu` and `firecracker` boot: a kernel, a first root in memory that loads the drivers of its disks, and a root file system which nobody can write, all of
// Debian packages. The same packages give the same bytes: times, ids and the order of files are fixed. What it was made of, and the hashes of what came out,
// stand in `manifest.json` beside it; `like` builds the same again from such a list, and refuses anything else.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { cpioOf } from './cpio.ts'
import type { CpioEntry } from './cpio.ts'
import { ImagesRefused, closureOf, fetchPackages, fileHash, kernelPackage, needTools, run } from './packages.ts'
import type { Package } from './packages.ts'

const KERNEL = 'linux-image-cloud-amd64'
/** In the first root only. */
const BUSYBOX = 'busybox-static'
/** What a program finds in it, besides what these need. */
const USERLAND = ['bash', 'coreutils', 'dash', 'diffutils', 'findutils', 'grep', 'gzip', 'libc-bin', 'mawk', 'python3', 'sed', 'tar', 'util-linux']
const MODULES = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_console']
/** Only where the line is a socket; without those that are in the first list already. */
const SOCKET_MODULES = ['vmw_vsock_virtio_transport']
/** Of no use to a program. */
const LEFT_OUT = /^(?:usr\/share\/(?:doc|man|locale|info|lintian|bash-completion|bug|menu|pixmaps|applications|zsh|polkit-1|initramfs-tools)|var|boot|etc\/(?:init\.d|cron\.[a-z]+|apt|kernel|logrotate\.d|pam\.d)|lib\/systemd|usr\/lib\/systemd|usr\/lib\/python3\.\d+\/(?:test|idlelib|tkinter|turtledemo|lib2to3\/tests|unittest\/test))(?:\/|$)/
/** Of a file system: one and the same in every build. */
const UUID = '6c756d61-7269-4a73-8c6f-726f6f740001'
const FIXED_TIME = '1'
const GUEST = join(import.meta.dirname, 'guest')

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const Built = z.strictObject({ size: z.number().int().positive(), sha256: Sha256 })
const ImageManifest = z.strictObject({
  format: z.literal(1), arch: z.literal('amd64'), kernel: Built, initrd: Built, root: Built,
  /** Of what this project adds: the first program, and the agent inside. */
  guest: Sha256, packages: z.array(z.strictObject({ name: z.string(), version: z.string(), sha256: Sha256 })).max(500),
})
export type ImageManifest = z.infer<typeof ImageManifest>
export const IMAGE_FILES = { kernel: 'vmlinuz', initrd: 'initrd', root: 'root.ext4' } as const
export type BuildOptions = { readonly into: string; /** Where packages are kept; beside the image, if it is not said. */ readonly packages?: string; readonly like?: string; readonly say?: (line: string) => void }

export function readManifest(path: string): ImageManifest {
  let read: unknown
  try { read = JSON.parse(readFileSync(path, 'utf8')) } catch (error) { throw new ImagesRefused(`${path} is not a manifest of images: ${(error as Error).message}`) }
  const parsed = ImageManifest.safeParse(read)
  if (!parsed.success) throw new ImagesRefused(`${path} is not a manifest of images: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}
/** Null when there is none that is whole and made for this version of the agent; then why. */
export async function findImages(folder: string): Promise<{ readonly manifest: ImageManifest; readonly folder: string } | { readonly reason: string }> {
  const path = join(folder, 'manifest.json')
  if (!existsSync(path)) return { reason: 'no image of a machine is there yet' }
  try {
    const manifest = readManifest(path)
    if (manifest.guest !== guestHash()) return { reason: 'its image was made by another version of this program' }
    for (const [part, file] of Object.entries(IMAGE_FILES) as ['kernel' | 'initrd' | 'root', string][]) if ((await fileHash(join(folder, file))) !== manifest[part].sha256) return { reason: `${join(folder, file)} is not what was built` }
    return { manifest, folder }
  } catch (error) { return { reason: (error as Error).message } }
}
export const guestHash = (): string => { const hash = createHash('sha256'); for (const name of ['init', 'agent.py']) hash.update(readFileSync(join(GUEST, name))).update('\0'); return hash.digest('hex') }

/** Into a folder, which is replaced only when everything is made. */
export async function buildImages({ into, like, packages: kept = join(into, 'packages'), say = () => undefined }: BuildOptions): Promise<ImageManifest> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new ImagesRefused(`images are made on Linux on x86-64 for the same; this is ${process.platform} on ${process.arch}`)
  needTools()
  const wanted = like === undefined ? null : readManifest(like)
  if (wanted && wanted.guest !== guestHash()) throw new ImagesRefused(`${like} was written by another version of this program: what it adds to the packages is not the same. Build without --like`)
  mkdirSync(into, { recursive: true, mode: 0o755 })
  const packages = wanted?.packages ?? await resolve()
  say(`${packages.length} packages`)
  const debs = await fetchPackages(packages, kept)
  const staging = mkdtempSync(join(tmpdir(), 'lumaris-images-')), fresh = mkdtempSync(join(into, 'fresh-'))
  try {
    chmodSync(staging, 0o755)
    const part = (name: string): string => join(staging, name)
    const kernel = packages.find(({ name }) => /^linux-image-\d/.test(name)) as Package
    const isRoot = ({ name }: Package): boolean => name !== kernel.name && name !== BUSYBOX
    say('unpacking')
    await unpack(debs.get(kernel.name) as string, part('kernel'))
    await unpack(debs.get(BUSYBOX) as string, part('first'))
    for (const one of packages.filter(isRoot)) await unpack(debs.get(one.name) as string, part('root'))
    const busybox = readFileSync(join(part('first'), ['bin/busybox', 'usr/bin/busybox'].find((path) => existsSync(join(part('first'), path))) as string))
    writeFileSync(join(fresh, IMAGE_FILES.kernel), readFileSync(join(part('kernel'), 'boot', readdirSync(join(part('kernel'), 'boot')).find((name) => name.startsWith('vmlinuz-')) as string)))
    writeFileSync(join(fresh, IMAGE_FILES.initrd), cpioOf(await firstRoot(part('kernel'), busybox)))
    say('compiling Python’s library')
    await compilePython(part('root'))
    say('making the root file system')
    await makeRoot(part('root'), join(fresh, IMAGE_FILES.root), busybox)
    const built = async (file: string): Promise<z.infer<typeof Built>> => ({ size: lstatSync(join(fresh, file)).size, sha256: await fileHash(join(fresh, file)) })
    const manifest: ImageManifest = { format: 1, arch: 'amd64', kernel: await built(IMAGE_FILES.kernel), initrd: await built(IMAGE_FILES.initrd), root: await built(IMAGE_FILES.root), guest: guestHash(), packages: [...packages] }
    if (wanted) for (const name of ['kernel', 'initrd', 'root'] as const) if (wanted[name].sha256 !== manifest[name].sha256) throw new ImagesRefused(`the ${name} came out as ${manifest[name].sha256}, and ${like} says ${wanted[name].sha256}`)
    // The manifest is last: a build that is cut short leaves hashes that do not fit, and is not used.
    for (const file of Object.values(IMAGE_FILES)) { chmodSync(join(fresh, file), 0o644); renameSync(join(fresh, file), join(into, file)) }
    writeFileSync(join(fresh, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    renameSync(join(fresh, 'manifest.json'), join(into, 'manifest.json'))
    return manifest
  } finally { for (const dir of [staging, fresh]) rmSync(dir, { recursive: true, force: true }) }
}

async function resolve(): Promise<Package[]> {
  const kernel = await kernelPackage(KERNEL)
  return [...await closureOf([BUSYBOX, ...USERLAND]), kernel].sort((a, b) => (a.name < b.name ? -1 : 1))
}
const unpack = async (deb: string, into: string): Promise<void> => { await run('dpkg-deb', ['-x', deb, into]) }

/** Modules of an unpacked kernel, each after those it needs. */
export async function modulesOf(kernel: string, names: readonly string[], modules = new Map<string, Buffer>()): Promise<Map<string, Buffer>> {
  const found = new Map<string, string>()
  const base = ['lib', 'usr/lib'].map((path) => join(kernel, path, 'modules')).find((path) => existsSync(path)) as string
  for (const path of readdirSync(base, { recursive: true, encoding: 'utf8' })) { const name = /([^/]+)\.ko(?:\.xz)?$/.exec(path)?.[1]; if (name !== undefined) found.set(name.replaceAll('-', '_'), join(base, path)) }
  const take = async (name: string): Promise<void> => {
    const path = found.get(name)
    if (modules.has(name)) return
    if (path === undefined) { if (names.includes(name)) throw new ImagesRefused(`the kernel has no module ${name}`); return }
    const bytes = path.endsWith('.xz') ? Buffer.from(await run('sh', ['-c', 'xz -dc "$1" | base64 -w0', 'sh', path]), 'base64') : readFileSync(path)
    for (const needed of /\0depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1]?.split(',').filter(Boolean) ?? []) await take(needed.replaceAll('-', '_'))
    modules.set(name, bytes)
  }
  for (const name of names) await take(name)
  return modules
}
/** Busybox, the modules in the order in which they need each other, and our first program. */
async function firstRoot(kernel: string, busybox: Buffer): Promise<CpioEntry[]> {
  const modules = await modulesOf(kernel, MODULES), always = modules.size
  await modulesOf(kernel, SOCKET_MODULES, modules)
  const order = (names: string[]): Buffer => Buffer.from(names.map((name) => `${name}\n`).join(''))
  const applets = ['mount', 'umount', 'insmod', 'switch_root', 'poweroff', 'sh', 'cat', 'grep']
  return [
    ...['bin', 'dev', 'modules', 'root', 'sys'].map((path): CpioEntry => ({ path, kind: 'dir' })),
    { path: 'bin/busybox', kind: 'file', mode: 0o755, bytes: busybox }, ...applets.map((name): CpioEntry => ({ path: `bin/${name}`, kind: 'link', to: 'busybox' })),
    { path: 'init', kind: 'file', mode: 0o755, bytes: readFileSync(join(GUEST, 'init')) },
    { path: 'modules/order', kind: 'file', mode: 0o644, bytes: order([...modules.keys()].slice(0, always)) },
    { path: 'modules/socket', kind: 'file', mode: 0o644, bytes: order([...modules.keys()].slice(always)) },
    ...[...modules].map(([name, bytes]): CpioEntry => ({ path: `modules/${name}`, kind: 'file', mode: 0o644, bytes })),
  ]
}

/** By the very Python of the packages, so that its version fits; on the machine it would be compiled anew by every job, in the slowest place for it. */
async function compilePython(root: string): Promise<void> {
  const lib = (name: string): string => ['lib', 'usr/lib'].map((path) => join(root, path, 'x86_64-linux-gnu', name)).find((path) => existsSync(path)) ?? ''
  const loader = lib('ld-linux-x86-64.so.2')
  const python = readdirSync(join(root, 'usr/bin')).find((name) => /^python3\.\d+$/.test(name)) as string
  const library = join(root, 'usr/lib', python)
  for (const path of ['test', 'idlelib', 'tkinter', 'turtledemo', 'lib2to3/tests', 'unittest/test']) rmSync(join(library, path), { recursive: true, force: true })
  await run(loader, ['--library-path', ['lib', 'usr/lib'].map((path) => join(root, path, 'x86_64-linux-gnu')).join(':'), join(root, 'usr/bin', python), '-I', '-S', '-B', '-m', 'compileall', '-f', '-q', '-j', '1', '--invalidation-mode', 'unchecked-hash', '-s', root, '-p', '/', library],
    { env: { PYTHONHOME: join(root, 'usr'), PYTHONHASHSEED: '0' } })
}

type Node = { readonly kind: 'file'; readonly from: string } | { readonly kind: 'link'; readonly to: string } | { readonly kind: 'dir' }
/** What is in it, by path; /bin, /sbin and /lib are links to the ones below /usr, as on an installed Debian. */
function treeOf(root: string): Map<string, Node> {
  const tree = new Map<string, Node>()
  const walk = (below: string): void => {
    for (const name of readdirSync(join(root, below)).sort()) {
      const path = below === '' ? name : `${below}/${name}`
      if (LEFT_OUT.test(path)) continue
      const at = path.replace(/^(bin|sbin|lib|lib32|lib64|libx32)(?=\/|$)/, 'usr/$1'), stat = lstatSync(join(root, path))
      if (stat.isDirectory()) { tree.set(at, { kind: 'dir' }); walk(path) }
      else if (stat.isSymbolicLink()) tree.set(at, { kind: 'link', to: readlinkSync(join(root, path)) })
      else if (stat.isFile()) tree.set(at, { kind: 'file', from: join(root, path) })
    }
  }
  walk('')
  return tree
}

async function makeRoot(root: string, image: string, busybox: Buffer): Promise<void> {
  const tree = treeOf(root), own = join(root, '.own')
  mkdirSync(own)
  const put = (path: string, bytes: string | Buffer, mode = 0o644): void => { const from = join(own, path.replaceAll('/', '_')); writeFileSync(from, bytes); chmodSync(from, mode); tree.set(path, { kind: 'file', from }) }
  tree.delete('.own')
  put('usr/lib/lumaris/agent.py', readFileSync(join(GUEST, 'agent.py')))
  put('usr/bin/busybox', busybox, 0o755)
  put('etc/passwd', 'root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:job:/work:/bin/sh\n')
  put('etc/group', 'root:x:0:\nnogroup:x:65534:\n')
  put('etc/hosts', '127.0.0.1 localhost job\n')
  put('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files\n')
  put('etc/shadow', 'root:*:1::::::\n', 0o600)
  // What `update-alternatives` would have linked.
  for (const [name, to] of [['usr/bin/awk', 'mawk'], ['usr/bin/sh', 'dash']] as const) if (!tree.has(name)) tree.set(name, { kind: 'link', to })
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) if (tree.has(`usr/${name}`)) tree.set(name, { kind: 'link', to: `usr/${name}` })
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'run', 'work', 'root', 'home', 'mnt']) tree.set(name, { kind: 'dir' })
  for (const path of tree.keys()) for (let up = dirname(path); up !== '.'; up = dirname(up)) if (!tree.has(up)) tree.set(up, { kind: 'dir' })
  const lines: string[] = []
  let bytes = 0
  for (const path of [...tree.keys()].sort()) {
    const node = tree.get(path) as Node
    if (/["\n\r]/.test(path) || (node.kind === 'link' && /["\n\r]/.test(node.to))) throw new Error(`a package has a file with an impossible name: ${JSON.stringify(path)}`)
    if (node.kind === 'dir') lines.push(`mkdir "/${path}"`)
    else if (node.kind === 'link') lines.push(`symlink "/${path}" "${node.to}"`)
    else {
      const { mode, size } = lstatSync(node.from)
      if (path !== 'etc/shadow') chmodSync(node.from, (mode & 0o111) === 0 ? 0o644 : 0o755) // and no program gains rights by its mode
      bytes += Math.ceil(size / 4096) * 4096
      lines.push(`write "${node.from}" "/${path}"`)
    }
  }
  const inodes = tree.size + 64, env = { E2FSPROGS_FAKE_TIME: FIXED_TIME }
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-O', '^has_journal,^dir_index,^resize_inode,^metadata_csum,^64bit', '-U', UUID, '-E', `hash_seed=${UUID},lazy_itable_init=0,root_owner=0:0`, '-m', '0', '-N', String(inodes), image, `${Math.ceil((bytes * 1.03 + inodes * 256) / 1024) + 8192}k`], { env })
  const says = await run('sh', ['-c', 'debugfs -w -f - "$1" 2>&1 >/dev/null', 'sh', image], { env, input: `${lines.join('\n')}\n` })
  const wrong = says.split('\n').filter((line) => line !== '' && !line.startsWith('debugfs 1.') && !line.startsWith('Allocated inode'))
  if (wrong.length > 0) throw new Error(`the root file system could not be filled: ${wrong[0]}`)
}
