// Encrypted scratch, as whoever takes the disk out of the machine sees it: the agent, a process of its own, has its data and its scratch on a file system
// of the test's, and the raw device of that file system is searched. The same job without encryption leaves its words there, or the search would show nothing.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { MIB } from '@lumaris/protocol'
import type { JobSpecInput } from '@lumaris/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { inPath } from './drivers/stage.ts'
import { findInFile } from './drivers/vault.ts'
import { startTinyMarket } from './tiny-market.ts'

const MAIN = new URL('./main.ts', import.meta.url).pathname
const missing = process.platform !== 'linux' || process.getuid?.() !== 0 ? ' (encrypted scratch needs root on Linux)' : !inPath('xfs_io') ? ' (xfsprogs is not installed)' : !existsSync('/dev/loop-control') ? ' (there are no loop devices)' : ''

async function setup(driver: string) {
  const market = await startTinyMarket()
  const home = mkdtempSync(join(tmpdir(), 'lumaris-raw-')), raw = join(home, 'raw.img'), disk = join(home, 'disk')
  chmodSync(home, 0o711)
  mkdirSync(disk)
  expect(spawnSync('mke2fs', ['-q', '-F', '-t', 'ext4', raw, '512m']).status).toBe(0)
  expect(spawnSync('mount', ['-o', 'loop', raw, disk]).status).toBe(0)
  mkdirSync(join(disk, 'tmp'), { mode: 0o755 })
  const children: ChildProcess[] = []
  const start = (...more: string[]) => {
    const child = spawn(process.execPath, [MAIN, '--server', market.url, '--data', join(disk, 'data'), '--name', 'north', '--driver', driver, '--log-level', 'debug', ...more], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: join(disk, 'tmp') } })
    children.push(child)
    return { child, out: text(child.stdout), exit: once(child, 'exit') }
  }
  onTestFinished(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) { child.kill('SIGTERM'); await once(child, 'exit') }
    await market.close()
    const left = mountsBelow(`${disk}/`)
    for (const place of left.toReversed()) spawnSync('umount', ['-l', place])
    spawnSync('umount', [disk])
    rmSync(home, { recursive: true, force: true })
    expect(left).toEqual([])
    expect(spawnSync('losetup', ['-a'], { encoding: 'utf8' }).stdout).not.toContain(home)
  })
  /** All that lies on the raw device now. */
  const search = async (words: readonly string[]) => { for (const place of [...mountsBelow(`${disk}/tmp/`).toReversed(), disk]) spawnSync('sync', ['-f', place]); return [...await findInFile(raw, words)].sort() }
  /** What stands ready for no job yet is mounted as well, and has no input. */
  const jobDirs = (): string[] => mountsBelow(`${disk}/tmp/`).filter((path) => (path.endsWith('.job') || path.includes('/disks/')) && existsSync(join(path, 'in.txt')))
  return { market, disk, start, search, jobDirs }
}
const programsWith = (words: string): string[] => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') } catch { return '' /* gone */ } }).filter((line) => line.includes(words))
const mountsBelow = (dir: string): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(dir))

const PROGRAMS = { bwrap: 'bwrap', gvisor: 'runsc' } as const
for (const driver of ['bwrap', 'gvisor'] as const) test.skipIf(missing || !inPath(PROGRAMS[driver]))(`the raw device of a node shows nothing of an encrypted job in ${driver}: while it runs, when its agent is killed, when it has ended; of a plain one it does${missing || ` (${PROGRAMS[driver]} is needed)`}`, { timeout: 300_000 }, async () => {
  const { market, start, search, jobDirs } = await setup(driver)
  const wordsOf = (name: string) => ({ input: `${name}-in-an-input`, argument: `${name}-in-an-argument`, variable: `${name}-in-a-variable`, made: `${name}-in-a-result`, file: `${name}-as-a-name`, printed: `${name}-in-the-output` })
  const submit = (name: string, placement: JobSpecInput['placement']) => {
    const words = wordsOf(name), half = words.made.length / 2
    // In halves where a word must come from a file and not from the command.
    const script = `n=${words.made.slice(0, half)}; yes "\${n}${words.made.slice(half)}" | head -n 3000 > made.txt; m=${words.printed.slice(0, 5)}; yes "\${m}${words.printed.slice(5)}" | head -n 3000; touch '${words.file}'; echo up >&2; while [ ! -e go ]; do sleep 0.05; done`
    return market.submit({ command: ['/bin/sh', '-c', script, words.argument], env: { WORD: words.variable }, runtime: 'native', outputs: ['*.txt'], stdout: 'printed.txt', inputs: [{ path: 'in.txt', ...market.put(`${words.input}\n`.repeat(3000)) }], resources: { memoryBytes: 64 * MIB, diskBytes: 8 * MIB }, placement: { ...placement } } as JobSpecInput)
  }
  const up = (job: ReturnType<typeof submit>) => expect.poll(() => market.received.filter((one) => one.type === 'log' && one.stream === 'stderr' && [...market.market.state.attempts.values()].some(({ id, job: of }) => of === job && id === one.attempt_id)).length, { timeout: 60_000 }).toBeGreaterThanOrEqual(1)
  const secret = Object.values(wordsOf('hidden'))

  const first = start('--token', market.token('north'))
  await market.until(() => market.joined.size > 0)
  const lost = submit('hidden', { encryptedScratch: true })
  await up(lost)
  expect(await search(secret)).toEqual([])
  // Whoever is root on a machine whose agent runs can still look, and meddle.
  const [dir = ''] = jobDirs()
  expect(readFileSync(join(dir, 'in.txt'), 'utf8')).toContain('hidden-in-an-input')
  first.child.kill('SIGKILL')
  await first.exit
  await expect.poll(() => mountsBelow(dir.slice(0, dir.indexOf('/vaults/') + 8)), { timeout: 60_000 }).toEqual([])
  // Nothing runs on that would hold a file, and with it the key.
  await expect.poll(() => programsWith(dir.slice(0, dir.indexOf('/vaults/') + 8)), { timeout: 60_000 }).toEqual([])
  expect(await search(secret)).toEqual([])

  const second = start()
  await market.until(() => market.joined.size > 0)
  const job = submit('hidden', { encryptedScratch: true })
  await up(job)
  expect(await search(secret)).toEqual([])
  for (const one of jobDirs()) writeFileSync(join(one, 'go'), '')
  await market.until(() => market.market.job(job)?.state === 'completed')
  const sent = [...market.blobs.values()].map(String)
  expect(sent.some((one) => one.includes('hidden-in-a-result'))).toBe(true)
  expect(sent.some((one) => one.includes('hidden-in-the-output'))).toBe(true)
  expect(market.attemptOf(job)).toMatchObject({ cause: 'succeeded', driver })
  await expect.poll(jobDirs).toEqual([])
  expect(await search(secret)).toEqual([])

  const plain = submit('open', {})
  await up(plain)
  expect(await search([...secret, ...Object.values(wordsOf('open'))])).toEqual(Object.values(wordsOf('open')).sort())
  writeFileSync(join(jobDirs()[0] ?? '', 'go'), '')
  await market.until(() => market.market.job(plain)?.state === 'completed')
  second.child.kill('SIGTERM')
  await second.exit
  const said = await second.out + await first.out
  expect(secret.filter((word) => said.includes(word))).toEqual([])
})
