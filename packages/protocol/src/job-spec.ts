import { z } from 'zod'
import { JobNetwork } from './egress.ts'
import { JobId, Sha256 } from './ids.ts'
import { Amount } from './money.ts'
import { PIECES_MAX } from './pieces.ts'

const KIB = 1024
export const MIB = KIB * 1024
export const GIB = MIB * 1024

export const LEVELS = ['language', 'namespace', 'kernel', 'vm'] as const
/** How strong the wall around the job is, weakest first. */
export const Level = z.enum(LEVELS).meta({ id: 'Level' })
export type Level = z.infer<typeof Level>

export const DriverId = z.enum(['deno', 'bwrap', 'container', 'gvisor', 'qemu', 'firecracker', 'fake']).meta({ id: 'DriverId' })
export type DriverId = z.infer<typeof DriverId>

/** What runs the command: `native` programs of the node, JavaScript/TypeScript or Python brought along by the driver, or the programs of the image that the job names. */
export const Runtime = z.enum(['native', 'javascript', 'python', 'container']).meta({ id: 'Runtime' })
export type Runtime = z.infer<typeof Runtime>

// Registry, repository, digest. A tag may stand before the digest and says nothing then. No registry is guessed: engines guess differently.
const IMAGE = /^(?=[^/]*[.:]|localhost\/)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@sha256:[0-9a-f]{64}$/
/** An OCI image by its digest: tags move, and copies of one task must run the same thing. */
export const ImageRef = z.string().max(512).regex(IMAGE, 'an image with its registry and its digest, such as docker.io/library/python@sha256:…; skopeo inspect or docker buildx imagetools inspect shows the digest').meta({ id: 'ImageRef' })
export type ImageRef = z.infer<typeof ImageRef>

// A relative path that stays below the job's directory: no leading slash, no empty, `.` or `..` part, no backslash, no control character.
const PATH = /^(?!\/)(?!.*\\)(?!.*[\u0000-\u001f\u007f])(?!(?:.*\/)?\.{1,2}(?:\/|$))(?!.*\/\/)[^/].*[^/]$|^[^/\\.\u0000-\u001f\u007f]$/
export const RelativePath = z.string().min(1).max(512).regex(PATH, 'a relative path below the job’s directory, without . or .. parts').meta({ id: 'RelativePath' })

const Offset = z.number().int().min(0)
/** Bytes of a blob, `to` not among them. */
export const ByteRange = z.strictObject({ from: Offset, to: Offset }).refine((range) => range.from <= range.to, 'from must not lie behind to').meta({ id: 'ByteRange' })
export type ByteRange = z.infer<typeof ByteRange>
/** From the end of the one before it up to `to`; the SHA-256 of the header, if there is one, and these bytes. */
export const InputPiece = z.strictObject({ to: Offset, hash: Sha256 }).meta({ id: 'InputPiece' })
export type InputPiece = z.infer<typeof InputPiece>
/**
 * A file of the job: where it lies in the working directory, and which blob it is, or which range of it (`from`, `to`), with the bytes of `header` in
 * front. `size` is that of the whole blob. Whoever fetches a range cannot check it by the blob's name, so a range brings a `hash`: the SHA-256 of
 * the file as it will lie there, header and all, computed by whoever cut it. Or it brings `pieces`, each with its own: what may be cut between any two of them.
 */
export const InputFile = z.strictObject({ path: RelativePath, blob: Sha256, size: Offset, from: Offset.optional(), to: Offset.optional(), header: ByteRange.optional(), hash: Sha256.optional(), pieces: z.array(InputPiece).min(1).max(PIECES_MAX).optional() })
  .refine((file) => [file.from, file.to, file.hash ?? file.pieces].every((part) => (part === undefined) === (file.from === undefined)), 'from, to and hash (or pieces) go together')
  .refine((file) => file.hash === undefined || file.pieces === undefined, 'a range has one hash, or pieces that have their own')
  .refine((file) => !file.pieces || (file.pieces.at(-1)?.to === file.to && file.pieces.every((piece, i) => piece.to > (file.pieces?.[i - 1]?.to ?? file.from ?? 0))), 'pieces follow one another from from to to, and none is empty')
  .refine((file) => file.header === undefined || file.from !== undefined, 'a header goes with from and to')
  .refine((file) => (file.from ?? 0) <= (file.to ?? 0) && Math.max(file.to ?? 0, file.header?.to ?? 0) <= file.size, 'the range lies outside of the blob')
  .meta({ id: 'InputFile' })
