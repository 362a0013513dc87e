// For tests: the command line with streams that keep what is written, and a folder of its own as home, checkout and working directory.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { runCli } from './cli.ts'
import type { Io } from './context.ts'

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string }
export type CliOptions = { readonly env?: Record<string, string>; readonly stdin?: string; readonly tty?: boolean; readonly columns?: number; /** Sees everything as it is written; may press Ctrl-C. */ readonly onWrite?: (text: string, keys: { readonly interrupt: () => void; readonly type: (text: string) => void }) => void }

export function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lumaris-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function aShell(env: Record<string, string> = {}) {
  const cwd = aFolder(), home = aFolder()
  return { cwd, home, cli: async (args: readonly string[], options: CliOptions = {}): Promise<Ran> => {
    const handlers: (() => void)[] = []
    const { promise: exited, resolve: exitNow } = Promise.withResolvers<number>()
    const stdin = options.tty ? new PassThrough() : Readable.from(options.stdin === undefined ? [] : [options.stdin])
    const keys = { interrupt: () => { for (const handler of handlers.toReversed()) handler() }, type: (text: string) => { (stdin as PassThrough).write(text) } }
    const kept = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    const screen = (name: 'stdout' | 'stderr') => Object.assign(new Writable({
      write(chunk: Buffer, _encoding, done) { kept[name].push(chunk); options.onWrite?.(chunk.toString(), keys); done() },
    }), options.tty ? { isTTY: true, columns: options.columns ?? 80 } : {})
    const io: Io = {
      stdin: Object.assign(stdin, options.tty ? { isTTY: true, setRawMode() { return this }, ref() { return this }, unref() { return this } } : {}), stdout: screen('stdout'), stderr: screen('stderr'), cwd, now: () => Date.now(), exitNow,
      env: { HOME: home, LUMARIS_CHECKOUT: join(home, 'checkout'), PATH: process.env['PATH'], ...env, ...options.env },
      onInterrupt(handler) { handlers.push(handler); return () => { handlers.splice(handlers.indexOf(handler), 1) } },
    }
    const code = await Promise.race([runCli(args, io), exited])
    return { code, stdout: Buffer.concat(kept.stdout).toString(), stderr: Buffer.concat(kept.stderr).toString() }
  } }
}
