// The job's working directory with a size that the kernel keeps. As root on Linux: a file system of its own in a file (ext4 on a loop device, made
// in a few milliseconds: empty-disk.ts), with the inputs copied in and the results copied out afterwards, file by file as collect-outputs allows. The job
// never writes the image itself, only files in it, so the host mounts nothing a stranger made. Elsewhere the plain directory, and a watch that is a
// moment late.
//
// Bringing files home is where a limit could be walked around: a file that is one big hole takes nothing in the image and everything outside of it.
// So sizes are counted as they would arrive, and a job that left more than its limit keeps nothing.
import { execFile } from 'node:child_process'
import { createWriteStream, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { chown, copyFile, cp, lstat, mkdir, opendir, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ENTRIES_MAX, OutputsRefused, measureBelow, plainFiles, sizeBelow } from './collect-outputs.ts'
import { makeDisk, makeEmptyDisk } from './empty-disk.ts'
import type { DiskShape } from './empty-disk.ts'

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
const tooSmall = (bytes: number): DiskTooSmall => new DiskTooSmall(`the inputs alone take more than ${bytes} bytes`)

const run = (program: string, args: readonly string[]): Promise<{ ok: boolean; says: string }> => new Promise((resolve) => {
  execFile(program, args, { env: TOOLS }, (error, _out, says) => resolve({ ok: error === null, says: says.trim().split('\n').pop() ?? '' }))
})

/** Can this process make and mount such a file system? Tried once, for real. */
export async function canLimitDisk(scratch: string): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const image = join(scratch, 'probe.img'), place = join(scratch, 'probe-mount')
  try {
    await dropBlank(await makeBlank({ image, place, bytes: MIB }))
    return true
  } catch { return false /* no mke2fs, no loop device, no right to mount: then it is watched instead */ }
}

/** Inputs up to here are copied by ourselves; a program that does nothing else is faster with more. */
const COPIED_BYTES = MIB, COPIED_ENTRIES = 64

const shapeOf = (bytes: number, entries: number, uid: number): DiskShape => {
  // Room for as many files as the walk home allows, fewer on a small disk: an inode is a quarter of a KiB.
  const inodes = Math.min(ENTRIES_MAX, Math.max(1024, Math.ceil(bytes / 8192), entries * 2))
  return { kib: Math.ceil((bytes + overhead(bytes, inodes)) / 1024), inodes, uid }
}
/** Below a directory of the agent's own. */
export type Inputs = { readonly source: string; readonly bytes: number; readonly entries: number }
export const inputsOf = async (source: string): Promise<Inputs> => ({ source, ...(await measureBelow(source)) })
/** They fit onto a disk that was made before anybody knew them. */
export const fitBlank = ({ bytes, entries }: Inputs): boolean => bytes <= COPIED_BYTES && entries <= COPIED_ENTRIES

/** A mounted disk with nothing on it. */
export type BlankDisk = { readonly image: string; readonly place: string; readonly bytes: number; /** The kernel's name of its device. */ readonly device: string }
export async function makeBlank({ image, place, bytes }: Omit<BlankDisk, 'device'>): Promise<BlankDisk> {
  // Its root is ours, so that one kept copy does for every user id; it is given away when the inputs come.
  await mounting(image, place, () => makeEmptyDisk(image, shapeOf(bytes, 0, 0)))
  return { image, place, bytes, device: basename(mounted().findLast(({ at }) => at === place)?.from ?? '') }
}
/** Sizes that disks have which stand ready for jobs with smaller ones. A small file takes there what it would on a disk of the job's size: ext4 has blocks of one KiB below half a GiB, of four above. */
const USUAL_BYTES = [448 * MIB, 1024 * MIB] as const
export const usualBytes = (bytes: number): number | undefined => USUAL_BYTES.find((usual) => bytes <= usual)
/** Makes it smaller while nothing is on it: all but so much room is kept back by the kernel, from root too. One word in a file, where to make a disk takes a process. */
export function narrow({ place, device }: BlankDisk, bytes: number): void {
  const { bfree, bsize } = statfsSync(place)
  writeFileSync(join('/sys/fs/ext4', device, 'reserved_clusters'), String(Math.max(0, bfree - Math.ceil((bytes + overhead(bytes, 0)) / bsize))))
}
/** Tried once, for real: what is kept back cannot be written. */
export async function canNarrow(scratch: string): Promise<boolean> {
  try {
    const blank = await makeBlank({ image: join(scratch, 'narrow.img'), place: join(scratch, 'narrow-mount'), bytes: USUAL_BYTES[0] })
    try { narrow(blank, MIB); writeFileSync(join(blank.place, 'full'), Buffer.alloc(8 * MIB)); return false } catch (error) { return (error as NodeJS.ErrnoException).code === 'ENOSPC' } finally { await dropBlank(blank) }
  } catch { return false /* no disks here at all */ }
}
async function makeFilled(image: string, inputs: Inputs, bytes: number, uid: number): Promise<void> {
  await chownTree(inputs.source, uid)
  try { await makeDisk(image, shapeOf(bytes, inputs.entries, uid), inputs.source) } finally { await chownTree(inputs.source, 0) }
}
async function mounting(image: string, place: string, make: () => Promise<void>): Promise<void> {
  await mkdir(place, { recursive: true, mode: 0o700 })
  try {
    await make()
    const mounted = await run('mount', ['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, place])
    if (!mounted.ok) throw new Error(mounted.says)
    rmSync(join(place, 'lost+found'), { recursive: true, force: true })
  } catch (error) { rmSync(image, { force: true }); rmSync(place, { recursive: true, force: true }); throw noDisk(error) }
}
const noDisk = (error: unknown): Error => new Error(`no disk of its own could be made for the job: ${(error as Error).message}`, { cause: error })
/** A blank one becomes a job's. */
async function fill({ image, place }: BlankDisk, inputs: Inputs, uid: number): Promise<void> {
  try { await copyIn(inputs.source, place, uid) } catch (error) { await unmount(image, place); throw noDisk(error) }
}
/** The tree is the agent's own: only directories and plain files are in it. */
async function copyIn(from: string, to: string, uid: number): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true })
  await Promise.all([chown(to, uid, uid), ...entries.map(async (entry) => {
    const path = join(to, entry.name)
    if (entry.isDirectory()) { await mkdir(path); await copyIn(join(from, entry.name), path, uid) }
    else if (entry.isFile()) { await copyFile(join(from, entry.name), path); await chown(path, uid, uid) }
  })])
}
export const dropBlank = ({ image, place }: BlankDisk): Promise<void> => unmount(image, place)
async function unmount(image: string, place: string): Promise<void> {
  // Lazily as a last resort: every process that could hold it has been ended.
  if (!(await run('umount', [place])).ok) await run('umount', ['-l', place])
  await rm(image, { force: true })
  await rm(place, { recursive: true, force: true })
}

