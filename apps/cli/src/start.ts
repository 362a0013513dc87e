// `npm start`: a market on this machine, the sample job run through the whole journey before the newcomer's eyes, and then it stays up.
//   npm start                  http://127.0.0.1:7070, data in .lumaris/
//   npm start -- --exit        ends after the sample job; exit code 0 only if it completed, its results are the known ones and the books balance
//   npm start -- --port 8080 --data DIR
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseMoney } from '@lumaris/protocol'
import type { Attempt, InputFile } from '@lumaris/protocol'
import { createClient, verifyReceipt } from '@lumaris/sdk'
import type { Client, Merged } from '@lumaris/sdk'
import { SCRIPT_FILE, DATA_NAME, PART_NAME, checkSample, dataFile, summarise, yearsIn } from '../../../examples/weather/check.ts'
import type { SampleResult } from '../../../examples/weather/check.ts'
import { startMarket } from './commands/up.ts'
import type { Market } from './commands/up.ts'
import { createContext } from './context.ts'
import type { Context } from './context.ts'
import { CliError, EXIT, exitCodeOf, renderFailure } from './failures.ts'
import { clean } from './ui/clean.ts'
import { creditsOf } from './ui/money.ts'
import { renderTable } from './ui/table.ts'
import { durationText } from './ui/time.ts'

/** A receipt's last tick is sealed a moment after the job has ended: so long it is waited for. */
const SEAL_MS = 5_000

async function main(context: Context, options: { port: number; exit: boolean; data?: string | undefined; logLevel: string }): Promise<number> {
  const { io, errorColours: paint } = context
  const progress = context.progress()
  const { promise: asked, resolve: leave } = Promise.withResolvers<void>()
  let times = 0
  const stopListening = io.onInterrupt(() => { if (++times > 1) io.exitNow(EXIT.interrupted); else leave() })
  let market: Market | null = null
  try {
    const began = performance.now()
    market = await startMarket(context, { port: options.port, host: '127.0.0.1', agents: 3, logLevel: options.logLevel, ...(options.data ? { data: options.data } : {}) }, (text) => progress.phase(text))
    progress.note(`${paint.green('The market is open')} at ${market.url} (${durationText(performance.now() - began)}), with ${market.nodes.length} nodes: ${market.nodes.map((node) => node.name).join(', ')}`)
    const sample = runSample(context, market, progress)
    const good = await Promise.race([sample, asked.then(() => null)])
    if (good === null) return EXIT.interrupted
    if (options.exit) return good ? EXIT.ok : EXIT.failed
    context.note(`
In a browser: ${market.url}/   (sign up, or go on as somebody of this demo: the address signs in that one tab)
  the buyer     ${market.url}/sign-in#key=${market.keys.buyer}
  a seller      ${market.url}/sign-in#key=${market.keys.seller}
  the operator  ${market.url}/sign-in#key=${market.keys.admin}
In another terminal:
  npx lumaris run -- echo hello                 a program of the node (needs bubblewrap there)
  npx lumaris run --runtime python -- python3 -c 'print(6 * 7)'
  npx lumaris jobs        npx lumaris wallet        npx lumaris --as admin nodes
Ctrl-C stops the market; what happened is kept in .lumaris/.`)
    await asked
    return EXIT.ok
  } finally {
    progress.phase('Stopping')
    await market?.stop()
    progress.stop()
    stopListening()
  }
}

async function runSample(context: Context, market: Market, progress: ReturnType<Context['progress']>): Promise<boolean> {
  const paint = context.errorColours
  const buyer = createClient({ url: market.url, token: market.keys.buyer })
  const csv = readFileSync(dataFile(), 'utf8')
  const years = yearsIn(csv)
  progress.phase('Uploading the sample: four years of weather in Seattle')
  const inputs: InputFile[] = []
  for (const [path, from] of [['analyse.py', SCRIPT_FILE], [DATA_NAME, dataFile()]] as const) {
    const { blob, size } = await buyer.upload(from)
    inputs.push({ path, blob, size })
  }
  const { spec } = await buyer.prepareMap({
    name: 'weather sample', runtime: 'python', command: ['python3', 'analyse.py', DATA_NAME, '{}', PART_NAME], input: { by: 'list', items: years.map(String) }, result: PART_NAME, merge: { kind: 'json' }, inputs,
    expectedMs: 10_000, limits: { runMs: 120_000 }, resources: { cpuMillis: 500 },
  })
  const quote = await buyer.quote(spec)
  progress.note(`Quote: probably ${creditsOf(quote.p50)}, never more than ${creditsOf(quote.cap)}; ${quote.nodesFree} of ${quote.nodes} nodes are free`)
  const job = await buyer.submit(spec, { quote: quote.id })
  progress.note(`Job ${job.id}: ${years.length} parts, ${creditsOf(job.cap)} held`)
  let done = 0, running = 0
  const tell = (): void => progress.phase(`${bar(done, years.length)} ${done} of ${years.length} parts done${running > 0 ? `, ${running} running` : ''}`)
  tell()
  for await (const news of buyer.followJob(job.id)) {
    if (news.kind === 'log') { progress.note(new TextDecoder().decode(news.bytes).trimEnd().split('\n').map((line) => `  ${paint.dim(String(years[news.task] ?? '').padEnd(5))} ${clean(line)}`).join('\n')); continue }
    const { event } = news
    if (event.type === 'attempt' && event.state === 'running') running++
    if (event.type === 'attempt' && (event.state === 'reported' || event.state === 'ended')) running = Math.max(0, running - 1)
    if (event.type === 'task' && event.state === 'done') done++
    tell()
  }
  progress.clear()
  return report(context, market, buyer, job.id, years)
}

