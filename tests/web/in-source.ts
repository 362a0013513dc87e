// What the sources say there is to look at: the addresses of apps/web/src/routes.tsx, and every dialog by its title. The tests compare their lists with it.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, '../../apps/web/src')

export function routes(): string[] {
  const text = readFileSync(join(SOURCE, 'routes.tsx'), 'utf8'), found = [...text.matchAll(/createRoute\(\{[^\n]*?\bpath: '([^']+)'/g)].map((match) => match[1] as string)
  // Written in another way they would be overlooked; `inside` is the one that has no address.
  if (found.length !== text.match(/createRoute\(\{/g)!.length - 1) throw new Error('routes.tsx is not as it is read here')
  return found
}
/** Whether an address, with what must survive a reload, is of this route; of two that could be meant the one with the most words is. */
export function routeOf(address: string): string | undefined {
  const parts = new URL(address, 'http://market').pathname.split('/')
  return routes().filter((route) => { const own = route.split('/'); return own.length === parts.length && own.every((part, i) => part.startsWith('$') || part === parts[i]) }).toSorted((a, b) => a.split('$').length - b.split('$').length)[0]
}

export type Dialog = { readonly where: string; readonly title: string; readonly is: RegExp }
/** One for each title that stands in the source; where only a variable stands there, its place is elsewhere. */
export function dialogs(): Dialog[] {
  const found: Dialog[] = []
  for (const file of readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx')).toSorted()) {
    const text = readFileSync(join(SOURCE, file), 'utf8')
    for (const { index } of text.matchAll(/<(?:Modal|Confirm|WithReason|Drawer)\s/g)) {
      const at = text.indexOf(' title=', index) + 7
      for (const title of text[at] === '"' ? [text.slice(at + 1, text.indexOf('"', at + 1))] : titlesOf(text.slice(at + 1, closing(text, at)))) found.push({ where: file, title, is: new RegExp(`^${title.split('${}').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('.*')}$`) })
    }
  }
  return found
}
/** Of an expression: the texts that it may come to. What is put into a text is left open. */
function titlesOf(expression: string): string[] {
  const titles: string[] = []
  for (let i = 0; i < expression.length; i++) {
    const quote = expression[i]
    if (quote !== "'" && quote !== '`') continue
    let title = '', end = i + 1
    for (; expression[end] !== quote; end++) if (quote === '`' && expression.startsWith('${', end)) { title += '${}'; end = closing(expression, end + 1) } else title += expression[end]
    if (title !== '' && !/[=!]== ?$/.test(expression.slice(0, i))) titles.push(title)
    i = end
  }
  return titles
}
/** Where the brace at `from` is closed. */
function closing(text: string, from: number): number {
  let depth = 0, at = from
  do { if (text[at] === '{') depth++; else if (text[at] === '}') depth--; at++ } while (depth > 0)
  return at - 1
}
