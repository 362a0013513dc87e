// When did somebody last touch this machine? Three sources, in the order in which they are believed:
//
//   /dev/input   keyboards, mice, gamepads. That bytes come is all that is looked at; what was typed is read over, never decoded, never kept.
//   terminals    the access time of their devices, which the kernel renews when somebody types; only where the owner asked for it.
//   logind       the idle hint of graphical sessions, where no input device may be read. A desktop that has never given a hint tells nothing.
//
// A machine without any of them, such as a server in a rack, has nobody to give way to: null.
import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../log.ts'

export type InputRoots = { readonly proc: string; readonly dev: string; readonly loginctl: string }
export type Which = { readonly inputs: boolean; readonly terminals: boolean }
export interface InputWatch {
  /** One look at all sources. Milliseconds since the last touch; null: nothing here can tell. */
  idleMs(now: number, wall: number, which: Which): number | null
  /** Input devices that are there, and those of them that may not be read. */
  readonly devices: number
  readonly unreadable: number
  close(): void
}
/** Devices are plugged in and out. */
const RESCAN_MS = 10_000
const LOGIND_MS = 1_000
const BUFFER = Buffer.alloc(4096)

export function createInputWatch(roots: InputRoots): InputWatch {
  const open = new Map<string, number>()
  let devices = 0, unreadable = 0, scannedAt = -Infinity, touchedAt = -Infinity
  let hint: { readonly since: number | null } | null = null
  let hintAt = -Infinity, asking = false, closed = false

  function scan(now: number): void {
    scannedAt = now
    const paths = inputDevices(roots)
    devices = paths.length
    unreadable = 0
    for (const [path, fd] of open) if (!paths.includes(path)) { closeSync(fd); open.delete(path) }
    for (const path of paths) {
      if (open.has(path)) continue
      // Whoever starts the agent has just touched something, and a device that appears was plugged in by somebody.
      try { open.set(path, openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)); touchedAt = now } catch { unreadable++ /* not root, and not of the group "input" */ }
    }
  }
  function drain(now: number): void {
    for (const [path, fd] of open) {
      try { while (readSync(fd, BUFFER) > 0) touchedAt = now } catch (error) {
        if (codeOf(error) === 'EAGAIN') continue
        closeSync(fd) // it was unplugged
        open.delete(path)
      }
    }
    BUFFER.fill(0)
  }
  function askLogind(now: number): void {
    if (asking || now - hintAt < LOGIND_MS) return
    asking = true
    hintAt = now
    void graphicalHint(roots.loginctl).then((found) => { hint = found; asking = false })
  }

  return {
    idleMs(now, wall, { inputs, terminals }) {
      if (closed) return null
      if (now - scannedAt >= RESCAN_MS) scan(now)
      drain(now)
      const idle: number[] = []
      if (!inputs) { /* read all the same, so that it is known when that changes */ } else if (open.size > 0) idle.push(now - touchedAt)
      else {
        askLogind(now)
        if (hint) idle.push(hint.since === null ? 0 : Math.max(0, wall - hint.since))
      }
      if (terminals) { const typed = lastTyped(roots.dev); if (typed !== null) idle.push(Math.max(0, wall - typed)) }
      return idle.length === 0 ? null : Math.min(...idle)
    },
    get devices() { return devices },
    get unreadable() { return unreadable },
    close() { closed = true; for (const fd of open.values()) closeSync(fd); open.clear() },
  }
}

/** Devices that people use: the kernel gives keys, mice and joysticks handlers of these names. Lids, sensors and sockets have others. */
function inputDevices({ proc, dev }: InputRoots): string[] {
  let text: string
  try { text = readFileSync(join(proc, 'bus/input/devices'), 'utf8') } catch { return [] /* a kernel or a container without input devices */ }
  const found: string[] = []
  for (const [, handlers = ''] of text.matchAll(/^H: Handlers=(.*)$/gm)) {
    const names = handlers.trim().split(/\s+/)
    const event = names.find((name) => /^event\d+$/.test(name))
    if (event && names.some((name) => /^(kbd|mouse\d+|js\d+)$/.test(name))) found.push(join(dev, 'input', event))
  }
  return found
}

function lastTyped(dev: string): number | null {
  let last: number | null = null
  for (const [dir, name] of [['.', /^tty\d+$/], ['pts', /^\d+$/]] as const) {
    let names: string[]
    try { names = readdirSync(join(dev, dir)) } catch { continue /* no such directory here */ }
    for (const one of names) if (name.test(one)) try { last = Math.max(last ?? 0, statSync(join(dev, dir, one)).atimeMs) } catch { /* the terminal was closed meanwhile */ }
  }
  return last
}

/** Null: no graphical session says anything. `since` null: somebody is active in one of them. */
async function graphicalHint(loginctl: string): Promise<{ since: number | null } | null> {
  const ask = (...args: string[]): Promise<string> => new Promise((resolve) => { execFile(loginctl, args, { timeout: 5_000 }, (_error, out) => resolve(typeof out === 'string' ? out : '')) })
  const ids = (await ask('list-sessions', '--no-legend')).split('\n').map((line) => line.trim().split(/\s+/)[0] ?? '').filter((id) => /^[\w-]+$/.test(id))
  if (ids.length === 0) return null
  const sessions = (await ask('show-session', ...ids, '--property=Type', '--property=IdleHint', '--property=IdleSinceHint')).split('\n\n')
    .map((block) => Object.fromEntries(block.split('\n').map((line) => line.split('=', 2) as [string, string])) as { Type?: string; IdleHint?: string; IdleSinceHint?: string })
    .filter(({ Type, IdleSinceHint }) => /^(x11|wayland|mir)$/.test(Type ?? '') && Number(IdleSinceHint) > 0)
  if (sessions.length === 0) return null
  return { since: sessions.some((one) => one.IdleHint === 'no') ? null : Math.max(...sessions.map((one) => Number(one.IdleSinceHint) / 1000)) }
}
