// What of a job may be cut after it was sent, and where: at the pieces of a file (points that the buyer names, borders of its records, with the hash of what lies between two of them, so
// that the market cuts without reading a byte and whoever fetches a range can check every byte of it), between the items of a list, the numbers of a range, whole files.
// One measure for all of them: units in a row, bytes or items, `from` up to `to`. A part of the job is such a range.
import type { ByteRange, InputFile, InputPiece, JobSpec, TaskSpec } from './job-spec.ts'
import { inputBytes, leastInputBytes } from './job-spec.ts'

/** Points in one file: should one node get all of it, they fit into a frame of its socket (1 MiB), a hundred bytes each. */
export const PIECES_MAX = 8_192
/** Items, or files, of one part, and the most their names may come to as JSON: they are arguments of a program, and fit into a frame too. */
export const PART_ITEMS_MAX = 200
const PART_TEXT_MAX = 512 * 1024
/** A character is three bytes at most. */
const CHAR_BYTES = 3

export type Divisible = ByteRange & {
  /** The first of the tasks of the spec that it is made of. */
  readonly head: number
  readonly unit: 'bytes' | 'items'
  /** The end of the piece, file or item in which this unit lies: no part ends anywhere else. */
  readonly endAfter: (at: number) => number
  /** How far a part may go that begins here, so that what its node is told fits into a frame. */
  readonly limitFrom: (at: number) => number
  /** The task over a part of it; may be cut again. */
  readonly narrow: (range: ByteRange) => TaskSpec
}
type Divided = InputFile & { from: number; to: number; pieces: InputPiece[] }
const isDivided = (file: InputFile): file is Divided => file.pieces !== undefined
const dividedInput = ({ inputs }: Pick<TaskSpec, 'inputs'>): Divided | null => inputs?.find(isDivided) ?? null
const weightOf = (file: InputFile): number => Math.max(1, inputBytes(file))

/** What of it this task of the spec is by itself; null for one that stays whole. */
export function rangeOfTask({ items, inputs = [] }: Pick<TaskSpec, 'items' | 'inputs'>): ByteRange | null {
  if (!items) { const file = dividedInput({ inputs }); return file && { from: file.from, to: file.to } }
  switch (items.kind) {
    case 'list': return { from: items.from, to: items.from + items.values.length }
    case 'range': return { from: items.from, to: items.to }
    case 'files': return { from: items.from, to: items.from + inputs.reduce((sum, file) => sum + weightOf(file), 0) }
  }
}

const known = new WeakMap<readonly TaskSpec[], readonly (Divisible | null)[]>()
/** What a task of the spec may be cut, and joined with its neighbours, within; null for one that stays whole. Tasks of one input that touch, and differ in nothing else, are one input that was planned in parts. */
export function divisibleOf(tasks: readonly TaskSpec[], index: number): Divisible | null {
  let all = known.get(tasks)
  if (!all) known.set(tasks, (all = chainsOf(tasks)))
  return all[index] ?? null
}
function chainsOf(tasks: readonly TaskSpec[]): (Divisible | null)[] {
  const all: (Divisible | null)[] = []
  for (let head = 0; head < tasks.length;) {
    const first = tasks[head] as TaskSpec, range = rangeOfTask(first)
    let end = head + 1, to = range?.to ?? 0
    // Files of two tasks may have one path, and could not lie in one directory.
    if (range && first.items?.kind !== 'files') for (const shared = sharedOf(first); end < tasks.length; end++) {
      const next = tasks[end] as TaskSpec, more = rangeOfTask(next)
      if (more?.from !== to || sharedOf(next) !== shared) break
      to = more.to
    }
    const whole = range && { ...within(tasks.slice(head, end), { from: range.from, to }), head }
    for (; head < end; head++) all.push(whole)
  }
  return all
}
/** All but which part of its input it is. */
function sharedOf({ items, inputs, ...task }: TaskSpec): string {
  const what = items?.kind === 'range' ? { first: items.first, step: items.step } : items?.kind
  return JSON.stringify([task, what, inputs?.map((file) => { if (!isDivided(file)) return file; const { from: _from, to: _to, pieces: _pieces, ...rest } = file; return rest })])
}

