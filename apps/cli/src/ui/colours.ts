export type ColourWhen = 'auto' | 'always' | 'never'
export type Colours = Readonly<Record<'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', (text: string) => string>>

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const

/** For one stream: stdout may be a file while stderr is a terminal. */
export function wantsColour(stream: { isTTY?: boolean | undefined }, env: Readonly<Record<string, string | undefined>>, when: ColourWhen): boolean {
  if (when !== 'auto') return when === 'always'
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
export function createColours(on: boolean): Colours {
  return Object.fromEntries(Object.entries(CODES).map(([name, [open, close]]) => [name, (text: string) => (on && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text)])) as Colours
}

const STATE_COLOURS: Readonly<Record<string, keyof Colours>> = {
  completed: 'green', done: 'green', online: 'green', valid: 'green', running: 'cyan', accepted: 'cyan', queued: 'yellow', suspect: 'yellow', paused: 'yellow', draining: 'yellow', offered: 'yellow',
  failed: 'red', expired: 'red', lost: 'red', banned: 'red', invalid: 'red', cancelled: 'dim', retired: 'dim', ended: 'dim', pending: 'dim',
}
/** The same colour for the same state everywhere; the word itself always stays, so colour is never needed to read it. */
export const stateColour = (state: string): keyof Colours | undefined => STATE_COLOURS[state]
