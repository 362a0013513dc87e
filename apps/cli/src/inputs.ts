// Which files a job takes along: those that are named with --file, and those that the command names and that exist here.
import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { RelativePath } from '@lumaris/protocol'
import type { JobSpecInput } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { CliError, EXIT } from './failures.ts'
import type { Progress } from './ui/progress.ts'

export type LocalFile = { readonly path: string; readonly from: string; readonly size: number }
/** One that the market fetches. */
export type RemoteFile = { readonly path: string; readonly url: string; readonly sha256?: string }
type Input = NonNullable<JobSpecInput['inputs']>[number]

/** What a job may have. */
const FILES_MAX = 1000

/** `data.csv`, `dir/`, `../elsewhere/data.csv=data.csv`; the part after `=` is its name in the job. */
export function findInputs(named: readonly string[], command: readonly string[], options: { cwd: string; auto: boolean }): LocalFile[] {
  const found = new Map<string, LocalFile>()
  const add = (file: LocalFile): void => {
    const before = found.get(file.path)
    if (before && realpathSync(before.from) !== realpathSync(file.from)) throw new CliError(`Two files would be ${file.path} in the job: ${before.from} and ${file.from}`, 'Give one of them another name: --file FILE=NAME.', EXIT.usage)
    if (!RelativePath.safeParse(file.path).success) throw new CliError(`A file cannot be called ${JSON.stringify(file.path)} in a job`, 'Give it a plain relative name: --file FILE=NAME.', EXIT.usage)
    found.set(file.path, file)
    if (found.size > FILES_MAX) throw new CliError(`More than ${FILES_MAX} files`, 'Pack them into one archive and unpack it in the job.', EXIT.usage)
  }
  for (const text of named) for (const file of expand(text, options.cwd)) add(file)
  if (options.auto) for (const [i, word] of command.entries()) {
    // The program itself is looked up on the node, unless it is written as a path.
    if (i === 0 && !word.includes('/')) continue
    const path = insideOf(options.cwd, word)
    if (path === null || isAbsolute(word)) continue
    const from = join(options.cwd, path)
    if (statOf(from)?.isFile() && !found.has(path)) add({ path, from, size: statSync(from).size })
  }
  return [...found.values()]
}

function expand(text: string, cwd: string): LocalFile[] {
  const whole = resolve(cwd, text)
  // A file whose own name has a `=` is meant before a new name for one that has none.
  const at = statOf(whole) ? -1 : text.lastIndexOf('=')
  const from = at < 0 ? whole : resolve(cwd, text.slice(0, at))
  const path = (at < 0 ? (insideOf(cwd, text) ?? basename(whole)) : text.slice(at + 1)).replace(/\/$/, '')
  const stat = statOf(from)
  if (!stat) throw new CliError(`There is no file ${at < 0 ? text : text.slice(0, at)}`, 'Check the path; --file takes a file or a folder, or FILE=NAME.', EXIT.usage)
  if (stat.isFile()) return [{ path, from, size: stat.size }]
  if (!stat.isDirectory()) throw new CliError(`${text} is neither a file nor a folder`, 'Copy its content into a file first.', EXIT.usage)
  return filesBelow(from, path === '' ? '' : `${path}/`)
}

/** Links inside a folder are left out: they could lead anywhere. */
function filesBelow(directory: string, prefix: string): LocalFile[] {
  const files: LocalFile[] = []
  for (const name of readdirSync(directory).toSorted()) {
    const from = join(directory, name), stat = lstatSync(from)
    if (stat.isDirectory()) files.push(...filesBelow(from, `${prefix}${name}/`))
    else if (stat.isFile()) files.push({ path: `${prefix}${name}`, from, size: stat.size })
    if (files.length > FILES_MAX) return files
  }
  return files
}

/** The path as seen from the directory, or null when it lies outside of it. */
function insideOf(directory: string, path: string): string | null {
  const inside = relative(directory, resolve(directory, path))
  return inside.startsWith('..') || isAbsolute(inside) ? null : inside.split(sep).join('/')
}
const statOf = (path: string): Stats | null => { try { return statSync(path) } catch { return null } } // whatever keeps us from seeing it, it is no file for us

/** `https://example.org/data.csv`, `other.csv=https://…`, with `#sha256=…` behind it. */
export function withUrls(files: readonly LocalFile[], texts: readonly string[]): (LocalFile | RemoteFile)[] {
  const all: (LocalFile | RemoteFile)[] = [...files]
  for (const text of texts) {
    const [, name, address = ''] = /^(?:([^=]*)=)?(https?:\/\/.*)$/is.exec(text) ?? []
    if (!URL.canParse(address)) throw new CliError(`${text} is not an address`, 'Write it as --input-url https://example.org/data.csv, or with another name: --input-url NAME=https://…', EXIT.usage)
    const url = new URL(address), sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1]?.toLowerCase()
    if (url.hash !== '' && sha256 === undefined) throw new CliError(`${url.hash} is no SHA-256`, 'What stands behind # is #sha256= and 64 hexadecimal digits.', EXIT.usage)
    url.hash = ''
    const path = name ?? lastPart(url)
    if (!RelativePath.safeParse(path).success) throw new CliError(`The file from ${url.host} has no name that a file can have`, 'Give it one: --input-url NAME=https://…', EXIT.usage)
    if (all.some((file) => file.path === path)) throw new CliError(`Two files would be ${path} in the job`, 'Give one of them another name: --input-url NAME=https://…', EXIT.usage)
    all.push({ path, url: url.href, ...(sha256 === undefined ? {} : { sha256 }) })
  }
  return all
}
function lastPart(url: URL): string { const part = url.pathname.split('/').at(-1) ?? ''; try { return decodeURIComponent(part) } catch { return part } }

export async function uploadInputs(client: Client, files: readonly (LocalFile | RemoteFile)[], options: { progress: Progress; signal?: AbortSignal | undefined }): Promise<Input[]> {
  const inputs: Input[] = []
  for (const file of files) {
    if ('url' in file) {
      options.progress.phase(`The market fetches ${file.path}`)
      const { blob, size } = await client.fetchUrl(file.url, { sha256: file.sha256, signal: options.signal })
      inputs.push({ path: file.path, blob, size })
      continue
    }
    options.progress.phase(`Uploading ${file.path}`)
    const { blob, size } = await client.upload(file.from, { signal: options.signal, onProgress: (done, total) => options.progress.at(done, total) })
    inputs.push({ path: file.path, blob, size })
  }
  return inputs
}
