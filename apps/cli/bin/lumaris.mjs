#!/usr/bin/env node
// Finds a Node that runs TypeScript as it is, and hands over. Plain JavaScript: the Node that reads this may be old.
import { spawn } from 'node:child_process'
import module from 'node:module'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR = 24
const here = dirname(realpathSync(fileURLToPath(import.meta.url)))
const main = join(here, '..', 'src', 'main.ts')

function findNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const pinned = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
    if (existsSync(pinned)) return pinned
    if (folder === dirname(folder)) return null
  }
}

/** Kept beside the dependencies: with it `--help` answers sooner, and whatever is started from here takes less memory. Where it cannot be written, Node goes without. */
function cacheOf() {
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'node_modules', 'zod'))) return join(folder, 'node_modules', '.cache', 'lumaris')
    if (folder === dirname(folder)) return null
  }
}
const cache = process.env.NODE_COMPILE_CACHE ?? cacheOf()
if (cache !== null) process.env.NODE_COMPILE_CACHE = cache

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) {
  if (cache !== null) module.enableCompileCache(cache)
  await import(main)
}
else {
  const node = findNode()
  if (node === null) {
    process.stderr.write(`error: lumaris needs Node ${NODE_MAJOR} or newer, this is ${process.versions.node}.\nhint: run npm ci in its checkout, or install a newer Node from nodejs.org.\n`)
    process.exit(1)
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // The terminal sends Ctrl-C to both; this one only waits, so that the other one decides.
  process.on('SIGINT', () => undefined)
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => { process.stderr.write(`error: could not start ${node}: ${error.message}\n`); process.exit(1) })
  child.on('exit', (code, signal) => process.exit(signal ? 128 + ({ SIGINT: 2, SIGTERM: 15, SIGKILL: 9, SIGHUP: 1 }[signal] ?? 1) : code ?? 1))
}
