// Debian packages by name: which ones something needs, fetched by apt, which checks them against the signatures of the archive, and each checked again by its hash here.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inPath } from '../drivers/stage.ts'

export type Package = { readonly name: string; readonly version: string; readonly sha256: string }
type Known = Package & { readonly needs: readonly string[] }

/** What this machine lacks, in words that say what to change. */
export class ImagesRefused extends Error { override readonly name = 'ImagesRefused' }

/** Of packages' own needs: what only their installation uses. Nothing is installed here, only unpacked. */
const WITHOUT = new Set(['dpkg', 'debconf', 'install-info', 'debianutils', 'base-files', 'init-system-helpers', 'kmod', 'linux-base', 'initramfs-tools', 'media-types', 'mailcap', 'tzdata', 'ca-certificates', 'cdebconf'])
const APT_MS = 300_000, TEXT_MAX = 32 * 1024 * 1024

export const run = (program: string, args: readonly string[], options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {}): Promise<string> => new Promise((resolve, reject) => {
  const child = execFile(program, [...args], { cwd: options.cwd, env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C', ...options.env }, maxBuffer: TEXT_MAX, timeout: APT_MS }, (error, out, says) => {
    if (error) reject(new Error(`${program} failed: ${says.trim().split('\n').findLast((line) => !line.startsWith('W:')) || error.message}`))
    else resolve(out)
  })
  child.stdin?.on('error', () => undefined /* it ended before it had read everything */)
  child.stdin?.end(options.input)
})
export const fileHash = async (path: string): Promise<string> => { const hash = createHash('sha256'); for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer); return hash.digest('hex') }

const field = (record: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(record)?.[1] ?? ''
/** The first of several that would do. */
const needsOf = (record: string): string[] => ['Pre-Depends', 'Depends'].flatMap((name) => field(record, name).split(',')).map((one) => (one.split('|')[0] as string).trim().replace(/[\s:(].*$/, '')).filter((one) => one !== '')

async function ask(names: readonly string[]): Promise<Map<string, Known>> {
  const text = await run('apt-cache', ['show', '--no-all-versions', ...names]).catch((error: Error) => { if (/No packages found|Unable to locate/i.test(error.message)) return ''; throw error })
  const records = text.split('\n\n').filter((record) => record.includes('\nVersion: ') || record.startsWith('Package: '))
  return new Map(records.map((record) => [field(record, 'Package'), { name: field(record, 'Package'), version: field(record, 'Version'), sha256: field(record, 'SHA256'), needs: needsOf(record) }]))
}

/** These packages and all that they need, by name. */
export async function closureOf(names: readonly string[]): Promise<Package[]> {
  const known = new Map<string, Known>(), asked = new Set<string>()
  let next = [...names]
  while (next.length > 0) {
    for (const name of next) asked.add(name)
    const found = await ask(next)
    for (const name of next) {
      const one = found.get(name)
      if (one?.sha256) known.set(name, one)
      else if (names.includes(name)) throw new ImagesRefused(`apt knows no package ${name}. Run: apt-get update`)
      // Else it is a name for several packages that do the same; one of them was asked for, or it is not needed.
    }
    next = [...new Set([...known.values()].flatMap((one) => one.needs))].filter((name) => !asked.has(name) && !WITHOUT.has(name))
  }
  return [...known.values()].map(({ name, version, sha256 }) => ({ name, version, sha256 })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The kernel's package is named by its version; the one that is asked for only points to it. */
export async function kernelPackage(name: string): Promise<Package> {
  const pointer = (await ask([name])).get(name)
  const target = pointer?.needs.find((one) => one.startsWith('linux-image-'))
  if (target === undefined) throw new ImagesRefused(`apt knows no package ${name}. Run: apt-get update`)
  const kernel = (await ask([target])).get(target)
  if (!kernel?.sha256) throw new ImagesRefused(`apt knows no package ${target}. Run: apt-get update`)
  return { name: kernel.name, version: kernel.version, sha256: kernel.sha256 }
}

/** Each in `folder` by its hash; what is there already is not fetched again. */
export async function fetchPackages(packages: readonly Package[], folder: string): Promise<Map<string, string>> {
  mkdirSync(folder, { recursive: true })
  const at = new Map<string, string>(packages.map(({ name, sha256 }) => [name, join(folder, `${sha256}.deb`)]))
  for (const { name, sha256 } of packages) { const path = at.get(name) as string; if (existsSync(path) && (await fileHash(path)) !== sha256) rmSync(path) }
  const missing = packages.filter(({ name }) => !existsSync(at.get(name) as string))
  if (missing.length === 0) return at
  const fresh = join(folder, `fresh-${process.pid}`)
  mkdirSync(fresh)
  try {
    chmodSync(fresh, 0o777) // apt takes on a user of its own to fetch, and says so when that user may not write
    await run('apt-get', ['download', '-qq', ...missing.map(({ name, version }) => `${name}=${version}`)], { cwd: fresh }).catch((error: Error) => {
      throw new ImagesRefused(`${error.message}. The archive keeps the newest versions only: run apt-get update, or build without --like`)
    })
    for (const file of readdirSync(fresh)) {
      const sha256 = await fileHash(join(fresh, file))
      if (missing.some((one) => one.sha256 === sha256)) renameSync(join(fresh, file), join(folder, `${sha256}.deb`))
    }
  } finally { rmSync(fresh, { recursive: true, force: true }) }
  const wrong = missing.filter(({ name }) => !existsSync(at.get(name) as string))
  if (wrong.length > 0) throw new ImagesRefused(`fetched, but not what was asked for: ${wrong.map(({ name }) => name).join(', ')}. Their hashes differ from those that are expected`)
  return at
}

/** The tools that are used, and the Debian packages they come in. */
const TOOLS = { 'apt-get': 'apt', 'apt-cache': 'apt', 'dpkg-deb': 'dpkg', mke2fs: 'e2fsprogs', debugfs: 'e2fsprogs' }
export function needTools(find: (name: string) => string | null = inPath): void {
  const missing = Object.entries(TOOLS).filter(([name]) => find(name) === null)
  if (missing.some(([, from]) => from === 'apt' || from === 'dpkg')) throw new ImagesRefused(`the image is made of Debian packages, and there is no ${missing.map(([name]) => name).join(', ')} here. Build it on a Debian machine (lumaris images build --into FOLDER), and bring the folder here`)
  if (missing.length > 0) throw new ImagesRefused(`${missing.map(([name]) => name).join(', ')} is missing. Run: apt-get install -y ${[...new Set(missing.map(([, from]) => from))].join(' ')}`)
}