export type WorkDiskOptions = {
  readonly workDir: string; readonly scratch: string; readonly id: string; readonly bytes: number; readonly uid: number | null; readonly limit: boolean
  /** The encrypted directory of the attempt: its image lies there, its mount beside it. */
  readonly vault?: string | undefined
  /** What is in `workDir`, where that is known. */
  readonly inputs?: Inputs
  /** A disk of that size that stands ready, for inputs that fit it. */
  readonly blank?: BlankDisk
}
export async function createWorkDisk(options: WorkDiskOptions): Promise<WorkDisk> {
  const { workDir, scratch, id, bytes, uid, limit, vault } = options
  if (vault !== undefined && !limit) throw new Error('encrypted scratch needs a disk with a size')
  const inputs = options.inputs ?? await inputsOf(workDir)
  if (inputs.bytes > bytes) throw tooSmall(bytes)
  // The agent's own directory is closed to the job's user id; so whoever takes one on works in a place of its own.
  if (uid === null && !limit) {
    return { dir: workDir, limited: false, used: () => sizeBelow(workDir), async finish() { const kept = (await sizeBelow(workDir)) <= bytes; if (!kept) await empty(workDir).catch(() => undefined /* a directory closed by the job: nothing is collected out of it either */); return kept } }
  }
  if (!options.blank) mkdirSync(scratch, { recursive: true, mode: 0o711 })
  const { image, place } = options.blank ?? { image: join(vault ?? scratch, `${id}.img`), place: vault === undefined ? join(scratch, id) : `${dirname(vault)}.job` }
  if (options.blank) await fill(options.blank, inputs, uid ?? 0)
  else if (limit && fitBlank(inputs)) await fill(await makeBlank({ image, place, bytes }), inputs, uid ?? 0)
  else if (limit) await mounting(image, place, () => makeFilled(image, inputs, bytes, uid ?? 0))
  else {
    await cp(workDir, place, { recursive: true })
    if (uid !== null) await chownTree(place, uid)
  }
  const taken = (): number => { try { const fs = statfsSync(place); return (fs.blocks - fs.bfree) * fs.bsize } catch { return 0 /* taken down already */ } }
  const fixed = limit ? Math.max(0, taken() - inputs.bytes) : 0
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
  const inputs = await inputsOf(workDir)
  if (inputs.bytes > bytes) throw tooSmall(bytes)
  try {
    if (inputs.entries === 0) await makeEmptyDisk(image, shapeOf(bytes, 0, uid))
    else await makeFilled(image, inputs, bytes, uid)
  } catch (error) { throw noDisk(error) }
}

async function empty(dir: string): Promise<void> { for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true }) }

/** As above: the agent's own. */
async function chownTree(dir: string, uid: number): Promise<void> {
  for await (const entry of await opendir(dir)) {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) await chownTree(path, uid)
    else if (entry.isFile() && (await lstat(path)).nlink === 1) await chown(path, uid, uid)
  }
  await chown(dir, uid, uid)
}

function mounted(): { readonly from: string; readonly at: string }[] {
  const lines = existsSync('/proc/self/mounts') ? readFileSync('/proc/self/mounts', 'utf8').split('\n') : []
  return lines.map((line) => { const [from = '', at = ''] = line.split(' '); return { from, at: at.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))) } })
}
/** What is mounted on the names of a directory, in the order in which it was. */
export const mountsIn = (dir: string): string[] => mounted().map(({ at }) => at).filter((path) => dirname(path) === dir)
/** Takes down the disks of an earlier agent: how many there were. */
export async function reapWorkDisks(scratch: string): Promise<number> {
  if (!existsSync(scratch) || lstatSync(scratch).isSymbolicLink()) return 0
  for (const place of mountsIn(scratch)) if (!(await run('umount', [place])).ok) await run('umount', ['-l', place])
  const left = new Set((await readdir(scratch)).map((name) => name.replace(/\.img$/, '')))
  await rm(scratch, { recursive: true, force: true })
  return left.size
}
