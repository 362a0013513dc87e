// What `lumaris map` splits: a file by its records, the files of a folder or a pattern, a list, a range or a grid.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { extname, join, relative, resolve, sep } from 'node:path'
import { isWanted } from '@lumaris/protocol'
import type { MapInput } from '@lumaris/sdk'
import { CliError, EXIT } from './failures.ts'

export const BY = ['records', 'csv', 'jsonl', 'lines', 'bytes', 'files'] as const
export type InputOptions = { readonly input?: string; readonly by?: (typeof BY)[number]; readonly header: boolean; readonly delimiter?: string; readonly recordSize?: number; readonly item?: string[]; readonly items?: string; readonly range?: string; readonly grid?: string[] }
const usage = (message: string, hint: string): CliError => new CliError(message, hint, EXIT.usage)
const FORMATS: Readonly<Record<string, 'csv' | 'jsonl'>> = { '.csv': 'csv', '.tsv': 'csv', '.jsonl': 'jsonl', '.ndjson': 'jsonl' }

export function mapInputOf(options: InputOptions, cwd: string): MapInput {
  const given = (['input', 'item', 'items', 'range', 'grid'] as const).filter((name) => options[name] !== undefined)
  if (given.length !== 1) throw usage(given.length === 0 ? 'There is nothing to split' : `Split one thing: ${given.map((name) => `--${name}`).join(' or ')}`, 'Name a file or folder with --input, or use --item, --items FILE, --range 1..100 or --grid name=a,b.')
  if (options.item) return { by: 'list', items: options.item }
  if (options.items !== undefined) return { by: 'list', items: readText(resolve(cwd, options.items)).split(/\r?\n/).filter((line) => line !== '') }
  if (options.range !== undefined) return { by: 'range', range: options.range }
  if (options.grid) return { by: 'grid', axes: options.grid }
  const input = options.input as string, path = resolve(cwd, input)
  const stat = statOf(path)
  if (options.by === 'files' || stat?.isDirectory() || (!stat && input.includes('*'))) return filesOf(input, cwd)
  if (!stat?.isFile()) throw usage(`There is no file ${input}`, 'Name a file, a folder, or a pattern in quotes such as "data/*.csv".')
  const extension = /^\.[A-Za-z0-9]{1,10}$/.test(extname(input)) ? extname(input) : ''
  const format = FORMATS[extension.toLowerCase()]
  if (options.by === 'records' && !format) throw usage(`Nothing says what the records of ${input} are`, 'Say --by csv, --by jsonl or --by lines.')
  const by = options.by === undefined || options.by === 'records' ? (format ?? 'lines') : options.by
  const delimiter = options.delimiter === '\\t' ? '\t' : (options.delimiter ?? (extension.toLowerCase() === '.tsv' ? '\t' : undefined))
  return { by, source: path, extension, header: options.header, delimiter, recordBytes: options.recordSize }
}
const statOf = (path: string) => { try { return statSync(path) } catch { return null } } // whatever keeps us from seeing it, it is no input for us
function readText(path: string): string { try { return readFileSync(path, 'utf8') } catch (cause) { throw usage(`Cannot read ${path}: ${(cause as Error).message}`, 'Name a file with an item on each line.') } }

/** A folder with all below it, or a pattern; in the order of their names. Links are left out: they could lead anywhere. */
function filesOf(input: string, cwd: string): MapInput {
  const pattern = input.includes('*') ? input.replace(/^\.\//, '') : null
  const root = pattern === null ? resolve(cwd, input) : resolve(cwd, pattern.slice(0, pattern.indexOf('*')).replace(/[^/]*$/, ''))
  if (!statOf(root)?.isDirectory()) throw usage(`There is no folder ${input}`, 'Name a folder, or a pattern in quotes such as "data/*.csv".')
  const wanted = pattern === null ? null : relative(root, resolve(cwd, pattern)).split(sep).join('/')
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => ({ path: relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'), source: join(entry.parentPath, entry.name) }))
    .filter(({ path }) => (wanted === null ? !path.split('/').some((part) => part.startsWith('.')) : isWanted(path, [wanted])))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return { by: 'files', files: files.map(({ path, source }) => ({ path: `in/${path}`, source, size: statSync(source).size })) }
}