/** Of the file in the working directory. */
export const inputBytes = ({ size, from, to, header }: Pick<InputFile, 'size' | 'from' | 'to' | 'header'>): number => (from === undefined || to === undefined ? size : to - from + (header ? header.to - header.from : 0))
/** Of the smallest file that may become of it: that of its largest piece. */
export const leastInputBytes = (file: Pick<InputFile, 'size' | 'from' | 'to' | 'header' | 'pieces'>): number =>
  (file.pieces ? Math.max(...file.pieces.map(({ to }, i) => to - (file.pieces?.[i - 1]?.to ?? file.from ?? 0))) + (file.header ? file.header.to - file.header.from : 0) : inputBytes(file))
/** The SHA-256 of the file in the working directory; null when only its pieces have one. */
export const inputHash = ({ blob, hash, pieces }: Pick<InputFile, 'blob' | 'hash' | 'pieces'>): Sha256 | null => (pieces ? null : hash ?? blob)
export type InputFile = z.infer<typeof InputFile>

const EnvName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
const Env = z.record(EnvName, z.string().max(8 * KIB)).refine((env) => Object.keys(env).length <= 200, 'at most 200 variables')
/** Secrets of one job. */
export const SECRETS_MAX = 50
/** Values of variables, by name: sent beside a job, and never told again. */
export const SecretValues = z.record(EnvName, z.string().min(1).max(8 * KIB).refine((text) => !text.includes('\u0000'), 'no NUL characters')).refine((values) => Object.keys(values).length <= SECRETS_MAX, `at most ${SECRETS_MAX} secrets`).meta({ id: 'SecretValues' })
export type SecretValues = z.infer<typeof SecretValues>
const Argument = z.string().max(32 * KIB).refine((text) => !text.includes('\u0000'), 'no NUL characters')

/** How a maker calls a kind of partition: `1g.18gb`. */
export const GpuProfile = z.string().min(1).max(30).regex(/^[a-z0-9][a-z0-9._+-]*$/, 'lower case, as 1g.18gb')
export const GpuModel = z.string().min(1).max(60).regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower case, as nvidia-h200')
/** Reserved for the attempt, billed while it runs. CPU in thousandths of a core, sizes in bytes. */
export const Resources = z.strictObject({
  cpuMillis: z.number().int().min(50).max(1_024_000).default(1000),
  memoryBytes: z.number().int().min(16 * MIB).max(16_384 * GIB).default(512 * MIB),
  diskBytes: z.number().int().min(1 * MIB).max(65_536 * GIB).default(512 * MIB),
  gpus: z.number().int().min(0).max(64).default(0),
  /** Each may be a part of a card, if it is at least so many thousandths of one and the hardware holds it apart from the rest. Absent: whole cards. */
  gpuShare: z.number().int().min(1).max(1000).optional(),
  /** Any of these models, as nodes name them; and the least memory of each. */
  gpuModels: z.array(GpuModel).min(1).max(20).optional(),
  gpuMemoryBytes: z.number().int().min(1).max(2 ** 45).optional(),
}).meta({ id: 'Resources' })
export type Resources = z.infer<typeof Resources>

export const Limits = z.strictObject({
  /** One attempt may run this long; the cap is computed from it. */
  runMs: z.number().int().min(1000).max(7 * 86_400_000).default(600_000),
  /** Give up if no node was found for so long. */
  queueMs: z.number().int().min(1000).max(30 * 86_400_000).default(86_400_000),
  /** Standard output and error together. */
  outputBytes: z.number().int().min(1024).max(1 * GIB).default(50 * MIB),
  processes: z.number().int().min(1).max(4096).default(256),
  /** How often a task is tried again after an end that the buyer does not bear. */
  retries: z.number().int().min(0).max(20).default(5),
}).meta({ id: 'Limits' })
export type Limits = z.infer<typeof Limits>

export const LabelName = z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/)
/** One condition on a node's labels. `at_least` and `at_most` compare numbers; a label that is missing or no number fails them. */
export const LabelTerm = z.discriminatedUnion('op', [
  z.strictObject({ label: LabelName, op: z.enum(['in', 'not_in']), values: z.array(z.string().max(63)).min(1).max(50) }),
  z.strictObject({ label: LabelName, op: z.enum(['exists', 'absent']) }),
  z.strictObject({ label: LabelName, op: z.enum(['at_least', 'at_most']), value: z.number() }),
]).meta({ id: 'LabelTerm' })
export type LabelTerm = z.infer<typeof LabelTerm>

