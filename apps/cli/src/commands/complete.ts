// What could come next after these words. Called at every press of Tab, so: no network but for ids, and no failure is ever shown.
import type { Command, Option } from 'commander'
import { buildProgram } from '../cli.ts'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { clean } from '../ui/clean.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('[words...]').allowUnknownOption().action(withContext(complete))
}

type Offer = readonly [value: string, says: string]
/** Ids offered at one time, and how long the market may take for them. */
const IDS_MAX = 20, IDS_MS = 1_000

async function complete(context: Context, words: string[]): Promise<void> {
  const current = words.at(-1) ?? '', before = words.slice(0, -1)
  const program = await buildProgram(context.io, 'all', () => context)
  const { command, positions, waitsFor } = walk(program, before)
  const offers = waitsFor ? choicesOf(waitsFor)
    : current.startsWith('-') ? optionsOf(command, program)
    : command.commands.length > 0 ? command.commands.filter((one) => !(one as unknown as { _hidden?: boolean })._hidden).map((one): Offer => [one.name(), one.summary()])
    : await argumentsOf(context, command, positions)
  for (const [value, says] of offers) if (value.startsWith(current)) await context.write(`${value}\t${clean(says)}\n`)
}

/** The command that the words lead to, how many of its arguments are there, and the option that still waits for its value. */
function walk(program: Command, words: readonly string[]): { command: Command; positions: number; waitsFor: Option | null } {
  let command = program, positions = 0, waitsFor: Option | null = null
  for (const word of words) {
    if (waitsFor) { waitsFor = null; continue }
    if (word === '--') return { command, positions: Number.POSITIVE_INFINITY, waitsFor: null }
    if (word.startsWith('-')) {
      const option = [...command.options, ...program.options].find((one) => one.long === word || one.short === word)
      waitsFor = option?.required ? option : null
      continue
    }
    const next = command.commands.find((one) => one.name() === word)
    if (next) command = next
    else positions++
  }
  return { command, positions, waitsFor }
}

const choicesOf = (option: Option): Offer[] => (option.argChoices ?? []).map((choice) => [choice, option.description])
const optionsOf = (command: Command, program: Command): Offer[] =>
  [...new Set([...command.options, ...program.options])].filter((option) => !option.hidden && option.long).map((option) => [option.long as string, option.description])

async function argumentsOf(context: Context, command: Command, positions: number): Promise<Offer[]> {
  const argument = command.registeredArguments[positions]
  if (!argument) return []
  if (argument.argChoices) return argument.argChoices.map((choice) => [choice, argument.description])
  const signal = AbortSignal.timeout(IDS_MS)
  const offers: Offer[] = []
  try {
    const client = await context.client({ retry: { attempts: 1 } })
    if (argument.name().includes('job')) {
      for await (const job of client.jobs({ limit: IDS_MAX }, { signal })) { offers.push([job.id, `${job.state}: ${job.spec.name ?? job.spec.command.join(' ')}`]); if (offers.length >= IDS_MAX) break }
    } else if (argument.name() === 'node') {
      for await (const node of client.nodes({ signal })) { offers.push([node.name, node.state]); if (offers.length >= IDS_MAX) break }
    }
  } catch { return offers } // no market, no key, no time: what there is has to do
  return offers
}
