// A vault: a directory for all that one attempt brings to this machine's disk (inputs, work directory, results on their way out), encrypted with a key of
// its own. The file system of the machine sees one file, a vault's image. Where the kernel has a device mapper all of it is encrypted (dm-crypt) and an ext4 lies
// on what that shows; else it is an ext4 with the kernel's file encryption (fscrypt) on the one directory that is used. The work directory with its own size is
// an image again, inside of that directory: so of the job's files not even names, sizes and number are to be read off the disk. Both with AES-256-XTS.
//
// The key is drawn here, goes to the kernel through a pipe, and is overwritten: nobody needs it again. It is never an argument, a variable or a file, and the
// memory of this machine must not be written to swap either. The end of the vault takes the key from the kernel; what is left on the disk is noise.
// A guard beside the agent does the same when the agent is killed.
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createReadStream, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { chmod, mkdir, open, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ENTRIES_MAX } from './collect-outputs.ts'
import { inPath } from './stage.ts'
import { createWorkDisk, mountsIn, overhead } from './work-disk.ts'

const MIB = 1024 * 1024, KEY_BYTES = 64
const TOOLS = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/usr/bin:/bin' }
/** Files that were open a moment ago keep a vault busy so long at most; then it is taken down over their heads. */
const BUSY_MS = 2_000

export type Vault = {
  /** Whatever lies below it is encrypted. Closed to everybody who does not know a name in it. */
  readonly dir: string
  /** The key is gone from the kernel, and the image from the disk. */
  close(): Promise<void>
}
export type Vaults = { readonly by: 'dm-crypt' | 'fscrypt'; open(id: string, bytes: number): Promise<Vault> }
/** Why there are none, and the one command that would change it. */
export type NoVaults = { readonly reason: string; readonly hint: string }
export type VaultsOptions = { readonly dir: string; /** Of the kernel's files, so that a test can say that there is swap. */ readonly proc?: string; /** Other tools than the machine's. */ readonly xfsIo?: string; readonly cryptsetup?: string }

type Said = { readonly ok: boolean; readonly says: string }
function run(program: string, args: readonly string[], stdin?: Buffer): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env: TOOLS }, (error, out, err) => resolve({ ok: error === null, says: `${out}${err}`.trim() }))
    child.stdin?.on('error', () => undefined) // it has ended without reading
    child.stdin?.end(stdin)
  })
}
const lastLine = (says: string): string => says.split('\n').pop() ?? ''

/** Vaults, shown to keep what they promise on this very machine; or why not. */
export async function createVaults({ dir, proc = '/proc', xfsIo = 'xfs_io', cryptsetup = 'cryptsetup' }: VaultsOptions): Promise<Vaults | NoVaults> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return { reason: 'encrypted scratch needs an agent that runs as root on Linux', hint: 'run the agent as root' }
  const swap = swapOf(proc)
  if (swap !== null) return { reason: `memory of this machine may be written to its swap (${swap}), and keys and data with it`, hint: 'swapoff -a' }
  const lacking = [['mke2fs', 'e2fsprogs'], ['umount', 'mount']].find(([program]) => !inPath(program as string))
  if (lacking) return { reason: `${lacking[0]} is not installed`, hint: `apt-get install -y ${lacking[1]}` }
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  const guard = createGuard(dir)
  let made = 0
  const tried = async (way: Way): Promise<Vaults | NoVaults> => {
    const absent = way.tools.find(([program]) => !inPath(program))
    if (absent) return { reason: `${absent[0]} is not installed`, hint: `apt-get install -y ${absent[1]}` }
    const make = async (id: string, bytes: number): Promise<Opened> => {
      const now = swapOf(proc)
      if (now !== null) throw new Error(`no encrypted scratch while there is swap (${now}): swapoff -a`)
      guard()
      return openVault(join(dir, `${id.replaceAll(/[^a-zA-Z0-9_]/g, '').slice(0, 64)}-${process.pid}-${made++}`), bytes, way)
    }
    const failed = await disprove(make, dir).catch((error: Error) => error.message)
    return failed === null ? { by: way.by, open: make } : { reason: failed, hint: way.hint }
  }
  const whole = await tried(dmCrypt(cryptsetup))
  if ('open' in whole) return whole
  const files = await tried(fscrypt(xfsIo))
  return 'open' in files ? files : { reason: `${files.reason} (fscrypt); ${whole.reason} (dm-crypt)`, hint: files.hint.startsWith('apt-get') ? files.hint : whole.hint.startsWith('apt-get') ? `${whole.hint}, if this kernel has dm-crypt; else ${files.hint}` : files.hint }
}