export const Placement = z.strictObject({
  minLevel: Level.default('language'),
  drivers: z.array(DriverId).min(1).max(7).optional(),
  regions: z.array(z.string().min(1).max(40)).min(1).max(20).optional(),
  labels: z.record(LabelName, z.string().max(63)).default({}),
  /** Every one of these must hold; `labels` is the short form for one value each. */
  where: z.array(LabelTerm).min(1).max(20).optional(),
  /** Only nodes that have shown it: `known` ends at least 80 % of its work, `trusted` 95 % with results that hold; both as lower bounds. */
  minTrust: z.enum(['known', 'trusted']).optional(),
  /** Only where all that an attempt brings to the disk is encrypted with a key that is never written down: a rule, never relaxed either. */
  encryptedScratch: z.literal(true).optional(),
  /** Where the data may lie: a rule, never relaxed by any fallback, while `regions` is a wish. */
  residency: z.array(z.string().min(1).max(40)).min(1).max(20).optional(),
  /** No two tasks of the job at one time on one node, with one owner, or in one region. */
  spread: z.enum(['node', 'owner', 'region']).optional(),
  /** The most one attempt may cost at its time limit; nodes that could cost more are not considered. */
  maxAttemptCost: Amount.optional(),
}).meta({ id: 'Placement' })
export type Placement = z.infer<typeof Placement>

/** What to give up, and after how long a wait. A wish that is named takes the place of the one before it; null drops it. What is reserved, and where data may lie, stays. */
export const FallbackStep = z.strictObject({
  afterMs: z.number().int().min(1000).max(30 * 86_400_000),
  regions: z.array(z.string().min(1).max(40)).min(1).max(20).nullable().optional(), labels: z.record(LabelName, z.string().max(63)).optional(), where: z.array(LabelTerm).min(1).max(20).nullable().optional(),
  minLevel: Level.optional(), drivers: z.array(DriverId).min(1).max(7).nullable().optional(), maxAttemptCost: Amount.nullable().optional(), gpuModels: z.array(GpuModel).min(1).max(20).nullable().optional(),
}).meta({ id: 'FallbackStep' })
export type FallbackStep = z.infer<typeof FallbackStep>

/** Files of one task, its parents' among them; and tasks of all the parents whose files are taken. */
export const INPUTS_MAX = 1000
/** Items of one task: the description of a job is bounded as a whole, this only keeps one list from being all of it. */
export const ITEMS_MAX = 100_000
/** Whole numbers that a double holds exactly, also when two of them are added. */
const Whole = z.number().int().min(-(10 ** 15)).max(10 ** 15)
/**
 * What a task is made of that may be cut and is no file with `pieces`: things in a row, of which a part gets some neighbours. They are counted over all tasks of the job, `from` on.
 * `list`: `{}` in `args` stands for the part's values. `range`: the numbers `first + i × step`; `{from}`, `{to}` (included) and `{step}` stand for the part's (`{}` for the first two).
 * `files`: the task's own inputs, counted by their bytes, an empty one as one; `{}` stands for the paths of the part's.
 */
export const TaskItems = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('list'), from: Offset.default(0), values: z.array(Argument).min(1).max(ITEMS_MAX) }),
  z.strictObject({ kind: z.literal('range'), from: Offset.default(0), to: Offset.max(10 ** 15), first: Whole, step: z.number().int().min(1).max(10 ** 15).default(1) }).refine(({ from, to }) => from < to, 'there is no number in it')
    .refine(({ first, step, to }) => Math.abs(first + (to - 1) * step) <= 10 ** 15, 'its numbers go beyond 10^15'),
  z.strictObject({ kind: z.literal('files'), from: Offset.default(0) }),
]).meta({ id: 'TaskItems' })
export type TaskItems = z.infer<typeof TaskItems>

