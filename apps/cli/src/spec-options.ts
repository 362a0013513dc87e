// The options by which `run`, `quote` and `submit` describe a job, and what they make: a JobSpec whose inputs are still files here.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { Assurance, DriverId, GANG_MAX, JobSpec, LEVELS, Runtime, fillTemplate } from '@lumaris/protocol'
import type { EgressRule, JobSpecInput, LabelTerm } from '@lumaris/protocol'
import type { Context } from './context.ts'
import { CliError, EXIT } from './failures.ts'
import { findInputs, withUrls } from './inputs.ts'
import type { LocalFile, RemoteFile } from './inputs.ts'
import type { Parent } from './parse.ts'
import { readDescription } from './read-description.ts'
import { splitWords } from './words.ts'
import { asIs, collect, parseAfter, parseAmount, parseCompare, parseDeadline, parseCores, parseCount, parseDuration, parseEgress, parseGpuShare, parsePair, parseShare, parseSize, parseWhere } from './parse.ts'

export type SpecOptions = {
  spec?: string; template?: string; set?: (readonly [string, string])[]; after?: Parent[]; name?: string; tag?: string[]; runtime?: string; image?: string; cpus?: number; memory?: number; disk?: number; gpus?: number; time?: number; queueTime?: number; expect?: number
  file?: string[]; inputUrl?: string[]; auto: boolean; out?: string[]; env?: (readonly [string, string])[]; each?: string[]; region?: string[]; residency?: string[]; where?: LabelTerm[]; gpuModel?: string[]; gpuShare?: number; gpuMemory?: number; label?: (readonly [string, string])[]
  deadline?: (now: number) => number; doneBy?: (now: number) => number; checkpoint?: string[]; checkpointEvery?: number; interruptible?: bigint | true; displace?: bigint; spread?: string; trust?: string; level?: string; encryptedScratch?: true; egress?: EgressRule[]; driver?: string[]; copies?: number; assurance?: string; compare?: NonNullable<JobSpecInput['compare']>; referee?: string[]; verify?: string[]; refereeTime?: number; speculate?: number; retries?: number; priority?: number; gang?: number
}