function within(tasks: readonly TaskSpec[], { from, to }: ByteRange): Omit<Divisible, 'head'> {
  const task = tasks[0] as TaskSpec, { items, inputs = [] } = task
  if (items?.kind === 'range') return { from, to, unit: 'items', endAfter: (at) => at + 1, limitFrom: () => to, narrow: (range) => ({ ...task, items: { ...items, ...range } }) }
  if (items?.kind === 'list') {
    const values = tasks.flatMap((one) => (one.items?.kind === 'list' ? one.items.values : [])), fitting = fittingOf(values)
    return { from, to, unit: 'items', endAfter: (at) => at + 1, limitFrom: (at) => from + fitting(at - from), narrow: (range) => ({ ...task, items: { kind: 'list', from: range.from, values: values.slice(range.from - from, range.to - from) } }) }
  }
  if (items) {
    let at = from
    const ends = inputs.map((file) => ({ to: (at += weightOf(file)) })), endOf = (i: number): number => ends[Math.min(i, ends.length - 1)]?.to ?? to
    return {
      from, to, unit: 'bytes', endAfter: (unit) => endOf(pieceAfter(ends, unit)), limitFrom: (unit) => endOf(pieceAfter(ends, unit) + PART_ITEMS_MAX - 1),
      narrow: (range) => ({ ...task, items: { ...items, from: range.from }, inputs: inputs.slice(pieceAfter(ends, range.from), pieceAfter(ends, range.to - 1) + 1) }),
    }
  }
  const file = dividedInput(task) as Divided, pieces = tasks.flatMap((one) => dividedInput(one)?.pieces ?? []), endOf = (i: number): number => pieces[Math.min(i, pieces.length - 1)]?.to ?? to
  return {
    from, to, unit: 'bytes', endAfter: (at) => endOf(pieceAfter(pieces, at)), limitFrom: (at) => endOf(pieceAfter(pieces, at) + PIECES_MAX - 1),
    narrow: (range) => ({ ...task, inputs: inputs.map((input) => (input === file ? { ...file, ...range, pieces: pieces.slice(pieceAfter(pieces, range.from), pieceAfter(pieces, range.to - 1) + 1) } : input)) }),
  }
}
/** The first behind those that one part may have, from this one on; one at least. */
function fittingOf(values: readonly string[]): (first: number) => number {
  const costs = values.map((value) => CHAR_BYTES * JSON.stringify(value).length)
  return (first) => {
    let text = 0, end = first
    for (; end < values.length && end < first + PART_ITEMS_MAX; end++) if ((text += costs[end] as number) > PART_TEXT_MAX && end > first) break
    return end
  }
}
/** The piece in which this unit lies. */
function pieceAfter(pieces: readonly { readonly to: number }[], at: number): number {
  let low = 0, high = pieces.length - 1
  while (low < high) { const middle = (low + high) >> 1; if ((pieces[middle] as { to: number }).to > at) high = middle; else low = middle + 1 }
  return low
}

/** A task as its program sees it: its items are words of its arguments. */
export function filledTask(task: TaskSpec): TaskSpec {
  const { items, ...plain } = task
  return items ? { ...plain, args: fillWords(task.args ?? [], pointOf(task)) } : task
}
/** What a part is in words: `words` are what `{name}` stands for, `all` what `{}` does. */
export type Point = { readonly words: Readonly<Record<string, string>>; readonly all: readonly string[] }
function pointOf({ items, inputs = [] }: TaskSpec): Point {
  if (items?.kind === 'range') {
    const number = (i: number): string => String(items.first + i * items.step), from = number(items.from), to = number(items.to - 1)
    return { words: { from, to, step: String(items.step) }, all: [from, to] }
  }
  return { words: {}, all: items?.kind === 'list' ? items.values : inputs.map(({ path }) => path) }
}
const NAME = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g
/** The names that a word has in braces. */
export const namesIn = (word: string): string[] => [...word.matchAll(NAME)].map(([, name]) => name as string)
export const fillWords = (words: readonly string[], point: Point): string[] => words.flatMap((word) => (word === '{}' ? [...point.all] : [word.replaceAll(NAME, (whole, name: string) => point.words[name] ?? whole)]))

/** Why items cannot become arguments of the task's program; null when they can. */
export function itemsProblem({ items, args = [], inputs = [] }: TaskSpec): string | null {
  if (!items) return null
  if (inputs.some(isDivided)) return 'a task is made of items, or of one input with pieces: leave one of them out'
  if (items.kind === 'files' && inputs.length === 0) return 'a task is made of its files and has none'
  if (args.some((word) => /^-[A-Za-z0-9_-]+=\{\}$/.test(word))) return 'a part has several items, and an option with {} has room for one: put {} alone'
  const names = items.kind === 'range' ? ['from', 'to'] : []
  return args.some((word) => word === '{}' || namesIn(word).some((name) => names.includes(name))) ? null : `nothing in the arguments says where the items go: put {}${items.kind === 'range' ? ', or {from} and {to},' : ''} into args`
}

/** So many parts it has at least. */
export function partsNeeded(whole: Divisible, { from, to }: ByteRange = whole): number {
  let parts = 0
  for (let at = from; at < to; parts++) at = Math.min(to, whole.limitFrom(at))
  return parts
}
/** The most tasks that a job may come to have. */
export const partsMax = ({ divide, tasks }: { readonly divide?: JobSpec['divide']; readonly tasks: readonly unknown[] }): number => divide?.most ?? tasks.length
/** Bytes of the least that its files may come to in one part of it. */
export const leastTaskBytes = ({ items, inputs = [] }: TaskSpec): number => { const sizes = inputs.map(leastInputBytes); return items?.kind === 'files' ? sizes.reduce((most, one) => Math.max(most, one), 0) : sizes.reduce((sum, one) => sum + one, 0) }
