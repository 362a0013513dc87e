// As much of YAML as tools write CDI files in: maps and lists by indentation, scalars in one line, lists in brackets. Whatever else stands there is an
// error with its line, never guessed at.
type Line = { readonly indent: number; readonly text: string; readonly number: number }

export function parseYaml(text: string): unknown {
  const lines: Line[] = text.split('\n').map((line, i) => ({ indent: line.length - line.trimStart().length, text: withoutComment(line).trim(), number: i + 1 })).filter((line) => line.text !== '' && line.text !== '---')
  let at = 0
  const wrong = (line: Line | undefined, why: string): Error => new Error(`line ${line?.number ?? text.split('\n').length}: ${why}`)
  if (text.includes('\t')) throw new Error('it is indented with tabs')

  function block(indent: number): unknown {
    const first = lines[at] as Line
    return isItem(first.text) ? list(first.indent) : keyOf(first.text) ? map(indent) : scalar((lines[at++] as Line))
  }
  function list(indent: number): unknown[] {
    const items: unknown[] = []
    for (let line = lines[at]; line && line.indent === indent && isItem(line.text); line = lines[at]) {
      const rest = line.text.slice(1).trimStart()
      if (rest === '') { at++; items.push(below(indent)); continue }
      if (!keyOf(rest)) { at++; items.push(scalar({ ...line, text: rest })); continue }
      // The item's own map begins on the line of its dash.
      const inner = indent + line.text.length - rest.length
      lines[at] = { indent: inner, text: rest, number: line.number }
      items.push(map(inner))
    }
    return items
  }
  function map(indent: number): Record<string, unknown> {
    const entries: [string, unknown][] = []
    for (let line = lines[at]; line && line.indent === indent && !isItem(line.text); line = lines[at]) {
      const key = keyOf(line.text)
      if (!key) throw wrong(line, 'a name and a colon were expected')
      at++
      // A list may stand as far left as its name.
      entries.push([key.name, key.rest !== '' ? scalar({ ...line, text: key.rest }) : lines[at]?.indent === indent && isItem((lines[at] as Line).text) ? list(indent) : below(indent)])
    }
    const line = lines[at]
    if (line && line.indent > indent) throw wrong(line, 'it is indented further than what it belongs to')
    return Object.fromEntries(entries)
  }
  const below = (indent: number): unknown => { const next = lines[at]; return next && next.indent > indent ? block(next.indent) : null }
  function scalar(line: Line): unknown {
    const { text: word } = line
    if (word.startsWith('"')) { try { return JSON.parse(word) as string } catch { throw wrong(line, 'a word in quotes does not end on its line') } }
    if (word.startsWith("'")) { if (!/^'([^']|'')*'$/.test(word)) throw wrong(line, 'a word in quotes does not end on its line'); return word.slice(1, -1).replaceAll("''", "'") }
    if (word === '[]') return []
    if (word === '{}') return {}
    if (/^\[[^[\]{}"']*\]$/.test(word)) return word.slice(1, -1).split(',').map((one) => scalar({ ...line, text: one.trim() }))
    if (/^[[{&*!|>%@`]/.test(word)) throw wrong(line, `"${word.slice(0, 20)}" is not understood here`)
    if (/^(null|~)$/.test(word)) return null
    if (/^(true|false)$/.test(word)) return word === 'true'
    return /^-?(0|[1-9]\d*)$/.test(word) ? Number(word) : word
  }
  if (lines.length === 0) return null
  const whole = block((lines[0] as Line).indent)
  if (at < lines.length) throw wrong(lines[at], 'it belongs to nothing')
  return whole
}
const isItem = (text: string): boolean => text === '-' || text.startsWith('- ')
function keyOf(text: string): { name: string; rest: string } | null {
  const found = /^(?:"([^"]*)"|'([^']*)'|([^\s"'[\]{}#,:][^:#]*?))\s*:(?:\s+(.*))?$/.exec(text)
  return found ? { name: found[1] ?? found[2] ?? found[3] ?? '', rest: (found[4] ?? '').trim() } : null
}
/** A comment begins with a number sign at the start or behind a space, outside of quotes. */
function withoutComment(line: string): string {
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const char = line[i] as string
    if (quote) { if (char === '\\' && quote === '"') i++; else if (char === quote) quote = '' } else if (/["']/.test(char) && /[\s[,:-]|^$/.test(line[i - 1] ?? '')) quote = char
    else if (char === '#' && /^\s*$|\s$/.test(line.slice(0, i))) return line.slice(0, i)
  }
  return line
}