/** Swap in memory (zram) is memory. */
function swapOf(proc: string): string | null {
  const lines = existsSync(join(proc, 'swaps')) ? readFileSync(join(proc, 'swaps'), 'utf8').split('\n').slice(1) : []
  return lines.map((line) => line.split(/\s/)[0] ?? '').find((name) => name !== '' && !/^\/dev\/zram\d+$/.test(name)) ?? null
}

/** One of the two ways to an image whose contents are encrypted and mounted. */
type Way = {
  readonly by: Vaults['by']; readonly tools: readonly (readonly [program: string, from: string])[]; /** Against what its canary finds. */ readonly hint: string
  /** Throws when it cannot be; `lock` is what was done of it by then, for whoever takes it down. */
  begin(lock: Lock, bytes: number): Promise<void>
  /** Before it is unmounted: true when a file is still open, and so the key still there. */
  forget(lock: Lock): Promise<boolean>
  /** After it was unmounted, if only for whoever comes next. The key is gone from the kernel: true, whoever still holds a file. */
  end(lock: Lock): Promise<boolean>
}
type Lock = { readonly image: string; readonly mount: string; /** The kernel's name for it, when it has it. */ key: string | null; /** A device on which everything is to be read in clear. */ clear: string | null }
type Opened = Vault & { readonly lock: Lock }

async function must(said: Promise<Said>, right = /^/): Promise<string> { const { ok, says } = await said; if (!ok || !right.test(says)) throw new Error(`no encrypted scratch could be made: ${lastLine(says)}`); return says }
const sizesOf = (bytes: number): { inodes: number; kib: number } => { const inodes = Math.min(2 * ENTRIES_MAX, Math.max(1024, Math.ceil(bytes / 8192))); return { inodes, kib: 4 * Math.ceil((bytes + overhead(bytes, inodes)) / 4096) } }
async function withKey<T>(use: (secret: Buffer) => Promise<T>): Promise<T> { const secret = randomBytes(KEY_BYTES); try { return await use(secret) } finally { secret.fill(0) } }

