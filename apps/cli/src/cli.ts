// From words to a command. Only the command that is meant is loaded; the others are a name and a line of help, so that `--help` is instant.
import { Command, CommanderError, Option } from 'commander'
import { COMMANDS } from './commands.ts'
import type { CommandEntry } from './commands.ts'
import { createContext } from './context.ts'
import type { Context, Flags, Io } from './context.ts'
import { EXIT, EXIT_HELP, exitCodeOf, failureJson, renderFailure } from './failures.ts'
import { parseDuration } from './parse.ts'
import { createColours, wantsColour } from './ui/colours.ts'

/** Runs one command line and gives its exit code. Nothing here ends the process or touches its globals. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const words = argv.map((word) => (word === '--json=lines' ? '--json-lines' : word))
  // Known before parsing, because a failure to parse is told in the same way.
  const asked = words.slice(0, words.includes('--') ? words.indexOf('--') : undefined)
  const json = asked.includes('--json') || asked.includes('--json-lines')
  let context: Context | null = null
  try {
    if (words.length === 0) words.push('--help')
    const program = await buildProgram(io, commandOf(words), (flags) => (context = createContext(io, flags)))
    await program.parseAsync(words, { from: 'user' })
    return (context as Context | null)?.exitCode ?? EXIT.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    const flags = (context as Context | null)?.flags
    io.stderr.write(json ? `${JSON.stringify(failureJson(error))}\n` : renderFailure(error, { colours: createColours(wantsColour(io.stderr, io.env, flags?.color ?? 'auto')), verbose: flags?.verbose }))
    return exitCodeOf(error)
  }
}

const GLOBALS_WITH_VALUE = new Set(['--url', '--as', '--account', '--color', '--timeout'])
/** The first word that is no option, nor the value of one. */
function commandOf(words: readonly string[]): string | undefined {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (GLOBALS_WITH_VALUE.has(word)) i++
    else if (!word.startsWith('-') && word !== 'help') return word
  }
  return undefined
}

/** `wanted` is the command to load, or `all`. */
export async function buildProgram(io: Io, wanted: string | undefined, onFlags: (flags: Flags) => Context): Promise<Command> {
  const program = new Command('lumaris')
    .description('Rent computers by the second, or rent out your own.')
    .addHelpText('before', `Examples:
  lumaris up                                             a whole market on this machine, to try
  lumaris run --runtime python -- python3 analyse.py     run a program elsewhere as if it were here
  lumaris run --cpus 2 --memory 1GiB --file data.csv -- ./crunch data.csv
  lumaris jobs                                           what became of it
`)
    .addHelpText('after', `\n${EXIT_HELP}`)
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text), getOutHelpWidth: () => io.stdout.columns ?? 100, getErrHelpWidth: () => io.stderr.columns ?? 100, getOutHasColors: () => false, getErrHasColors: () => false })
    .showHelpAfterError('hint: add --help to see how it is used')
    .option('--url <url>', 'the market (LUMARIS_URL, or the profile)')
    .option('--as <name>', 'somebody else of the profile, such as admin in a demo (LUMARIS_AS)')
    .option('--account <account>', 'an account that you work for: e-mail, name or id; self: your own (LUMARIS_ACCOUNT, or lumaris use)')
    .option('--json', 'print JSON; --json=lines prints a line per item')
    .addOption(new Option('--json-lines').hideHelp())
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']))
    .option('-q, --quiet', 'no progress; of lists, ids only')
    .option('--verbose', 'tell every request, and failures in full')
    .addOption(new Option('--timeout <duration>', 'how long to wait for an answer').argParser(parseDuration))
    .addOption(new Option('--no-headers', 'tables without their first line'))
    .helpCommand('help [command]', 'how a command is used')
  program.version(VERSION, '--version', 'the version')
  let context: Context | null = null
  const withContext: WithContext = (action) => async (...args) => {
    const command = args.at(-1) as Command
    context ??= onFlags(command.optsWithGlobals())
    await action(context, ...(args as never[])) // commander gives what the command declared
  }
  for (const entry of COMMANDS) {
    const command = program.command(entry.name, entry.hidden ? { hidden: true } : {}).summary(entry.summary).description(entry.summary)
    if (wanted === 'all' || wanted === entry.name) (await entry.load()).define(command, withContext)
    // A stub that is met after all (by `help all`, say) takes anything.
    else command.allowUnknownOption().allowExcessArguments()
  }
  return program
}
export const VERSION = '0.1.0'

/** Gives an action its context; what commander passes (arguments, options, command) comes after it. */
export type WithContext = (action: (context: Context, ...args: never[]) => Promise<void> | void) => (...args: unknown[]) => Promise<void>
export type { CommandEntry }