/** What differs from task to task of one job; everything else is shared. `args` are appended to the command. */
export const TaskSpec = z.strictObject({
  args: z.array(Argument).max(256).optional(),
  env: Env.optional(),
  /** A thousand at most; of a task whose `items` are its files, so many as it has items. */
  inputs: z.array(InputFile).max(10_000).optional(),
  /** Only with `divide`: what it is made of, when that is not one input with `pieces`. */
  items: TaskItems.optional(),
  /**
   * The result that the buyer knows already: all its files, by the SHA-256 of their bytes. Only with `assurance`. No seller is told; a result that is this one needs no other check, and one
   * that is not is checked in any case. It is the buyer's word, and blames nobody: three other owners do.
   */
  known: z.array(z.strictObject({ path: RelativePath, blob: Sha256 })).min(1).max(1000).optional(),
}).refine(({ inputs = [], items }) => inputs.length <= INPUTS_MAX || items?.kind === 'files', 'at most 1000 inputs').meta({ id: 'TaskSpec' })
export type TaskSpec = z.infer<typeof TaskSpec>

/** How many results one run of a reduce command is given; more are reduced in rounds. */
export const FAN_IN_MAX = 200
const Column = z.string().min(1).max(200)
/** How the results of the parts become one. `reduce` is a program of the buyer's and runs as jobs of its own; the others are exact and built in. */
export const Merge = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }), z.strictObject({ kind: z.enum(['concat', 'lines', 'json']) }),
  z.strictObject({ kind: z.literal('csv'), delimiter: z.string().length(1).optional() }),
  z.strictObject({ kind: z.enum(['sum', 'min', 'max', 'count']), by: z.array(Column).max(50).default([]) }),
  z.strictObject({ kind: z.literal('sort'), numeric: z.boolean().optional(), reverse: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('reduce'), command: z.array(Argument).min(1).max(50), inputs: z.array(InputFile).max(100).default([]), fanIn: z.number().int().min(2).max(FAN_IN_MAX).default(16) }),
]).meta({ id: 'Merge' })
export type Merge = z.infer<typeof Merge>
/** As a buyer writes it. */
export type MergeInput = z.input<typeof Merge>
/**
 * What whoever merges must know, kept with the job so that its id is enough to go on after any crash. The market itself does nothing with it.
 * `result` names the file of each task that is its part's result; a job that repeats failed parts names the job they are `of`, and which `parts`.
 */
export const MapPlan = z.strictObject({
  merge: Merge, result: RelativePath, of: JobId.optional(), parts: z.array(z.number().int().min(0)).min(1).max(10_000).optional(),
  /** The most that the map with its merge may cost, where the buyer named it. */
  cap: Amount.optional(),
}).meta({ id: 'MapPlan' })
export type MapPlan = z.infer<typeof MapPlan>

/** Tasks of one job: the bound keeps one submit inside one commit. */
export const TASKS_MAX = 10_000
/** Nodes that may be asked for one task: the wanted copies, and up to two more when they disagree. */
export const EXTRA_COPIES_MAX = 2

/** The share of wrong results that may be accepted. The market chooses the copies that keep it. */
export const Assurance = z.enum(['1e-2', '1e-4', '1e-6']).meta({ id: 'Assurance' })
export type Assurance = z.infer<typeof Assurance>
/** Nodes that may be asked for one task then: those that agree, and more when some do not. The cap covers them all. */
export const ASSURED_COPIES_MAX: Readonly<Record<Assurance, number>> = { '1e-2': 6, '1e-4': 6, '1e-6': 8 }

const Distance = z.number().min(0).max(1e300)
/** Of 255, full brightness. */
const Level255 = z.number().min(0).max(255)
/**
 * When copies of a task say the same. `bytes` (the default): every byte, and what was printed. `json`: the same values, whatever the order of keys and the spelling of
 * numbers. `numbers`: the same text, but for numbers in it. Numbers may differ by `absolute` + `relative` × the larger one; by nothing unless it is said. These two look at the
 * result files alone, and by their bytes where they are no such text, above 8 MiB together or beyond a million values, or where there are none. `image`: PNG and JPEG files of the same size whose
 * pixels differ by at most `largest` in any channel and by at most `mean` over all of them, of 255; up to 16 million pixels (8 million of a JPEG), and files that are no pictures by their bytes.
 * `command`: the referee, a program of the buyer's that runs on a node of another owner, with the files of one result below `one` and of the other below `other`; or, where it `says` whether a result is
 * `right`, with `result` and `input`. It ends with 0 for yes and REFEREE_NO for no; anything else says nothing, because it is what most programs end with when they break.
 */