const fscrypt = (xfsIo: string): Way => ({
  by: 'fscrypt', tools: [['xfs_io', 'xfsprogs']], hint: 'use a Linux with CONFIG_FS_ENCRYPTION, as Debian’s and Ubuntu’s are, and loop devices',
  async begin(lock, bytes) {
    const { image, mount } = lock, { inodes, kib } = sizesOf(bytes), dir = join(mount, 'v')
    // Blocks as large as pages: older kernels encrypt no others.
    await must(run('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-O', '^has_journal,encrypt', '-m', '0', '-N', String(inodes), '-E', 'lazy_itable_init=1', image, `${kib}k`]))
    await chmod(image, 0o600)
    await must(run('mount', ['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, mount]))
    await chmod(mount, 0o711)
    await mkdir(dir, { mode: 0o711 })
    lock.key = /identifier ([0-9a-f]{32})/.exec(await withKey((secret) => must(run(xfsIo, ['-r', '-c', 'add_enckey', mount], secret), /^Added encryption key/)))?.[1] ?? null
    if (lock.key === null) throw new Error('no encrypted scratch could be made: the kernel did not name the key')
    await must(run(xfsIo, ['-r', '-c', `set_encpolicy -v 2 ${lock.key}`, '-c', 'get_encpolicy', dir]), new RegExp(`Policy version: 2[^]*${lock.key}[^]*AES-256-XTS`))
  },
  // Asked again, it takes what has been closed meanwhile.
  forget: async ({ key, mount }) => key !== null && (await run(xfsIo, ['-r', '-c', `rm_enckey ${key}`, mount])).says.includes('busy'),
  end: async () => false,
})

/** The tool finds a loop device for the image by itself, which goes with the mapping. */
const dmCrypt = (cryptsetup: string): Way => ({
  by: 'dm-crypt', tools: [['cryptsetup', 'cryptsetup-bin'], ['dmsetup', 'dmsetup']], hint: 'use a Linux with dm-crypt, as Debian’s and Ubuntu’s are, and loop devices',
  async begin(lock, bytes) {
    const { image, mount } = lock, { inodes, kib } = sizesOf(bytes), name = `lumaris-${randomBytes(8).toString('hex')}`
    const file = await open(image, 'wx', 0o600)
    try { await file.truncate(kib * 1024) } finally { await file.close() }
    lock.key = name // said first: what is not there is closed without harm
    await withKey((secret) => must(run(cryptsetup, ['open', '--batch-mode', '--type', 'plain', '--cipher', 'aes-xts-plain64', '--key-size', String(KEY_BYTES * 8), '--keyfile-size', String(KEY_BYTES), '--key-file', '-', image, name], secret)))
    lock.clear = `/dev/mapper/${name}`
    // What has not been written decrypts to noise; so all that ext4 believes to be empty must be marked so, which its checksums do.
    await must(run('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-O', '^has_journal,metadata_csum', '-m', '0', '-N', String(inodes), '-E', 'lazy_itable_init=1,nodiscard', lock.clear]))
    await must(run('mount', ['-t', 'ext4', '-o', 'nosuid,nodev,noatime', lock.clear, mount]))
    await chmod(mount, 0o711)
    await mkdir(join(mount, 'v'), { mode: 0o711 })
  },
  forget: async () => false,
  end: async ({ key }) => key !== null && await closeMapping(key),
})
/** Is the key gone? Where a file is still open, what is read from it fails from now on. */
async function closeMapping(name: string): Promise<boolean> {
  if (!mappings().some((one) => one.name === name) || (await run('cryptsetup', ['close', name])).ok) return true
  const isCut = (await run('dmsetup', ['wipe_table', '--noflush', '--nolockfs', name])).ok
  await run('dmsetup', ['remove', '--deferred', name])
  return isCut
}
/** All there are, whoever made them, with the images below them. */
function mappings(): { readonly name: string; readonly images: readonly string[] }[] {
  const read = (...path: string[]): string => { try { return readFileSync(join(...path), 'utf8').trim() } catch { return '' /* gone, or another kind */ } }
  const names = (path: string): string[] => { try { return readdirSync(path) } catch { return [] /* gone */ } }
  return names('/sys/block').filter((one) => one.startsWith('dm-')).map((one) => ({ name: read('/sys/block', one, 'dm/name'), images: names(join('/sys/block', one, 'slaves')).map((below) => read('/sys/block', one, 'slaves', below, 'loop/backing_file')) }))
}

async function openVault(mount: string, bytes: number, way: Way): Promise<Opened> {
  const dir = join(mount, 'v'), lock: Lock = { image: `${mount}.img`, mount, key: null, clear: null }
  await mkdir(mount, { mode: 0o711 })
  const close = async (): Promise<void> => {
    // What is deleted first need not be written to the disk any more.
    for (const name of existsSync(dir) ? await readdir(dir) : []) await rm(join(dir, name), { recursive: true, force: true })
    let busy = false
    for (const end = performance.now() + BUSY_MS; ; await delay(20)) {
      busy = await way.forget(lock)
      if (!busy && ((await run('umount', [mount])).ok || !mounted(mount))) break
      if (performance.now() > end) { busy = true; await run('umount', ['-l', mount]); break }
    }
    if (await way.end(lock)) busy = false
    await rm(lock.image, { force: true })
    await rm(mount, { recursive: true, force: true })
    if (busy) throw new Error('a file of the encrypted scratch is still open: its key leaves memory when whoever holds it ends')
  }
  try { await way.begin(lock, bytes) } catch (error) { await close().catch(() => undefined /* the first failure says more */); throw error }
  return { dir, close, lock }
}
const mounted = (place: string): boolean => mountsIn(dirname(place)).includes(place)

/**
 * Null when a vault kept its promise here: what was written into it, plainly and through a work directory, is not in its image. And this look would have found
 * it: what lay in the same image outside of the encrypted directory is there; or, where nothing is outside, it is on the device that shows it in clear.
 */
async function disprove(make: (id: string, bytes: number) => Promise<Opened>, scratch: string): Promise<string | null> {
  const secret = randomBytes(24).toString('hex'), plain = randomBytes(24).toString('hex')
  const { lock: { image, mount, clear }, ...vault } = await make('probe', 16 * MIB)
  try {
    const files = join(vault.dir, 'files')
    await mkdir(files)
    await written(join(files, secret), secret)
    if (clear === null) await written(join(mount, 'plain'), plain)
    const disk = await createWorkDisk({ workDir: files, scratch, id: 'probe', bytes: MIB, uid: null, limit: true, vault: vault.dir })
    try { await written(join(disk.dir, 'inside'), secret) } finally { await disk.finish() }
    await run('sync', ['-f', mount])
    const found = await findInFile(image, [secret, plain])
    if (!(clear === null ? found.has(plain) : (await findInFile(clear, [secret])).has(secret))) return 'what was written in clear was not found on the disk either: nothing is shown'
    return found.has(secret) ? `what was written into an encrypted ${clear === null ? 'directory' : 'device'} was found on the disk` : null
  } finally { await vault.close() }
}
async function written(path: string, text: string): Promise<void> {
  await writeFile(path, text.repeat(400))
  const file = await open(path, 'r+')
  try { await file.sync() } finally { await file.close() }
}
/** Which of the texts lie anywhere in a file, however it is cut into pieces. */
export async function findInFile(path: string, texts: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>(), longest = Math.max(...texts.map((text) => text.length))
  let before = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * MIB }) as AsyncIterable<Buffer>) {
    const piece = Buffer.concat([before, chunk])
    for (const text of texts) if (piece.includes(text)) found.add(text)
    before = piece.subarray(Math.max(0, piece.length - longest))
  }
  return found
}