const bar = (done: number, total: number): string => '█'.repeat(done * 4) + '░'.repeat((total - done) * 4)

async function report(context: Context, market: Market, buyer: Client, id: string, years: readonly number[]): Promise<boolean> {
  const { colours: paint } = context
  const { job } = await buyer.wait(id)
  const attempts: Attempt[] = []
  for await (const attempt of buyer.attempts(id)) attempts.push(attempt)
  const found: SampleResult[] = []
  let merged: Merged | null = null
  if (job.state === 'completed') {
    const folder = join(dirname(market.profile), 'sample')
    mkdirSync(folder, { recursive: true })
    merged = await (await buyer.openMap(id)).merge(join(folder, 'weather.json'), { overwrite: true })
    // From strangers' machines: it may be anything.
    const list: unknown = JSON.parse(readFileSync(merged.path, 'utf8'))
    if (Array.isArray(list)) for (const json of list as unknown[]) found.push({ year: Number((json as { year?: unknown } | null)?.year ?? 0), json })
  }
  const { ok, differences } = checkSample(found)
  const receipts = await Promise.all(attempts.filter((attempt) => attempt.billed !== undefined).map((attempt) => sealedReceipt(buyer, attempt.id)))
  const ledger = await createClient({ url: market.url, token: market.keys.admin }).api.checkLedger()
  await context.write(`\n${paint.bold('Result')}\n${summarise(found).map((line) => `  ${line}\n`).join('')}\n${paint.bold('Where it ran, and what it cost')}\n`)
  const table = renderTable<Attempt>([
    { title: 'part', value: (attempt) => years[Number(attempt.task.split('.')[1])] ?? attempt.task }, { title: 'node', value: (attempt) => attempt.nodeName }, { title: 'driver', value: (attempt) => `${attempt.driver} (${attempt.level})` },
    { title: 'ended', value: (attempt) => attempt.cause ?? attempt.state }, { title: 'ran', value: (attempt) => durationText(attempt.usage.runMs), right: true }, { title: 'credits', value: (attempt) => creditsOf(attempt.billed ?? '0').replace(' credits', ''), right: true },
  ], attempts, { tty: true, columns: context.io.stdout.columns ?? 80, colours: paint })
  await context.write(table.split('\n').map((line) => (line ? `  ${line}\n` : '')).join(''))
  if (merged) await context.write(`\n  Merged: ${attempts.filter((attempt) => attempt.state === 'valid').length} parts into ${merged.path} (${merged.size} bytes, sha256 ${merged.sha256})\n`)
  const sure = (good: boolean, yes: string, no: string): string => `  ${good ? paint.green('✓') : paint.red('✗')} ${good ? yes : no}\n`
  const allVerified = receipts.length > 0 && receipts.every((verdict) => verdict.ok)
  await context.write(`\n  Bill: ${creditsOf(job.cost)}; ${creditsOf(job.refunded)} of the ${creditsOf(job.cap)} held came back.\n`
    + sure(job.state === 'completed', 'the job completed', `the job ended as ${job.state}${job.cause ? `: ${job.cause}` : ''}`)
    + sure(ok, 'the results are the known ones', `the results differ: ${differences.join('; ')}`)
    + sure(allVerified, `${receipts.length} receipts rechecked: terms, meter readings, signatures and sums`, 'a receipt does not hold')
    + sure(ledger.balanced, `the ledger balances: ${ledger.postings} postings in ${ledger.accounts} accounts sum to ${parseMoney(ledger.sum)}`, `the ledger does not balance: ${ledger.problems.join('; ')}`))
  return job.state === 'completed' && ok && ledger.balanced && allVerified
}

async function sealedReceipt(buyer: Client, attempt: string): Promise<{ ok: boolean }> {
  for (const until = performance.now() + SEAL_MS; ;) {
    const verdict = await verifyReceipt(await buyer.receipt(attempt))
    if (verdict.ok || performance.now() > until) return verdict
    await delay(100)
  }
}

const io = {
  stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd(), now: () => Date.now(), exitNow: (code: number) => process.exit(code),
  onInterrupt(handler: () => void) { process.on('SIGINT', handler).on('SIGTERM', handler); return () => { process.off('SIGINT', handler).off('SIGTERM', handler) } },
}
const context = createContext(io, {})
try {
  const { values } = parseArgs({ options: { exit: { type: 'boolean', default: false }, port: { type: 'string', default: '7070' }, data: { type: 'string' }, 'log-level': { type: 'string', default: 'error' } } })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new CliError(`"${values.port}" is not a port`, 'Use a number from 0 to 65535.', EXIT.usage)
  process.exit(await main(context, { port, exit: values.exit, data: values.data, logLevel: values['log-level'] }))
} catch (error) {
  process.stderr.write(renderFailure(startFailure(error), { colours: context.errorColours }))
  process.exit(exitCodeOf(startFailure(error)))
}

/** What keeps a market from starting, in one sentence each. */
function startFailure(error: unknown): unknown {
  const { code, name, message } = error as { code?: string; name?: string; message?: string }
  if (code === 'EADDRINUSE') return new CliError('The port is taken: another program listens there', 'Stop it, or choose another port: npm start -- --port 8080')
  if (code === 'EACCES' || code === 'EROFS') return new CliError(`The data directory cannot be written: ${message ?? ''}`, 'Choose another one: npm start -- --data DIR')
  if (name === 'DatabaseError') return new CliError(message ?? 'The database cannot be opened', 'npm start -- --data DIR starts with another data directory.')
  if (code?.startsWith('ERR_PARSE_ARGS')) return new CliError(message ?? 'Unknown option', 'usage: npm start -- [--exit] [--port PORT] [--data DIR]', EXIT.usage)
  return error
}