export function addSpecOptions(command: Command): Command {
  return command
    .argument('[command...]', 'the program and its arguments, after --')
    .option('-f, --file <file>', 'take a file or folder along; FILE=NAME renames it (repeatable)', collect(asIs))
    .option('--input-url <[name=]url>', 'a file that the market fetches from the public internet; #sha256=… at the end says what it must be (repeatable)', collect(asIs))
    .option('--no-auto', 'do not take along files that the command names')
    .option('-o, --out <pattern>', 'which files to bring back; * and ** match (repeatable; all new ones)', collect(asIs))
    .addOption(new Option('--runtime <runtime>', 'what runs the program').choices(Runtime.options))
    .option('--image <image>', 'run a program of this OCI image: registry/name@sha256:… (runtime container)')
    .option('-c, --cpus <cores>', 'such as 2 or 0.5 (1)', parseCores)
    .option('-m, --memory <size>', 'such as 512MiB or 2GiB (512MiB)', parseSize)
    .option('--disk <size>', 'such as 1GiB (512MiB)', parseSize)
    .option('--gpus <count>', 'graphics cards (0)', parseCount)
    .option('--gpu-model <model>', 'such as nvidia-h200 (repeatable: any of them)', collect(asIs))
    .option('--gpu-share <share>', 'a part of a card will do, such as 1/7 or 0.25: at least so much of its processors', parseGpuShare)
    .option('--gpu-memory <size>', 'memory of each graphics card, at least', parseSize)
    .option('-t, --time <duration>', 'the longest a try may run, such as 90s or 1h30m (10m)', parseDuration)
    .option('--queue-time <duration>', 'how long it may wait for a node (1d)', parseDuration)
    .option('--deadline <time>', 'wanted by then: 18:00, 2h30m from now, or 2027-01-31T18:00', parseDeadline)
    .option('--checkpoint <pattern...>', 'keep these files of its directory, so that it goes on from them when it is interrupted or moved')
    .option('--checkpoint-every <duration>', 'how often (5min)', parseDuration)
    .option('--interruptible [credits]', 'cheaper, and firm work may take its place; the most an hour may cost', parseAmount)
    .option('--displace <credits>', 'take the place of interruptible work for at most so much per task, instead of waiting', parseAmount)
    .option('--expect <duration>', 'how long you think it runs: for the estimate only', parseDuration)
    .option('-e, --env <name=value>', 'an environment variable (repeatable)', collect(parsePair))
    .option('--each <argument>', 'a task with this argument at the end of the command (repeatable)', collect(asIs))
    .option('--name <name>', 'a name to find it by')
    .option('--tag <word>', 'what it is about, such as scraping: sellers may refuse work by it (repeatable)', collect(asIs))
    .option('--region <region>', 'only there (repeatable)', collect(asIs))
    .option('--label <name=value>', 'only nodes with this label (repeatable)', collect(parsePair))
    .option('--where <condition>', 'a condition on labels: name=a,b  name!=a  name>=3  name<=3  name  !name (repeatable: all must hold)', collect(parseWhere))
    .option('--residency <region>', 'where the data may lie: a rule that nothing relaxes (repeatable)', collect(asIs))
    .addOption(new Option('--spread <apart>', 'no two tasks at one time on one node, with one owner, or in one region').choices(['node', 'owner', 'region']))
    .addOption(new Option('--trust <trust>', 'only nodes that have shown it').choices(['known', 'trusted']))
    .addOption(new Option('--level <level>', 'how strong the wall around it must be').choices(LEVELS))
    .option('--encrypted-scratch', 'only where all that it brings to the disk is encrypted with a key that is never written down')
    .option('--egress <host[:port]>', 'let it connect there: a name such as example.org or *.example.org, port 443 if none is named (repeatable; nowhere)', collect(parseEgress))
    .addOption(new Option('--driver <driver>', 'only these ways to isolate (repeatable)').choices(DriverId.options).argParser(collect(asIs)))
    .addOption(new Option('--gang <ranks>', 'run so many at once or none, joined by a private network: RANK, WORLD_SIZE, MASTER_ADDR tell them apart').argParser(parseCount).conflicts(['copies', 'assurance']))
    .option('--copies <count>', 'run on so many nodes of different owners, and compare', parseCount)
    .addOption(new Option('--assurance <share>', 'at most this share of accepted results may be wrong; the market chooses how many nodes are asked').choices(Assurance.options).conflicts('copies'))
    .option('--compare <how>', 'when copies agree: bytes, json (the same values), numbers (the same text but for numbers); json:1e-9 and numbers:1e-6:1e-12 with a relative, and an absolute, tolerance; image (PNG and JPEG by their pixels), image:0.5:8 with how far they may be off of 255, in the mean and at most', parseCompare)
    .addOption(new Option('--referee <command>', 'a program that says whether two results are the same: it finds their files below one/ and other/, runs on a node of another owner, and ends with 0 for yes and 3 for no').argParser(splitWords).conflicts(['compare', 'verify']))
    .addOption(new Option('--verify <command>', 'a program that says whether a result is right, from result/ and input/, in the same way; with --assurance').argParser(splitWords).conflicts('compare'))
    .option('--referee-time <duration>', 'the longest one run of either may take (1m)', parseDuration)
    .option('--speculate <share>', 'begin tasks that are late a second time elsewhere, up to this share of the work, such as 0.05; 0: never', parseShare)
    .option('--retries <count>', 'tries after an end that is not the program’s fault (5)', parseCount)
    .option('--priority <1-10>', '1 is served first (5)', parseCount)
    .option('--after <job>', 'only when that job has completed; JOB=PATTERN takes its files along, JOB=PATTERN:DIR below a directory (repeatable)', collect(parseAfter))
    .addOption(new Option('--template <name>', 'a job that was saved by lumaris template; options go over it').conflicts('spec').argParser(asIs))
    .option('--set <name=value>', 'a parameter of the template (repeatable)', collect(parsePair))
    .option('--spec <file>', 'a job as JSON or YAML, or - for standard input; options go over it')
}