// What the guard does at the end of its input, which is the agent's own end however it came: of this agent's mounts the youngest first, the key before
// the mount. Only names with this agent's number in them: a younger agent may have its own here already.
const GUARD = `trap '' INT TERM HUP; cat > /dev/null
list=; while read -r _ place _; do case $place in "$1"/*"-$2-"*) list="$place $list";; esac; done < /proc/self/mounts
for place in $list; do place=$(printf '%b' "$(printf %s "$place" | sed 's/\\\\\\([0-7][0-7][0-7]\\)/\\\\0\\1/g')")
  umount "$place" 2> /dev/null && { rm -f "$place.img"; continue; }
  key=$(xfs_io -r -c get_encpolicy "$place/v" 2> /dev/null | sed -n 's/.*identifier: //p')
  [ -n "$key" ] && xfs_io -r -c "rm_enckey $key" "$place" > /dev/null 2>&1; umount -l "$place"; rm -f "$place.img"
done
for file in /sys/block/dm-*/slaves/*/loop/backing_file; do image=; IFS= read -r image 2> /dev/null < "$file"
  case $image in "$3"/*"-$2-"*) name=$(cat "\${file%/slaves/*}/dm/name"); cryptsetup close "$name" || { dmsetup wipe_table --noflush --nolockfs "$name"; dmsetup remove --deferred "$name"; };; esac
done > /dev/null 2>&1`
/** Starts the guard when there is none. It holds nobody up: neither the agent's end nor its own. */
function createGuard(dir: string): () => void {
  let child: ChildProcess | null = null
  // As it stands in the list of mounts.
  const listed = dir.replaceAll(/[\s\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return () => {
    if (child && child.exitCode === null && child.signalCode === null) return
    child = spawn('/bin/sh', ['-c', GUARD, 'sh', listed, String(process.pid), dir], { env: TOOLS, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    child.on('error', () => undefined) // then the next start of the agent does it
    child.stdin?.on('error', () => undefined)
    child.unref()
    ;(child.stdin as unknown as { unref(): void } | null)?.unref()
  }
}

/** Takes down the vaults of an earlier agent: how many there were. */
export async function reapVaults(dir: string): Promise<number> {
  if (!existsSync(dir) || lstatSync(dir).isSymbolicLink()) return 0
  for (const place of mountsIn(dir).toReversed()) {
    if ((await run('umount', [place])).ok) continue
    const key = /identifier: ([0-9a-f]{32})/.exec((await run('xfs_io', ['-r', '-c', 'get_encpolicy', join(place, 'v')])).says)?.[1]
    if (key !== undefined) await run('xfs_io', ['-r', '-c', `rm_enckey ${key}`, place])
    await run('umount', ['-l', place])
  }
  for (const { name, images } of mappings()) if (images.some((image) => dirname(image) === dir)) await closeMapping(name)
  const left = new Set(readdirSync(dir).map((name) => name.replace(/\.(img|job)$/, '')))
  for (const name of readdirSync(dir)) await rm(join(dir, name), { recursive: true, force: true })
  return left.size
}