export const Compare = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('bytes') }),
  z.strictObject({ kind: z.enum(['json', 'numbers']), absolute: Distance.default(0), relative: z.number().min(0).max(1).default(0) }),
  z.strictObject({ kind: z.literal('image'), mean: Level255.default(0.5), largest: Level255.default(8) }),
  z.strictObject({ kind: z.literal('command'), command: z.array(Argument).min(1).max(50), says: z.enum(['same', 'right']).default('same'), inputs: z.array(InputFile).max(100).default([]), runMs: z.number().int().min(1000).max(86_400_000).default(60_000) }),
]).meta({ id: 'Compare' })
export type Compare = z.infer<typeof Compare>
/** The code by which a referee says no. */
export const REFEREE_NO = 3
/** Where a referee finds what it is asked about. */
export const REFEREE_PLACES = ['one', 'other', 'result', 'input'] as const
export const refereeOf = ({ compare }: { readonly compare?: Compare | undefined }): Extract<Compare, { kind: 'command' }> | null => (compare?.kind === 'command' ? compare : null)

/** Jobs that one job may come after. */
export const PARENTS_MAX = 50
/**
 * A job that must have completed before this one is offered to anybody. `inputs` says which of its result files come along: an exact path or a pattern as in
 * `outputs`, and below which directory they appear. They lie as `lumaris results` would lay them: in `task-N` where tasks share a name. Absent: only the order counts.
 */
export const AfterJob = z.strictObject({
  job: JobId, inputs: z.array(z.strictObject({ from: z.string().min(1).max(512), to: RelativePath.optional() })).min(1).max(20).optional(),
}).meta({ id: 'AfterJob' })
export type AfterJob = z.infer<typeof AfterJob>

/** What of a running attempt is kept, so that the next one goes on from there: files of its directory, copied every so often while it stands still. */
export const CheckpointSpec = z.strictObject({
  /** All that the rest of the run needs, finished results too: exact paths, or patterns with `*` and `**`. */
  paths: z.array(z.string().min(1).max(512)).min(1).max(100),
  everyMs: z.number().int().min(1000).max(86_400_000).default(300_000),
}).meta({ id: 'CheckpointSpec' })
export type CheckpointSpec = z.infer<typeof CheckpointSpec>

/** A word of the buyer's on what a job is about. */
export const JobTag = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'lower-case letters, digits and dashes, at most 40')
export const TemplateName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/, 'letters, digits, dot, dash and underscore, at most 60').meta({ id: 'TemplateName' })

