// What is going on, on stderr. On a terminal one line that is written over; elsewhere a line per phase, and nothing that moves.
import type { Writable } from 'node:stream'
import type { Colours } from './colours.ts'
import { truncate } from './width.ts'
import { sizeText } from './time.ts'

export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number }
export type Progress = {
  /** A new phase: waiting, uploading, running. */
  phase(text: string): void
  /** How far the phase is; drawn on a terminal only. */
  at(done: number, total: number): void
  /** A line that stays. */
  note(text: string): void
  /** Makes room for other output; the next phase draws again. */
  clear(): void
  stop(): void
}
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100, BAR = 20
const HOME = '\r\u001b[K'

export function createProgress(screen: Screen, options: { readonly colours: Colours; readonly quiet?: boolean | undefined; readonly env?: Readonly<Record<string, string | undefined>> }): Progress {
  if (options.quiet) return { phase: () => undefined, at: () => undefined, note: () => undefined, clear: () => undefined, stop: () => undefined }
  const moves = screen.isTTY === true && options.env?.['TERM'] !== 'dumb'
  let text = '', part = '', frame = 0, timer: NodeJS.Timeout | null = null, last = ''
  const draw = (): void => { screen.write(`${HOME}${truncate(`${FRAMES[frame++ % FRAMES.length]} ${text}${part}`, (screen.columns ?? 80) - 1)}`) }
  const clear = (): void => {
    if (timer === null) return
    clearInterval(timer)
    timer = null
    screen.write(HOME)
  }
  return {
    phase(next) {
      part = ''
      text = next
      if (!moves) { if (next !== last) screen.write(`${next}\n`); last = next; return }
      draw()
      timer ??= setInterval(draw, FRAME_MS).unref()
    },
    at(done, total) {
      if (!moves || total === 0) return
      const filled = Math.min(BAR, Math.floor((done / total) * BAR))
      part = `  ${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${sizeText(done)} of ${sizeText(total)}`
    },
    note(line) {
      const drawing = timer !== null
      clear()
      screen.write(`${line}\n`)
      if (drawing) { draw(); timer = setInterval(draw, FRAME_MS).unref() }
    },
    clear,
    stop: clear,
  }
}
