import { afterAll, describe, expect, test } from 'vitest'
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pack } from './database.ts'
import type { Database } from './database.ts'
import { databaseContract, kindOf, statement, write, writingProcess } from './database.contract.ts'
import { openSqlite } from './sqlite.ts'

const base = mkdtempSync(join(tmpdir(), 'lumaris-sqlite-'))
let made = 0
const freshFile = (): string => join(base, String(made++), 'market.sqlite')
afterAll(() => rmSync(base, { recursive: true, force: true }))

databaseContract('sqlite', async () => {
  const file = freshFile()
  return { where: file, open: () => openSqlite(file) }
})

describe('one server per directory', () => {
  test('a second one is told who is there and what to do, and can start when the first has closed', async () => {
    const file = freshFile()
    const first = await openSqlite(file)
    await expect(openSqlite(file)).rejects.toMatchObject({ kind: 'locked', message: expect.stringMatching(/another Lumaris server is running with .*\/lock\): stop it/) as string })
    await write(first, 'CREATE TABLE still (works TEXT)')
    await first.close()
    await (await openSqlite(file)).close()
  })

  test('the lock of a process that was killed with -9 is free at once', async () => {
    const file = freshFile()
    const other = await writingProcess('sqlite', file, 1)
    expect(await kindOf(openSqlite(file))).toBe('locked')
    other.child.kill('SIGKILL')
    await other.ended
    await (await openSqlite(file)).close()
  })
})

describe('a file that cannot be used', () => {
  const filled = async (): Promise<string> => {
    const file = freshFile()
    const db = await openSqlite(file)
    await write(db, 'CREATE TABLE things (id INTEGER PRIMARY KEY, doc TEXT)')
    await db.transact([{ sql: 'INSERT INTO things (doc) VALUES ($1)', params: [], packed: pack(Array.from({ length: 500 }, (_, i) => [`${i} `.repeat(200)])) }])
    await db.close()
    return file
  }

  test('damaged pages are found at the start, the file is named and left as it is', async () => {
    const file = await filled()
    const handle = openSync(file, 'r+')
    for (let at = 3 * 4096; at < statSync(file).size - 4096; at += 4096) writeSync(handle, Buffer.alloc(512, 0xa5), 0, 512, at)
    closeSync(handle)
    const before = readFileSync(file)
    await expect(openSqlite(file)).rejects.toMatchObject({ kind: 'damaged', message: expect.stringContaining(`${file} is damaged`) as string })
    expect(readFileSync(file).equals(before)).toBe(true)
    expect(await kindOf(openSqlite(file))).toBe('damaged') // and not 'locked': the lock was given back
  })

  test('a file that is no database is damaged, not overwritten', async () => {
    const file = await filled()
    writeFileSync(file, 'Dear diary, '.repeat(1000))
    expect(await kindOf(openSqlite(file))).toBe('damaged')
    expect(readFileSync(file, 'utf8').startsWith('Dear diary')).toBe(true)
  })

  test.skipIf(process.getuid?.() === 0)('a directory we may not write to is named (root may write everywhere)', async () => {
    const dir = mkdtempSync(join(base, 'closed-'))
    chmodSync(dir, 0o500)
    await expect(openSqlite(join(dir, 'market.sqlite'))).rejects.toMatchObject({ kind: 'readonly', message: expect.stringContaining(dir) as string })
  })
})

// A file system of our own, small enough to fill: needs root, as CI has it.
const mounted = (options: string): string | null => {
  const dir = mkdtempSync(join(base, 'mount-'))
  return process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', dir]).status === 0 ? dir : null
}
const probe = mounted('size=64k')
if (probe) spawnSync('umount', [probe])
describe.skipIf(!probe)(probe ? 'the disk' : 'the disk (no right to mount a small one here)', () => {
  const onDisk = async (options: string, act: (dir: string) => Promise<void>): Promise<void> => {
    const dir = mounted(options) as string // the probe has shown that it works
    try { await act(dir) } finally { spawnSync('umount', ['-l', dir]) }
  }
  const fill = async (db: Database): Promise<string> => {
    for (let i = 0; ; i++) {
      const kind = await kindOf(db.transact([statement('INSERT INTO things (doc) VALUES ($1)', ['left'.repeat(5_000)]), statement('INSERT INTO things (doc) VALUES ($1)', ['right'.repeat(5_000)])]))
      if (kind !== 'fine') return kind
      if (i > 1_000) return 'never full'
    }
  }

  test('when it is full the transaction is refused whole, and work goes on when there is room again', () => onDisk('size=2m', async (dir) => {
    const ballast = join(dir, 'ballast')
    writeFileSync(ballast, Buffer.alloc(600_000))
    const db = await openSqlite(join(dir, 'market.sqlite'))
    await write(db, 'CREATE TABLE things (id INTEGER PRIMARY KEY, doc TEXT)')
    expect(await fill(db)).toBe('full')
    const [row] = await db.query<{ n: number }>('SELECT COUNT(*) AS n FROM things')
    expect((row as { n: number }).n % 2).toBe(0)
    rmSync(ballast)
    await write(db, "INSERT INTO things (doc) VALUES ('room')")
    await db.close()
  }))

  test('when it is full from the start, that is what is said', () => onDisk('size=64k', async (dir) => {
    writeFileSync(join(dir, 'ballast'), Buffer.alloc(60_000))
    expect(await kindOf(openSqlite(join(dir, 'market.sqlite')))).toBe('full')
  }))

  test('when it is read-only the directory is named', () => onDisk('size=1m', async (dir) => {
    await (await openSqlite(join(dir, 'market.sqlite'))).close()
    expect(existsSync(join(dir, 'market.sqlite'))).toBe(true)
    spawnSync('mount', ['-o', 'remount,ro', dir])
    await expect(openSqlite(join(dir, 'market.sqlite'))).rejects.toMatchObject({ kind: 'readonly', message: expect.stringContaining(dir) as string })
  }))
})
