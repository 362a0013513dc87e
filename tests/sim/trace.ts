// What happened, in order. The last lines about the objects of a violation are printed with it; a hash over all lines tells whether two runs of
// one seed were the same.
export class Violation extends Error {
  override name = 'Violation'
  readonly invariant: string
  readonly about: readonly string[]
  constructor(invariant: string, message: string, about: readonly string[] = []) {
    super(`${invariant}: ${message}`)
    this.invariant = invariant
    this.about = about
  }
}

type Line = { readonly at: number; readonly text: string }
/** Enough for the last hour of a busy market. */
const LINES_MAX = 60_000

export class Trace {
  #lines: Line[] = []
  #hash = 0x811c9dc5
  #other = 0x2545f491

  note(at: number, text: string): void {
    if (this.#lines.length >= LINES_MAX) this.#lines = this.#lines.slice(LINES_MAX / 2)
    this.#lines.push({ at, text })
    let hash = this.#hash ^ (at | 0), other = this.#other
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
      other = Math.imul(other, 31) + hash
    }
    this.#hash = hash
    this.#other = other | 0
  }

  get hash(): string { return (this.#hash >>> 0).toString(16).padStart(8, '0') + (this.#other >>> 0).toString(16).padStart(8, '0') }

  /** The last lines that name one of these; lines of the whole market (`*`) belong to every object. */
  about(ids: readonly string[], most = 40): string[] {
    const found: Line[] = []
    for (let i = this.#lines.length - 1; i >= 0 && found.length < most; i--) {
      const line = this.#lines[i] as Line
      if (line.text.startsWith('*') || ids.length === 0 || ids.some((id) => line.text.includes(id))) found.push(line)
    }
    return found.reverse().map((line) => `${(line.at / 1000).toFixed(3).padStart(11)}  ${line.text}`)
  }
}
