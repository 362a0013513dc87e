// The peers' packages live here, apart from the product's, and are installed the first time somebody measures.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const stamp = join(here, 'node_modules', '.lumaris-installed')

const lockHash = (): string => createHash('sha256').update(readFileSync(join(here, 'package-lock.json'))).digest('hex')
const isInstalled = (): boolean => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()

let failure: string | undefined
/** Installs what is missing; says why that did not work. Asked once per process: the registry does not come back within a run. */
export function packagesMissing(): string | undefined {
  if (failure !== undefined || isInstalled()) return failure
  process.stderr.write('peers: installing the packages of bench/peers (once)\n')
  // Started from `npm run`, npm would take the repository above for the place to install to.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_config_(local_prefix|prefix|workspace|workspaces|include_workspace_root)$/i.test(key)))
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here, env, encoding: 'utf8', timeout: 300_000 })
  if (done.status !== 0) return failure = `npm ci in bench/peers failed: ${(done.stderr || done.error?.message || '').trim().split('\n')[0] ?? ''}`
  writeFileSync(stamp, lockHash())
  return undefined
}

export function packageVersion(name: string): string {
  const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8')) as { packages: Record<string, { version?: string } | undefined> }
  return lock.packages[`node_modules/${name}`]?.version ?? 'not in the lock'
}

/** `T` is the little of the package that we use, written down by hand: the product is type-checked without these packages being there. */
export async function importPeer<T>(name: string): Promise<T> {
  const loaded = await import(name) as T & { default?: T }
  return loaded.default && typeof loaded.default === 'object' ? { ...loaded.default, ...loaded } : loaded
}
