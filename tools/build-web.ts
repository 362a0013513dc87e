// Builds the screens into apps/web/dist when they are missing or were built from other sources. `npm start` and `npm test` run it first.
// Told by content, not by time: a checkout gives old files new times. `--force` builds anyway.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const root = join(import.meta.dirname, '..')
const web = join(root, 'apps/web'), dist = join(web, 'dist'), stamp = join(dist, '.sources')
/** What ends up in the page: the screens and the packages they are made of; the lockfile stands for everything installed. */
const SOURCES = ['apps/web/src', 'apps/web/public', 'apps/web/index.html', 'apps/web/vite.config.ts', 'packages/protocol/src', 'packages/protocol/package.json', 'packages/sdk/src', 'packages/sdk/package.json', 'package-lock.json']

function sourcesHash(): string {
  const hash = createHash('sha256')
  for (const source of SOURCES) {
    const place = join(root, source)
    const names = statSync(place).isFile() ? [''] : readdirSync(place, { recursive: true, encoding: 'utf8' }).toSorted()
    for (const name of names) if (statSync(join(place, name)).isFile()) hash.update(`${source}/${name}\n`).update(readFileSync(join(place, name)))
  }
  return hash.digest('hex')
}

/** The JavaScript that must be there before the first page shows, as it travels: what the page names itself, compressed. */
function firstLoadBytes(): number {
  const html = readFileSync(join(dist, 'index.html'), 'utf8')
  const names = [...html.matchAll(/(?:src|href)="\/([^"]+\.js)"/g)].map((match) => match[1] as string)
  return names.reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, name)), { level: 9 }).length, 0)
}

const hash = sourcesHash()
if (!process.argv.includes('--force') && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) process.exit(0)
process.stderr.write('Building the screens (a few seconds)...\n')
const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
const built = spawnSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd: web, stdio: ['ignore', 2, 2], env: { ...process.env, NODE_ENV: 'production' } })
if (built.status !== 0) {
  process.stderr.write('warning: the screens could not be built (see above); the market works without them.\n')
  process.exit(1)
}
mkdirSync(dist, { recursive: true })
writeFileSync(stamp, hash)
process.stderr.write(`First load: ${(firstLoadBytes() / 1000).toFixed(1)} kB of JavaScript, compressed.\n`)
