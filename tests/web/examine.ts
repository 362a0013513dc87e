// What must hold of whatever is on the screen: accessible by axe (WCAG 2.2 AA) in both schemes, wide and on a phone, and never scrolled sideways.
import axe from 'axe-core'
import type { Page } from 'playwright-core'

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
type Violation = { id: string; nodes: { target: string[]; any: { message: string }[]; failureSummary?: string }[] }

/** Before the first page: a colour on its way to another one has the contrast of neither. */
export const keepStill = (page: Page): Promise<unknown> => page.addInitScript('{ const still = new CSSStyleSheet(); still.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important; }"); document.adoptedStyleSheets = [still] }')

/** Under an open dialog nothing can be pressed: a field that its edge half covers is no small target. The screen without the dialog is looked at by itself.
 * Axe is brought into the page once for each screen; its own wrapper does so for each question, and opens another page besides. */
async function violations(page: Page, only: { runOnly: unknown }): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source)
  const found = (await page.evaluate(`axe.run(document.querySelector('[aria-modal=true]') ?? document, ${JSON.stringify({ ...only, resultTypes: ['violations'], iframes: false })}).then((result) => result.violations)`)) as Violation[]
  return found.map((one) => `${one.id}: ${one.nodes.slice(0, 2).map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.failureSummary ?? ''})`).join('; ')}`)
}
/** Of a screen whose width is what it was, the scheme changes these rules and no others. */
const COLOURS = { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } }, ALL = { runOnly: TAGS }
const LOOKS = [[1280, 'light', ALL], [1280, 'dark', COLOURS], [390, 'dark', ALL], [390, 'light', COLOURS]] as const
/** What does not hold, in words; the page stays as it is. */
export async function examine(page: Page, name: string): Promise<string[]> {
  const found: string[] = []
  for (const [width, colours, rules] of LOOKS) {
    if (page.viewportSize()?.width !== width) await page.setViewportSize({ width, height: 800 })
    // As the page's own switch does it, without loading everything anew.
    await page.evaluate(`document.documentElement.setAttribute('data-mantine-color-scheme', '${colours}')`)
    for (const one of await violations(page, rules)) found.push(`${name}, ${width} px, ${colours}: ${one}`)
  }
  await page.setViewportSize({ width: 360, height: 800 })
  const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as number
  if (over > 0) found.push(`${name}: scrolls sideways by ${over} px at 360 px`)
  await page.setViewportSize({ width: 1280, height: 800 })
  return found
}
