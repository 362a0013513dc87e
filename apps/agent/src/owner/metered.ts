// Whether the system calls the network metered, such as a telephone's: NetworkManager knows, where one runs, and is asked over D-Bus. Without one nobody knows.
import { execFile } from 'node:child_process'

const ASK_MS = 30_000, ANSWER_MS = 5_000
const ARGS = ['--system', '--auto-start=no', 'get-property', 'org.freedesktop.NetworkManager', '/org/freedesktop/NetworkManager', 'org.freedesktop.NetworkManager', 'Metered']
/** What it says: 1 yes, 2 no, 3 and 4 the same as it guesses; 0: not known. */
export const meteredOf = (answer: string): boolean | null => { const said = /^u ([0-4])\s*$/.exec(answer)?.[1]; return said === '1' || said === '3' ? true : said === '2' || said === '4' ? false : null }

export function watchMetered(busctl: string): (now: number) => boolean | null {
  let known: boolean | null = null, askedAt = -Infinity
  return (now) => {
    if (now - askedAt >= ASK_MS) {
      askedAt = now
      execFile(busctl, ARGS, { timeout: ANSWER_MS }, (_error, out) => { known = meteredOf(typeof out === 'string' ? out : '') })
    }
    return known
  }
}
