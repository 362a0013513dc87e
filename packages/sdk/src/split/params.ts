// Work that is not cut out of a file: items of a list, numbers of a range, points of a grid, files of a folder. Pure.
import { ITEMS_MAX, PART_ITEMS_MAX, fillWords, namesIn } from '@lumaris/protocol'
import type { Point, TaskItems } from '@lumaris/protocol'
import { SplitError } from './plan.ts'
import { sizesOf } from './sizes.ts'
import type { SizeOptions } from './sizes.ts'

export type { Point }
const POINTS_MAX = 10_000_000

/** Cuts a list into runs of neighbours. */
export function runsOf<T>(items: readonly T[], options: SizeOptions, most = PART_ITEMS_MAX): T[][] {
  if (items.length === 0) throw new SplitError('empty', 'There is nothing in the list', 'There is nothing to do, and nothing was spent.')
  // Unless told, each is a task of its own: items of a list may be of any size, and nothing here knows them.
  const { sizes } = sizesOf(items.length, options.chunks === undefined && options.chunkSize === undefined ? { ...options, chunkSize: 1 } : options)
  if (sizes.some((size) => size > most)) throw new SplitError('too_many', `A task would get ${Math.max(...sizes)} items, and can take ${most}`, 'Write them into a file and split that: --by lines.')
  let at = 0
  return sizes.map((size) => items.slice(at, (at += size)))
}
export const listPoints = (items: readonly string[], options: SizeOptions = {}): Point[] => runsOf(items, options).map((run) => ({ words: {}, all: run }))

/** `1..1000`, `0..10..2`, both ends included. Whole numbers: a sum of 0.1 ten times is not 1, so write steps of tenths as whole numbers and divide. */
export function parseRange(text: string): { from: number; to: number; step: number } {
  const match = /^(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text.trim())
  const from = Number(match?.[1]), to = Number(match?.[2]), step = Number(match?.[3] ?? 1)
  if (!match || from > to || step < 1) throw new SplitError('bad_request', `"${text}" is not a range`, 'Write it such as 1..1000 or 0..100..5: whole numbers, both ends included.')
  return { from, to, step }
}

/** A task gets a run of the range: `{from}` and `{to}`, both included, and `{step}`. */
export function rangePoints(text: string, options: SizeOptions = {}): Point[] {
  const { from, to, step } = parseRange(text)
  const { sizes } = sizesOf(Math.floor((to - from) / step) + 1, { least: 1, ...options })
  let at = 0
  return sizes.map((size) => {
    const first = String(from + at * step), last = String(from + (at + size - 1) * step)
    at += size
    return { words: { from: first, to: last, step: String(step) }, all: [first, last] }
  })
}

/** `lr=0.1,0.01`, `seed=1..5`: every combination, the last name fastest. */
export function gridPoints(axes: readonly string[], most: number): Point[] {
  const parsed = axes.map((text) => {
    const [, name = '', values = ''] = /^([A-Za-z_][A-Za-z0-9_]*)=(.+)$/s.exec(text) ?? []
    if (!name) throw new SplitError('bad_request', `"${text}" is not an axis of a grid`, 'Write it such as lr=0.1,0.01 or seed=1..5.')
    if (!/^-?\d+\.\./.test(values)) return { name, values: values.split(',') }
    const { from, to, step } = parseRange(values)
    if ((to - from) / step > POINTS_MAX) throw new SplitError('too_many', `The axis ${name} has too many values`, `A job has at most ${most} tasks.`)
    return { name, values: Array.from({ length: Math.floor((to - from) / step) + 1 }, (_one, i) => String(from + i * step)) }
  })
  if (new Set(parsed.map((axis) => axis.name)).size < parsed.length) throw new SplitError('bad_request', 'Two axes of the grid have one name', 'Give each its own.')
  const points = parsed.reduce((count, axis) => count * axis.values.length, 1)
  // Unlike bytes, points cannot be made fewer: each is a run of the program.
  if (points > most) throw new SplitError('too_many', `The grid has ${points} points, and a job at most ${most} tasks`, 'Take fewer values, or submit it as several jobs.')
  return Array.from({ length: points }, (_one, index) => {
    let left = index
    const words: Record<string, string> = {}
    for (const { name, values } of parsed.toReversed()) { words[name] = values[left % values.length] as string; left = Math.floor(left / values.length) }
    return { words, all: parsed.map(({ name }) => `--${name}=${words[name]}`) }
  })
}

