// What is written here is opened by others: the zip of Python, and unzip where there is one.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { safeNames, zipLength, zipOf } from './zip.ts'
import type { Packed } from './zip.ts'

const file = (name: string, text: string): Packed => ({ name, size: Buffer.byteLength(text), at: Date.UTC(2026, 1, 3, 4, 5, 6), read: async function* () { for (const letter of text) yield Buffer.from(letter) } })
async function written(files: readonly Packed[], limits?: { bytes: number; files: number }): Promise<{ path: string; bytes: Buffer; dir: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-zip-')), path = join(dir, 'a.zip'), pieces: Uint8Array[] = []
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  for await (const piece of zipOf(files, limits)) pieces.push(piece)
  const bytes = Buffer.concat(pieces)
  expect(bytes.length).toBe(zipLength(files, limits))
  writeFileSync(path, bytes)
  return { path, bytes, dir }
}
/** Names, contents, times and modes as Python's zipfile sees them; it checks each CRC. */
const opened = (path: string): { name: string; text: string; time: number[]; mode: number }[] => JSON.parse(execFileSync('python3', ['-c', `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps([{'name': i.filename, 'text': z.read(i).decode(), 'time': i.date_time, 'mode': i.external_attr >> 16} for i in z.infolist()]))`, path], { encoding: 'utf8', maxBuffer: 1 << 28 })) as ReturnType<typeof opened>

const has = (program: string): boolean => spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined
describe.skipIf(!has('python3'))(has('python3') ? 'opened by Python' : 'no python3 on this machine', () => {
  test('files come out as they went in, with their names, times and modes', async () => {
    const { path } = await written([file('a.txt', 'hello'), file('größe/日本.csv', 'ü,1\n'), file('empty', '')])
    expect(opened(path)).toEqual([
      { name: 'a.txt', text: 'hello', time: [2026, 2, 3, 4, 5, 6], mode: 0o100644 }, { name: 'größe/日本.csv', text: 'ü,1\n', time: [2026, 2, 3, 4, 5, 6], mode: 0o100644 }, { name: 'empty', text: '', time: [2026, 2, 3, 4, 5, 6], mode: 0o100644 },
    ])
  })
  test('a zip of nothing is one', async () => expect(opened((await written([])).path)).toEqual([]))
  // The bounds are lower here: what is written past 4 GiB and past 65,535 files is the same.
  test.each([{ bytes: 4, files: 0xffff }, { bytes: 60, files: 0xffff }, { bytes: 0xffff_ffff, files: 2 }, { bytes: 1, files: 1 }])('large ones are zip64: past $bytes bytes or $files files', async (limits) => {
    const { path, bytes } = await written([file('one', 'one'), file('two', 'two two two'), file('three', 'three')], limits)
    expect(bytes.includes(Buffer.from('PK\u0006\u0006'))).toBe(true)
    expect(opened(path).map(({ name, text }) => `${name}: ${text}`)).toEqual(['one: one', 'two: two two two', 'three: three'])
  })
  test('as many files as need it', { timeout: 300_000 }, async () => {
    const { path } = await written(Array.from({ length: 65_600 }, (_, i) => file(`${i}`, '')))
    expect(opened(path)).toHaveLength(65_600)
  })
  test('unpacked by Python and by unzip, attacks stay in the folder', async () => {
    const { path, dir } = await written(safeNames(['../out', '/abs', 'a/../../b', '..\\c', 'ok', 'OK']).map((name) => file(name, name))), into = join(dir, 'into')
    execFileSync('python3', ['-m', 'zipfile', '-e', path, into])
    if (has('unzip')) execFileSync('unzip', ['-q', path, '-d', join(dir, 'again')])
    const list = (at: string): string[] => execFileSync('find', ['.', '-type', 'f'], { cwd: at, encoding: 'utf8' }).split('\n').filter(Boolean).toSorted()
    expect(list(into)).toEqual(['./.._c', './OK (2)', './__/out', './a/__/__/b', './abs', './ok'])
    if (has('unzip')) expect(list(join(dir, 'again'))).toEqual(list(into))
    expect(list(dir)).toHaveLength(has('unzip') ? 13 : 7)
    expect(readFileSync(join(into, '__/out'), 'utf8')).toBe('__/out')
  })
})
test('a file that has another length than was told breaks the zip off', async () => {
  await expect(written([{ ...file('a', 'four'), size: 5 }])).rejects.toThrow('a is 4 bytes, and 5 were announced')
})

test('names that lead out, or mean something on any system, become plain ones', () => {
  expect(safeNames(['../../etc/passwd', '/etc/passwd', 'a/../b', '..\\..\\evil.exe', 'C:\\x', 'C:x', 'file.txt:stream', 'CON', 'con.txt', 'aux/NUL .log', 'com¹', 'lpt9.x', 'ends. ', 'a./b', ' b', 'new\nline', 'nul\u0000', '\u202egpj.exe', 'a*?"<>|', '.', '..', '', '///', 'console.log', 'COM10'])).toEqual([
    '__/__/etc/passwd', 'etc/passwd', 'a/__/b', '.._.._evil.exe', 'C__x', 'C_x', 'file.txt_stream', '_CON', '_con.txt', '_aux/_NUL .log', '_com¹', '_lpt9.x', 'ends__', 'a_/b', '_b', 'new_line', 'nul_', '_gpj.exe', 'a______', '_', '__ (2)', '_ (2)', '_ (3)', 'console.log', 'COM10',
  ])
})
test('no two are the same anywhere: not by capitals, not by how a letter is put together, not a file and a folder', () => {
  expect(safeNames(['a.txt', 'A.TXT', 'a.txt', 'd/x', 'D/X', 'd', 'e', 'e/y', 'e/z', 'Stra\u00dfe', 'STRASSE', '\u00e9', 'e\u0301', 'x:y', 'x?y', 'a.tar.gz', 'a.tar.gz'])).toEqual([
    'a.txt', 'A (2).TXT', 'a (3).txt', 'd/x', 'd/X (2)', 'd (2)', 'e', 'e (2)/y', 'e (2)/z', 'Stra\u00dfe', 'STRASSE (2)', '\u00e9', '\u00e9 (2)', 'x_y', 'x_y (2)', 'a.tar.gz', 'a.tar (2).gz',
  ])
})
test('a name too long for a file system is cut between letters, and stays the only one', () => {
  const [one = '', other = ''] = safeNames([`${'ü'.repeat(250)}1`, `${'ü'.repeat(250)}2`])
  expect([Buffer.byteLength(one), Buffer.byteLength(other), one === other, one.includes('\ufffd')]).toEqual([240, 244, false, false])
})
test('ten thousand of one name', () => expect(new Set(safeNames(Array.from({ length: 10_000 }, () => 'out'))).size).toBe(10_000))