/** For commands that order one job; `map` and `wait-for` have other words for `by` and `for`. */
export type PlanOptions = { by?: (now: number) => number; for?: bigint; secret?: string[] }
export const addPlanOptions = (command: Command): Command => command
    .addOption(new Option('--by <time>', 'done by then: interruptible and cheap while there is time, firm when there is not; asks for --expect').argParser(parseDeadline).conflicts(['deadline', 'interruptible']))
    .addOption(new Option('--for <credits>', 'for at most so much: the cap').argParser(parseAmount).conflicts('cap'))
    .option('--secret <name>', 'a variable that nobody is shown again: NAME takes the value from the same variable of this shell, NAME=@FILE from a file (repeatable)', collect(asIs))
export const withPlan = <T extends SpecOptions & PlanOptions>(options: T): T => (options.by ? { ...options, doneBy: options.by } : options)

/** The secrets of a job: names for its spec, values that go beside it. A value never stands in the command line, where everybody on this machine could read it. */
export function secretsOf(context: Context, spec: JobSpecInput, said: readonly string[] = []): { spec: JobSpecInput; secrets?: Record<string, string> } {
  const values: Record<string, string> = {}
  for (const text of said) {
    const [, name = '', rest] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
    if (rest !== undefined && !rest.startsWith('@')) throw new CliError(`The value of ${name} stands in the command line`, `Others on this machine can read it there. Put it into a variable of the shell and say --secret ${name}, or into a file: --secret ${name}=@FILE.`, EXIT.usage)
    const value = rest === undefined ? context.io.env[name] : readSecret(context, rest.slice(1))
    if (value === undefined || value === '') throw new CliError(rest === undefined ? `This shell has no variable ${name}` : `${rest.slice(1)} is empty`, `export ${name}=… first, or take the value from a file: --secret ${name}=@FILE.`, EXIT.usage)
    values[name] = value
  }
  const wrong = Object.keys(values).find((name) => !/^[A-Za-z_]\w{0,127}$/.test(name))
  if (wrong !== undefined) throw new CliError(`${wrong} cannot be the name of a variable`, 'Letters, digits and underscores, no digit first.', EXIT.usage)
  const names = [...new Set([...(spec.secrets ?? []), ...Object.keys(values)])], missing = names.filter((name) => !Object.hasOwn(values, name))
  if (missing.length > 0) throw new CliError(`The job asks for the secret ${missing.join(', ')}`, `Say ${missing.map((name) => `--secret ${name}`).join(' ')}: the value then comes from the same variable of this shell.`, EXIT.usage)
  return names.length === 0 ? { spec } : { spec: { ...spec, secrets: names }, secrets: values }
}
function readSecret(context: Context, file: string): string {
  try { return readFileSync(resolve(context.io.cwd, file), 'utf8').replace(/\r?\n$/, '') } catch { throw new CliError(`The file ${file} cannot be read`, 'Check its path.', EXIT.usage) }
}

/** A job with a plan that names no limit may run so many times as long as it is expected to: the cap has to cover that. */
const PLANNED_LIMIT = 1.5, RUN_MAX_MS = 7 * 86_400_000

/** What was said of one parent in several places, in one. */
const afterOf = (parents: readonly Parent[]): JobSpecInput['after'] => [...Map.groupBy(parents, ({ job }) => job)].map(([job, all]) => { const inputs = all.flatMap(({ from, to }) => (from === undefined ? [] : [to === undefined ? { from } : { from, to }])); return inputs.length > 0 ? { job, inputs } : { job } })

