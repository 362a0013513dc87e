// Runs a TypeScript file of this repository with the pinned Node, on a machine that may have nothing but some Node and npm.
// Plain JavaScript on purpose, and nothing imported but Node's own: it is the one file that must run before anything is installed.
//   node tools/run.mjs [--web] FILE.ts [arguments]        --web: with the screens built
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const NODE_MAJOR = 24
const stamp = join(root, 'node_modules', '.lumaris-installed')

function lockHash() {
  return createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).digest('hex')
}

/** node_modules is trusted only if it was installed from the very lockfile that lies here; a time stamp would lie after a checkout. */
function installed() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()
}

function install() {
  process.stderr.write('Installing dependencies (once; about half a minute)...\n')
  const npm = process.env.npm_execpath
  const [command, args] = npm && npm.endsWith('.js') ? [process.execPath, [npm]] : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []]
  // --ignore-scripts: nothing we depend on needs one, and a stranger's install script is a way in.
  const done = spawnSync(command, [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, NODE_ENV: 'development' } })
  if (done.status !== 0) {
    process.stderr.write('error: installing the dependencies failed (see above). Check that npm can reach its registry, then run the command again.\n')
    process.exit(1)
  }
  writeFileSync(stamp, lockHash())
}

/** The Node to use: the pinned one from node_modules where this platform has it, else the one that runs us, if it is new enough. */
function findNode() {
  const pinned = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(pinned) && statSync(pinned).size > 0) return pinned
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath
  process.stderr.write(`error: Lumaris needs Node ${NODE_MAJOR} or newer, this is ${process.versions.node}. Install it from nodejs.org and run the command again.\n`)
  process.exit(1)
}

if (!installed()) install()
const withWeb = process.argv[2] === '--web'
const [file, ...args] = process.argv.slice(withWeb ? 3 : 2)
if (!file) { process.stderr.write('usage: node tools/run.mjs FILE.ts [arguments]\n'); process.exit(2) }
// A market without screens is still a market: a build that fails says so and stops nothing.
if (withWeb) spawnSync(findNode(), ['--disable-warning=ExperimentalWarning', join(root, 'tools', 'build-web.ts')], { stdio: ['ignore', 2, 2] })
const child = spawn(findNode(), ['--disable-warning=ExperimentalWarning', join(root, file), ...args],
  // Compiled and stripped code is kept: a server then starts sooner and takes a quarter less memory, because what strips types is never loaded.
  { stdio: 'inherit', env: { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'lumaris'), ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` } })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => { process.stderr.write(`error: could not start Node: ${error.message}\n`); process.exit(1) })
child.on('exit', (code, signal) => process.exit(signal ? 128 + ({ SIGINT: 2, SIGTERM: 15, SIGKILL: 9, SIGHUP: 1 }[signal] ?? 1) : code))