export const JobSpec = z.strictObject({
  /** The template it was made from: filled in by who fills it in, and only told again. */
  template: TemplateName.optional(),
  name: z.string().min(1).max(100).regex(/^[^\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]*$/, 'no control characters').optional(),
  /** What it is about, in words of its buyer, such as scraping: sellers may refuse work by them. */
  tags: z.array(JobTag).min(1).max(10).optional(),
  runtime: Runtime.default('native'),
  /** Whose programs they are, for the runtime `container`; the command takes the place of the image's own entry point and command. */
  image: ImageRef.optional(),
  /** argv: the program and its arguments. Never a shell; name one yourself if you want one. */
  command: z.array(Argument).min(1).max(256).refine((argv) => argv[0] !== '', 'the program must not be empty'),
  env: Env.default({}),
  /** Variables whose values nobody is shown again. Only their names are part of the job; the values come beside it when it is submitted, every time anew, and are wiped when it has ended. Not together with `env` of the same name. */
  secrets: z.array(EnvName).min(1).max(SECRETS_MAX).refine((names) => new Set(names).size === names.length, 'each name once').optional(),
  inputs: z.array(InputFile).max(1000).default([]),
  /** Which files to bring back: exact paths, or patterns with `*` and `**`. */
  outputs: z.array(z.string().min(1).max(512)).max(100).default(['**']),
  /** Standard output becomes this result file instead of a log, as `>` does: it may be large, and is whole when the task is done. */
  stdout: RelativePath.optional(),
  tasks: z.array(TaskSpec).min(1).max(TASKS_MAX).default([{}]),
  /**
   * The tasks may be cut while the job runs, at the pieces of their input or between their items (each has one input with `pieces`, or `items`): whoever takes one gets as much of it as its node is believed to do in `targetMs`, by what it has
   * shown at this job, never more than a share of what is left, and the rest waits as a task of its own; where
   * parts that wait are so small that starting them costs more than running them, neighbours become one. There come to be `most` tasks at most; the cap has a seat for each of them. Not together with `expectedMs`, `gang` or `interruptible`.
   */
  divide: z.strictObject({ targetMs: z.number().int().min(1000).max(86_400_000).default(60_000), most: z.number().int().min(1).max(TASKS_MAX) }).optional(),
  /** When a task has failed for good: stop the others (the default), or finish them and fail at the end. */
  onFailure: z.enum(['stop', 'finish']).optional(),
  map: MapPlan.optional(),
  /** Its parents: it waits until all of them have completed, and fails when one of them does not. */
  after: z.array(AfterJob).min(1).max(PARENTS_MAX).optional(),
  resources: Resources.prefault({}),
  limits: Limits.prefault({}),
  placement: Placement.prefault({}),
  /** Absent: none, and that is what most work should have. */
  network: JobNetwork.optional(),
  /** Taken one after the other, in this order, while the job waits for a node. */
  fallback: z.array(FallbackStep).min(1).max(10).refine((steps) => steps.every((step, i) => i === 0 || step.afterMs > (steps[i - 1] as { afterMs: number }).afterMs), 'each step later than the one before it').optional(),
  /**
   * Cheaper, and not for sure: it is placed when room is sold to such work, every 30 seconds, at one price for all who bid as much, and firm work may take its
   * place against notice; then nothing of that try is billed. `bidHour` is the most an hour of one attempt may cost, start and output aside; absent: what firm work pays.
   */
  interruptible: z.strictObject({ bidHour: Amount.optional() }).optional(),
  /** The most that may be paid, per task and copy, for taking the place of interruptible work when there is no other: what that work had cost so far. Absent: it waits. */
  displace: Amount.optional(),
  /**
   * The tasks are the ranks of one gang: all of them run at once, each knows where the others are, and a private network joins them (docs/guides/gangs.md).
   * When one is lost through no fault of its own, all of them begin again; results count when every rank has ended well.
   */
  gang: z.literal(true).optional(),
  /** Run each task on this many nodes of different owners; the result counts when they agree. */
  copies: z.number().int().min(1).max(5).default(1),
  /** At most this share of the results that are accepted may be wrong. How many nodes are asked follows from what their owners have shown: at first one, then one more of another owner after each result that is not enough. Not together with `copies`. */
  assurance: Assurance.optional(),
  /** How copies are compared; only with `copies` or `assurance`. */
  compare: Compare.optional(),
  /**
   * A task that takes far longer than was foreseen is begun a second time on a node of another owner, when no task waits any more: the first result that is good counts, the other try is stopped
   * and its seconds are billed, inside the cap. This share of all work may be done twice at most, so with 0.05 one of twenty equal tasks. Absent or 0: no copies. Not together with `copies`,
   * `assurance`, `gang`, `interruptible`, or `disconnect: exclusive`.
   */
  speculate: z.number().min(0).max(1).optional(),
  /**
   * Done by its `deadline` for at most its cap: interruptible as long as there is time for it, firm when its slack runs out (docs/guides/deadlines.md). Asks for `deadline` and `expectedMs`, and for
   * `checkpoint` where what is done is to count. Not together with `interruptible`, `copies`, `assurance`, `speculate`, `gang`, or `disconnect: wait`.
   */
  plan: z.literal('deadline').optional(),
  /** Wanted by then, in milliseconds since 1970. A node that is not expected to be done in time is not taken, and what still waits then is given up; what runs may finish. */
  deadline: z.number().int().min(1).optional(),
  /** How long one attempt is expected to run; used for the estimate, and for when a job with a plan becomes firm; never for a limit. */
  expectedMs: z.number().int().min(1).max(7 * 86_400_000).optional(),
  /** What happens to an attempt whose node is cut off: replaced, waited for, or stopped by itself before it is replaced. */
  disconnect: z.enum(['replace', 'wait', 'exclusive']).default('replace'),
  /** Interrupted, it goes on from its last checkpoint; `limits.runMs` then counts what was kept of earlier attempts too. */
  checkpoint: CheckpointSpec.optional(),
  /** 1 is served first, 10 last. */
  priority: z.number().int().min(1).max(10).default(5),
}).meta({ id: 'JobSpec' })
/** A job as it is kept: every default filled in. */
export type JobSpec = z.infer<typeof JobSpec>
/** A job as a buyer writes it. */
export type JobSpecInput = z.input<typeof JobSpec>
