import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findInputs } from './inputs.ts'
import { aFolder } from './test-cli.ts'

function aDesk() {
  const cwd = aFolder(), elsewhere = aFolder()
  for (const [folder, file] of [[cwd, 'analyse.py'], [cwd, 'data.csv'], [cwd, 'a=b'], [elsewhere, 'far.csv']] as const) writeFileSync(join(folder, file), 'x'.repeat(file.length))
  mkdirSync(join(cwd, 'dir', 'deep'), { recursive: true })
  writeFileSync(join(cwd, 'dir', 'one'), '1')
  writeFileSync(join(cwd, 'dir', 'deep', 'two'), '2')
  symlinkSync('/etc/hostname', join(cwd, 'dir', 'link'))
  return { cwd, elsewhere, find: (named: string[], command: string[] = ['x'], auto = true) => findInputs(named, command, { cwd, auto }).map((file) => file.path) }
}

test('files that the command names go along, and only those', () => {
  const { find } = aDesk()
  expect(find([], ['python3', 'analyse.py', 'data.csv', '--verbose', 'nothing.txt', 'dir'])).toEqual(['analyse.py', 'data.csv'])
  expect(find([], ['analyse.py'])).toEqual([])
  expect(find([], ['./analyse.py', './data.csv'])).toEqual(['analyse.py', 'data.csv'])
  expect(find([], ['python3', 'analyse.py'], false)).toEqual([])
})
test('files elsewhere go along only when they are asked for', () => {
  const { find, elsewhere, cwd } = aDesk()
  // On the node there is no such absolute path, wherever the file lies here.
  expect(find([], ['cat', join(cwd, 'data.csv')])).toEqual([])
  expect(find([], ['cat', join(elsewhere, 'far.csv'), '/etc/passwd', '../x'])).toEqual([])
  expect(find([join(elsewhere, 'far.csv')])).toEqual(['far.csv'])
})
test('a folder goes along with all below it, without its links', () => expect(aDesk().find(['dir'])).toEqual(['dir/deep/two', 'dir/one']))
test('a file can have another name in the job', () => {
  const { find } = aDesk()
  expect(find(['data.csv=in/put.csv'])).toEqual(['in/put.csv'])
  expect(find(['a=b'])).toEqual(['a=b'])
})
test('a name that leads out of the job is refused', () => {
  for (const name of ['../up', '/abs', 'a//b', './x']) expect(() => aDesk().find([`data.csv=${name}`])).toThrow('A file cannot be called')
})
test('two files for one name are refused, and one file twice is one', () => {
  const { find } = aDesk()
  expect(() => find(['data.csv', 'analyse.py=data.csv'])).toThrow('Two files would be data.csv')
  expect(find(['data.csv', 'data.csv'], ['cat', 'data.csv'])).toEqual(['data.csv'])
})
test('a file that is not there is told before anything is sent', () => expect(() => aDesk().find(['nothing.csv'])).toThrow('There is no file nothing.csv'))