export type LocalSpec = { readonly spec: JobSpecInput; readonly files: readonly (LocalFile | RemoteFile)[]; /** Those that the command names which compares results. */ readonly refereeFiles: readonly LocalFile[] }

export async function specOf(context: Context, words: readonly string[], options: SpecOptions): Promise<LocalSpec> {
  const base = options.template !== undefined ? await fromTemplate(context, words, options.template, options.set ?? []) : options.spec === undefined ? {} : await readSpec(context, options.spec)
  if (options.set && options.template === undefined) throw new CliError('--set is for --template', 'Name the template whose parameter it is.', EXIT.usage)
  const command = words.length > 0 ? [...words] : base.command
  if (options.gang !== undefined && (options.gang < 2 || options.gang > GANG_MAX)) throw new CliError(`A gang of ${options.gang} cannot be`, `A gang has 2 to ${GANG_MAX} ranks.`, EXIT.usage)
  if (options.gang !== undefined && options.each && options.each.length !== options.gang) throw new CliError(`--each names ${options.each.length} tasks, and the gang has ${options.gang} ranks`, 'Name one for each rank, or leave out --each.', EXIT.usage)
  if (!command || command.length === 0) throw new CliError('There is no program to run', 'Put it after two dashes: lumaris run -- python3 analyse.py', EXIT.usage)
  const { resources = {}, limits = {}, placement = {} } = base, expectedMs = options.expect ?? base.expectedMs
  if (options.doneBy && expectedMs === undefined) throw new CliError('--by does not know how long it runs', 'Say it by --expect, such as --expect 2h: from that follows when it must become firm.', EXIT.usage)
  const spec = defined({
    ...base, command, name: options.name ?? base.name, tags: options.tag ?? base.tags, image: options.image ?? base.image, runtime: (options.runtime as Runtime | undefined) ?? base.runtime ?? ((options.image ?? base.image) === undefined ? undefined : 'container'), outputs: options.out ?? base.outputs, copies: options.copies ?? base.copies, assurance: (options.assurance as Assurance | undefined) ?? base.assurance,
    compare: refereeIn(options) ?? options.compare ?? base.compare, speculate: options.speculate ?? base.speculate, priority: options.priority ?? base.priority, expectedMs, deadline: (options.doneBy ?? options.deadline)?.(context.io.now()) ?? base.deadline, plan: options.doneBy ? ('deadline' as const) : base.plan,
    checkpoint: options.checkpoint ? defined({ paths: options.checkpoint, everyMs: options.checkpointEvery }) : base.checkpoint,
    interruptible: options.interruptible === undefined ? base.interruptible : options.interruptible === true ? {} : { bidHour: options.interruptible.toString() }, displace: options.displace?.toString() ?? base.displace, env: options.env ? { ...base.env, ...Object.fromEntries(options.env) } : base.env,
    network: options.egress ? { egress: options.egress } : base.network,
    after: options.after ? afterOf(options.after) : base.after,
    tasks: options.each?.map((argument) => ({ args: [argument] })) ?? (options.gang === undefined ? base.tasks : Array.from({ length: options.gang }, (_, rank) => base.tasks?.[rank] ?? {})), gang: options.gang === undefined ? base.gang : (true as const),
    resources: defined({ ...resources, cpuMillis: options.cpus ?? resources.cpuMillis, memoryBytes: options.memory ?? resources.memoryBytes, diskBytes: options.disk ?? resources.diskBytes, gpus: options.gpus ?? resources.gpus ?? (options.gpuModel || options.gpuMemory !== undefined || options.gpuShare !== undefined ? 1 : undefined), gpuModels: options.gpuModel ?? resources.gpuModels, gpuShare: options.gpuShare ?? resources.gpuShare, gpuMemoryBytes: options.gpuMemory ?? resources.gpuMemoryBytes }),
    limits: defined({ ...limits, runMs: options.time ?? limits.runMs ?? (options.doneBy && expectedMs !== undefined ? Math.min(RUN_MAX_MS, Math.ceil(expectedMs * PLANNED_LIMIT)) : undefined), queueMs: options.queueTime ?? limits.queueMs, retries: options.retries ?? limits.retries }),
    placement: defined({
      ...placement, regions: options.region ?? placement.regions, residency: options.residency ?? placement.residency, where: options.where ?? placement.where, minLevel: (options.level as JobSpec['placement']['minLevel'] | undefined) ?? placement.minLevel,
      spread: (options.spread as JobSpec['placement']['spread'] | undefined) ?? placement.spread, minTrust: (options.trust as JobSpec['placement']['minTrust'] | undefined) ?? placement.minTrust,
      encryptedScratch: options.encryptedScratch ?? placement.encryptedScratch,
      drivers: (options.driver as DriverId[] | undefined) ?? placement.drivers, labels: options.label ? { ...placement.labels, ...Object.fromEntries(options.label) } : placement.labels,
    }),
  }) as JobSpecInput
  const parsed = JobSpec.safeParse(spec)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new CliError(`The job is not a valid one: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, 'See lumaris run --help for what may be asked for.', EXIT.usage)
  }
  // A template brought its files when it was saved; a value that happens to be the name of a file here is only a text.
  return { spec, refereeFiles: findInputs([], options.referee ?? options.verify ?? [], { cwd: context.io.cwd, auto: options.auto }), files: withUrls(findInputs(options.file ?? [], [...command, ...(options.each ?? [])], { cwd: context.io.cwd, auto: options.auto && options.template === undefined }), options.inputUrl ?? []) }
}

function refereeIn({ referee, verify, refereeTime }: SpecOptions): JobSpecInput['compare'] {
  const command = referee ?? verify
  if (!command && refereeTime !== undefined) throw new CliError('--referee-time is for --referee or --verify', 'Name the program that compares, or leave it out.', EXIT.usage)
  return command && { kind: 'command', command, says: verify ? 'right' : 'same', ...(refereeTime === undefined ? {} : { runMs: refereeTime }) }
}

/** The spec with its files, and those of its referee, which are on the server now. */
export const withInputs = (spec: JobSpecInput, inputs: NonNullable<JobSpecInput['inputs']>, referees: NonNullable<JobSpecInput['inputs']> = []): JobSpecInput =>
  ({ ...spec, ...(spec.compare?.kind === 'command' ? { compare: { ...spec.compare, inputs: [...(spec.compare.inputs ?? []), ...referees] } } : {}), inputs: [...(spec.inputs ?? []).filter((old) => !inputs.some((one) => one.path === old.path)), ...inputs] })

async function fromTemplate(context: Context, words: readonly string[], name: string, set: readonly (readonly [string, string])[]): Promise<JobSpecInput> {
  if (words.length > 0) throw new CliError(`The template ${name} has a program already`, 'Leave out what stands after the two dashes, or the template.', EXIT.usage)
  const twice = set.find(([key], i) => set.findIndex(([other]) => other === key) !== i)
  if (twice) throw new CliError(`${twice[0]} is set twice`, 'Set each parameter once.', EXIT.usage)
  const template = await (await context.client()).api.getTemplate({ params: { template: name } }), made = fillTemplate(template, Object.fromEntries(set))
  if ('problem' in made) throw new CliError(`The template ${name}: ${made.problem}`, `lumaris template show ${name} shows its parameters; set one by --set NAME=VALUE.`, EXIT.usage)
  return made.spec as JobSpecInput
}

async function readSpec(context: Context, file: string): Promise<Partial<JobSpecInput>> {
  const value = await readDescription(context, file, 'Give a JSON or YAML file, or - for standard input; packages/protocol/src/job-spec.ts has its fields.')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CliError(`${file} is not a job`, 'A job is an object with at least a command.', EXIT.usage)
  return value as Partial<JobSpecInput>
}

const defined = <T extends object>(object: T): T => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
