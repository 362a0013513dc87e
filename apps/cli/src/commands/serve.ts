// `lumaris serve`: the control plane by itself, as somebody operates it for others. Nobody is made up, no credits are given away, no seller shares this machine;
// to try a market, there is `lumaris up`.
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { Register, isRefusal, REFUSALS } from '@lumaris/protocol'
import { askSecret } from '../ask.ts'
import type { WithContext } from '../cli.ts'
import { canAsk } from '../context.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseCount } from '../parse.ts'
import { profileFiles } from '../profile.ts'
import { mailOf } from '../mail-settings.ts'

type ServeOptions = { port: number; host: string; data?: string; database?: string; operator?: string; newPassword?: string; trustProxy?: string; demoCredits?: boolean; logLevel: string }

export function define(command: Command, withContext: WithContext): void {
  command
    .option('-p, --port <port>', 'where to listen', parseCount, 7070)
    .option('--host <host>', 'on which address; behind a proxy that speaks TLS this one will do', asIs, '127.0.0.1')
    .option('--data <folder>', 'where keys, blobs, logs and SQLite’s file are kept (.lumaris/serve of the checkout); replicas share one', asIs)
    .option('--database <url>', 'a PostgreSQL instead of SQLite (DATABASE_URL)', asIs)
    .option('--operator <email>', 'make the first operator, if there is none; the password is asked for, or read from standard input', parseEmail)
    .option('--new-password <email>', 'set the password of this account anew, where no mail can; it is asked for, or read from standard input', parseEmail)
    .option('--trust-proxy <blocks>', 'proxies in front of it, such as 127.0.0.1/32: callers are then known by what these say', asIs)
    .option('--demo-credits', 'whoever asks gets credits for nothing, up to the setting topupMax')
    .option('--log-level <level>', 'how much it tells, as JSON lines on standard error', asIs, 'info')
    .addHelpText('before', 'Examples:\n  lumaris serve --operator you@example.org\n  DATABASE_URL=postgres://market@db/market lumaris serve --data /srv/lumaris --trust-proxy 127.0.0.1/32\n')
    .addHelpText('after', '\nAlerts go by mail when the environment names a mail server: LUMARIS_SMTP_URL=smtps://user:password@mail.example:465, LUMARIS_MAIL_FROM=alerts@mail.example and LUMARIS_PUBLIC_URL=https://market.example.\nWhen it is open, one line on standard output says where. SIGTERM ends it; what happened is kept. A second server on the same PostgreSQL waits, and takes over within seconds when the first falls silent.')
    .action(withContext(serve))
}

function parseEmail(text: string): string {
  const read = Register.shape.email.safeParse(text)
  if (!read.success) throw new InvalidArgumentError(`"${text}" is no e-mail address.`)
  return read.data
}

async function serve(context: Context, options: ServeOptions): Promise<void> {
  const { io } = context
  const dataDir = resolve(io.cwd, options.data ?? join(dirname(profileFiles(io.env).checkout), 'serve')), databaseUrl = options.database ?? io.env['DATABASE_URL']
  if (options.operator !== undefined && options.newPassword !== undefined) throw new CliError('One password is read at a start', 'Give --operator or --new-password, not both.', EXIT.usage)
  const { promise: asked, resolve: leave } = Promise.withResolvers<void>()
  let times = 0, isOpen = false
  // Who only waits to become the writer holds nothing that would have to be closed.
  const stopListening = io.onInterrupt(() => { if (!isOpen) io.exitNow(EXIT.ok); else if (++times > 1) io.exitNow(EXIT.interrupted); else leave() })
  try {
    const { startServer, createLog, hasOperator, makeFirstOperator } = await import('@lumaris/server'), mail = await mailOf(io.env)
    const server = await startServer({
      dataDir, host: options.host, port: options.port, databaseUrl, trustProxy: options.trustProxy, mail, log: createLog(options.logLevel, 'server'), ...(options.demoCredits ? {} : { settings: { demoTopupMaxMicros: null } }),
    })
    isOpen = true
    try {
      let operated = await hasOperator(server.app)
      if (options.operator !== undefined && !operated) {
        const made = await makeFirstOperator(server.app, { email: options.operator, name: options.operator.split('@')[0] ?? options.operator, password: await askPassword(context, 'of the first operator', `--operator ${options.operator}`) })
        if (made && isRefusal(made)) throw new CliError(REFUSALS[made.refusal].title, REFUSALS[made.refusal].hint)
        operated = true
      }
      if (options.newPassword !== undefined) {
        const ended = await server.app.identity.setPasswordOf(options.newPassword, await askPassword(context, `of ${options.newPassword}`, `--new-password ${options.newPassword}`))
        if (ended === null) throw new CliError(`Nobody has an account as ${options.newPassword}`, 'Look at its spelling; `lumaris admin users` of an operator lists them.')
        if (isRefusal(ended)) throw new CliError(REFUSALS[ended.refusal].title, REFUSALS[ended.refusal].hint)
        context.note(`The new password of ${options.newPassword} holds; ${ended === 1 ? 'one session' : `${ended} sessions`} ended with the old one.`)
      }
      await context.showThing({ url: server.url, dataDir, database: databaseUrl === undefined ? 'sqlite' : 'postgres', operated }, [['market', server.url], ['kept in', dataDir], ['database', databaseUrl === undefined ? 'SQLite' : 'PostgreSQL']])
      if (!operated) context.note('Nobody operates this market: start it with --operator YOU@EXAMPLE.ORG to make the first account that may.')
      await asked
    } finally { await server.stop() }
  } finally { stopListening() }
}

async function askPassword(context: Context, whose: string, option: string): Promise<string> {
  const password = await askSecret(context.io, `Password ${whose}: `)
  if (password === '') throw new CliError('No password was given', `Type it, or give it on standard input: lumaris serve ${option} < password.txt`, EXIT.usage)
  if (canAsk(context.io) && (await askSecret(context.io, 'Again: ')) !== password) throw new CliError('The two passwords differ', 'Start it again.', EXIT.usage)
  return password
}
