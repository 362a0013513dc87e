// The job's working directory with a size that the kernel keeps. As root on Linux: a file system of its own in a file (ext4 on a loop device, made
// in about twenty milliseconds), with the inputs copied in and the results copied out afterwards, file by file as collect-outputs allows. The job
// never writes the image itself, only files in it, so the host mounts nothing a stranger made. Elsewhere the plain directory, and a watch that is a
// moment late.
//
// Bringing files home is where a limit could be walked around: a file that is one big hole takes nothing in the image and everything outside of it.
// So sizes are counted as they would arrive, and a job that left more than its limit keeps nothing.
import { execFile } from 'node:child_process'
import { createWriteStream, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { chown, cp, lstat, mkdir, opendir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ENTRIES_MAX, OutputsRefused, plainFiles, sizeBelow } from './collect-outputs.ts'

const MIB = 1024 * 1024
/** What ext4 itself takes of a small image: inode tables and bitmaps. */
export const overhead = (bytes: number, inodes: number): number => 4 * MIB + Math.ceil(bytes / 20) + inodes * 256
/** What an attempt brings to the disk at most: its inputs and then its results, the disk of its work directory beside them, and output that becomes a file. */
export const vaultBytes = (diskBytes: number, outputBytes: number): number => 2 * diskBytes + overhead(diskBytes, ENTRIES_MAX) + outputBytes + 16 * MIB
const TOOLS = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' }

export type WorkDisk = {
  readonly dir: string; readonly limited: boolean; used(): number | Promise<number>
  /** Results back to the work directory, everything else away. False: there was more than the limit, and nothing is kept. */
  finish(): Promise<boolean>
}
/** The inputs alone are more than the limit allows. */
export class DiskTooSmall extends Error { override readonly name = 'DiskTooSmall' }

const run = (program: string, args: readonly string[]): Promise<{ ok: boolean; says: string }> => new Promise((resolve) => {
  execFile(program, args, { env: TOOLS }, (error, _out, says) => resolve({ ok: error === null, says: says.trim().split('\n').pop() ?? '' }))
})

/** Can this process make and mount such a file system? Tried once, for real. */
export async function canLimitDisk(scratch: string): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const source = join(scratch, 'probe'), image = join(scratch, 'probe.img'), place = join(scratch, 'probe-mount')
  try {
    mkdirSync(source, { recursive: true })
    await mountImage({ image, source, place, bytes: MIB, entries: 1, uid: 0 })
    await unmount(image, place)
    return true
  } catch { return false /* no mke2fs, no loop device, no right to mount: then it is watched instead */ } finally { rmSync(source, { recursive: true, force: true }) }
}

