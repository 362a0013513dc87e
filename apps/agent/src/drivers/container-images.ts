// Images on this node: fetched by digest from registries that the seller allows, with the seller's credentials where there are some, and kept until
// the cache is full; then those that were not used for the longest time go. Only what was fetched here is ever removed: the seller's engine may have
// images of its own.
//
// Which registries: a buyer names the host that this machine is to talk to, so there is a list. Without one, any name would do, and a job could make
// a seller's engine knock on doors of the seller's own network.
import { existsSync, readFileSync, renameSync, statSync, statfsSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import type { ImageInfo } from 'dockerode'
import { sizeBelow } from './collect-outputs.ts'
import type { Engine } from './container-engine.ts'

const GIB = 1024 ** 3
/** What engines set where an image says nothing. */
const USUAL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const REGISTRIES = ['docker.io', 'ghcr.io', 'quay.io', 'gcr.io', 'mcr.microsoft.com', 'public.ecr.aws', 'registry.gitlab.com', 'registry.k8s.io', 'nvcr.io'] as const
export const IMAGE_CACHE_BYTES = 20 * GIB
/** The largest images of machine learning, about 10 GiB, come in this time over 150 Mbit/s. */
const PULL_MAX_MS = 15 * 60_000
/** Nothing new for so long: the registry or the line is gone. */
const PULL_SILENT_MS = 60_000
const PULLS_MAX = 3
/** How often the room on the disk is looked at while layers are unpacked: an archive tells its true size only then. */
const LOOK_MS = 100
/** The machine's owner needs some of the disk too. */
const FREE_BYTES_MIN = GIB

/** The order's fault: there is no such image, or it is not what its digest says, or it is not for this node. */
export class ImageRefused extends Error { override readonly name = 'ImageRefused' }
/** This node's fault, or its line's. */
export class ImageFailed extends Error { override readonly name = 'ImageFailed' }
export type PullProgress = { readonly image: string; readonly bytes: number; readonly total: number }
export type ImagesOptions = {
  readonly engine: Engine; readonly indexFile: string
  readonly registries?: readonly string[]
  /** A file as docker's config.json, closed to others; read at each pull. */
  readonly authFile?: string
  readonly bytesMax?: number
  readonly progress?: (progress: PullProgress) => void
}
export type HeldImage = { readonly id: string; readonly volumes: readonly string[]; /** Where it looks for programs. */ readonly searchPath: string; release(): void }
export type Images = {
  /** There and not removed until it is released. */
  hold(ref: string, stop?: AbortSignal): Promise<HeldImage>
  /** Removes the longest unused until the rest fits; how many. */
  collect(): Promise<number>
  readonly kept: readonly string[]
}
/** Images whose fetching has failed, the newest: each costs a question whenever the cache is looked through. */
const CUT_MAX = 20
type Entry = { id: string; bytes: number; usedAt: number }

export function createImages({ engine, indexFile, registries = REGISTRIES, authFile, bytesMax = IMAGE_CACHE_BYTES, progress }: ImagesOptions): Images {
  const { docker } = engine
  const index = new Map<string, Entry>(readIndex(indexFile))
  const used = new Map<string, number>()
  const pulls = new Map<string, Promise<ImageInfo>>()
  const waiting: (() => void)[] = [], cut = new Set<string>()
  let pulling = 0
  const save = (): void => { writeFileSync(`${indexFile}.new`, JSON.stringify([...index])); renameSync(`${indexFile}.new`, indexFile) }
  const touch = (ref: string): void => { const entry = index.get(ref); if (entry) { entry.usedAt = Date.now(); save() } }

  async function fetchImage(ref: string): Promise<ImageInfo> {
    if (pulling >= PULLS_MAX) await new Promise<void>((resolve) => waiting.push(resolve))
    pulling++
    try {
      await collect()
      // Cut off when it is seen to be too large; but podman may have had all of it by then, and keeps it: looked for again whenever the cache is looked through.
      cut.add(ref)
      for (const oldest of cut) { if (cut.size <= CUT_MAX) break; cut.delete(oldest) }
      await pull(docker, ref, { auth: authOf(ref, authFile), rootDir: engine.rootDir, bytesMax, atOnce: () => pulling, ...(progress ? { progress } : {}) })
      cut.delete(ref)
      const image = await find(docker, ref)
      if (!image) throw new ImageRefused(`the image ${ref} does not match its digest`)
      index.set(ref, { id: image.Id, bytes: image.Size, usedAt: Date.now() })
      save()
      if (image.Size > bytesMax) { await remove(ref); throw new ImageRefused(tooLarge(ref, bytesMax)) }
      return image
    } finally { pulling--; waiting.shift()?.() }
  }
  async function remove(ref: string): Promise<boolean> {
    // Not by force: what a container still uses stays.
    const gone = await docker.getImage(ref).remove().then(() => true, (error: Error & { statusCode?: number }) => error.statusCode === 404)
    if (gone) { index.delete(ref); save() }
    return gone
  }
  async function collect(): Promise<number> {
    for (const ref of cut) if (!pulls.has(ref) && !index.has(ref) && await find(docker, ref) && await remove(ref)) cut.delete(ref)
    let count = 0
    const size = (): number => [...index.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    for (const [ref] of [...index].sort(([, a], [, b]) => a.usedAt - b.usedAt)) {
      if (size() <= bytesMax) break
      if ((used.get(ref) ?? 0) === 0 && !pulls.has(ref) && await remove(ref)) count++
    }
    return count
  }

  return {
    collect, get kept() { return [...index.keys()] },
    async hold(ref, stop) {
      const host = hostOf(ref)
      if (!registries.includes(host)) throw new ImageRefused(`this node takes no images from ${host}, only from ${registries.join(', ')}`)
      used.set(ref, (used.get(ref) ?? 0) + 1)
      const release = (): void => { const left = (used.get(ref) ?? 1) - 1; if (left > 0) used.set(ref, left); else used.delete(ref); touch(ref) }
      try {
        await engine.ready()
        let image = await find(docker, ref)
        if (!image) {
          let fetching = pulls.get(ref)
          if (!fetching) { fetching = fetchImage(ref).finally(() => pulls.delete(ref)); pulls.set(ref, fetching) }
          // Whoever waits may give up; the fetch goes on, for the next one.
          image = await orStopped(fetching, stop)
        }
        await collect()
        if (image.Os !== undefined && image.Os !== '' && image.Os !== 'linux') throw new ImageRefused(`the image ${ref} is for ${image.Os}, not for linux`)
        const own = process.arch === 'x64' ? 'amd64' : process.arch
        if (image.Architecture !== undefined && image.Architecture !== '' && image.Architecture !== own) throw new ImageRefused(`the image ${ref} is for ${image.Architecture}, this node is ${own}`)
        return { id: image.Id, volumes: Object.keys(image.Config?.Volumes ?? {}), searchPath: image.Config?.Env?.find((one) => one.startsWith('PATH='))?.slice('PATH='.length) ?? USUAL_PATH, release }
      } catch (error) { release(); throw error }
    },
  }
}
const tooLarge = (ref: string, bytesMax: number): string => `the image ${ref} takes more than the ${bytesMax} bytes that this node keeps for images`
const digestOf = (ref: string): string => ref.slice(ref.indexOf('@') + 1)
const nameOf = (ref: string): string => ref.slice(0, ref.indexOf('@'))
const hostOf = (ref: string): string => ref.slice(0, ref.indexOf('/'))
/** Engines know an image of a name and a digest without its tag. */
export const untagged = (ref: string): string => ref.replace(/(\/[^/:@]+):[^/@]+@/, '$1@')

function readIndex(file: string): [string, Entry][] {
  if (!existsSync(file)) return []
  try { return JSON.parse(readFileSync(file, 'utf8')) as [string, Entry][] } catch { return [] /* torn by a crash: those images are the engine's to show, and pulled again where they are gone */ }
}

/** The image if the engine has it under this very digest. */
async function find(docker: Docker, ref: string): Promise<ImageInfo | null> {
  try {
    const image = await docker.getImage(untagged(ref)).inspect()
    return image.RepoDigests?.some((one) => one.endsWith(`@${digestOf(ref)}`)) ? image : null
  } catch (error) { if ((error as { statusCode?: number }).statusCode === 404) return null; throw new ImageFailed(`the engine cannot say whether it has ${ref}: ${(error as Error).message}`, { cause: error }) }
}

function orStopped<T>(work: Promise<T>, stop: AbortSignal | undefined): Promise<T> {
  if (!stop) return work
  work.catch(() => undefined) // if nobody waits any more
  return new Promise((resolve, reject) => {
    const give = (): void => reject(stop.reason as Error)
    if (stop.aborted) return give()
    stop.addEventListener('abort', give, { once: true })
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', give))
  })
}

type PullOptions = { readonly auth: object | null; readonly rootDir: string | null; readonly bytesMax: number; /** Fetches under way: their layers cannot be told apart. */ readonly atOnce: () => number; readonly progress?: (progress: PullProgress) => void }
async function pull(docker: Docker, ref: string, { auth, rootDir, bytesMax, atOnce, progress }: PullOptions): Promise<void> {
  const abort = new AbortController()
  let stream: Readable
  const late = setTimeout(() => abort.abort(new ImageFailed(`the image ${ref} did not come within ${PULL_MAX_MS / 60_000} minutes`)), PULL_MAX_MS)
  let silent = setTimeout(() => undefined, 0)
  const heard = (): void => { clearTimeout(silent); silent = setTimeout(() => abort.abort(new ImageFailed(`nothing of the image ${ref} has come for ${PULL_SILENT_MS / 1000} seconds`)), PULL_SILENT_MS) }
  const free = (): number => { if (rootDir === null) return 0; const fs = statfsSync(rootDir); return fs.bavail * fs.bsize }
  const before = free(), old = rootDir === null ? new Set<string>() : new Set(await layersIn(rootDir))
  let looking = false
  const look = setInterval(() => {
    if (rootDir === null || looking) return
    if (free() < Math.min(FREE_BYTES_MIN, before / 2)) abort.abort(new ImageFailed('the disk of this node is nearly full'))
    if (before - free() <= bytesMax) return
    // Others write to the same disk: what is new among the layers is counted before anybody is blamed.
    looking = true
    void newLayers(rootDir, old).then((bytes) => { if (bytes > bytesMax * atOnce()) abort.abort(new ImageRefused(tooLarge(ref, bytesMax))) }, () => undefined /* a layer was moved meanwhile */).finally(() => { looking = false })
  }, LOOK_MS)
  heard()
  try {
    stream = await docker.pull(untagged(ref), { ...(auth ? { authconfig: auth } : {}), abortSignal: abort.signal })
    const layers = new Map<string, { current: number; total: number }>()
    let rest = ''
    for await (const chunk of stream) {
      heard()
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const news = parseNews(line)
        if (news?.error) throw meaningOf(ref, news.error)
        if (news?.id && news.progressDetail?.total) {
          layers.set(news.id, { current: news.progressDetail.current ?? 0, total: news.progressDetail.total })
          const sum = (what: 'current' | 'total'): number => [...layers.values()].reduce((all, layer) => all + layer[what], 0)
          progress?.({ image: ref, bytes: sum('current'), total: sum('total') })
          if (sum('total') > bytesMax) throw new ImageRefused(tooLarge(ref, bytesMax))
        }
      }
    }
    const last = parseNews(rest)
    if (last?.error) throw meaningOf(ref, last.error)
    if (abort.signal.aborted) throw abort.signal.reason as Error
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason as Error
    if (error instanceof ImageRefused || error instanceof ImageFailed) throw error
    throw meaningOf(ref, (error as Error).message)
  } finally { clearTimeout(late); clearTimeout(silent); clearInterval(look) }
}
/** Where both engines lay out layers. */
async function layersIn(rootDir: string): Promise<string[]> {
  const places = ['overlay', 'overlay2'].map((name) => join(rootDir, name)).filter((dir) => existsSync(dir))
  return (await Promise.all(places.map(async (place) => (await readdir(place)).map((name) => join(place, name))))).flat()
}
/** Bytes of those that were not there before; beside `diff` a running container shows its whole root. */
async function newLayers(rootDir: string, old: ReadonlySet<string>): Promise<number> {
  let bytes = 0
  for (const layer of await layersIn(rootDir)) if (!old.has(layer)) bytes += await sizeBelow(join(layer, 'diff'), Infinity)
  return bytes
}
type News = { id?: string; error?: string; progressDetail?: { current?: number; total?: number } }
const parseNews = (line: string): News | null => { try { return JSON.parse(line) as News } catch { return null /* an empty line */ } }

// What engines say when an image cannot be had. They pass on the registry's words, so registries are chosen by the seller.
const MEANINGS: readonly (readonly [RegExp, (ref: string) => string])[] = [
  [/digest.*(did not match|mismatch|does not match)|does not match.*digest|verification failed|unexpected commit digest|wrong digest/i, (ref) => `the image ${ref} does not match its digest`],
  [/manifest unknown|name unknown|unknown blob|blob unknown|not found|\b404\b|repository .* does not exist/i, (ref) => `there is no image ${ref}`],
  [/unauthorized|authentication required|no basic auth credentials|access denied|denied|\b40[13]\b|invalid username/i, (ref) => `the registry of ${ref} wants credentials that this node does not have`],
  [/no matching manifest|no image found in|no child with platform|unsupported manifest|image is not for/i, (ref) => `the image ${ref} is not for this kind of machine (${process.arch})`],
]
export function meaningOf(ref: string, says: string): Error {
  // Without what the buyer wrote: an image may be called `denied`, and a registry listen on a port with 404 in it.
  const bare = [digestOf(ref), nameOf(ref), nameOf(untagged(ref)), hostOf(ref)].reduce((text, own) => text.replaceAll(own, ''), says)
  for (const [pattern, meaning] of MEANINGS) if (pattern.test(bare)) return new ImageRefused(`${meaning(ref)} (${short(says)})`)
  return new ImageFailed(`the image ${ref} could not be fetched: ${short(says)}`)
}
const short = (says: string): string => says.replaceAll(/\s+/g, ' ').trim().slice(0, 300)

/** The seller's credentials for the registry of an image, as engines take them. */
function authOf(ref: string, file: string | undefined): object | null {
  if (file === undefined) return null
  if ((statSync(file).mode & 0o077) !== 0) throw new ImageFailed(`${file} holds passwords and can be read by others: chmod 600 it`)
  const host = hostOf(ref)
  const { auths = {} } = JSON.parse(readFileSync(file, 'utf8')) as { auths?: Record<string, { auth?: string; username?: string; password?: string } | undefined> }
  const one = auths[host] ?? auths[`https://${host}`] ?? (host === 'docker.io' ? auths['https://index.docker.io/v1/'] : undefined)
  if (!one) return null
  const [username = '', ...rest] = one.auth === undefined ? [one.username, one.password ?? ''] : Buffer.from(one.auth, 'base64').toString('utf8').split(':')
  return { username, password: rest.join(':'), serveraddress: host }
}
