// Questions to a person: on stderr, answered on stdin, and only when both are terminals.
import { createInterface } from 'node:readline'
import { text as readAll } from 'node:stream/consumers'
import type { Io } from './context.ts'
import { canAsk } from './context.ts'
import { CliError, EXIT } from './failures.ts'

export async function askLine(io: Io, question: string, without: string): Promise<string> {
  if (!canAsk(io)) throw new CliError(`${question.replace(/[:?]\s*$/, '')} is needed, and there is nobody to ask`, without, EXIT.usage)
  const lines = createInterface({ input: io.stdin, output: io.stderr, terminal: false })
  try { return (await new Promise<string>((resolve) => { lines.question(question, resolve); lines.once('close', () => resolve('')) })).trim() } finally { lines.close() }
}

/** A password or a key: not shown while it is typed; piped in, it is the first line of stdin. Never an argument, where every process could read it. */
export async function askSecret(io: Io, question: string): Promise<string> {
  if (!canAsk(io) || !io.stdin.setRawMode) return nextLine(io)
  io.stderr.write(question)
  io.stdin.setRawMode(true)
  let typed = ''
  try {
    for await (const chunk of io.stdin as AsyncIterable<Buffer | string>) {
      for (const character of String(chunk)) {
        if (character === '\r' || character === '\n') return typed
        if (character === '\u0003') throw new CliError('Interrupted', '', EXIT.interrupted)
        typed = character === '\u007f' || character === '\b' ? typed.slice(0, -1) : typed + character
      }
    }
    return typed
  } finally { io.stdin.setRawMode(false); io.stderr.write('\n') }
}

/** What is piped in is read whole once; each secret that is asked for takes the next line of it. */
const piped = new WeakMap<Io['stdin'], string[]>()
async function nextLine(io: Io): Promise<string> {
  let lines = piped.get(io.stdin)
  if (!lines) piped.set(io.stdin, lines = (await readAll(io.stdin)).split('\n'))
  return lines.shift()?.trim() ?? ''
}