/** A file system in a file, with these inputs in it. */
async function makeImage({ image, source, bytes, entries, uid }: { image: string; source: string; bytes: number; entries: number; uid: number }): Promise<{ ok: boolean; says: string }> {
  // Room for as many files as the walk home allows, fewer on a small disk: an inode is a quarter of a KiB.
  const inodes = Math.min(ENTRIES_MAX, Math.max(1024, Math.ceil(bytes / 8192), entries * 2))
  const kib = Math.ceil((bytes + overhead(bytes, inodes)) / 1024)
  return run('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-N', String(inodes), '-E', `root_owner=${uid}:${uid},lazy_itable_init=1`, '-d', source, image, `${kib}k`])
}
async function mountImage(how: { image: string; source: string; place: string; bytes: number; entries: number; uid: number }): Promise<void> {
  const { image, place } = how
  await mkdir(place, { recursive: true, mode: 0o700 })
  const made = await makeImage(how)
  const mounted = made.ok ? await run('mount', ['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, place]) : made
  if (!mounted.ok) { rmSync(image, { force: true }); rmSync(place, { recursive: true, force: true }); throw new Error(`no disk of its own could be made for the job: ${mounted.says}`) }
  rmSync(join(place, 'lost+found'), { recursive: true, force: true })
}
async function unmount(image: string, place: string): Promise<void> {
  // Lazily as a last resort: every process that could hold it has been ended.
  if (!(await run('umount', [place])).ok) await run('umount', ['-l', place])
  await rm(image, { force: true })
  await rm(place, { recursive: true, force: true })
}

export async function createWorkDisk(options: { workDir: string; scratch: string; id: string; bytes: number; uid: number | null; limit: boolean; /** The encrypted directory of the attempt: its image lies there, its mount beside it. */ vault?: string | undefined }): Promise<WorkDisk> {
  const { workDir, scratch, id, bytes, uid, limit, vault } = options
  if (vault !== undefined && !limit) throw new Error('encrypted scratch needs a disk with a size')
  const inputs = await sizeBelow(workDir)
  if (inputs > bytes) throw new DiskTooSmall(`the inputs alone take more than ${bytes} bytes`)
  // The agent's own directory is closed to the job's user id; so whoever takes one on works in a place of its own.
  if (uid === null && !limit) {
    return { dir: workDir, limited: false, used: () => sizeBelow(workDir), async finish() { const kept = (await sizeBelow(workDir)) <= bytes; if (!kept) await empty(workDir).catch(() => undefined /* a directory closed by the job: nothing is collected out of it either */); return kept } }
  }
  mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const image = join(vault ?? scratch, `${id}.img`), place = vault === undefined ? join(scratch, id) : `${dirname(vault)}.job`
  if (limit) {
    let entries = 0
    if (uid !== null) entries = await chownTree(workDir, uid)
    try { await mountImage({ image, source: workDir, place, bytes, entries, uid: uid ?? 0 }) } finally { if (uid !== null) await chownTree(workDir, 0) }
  } else {
    await cp(workDir, place, { recursive: true })
    if (uid !== null) await chownTree(place, uid)
  }
  const taken = (): number => { try { const fs = statfsSync(place); return (fs.blocks - fs.bfree) * fs.bsize } catch { return 0 /* taken down already */ } }
  const fixed = limit ? Math.max(0, taken() - inputs) : 0
  return {
    dir: place, limited: limit, used: () => (limit ? Math.max(0, taken() - fixed) : sizeBelow(place)),
    async finish() {
      try {
        // Emptied first: a job may have put a directory where an input was a file, or the other way round.
        await empty(workDir)
        for await (const file of plainFiles(place, { bytesMax: bytes })) {
          const target = join(workDir, file.path)
          await mkdir(dirname(target), { recursive: true })
          await pipeline(await file.open(), createWriteStream(target, { mode: 0o600, flags: 'wx' }))
        }
        return true
      } catch (error) {
        if (!(error instanceof OutputsRefused)) throw error
        await empty(workDir)
        return false
      } finally { if (limit) await unmount(image, place); else await rm(place, { recursive: true, force: true }) }
    },
  }
}

/** The same file system for a machine of the job's own, whose user `uid` is: nobody mounts it here, and what is on it afterwards is not looked at. */
export async function createWorkImage(options: { workDir: string; image: string; bytes: number; uid: number }): Promise<void> {
  const { workDir, image, bytes, uid } = options
  const inputs = await sizeBelow(workDir)
  if (inputs > bytes) throw new DiskTooSmall(`the inputs alone take more than ${bytes} bytes`)
  const entries = await chownTree(workDir, uid)
  try {
    const made = await makeImage({ image, source: workDir, bytes, entries, uid })
    if (!made.ok) throw new Error(`no disk of its own could be made for the job: ${made.says}`)
  } finally { await chownTree(workDir, 0) }
}

async function empty(dir: string): Promise<void> { for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true }) }

/** How many there were. The tree is the agent's own: only directories and plain files are in it. */
async function chownTree(dir: string, uid: number): Promise<number> {
  let count = 1
  for await (const entry of await opendir(dir)) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) count += await chownTree(path, uid)
    else if (entry.isFile() && (await lstat(path)).nlink === 1) { await chown(path, uid, uid); count++ }
  }
  await chown(dir, uid, uid)
  return count
}

/** Takes down the disks of an earlier agent: how many there were. */
export async function reapWorkDisks(scratch: string): Promise<number> {
  if (!existsSync(scratch) || lstatSync(scratch).isSymbolicLink()) return 0
  const mounts = existsSync('/proc/self/mounts') ? readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => (line.split(' ')[1] ?? '').replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))) : []
  for (const place of mounts.filter((path) => dirname(path) === scratch)) if (!(await run('umount', [place])).ok) await run('umount', ['-l', place])
  const left = new Set((await readdir(scratch)).map((name) => name.replace(/\.img$/, '')))
  await rm(scratch, { recursive: true, force: true })
  return left.size
}
