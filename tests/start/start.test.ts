// What keeps a market from starting: one clear sentence each, an exit code that is not 0, and nothing touched. And the second start finds what the
// first one left.
import { afterEach, expect, test } from 'vitest'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openDatabase } from '../../apps/server/src/database/open.ts'

const root = join(import.meta.dirname, '..', '..')
const dirs: string[] = [], children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) { const over = new Promise((resolve) => child.once('exit', resolve)); child.kill('SIGKILL'); await over }
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
})
const fresh = (): string => { const dir = mkdtempSync(join(tmpdir(), 'lumaris-start-')); dirs.push(dir); return dir }
// The profile of the checkout belongs to whoever works here: these markets keep theirs beside their data.
const start = (dir: string, ...args: string[]) => spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'apps/cli/src/start.ts'), '--data', dir, ...args], { env: { ...process.env, LUMARIS_CHECKOUT: dir, NO_COLOR: '1' } })
async function run(dir: string, ...args: string[]): Promise<{ code: number | null; err: string; out: string }> {
  const child = start(dir, ...args)
  children.push(child)
  let err = '', out = ''
  child.stderr.on('data', (text: Buffer) => { err += String(text) })
  child.stdout.on('data', (text: Buffer) => { out += String(text) })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, err, out }
}
const errorLine = (err: string): string => /^error: .*$/m.exec(err)?.[0] ?? ''

test('a taken port', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { code, err } = await run(fresh(), '--exit', '--port', String((server.address() as { port: number }).port))
  server.close()
  expect(errorLine(err)).toBe('error: The port is taken: another program listens there')
  expect(err).toContain('npm start -- --port')
  expect(code).toBe(1)
})
test('a data directory that cannot be one', async () => {
  const file = join(fresh(), 'file')
  writeFileSync(file, 'not a directory')
  const { code, err } = await run(join(file, 'market'), '--exit', '--port', '0')
  expect(errorLine(err)).toMatch(/^error: .*(cannot (write|make|be written)|not a directory)/)
  expect(code).not.toBe(0)
})
test('a damaged database is named, and not touched', async () => {
  const dir = fresh()
  mkdirSync(join(dir, 'server'), { recursive: true })
  const db = await openDatabase({ dataDir: join(dir, 'server'), nowMs: 1 })
  await db.close()
  const file = join(dir, 'server', 'market.sqlite')
  const bytes = readFileSync(file)
  bytes.fill(0xa5, 4096, 40_000)
  writeFileSync(file, bytes)
  const { code, err } = await run(dir, '--exit', '--port', '0')
  expect(errorLine(err)).toMatch(/^error: .*market\.sqlite.*damaged/)
  expect(errorLine(err)).toMatch(/restore|backup/)
  expect(code).toBe(1)
  expect(readFileSync(file).equals(bytes)).toBe(true)
})
test('an option that is none', async () => {
  const { code, err } = await run(fresh(), '--what')
  expect(errorLine(err)).toContain('--what')
  expect(code).toBe(2)
})
test('a Node that is too old says which one it needs', () => {
  // The runner decides by what it finds beside it: a copy of it without the pinned Node, run by this Node under another version.
  const dir = fresh()
  mkdirSync(join(dir, 'tools'))
  mkdirSync(join(dir, 'node_modules'))
  writeFileSync(join(dir, 'package-lock.json'), '{}')
  writeFileSync(join(dir, 'tools', 'run.mjs'), readFileSync(join(root, 'tools', 'run.mjs'), 'utf8'))
  const hash = spawnSync('sha256sum', [join(dir, 'package-lock.json')], { encoding: 'utf8' }).stdout.slice(0, 64)
  writeFileSync(join(dir, 'node_modules', '.lumaris-installed'), hash)
  writeFileSync(join(dir, 'old.mjs'), "Object.defineProperty(process.versions, 'node', { value: '18.0.0' })")
  const { status, stderr } = spawnSync(process.execPath, ['--import', join(dir, 'old.mjs'), join(dir, 'tools', 'run.mjs'), 'x.ts'], { encoding: 'utf8' })
  expect(stderr).toMatch(/^error: Lumaris needs Node 24 or newer, this is 18\.0\.0\./)
  expect(status).toBe(1)
})
test('the sample runs to its end; a second market in the same directory is refused while the first is up; the next start finds everything', { timeout: 900_000 }, async () => {
  const dir = fresh()
  const first = start(dir, '--port', '0')
  children.push(first)
  let said = ''
  first.stderr.on('data', (text: Buffer) => { said += String(text) })
  const good: string[] = []
  const lines = createInterface({ input: first.stdout })
  lines.on('line', (line) => { if (line.trim().startsWith('✓') || line.trim().startsWith('✗')) good.push(line.trim()) })
  await expect.poll(() => said, { timeout: 600_000 }).toContain('Ctrl-C stops the market') // four parts in Python: on a machine that simulates markets beside it, three minutes
  expect(good).toHaveLength(4)
  expect(good.every((line) => line.startsWith('✓'))).toBe(true)

  const second = await run(dir, '--exit', '--port', '0')
  expect(errorLine(second.err)).toMatch(/another Lumaris/)
  expect(second.code).toBe(1)

  const ended = new Promise<number | null>((resolve) => first.once('exit', resolve))
  first.kill('SIGTERM')
  expect(await ended).toBe(0)
  const again = await run(dir, '--exit', '--port', '0')
  expect(again.code, again.err).toBe(0)
  // A split job: its parts over the nodes, and one result of all.
  expect(again.out).toMatch(/Merged: 4 parts into .*weather\.json \(\d+ bytes, sha256 [0-9a-f]{64}\)/)
  expect((JSON.parse(readFileSync(join(dir, '.lumaris', 'sample', 'weather.json'), 'utf8')) as { year: number }[]).map(({ year }) => year)).toEqual([2012, 2013, 2014, 2015])
  // The first sample's postings are still there beside the second's.
  expect(Number(/balances: (\d+) postings/.exec(again.out)?.[1])).toBeGreaterThan(15)
  expect(existsSync(join(dir, 'server', 'market.sqlite'))).toBe(true)
})
