// A file that describes work (a pipeline, a job, a template), as JSON or as YAML. Of YAML that part which says the same as JSON to everybody: the core schema of version 1.2, in which `no` and `on` are words;
// no tags but those of its own words, no merge keys, no second document; aliases, but few. What is wrong is told with its line and column.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import type { CST, LineCounter } from 'yaml'
import type { Context } from './context.ts'
import { CliError, EXIT } from './failures.ts'

/** A request is 16 MiB at most. */
const BYTES_MAX = 16 * 1024 * 1024
/** Nodes that all aliases together may stand for, as a multiple: a page of them can stand for more than fits into any memory. */
const ALIASES_MAX = 100
/** What is described here is some ten deep; the parser goes down with each level, and ends the process where its stack does. */
const DEPTH_MAX = 100

export async function readDescription(context: Context, file: string, hint: string): Promise<unknown> {
  let text: string
  try { text = file === '-' ? await readAll(context.io.stdin) : readFileSync(resolve(context.io.cwd, file), 'utf8') } catch (cause) { throw new CliError(`Cannot read ${file}: ${(cause as Error).message}`, hint, EXIT.usage, cause) }
  if (text.length > BYTES_MAX) throw new CliError(`${file} is longer than 16 MiB`, 'Let a program make the jobs: the SDK takes them one by one.', EXIT.usage)
  // By the ending of its name; from standard input, and under other names, by how it begins.
  if (/\.ya?ml$/i.test(file) || (!/\.json$/i.test(file) && !/^\s*[[{]/.test(text))) return parseYaml(text, file, hint)
  try { return JSON.parse(text) } catch (cause) { throw new CliError(`${file} is not JSON: ${(cause as Error).message}`, hint, EXIT.usage, cause) }
}

async function parseYaml(text: string, file: string, hint: string): Promise<unknown> {
  const { LineCounter, Parser, parseDocument, visit } = await import('yaml'), lines = new LineCounter()
  const wrong = (says: string, at?: number, next = hint): CliError => new CliError(`${file}${at === undefined ? '' : `, ${placeOf(lines, at)}`}: ${says}`, next, EXIT.usage)
  const deep = tooDeep(new Parser(lines.addNewLine).parse(text))
  if (deep) throw wrong(`it is nested more than ${DEPTH_MAX} deep`, deep.offset)
  const document = parseDocument(text, { version: '1.2', schema: 'core', merge: false, customTags: [], resolveKnownTags: false, strict: true, uniqueKeys: true, stringKeys: true, prettyErrors: false })
  const [first] = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0])
  if (first) throw wrong(first.code === 'MULTIPLE_DOCS' ? 'a second document begins here' : first.message, first.pos[0])
  const { explicit, version } = document.directives.yaml
  if (explicit && version !== '1.2') throw wrong(`YAML ${version} is not read`, 0, 'Leave out the line %YAML: what is read is version 1.2.')
  const found: CliError[] = []
  visit(document, {
    Pair(_key, { key }) { if (isKey(key) && key.value === '<<') found.push(wrong('merge keys (<<) are not read', key.range?.[0], 'Write out what is shared, or use an alias for a whole value.')) },
    Scalar(_key, { value, range }) { if (typeof value === 'number' && !(Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) found.push(wrong(`${value} is no number that can be sent as it is`, range?.[0], 'Put it in quotes, if it is a text or an amount.')) },
  })
  if (found[0]) throw found[0]
  let value: unknown
  try { value = document.toJS({ maxAliasCount: ALIASES_MAX }) } catch (cause) { throw wrong((cause as Error).message, undefined, 'Write out what the aliases stand for.') }
  // An alias inside of what it stands for never ends.
  try { JSON.stringify(value) } catch { throw wrong('an alias stands for something that it is a part of', undefined, 'Write out what it stands for.') }
  return value
}
const placeOf = (lines: LineCounter, at: number): string => { const { line, col } = lines.linePos(at); return `line ${line}, column ${col}` }
const isKey = (key: unknown): key is { readonly value: unknown; readonly range?: readonly [number, number, number] } => typeof key === 'object' && key !== null && 'value' in key
/** What lies deeper than that; found without going down. */
function tooDeep(tokens: Iterable<CST.Token>): CST.Token | null {
  const open: [token: CST.Token, depth: number][] = [...tokens].map((token) => [token, 0])
  for (let next = open.pop(); next; next = open.pop()) {
    const [token, depth] = next
    if (depth > DEPTH_MAX) return token
    const below = 'items' in token ? token.items.flatMap((item) => [item.key, item.value]) : token.type === 'document' ? [token.value] : []
    for (const one of below) if (one) open.push([one, depth + 1])
  }
  return null
}