/** Files of a folder, neighbours together, by their sizes; at most so many as a task can take. */
export function groupFiles<F extends { readonly size: number }>(files: readonly F[], options: SizeOptions, most = PART_ITEMS_MAX): F[][] {
  if (files.length === 0) throw new SplitError('empty', 'There are no files in the folder', 'There is nothing to do, and nothing was spent.')
  const total = files.reduce((sum, file) => sum + Math.max(1, file.size), 0)
  const { sizes } = sizesOf(total, options)
  const groups: F[][] = []
  let group: F[] = [], bytes = 0
  for (const file of files) {
    group.push(file)
    bytes += Math.max(1, file.size)
    if (bytes >= (sizes[groups.length] ?? 1) || group.length >= most) { groups.push(group); group = []; bytes = 0 }
  }
  if (group.length > 0) groups.push(group)
  if (groups.length > (options.most ?? 10_000)) throw new SplitError('too_many', `${files.length} files are too many for one job`, `A task takes at most ${most} files. Pack them, or submit several jobs.`)
  return groups
}

/** `{}` counts as a word of its own or as the value of an option (`--seed={}`); elsewhere, as in a line of Python, braces are the program's. */
const ALL = /^(-[A-Za-z0-9_-]+=)?\{\}$/

/** The command that all tasks share, and what each adds to it: from the first word on that differs, the task's own. */
export function fillCommand(command: readonly string[], points: readonly Point[]): { command: string[]; args: string[][] } {
  const names = new Set(Object.keys(points[0]?.words ?? {}))
  const at = command.findIndex((word) => ALL.test(word) || namesIn(word).some((name) => names.has(name)))
  if (at < 0) return { command: [...command], args: points.map((point) => [...point.all]) }
  if (at === 0) throw new SplitError('bad_request', 'The program itself cannot be different for each part', 'Name one program, and put the braces behind it.')
  const filled = ({ words, all }: Point) => (word: string): string[] => {
    const [, option] = ALL.exec(word) ?? []
    if (option !== undefined && all.length !== 1) throw new SplitError('bad_request', `A part has ${all.length} arguments, and ${word} has room for one`, 'Put {} alone, or one item in each part.')
    if (ALL.test(word)) return option === undefined ? [...all] : [option + (all[0] as string)]
    return fillWords([word], { words, all })
  }
  return { command: command.slice(0, at), args: points.map((point) => command.slice(at).flatMap(filled(point))) }
}

/** What is cut while it runs: the task is made of all of it, and its arguments say where a part's items go. */
export type Divided = { readonly command: string[]; readonly args: string[]; readonly items: TaskItems; /** How many, as far as they are counted. */ readonly count: number }
/** Null when the command takes one item at a time: a part has several. */
export function divideItems(command: readonly string[], input: { readonly by: 'list'; readonly items: readonly string[] } | { readonly by: 'range'; readonly range: string } | { readonly by: 'grid'; readonly axes: readonly string[] } | { readonly by: 'files'; readonly files: readonly unknown[] }): Divided | null {
  if ((input.by === 'list' && input.items.length === 0) || (input.by === 'files' && input.files.length === 0)) throw new SplitError('empty', input.by === 'list' ? 'There is nothing in the list' : 'There are no files in the folder', 'There is nothing to do, and nothing was spent.')
  const named = input.by === 'range' ? ['from', 'to', 'step'] : input.by === 'grid' ? input.axes.map((axis) => axis.split('=')[0] as string) : []
  const at = command.findIndex((word) => ALL.test(word) || namesIn(word).some((name) => named.includes(name)))
  if (at === 0) throw new SplitError('bad_request', 'The program itself cannot be different for each part', 'Name one program, and put the braces behind it.')
  if (at > 0 && command.slice(at).some((word) => (ALL.test(word) && word !== '{}') || (input.by === 'grid' && namesIn(word).some((name) => named.includes(name))))) return null
  const before = at < 0 ? [...command] : command.slice(0, at), args = at < 0 ? (input.by === 'range' ? ['{from}', '{to}'] : ['{}']) : command.slice(at)
  switch (input.by) {
    case 'files': return { command: before, args, items: { kind: 'files', from: 0 }, count: input.files.length }
    case 'range': {
      const { from: first, to, step } = parseRange(input.range), count = Math.floor((to - first) / step) + 1
      return { command: before, args, items: { kind: 'range', from: 0, to: count, first, step }, count }
    }
    default: {
      // A point is one argument, `lr=0.1,seed=1`: values of an axis have no comma.
      const values = input.by === 'list' ? [...input.items] : gridPoints(input.axes, ITEMS_MAX).map(({ words }) => Object.keys(words).toReversed().map((name) => `${name}=${words[name]}`).join(','))
      return { command: before, args, items: { kind: 'list', from: 0, values }, count: values.length }
    }
  }
}
