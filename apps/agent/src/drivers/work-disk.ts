// The job's working directory with a size that the kernel keeps. As root on Linux: a file system of its own in a file (ext4 on a loop device, made
// in about ten milliseconds), with the inputs copied in and the results copied out afterwards, file by file as collect-outputs allows. Elsewhere
// the plain directory, and a watch that is a moment late.
import { spawnSync } from 'node:child_process'
import { cpSync, createWriteStream, existsSync, mkdirSync, readdirSync, rmSync, statfsSync, chownSync, lstatSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { collectOutputs } from './collect-outputs.ts'

const MIB = 1024 * 1024
/** What ext4 itself takes of a small image: inode tables and bitmaps. */
const overhead = (bytes: number): number => 4 * MIB + Math.ceil(bytes / 20)

export type WorkDisk = { readonly dir: string; readonly limited: boolean; used(): number; /** Results back to the work directory, everything else away. */ finish(): Promise<void> }

/** Can this process make and mount such a file system? Tried once, for real. */
export function canLimitDisk(scratch: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const dir = join(scratch, 'probe')
  try {
    mkdirSync(dir, { recursive: true })
    const disk = mountImage(join(scratch, 'probe.img'), dir, join(scratch, 'probe-mnt'), MIB, 0)
    if (disk) unmount(join(scratch, 'probe.img'), join(scratch, 'probe-mnt'))
    return disk
  } catch { return false /* no mke2fs, no loop device, no right to mount: then it is watched instead */ } finally { rmSync(dir, { recursive: true, force: true }) }
}

function mountImage(image: string, source: string, mount: string, bytes: number, uid: number): boolean {
  mkdirSync(mount, { recursive: true, mode: 0o700 })
  const size = Math.ceil((bytes + overhead(bytes)) / 1024)
  const made = spawnSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-E', `root_owner=${uid}:${uid},lazy_itable_init=1`, '-d', source, image, `${size}k`], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' }, encoding: 'utf8' })
  if (made.status !== 0) { rmSync(image, { force: true }); return false }
  const mounted = spawnSync('mount', ['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, mount], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } })
  if (mounted.status !== 0) { rmSync(image, { force: true }); return false }
  rmSync(join(mount, 'lost+found'), { recursive: true, force: true })
  return true
}
function unmount(image: string, mount: string): void {
  // Lazily as a last resort: every process that could hold it has been ended.
  if (spawnSync('umount', [mount]).status !== 0) spawnSync('umount', ['-l', mount])
  rmSync(image, { force: true })
  rmSync(mount, { recursive: true, force: true })
}

export function createWorkDisk(options: { workDir: string; scratch: string; id: string; bytes: number; uid: number | null; limit: boolean }): WorkDisk {
  const { workDir, scratch, id, bytes, uid } = options
  const plain: WorkDisk = { dir: workDir, limited: false, used: () => bytesBelow(workDir), finish: async () => undefined }
  // The agent's own directory is closed to the job's user id; so whoever takes one on works in a place of its own.
  if (uid === null && !options.limit) return plain
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const image = join(scratch, `${id}.img`), place = join(scratch, id)
  if (uid !== null) chownTree(workDir, uid)
  const limited = options.limit && mountImage(image, workDir, place, bytes, uid ?? 0)
  if (!limited) { cpSync(workDir, place, { recursive: true }); if (uid !== null) chownTree(place, uid) }
  if (uid !== null) chownTree(workDir, 0)
  const mounted = (): number => { try { const fs = statfsSync(place); return Math.max(0, (fs.blocks - fs.bfree) * fs.bsize) } catch { return 0 } } // taken down already
  const empty = limited ? mounted() : 0
  return {
    dir: place, limited, used: () => (limited ? Math.max(0, mounted() - empty) : bytesBelow(place)),
    async finish() {
      try {
        for await (const file of collectOutputs(place)) {
          const target = join(workDir, file.path)
          await mkdir(dirname(target), { recursive: true })
          await rm(target, { force: true, recursive: true })
          await pipeline(await file.open(), createWriteStream(target, { mode: 0o600, flags: 'wx' }))
        }
        // An input that the job removed is not an output.
        await removeMissing(workDir, place)
      } finally { if (limited) unmount(image, place); else rmSync(place, { recursive: true, force: true }) }
    },
  }
}

async function removeMissing(workDir: string, mount: string, below = ''): Promise<void> {
  for (const entry of readdirSync(join(workDir, below), { withFileTypes: true })) {
    const path = below ? `${below}/${entry.name}` : entry.name
    if (entry.isDirectory()) await removeMissing(workDir, mount, path)
    else if (!existsSync(join(mount, path))) await rm(join(workDir, path), { force: true })
  }
}

function chownTree(dir: string, uid: number): void {
  if (process.getuid?.() !== 0) return
  chownSync(dir, uid, uid)
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) chownTree(path, uid)
    else if (entry.isFile()) chownSync(path, uid, uid)
  }
}

/** Sum of file sizes as the disk holds them; links are not followed. */
export function bytesBelow(dir: string): number {
  let bytes = 0
  const visit = (path: string): void => {
    try {
      const stat = lstatSync(path)
      bytes += stat.blocks * 512
      if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name))
    } catch { /* it went away while we looked */ }
  }
  visit(dir)
  return bytes
}

/** Takes down images of an earlier agent. */
export function reapWorkDisks(scratch: string): number {
  if (!existsSync(scratch)) return 0
  let count = 0
  const mounts = existsSync('/proc/self/mounts') ? readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '') : []
  for (const mount of mounts.filter((path) => dirname(path) === scratch)) { if (spawnSync('umount', [mount]).status !== 0) spawnSync('umount', ['-l', mount]); count++ }
  rmSync(scratch, { recursive: true, force: true })
  return count
}
