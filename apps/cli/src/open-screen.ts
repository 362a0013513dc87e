// Opens an address as a window of its own, where a browser can do that; else in the browser; null where there is no desktop to open it on.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

type Env = Readonly<Record<string, string | undefined>>
/** Browsers that know `--app`, by the names they have. */
const APPS: Readonly<Record<string, readonly string[]>> = {
  linux: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge', 'brave-browser'],
  darwin: ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge', '/Applications/Chromium.app/Contents/MacOS/Chromium'],
  win32: ['C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'],
}
const OPENERS: Readonly<Record<string, readonly string[]>> = { linux: ['xdg-open'], darwin: ['open'], win32: ['explorer.exe'] }

export async function openScreen(url: string, env: Env, platform: string = process.platform, uid = process.getuid?.()): Promise<string | null> {
  // Without a desktop there is nothing to open on, and browsers do not start for root.
  if (platform === 'linux' && (uid === 0 || (!env['DISPLAY'] && !env['WAYLAND_DISPLAY']))) return null
  for (const [names, args] of [[APPS[platform] ?? [], [`--app=${url}`, '--window-size=1100,900']], [OPENERS[platform] ?? [], [url]]] as const) {
    for (const name of names) {
      const program = find(name, env)
      if (program && await started(program, args, env)) return name
    }
  }
  return null
}
function find(name: string, env: Env): string | null {
  const places = /[\\/]/.test(name) ? [name] : (env['PATH'] ?? '').split(delimiter).filter(Boolean).map((dir) => join(dir, name))
  return places.find((path) => { try { accessSync(path, constants.X_OK); return true } catch { return false /* not there: the next place */ } }) ?? null
}
/** It lives on after us, and what it says is its own business. */
const started = (program: string, args: readonly string[], env: Env): Promise<boolean> => new Promise((resolve) => {
  const child = spawn(program, [...args], { detached: true, stdio: 'ignore', env: { ...env } as NodeJS.ProcessEnv })
  child.once('error', () => resolve(false))
  child.once('spawn', () => { child.unref(); resolve(true) })
})
