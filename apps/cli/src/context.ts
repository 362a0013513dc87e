// What a command has at hand: streams, settings, the client, and how to show things. Made once per call; tests make their own streams.
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import type { Account } from '@lumaris/protocol'
import type { Client, TransportOptions } from '@lumaris/sdk'
import { CliError, EXIT } from './failures.ts'
import { findSettings } from './profile.ts'
import type { Settings } from './profile.ts'
import { createColours, wantsColour } from './ui/colours.ts'
import type { Colours, ColourWhen } from './ui/colours.ts'
import { createProgress } from './ui/progress.ts'
import type { Progress, Screen } from './ui/progress.ts'
import { renderFacts, renderTable } from './ui/table.ts'
import type { Column } from './ui/table.ts'

export type Io = {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }; readonly stdout: Screen; readonly stderr: Screen
  readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string
  /** Calls back on Ctrl-C until the returned function is called. */
  onInterrupt(handler: () => void): () => void
  /** Ends the process now, for a second Ctrl-C. */
  exitNow(code: number): void
  /** This process becomes another program, under its own pid, and does not come back; absent where that cannot be (Windows, tests). */
  become?: ((program: string, args: readonly string[], env: NodeJS.ProcessEnv) => never) | undefined
  now(): number
}
export type Flags = { readonly url?: string; readonly as?: string; readonly account?: string; readonly json?: boolean; readonly jsonLines?: boolean; readonly color?: ColourWhen; readonly quiet?: boolean; readonly verbose?: boolean; readonly headers?: boolean; readonly timeout?: number }

export type Context = {
  readonly io: Io; readonly flags: Flags; readonly colours: Colours; readonly errorColours: Colours
  readonly settings: Settings
  exitCode: number
  /** Of whoever one acts for. */
  client(more?: Partial<TransportOptions>): Promise<Client>
  /** Of oneself, whoever one acts for. */
  self(more?: Partial<TransportOptions>): Promise<Client>
  /** One of the accounts that one works for, by id, e-mail or name. */
  accountBy(self: Client, said: string): Promise<Account>
  /** A thing: JSON as the API has it, or names and values. */
  showThing(thing: unknown, facts: readonly (readonly [string, string | number | null | undefined])[]): Promise<void>
  /** A list: JSON, JSON lines, ids only (`-q`), or a table. */
  showList<Row>(rows: AsyncIterable<Row> | Iterable<Row>, columns: readonly Column<Row>[], id: (row: Row) => string, empty: string): Promise<void>
  /** One of several tables of a command, under its title; only for people. */
  showTable<Row>(title: string, rows: readonly Row[], columns: readonly Column<Row>[], empty: string): Promise<void>
  write(chunk: string | Uint8Array, to?: 'stdout' | 'stderr'): Promise<void>
  /** For people; never data. */
  note(line: string): void
  progress(): Progress
  /** A signal that Ctrl-C aborts; the second one ends the process. */
  interruptible(): { readonly signal: AbortSignal; readonly stop: () => void }
}

export function createContext(io: Io, flags: Flags): Context {
  const colours = createColours(wantsColour(io.stdout, io.env, flags.color ?? 'auto'))
  const errorColours = createColours(wantsColour(io.stderr, io.env, flags.color ?? 'auto'))
  let settings: Settings | null = null
  const view = { tty: io.stdout.isTTY === true, columns: io.stdout.columns, headers: flags.headers, colours }

  async function write(chunk: string | Uint8Array, to: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const stream = io[to]
    if (chunk.length > 0 && !stream.write(chunk) && !stream.destroyed) await Promise.race([once(stream, 'drain'), once(stream, 'close')])
  }

  const context: Context = {
    io, flags, colours, errorColours, exitCode: EXIT.ok,
    get settings() { return (settings ??= findSettings(io.env, flags)) },
    async client(more = {}) {
      const own = await context.self(more), { for: account } = context.settings
      return account === undefined ? own : own.actFor(account.startsWith('usr_') ? account : (await context.accountBy(own, account)).account)
    },
    async accountBy(self, said) {
      const { data } = await self.api.listAccounts(), found = data.filter((one) => one.account === said || one.email === said.toLowerCase() || one.name === said)
      if (found.length === 1) return found[0] as Account
      throw new CliError(found.length === 0 ? `You work for no account called "${said}"` : `Several accounts are called "${said}"`, data.length === 0 ? 'Accept an invitation first: lumaris members accept LINK.' : `You work for: ${data.map(({ email }) => email).join(', ')}.`, EXIT.notFound)
    },
    async self(more = {}) {
      const { createClient } = await import('@lumaris/sdk')
      const { url, token } = context.settings
      return createClient({
        url, token, ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
        ...(flags.verbose ? { onRequest: ({ method, url: at, status, ms, attempt }) => context.note(errorColours.dim(`${method} ${at} ${status ?? 'failed'} ${ms.toFixed(0)} ms${attempt > 1 ? ` (try ${attempt})` : ''}`)) } : {}),
        ...more,
      })
    },
    async showThing(thing, facts) {
      await write(flags.json || flags.jsonLines ? `${JSON.stringify(thing, null, flags.jsonLines ? 0 : 2)}\n` : renderFacts(facts, view))
    },
    async showList(rows, columns, id, empty) {
      if (flags.jsonLines || flags.quiet) {
        for await (const row of rows) await write(flags.jsonLines ? `${JSON.stringify(row)}\n` : `${id(row)}\n`)
        return
      }
      const all = []
      for await (const row of rows) all.push(row)
      if (flags.json) return write(`${JSON.stringify({ data: all, nextCursor: null }, null, 2)}\n`)
      if (all.length === 0) return context.note(empty)
      await write(renderTable(columns, all, view))
    },
    showTable: (title, rows, columns, empty) => write(`${colours.bold(title)}\n${rows.length === 0 ? `${colours.dim(empty)}\n` : renderTable(columns, rows, view)}\n`),
    write,
    note(line) { io.stderr.write(`${line}\n`) },
    progress: () => createProgress(io.stderr, { colours: errorColours, quiet: flags.quiet === true || flags.json === true || flags.jsonLines === true, env: io.env }),
    interruptible() {
      const controller = new AbortController()
      const stop = io.onInterrupt(() => {
        if (controller.signal.aborted) return io.exitNow(EXIT.interrupted)
        controller.abort(new CliError('Interrupted', '', EXIT.interrupted))
      })
      return { signal: controller.signal, stop }
    },
  }
  return context
}

/** stdin and stderr must both be terminals: else nobody would see the question, or answer it. */
export const canAsk = (io: Io): boolean => io.stdin.isTTY === true && io.stderr.isTTY === true && !io.env['LUMARIS_NO_PROMPT']
